"""Which addresses and URLs the gateway may be pointed at.

The table is our own: ``ipaddress.is_global`` lets through what cannot be reached by a provider (carrier NAT's metadata
service, Azure's platform address, NAT64, 6to4, Teredo, ORCHID) and differs between Python versions.

An address is *never* dialled when it is link-local, a cloud's metadata service, or no unicast address at all; a
private one only when the operator's file names it. Names are judged twice: here as written, and on the connected peer's
address, so that a resolver that changes its mind gains nothing.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network

_V4_NEVER = tuple(
    (IPv4Network(network), why)
    for network, why in (
        ("169.254.0.0/16", "link-local or cloud metadata"),
        ("100.100.100.200/32", "cloud metadata (Alibaba)"),
        ("168.63.129.16/32", "cloud platform address (Azure)"),
        ("192.0.0.192/32", "cloud metadata (Oracle)"),
        ("224.0.0.0/4", "multicast"),
        ("255.255.255.255/32", "broadcast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_V4_PRIVATE = tuple(
    (IPv4Network(network), why)
    for network, why in (
        ("0.0.0.0/8", "this host"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier NAT"),
        ("127.0.0.0/8", "loopback"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "IETF protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
    )
)
_V6_NEVER = tuple(
    (IPv6Network(network), why)
    for network, why in (
        ("fe80::/10", "link-local"),
        ("fd00:ec2::254/128", "cloud metadata (AWS)"),
        ("fd20:ce::254/128", "cloud metadata (Google)"),
        ("ff00::/8", "multicast"),
        ("100::/64", "discard-only"),
    )
)
_V6_PRIVATE = tuple(
    (IPv6Network(network), why)
    for network, why in (
        ("::1/128", "loopback"),
        ("::/128", "unspecified"),
        ("fc00::/7", "unique local"),
        ("fec0::/10", "site-local"),
    )
)
_V6_EMBEDDED = tuple(
    (IPv6Network(network), shift, why)
    for network, shift, why in (
        ("::ffff:0:0/96", 0, "IPv4-mapped"),
        ("::ffff:0:0:0/96", 0, "IPv4-translated"),
        ("::/96", 0, "IPv4-compatible"),
        ("64:ff9b::/96", 0, "NAT64"),
        ("2002::/16", 80, "6to4"),
    )
)
"""Prefixes that carry an IPv4 address, and how far it stands from the right."""
_V6_GLOBAL = IPv6Network("2000::/3")
_V6_SPECIAL = tuple(
    (IPv6Network(network), why)
    for network, why in (
        ("2001::/23", "IETF protocol assignments (Teredo, ORCHID)"),
        ("2001:db8::/32", "documentation"),
        ("3fff::/20", "documentation"),
    )
)

_HOST = re.compile(
    r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*"
)
_NUMERIC_LABEL = re.compile(r"(?:0[xX][0-9A-Fa-f]*|[0-9]+)")
_URL = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::([0-9]{1,5}))?(/[!-~]*)?", re.IGNORECASE)
_LOCAL_NAMES = ("localhost", "local", "internal", "localdomain", "home.arpa", "lan", "intranet", "corp", "home")
"""Last labels that never stand in the public DNS, or that clouds use for their metadata service."""
_METADATA_NAMES = (
    "metadata.google.internal",
    "metadata.goog",
    "metadata",
    "instance-data",
    "instance-data.ec2.internal",
)

_PORTS_REFUSED = frozenset(
    (
        *range(1, 80),
        *range(81, 443),
        *(465, 512, 513, 514, 515, 587, 636, 873, 989, 990, 993, 995),
        *(1433, 1521, 2049, 2375, 2376, 2379, 2380, 3306, 3389, 4369, 5432, 5672, 5900, 5984, 6379, 6443, 6666, 6667),
        *(7001, 8500, 9042, 9092, 9200, 9300, 10250, 11211, 25672, 27017, 27018, 50070),
    )
)
"""Ports of services that a web request can be made to talk to: mail, shells, databases, container and cluster APIs."""


def is_forbidden(ip: str, allow_private: bool) -> str | None:
    """Why ``ip`` (a numeric address, as the connected peer has it) must not be talked to; None when it may.

    ``allow_private`` is for hosts that the operator's file names: it admits loopback and private networks, never
    link-local and metadata addresses. Anything that is no address is forbidden.
    """
    text = ip.partition("%")[0]
    try:
        v4 = IPv4Address(text)
    except AddressValueError:
        pass
    else:
        return _judge_v4(v4, allow_private)
    try:
        v6 = IPv6Address(text)
    except AddressValueError:
        return "not an IP address"
    return _judge_v6(v6, allow_private)


def judge_host(host: str, allow_private: bool) -> str | None:
    """The same for a host as written in a URL, without resolving it: a name, an IPv4 address or ``[IPv6]``.

    Spellings of addresses that resolvers understand differently (octal, hexadecimal, short, integer) are forbidden
    whatever they mean.
    """
    if host.startswith("[") and host.endswith("]"):
        inner = host[1:-1]
        return "an address with a zone" if "%" in inner else is_forbidden(inner, allow_private)
    name = host.rstrip(".").lower()
    if not name or len(name) > 253 or not _HOST.fullmatch(name):
        return "not a host name"
    last = name.rpartition(".")[2]
    if _NUMERIC_LABEL.fullmatch(last):
        if host.endswith("."):
            return "an address with a trailing dot"
        if is_forbidden(name, True) == "not an IP address":
            return "an IPv4 address in an unusual spelling"
        return is_forbidden(name, allow_private)
    if name in _METADATA_NAMES:
        return "the name of a cloud's metadata service"
    if not allow_private and any(name == local or name.endswith("." + local) for local in _LOCAL_NAMES):
        return "a local name"
    return None


def judge_url(url: str, allow_private: bool) -> str | None:
    """Why the gateway must not be pointed at ``url``; None when it may.

    ``allow_private`` False is for URLs that do not come from the operator's file: they must be https, public, and on no
    port of another service. Userinfo, fragments, queries, backslashes, controls and non-ASCII are forbidden in both.
    """
    match = _URL.fullmatch(url)
    if match is None:
        return "not a plain http or https URL"
    scheme, host, port, path = match[1].lower(), match[2], match[3], match[4] or ""
    if "\\" in path or "#" in path or "?" in path:
        return "a base URL has no query and no fragment"
    if port is not None and not 0 < int(port) < 65536:
        return "not a port"
    if not allow_private:
        if scheme != "https":
            return "plain http would send the credential in clear"
        if port is not None and int(port) in _PORTS_REFUSED:
            return "the port of another service"
    return judge_host(host, allow_private)


def same_origin(allowed: str, url: str) -> bool:
    """Whether ``url`` has the scheme, host and port of ``allowed``: all that a base URL in the file admits. A redirect
    to anywhere else would carry the credential away or down to plain http."""
    ours, theirs = _URL.fullmatch(allowed), _URL.fullmatch(url)
    if ours is None or theirs is None:
        return False
    return _origin(ours) == _origin(theirs)


def _origin(match: re.Match[str]) -> tuple[str, str, int]:
    scheme = match[1].lower()
    return scheme, match[2].lower(), int(match[3] or (443 if scheme == "https" else 80))


def _judge_v4(address: IPv4Address, allow_private: bool) -> str | None:
    for network, why in _V4_NEVER:
        if address in network:
            return why
    if not allow_private:
        for network, why in _V4_PRIVATE:
            if address in network:
                return why
    return None


def _judge_v6(address: IPv6Address, allow_private: bool) -> str | None:
    for network, why in _V6_NEVER:
        if address in network:
            return why
    for network, why in _V6_PRIVATE:
        if address in network:
            return None if allow_private else why
    for network, shift, form in _V6_EMBEDDED:
        if address in network:
            inner = IPv4Address((int(address) >> shift) & 0xFFFFFFFF)
            # Only the mapped form names the IPv4 host itself; the others lead through a translator nobody has named.
            if form != "IPv4-mapped":
                return f"{form} address"
            reason = _judge_v4(inner, allow_private)
            return f"{form} address: {reason}" if reason else None
    for network, why in _V6_SPECIAL:
        if address in network:
            return why
    return None if address in _V6_GLOBAL else "not a global unicast address"
