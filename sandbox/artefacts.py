"""Check what `sam build` made, before anybody deploys it: `python -m sandbox.artefacts DIRECTORY [--with-bytecode]`."""

from __future__ import annotations

import argparse
import ast
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sandbox.deploy import CODE_PROPERTIES, TEMPLATE, load_template
from sandbox.package import PACKAGE, REQUIREMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: function and layers together, unpacked.
LAMBDA_BYTES = 250 * 1024 * 1024
# ELF header, e_machine at offset 18: EM_AARCH64.
AARCH64 = (183).to_bytes(2, "little")
# The first bytes of a 3.13 bytecode file, and its flag for "never checked against the source" (PEP 552).
BYTECODE_313 = (3571).to_bytes(2, "little") + b"\r\n"
UNCHECKED = (1).to_bytes(4, "little")
LAMBDA_ENVIRONMENT = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "aarch64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.13.0",
    "python_version": "3.13",
    "sys_platform": "linux",
}


def faults(root: Path, build: Path, *, with_bytecode: bool, limit: int = LAMBDA_BYTES) -> list[str]:
    """Name everything that is wrong with the artefacts in `build`, made from the sources in `root`."""
    built_template = build / "template.yaml"
    if not built_template.is_file():
        return [f"{build} holds no built template"]
    wanted, built = load_template(root / TEMPLATE)["Resources"], load_template(built_template)["Resources"]
    found: list[str] = []
    layers, functions = [], []
    for name, resource in wanted.items():
        code = CODE_PROPERTIES.get(resource["Type"])
        if code is None:
            continue
        artefact = build / str(built.get(name, {}).get("Properties", {}).get(code, "missing"))
        if not artefact.is_dir():
            found.append(f"{name} was not built")
        elif resource["Type"] == "AWS::Serverless::Function":
            functions.append(artefact)
            found += _faults_of_function(name, artefact, root / resource["Properties"][code])
        else:
            layers.append(artefact)
            found += _faults_of_layer(artefact / "python", root)
    for artefact in (*layers, *functions):
        found += _faults_of_files(artefact, with_bytecode=with_bytecode)
    for artefact in functions:
        size = sum(path.stat().st_size for part in (*layers, artefact) for path in part.rglob("*") if path.is_file())
        if size > limit:
            found.append(f"{artefact.name} has {size} bytes with its layers; Lambda takes {limit}")
    return found


def _faults_of_function(name: str, artefact: Path, source: Path) -> Iterator[str]:
    if _sources(artefact) != _sources(source):
        yield f"{name} is not built from {source.name}/"
    elif "lambda_handler" not in _functions_in(artefact / "app.py"):
        yield f"{name} has no handler app.lambda_handler"


def _faults_of_layer(python: Path, root: Path) -> Iterator[str]:
    if _sources(python / "mailbearer") != _sources(root / PACKAGE):
        yield "the layer's mailbearer is not the package of the sources"
    pinned = dict(_pins(root / REQUIREMENTS))
    present = dict(_distributions(python))
    for name in sorted(pinned.keys() | present.keys()):
        if pinned.get(name) != present.get(name):
            yield f"the layer has {name} {present.get(name)}, where {REQUIREMENTS} says {pinned.get(name)}"


def _faults_of_files(artefact: Path, *, with_bytecode: bool) -> Iterator[str]:
    for path in sorted(artefact.rglob("*")):
        if path.suffix == ".so":
            if path.read_bytes()[18:20] != AARCH64:
                yield f"{path.name} is not built for arm64"
            if not re.search(r"\.(cpython-313-.*|abi3)\.so$", path.name):
                yield f"{path.name} is not built for Python 3.13"
        elif path.suffix == ".pyc":
            head = path.read_bytes()[:8]
            if head != BYTECODE_313 + UNCHECKED:
                yield f"{path.name} is not unchecked bytecode of Python 3.13"
        elif path.suffix == ".py" and with_bytecode and not _bytecode_of(path).is_file():
            yield f"{path.relative_to(artefact)} has no bytecode"


def _bytecode_of(source: Path) -> Path:
    return source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"


def _sources(folder: Path) -> Mapping[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def _functions_in(source: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.parse(source.read_bytes(), source.name).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return names


def _pins(requirements: Path) -> Iterator[tuple[str, str]]:
    for line in requirements.read_text().splitlines():
        if line[:1].isalpha():
            requirement = Requirement(line.removesuffix("\\").strip())
            if requirement.marker is None or requirement.marker.evaluate(LAMBDA_ENVIRONMENT):
                yield canonicalize_name(requirement.name), str(requirement.specifier).removeprefix("==")


def _distributions(python: Path) -> Iterator[tuple[str, str]]:
    for folder in python.glob("*.dist-info"):
        name, _, version = folder.name.removesuffix(".dist-info").partition("-")
        yield canonicalize_name(name), version


def main() -> int:
    """Run the command line and give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.artefacts")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--with-bytecode", action="store_true", help="every source must come with bytecode of 3.13")
    arguments = parser.parse_args()
    root = Path(__file__).resolve().parents[1]
    found = faults(root, arguments.directory.resolve(), with_bytecode=arguments.with_bytecode)
    for fault in found:
        sys.stderr.write(f"{fault}\n")
    sys.stdout.write(f"{arguments.directory}: {'broken' if found else 'good'}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
