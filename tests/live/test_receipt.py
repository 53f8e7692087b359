"""Why a request went where it went: told to the caller who asks, and kept in the record."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from gateway.records import Kind
from gateway.routing.receipt import Step, receipt_in
from tests.live.fixtures import Start
from tests.live.instance import Gateway
from tests.live.test_health import HEALTH, asked, body, failing, many, several, upstreams
from tests.live.test_translation import asking
from tests.live.trail import trail_of
from tests.live.upstreams import CHAT, Act, Received, Until, Upstream, http, stream, stream_events
from tests.live.wire import KEY, Answer, ask, request
from tests.waiting import wait_for

QUICK = {"attempts": 3, "backoff_initial": "1ms", "backoff_max": "2ms"}
EXPLAIN = ("x-microgate-explain", "1")
_ITEM = re.compile(r'([a-z-]+)((?:;[a-z]+(?:=(?:"(?:[^"\\]|\\["\\])*"|[a-z0-9-]+))?)*)')
_MEMBER = re.compile(r';([a-z]+)(?:=(?:"((?:[^"\\]|\\["\\])*)"|([a-z0-9-]+)))?')


class Item(NamedTuple):
    name: str
    members: dict[str, str]


def told(answer: Answer) -> list[Item]:
    """The items of the answer's field, which is nothing but such items."""
    value = answer.header("x-microgate-explain")
    assert value is not None, answer
    items, at = [], 0
    while at < len(value):
        found = _ITEM.match(value, at)
        assert found is not None, value[at:]
        members = {name: text or token or "" for name, text, token in _MEMBER.findall(found[2])}
        items.append(Item(found[1], members))
        at = found.end()
        assert value[at : at + 2] in ("", ", "), value[at:]
        at += 2
    return items


def ways(answer: Answer) -> list[tuple[str, ...]]:
    """Of each item behind the first: what it is, where, why, and what came of it."""
    members = ("index", "target", "because", "result")
    return [(item.name, *(item.members[m] for m in members if m in item.members)) for item in told(answer)[1:]]


def explained(gateway: Gateway, *fields: tuple[str, str], **members: Any) -> Answer:
    return ask(gateway.port, request(body=body(**members), fields=[EXPLAIN, *fields]))


def kept(gateway: Gateway, kind: Kind = Kind.EXCHANGE) -> list[list[Step]]:
    """What the records tell, oldest first; times are left out."""
    rows = sorted(trail_of(gateway, kind).values(), key=lambda row: row.started_us)
    receipts = [receipt_in(row.receipt or "") for row in rows]
    steps = [found.steps if found is not None else [] for found in receipts]
    return [[step._replace(took_ms=min(step.took_ms, 0)) for step in each] for each in steps]


def fallback(count: int = 2, **more: Any) -> dict[str, Any]:
    config = several(count, retry=QUICK, **more)
    first, *others = (f"u{index}/m" for index in range(count))
    config["routes"]["m"] = {"targets": [first], "fallbacks": others}
    return config


def test_a_plain_request(start_gateway: Start) -> None:
    """Nothing is kept where nothing happened, and nothing is told to those who do not ask."""
    config = several(2)
    with upstreams(config, None, None):
        gateway = start_gateway(config)
        answer = explained(gateway)
        route, step = told(answer)
        assert route == ("route", {"name": "m", "strategy": "weighted"})
        provider = answer.header("x-microgate-provider")
        assert step.name == "asked"
        assert int(step.members.pop("ms")) < 60_000
        assert step.members == {
            "index": (provider or "")[1:], "target": f"{provider}/m", "because": "weighted", "key": "0", "result": "200"
        }  # fmt: skip
        for fields in ([], [("x-microgate-explain", "0")], [("x-microgate-explain", "")]):
            assert ask(gateway.port, request(body=body(), fields=fields)).header("x-microgate-explain") is None
        assert kept(gateway) == [[], [], [], []]


def test_a_fallback(start_gateway: Start) -> None:
    config = fallback()
    with upstreams(config, failing, None):
        gateway = start_gateway(config)
        answer = explained(gateway)
        assert ways(answer) == [
            ("asked", "0", "u0/m", "only", "503"),
            ("asked", "1", "u1/m", "fallback", "200"),
        ]
        many(gateway, 1)
        assert kept(gateway) == [[Step("only", 0, "503", 0), Step("fallback", 1, "200", 0)]] * 2


