"""Who gets as far as the control process with a request for /api, /ui or /docs, at a worker and at ``admin.listen``.

Control judges once more, and it alone knows whether a ticket still counts. Here strangers are kept from it: whoever
shows nothing that this instance has issued may only set up or log in, in few bytes and a few times, and no page of
another site may speak for a browser, nor one whose name leads here (``is_ours``).
"""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import NamedTuple
from urllib.parse import urlsplit

from gateway import operator_ticket

OPEN_PATHS = frozenset((b"/api/setup", b"/api/login"))
"""Answered without a credential, for POST; both ask for a secret in their body."""

OPEN_BYTES = 4096
"""Largest body there; it is read before anybody has shown anything."""


OF_ONE_BURST, OF_ONE_PER_S = 10, 1.0
OF_ALL_BURST, OF_ALL_PER_S = 40, 8.0
"""Logins that get as far as control, of one address and of all of them; for people, and a script now and then. Each
costs control some milliseconds, and a password 40 more (``gateway/operators/passwords.py``)."""

PAGES_OF_ONE_BURST, PAGES_OF_ONE_PER_S = 300, 50.0
PAGES_OF_ALL_BURST, PAGES_OF_ALL_PER_S = 1000, 200.0
"""Files of the web interface and pages of the documentation that strangers are given; a browser asks for two dozen,
once, and each costs control a third of a millisecond."""

PAGES = frozenset((b"/ui", b"/docs"))
BELOW_PAGES = (b"/ui/", b"/docs/")
FRONT = b"/ui/"
"""Where a browser is sent that opens the bare address."""

MOST_SOURCES = 4096
"""Addresses that are remembered; the one that knocked longest ago makes room."""

FOREIGN_HOST = (
    "This host name is none of the gateway's. Ask by an address or localhost, or list the name in admin.hosts of the "
    "configuration."
)


class Knock(NamedTuple):
    """What the decision needs of a request."""

    method: bytes
    path: bytes
    credential: bytes
    """As a bearer token; empty for none."""
    cookie: bytes
    """The whole field."""
    origin: bytes
    host: bytes
    length: int
    """Of the body; -1 when it is not told beforehand."""


def lets_in(knock: Knock, token: bytes, pepper: bytes) -> bool:
    """Whether control may hear of it. A page of another origin never gets in, whatever its browser sends along."""
    if knock.origin and not _same(knock.origin, knock.host):
        return False
    if knock.path in OPEN_PATHS:
        return knock.method == b"POST" and 0 <= knock.length <= OPEN_BYTES
    if is_page(knock.path) and knock.method in (b"GET", b"HEAD"):
        # In which one logs in, or of the documentation: they know nothing (``web.py``, ``docs_site.py``).
        return True
    if knock.credential:
        if token and hmac.compare_digest(knock.credential, token):
            return True
        return knock.credential.startswith(b"mgt-") and operator_ticket.is_issued(pepper, knock.credential)
    session = operator_ticket.in_cookies(knock.cookie)
    return session.startswith(b"mgs-") and operator_ticket.is_issued(pepper, session)


def visits(knock: Knock, accept: bytes, names: Collection[str]) -> bool:
    """Whether a browser has opened the bare address of the gateway, and no program with a credential has."""
    if knock.path != b"/" or knock.method not in (b"GET", b"HEAD") or knock.credential:
        return False
    return b"text/html" in accept.lower() and is_ours(knock.host, names)


def is_page(path: bytes) -> bool:
    """Whether it is of the web interface or the documentation."""
    return path in PAGES or path.startswith(BELOW_PAGES)


class Knocking:
    """How often strangers may log in or set up, and ask for the page in which they do (GCRA). One per process that they
    reach."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._logins = _Rate(clock, OF_ONE_BURST, OF_ONE_PER_S, OF_ALL_BURST, OF_ALL_PER_S)
        self._pages = _Rate(clock, PAGES_OF_ONE_BURST, PAGES_OF_ONE_PER_S, PAGES_OF_ALL_BURST, PAGES_OF_ALL_PER_S)

    def wait_s(self, path: bytes, source: bytes) -> float:
        """0: go on, and this one is counted, if it is of a kind that is; else after how long. ``source`` is the
        caller's address, empty where it is not known: then only the bound for all holds."""
        if path in OPEN_PATHS:
            return self._logins.wait_s(source)
        return self._pages.wait_s(source) if is_page(path) else 0.0


class _Rate:
    """A burst and a rate, of one source and of all."""

    def __init__(
        self, clock: Callable[[], float], of_one_burst: int, of_one_per_s: float, of_all_burst: int, of_all_per_s: float
    ) -> None:
        self._clock = clock
        self._of_one = (of_one_burst - 1) / of_one_per_s, 1 / of_one_per_s
        self._of_all = (of_all_burst - 1) / of_all_per_s, 1 / of_all_per_s
        self._of: OrderedDict[bytes, float] = OrderedDict()
        """Address -> until when what it may do is taken."""
        self._all = 0.0

    def wait_s(self, source: bytes) -> float:
        now = self._clock()
        taken = max(self._of.get(source, now), now)
        wait = max(
            taken - now - self._of_one[0] if source else 0.0,
            max(self._all, now) - now - self._of_all[0],
        )
        if wait > 0:
            return wait
        self._all = max(self._all, now) + self._of_all[1]
        if source:
            self._of.pop(source, None)
            self._of[source] = taken + self._of_one[1]
            if len(self._of) > MOST_SOURCES:
                self._of.popitem(last=False)
        return 0.0


def is_ours(host: bytes, names: Collection[str]) -> bool:
    """Whether a ``Host`` field names this gateway: an address, a loopback name, or one of ``names`` (lower case).

    A name that somebody else owns may lead here at will, and a browser then takes their page for the gateway's own (DNS
    rebinding). An address is nobody's to redirect.
    """
    try:
        field = host.decode("ascii").strip()
        parts = urlsplit(f"//{field}")
        # Asked for as well, since it is where a port that is none is noticed.
        name, _port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return False
    if not name or parts.netloc != field or "@" in field:
        return False
    if name == "localhost" or name.endswith(".localhost") or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same(origin: bytes, host: bytes) -> bool:
    """Whether the page stands at the host that it asks (RFC 6454; ``null`` is nobody's)."""
    try:
        parts = urlsplit(origin.decode("ascii"))
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.decode("latin-1").strip().lower()
