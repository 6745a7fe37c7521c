"""The check of `make build` finds what would break in Lambda."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from sandbox.artefacts import faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEMPLATE = """
Resources:
  Fn: {Type: "AWS::Serverless::Function", Properties: {CodeUri: functions/fn}}
  Layer: {Type: "AWS::Serverless::LayerVersion", Properties: {ContentUri: layers/core}}
  Table: {Type: "AWS::DynamoDB::Table", Properties: {}}
"""
ELF = b"\x7fELF" + bytes(14)
ARM64, X86_64 = (183).to_bytes(2, "little"), (62).to_bytes(2, "little")
BYTECODE = (3571).to_bytes(2, "little") + b"\r\n" + (1).to_bytes(4, "little") + bytes(8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Lay out a small checkout."""
    root = tmp_path / "checkout"
    write(root / "template.yaml", TEMPLATE)
    write(root / "functions/fn/app.py", "def lambda_handler(event, context): ...\n")
    write(root / "layers/core/mailbearer/__init__.py", "")
    write(root / "layers/core/requirements.txt", "some-thing==1.0 \\\n    --hash=sha256:00\n")
    return root


@pytest.fixture
def build(root: Path) -> Path:
    """Lay out what a good build makes of that checkout."""
    build = root / ".aws-sam/build"
    write(build / "template.yaml", TEMPLATE.replace("functions/fn", "Fn").replace("layers/core", "Layer"))
    shutil.copytree(root / "functions/fn", build / "Fn")
    shutil.copytree(root / "layers/core/mailbearer", build / "Layer/python/mailbearer")
    write(build / "Layer/python/some_thing-1.0.dist-info/METADATA", "")
    write(build / "Layer/python/native.cpython-313-aarch64-linux-gnu.so", ELF + ARM64)
    for source in list(build.rglob("*.py")):
        write(source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc", BYTECODE)
    return build


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def test_a_good_build_has_no_faults(root: Path, build: Path) -> None:
    assert faults(root, build, with_bytecode=True) == []


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (shutil.rmtree, "holds no built template"),
        (lambda build: shutil.rmtree(build / "Fn"), "Fn was not built"),
        (lambda build: write(build / "Fn/app.py", "def handler(): ...\n"), "Fn is not built from fn/"),
        (lambda build: write(build / "Layer/python/mailbearer/old.py", ""), "mailbearer is not the package"),
        (lambda build: shutil.rmtree(build / "Layer/python/some_thing-1.0.dist-info"), "has some-thing None"),
        (lambda build: write(build / "Layer/python/boto3-1.0.dist-info/METADATA", ""), "has boto3 1.0"),
        (lambda build: write(build / "Layer/python/native.abi3.so", ELF + X86_64), "not built for arm64"),
        (lambda build: write(build / "Layer/python/a.cpython-311-aarch64-linux-gnu.so", ELF + ARM64), "Python 3.13"),
        (lambda build: write(build / "Fn/__pycache__/app.cpython-313.pyc", bytes(16)), "not unchecked bytecode"),
        (lambda build: (build / "Fn/__pycache__/app.cpython-313.pyc").unlink(), "app.py has no bytecode"),
    ],
)
def test_a_broken_artefact_is_named(root: Path, build: Path, harm: Callable[[Path], object], fault: str) -> None:
    harm(build)
    found = faults(root, build, with_bytecode=True)
    assert any(fault in each for each in found), found


def test_a_function_without_its_handler_is_named(root: Path, build: Path) -> None:
    for folder in (root / "functions/fn", build / "Fn"):
        write(folder / "app.py", "def handler(): ...\n")
    assert faults(root, build, with_bytecode=True) == ["Fn has no handler app.lambda_handler"]


def test_artefacts_that_are_too_large_for_lambda_are_named(root: Path, build: Path) -> None:
    (fault,) = faults(root, build, with_bytecode=True, limit=10)
    assert "Lambda takes 10" in fault
