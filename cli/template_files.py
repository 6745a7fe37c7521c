"""Templates as designers have them: one folder for each, with `subject.txt`, `text.txt` and `html.html`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.refusal import Refused
from mailbearer.errors import Fault, InvalidInput
from mailbearer.template import TemplateVersion
from mailbearer.templating.reading import is_name

FILES = {"subject": "subject.txt", "text": "text.txt", "html": "html.html"}
_LARGEST = 1024 * 1024  # octets of one file; the API takes 256 KiB for all three
_LINE = re.compile(r"Line (\d+): ")
"""How the faults of a template's source begin."""

Content = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Folder:
    """One template's folder; `content` has None for a file that is not there."""

    path: Path
    content: Content

    @property
    def name(self) -> str:
        """Give the template's name."""
        return self.path.name

    def located(self, faults: Iterable[Fault]) -> list[Fault]:
        """Say of faults of this template in which file and line they are."""
        located = []
        for fault in faults:
            name = FILES.get(fault.pointer.removeprefix("/"))
            line = _LINE.match(fault.detail)
            where = f"{self.path / name if name else self.path}{f':{line[1]}' if line else ''}"
            located.append(Fault(where, fault.code, fault.detail[line.end() :] if line else fault.detail))
        return located


def read_folders(directory: Path) -> list[Folder]:
    """Read every template of a directory, by name. Raises `Refused` with every fault of every file."""
    if not directory.is_dir():
        raise Refused(f"{directory} is no directory.", remedy="Give the one that holds a folder for each template.")
    if any((directory / name).exists() for name in FILES.values()):
        raise Refused(
            f"{directory} is one template's folder.", remedy=f"Give the directory above it: {directory.parent}"
        )
    faults: list[Fault] = []
    folders = [
        Folder(path, _read_content(path, faults))
        for path in sorted(directory.iterdir())
        if path.is_dir() and not path.name.startswith(".")
    ]
    for folder in folders:
        if not is_name(folder.name):
            detail = "A template's name has 1 to 64 small letters, digits, dots, dashes and underscores."
            faults.append(Fault(str(folder.path), "invalid_template_name", detail))
    if not folders:
        raise Refused(f"{directory} holds no template.", remedy=f"Make a folder for each, with {_listed()} in it.")
    if faults:
        raise Refused("The templates cannot be read; nothing was changed.", faults=tuple(faults))
    return folders


def check_folders(folders: Iterable[Folder]) -> None:
    """Look for faults in templates on this machine, as the API does. Raises `Refused` with those of all."""
    # Jinja2 is imported here, because most commands do without it.
    from mailbearer.rendering.engine import JinjaEngine  # noqa: PLC0415 - the same

    engine, faults = JinjaEngine(lambda: 0.0), list[Fault]()
    for folder in folders:
        content = folder.content
        version = TemplateVersion(
            template=folder.name,
            version=0,
            subject=content["subject"] or "",
            text=content["text"],
            html=content["html"],
            created_at=0,
        )
        try:
            engine.check(version)
        except InvalidInput as error:
            faults += folder.located(error.faults)
    if faults:
        raise Refused("The templates have faults; nothing was changed.", faults=tuple(faults))


def read_folder(path: Path) -> Content | None:
    """Read what a folder holds of a template, None if nothing. Raises `Refused`."""
    if not any((path / name).exists() for name in FILES.values()):
        return None
    faults: list[Fault] = []
    content = {part: _read_file(path / name, faults) for part, name in FILES.items()}
    if faults:
        raise Refused(f"{path} cannot be compared.", faults=tuple(faults), remedy="--force writes over it.")
    return content


def write_folder(path: Path, version: Mapping[str, Any]) -> None:
    """Write a version as three files, taking away what it does not have. Raises `Refused`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        for part, name in FILES.items():
            text = version.get(part)
            if text is None:
                (path / name).unlink(missing_ok=True)
            else:
                ending = "\n" if part == "subject" else ""
                (path / name).write_bytes(f"{text}{ending}".encode())
    except (OSError, UnicodeEncodeError) as error:
        raise Refused(f"{path} cannot be written: {error}.") from error


def _read_content(path: Path, faults: list[Fault]) -> Content:
    content = {part: _read_file(path / name, faults) for part, name in FILES.items()}
    if content["subject"] is None and not any(fault.pointer == str(path / FILES["subject"]) for fault in faults):
        faults.append(
            Fault(str(path / FILES["subject"]), "required", "A template has a subject; the file may be empty.")
        )
    if content["text"] is None and content["html"] is None:
        faults.append(Fault(str(path), "content_missing", f"Give {FILES['text']}, {FILES['html']} or both."))
    return content


def _read_file(path: Path, faults: list[Fault]) -> str | None:
    try:
        if not path.exists():
            return None
        if path.stat().st_size > _LARGEST:
            faults.append(Fault(str(path), "too_long", "A template has at most 256 KiB."))
            return None
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is no text in UTF-8"
        faults.append(Fault(str(path), "not_a_string", f"It cannot be read: {why}."))
        return None
    # Editors end a file with a line end; a subject has none.
    return text.removesuffix("\n").removesuffix("\r") if path.name == FILES["subject"] else text


def _listed() -> str:
    return f"{FILES['subject']} and {FILES['text']} or {FILES['html']}"