def test_the_next_target_and_the_last_word(start_gateway: Start) -> None:
    """When nobody answers the caller reads why no more was tried."""
    config = several(2, retry=QUICK)
    config["routes"]["m"]["strategy"] = "order"
    with upstreams(config, failing, lambda received: [Act.RESET]):
        gateway = start_gateway(config)
        answer = explained(gateway)
        assert answer.status == 502
        assert ways(answer) == [
            ("asked", "0", "u0/m", "order", "503"),
            ("asked", "1", "u1/m", "next", "cut"),
            ("asked", "1", "u1/m", "again", "cut"),
            ("end", "attempts"),
        ]
        (row,) = trail_of(gateway).values()
        found = receipt_in(row.receipt or "")
        assert found is not None
        assert (len(found.steps), found.end) == (3, "attempts")


def test_another_key(start_gateway: Start) -> None:
    config = several(1, retry=QUICK)
    config["providers"]["u0"]["keys"] = [{"name": name, "value": f"sk-{name}-canary"} for name in ("ka", "kb")]
    limited = b'{"error":{"message":"slow down","type":"rate_limit"}}'

    def script(received: Received) -> list[Any]:
        return [http(limited, 429)] if len(made[0].requests) == 1 else [http(CHAT)]

    with upstreams(config, script) as made:
        gateway = start_gateway(config)
        answer = explained(gateway)
        first, second = told(answer)[1:]
        assert [way[3:] for way in ways(answer)] == [("only", "429"), ("other-key", "200")]
        assert {first.members["key"], second.members["key"]} == {"0", "1"}
        assert "canary" not in str(answer)
        assert "ka" not in (answer.header("x-microgate-explain") or "")


def test_an_ejected_one_is_passed_over_and_probed(start_gateway: Start) -> None:
    config = fallback()
    config["health"] = {**HEALTH, "consecutive": 1, "rest": "2s", "rest_max": "2s"}
    with upstreams(config, failing, None) as made:
        gateway = start_gateway(config)
        many(gateway, 1)
        answer = explained(gateway)
        assert ways(answer) == [("passed", "0", "u0/m", "ejected"), ("asked", "1", "u1/m", "fallback", "200")]
        made[0].script = lambda received: [http(CHAT)]
        probed = ways(answer)
        while len(probed) == 2:
            time.sleep(0.05)
            probed = ways(explained(gateway))
        assert probed == [("asked", "0", "u0/m", "probe", "200")]
        records = kept(gateway)
        assert records[1] == [Step("passed", 0, "ejected"), Step("fallback", 1, "200", 0)]
        assert records[-1] == [Step("probe", 0, "200", 0)]


def test_panic(start_gateway: Start) -> None:
    config = several(2, retry={"attempts": 1})
    config["health"] = {**HEALTH, "consecutive": 1}
    with upstreams(config, failing, failing):
        gateway = start_gateway(config)
        many(gateway, 20)
        first, last = ways(explained(gateway))
        assert first[3:] == ("panic", "503")
        assert last == ("end", "attempts")


@pytest.mark.parametrize("wins", ["first", "second"])
def test_a_hedge(start_gateway: Start, wins: str) -> None:
    config = fallback()
    config["routes"]["m"]["hedge"] = {"after": "100ms", "share": 1}
    late: list[Any] = [Until(lambda: made[1].requests), http(CHAT)]
    first, second = (late, [Act.HOLD]) if wins == "first" else ([Act.HOLD], [http(CHAT)])
    with upstreams(config, lambda received: first, lambda received: second) as made:
        gateway = start_gateway(config)
        answer = explained(gateway)
        lost, won = ("asked", "1", "u1/m", "hedge"), ("asked", "0", "u0/m", "only")
        if wins == "second":
            lost, won = won, lost
        assert ways(answer) == [(*lost, "lost"), (*won, "200")]
        (steps,) = kept(gateway)
        assert [(step.why, step.result) for step in steps] == [(lost[3], "lost"), (won[3], "200")]


