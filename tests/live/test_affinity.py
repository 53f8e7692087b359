"""Requests that begin alike go to the key whose account holds their beginning warm, seen from outside."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import CHAT, Received, Step, Upstream, http
from tests.live.wire import ask, request
from tests.waiting import wait_for

ALWAYS = {"spill": 100}
"""However busy the key is that holds the prompt."""


def config_of(upstream: Upstream, keys: int, affinity: Any, **more: Any) -> dict[str, Any]:
    listed = [{"name": f"k{number}", "value": f"sk-{number}-canary"} for number in range(keys)]
    return configuration(upstream.url, provider={"keys": listed, "prompt_cache_affinity": affinity, **more})


def prompt(conversation: int, turn: int = 0) -> bytes:
    """Some 8 KiB that a conversation's turns share, and what each adds."""
    text = random.Random(conversation).randbytes(4096).hex()
    turns = [{"role": "user", "content": text}] + [{"role": "user", "content": f"turn {n}"} for n in range(turn)]
    return json.dumps({"model": "m", "messages": turns}).encode()


def say(gateway: Gateway, body: bytes, **fields: str) -> int:
    named = [(name.replace("_", "-"), value) for name, value in fields.items()]
    return ask(gateway.port, request(body=body, fields=named)).status


def key_of(received: Received) -> str:
    return (received.header("authorization") or "").removeprefix("Bearer ")


def keys_of(upstream: Upstream) -> list[str]:
    return [key_of(received) for received in upstream.requests]


def tables(gateway: Gateway) -> list[str]:
    return [name for name in os.listdir(gateway.paths.runtime_dir) if name.startswith("affinity-")]


def test_conversations_stay_and_spread(start_gateway: Start, upstream: Upstream) -> None:
    gateway = start_gateway(config_of(upstream, 8, ALWAYS))
    for turn in range(4):
        for conversation in range(8):
            assert say(gateway, prompt(conversation, turn)) == 200
    keys = keys_of(upstream)
    assert len(set(keys[:8])) == 8, "each new one went to the key that had least to do"
    assert keys == keys[:8] * 4, "and stayed there"


def test_off_means_drawn_by_weight(start_gateway: Start, upstream: Upstream) -> None:
    gateway = start_gateway(config_of(upstream, 8, "off"))
    for turn in range(24):
        say(gateway, prompt(1, turn))
    assert len(set(keys_of(upstream))) > 3
    assert tables(gateway) == []


def test_short_prompts_and_other_operations_are_drawn(start_gateway: Start, upstream: Upstream) -> None:
    gateway = start_gateway(config_of(upstream, 4, ALWAYS))
    for _ in range(40):
        say(gateway, b'{"model":"m","messages":[{"role":"user","content":"hi"}]}')
    assert len(set(keys_of(upstream))) == 4
    upstream.clear()
    embedding = json.dumps({"model": "m", "input": "x" * 8000}).encode()
    for _ in range(40):
        ask(gateway.port, request(path="/v1/embeddings", body=embedding))
    assert len(set(keys_of(upstream))) == 4


def test_the_same_prompt_for_another_model_is_another(start_gateway: Start, upstream: Upstream) -> None:
    gateway = start_gateway(config_of(upstream, 8, ALWAYS))
    for number in range(8):
        body = prompt(1).replace(b'"m"', b'"mock/m%d"' % number)
        assert say(gateway, body) == 200
    assert len(set(keys_of(upstream))) == 8


def test_a_busy_key_spills_over(start_gateway: Start, upstream: Upstream) -> None:
    gateway = start_gateway(config_of(upstream, 4, "on"))
    for turn in range(40):
        say(gateway, prompt(1, turn))
    used = Counter(keys_of(upstream))
    assert len(used) == 4, "with nothing else to do the others take their part"
    upstream.clear()
    for turn in range(40, 44):
        say(gateway, prompt(1, turn))
    assert set(keys_of(upstream)) <= set(used)


def test_weights_and_switched_off_keys_count(start_gateway: Start, upstream: Upstream) -> None:
    config = config_of(upstream, 4, ALWAYS)
    keys = config["providers"]["mock"]["keys"]
    keys[0]["enabled"] = False
    keys[1]["weight"] = 0
    keys[2]["deny_models"] = ["m"]
    gateway = start_gateway(config)
    for conversation in range(6):
        say(gateway, prompt(conversation))
    assert set(keys_of(upstream)) == {"sk-3-canary"}


def test_after_its_time_a_prompt_is_forgotten(start_gateway: Start, upstream: Upstream) -> None:
    gateway = start_gateway(config_of(upstream, 4, {**ALWAYS, "ttl": "1s"}))
    say(gateway, prompt(1))
    time.sleep(1.5)
    say(gateway, prompt(1, 1))
    first, second = keys_of(upstream)
    assert first != second, "the others have had less to do"


