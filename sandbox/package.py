"""Build what the template deploys, for this machine: the layer with its packages, and the functions.

`sam build` builds the same for AWS (arm64, Python 3.13). Both take the layer's packages from
layers/core/requirements.txt alone.
"""

from __future__ import annotations

import hashlib
import io
import platform
import py_compile
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LAYER = Path("layers/core")
REQUIREMENTS = LAYER / "requirements.txt"
PACKAGE = LAYER / "mailbearer"
INSTALL_SECONDS = 300
# Zip archives hold no earlier date; a fixed one makes the archive a function of its content.
EPOCH = (1980, 1, 1, 0, 0, 0)


class PackageError(Exception):
    """A part could not be built."""


def layer_archive(root: Path, cache: Path) -> bytes:
    """Pack the layer as the engine wants it: `mailbearer` below python/, and the way to its packages.

    The engine unpacks a layer anew for each process of a function. For some 2,000 files of packages that would be most
    of the time of a cold start, so the packages stay in `cache`, and a .pth file puts them where /opt/python has them:
    before everything of the runtime.
    """
    packages = installed_packages(root, cache)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        package = Path(scratch) / "mailbearer"
        shutil.copytree(root / PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        _compile(package, package.name)
        site = Path(scratch) / "site-packages"
        site.mkdir()
        (site / "packages.pth").write_text(f"import sys; sys.path.insert(0, {str(packages)!r})\n")
        python = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return _archive({"python/mailbearer/": package, f"python/lib/{python}/site-packages/": site})


def function_archive(folder: Path) -> bytes:
    """Pack one function's folder."""
    if not (folder / "app.py").is_file():
        raise PackageError(f"{folder} has no app.py")
    return _archive({"": folder}, leave_out="__pycache__")


def digest(archive: bytes) -> str:
    """Name an archive by its content."""
    return hashlib.sha256(archive).hexdigest()[:32]


def installed_packages(root: Path, cache: Path) -> Path:
    """Install what the layer's requirements pin, and nothing else; return the directory.

    It is kept in `cache` under a hash of the requirements and of this interpreter.
    """
    requirements = root / REQUIREMENTS
    tag = f"{sys.implementation.cache_tag}-{platform.system()}-{platform.machine()}"
    key = hashlib.sha256(requirements.read_bytes() + tag.encode()).hexdigest()[:16]
    done = cache / f"packages-{key}"
    if done.is_dir():
        return done
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        target = Path(scratch) / "python"
        install = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
                *("--no-deps", "--require-hashes", "--no-compile", "--target", str(target)),
                *("--requirement", str(requirements)),
            ],
            check=False,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
        )
        if install.returncode:
            raise PackageError(f"pip could not install the layer's packages:\n{install.stderr.strip()}")
        shutil.rmtree(target / "bin", ignore_errors=True)
        _compile(target)
        try:
            target.rename(done)  # whole or not at all
        except OSError:
            if not done.is_dir():
                raise
            # Another process has just done the same.
    return done


def _compile(directory: Path, name: str = "") -> None:
    """Put bytecode beside each source below `directory`, which Lambda will know as /opt/python/`name`."""
    for source in sorted(directory.rglob("*.py")):
        py_compile.compile(
            str(source),
            dfile=str(PurePosixPath("/opt/python", name, source.relative_to(directory))),
            doraise=True,
            quiet=2,
            # Unpacking gives a source a new date, and bytecode that is checked by date would be thrown away.
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )


def _archive(folders: Mapping[str, Path], *, leave_out: str = "") -> bytes:
    content = io.BytesIO()
    # Stored: the engine unpacks it for every function process, on this machine.
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for prefix, folder in folders.items():
            for path in sorted(folder.rglob("*")):
                if path.is_dir() or leave_out in path.parts:
                    continue
                entry = zipfile.ZipInfo(prefix + path.relative_to(folder).as_posix(), EPOCH)
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, path.read_bytes())
    return content.getvalue()
