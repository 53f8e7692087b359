"""Horizontal bars with intervals as SVG: small files, equal for equal figures, nothing to install."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _LABEL, _ROW, _TOP, _BOTTOM = 720, 190, 30, 34, 26
_COLOURS = {"nginx": "#6b7280", "upstream alone": "#9ca3af", "direct": "#9ca3af"}
_OWN, _PURE, _OTHER = "#0f766e", "#5eead4", "#b45309"


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: a value and, where it was measured several times, its interval."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


def _colour(name: str) -> str:
    if name in _COLOURS:
        return _COLOURS[name]
    if "pure" in name:
        return _PURE
    return _OWN if name.startswith(("microgate", "1 worker", "2 workers")) else _OTHER


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def bars(title: str, unit: str, rows: Sequence[Bar], marks: Sequence[tuple[str, float]] = ()) -> str:
    """The chart. ``marks`` are dashed lines with a name: targets."""
    height = _TOP + _ROW * len(rows) + _BOTTOM
    # A mark far beyond every bar would flatten the bars; it is left to the table then.
    most = max([max(row.value, row.high or 0) for row in rows] or [1.0]) or 1.0
    marks = [mark for mark in marks if mark[1] <= most * 3]
    most = max([most, *(value for _, value in marks)]) * 1.02
    span = _WIDTH - _LABEL - 90

    def at(value: float) -> float:
        return round(_LABEL + max(0.0, value) / most * span, 1)

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
            'font-size="13">'
        ),
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="22" font-weight="bold">{escape(title)} ({escape(unit)})</text>',
    ]
    for number, row in enumerate(rows):
        y = _TOP + number * _ROW
        middle = y + _ROW / 2
        parts.append(f'<text x="{_LABEL - 8}" y="{middle + 4}" text-anchor="end">{escape(row.name)}</text>')
        width = round(at(row.value) - _LABEL, 1)
        parts.append(
            f'<rect x="{_LABEL}" y="{y + 5}" width="{width}" height="{_ROW - 10}" fill="{_colour(row.name)}"/>'
        )
        end = at(row.value)
        if row.low is not None and row.high is not None and row.high > row.low:
            left, end = at(row.low), max(at(row.high), end)
            parts.append(f'<path d="M{left} {middle}H{at(row.high)}" stroke="#111827" stroke-width="1.5"/>')
        parts.append(f'<text x="{end + 6}" y="{middle + 4}">{_number(row.value)}</text>')
    bottom = _TOP + _ROW * len(rows)
    for name, value in marks:
        x = at(value)
        parts.append(f'<path d="M{x} {_TOP - 2}V{bottom}" stroke="#dc2626" stroke-dasharray="4 3"/>')
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle" fill="#dc2626">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>\n"])
