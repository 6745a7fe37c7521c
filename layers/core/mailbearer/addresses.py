"""Strict reading of e-mail addresses: what is authorised here is what goes into RCPT TO, so nothing is guessed."""

from __future__ import annotations

# ruff: noqa: PLR2004 - each bound stands once, beside the words that explain it
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mailbearer.errors import Fault
from mailbearer.message import Address

MAX_ADDRESSES = 500
"""The longest list that is read."""

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL_PART = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_NAME_ADDR = re.compile(r"(?P<name>[^<>]*)<(?P<email>[^<>\s]+)>")

# Everything that some program somewhere takes for the end of a line, and the rest of the C0 and C1 controls (RFC 5322
# section 2.2 allows none of them in a header field), lone surrogates, and the marks that reverse the reading direction,
# which serve only to disguise a name.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def unsafe_in_header(text: str) -> bool:
    """Tell whether `text` holds a character that may not stand in a header field."""
    return _FORBIDDEN.search(text) is not None


def read_addresses(value: object, pointer: str, faults: list[Fault]) -> tuple[Address, ...]:
    """Read one address or a list of them, in any of the forms of api.md, adding to `faults` what cannot be used."""
    if value is None:
        return ()
    items: Iterator[tuple[str, object]]
    if isinstance(value, list) and len(value) > MAX_ADDRESSES:
        faults.append(Fault(pointer, "too_many_recipients", f"A list has at most {MAX_ADDRESSES} addresses."))
        return ()
    if isinstance(value, list):
        items = ((f"{pointer}/{index}", item) for index, item in enumerate(value))
    else:
        items = iter([(pointer, value)])
    read = [read_address(item, where, faults) for where, item in items]
    return tuple(address for address in read if address is not None)


def read_address(value: object, pointer: str, faults: list[Fault]) -> Address | None:
    """Read `a@b`, `Name <a@b>` or `{"email", "name"}`; None, with a fault, if it is none of them."""
    if isinstance(value, str):
        match = _NAME_ADDR.fullmatch(value.strip(" "))
        name, email = (_unquote(match["name"].strip(" ")), match["email"]) if match else ("", value.strip(" "))
    elif isinstance(value, Mapping):
        faults.extend(
            Fault(
                f"{pointer}/{escape_pointer(name)}", "unknown_field", "An address has the fields email and name only."
            )
            for name in sorted(set(value) - {"email", "name"})
        )
        email, name = given(value, "email", ""), given(value, "name", "")
        if not isinstance(email, str) or not isinstance(name, str):
            faults.append(Fault(pointer, "invalid_address", "email and name have to be strings."))
            return None
    else:
        faults.append(
            Fault(pointer, "invalid_address", 'Write "a@b", "Name <a@b>" or {"email": "a@b", "name": "Name"}.')
        )
        return None
    if unsafe_in_header(name) or unsafe_in_header(email):
        faults.append(
            Fault(pointer, "unsafe_character", "Line breaks and control characters may not stand in an address.")
        )
        return None
    if len(name) > 200:
        faults.append(Fault(pointer, "name_too_long", "A display name has at most 200 characters."))
        return None
    problem, ascii_email = _check(email)
    if problem:
        faults.append(Fault(pointer, "invalid_address", problem))
        return None
    return Address(ascii_email, name)


def _check(email: str) -> tuple[str, str]:
    """Give what is wrong (or nothing), and the address with its domain in ASCII (RFC 5890)."""
    local, at, domain = email.rpartition("@")
    if not at or not local or not domain:
        return f"{email[:80]!r} is not an address of the form local@domain.", ""
    if not local.isascii():
        return "Addresses with non-ASCII characters before the @ (RFC 6531) are not supported.", ""
    if len(local) > 64 or not _LOCAL_PART.fullmatch(local):
        return f"{local[:80]!r} cannot stand before the @ (RFC 5321 dot-string, at most 64 octets).", ""
    try:
        # Cut, because the codec's time grows with the square of the length.
        ascii_domain = domain if domain.isascii() else domain[:254].encode("idna").decode()
    except UnicodeError:
        return f"{domain[:80]!r} is not a domain name.", ""
    labels = ascii_domain.split(".")
    if max(len(domain), len(ascii_domain)) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return f"{domain[:80]!r} is not a domain name.", ""
    return "", f"{local}@{ascii_domain}"


def given(body: Mapping[str, Any], name: str, default: object) -> Any:
    """Give a field's value as it was sent; null stands for one that was left out."""
    value = body.get(name)
    return default if value is None else value


def escape_pointer(name: str) -> str:
    """Escape a name for a JSON pointer (RFC 6901 section 3)."""
    return name.replace("~", "~0").replace("/", "~1")


def _unquote(name: str) -> str:
    """Take the quotes off a quoted display name (RFC 5322 section 3.2.4)."""
    if len(name) > 1 and name[0] == name[-1] == '"':
        return re.sub(r"\\(.)", r"\1", name[1:-1])
    return name
