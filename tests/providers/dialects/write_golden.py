"""Writes the golden files anew: ``python -m tests.providers.dialects.write_golden``. Read what changed.

A file a feature: what each dialect says (``says``), what it names as lost (``lost``), and, where what was read from one
dialect and written in another is not what that other says of itself, that (``but``, by ``FROM > TO``). Of answers
likewise, plain and as the events of a stream.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson

from gateway.translation import events_of
from providers.dialects import DIALECTS, base, load
from providers.neutral import Losses, Request, Unsupported
from tests.providers.dialects.features import ANSWERS, REQUESTS

HOME = Path(__file__).parent / "golden"
FACTS = base.Facts("the-model", "", True)


def plain(value: Any) -> Any:
    return json.loads(orjson.dumps(value))


def written(name: str, request: Request) -> tuple[Any, list[str]]:
    losses = Losses()
    try:
        return plain(load(name).encode_request(request, FACTS, losses)), losses.names
    except Unsupported as error:
        return None, [error.member]


def of_request(request: Request) -> dict[str, Any]:
    says: dict[str, Any] = {}
    lost: dict[str, list[str]] = {}
    but: dict[str, Any] = {}
    for name in DIALECTS:
        says[name], names = written(name, request)
        if names:
            lost[name] = names
    for source, body in says.items():
        if body is None:
            continue
        for target in DIALECTS:
            if source == target:
                continue
            found, names = written(target, load(source).decode_request(body, model="the-model", stream=False))
            if found != says[target]:
                but[f"{source} > {target}"] = {"body": found, "lost": names} if names else {"body": found}
    return {"says": says, "lost": lost, "but": but}


def of_answer(name: str) -> dict[str, Any]:
    given = ANSWERS[name]
    says: dict[str, Any] = {}
    streams: dict[str, Any] = {}
    but: dict[str, Any] = {}
    for dialect in DIALECTS:
        asked = Request(dialect, "the-model", include_usage=True)
        says[dialect] = plain(load(dialect).encode_answer(given, asked))
        encoder = load(dialect).stream_encoder(asked)
        data = b"".join(map(encoder.encode, events_of(given)))
        streams[dialect] = data.hex() if dialect == "bedrock" else data.decode().splitlines()
    for source, body in says.items():
        for target in DIALECTS:
            asked = Request(target, "the-model", include_usage=True)
            found = plain(load(target).encode_answer(load(source).decode_answer(body), asked))
            if source != target and found != says[target]:
                but[f"{source} > {target}"] = found
    return {"says": says, "streams": streams, "but": but}


def files() -> dict[str, str]:
    """File -> text."""
    made = {f"request {name}": of_request(request) for name, request in REQUESTS.items()}
    made |= {f"answer {name}": of_answer(name) for name in ANSWERS}
    return {
        f"{name.replace(' ', '_')}.json": json.dumps(value, ensure_ascii=False, indent=1) + "\n"
        for name, value in made.items()
    }


if __name__ == "__main__":
    HOME.mkdir(exist_ok=True)
    for old in HOME.glob("*.json"):
        old.unlink()
    for file, text in files().items():
        (HOME / file).write_text(text)
