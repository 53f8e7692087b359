"""A caller's own deadline (``x-microgate-timeout``), and an alarm for requests that nothing else would end in time.

Deadlines of attempts stand in the wheel, which looks every 100 ms (``gateway.server.deadlines``). A caller's is held to
the millisecond, wherever its request is then: such a request has a timer of its own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from _speedups._bytes import monotonic_ns
from gateway.errors import NOT_AGAIN, GatewayError, Response, refuse
from gateway.overload.slots import WAITING
from gateway.records import ErrorKind

if TYPE_CHECKING:
    from gateway.exchange import Exchange

TIMEOUT = b"x-microgate-timeout"
_TIME = re.compile(rb"([0-9]{1,9}(?:\.[0-9]{1,9})?)[ \t]*(ms|s)?")


def take_timeout(x: Exchange, value: bytes) -> Response | None:
    """Set ``x.deadline_ns`` from a field value: decimal seconds, or milliseconds with ``ms`` behind them, counted from
    the first byte of the request's head.

    Anything else is refused: who asks for a bound and gets none would find out late.
    """
    found = _TIME.fullmatch(value)
    wait_ns = int(float(found[1]) * (1e6 if found[2] == b"ms" else 1e9)) if found else 0
    if wait_ns <= 0:
        shown = value[:32].decode("latin-1")
        message = f"{TIMEOUT.decode()} is to be a time above 0, as 2.5 (seconds) or 800ms, not '{shown}'."
        return refuse(GatewayError("bad_request", message, param=TIMEOUT.decode()), x.request_id.decode())
    x.deadline_ns = x.started_ns + wait_ns
    return None


def overdue(x: Exchange) -> GatewayError:
    """What the caller is told when its deadline, or else the provider's total one, has passed."""
    # Without a look at the clock: a loop's timers may ring a millisecond early.
    if x.deadline_ns and (x.answer_deadline_ns == 0 or x.deadline_ns <= x.answer_deadline_ns):
        message = f"There was no whole answer within the time that {TIMEOUT.decode()} allows."
    else:
        message = "The provider did not finish within the total deadline."
    return GatewayError("upstream_timeout", message, source="provider", record=ErrorKind.TIMEOUT_TOTAL)


def refused_late(x: Exchange) -> Response:
    """The answer to a request whose deadline passed before anything was done for it."""
    response = refuse(overdue(x), x.request_id.decode())
    response.headers += NOT_AGAIN
    return response


def set_alarm(x: Exchange, at_ns: int) -> None:
    """End ``x`` at that time, unless it has ended by then (``gateway.phases.settle`` puts the alarm off)."""
    if x.alarm is not None:
        x.alarm.cancel()
    left_s = max(0.0, (at_ns - monotonic_ns()) / 1e9)
    x.alarm = x.core.loop.call_later(left_s, ring, x)


def ring(x: Exchange) -> None:
    x.alarm = None
    if x.slot == WAITING:
        x.core.admission.expired(x)
    else:
        x.attempts.overdue(x)


def with_time_left(data: bytes, x: Exchange) -> bytes:
    """A request for a provider, with the time that is left for it in the head; never 0."""
    left_s = max(0.001, (x.answer_deadline_ns - monotonic_ns()) / 1e9)
    line, _, rest = data.partition(b"\r\n")
    return b"%b\r\n%b: %.3f\r\n%b" % (line, TIMEOUT, left_s, rest)
