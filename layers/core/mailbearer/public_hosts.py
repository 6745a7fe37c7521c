"""Which URLs, hosts and addresses may be reached at all: public ones, and on a local stage loopback.

Every function gives what is wrong as a `Fault` without a place, or None. Nothing is resolved here.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TypeAlias
from urllib.parse import urlsplit

from mailbearer.errors import Fault

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_LONGEST_NAME = 253
_LARGEST_PORT = 65535
_SHOWN = 80

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


def url_fault(url: str, *, local: bool) -> Fault | None:
    """Refuse a URL unless it is https to a public host, without userinfo and fragment.

    `local` lets loopback through, by http too. A name is taken for public: its address is checked when connected to.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        return Fault("", "invalid_url", f"This is not a URL: {error}.")
    malformed = ""
    if any(char <= " " or char in "\\\x7f" for char in url) or not url.isascii():
        malformed = "The URL holds a character that has to be percent-encoded."
    elif not host or not parts.scheme:
        malformed = "The URL has to begin with https:// and name a host."
    elif port == 0:
        malformed = "There is no port 0."
    elif "@" in parts.netloc or "#" in url:
        malformed = "The URL may not carry a user name, a password or a fragment."
    if malformed:
        return Fault("", "invalid_url", malformed)
    if parts.scheme != "https" and not (parts.scheme == "http" and local and is_loopback_name(host)):
        return Fault("", "https_required", "Only https is accepted; http is for loopback on a local stage.")
    return host_fault(host, local=local)


def port_fault(port: int) -> Fault | None:
    """Refuse what is no port."""
    if 0 < port <= _LARGEST_PORT:
        return None
    return Fault("", "invalid_port", f"The port has to be between 1 and {_LARGEST_PORT}.")


def host_fault(host: str, *, local: bool) -> Fault | None:
    """Refuse a host unless it is a public name or address, or loopback when `local`."""
    if "%" in host:
        # A zone (RFC 4007) means something to one machine alone.
        return Fault("", "invalid_host", f"{host[:_SHOWN]!r} is not a public host name.")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return _name_fault(host.lower().removesuffix("."), local=local)
    return address_fault(address, local=local)


def address_fault(address: Address, *, local: bool) -> Fault | None:
    """Refuse an address unless it is public, or loopback when `local`.

    An IPv4 address inside an IPv6 one counts as itself.
    """
    inner = _embedded(address)
    if inner.is_loopback:
        if local:
            return None
        return Fault("", "private_host", f"{address} is a loopback address; those are for a local stage.")
    refused = (
        not inner.is_global
        or inner.is_multicast
        or inner.is_reserved
        or any(inner in network for network in _REFUSED)
        or (inner.version == 6 and inner not in _GLOBAL_UNICAST)  # noqa: PLR2004 - IPv6
    )
    return Fault("", "private_host", f"{address} is not a public address.") if refused else None


def is_loopback_name(host: str) -> bool:
    """Tell whether `host` says loopback by itself, without a look-up (RFC 6761 section 6.3)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        name = host.lower().removesuffix(".")
        return name == "localhost" or name.endswith(".localhost")


def _name_fault(name: str, *, local: bool) -> Fault | None:
    if is_loopback_name(name):
        return None if local else Fault("", "private_host", "localhost is for a local stage.")
    labels = name.split(".")
    # A last label of digits is an IPv4 address in one of the old spellings (0x7f.1, 2130706433).
    if (
        len(name) > _LONGEST_NAME
        or len(labels) == 1
        or not all(map(_LABEL.fullmatch, labels))
        or labels[-1][0].isdigit()
    ):
        return Fault("", "invalid_host", f"{name[:_SHOWN]!r} is not a public host name.")
    return None


def _embedded(address: Address) -> Address:
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
