"""The rule which URLs, hosts and addresses may be reached, as errors of the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.errors import UnsafeEndpoint
from mailbearer.public_hosts import address_fault, host_fault, port_fault, url_fault

if TYPE_CHECKING:
    from mailbearer.errors import Fault
    from mailbearer.public_hosts import Address


def check_url(url: str, *, local: bool) -> None:
    """Raise `UnsafeEndpoint` unless `url` is https to a public host, or to loopback when `local`."""
    _raise(url_fault(url, local=local))


def check_host(host: str, port: int, *, local: bool) -> None:
    """Raise `UnsafeEndpoint` unless `host` is a public name or address, or loopback when `local`."""
    _raise(port_fault(port) or host_fault(host, local=local))


def check_address(address: Address, *, local: bool) -> None:
    """Raise `UnsafeEndpoint` unless `address` is public, or loopback when `local`."""
    _raise(address_fault(address, local=local))


def _raise(fault: Fault | None) -> None:
    if fault is not None:
        raise UnsafeEndpoint(fault.detail)
