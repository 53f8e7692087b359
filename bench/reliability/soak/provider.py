"""The provider of the soak: nginx, whose answers name the request that they are for, and the fault proxy before it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import answer
from bench.load import nginx
from bench.load.process import NotReady, free_port
from gateway.config.units import Duration
from gateway.faults.embedded import InProcess
from gateway.faults.schema import (
    AnyFault,
    Cut,
    ErrorEvent,
    Garbage,
    Latency,
    ResetPeer,
    Setup,
    Status,
    UpstreamEntry,
)

MARK = "$http_x_client_request_id"
"""nginx's variable of the field by which callers mark a request."""

SLOW_S = 0.3
PACE_S = 0.02
LENGTHS = (8, 24, 64)
"""Words of the three streams, one every PACE_S."""


def _marked(body: bytes) -> str:
    """An answer of the benchmarks whose text begins with the request's mark."""
    return body.decode().replace("Three points", f"{MARK} Three points", 1)


def _stream(words: int) -> list[str]:
    """An OpenAI stream whose first and last words are the request's mark."""
    events = [event.decode() for event in answer.events(words)]
    for place in (1, words):
        events[place] = events[place].replace('"content":" word', f'"content":"{MARK} word')
    return events


def _anthropic_stream(words: int) -> list[str]:
    usage = {"input_tokens": 171, "output_tokens": 1}
    message = {"id": "msg_01", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": []}
    begin = message | {"stop_reason": None, "stop_sequence": None, "usage": usage}
    events: list[dict[str, object]] = [
        {"type": "message_start", "message": begin},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
    for word in range(words):
        text = f"{MARK} word" if word in (0, words - 1) else " word"
        delta = {"type": "text_delta", "text": text}
        events.append({"type": "content_block_delta", "index": 0, "delta": delta})
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    events += [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": end, "usage": {"output_tokens": words}},
        {"type": "message_stop"},
    ]
    return [f"event: {one['type']}\ndata: {json.dumps(one, separators=(',', ':'))}\n\n" for one in events]


def _embedding() -> str:
    vector = [round(0.001 * number, 3) for number in range(64)]
    data = [{"object": "embedding", "index": 0, "embedding": vector}]
    usage = {"prompt_tokens": 9, "total_tokens": 9}
    return json.dumps({"object": "list", "id": MARK, "data": data, "model": "text-embedding-3-small", "usage": usage})


def _paced(path: str, events: list[str]) -> list[str]:
    lines = [f"        location {path} {{", "            default_type text/event-stream;"]
    lines.append("            echo_read_request_body;")
    for number, event in enumerate(events):
        if number:
            lines.append(f"            echo_sleep {PACE_S};")
        text = event.replace("\n", "\\n")
        lines += [f"            echo -n '{text}';", "            echo_flush;"]
    return [*lines, "        }"]


def _locations() -> str:
    chat = _marked(answer.chat())
    lines = [
        f"        location /chat/ {{ return 200 '{chat}'; }}",
        f"        location @chat {{ return 200 '{chat}'; }}",
        f"        location /claude/ {{ return 200 '{_marked(answer.message())}'; }}",
        f"        location /embed/ {{ return 200 '{_embedding()}'; }}",
        f"        location /slow/ {{ echo_read_request_body; echo_sleep {SLOW_S}; echo_exec @chat; }}",
    ]
    for words in LENGTHS:
        lines += _paced(f"/sse-{words}/", _stream(words))
    lines += _paced("/claude-sse/", _anthropic_stream(LENGTHS[0]))
    return "\n".join(lines)


FAULTS: list[AnyFault] = [
    Status(models=["status"], share=0.3, status=503),
    ResetPeer(models=["reset"], share=0.3),
    ResetPeer(models=["reused"], share=0.3, connection="reused"),
    Latency(models=["slow"], share=0.2, delay=Duration(3)),
    Garbage(models=["garbage"], share=0.3),
    Status(models=["limited"], share=0.1, status=429, retry_after=Duration(3)),
    ErrorEvent(models=["event"], share=0.3),
    Cut(models=["first"], share=0.3, after=1),
    Status(models=["bare-status"], share=0.5, status=503),
    ResetPeer(models=["bare-reset"], share=0.5),
    Latency(models=["bare-slow"], share=0.3, delay=Duration(3)),
    Cut(models=["bare-cut"], share=0.5, after=5),
    Cut(models=["bare-end"], share=0.5, after=5, how="end"),
    ErrorEvent(models=["bare-event"], share=0.5, after=5),
]
"""What becomes of calls for a model. bench/soak.yaml says which of them have a fallback."""


@contextmanager
def provider(directory: Path) -> Iterator[tuple[nginx.Upstream, InProcess]]:
    """Both, started. Raises NotReady without nginx and its echo module."""
    if not nginx.available():
        raise NotReady("nginx or its echo module is missing (apt-get install nginx-light libnginx-mod-http-echo)")
    upstream = nginx.start("soak.conf", directory, free_port(), locations=_locations())
    try:
        entry = UpstreamEntry(to=f"http://127.0.0.1:{upstream.port}", faults=FAULTS)
        # Nobody asks it which requests came twice: the answers tell.
        with InProcess(Setup(upstreams={"faults": entry}, seed=1, id_headers=())) as faults:
            yield upstream, faults
    finally:
        upstream.process.stop()
