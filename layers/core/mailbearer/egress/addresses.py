"""Which URLs, hosts and addresses may be reached at all."""

from __future__ import annotations

import ipaddress
import re
from typing import TypeAlias
from urllib.parse import urlsplit

from mailbearer.errors import UnsafeEndpoint

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_LONGEST_NAME = 253
_LARGEST_PORT = 65535

# `is_global` changed its mind between Python releases about some of these, so they are named.
_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # IETF protocol assignments; Oracle's metadata service is here
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "168.63.129.16/32",  # Azure's host agent answers on this public address
        "2001::/23",  # IETF protocol assignments with Teredo, RFC 2928
        "2001:db8::/32",
        "3fff::/20",
    )
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def check_url(url: str, *, local: bool) -> None:
    """Raise `UnsafeEndpoint` unless `url` is https to a public host, without userinfo and fragment.

    `local` lets loopback through, by http too. Nothing is resolved: the address is checked when it is connected to.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise UnsafeEndpoint(f"This is not a URL: {error}.") from error
    if any(char <= " " or char in "\\\x7f" for char in url) or not url.isascii():
        raise UnsafeEndpoint("The URL holds a character that has to be percent-encoded.")
    if parts.scheme not in {"https", "http"} or not host:
        raise UnsafeEndpoint("The URL has to begin with https:// and name a host.")
    if "@" in parts.netloc:
        raise UnsafeEndpoint("The URL may not carry a user name or password.")
    if "#" in url:
        raise UnsafeEndpoint("The URL may not carry a fragment.")
    if parts.scheme == "http" and not (local and is_loopback_name(host)):
        raise UnsafeEndpoint("Only https is accepted; http is for loopback on a local stage.")
    check_host(host, port if port is not None else 443, local=local)


def check_host(host: str, port: int, *, local: bool) -> None:
    """Raise `UnsafeEndpoint` unless `host` is a public name or address, or loopback when `local`."""
    if not 0 < port <= _LARGEST_PORT:
        raise UnsafeEndpoint(f"The port has to be between 1 and {_LARGEST_PORT}.")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        _check_name(host.lower().removesuffix("."), local=local)
    else:
        check_address(address, local=local)


def check_address(address: _Address, *, local: bool) -> None:
    """Raise `UnsafeEndpoint` unless `address` is public, or loopback when `local`.

    An IPv4 address inside an IPv6 one counts as itself.
    """
    inner = _embedded(address)
    if inner.is_loopback:
        if local:
            return
        raise UnsafeEndpoint(f"{address} is a loopback address; those are for a local stage.")
    refused = (
        not inner.is_global
        or inner.is_multicast
        or inner.is_reserved
        or any(inner in network for network in _REFUSED)
        or (inner.version == 6 and inner not in _GLOBAL_UNICAST)  # noqa: PLR2004 - IPv6
    )
    if refused:
        raise UnsafeEndpoint(f"{address} is not a public address.")


def is_loopback_name(host: str) -> bool:
    """Tell whether `host` says loopback by itself, without a look-up (RFC 6761 section 6.3)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        name = host.lower().removesuffix(".")
        return name == "localhost" or name.endswith(".localhost")


def _check_name(name: str, *, local: bool) -> None:
    if is_loopback_name(name):
        if local:
            return
        raise UnsafeEndpoint("localhost is for a local stage.")
    labels = name.split(".")
    # A last label of digits is an IPv4 address in one of the old spellings (0x7f.1, 2130706433).
    if (
        len(name) > _LONGEST_NAME
        or len(labels) == 1
        or not all(map(_LABEL.fullmatch, labels))
        or labels[-1][0].isdigit()
    ):
        raise UnsafeEndpoint(f"{name[:80]!r} is not a public host name.")


def _embedded(address: _Address) -> _Address:
    """Give the IPv4 address that an IPv6 address only wraps (RFC 4291, RFC 3056, RFC 6052)."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _SIX_TO_FOUR:
        return ipaddress.IPv4Address(int(address) >> 80 & 0xFFFFFFFF)
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
