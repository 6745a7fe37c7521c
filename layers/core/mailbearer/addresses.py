"""Strict reading of e-mail addresses: what is authorised here is what goes into RCPT TO, so nothing is guessed."""

from __future__ import annotations

# ruff: noqa: PLR2004 - each bound stands once, beside the words that explain it
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mailbearer.errors import Fault
from mailbearer.message import Address, Message

MAX_ADDRESSES = 500
"""The longest list that is read."""

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~-"
_LOCAL_PART = re.compile(rf"[{_ATEXT}]+(\.[{_ATEXT}]+)*")
_UTF8_LOCAL_PART = rf"[\x80-\U0010ffff{_ATEXT}]+(\.[\x80-\U0010ffff{_ATEXT}]+)*"
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_NAME_ADDR = re.compile(r"(?P<name>[^<>]*)<(?P<email>[^<>\s]+)>")

# Everything that some program somewhere takes for the end of a line, and the rest of the C0 and C1 controls (RFC 5322
# section 2.2 allows none of them in a header field), lone surrogates, and the marks that reverse the reading direction,
# which serve only to disguise a name.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def unsafe_in_header(text: str) -> bool:
    """Tell whether `text` holds a character that may not stand in a header field."""
    return _FORBIDDEN.search(text) is not None


def needs_smtputf8(message: Message) -> bool:
    """Tell whether an address of the message can only be written in UTF-8 (RFC 6531, RFC 6532)."""
    groups = ((message.sender,), message.to, message.cc, message.bcc, message.reply_to)
    return not all(address.email.isascii() for group in groups for address in group)


def read_addresses(value: object, pointer: str, faults: list[Fault]) -> tuple[Address, ...]:
    """Read one address or a list of them, in any of the forms of api.md, adding to `faults` what cannot be used.

    These are addresses of others: they may be in UTF-8 (RFC 6531).
    """
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
    read = [read_address(item, where, faults, utf8=True) for where, item in items]
    return tuple(address for address in read if address is not None)


def read_address(value: object, pointer: str, faults: list[Fault], *, utf8: bool = False) -> Address | None:
    """Read `a@b`, `Name <a@b>` or `{"email", "name"}`; None, with a fault, if it is none of them.

    What stands before the @ is ASCII, unless `utf8` lets it be more: a mailbox of ours has to be comparable.
    """
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
    problem, checked = check_email(email)
    if not problem and not utf8 and not checked.isascii():
        problem = f"{email[:80]!r} has characters beyond ASCII before the @, which a mailbox to send from cannot have."
    if problem:
        faults.append(Fault(pointer, "invalid_address", problem))
        return None
    return Address(checked, name)


def check_email(email: str) -> tuple[str, str]:
    """Give what is wrong (or nothing), and the address as it is used.

    That is with its domain in ASCII (RFC 5890), and with what stands before the @ in normal form C (RFC 6532 section
    3.1), so that one mailbox is not two.
    """
    local, at, domain = email.rpartition("@")
    if not at or not local or not domain:
        return f"{email[:80]!r} is not an address of the form local@domain.", ""
    local = _local_part(local)
    if not local:
        problem = f"{email[:80]!r}: before the @ stands a dot-string of at most 64 octets (RFC 5321, RFC 6531)."
        return problem, ""
    ascii_domain = domain if domain.isascii() else _ascii_domain(domain)
    if not ascii_domain:
        return f"{domain[:80]!r} is not a domain name, or not one that all read alike; write it in ASCII (xn--).", ""
    labels = ascii_domain.split(".")
    if max(len(domain), len(ascii_domain)) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return f"{domain[:80]!r} is not a domain name.", ""
    return "", f"{local}@{ascii_domain}"


def _local_part(local: str) -> str:
    """Give what stands before the @ as it is used, or nothing if it cannot stand there."""
    if len(local) > 64:
        return ""
    if local.isascii():
        return local if _LOCAL_PART.fullmatch(local) else ""
    import unicodedata  # noqa: PLC0415 - few addresses need it

    normal = unicodedata.normalize("NFC", local)
    visible = all(char.isascii() or unicodedata.category(char)[0] not in "CZ" for char in normal)
    usable = visible and len(normal.encode()) <= 64 and re.fullmatch(_UTF8_LOCAL_PART, normal)
    return normal if usable else ""


def _ascii_domain(domain: str) -> str:
    """Give a domain in ASCII, or nothing if there is none, or if it could mean another.

    What the codec replaces (RFC 3491) other standards keep apart (RFC 5891, or the sharp s and the final sigma in UTS
    46): the domain that comes of it may be somebody else's.
    """
    import unicodedata  # noqa: PLC0415 - few addresses need it

    try:
        # Cut, because the codec's time grows with the square of the length.
        labels = unicodedata.normalize("NFC", domain[:254].lower()).split(".")
        written = [label if label.isascii() else label.encode("idna").decode() for label in labels]
        alike = labels == [
            name if label.isascii() else name.encode().decode("idna")
            for label, name in zip(labels, written, strict=True)
        ]
    except UnicodeError:
        return ""
    return ".".join(written) if alike else ""


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