def test_pins_sessions_and_conditions(start_gateway: Start) -> None:
    config = several(3)
    config["routes"]["m"]["targets"] = [
        {"provider": "u0", "model": "m", "when": 'headers["x-tier"] == "gold"'}, "u1/m", "u2/m"
    ]  # fmt: skip
    with upstreams(config, None, None, None):
        gateway = start_gateway(config)
        false = ("passed", "0", "u0/m", "condition")
        first, second = ways(explained(gateway, ("x-microgate-session", "s")))
        assert first == false
        assert second[3:] == ("session", "200")
        assert ways(explained(gateway, ("x-microgate-provider", "u2"))) == [
            false, ("asked", "2", "u2/m", "pinned", "200")
        ]  # fmt: skip
        assert ways(explained(gateway, ("x-microgate-provider", "u0/k1"), ("x-tier", "gold"))) == [
            ("asked", "0", "u0/m", "pinned", "200")
        ]
        assert ways(explained(gateway, model="u1/other")) == [("asked", "0", "u1/other", "only", "200")]
        assert kept(gateway) == [[], [], [], []], "what the configuration says by itself is not kept"


def test_every_condition_false(start_gateway: Start) -> None:
    config = several(1)
    config["routes"]["m"]["targets"] = [{"provider": "u0", "model": "m", "when": "stream"}]
    with upstreams(config, None):
        answer = explained(start_gateway(config))
        assert answer.status == 404
        assert ways(answer) == [("passed", "0", "u0/m", "condition")]


def test_named_fallbacks(start_gateway: Start) -> None:
    """They are counted behind the route's own."""
    config = fallback(3)
    config["routes"]["m"]["fallbacks"] = ["u1/m"]
    with upstreams(config, failing, failing, None):
        answer = explained(start_gateway(config), fallbacks=["u2/x"])
        assert ways(answer)[-1] == ("asked", "2", "u2/x", "fallback", "200")


@pytest.fixture(scope="module")
def world(start_for_module: Start) -> Iterator[tuple[Gateway, Upstream]]:
    """A gateway whose first target always fails, and its second one."""
    config = fallback(health={"consecutive": 1000, "volume": 1_000_000, "throttle": False})
    config["retry"] = {**QUICK, "attempts": 2, "budget": 1}
    with upstreams(config, failing, None) as made:
        yield start_for_module(config), made[1]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("caller", ["openai_chat", "anthropic", "gemini"])
def test_in_every_dialect(world: tuple[Gateway, Upstream], caller: str, streamed: bool) -> None:
    """Whole and streamed, relayed and translated, and where the gateway itself is the one who answers."""
    gateway, second = world
    second.script = lambda received: stream(stream_events(3)) if streamed else [http(CHAT)]
    raw = asking(caller, "m", stream=streamed).replace(b"\r\n", b"\r\nx-microgate-explain: 1\r\n", 1)
    answer = ask(gateway.port, raw)
    assert answer.status == 200, answer.body
    assert ways(answer)[-1] == ("asked", "1", "u1/m", "fallback", "200")
    second.script = lambda received: [Act.CLOSE]
    refused = ask(gateway.port, raw)
    assert refused.status == 502
    assert refused.header("content-type") == "application/json"
    assert ways(refused)[-1] == ("end", "attempts")


def test_a_cut_stream_in_the_record(start_gateway: Start) -> None:
    config = fallback()
    events = stream_events(3)
    with upstreams(config, failing, lambda received: [*stream(events)[:2], Act.RESET]):
        gateway = start_gateway(config)
        ask(gateway.port, request(body=body(stream=True)), whole=False)
        assert kept(gateway) == [[Step("only", 0, "503", 0), Step("fallback", 1, "cut", 0)]]


def test_continued(start_gateway: Start) -> None:
    config = fallback()
    config["routes"]["m"]["continue_on_cut"] = True
    for provider in config["providers"].values():
        provider["prefill"] = "final_message"
    events = stream_events(3)
    with upstreams(config, lambda r: [*stream(events)[:3], Act.RESET], lambda r: stream(events)):
        gateway = start_gateway(config)
        ask(gateway.port, request(body=body(stream=True)))
        assert kept(gateway) == [[Step("only", 0, "cut", 0), Step("continued", 1, "200", 0)]]


