"""Heads of requests, before they are judged: other gateways' fields and paths become ours.

What is made is scanned anew, by the same scanner: it can say nothing that a caller could not have written himself.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.compat.tables import FIELDS, MODEL_INFO, PATHS, Value
from gateway.errors import Response
from gateway.exchange import Exchange
from gateway.routing.trail import Trail

LINE = b"\r\n"


class Heads:
    """Of the products that the configuration names."""

    def __init__(self, products: tuple[str, ...]) -> None:
        self.fields = {name: rule for product in products for name, rule in FIELDS[product].items()}
        self.paths = {theirs: ours for product in products for theirs, ours in PATHS[product].items()}
        self.litellm = "litellm" in products

    def __call__(self, x: Exchange) -> Response | None:
        """Translate the head of ``x``; an answer to who asks for a list of LiteLLM's."""
        made = translated(x.head, self.fields)
        scan = x.core.request_head
        if made is not None:
            if scan.request(made):
                x.head = made
            else:
                scan.request(x.head)
        if self.litellm:
            from gateway.compat.answers import fields

            x.trail = Trail(False)
            x.trail.also = fields
            if x.path in MODEL_INFO:
                from gateway.compat.models import model_info

                return model_info(x)
        x.path = self.paths.get(x.path, x.path)
        return None


def translated(head: bytes, fields: Mapping[bytes, tuple[bytes, Value]]) -> bytes | None:
    """``head`` with our fields in place of theirs; None when there are none of theirs in it."""
    lines = head.split(LINE)
    present = {line.partition(b":")[0].lower() for line in lines[1:]}
    if present.isdisjoint(fields):
        return None
    kept = [lines[0]]
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        rule = fields.get(name.lower())
        if rule is None:
            kept.append(line)
            continue
        ours, convert = rule
        if ours in present:
            continue
        said = convert(value.strip(b" \t"))
        if said is not None:
            present.add(ours)
            kept.append(ours + b": " + said)
    return LINE.join(kept)
