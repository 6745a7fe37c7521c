"""The layer's declared requirements are enough: everything imports from it and the runtime's boto3 alone."""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sandbox import package
from sandbox.local import FUNCTIONS, Places

pytestmark = pytest.mark.slow


ROOT = Path(__file__).resolve().parents[2]
CACHE = Places(ROOT).cache
# What the Lambda runtime brings: boto3 and what it needs.
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
# Arguments: the layer, its packages, the runtime's directory, and the functions' folders.
IMPORT_ALL = """
import importlib, pkgutil, sys
layer, packages, runtime, *folders = sys.argv[1:]
sys.path[:0] = [layer, packages, runtime]
import mailbearer
assert mailbearer.__file__.startswith(layer), mailbearer.__file__
names = [module.name for module in pkgutil.walk_packages(mailbearer.__path__, "mailbearer.")]
for name in names:
    importlib.import_module(name)
for folder in folders:
    sys.path[0:0] = [folder]
    assert callable(importlib.import_module("app").lambda_handler), folder
    del sys.path[0], sys.modules["app"]
print(*names)
"""


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the layer for this machine and unpack it as the engine does."""
    directory = tmp_path_factory.mktemp("opt")
    with zipfile.ZipFile(io.BytesIO(package.layer_archive(ROOT, CACHE))) as opened:
        opened.extractall(directory)
    return directory / "python"


@pytest.fixture(scope="module")
def packages() -> Path:
    """Install the layer's packages."""
    return package.installed_packages(ROOT, CACHE)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stand in for the directory in which the runtime keeps boto3."""
    directory = tmp_path_factory.mktemp("runtime")
    for name in RUNTIME:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        source = Path(spec.origin)
        source = source.parent if source.name == "__init__.py" else source
        (directory / source.name).symlink_to(source)
    return directory


def import_all(layer: Path, packages: Path, runtime: Path) -> subprocess.CompletedProcess[str]:
    """Import every module of the layer and every function, with neither site-packages nor the checkout on the path."""
    folders = [str(ROOT / "functions" / folder) for folder in FUNCTIONS]
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", IMPORT_ALL, str(layer), str(packages), str(runtime), *folders],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_every_module_and_function_imports_from_the_layer_alone(layer: Path, packages: Path, runtime: Path) -> None:
    imported = import_all(layer, packages, runtime)
    assert imported.returncode == 0, imported.stderr
    sources = set((ROOT / package.PACKAGE).rglob("*.py")) - {ROOT / package.PACKAGE / "__init__.py"}
    assert len(imported.stdout.split()) == len(sources)


def test_a_package_that_the_layer_does_not_declare_is_missed(
    layer: Path, packages: Path, runtime: Path, tmp_path: Path
) -> None:
    for entry in packages.iterdir():
        if not entry.name.startswith("authlib"):
            (tmp_path / entry.name).symlink_to(entry)
    imported = import_all(layer, tmp_path, runtime)
    assert imported.returncode != 0
    assert "No module named 'authlib'" in imported.stderr


def test_the_layers_packages_come_before_those_of_the_runtime(layer: Path, packages: Path) -> None:
    (site,) = (layer / "lib").glob("python*/site-packages")
    looked_up = subprocess.run(
        [
            sys.executable,
            "-c",
            "import site, sys; site.addsitedir(sys.argv[1]); import requests; print(requests.__file__)",
            site,
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert Path(looked_up.stdout.strip()).is_relative_to(packages)


def test_the_same_sources_give_the_same_archive() -> None:
    assert package.digest(package.layer_archive(ROOT, CACHE)) == package.digest(package.layer_archive(ROOT, CACHE))
