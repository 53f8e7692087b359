"""``microgate cache`` and ``x-microgate-cache: explain`` against a real gateway with a cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli.commands import cli
from gateway.stores.usage_report import dollars
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.test_cache import OTHER, THIRD, cached, chat, send, until_hit, verdict
from tests.live.upstreams import Upstream
from tests.live.wire import KEY, Answer, ask, request
from tests.waiting import wait_for

PRICES = [{"provider": "mock", "model": "m", "input": 1000, "output": 1000}]


@pytest.fixture(scope="module")
def gateway(upstream_for_module: Upstream, start_for_module: Start) -> Gateway:
    config = {**cached(upstream_for_module, scope="team"), "prices": PRICES}
    config["virtual_keys"][2]["cache"] = "off"
    config["virtual_keys"].append({"name": "limited", "value": LIMITED, "limits": [{"requests": 1, "per": "1h"}]})
    config["virtual_keys"].append({"name": "loner", "value": LONER})
    gateway = start_for_module(config)
    gateway.wait_for_control()
    return gateway


LONER = "sk-loner-6f1d2c3b4a5968778695a4b3cc"
LIMITED = "sk-limited-6f1d2c3b4a5968778695a4b3"


def run(gateway: Gateway, *arguments: str, said: str = "", key: str = KEY) -> Result:
    environment = {
        "MICROGATE_KEY": key, "MICROGATE_URL": gateway.base_url, "MICROGATE_DATA_DIR": str(gateway.data_dir),
    }  # fmt: skip
    return CliRunner().invoke(cli, ["cache", *arguments], input=said, env=environment)


def stats(gateway: Gateway) -> dict[str, Any]:
    done = run(gateway, "stats", "--json")
    assert done.exit_code == 0, done.output
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def explained(gateway: Gateway, body: dict[str, Any], key: str = KEY, **fields: str) -> dict[str, Any]:
    answer = send(gateway, body, key, **{"": "explain", **fields})
    assert answer.status == 200, answer.body
    told: dict[str, Any] = json.loads(answer.body)
    return told


def logged(gateway: Gateway, answer: Answer) -> dict[str, Any]:
    """The row of the request log, once it is there."""
    token = (gateway.data_dir / "admin.token").read_text().strip()
    path = f"/api/logs?request_id={answer.header('x-microgate-request-id')}"
    entries: list[dict[str, Any]] = wait_for(lambda: json.loads(gateway.get(path, token).body)["entries"], "the record")
    return entries[0]


def test_an_explanation_asks_nobody_and_counts_nothing(gateway: Gateway, upstream_for_module: Upstream) -> None:
    asked, before = len(upstream_for_module.requests), stats(gateway)["totals"]
    for _ in range(3):
        told = explained(gateway, chat("explained"), LIMITED)
    assert (told["object"], told["verdict"], told["because"]) == ("cache.explanation", "miss", None)
    assert (told["model"], told["operation"], told["dialect"], told["stream"]) == ("m", "chat", "openai_chat", False)
    assert (told["read"], told["write"], told["exact"], told["similar"]) == (True, True, None, None)
    key = told["key"]
    assert (len(key["scope"]), len(key["digest"])) == (32, 64)
    # A key without a team.
    assert (key["shared_by"], key["partition"], key["leads_to"]) == ("key", None, ["mock/m"])
    assert json.loads(key["form"])["messages"] == chat("explained")["messages"]
    assert key["form_bytes"] == len(key["form"])
    assert len(upstream_for_module.requests) == asked
    assert stats(gateway)["totals"] == before
    # The limit of one request is still whole.
    assert send(gateway, chat("explained"), LIMITED).status == 200
    assert send(gateway, chat("explained", temperature=1), LIMITED).status == 429


def test_it_has_the_key_that_the_answer_is_kept_under(gateway: Gateway) -> None:
    body = chat("exact", stream=True)
    first = explained(gateway, body)
    assert first["verdict"] == "miss"
    assert first["stream"] is True
    send(gateway, body)
    hit = until_hit(gateway, body)
    told = explained(gateway, body)
    assert told["key"] == first["key"]
    assert told["verdict"] == "hit-exact"
    exact = told["exact"]
    assert (exact["usable"], exact["because"], exact["streamed"]) == (True, None, True)
    assert (exact["provider"], exact["model"], exact["dialect"]) == ("mock", "m", "openai_chat")
    assert (exact["body_bytes"], exact["prompt_tokens"] > 0) == (len(hit.body), True)
    assert 0 <= exact["age_s"] < 3600
    assert hit.body.decode() not in json.dumps(told)
    # Whoever shares it hears the same, others of another key.
    assert explained(gateway, body, OTHER)["key"] == told["key"]
    assert explained(gateway, body, LONER)["key"]["scope"] != told["key"]["scope"]
    assert explained(gateway, {**body, "stream": False})["verdict"] == "miss"
    narrow = explained(gateway, body, **{"-scope": "key"})
    assert (narrow["verdict"], narrow["key"]["shared_by"]) == ("miss", "key")
    part = explained(gateway, body, **{"-scope": "end user 7"})
    assert (part["verdict"], part["key"]["shared_by"], part["key"]["partition"]) == ("miss", "team", "end user 7")
    wait_for(lambda: explained(gateway, body, **{"-ttl": "1ms"})["exact"]["usable"] is False, "its age")
    assert explained(gateway, body, **{"-ttl": "1ms"})["verdict"] == "miss"


def test_what_is_not_looked_up_is_told_with_its_reason(gateway: Gateway) -> None:
    told = explained(gateway, chat("off"), THIRD)
    assert (told["verdict"], told["read"], told["write"], told["key"]) == ("bypass", False, False, None)
    assert told["because"] == "the virtual key does without the cache"
    for member, because in (
        ({"tools": [{"type": "web_search"}]}, "tools: the provider runs one of them"),
        ({"store": True}, "store: the provider is to keep the answer"),
        ({"web_search_options": {"a": 1}}, "web_search_options: the provider searches the web"),
    ):
        told = explained(gateway, chat("barred", **member))
        assert (told["verdict"], told["key"]) == ("bypass", None)
        assert told["because"].startswith(because)
    for path, body, because in (
        ("/v1/responses", {"input": "x"}, "store: the provider keeps the answer unless this is false"),
        ("/v1/images/generations", {"prompt": "x"}, "answers to such requests are not kept"),
    ):
        fields = [("x-microgate-cache", "explain")]
        post = request("POST", path, json.dumps({"model": "m", **body}).encode(), KEY, fields=fields)
        answer = ask(gateway.port, post)
        assert (answer.status, json.loads(answer.body)["because"]) == (200, because)
    wide = send(gateway, chat("wide"), **{"": "explain", "-scope": "all"})
    assert (wide.status, "shared here by team at most" in wide.body.decode()) == (400, True)


def test_explanations_are_recorded_without_a_cost(gateway: Gateway) -> None:
    answer = send(gateway, chat("recorded"), **{"": "explain"})
    row = logged(gateway, answer)
    assert (row["status"], row["cache"], row["cost_nanodollars"]) == (200, "bypass", 0)
    assert (row["prompt_tokens"], row["completion_tokens"], row["attempts"]) == (0, 0, 0)


def test_without_a_cache_nobody_pays_for_an_explanation(
    upstream: Upstream, start_gateway: Start, tmp_path: Path
) -> None:
    gateway = start_gateway(configuration(upstream.url))
    gateway.wait_for_control()
    answer = send(gateway, chat(), **{"": "Explain"})
    assert (answer.status, "No cache is configured" in answer.body.decode()) == (400, True)
    file = tmp_path / "requests.jsonl"
    file.write_text(json.dumps(chat()))
    for arguments in (["warm", str(file)], ["explain", str(file)], ["stats"], ["clear", "--yes"]):
        done = run(gateway, *arguments)
        assert (done.exit_code, "o cache is configured" in done.stderr) == (1, True), done.output
    assert upstream.requests == []
    # Other wishes are no mistake without one.
    assert send(gateway, chat(), **{"": "refresh"}).status == 200


def test_the_operator_may_forbid_it(upstream: Upstream, start_gateway: Start) -> None:
    gateway = start_gateway({**cached(upstream), "server": {"explain": False}})
    answer = send(gateway, chat(), **{"": "explain"})
    assert (answer.status, upstream.requests) == (403, [])


def test_warm_fills_the_cache_and_goes_on_where_it_ended(
    gateway: Gateway, upstream_for_module: Upstream, tmp_path: Path
) -> None:
    plain = [chat(f"warm {number}") for number in range(4)]
    messages = {"model": "mock/m", "max_tokens": 9, "messages": [{"role": "user", "content": "warm"}]}
    lines = [
        *map(json.dumps, plain),
        json.dumps({"body": chat("warm", stream=True)}),
        json.dumps({"path": "/anthropic/v1/messages", "body": messages, "headers": {"x-microgate-cache-scope": "p"}}),
    ]
    file = tmp_path / "requests.jsonl"
    file.write_text("\n".join(lines[:3]))
    asked = len(upstream_for_module.requests)
    done = run(gateway, "warm", str(file))
    assert (done.exit_code, done.stdout.partition(";")[0]) == (0, "3 kept"), done.output
    file.write_text("\n".join(lines))
    done = run(gateway, "warm", str(file))
    assert (done.exit_code, done.stdout.partition(";")[0]) == (0, "3 kept, 3 known already"), done.output
    assert len(upstream_for_module.requests) == asked + 6
    for body in plain:
        assert verdict(send(gateway, body, OTHER)) == "hit-exact"
    fields = {"x-microgate-cache-scope": "p"}
    post = request("POST", "/anthropic/v1/messages", json.dumps(messages).encode(), KEY, fields=list(fields.items()))
    assert verdict(ask(gateway.port, post)) == "hit-exact"
    done = run(gateway, "warm", str(file), "--refresh")
    assert (done.exit_code, done.stdout.partition(";")[0]) == (0, "6 kept"), done.output
    assert len(upstream_for_module.requests) == asked + 12


def test_warm_says_what_is_not_kept(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text("\n".join(map(json.dumps, [chat("mine"), {**chat("mine"), "model": "none"}])))
    done = run(gateway, "warm", str(file), key=THIRD)
    assert (done.exit_code, done.stdout.partition(";")[0]) == (1, "1 not kept, 1 failed"), done.output
    assert done.stderr.startswith("line 1: such requests, or this key's, are not cached")
    assert "line 2: " in done.stderr


def test_what_was_saved_is_told(gateway: Gateway) -> None:
    before = stats(gateway)["totals"]
    body = chat("saved")
    cost = logged(gateway, send(gateway, body))["cost_nanodollars"]
    assert cost > 0
    until_hit(gateway, body)
    hits = [send(gateway, body) for _ in range(3)]
    assert [verdict(each) for each in hits] == ["hit-exact"] * 3
    wait_for(lambda: stats(gateway)["totals"]["exact"] >= before["exact"] + 4, "what workers tell")
    told = stats(gateway)
    again = told["totals"]["exact"] - before["exact"]
    saved = round((float(told["totals"]["saved_usd"]) - float(before["saved_usd"])) * 1e9)
    assert abs(saved - again * cost) <= 1
    assert told["store"]["entries"] > 0
    assert "look-ups" in run(gateway, "stats").output
    metrics = gateway.metrics()
    assert metrics["microgate_cache_up"] == 1
    assert dollars(round(metrics["microgate_cache_saved_dollars_total"] * 1e9)) >= told["totals"]["saved_usd"]


def test_clear_forgets_one_of_them_or_all(gateway: Gateway) -> None:
    def known(body: dict[str, Any], key: str) -> bool:
        return explained(gateway, body, key)["verdict"] == "hit-exact"

    body = chat("forgotten")
    assert run(gateway, "warm", file_of(gateway, body)).exit_code == 0
    assert known(body, KEY)
    done = run(gateway, "clear", "--virtual-key", "test")
    assert (done.exit_code, "shared by team" in done.stdout) == (0, True)
    assert known(body, OTHER)
    assert run(gateway, "clear", "--team", "red").exit_code == 0
    wait_for(lambda: not known(body, OTHER), "what is forgotten")
    assert run(gateway, "warm", file_of(gateway, body)).exit_code == 0
    assert run(gateway, "clear", said="y\n").exit_code == 0
    wait_for(lambda: not known(body, KEY), "what is forgotten")
    unknown = run(gateway, "clear", "--team", "none")
    assert (unknown.exit_code, "'none'" in unknown.stderr) == (1, True)


def file_of(gateway: Gateway, body: dict[str, Any]) -> str:
    file = gateway.folder / "one.jsonl"
    file.write_text(json.dumps(body))
    return str(file)


def test_nobody_is_told_of_an_answer_that_is_not_theirs(gateway: Gateway) -> None:
    body = chat("secret of the team")
    send(gateway, body)
    until_hit(gateway, body)
    told = explained(gateway, body, LONER)
    assert (told["verdict"], told["exact"]) == ("miss", None)