def test_nobody_was_asked(start_gateway: Start) -> None:
    """The caller and the record learn who was passed over."""
    config = several(1, retry={"attempts": 1})
    config["health"] = {"consecutive": 1000, "volume": 1_000_000}
    with upstreams(config, failing):
        gateway = start_gateway(config)
        many(gateway, 200, 4)
        answers = [explained(gateway) for _ in range(50)]
        unsent = [answer for answer in answers if b"was not sent" in answer.body]
        assert unsent, "some of fifty that are left out with a probability of nearly 0.9"
        assert {tuple(ways(answer)) for answer in unsent} == {(("passed", "0", "u0/m", "throttled"),)}
        assert [Step("passed", 0, "throttled")] in kept(gateway)


def test_nothing_is_told_to_strangers(start_gateway: Start) -> None:
    config = several(1)
    with upstreams(config, None):
        gateway = start_gateway(config)
        for raw in (
            request(key="sk-nobody-000000000000", body=body(), fields=[EXPLAIN]),
            request("GET", "/livez", None, "", fields=[EXPLAIN]),
            request("GET", "/v1/models", fields=[EXPLAIN]),
            request(body=body(model="nothing/here"), fields=[EXPLAIN]),
        ):
            assert ask(gateway.port, raw).header("x-microgate-explain") is None


def test_what_the_operator_keeps_to_himself(start_gateway: Start) -> None:
    config = fallback(server={"explain": False})
    with upstreams(config, failing, None):
        gateway = start_gateway(config)
        answer = explained(gateway)
        assert answer.status == 200
        assert answer.header("x-microgate-explain") is None
        assert [step.why for step in kept(gateway)[0]] == ["only", "fallback"]


def test_a_provider_can_not_speak_for_the_gateway(start_gateway: Start) -> None:
    config = several(1)
    with upstreams(config, lambda received: [http(CHAT, fields=["x-microgate-explain: asked;target=evil"])]) as made:
        gateway = start_gateway(config)
        answer = ask(gateway.port, request(body=body()))
        assert answer.header("x-microgate-explain") is None
        explained(gateway)
        assert all(received.header("x-microgate-explain") is None for received in made[0].requests)
        assert asked(made) == [2]


def test_names_are_header_safe(start_gateway: Start) -> None:
    """Whatever a model is called: the field stays one line of ASCII, and short."""
    config = several(1)
    name = 'q"\\,;\u00e9' + "x" * 240
    config["routes"] = {"m": {"targets": [{"provider": "u0", "model": f"{name}{index}"} for index in range(40)]}}
    config["retry"] = {"attempts": 1}
    with upstreams(config, None):
        gateway = start_gateway(config)
        (item,) = told(explained(gateway))[1:]
        assert item.members["target"].startswith('u0/q\\"%5C,;%C3%A9xxx')
        config["routes"]["m"]["targets"] = [
            {"provider": "u0", "model": f"{name}{index}", "when": "stream"} for index in range(40)
        ]
        gateway.configure(config)
        os.kill(gateway.pid, signal.SIGHUP)
        answer = wait_for(lambda: (now := explained(gateway)).status == 404 and now, "the new configuration")
        assert len(answer.header("x-microgate-explain") or "") < 4300
        assert told(answer)[-1].name == "left-out"


def test_the_log_tells_it_in_words(start_gateway: Start) -> None:
    config = fallback()
    with upstreams(config, failing, None):
        gateway = start_gateway(config)
        many(gateway, 1)
        gateway.wait_for_control()
        token = (gateway.data_dir / "admin.token").read_text().strip()
        (entry,) = wait_for(lambda: json.loads(gateway.get("/api/logs", token).body)["entries"], "the record")
        assert entry["receipt"]["text"].startswith("u0:503/")
        assert [(step["why"], step["target"], step["result"]) for step in entry["receipt"]["steps"]] == [
            ("only", 0, "503"),
            ("fallback", 1, "200"),
        ]
        assert KEY not in str(entry)
