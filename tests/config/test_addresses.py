"""The outbound guard: addresses, hosts and URLs."""

import pytest

from gateway.config.addresses import is_forbidden, judge_host, judge_url, same_origin

NEVER = [
    "169.254.169.254",
    "169.254.1.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "100::1",
    "5f00::1",
    "not an address",
    "",
]
PRIVATE = [
    "127.0.0.1",
    "10.0.0.1",
    "192.168.1.1",
    "172.16.0.1",
    "100.64.0.1",
    "0.0.0.0",
    "::1",
    "fd00::1",
    "::ffff:127.0.0.1",
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "2606:4700::1"]


@pytest.mark.parametrize("ip", NEVER)
def test_never(ip: str) -> None:
    assert is_forbidden(ip, allow_private=False)
    assert is_forbidden(ip, allow_private=True)


@pytest.mark.parametrize("ip", PRIVATE)
def test_private(ip: str) -> None:
    assert is_forbidden(ip, allow_private=False)
    assert is_forbidden(ip, allow_private=True) is None


@pytest.mark.parametrize("ip", PUBLIC)
def test_public(ip: str) -> None:
    assert is_forbidden(ip, allow_private=False) is None


@pytest.mark.parametrize(
    "host", ["0177.0.0.1", "0x7f000001", "2130706433", "127.1", "1.2.3.4.", "0", "08.1.1.1", "1.2.3.256"]
)
def test_unusual_spellings_are_refused_even_from_the_file(host: str) -> None:
    assert judge_host(host, allow_private=True)


@pytest.mark.parametrize(
    "host", ["h", "api.openai.com", "_service.example", "xn--bcher-kva.example", "a" * 63 + ".example"]
)
def test_names(host: str) -> None:
    assert judge_host(host, allow_private=True) is None


@pytest.mark.parametrize(
    "host", ["a" * 64 + ".example", "-a.example", "a..b", "bücher.example", "a b", "", ".", "[::1", "[x]"]
)
def test_what_is_no_name(host: str) -> None:
    assert judge_host(host, allow_private=True)


@pytest.mark.parametrize("host", ["localhost", "x.localhost", "printer.local", "db.internal", "LOCALHOST."])
def test_local_names_only_from_the_file(host: str) -> None:
    assert judge_host(host, allow_private=False) == "a local name"
    assert judge_host(host, allow_private=True) is None


def test_zone_identifiers() -> None:
    assert judge_host("[fe80::1%25eth0]", allow_private=True) == "an address with a zone"


def test_what_only_the_file_may_name() -> None:
    assert (
        judge_url("http://api.example.com/v1", allow_private=False) == "plain http would send the credential in clear"
    )
    assert judge_url("http://api.example.com/v1", allow_private=True) is None
    assert judge_url("https://api.example.com:6379/", allow_private=False) == "the port of another service"
    assert judge_url("https://api.example.com:6379/", allow_private=True) is None
    assert judge_url("https://api.example.com:8443/v1", allow_private=False) is None
    assert judge_url("https://api.example.com:0/", allow_private=True) == "not a port"


def test_a_file_admits_exactly_one_origin() -> None:
    base = "https://api.example.com/v1"
    assert same_origin(base, "https://API.example.com:443/other")
    for other in ("http://api.example.com/", "https://api.example.com:8443/", "https://b.example.com/", "x", "//h/"):
        assert not same_origin(base, other)
