"""What an operator gives for a registration, checked without looking anything up."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from mailbearer.errors import Fault

TOKEN_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")
SMTP_SECURITY = ("starttls", "tls")
_MAX_PORT = 65_535
_MAX_NAME = 64
_MAX_HOST = 253

# The name becomes part of a secret's name and of paths.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# RFC 6749 appendix A: client ids are printable ASCII; a scope is printable ASCII without blank, quote and backslash.
_CLIENT_ID = re.compile(r"[\x21-\x7e]+")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
# At least two labels, the last of which begins with a letter: a number there is an IPv4 address in an old spelling.
_HOST = re.compile(r"((?!-)[A-Za-z0-9_-]{1,63}(?<!-)\.)+[A-Za-z][A-Za-z0-9-]{0,62}(?<!-)\.?")
_URL = re.compile(r"[\x21-\x5b\x5d-\x7e]+")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


class Faults:
    """Collects every fault of one registration."""

    def __init__(self, *, local: bool) -> None:
        self._local = local
        self.found: list[Fault] = []

    def add(self, pointer: str, code: str, detail: str) -> None:
        """Note one fault."""
        self.found.append(Fault(pointer, code, detail))

    def name(self, name: str) -> None:
        """Check the operator's word for the registration."""
        if not _NAME.fullmatch(name) or len(name) > _MAX_NAME:
            self.add("/name", "invalid_name", f"name: use 1-{_MAX_NAME} letters, digits, dots, dashes or underscores.")

    def client_id(self, client_id: str) -> None:
        """Check the client id (RFC 6749 appendix A.1, without blanks)."""
        if not _CLIENT_ID.fullmatch(client_id):
            self.add("/client_id", "invalid_client_id", "client_id: give the id that the provider shows.")

    def scopes(self, scopes: tuple[str, ...]) -> None:
        """Check each scope (RFC 6749 section 3.3)."""
        for position, scope in enumerate(scopes):
            if not _SCOPE.fullmatch(scope):
                detail = f"scope {scope!r}: one scope is one word of printable ASCII."
                self.add(f"/scopes/{position}", "invalid_scope", detail)

    def choice(self, pointer: str, value: str, choices: tuple[str, ...]) -> None:
        """Check that a value, if given, is one of the choices."""
        if value and value not in choices:
            self.add(pointer, "unknown_value", f"{pointer[1:]}: use {' or '.join(choices)}, not {value!r}.")

    def port(self, port: int) -> None:
        """Check a port; 0 stands for none given."""
        if not 0 <= port <= _MAX_PORT:
            self.add("/smtp_port", "invalid_port", f"smtp_port: use 1-{_MAX_PORT}.")

    def host(self, pointer: str, host: str) -> None:
        """Check a host's name or address, if given: public, or loopback on a local stage."""
        if not host or (self._local and is_loopback(host)):
            return
        address = _address(host)
        private = is_loopback(host) if address is None else not address.is_global or address.is_multicast
        if private:
            self.add(pointer, "private_host", f"{pointer[1:]}: {host} is not a public address.")
        elif address is None and (len(host) > _MAX_HOST or not _HOST.fullmatch(host)):
            self.add(pointer, "invalid_host", f"{pointer[1:]}: {host!r} is no public host name.")

    def url(self, pointer: str, url: str) -> None:
        """Check a URL, if given: https and a public host, or loopback on a local stage."""
        if not url:
            return
        label = pointer[1:]
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            parts, host, port = None, "", None
        if parts is None or not host or port == 0 or not _URL.fullmatch(url):
            self.add(pointer, "invalid_url", f"{label}: {url!r} is no URL.")
            return
        if parts.username is not None or parts.password is not None or "#" in url:
            self.add(pointer, "invalid_url", f"{label}: leave user names and fragments out of the URL.")
        elif not (parts.scheme == "https" or (parts.scheme == "http" and self._local and is_loopback(host))):
            self.add(pointer, "https_required", f"{label}: use https.")
        else:
            self.host(pointer, host)

    def ca_pem(self, pem: str) -> None:
        """Check that the PEM text, if given, holds certificates and no key."""
        if not pem:
            return
        if "PRIVATE KEY" in pem:
            self.add("/ca_pem", "private_key", "ca_pem: this holds a private key; give the certificate alone.")
        elif not _CERTIFICATE.search(pem):
            self.add("/ca_pem", "invalid_certificate", "ca_pem: give at least one certificate in PEM form.")


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine by its name or address."""
    address = _address(host)
    name = host.lower().rstrip(".")
    return address.is_loopback if address else name == "localhost" or name.endswith(".localhost")


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
