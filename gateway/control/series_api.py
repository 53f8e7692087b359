"""GET /api/series: what requests came to over time, from the roll-ups."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get
from litestar.exceptions import ClientException, ServiceUnavailableException
from litestar.params import Parameter

from gateway.control.figures import Figures, Reader
from gateway.control.figures_entry import COLUMNS, FiguresEntry, columns_of, entry_of
from gateway.control.named import ids_of, name_of
from gateway.control.rollups import Points
from gateway.control.sheets import OTHER_ID, Group, Question
from gateway.control.state import ControlState
from gateway.records import CacheVerdict
from gateway.stores.protocols import StoreUnavailable
from providers.operations import Operation

STEPS = (60, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 86400, 7 * 86400, 28 * 86400)
"""Seconds. One that is not asked for is chosen so that there are at most ``POINTS``."""
POINTS = 200
POINTS_OF_MANY = 61
"""By key, team or customer: there are so many series of them that a month is better read by its days."""
MOST_POINTS = 1500
MOST_GROUPS = 50
OTHER = "other"
LONGEST_S = 5 * 366 * 86400

By = Literal["none", "provider", "model", "virtual_key", "team", "customer", "status", "cache", "operation"]
Name = Annotated[str | None, Parameter(max_length=512)]


class SeriesGroup(msgspec.Struct):
    name: str
    """Empty for requests that have none (no team, no provider)."""
    totals: FiguresEntry
    points: list[FiguresEntry | None]
    """One for each of ``times``; null where there was no request. Empty with ``columns``."""
    columns: dict[str, list[float | None]]
    """What was asked for as ``columns``, one for each of ``times``."""


class SeriesReport(msgspec.Struct):
    """Sums and percentiles over time."""

    since: int
    until: int
    step_s: int
    times: list[int]
    """Beginnings of the steps, Unix seconds."""
    groups: list[SeriesGroup]
    """Those with most requests first; what is beyond ``groups`` is ``other``."""


@get("/series", summary="Figures over time: requests, tokens, cost, times")
async def series(
    request: Request[Any, Any, Any],
    since: Annotated[float | None, Parameter(description="Unix time in seconds; an hour ago unless given")] = None,
    until: Annotated[float | None, Parameter(description="Unix time in seconds; now unless given")] = None,
    step: Annotated[int | None, Parameter(description="Seconds, whole minutes", ge=60, le=28 * 86400)] = None,
    by: By = "none",
    groups: Annotated[int, Parameter(description="At most so many", ge=1, le=MOST_GROUPS)] = MOST_GROUPS,
    columns: Annotated[
        str | None,
        Parameter(
            description="In place of points: members of them, with commas between, as requests,duration_us.p95",
            max_length=1024,
        ),
    ] = None,
    provider: Name = None,
    model: Annotated[str | None, Parameter(description="As sent to the provider", max_length=512)] = None,
    key: Annotated[str | None, Parameter(description="Name of a virtual key", max_length=512)] = None,
    team: Name = None,
    customer: Name = None,
    status: Annotated[int | None, Parameter(ge=0, le=999)] = None,
    operation: Annotated[str | None, Parameter(max_length=64)] = None,
) -> SeriesReport:
    """Percentiles are within 4 % of the true ones. A minute counts for the requests that ended in it; minutes are kept
    for `log.rollups.minutes`, hours for `log.rollups.hours`."""
    state: ControlState = request.app.state.control
    most = POINTS_OF_MANY if by in ("virtual_key", "team", "customer") else POINTS
    first_s, last_s, step_s = _range(since, until, step, most)
    chosen = None if columns is None else _columns(columns)
    questions = list(_questions(state, by, provider, model, key, team, customer, status, operation))
    try:
        # On a thread that gives way: a chart of a month is a third of a second of the processor.
        found = await state.reading.run(lambda: _read(state, questions, first_s, last_s, step_s))
    except StoreUnavailable:
        raise ServiceUnavailableException("the roll-ups cannot be read now") from None
    return await state.reading.run(lambda: _report(state, by, found, first_s, last_s, step_s, groups, chosen))


def _range(since: float | None, until: float | None, step: int | None, most: int) -> tuple[int, int, int]:
    """Whole minutes; the one that has begun is in it."""
    last = time.time() if until is None else until
    first = last - 3600 if since is None else since
    if not (0 <= first < 1e11 and 0 <= last < 1e11):
        raise ClientException("since and until are Unix times in seconds")
    first_s, last_s = int(first // 60 * 60), int(-(-last // 60) * 60)
    if not 0 < last_s - first_s <= LONGEST_S:
        raise ClientException("since must be before until, by five years at most")
    if step is None:
        step_s = next((each for each in STEPS if (last_s - first_s) / each <= most), STEPS[-1])
    else:
        step_s = -(-step // 60) * 60
    if (last_s - first_s) / step_s > MOST_POINTS:
        raise ClientException(f"more than {MOST_POINTS} points: a longer step is needed")
    return first_s, last_s, step_s


def _columns(asked: str) -> list[str]:
    """Each once, in the order asked for."""
    names = list(dict.fromkeys(filter(None, asked.split(","))))
    if unknown := [name for name in names if name not in COLUMNS]:
        raise ClientException(f"columns: {unknown[0]!r} is none of {', '.join(COLUMNS)}")
    return names


def _questions(
    state: ControlState,
    by: str,
    provider: str | None,
    model: str | None,
    key: str | None,
    team: str | None,
    customer: str | None,
    status: int | None,
    operation: str | None,
) -> Iterator[Question]:
    """One for each combination of ids that the names stand for."""
    names = state.configuration.names
    kinds = {"provider": provider, "virtual_key": key, "team": team, "customer": customer}
    ids = [(None,) if name is None else ids_of(kind, name, names) for kind, name in kinds.items()]
    if operation is not None and operation.upper() not in Operation.__members__:
        raise ClientException(f"operation: one of {', '.join(each.name.lower() for each in Operation)}")
    number = None if operation is None else int(Operation[operation.upper()])
    for provider_id, key_id, team_id, customer_id in itertools.product(*ids):
        yield Question(
            by,
            provider=provider_id,
            model=model,
            virtual_key=key_id,
            team=team_id,
            customer=customer_id,
            operation=number,
            status=status,
        )


def _read(state: ControlState, questions: list[Question], first_s: int, last_s: int, step_s: int) -> list[Points]:
    return [state.rollups.points(question, first_s, last_s, step_s) for question in questions]


def _report(
    state: ControlState,
    by: str,
    found: list[Points],
    first_s: int,
    last_s: int,
    step_s: int,
    most: int,
    columns: list[str] | None,
) -> SeriesReport:
    packed: dict[str, list[dict[int, bytes]]] = {}
    for points in found:
        for group, steps in points.items():
            packed.setdefault(_name(by, group, state), []).append(steps)
    totals = {name: _sum(data for steps in parts for data in steps.values()) for name, parts in packed.items()}
    ranked = sorted(packed, key=lambda name: (name == OTHER, -totals[name].requests, name))
    shown = ranked[:most]
    if len(ranked) > most:
        shown = [*ranked[: most - 1], OTHER]
        packed[OTHER] = [steps for name in ranked[most - 1 :] for steps in packed[name]]
        totals[OTHER] = _sum(data for steps in packed[OTHER] for data in steps.values())
    times = list(range(first_s // step_s * step_s, last_s, step_s))
    entries = []
    for name in shown:
        at = [[steps[time_s] for steps in packed[name] if time_s in steps] for time_s in times]
        points_shown = [] if columns is not None else [entry_of(_sum(data)) if data else None for data in at]
        told = {} if columns is None else columns_of(at, columns)
        entries.append(SeriesGroup(name, entry_of(totals[name]), points_shown, told))
    return SeriesReport(first_s, last_s, step_s, times, entries)


def _sum(packed: Any) -> Figures:
    figures = Figures()
    for data in packed:
        figures.unpack(Reader(data))
    return figures


def _name(by: str, group: Group, state: ControlState) -> str:
    if by == "none":
        return "all"
    if isinstance(group, str):
        return group
    if by == "status":
        return str(group)
    if by in ("operation", "cache"):
        enum = Operation if by == "operation" else CacheVerdict
        try:
            return enum(group).name.lower()
        except ValueError:
            return str(group)
    return OTHER if group == OTHER_ID else name_of(group, state.configuration.names)


SERIES_HANDLERS = (series,)
