"""What the provider of group C is told to do: ``bench.reliability.scripted`` says how."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from bench.reliability import scripted
from gateway.records import UsageSource

FINISH = scripted.FINISH.decode()
DONE = scripted.DONE.decode()


def said(text: str) -> str:
    return scripted.event(text).decode("latin-1")


def sent(pieces: list[str], pause: float = 0.0) -> list[list[Any]]:
    """Each piece as a chunk of its own."""
    return [step for piece in pieces for step in ([["pause", pause]] if pause else []) + [["send", piece]]]


def random_stream(seed: int) -> str:
    """Any line ends, comments, other fields, text of any script, events of any size."""
    dice = random.Random(seed)
    end = dice.choice(["\n", "\r\n"])
    pieces = []
    for _ in range(dice.randrange(1, 40)):
        if dice.random() < 0.2:
            pieces.append(": ping" + end * 2)
        if dice.random() < 0.1:
            pieces.append(f"event: message{end}id: 7{end}")
        text = "".join(dice.choice('abc \u00e9\u4e2d\U0001f600"\\\n') for _ in range(dice.randrange(60)))
        pieces.append(said(text).replace("\n", end))
    if dice.random() < 0.3:
        pieces.append(said("x" * dice.randrange(40_000)).replace("\n", end))
    return "".join([*pieces, FINISH, DONE])


def cuts(quick: bool) -> Iterator[tuple[str, int, str]]:
    """Stream, place and way of every cut."""
    events = [said(f"t{number} ") for number in range(3)]
    whole = "".join([*events, FINISH, DONE])
    last = len("".join(events))
    for at in range(1, last, 17 if quick else 1):
        for how in ("end", "fin", "rst"):
            yield whole, at, how


FAULTS: dict[str, list[list[Any]]] = {
    "html": [["raw", "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>"]],
    "503": [["raw", "HTTP/1.1 503 No\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"]],
    "nothing": [["end"]],
    "comments": [["send", ": ping\n\n"], ["end"]],
    "error event": [["send", 'data: {"error":{"message":"overloaded","code":503}}\n\n'], ["end"]],
    "named error": [["send", 'event: error\ndata: {"message":"overloaded"}\n\n'], ["end"]],
    "closed": [["pause", 0.01], ["fin"]],
    "reset": [["pause", 0.01], ["rst"]],
}


def usage(completion: int) -> str:
    told = {"prompt_tokens": 9, "completion_tokens": completion, "total_tokens": 9 + completion}
    return f'data: {{"id":"c","object":"chat.completion.chunk","choices":[],"usage":{json.dumps(told)}}}\n\n'


USAGE: dict[str, tuple[list[str], int, UsageSource]] = {
    "none": ([said("a"), said("b"), FINISH], 2, UsageSource.ESTIMATE),
    "last": ([said("a"), FINISH, usage(4)], 4, UsageSource.PROVIDER),
    "every event": ([said("a"), usage(1), said("b"), usage(2), said("c"), usage(3), FINISH], 3, UsageSource.PROVIDER),
    "twice": ([said("a"), FINISH, usage(5), usage(7)], 7, UsageSource.PROVIDER),
}
