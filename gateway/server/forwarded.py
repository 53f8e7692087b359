"""Who the caller is, behind proxies that are trusted to say so: ``Forwarded`` and ``X-Forwarded-For``.

Both fields can be written by anybody. They count only when the peer of the connection is one of the operator's own
proxies, and then only as far as such proxies have written them: from the right, up to the first address that is none.
Addresses are 16 bytes, IPv4 mapped into IPv6.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Network, ip_network

from _speedups._head import HeaderFilter, HeadScan

UNKNOWN = bytes(16)
"""A proxy does not say who it asks for, or not in a way that can be relied on."""

LOOPBACK_V6 = bytes(15) + b"\1"
MAPPED = bytes(10) + b"\xff\xff"
"""What precedes the four bytes of an IPv4 address (RFC 4291 2.5.5.2)."""

MOST_HOPS = 32
"""Looked at from the right: longer chains are nobody's network."""

FIELDS = HeaderFilter([b"forwarded", b"x-forwarded-for"], keep=True)

# node of RFC 7239 section 6: an address with an optional port; an IPv6 address stands in brackets and quotes.
_NODE = re.compile(r'"?(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9.]{7,15})|([0-9A-Fa-f:.]{2,45}))(?::[0-9]{1,5})?"?')
_FOR = re.compile(r'(?:^|;)[ \t]*for=("[^"]*"|[^;]*?)[ \t]*(?=;|$)', re.IGNORECASE)


@lru_cache(maxsize=4096)
def packed(address: str) -> bytes:
    """An address as 16 bytes; ``UNKNOWN`` for anything else (the peer of a unix socket, say)."""
    address = address.partition("%")[0]
    try:
        if ":" in address:
            return socket.inet_pton(socket.AF_INET6, address)
        return MAPPED + socket.inet_pton(socket.AF_INET, address)
    except (OSError, ValueError):
        return UNKNOWN


def spelled(client: bytes) -> str:
    """The address for people; empty when it is not known."""
    if len(client) != 16 or client == UNKNOWN:
        return ""
    if client.startswith(MAPPED):
        return socket.inet_ntop(socket.AF_INET, client[12:])
    return socket.inet_ntop(socket.AF_INET6, client)


def is_loopback(client: bytes) -> bool:
    """127.0.0.0/8 or ::1."""
    return client == LOOPBACK_V6 or client[:13] == MAPPED + b"\x7f"


def names_a_client(scan: HeadScan) -> bool:
    """Whether the head says that it comes from somebody else than the peer."""
    return bool(FIELDS.select(scan))


def known_source(client: bytes, peer: bytes, head: bytes, forwarded: Forwarded | None) -> bytes:
    """``client`` where that is whoever asks; ``UNKNOWN`` behind a proxy of this machine that nobody has declared: all
    who come through it have one address then."""
    brought = is_loopback(client) and bool(FIELDS.copy(head))
    return UNKNOWN if brought and not (forwarded is not None and forwarded.trusts(peer)) else client


class Forwarded:
    """``server.trusted_proxies``: addresses and networks. Raises ValueError for anything else."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks: list[tuple[int, int]] = []
        for text in networks:
            network = ip_network(text, strict=False)
            first, prefix = int(network.network_address), network.prefixlen
            if isinstance(network, IPv4Network):
                first, prefix = int.from_bytes(MAPPED) << 32 | first, prefix + 96
            shift = 128 - prefix
            self._networks.append((first >> shift, shift))

    def trusts(self, address: bytes) -> bool:
        number = int.from_bytes(address)
        return any(number >> shift == first for first, shift in self._networks)

    def client(self, peer: bytes, scan: HeadScan) -> bytes:
        """The address of the caller whose head was just scanned.

        That of the peer unless it is a trusted proxy that names another. Where both fields are there and differ, one
        of them is the caller's own invention: ``UNKNOWN``.
        """
        return self.client_of(peer, FIELDS.select(scan)) if self.trusts(peer) else peer

    def client_of(self, peer: bytes, lines: bytes) -> bytes:
        """The same, of the two fields' lines."""
        if not lines or not self.trusts(peer):
            return peer
        named = {self._walk(peer, hops) for hops in _chains(lines) if hops}
        return named.pop() if len(named) == 1 else UNKNOWN

    def _walk(self, peer: bytes, hops: list[bytes]) -> bytes:
        found = peer
        for hop in hops[: -MOST_HOPS - 1 : -1]:
            found = hop
            if not self.trusts(hop):
                break
        return found


def _chains(lines: bytes) -> Iterator[list[bytes]]:
    """The hops of either field, in the order in which they were added; repeated fields are one list (RFC 9110 5.3)."""
    forwarded: list[bytes] = []
    listed: list[bytes] = []
    for line in lines.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "forwarded":
            for element in value.split(","):
                node = _FOR.search(element)
                forwarded.append(_address(node[1]) if node is not None else UNKNOWN)
        elif name:
            listed.extend(map(_address, value.split(",")))
    yield forwarded
    yield listed


def _address(node: str) -> bytes:
    match = _NODE.fullmatch(node.strip(" \t"))
    return UNKNOWN if match is None else packed(next(filter(None, match.groups()), ""))
