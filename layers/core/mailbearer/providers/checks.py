"""What an operator gives for a registration, checked without looking anything up."""

from __future__ import annotations

import re

from mailbearer.errors import Fault
from mailbearer.public_hosts import host_fault, port_fault, url_fault

TOKEN_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
SMTP_SECURITY = ("starttls", "tls")
_MAX_NAME = 64

# The name becomes part of a secret's name and of paths.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# RFC 6749 appendix A: client ids are printable ASCII; a scope is printable ASCII without blank, quote and backslash.
_CLIENT_ID = re.compile(r"[\x21-\x7e]+")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
# A tenant becomes a part of a URL's path: Entra knows it by its id or by one of its domains.
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
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

    def tenant(self, tenant: str) -> None:
        """Check a tenant's id or domain, if given."""
        if tenant and not _TENANT.fullmatch(tenant):
            self.add("/tenant", "invalid_tenant", "tenant: give its id or one of its domains.")

    def port(self, pointer: str, port: int) -> None:
        """Check a port; 0 stands for none given."""
        if port:
            self._note(pointer, port_fault(port))

    def host(self, pointer: str, host: str) -> None:
        """Check a host's name or address, if given: public, or loopback on a local stage."""
        if host:
            self._note(pointer, host_fault(host, local=self._local))

    def url(self, pointer: str, url: str) -> None:
        """Check a URL, if given: https and a public host, or loopback on a local stage."""
        if url:
            self._note(pointer, url_fault(url, local=self._local))

    def ca_pem(self, pem: str) -> None:
        """Check that the PEM text, if given, holds certificates and no key."""
        if not pem:
            return
        if "PRIVATE KEY" in pem:
            self.add("/ca_pem", "private_key", "ca_pem: this holds a private key; give the certificate alone.")
        elif not _CERTIFICATE.search(pem):
            self.add("/ca_pem", "invalid_certificate", "ca_pem: give at least one certificate in PEM form.")

    def _note(self, pointer: str, fault: Fault | None) -> None:
        if fault is not None:
            self.add(pointer, fault.code, f"{pointer[1:]}: {fault.detail}")
