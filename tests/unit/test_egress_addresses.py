from __future__ import annotations

import ipaddress

import pytest

from mailbearer.egress import check_address, check_host, check_url
from mailbearer.errors import UnsafeEndpoint

PUBLIC = ["8.8.8.8", "142.250.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
LOOPBACK = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]
REFUSED = [
    "0.0.0.0",  # noqa: S104 - it is to be refused
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "233.252.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::8.8.8.8",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:a00:1::1",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
@pytest.mark.parametrize("local", [True, False])
def test_public_addresses_may_be_reached(address: str, local: bool) -> None:
    check_address(ipaddress.ip_address(address), local=local)


@pytest.mark.parametrize("address", LOOPBACK)
def test_loopback_is_for_a_local_stage(address: str) -> None:
    check_address(ipaddress.ip_address(address), local=True)
    with pytest.raises(UnsafeEndpoint):
        check_address(ipaddress.ip_address(address), local=False)


@pytest.mark.parametrize("address", REFUSED)
@pytest.mark.parametrize("local", [True, False])
def test_other_addresses_are_refused_in_every_spelling(address: str, local: bool) -> None:
    with pytest.raises(UnsafeEndpoint):
        check_address(ipaddress.ip_address(address), local=local)


@pytest.mark.parametrize(
    "url",
    [
        "https://login.microsoftonline.com/common/oauth2/v2.0/token",
        "https://example.com:8443/a?b=c",
        "https://EXAMPLE.com./",
        "https://xn--mnchen-3ya.example/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
    ],
)
def test_https_to_a_public_host_is_accepted(url: str) -> None:
    check_url(url, local=False)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/x", "http://localhost/", "http://[::1]:1/", "https://localhost/"]
)
def test_loopback_urls_are_for_a_local_stage(url: str) -> None:
    check_url(url, local=True)
    with pytest.raises(UnsafeEndpoint):
        check_url(url, local=False)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com/",
        "http://example.com/",
        "http://10.0.0.1/",
        "ftp://example.com/",
        "https://",
        "https:///path",
        "https://user@example.com/",
        "https://user:pw@example.com/",  # pragma: allowlist secret
        "https://@example.com/",
        "https://example.com/#fragment",
        "https://example.com/#",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://example.com:x/",
        "https://exa mple.com/",
        "https://example.com/\r\nX: y",
        "https://example.com\\@evil.com/",
        "https://münchen.example/",
        "https://intranet/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://10.0.0.1/",
        "https://[fe80::1%25eth0]/",
        "https://[::ffff:169.254.169.254]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://-a.example/",
        "https://a..example/",
        f"https://{'a' * 64}.example/",
        f"https://{'a.' * 130}example/",
    ],
)
@pytest.mark.parametrize("local", [True, False])
def test_everything_else_is_refused(url: str, local: bool) -> None:
    with pytest.raises(UnsafeEndpoint):
        check_url(url, local=local)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_has_a_range(port: int) -> None:
    with pytest.raises(UnsafeEndpoint):
        check_host("smtp.example.com", port, local=False)