def test_a_key_that_rests_is_left_and_the_prompt_moves(start_gateway: Start, upstream: Upstream) -> None:
    gateway = start_gateway(config_of(upstream, 4, ALWAYS))
    assert say(gateway, prompt(1)) == 200
    (limited,) = keys_of(upstream)
    limits = b'{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}'

    def script(received: Received) -> list[Step]:
        return [http(limits, 429, fields=["retry-after: 60"]) if key_of(received) == limited else http(CHAT)]

    upstream.script = script
    upstream.clear()
    for turn in range(1, 8):
        assert say(gateway, prompt(1, turn)) == 200
    keys = keys_of(upstream)
    assert keys[0] == limited, "it was warm there"
    assert limited not in keys[1:], "once: it rests"
    assert len(set(keys[1:])) == 1, "the prompt is warm at the key that answered"


def test_a_session_and_a_pin_go_before_it(start_gateway: Start, upstream: Upstream) -> None:
    gateway = start_gateway(config_of(upstream, 8, ALWAYS))
    say(gateway, prompt(1))
    (warm,) = keys_of(upstream)
    upstream.clear()
    for session in range(12):
        for turn in range(2):
            say(gateway, prompt(1, turn), x_microgate_session=str(session))
    keys = keys_of(upstream)
    assert keys[::2] == keys[1::2], "a session stays"
    assert len(set(keys)) > 2, "where its name leads, not the prompt"
    upstream.clear()
    other = next(f"k{number}" for number in range(8) if f"sk-{number}-canary" != warm)
    say(gateway, prompt(1), x_microgate_provider=f"mock/{other}")
    assert keys_of(upstream) == [f"sk-{other[1:]}-canary"]


def test_workers_agree_and_a_killed_ones_successor_knows(start_gateway: Start, upstream: Upstream) -> None:
    gateway = start_gateway(config_of(upstream, 8, ALWAYS), workers=2)
    # Every request has a connection of its own, which is given to a worker by lot.
    for turn in range(24):
        say(gateway, prompt(1, turn))
    assert len(set(keys_of(upstream))) == 1
    before = gateway.worker_pids()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not set(before) & set(gateway.worker_pids()), "new workers")
    wait_for(lambda: gateway.get("/readyz").status == 200, "readiness")
    for turn in range(24, 30):
        assert say(gateway, prompt(1, turn)) == 200
    assert len(set(keys_of(upstream))) == 1


def test_a_reload_keeps_what_is_known(start_gateway: Start, upstream: Upstream) -> None:
    config = config_of(upstream, 8, ALWAYS)
    gateway = start_gateway(config)
    gateway.wait_for_control()
    say(gateway, prompt(1))
    (warm,) = keys_of(upstream)
    (table,) = tables(gateway)
    config["providers"]["mock"].update(timeouts={"total": "99s"}, models=["seen"])
    gateway.configure(config)
    wait_for(lambda: b"mock/seen" in ask(gateway.port, request("GET", "/v1/models", None)).body, "the new version")
    for turn in range(8):
        say(gateway, prompt(1, turn))
    assert set(keys_of(upstream)) == {warm}
    assert tables(gateway) == [table]
    config["providers"]["mock"]["keys"].pop()
    gateway.configure(config)
    wait_for(lambda: tables(gateway) not in ([table], []) and len(tables(gateway)) == 1, "the table of fewer keys")
    config["providers"]["mock"]["prompt_cache_affinity"] = "off"
    gateway.configure(config)
    wait_for(lambda: tables(gateway) == [], "its end")


class Observed(Gateway):
    """Says what an instance left in its directory on tmpfs when it ended."""

    keeps = True
    left: tuple[str, ...] = ()

    def _remove_runtime_files(self) -> None:
        self.left = tuple(os.listdir(self.paths.runtime_dir))
        if not self.keeps:
            super()._remove_runtime_files()


def test_a_damaged_table_is_made_anew_and_none_is_left_behind(
    tmp_path_factory: pytest.TempPathFactory, upstream: Upstream
) -> None:
    gateway = Observed(tmp_path_factory.mktemp("gateway"), config_of(upstream, 4, ALWAYS)).start()
    try:
        (table,) = tables(gateway)
        path = Path(gateway.paths.runtime_dir) / table
        size = path.stat().st_size
        gateway.kill()
        assert table in gateway.left
        path.write_bytes(b"\xff" * 100)
        (path.parent / "affinity-00-11.tbl").touch()
        gateway.start()
        assert path.stat().st_size == size
        assert tables(gateway) == [table], "what no provider has is gone"
        for turn in range(3):
            assert say(gateway, prompt(1, turn)) == 200
        assert len(set(keys_of(upstream))) == 1
    finally:
        gateway.keeps = False
        gateway.stop()
    assert not [name for name in gateway.left if name.startswith("affinity-")]
