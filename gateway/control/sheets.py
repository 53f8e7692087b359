"""A sheet: the figures of every series of requests within one minute, or one hour, as bytes.

A series is what requests have in common: the ``Labels``. A sheet tells ids and models once and refers to them by place,
so it can be read, merged and thrown away without anything else.

    version, number of ids, ids, number of models, (length, UTF-8) of each,
    number of series, of each: eight labels, length of its figures, its figures (``Figures.pack``)

All numbers are LEB128; an id is the unsigned 64-bit hash that records have, 0 for none.

Compiled with the types in ``sheets.pxd``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from gateway.control.figures import Figures, Reader, put

VERSION = 1


class Labels(NamedTuple):
    """What tells a series from others: ids as records have them, unsigned; the small integers of
    ``gateway/records.py``."""

    provider: int
    model: str
    """As sent to the provider."""
    virtual_key: int
    team: int
    customer: int
    operation: int
    status: int
    cache: int


OTHER_ID = 1
"""Stands for ids that were too many to be counted one by one; no hash is that small."""

ALL = "none"
"""What ``Question.by`` says for no grouping."""

Plain: TypeAlias = tuple[int, str, int, int, int, int, int, int]
"""``Labels``, or what is equal to them: a tuple takes a third of the time."""
Group: TypeAlias = int | str


class Question:
    """Which series count, and what they are added up by."""

    __slots__ = ("by", "provider", "model", "virtual_key", "team", "customer", "operation", "status")  # noqa: RUF023

    def __init__(
        self,
        by: str = ALL,
        *,
        provider: int | None = None,
        model: str | None = None,
        virtual_key: int | None = None,
        team: int | None = None,
        customer: int | None = None,
        operation: int | None = None,
        status: int | None = None,
    ) -> None:
        """``by``: a field of ``Labels``, or ``ALL``."""
        self.by = -1 if by == ALL else Labels._fields.index(by)
        self.provider = provider
        self.model = model
        self.virtual_key = virtual_key
        self.team = team
        self.customer = customer
        self.operation = operation
        self.status = status

    def asks_for_keys(self) -> bool:
        """Whether sheets without virtual keys, teams and customers cannot answer it."""
        return self.by in (2, 3, 4) or not (self.virtual_key is None and self.team is None and self.customer is None)

    def group_of(self, labels: Labels) -> Group | None:
        """Of a series; None: it does not count."""
        for field in ("provider", "model", "virtual_key", "team", "customer", "operation", "status"):
            wanted = getattr(self, field)
            if wanted is not None and getattr(labels, field) != wanted:
                return None
        return ALL if self.by < 0 else labels[self.by]


def sheet_of(series: Iterable[tuple[Plain, Figures]]) -> bytes:
    """The sheet of series, each of which is there once."""
    ids: dict[int, int] = {}
    models: dict[str, int] = {}
    body, packed = bytearray(), bytearray()
    number = 0
    for labels, figures in series:
        number += 1
        provider, model, virtual_key, team, customer, operation, status, cache = labels
        put(body, ids.setdefault(provider, len(ids)))
        put(body, models.setdefault(model, len(models)))
        put(body, ids.setdefault(virtual_key, len(ids)))
        put(body, ids.setdefault(team, len(ids)))
        put(body, ids.setdefault(customer, len(ids)))
        put(body, operation)
        put(body, status)
        put(body, cache)
        packed.clear()
        figures.pack(packed)
        put(body, len(packed))
        body += packed
    head = bytearray((VERSION,))
    put(head, len(ids))
    for each in ids:
        put(head, each)
    put(head, len(models))
    for model in models:
        text = model.encode("utf-8", "replace")
        put(head, len(text))
        head += text
    put(head, number)
    return bytes(head + body)


def _opened(data: bytes) -> tuple[Reader, list[int], list[str]]:
    """The reader before the number of series; ids and models. Raises ValueError for a sheet of a later program."""
    reader = Reader(data)
    if reader.number() != VERSION:
        raise ValueError("a roll-up of a later program")
    ids = [reader.number() for _ in range(reader.number())]
    models = []
    for _ in range(reader.number()):
        length = reader.number()
        models.append(data[reader.at : reader.at + length].decode("utf-8", "replace"))
        reader.at += length
    return reader, ids, models


def _place(wanted: object, among: list[object]) -> int:
    """-1: all are wanted; -2: none of those here is."""
    if wanted is None:
        return -1
    try:
        return among.index(wanted)
    except ValueError:
        return -2


def collect(data: bytes, question: Question, groups: dict[Group, Figures]) -> None:
    """Add a sheet's figures to those of their groups. Raises ValueError, IndexError for what is no sheet."""
    reader, ids, models = _opened(data)
    provider, model = _place(question.provider, ids), _place(question.model, models)  # type: ignore[arg-type]
    virtual_key, team = _place(question.virtual_key, ids), _place(question.team, ids)  # type: ignore[arg-type]
    customer = _place(question.customer, ids)  # type: ignore[arg-type]
    if provider == -2 or model == -2 or virtual_key == -2 or team == -2 or customer == -2:
        return
    operation = -1 if question.operation is None else question.operation
    status = -1 if question.status is None else question.status
    by = question.by
    here: dict[int, Figures] = {}
    left = reader.number()
    while left > 0:
        left -= 1
        in_provider, in_model, in_key = reader.number(), reader.number(), reader.number()
        in_team, in_customer, in_operation = reader.number(), reader.number(), reader.number()
        in_status, in_cache = reader.number(), reader.number()
        length = reader.number()
        if (
            (provider >= 0 and provider != in_provider)
            or (model >= 0 and model != in_model)
            or (virtual_key >= 0 and virtual_key != in_key)
            or (team >= 0 and team != in_team)
            or (customer >= 0 and customer != in_customer)
            or (operation >= 0 and operation != in_operation)
            or (status >= 0 and status != in_status)
        ):
            reader.at += length
            continue
        if by < 0:
            label = 0
        elif by == 0:
            label = in_provider
        elif by == 1:
            label = in_model
        elif by == 2:
            label = in_key
        elif by == 3:
            label = in_team
        elif by == 4:
            label = in_customer
        elif by == 5:
            label = in_operation
        elif by == 6:
            label = in_status
        else:
            label = in_cache
        figures = here.get(label)
        if figures is None:
            name: Group = ALL if by < 0 else models[label] if by == 1 else ids[label] if by < 5 else label
            figures = groups.get(name)
            if figures is None:
                figures = groups[name] = Figures()
            here[label] = figures
        figures.unpack(reader)


def unfold(data: bytes, into: dict[Plain, Figures]) -> None:
    """Add a sheet's figures to those of the same series. Raises as ``collect`` does."""
    reader, ids, models = _opened(data)
    left = reader.number()
    while left > 0:
        left -= 1
        provider, model, virtual_key, team = reader.number(), reader.number(), reader.number(), reader.number()
        customer, operation, status, cache = reader.number(), reader.number(), reader.number(), reader.number()
        reader.number()
        labels = (ids[provider], models[model], ids[virtual_key], ids[team], ids[customer], operation, status, cache)
        figures = into.get(labels)
        if figures is None:
            figures = into[labels] = Figures()
        figures.unpack(reader)


def without_keys(series: Iterable[tuple[Plain, Figures]]) -> dict[Plain, Figures]:
    """The same requests, whoever asked."""
    found: dict[Plain, Figures] = {}
    for (provider, model, _, _, _, operation, status, cache), figures in series:
        fewer = (provider, model, 0, 0, 0, operation, status, cache)
        into = found.get(fewer)
        if into is None:
            into = found[fewer] = Figures()
        into.merge(figures)
    return found
