"""/v1/models holds what providers list themselves, fetched by the control process and never on a request's way."""

from __future__ import annotations

import gzip
import json
import signal
import threading
import time
from typing import Any

from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import Act, Received, Step, Until, Upstream, chunk, chunked_head, http, ordinary
from tests.live.wire import KEY, request
from tests.live.wire import ask as ask_once
from tests.waiting import wait_for


class Listing:
    """A provider whose answer to GET /models a test can change."""

    def __init__(self, *names: str) -> None:
        self.steps: list[Step] = [http(self.body(*names))]

    @staticmethod
    def body(*names: str) -> bytes:
        return json.dumps({"object": "list", "data": [{"id": name} for name in names]}).encode()

    def __call__(self, received: Received) -> list[Step]:
        return self.steps if received.method == "GET" else ordinary(received)


def provider(url: str, **more: Any) -> dict[str, Any]:
    keys = [{"name": "off", "value": "sk-off", "enabled": False}, {"name": "k", "value": "sk-list-canary"}]
    return {"dialect": "openai_chat", "base_url": url, "keys": keys, "list_models": True, **more}


def settings(refresh: str = "1s", **providers: Any) -> dict[str, Any]:
    return configuration("", providers=providers, routes={}, model_lists={"refresh": refresh})


def listed(gateway: Gateway, key: str = KEY) -> list[str]:
    answer = ask_once(gateway.port, request("GET", "/v1/models", None, key))
    assert answer.status == 200
    return [model["id"] for model in json.loads(answer.body)["data"]]


def test_lists_are_merged_followed_and_kept(start_gateway: Start) -> None:
    script = Listing("a", "b/c")
    with Upstream(script) as upstream:
        config = settings(p=provider(upstream.url, models=["declared", "a"], aliases={"short": "a"}, query="v=1"))
        config["routes"] = {"mine": {"targets": ["p/a"]}}
        config["virtual_keys"].append({"name": "few", "value": "sk-few-0123456789abcdef", "models": ["p/b*"]})
        told = threading.Event()
        script.steps = [Until(told.is_set), *script.steps]
        gateway = start_gateway(config, workers=2)
        assert listed(gateway) == ["mine", "p/declared", "p/a", "p/short"]
        told.set()
        merged = ["mine", "p/declared", "p/a", "p/short", "p/b/c"]
        wait_for(lambda: listed(gateway) == merged, "the provider's list")
        gateway.wait_for_workers()
        assert listed(gateway, "sk-few-0123456789abcdef") == ["p/b/c"]
        one = ask_once(gateway.port, request("GET", "/v1/models/p%2Fb%2Fc", None))
        assert json.loads(one.body).get("owned_by") == "p", one.body
        asked = upstream.requests[0]
        assert (asked.method, asked.target) == ("GET", "/v1/models?v=1")
        assert asked.header("authorization") == "Bearer sk-list-canary"
        # A list that cannot be had changes nothing.
        for broken in (
            [http("{}", 500)],
            [http("<html>", 200, "text/html")],
            [Act.RESET],
            [http(Listing.body("x"))[:-9], Act.CLOSE],
        ):
            script.steps = list(broken)
            before = upstream.served
            wait_for(lambda before=before: upstream.served > before, "another question")
        # The next question is asked once the answer before it has been dealt with.
        before = upstream.served
        wait_for(lambda: upstream.served > before, "another question")
        assert listed(gateway) == merged
        script.steps = [http(Listing.body("new"))]
        wait_for(lambda: listed(gateway) == ["mine", "p/declared", "p/a", "p/short", "p/new"], "the new list")
        gateway.wait_for_workers()
        # What a list says is no reason to send a bare name anywhere.
        body = json.dumps({"model": "new", "messages": []}).encode()
        assert ask_once(gateway.port, request(body=body)).status == 404
        assert ask_once(gateway.port, request(body=body.replace(b'"new"', b'"p/new"'))).status == 200
        # Control may die: workers have the list, and its successor begins with it.
        script.steps = [http("{}", 500)]
        gateway.send("mg-control", signal.SIGKILL)
        gateway.wait_for_control()
        config["routes"] = {}
        gateway.configure(config)
        wait_for(lambda: listed(gateway) == ["p/declared", "p/a", "p/short", "p/new"], "a new version with the list")


FORMS: dict[str, list[Step]] = {
    "chunked": [
        chunked_head("application/json"),
        chunk(Listing.body("a")[:9]),
        chunk(Listing.body("a")[9:]),
        chunk(b""),
    ],
    "gzip": [http(gzip.compress(Listing.body("a")), fields=["Content-Encoding: gzip"])],
    "to-the-close": [b"HTTP/1.1 200 OK\r\n\r\n" + Listing.body("a"), Act.CLOSE],
    "in-pieces": [http(Listing.body("a"))[i : i + 1] for i in range(len(http(Listing.body("a"))))],
    "bare-array": [http('[{"id": "a"}]')],
}
BROKEN: dict[str, list[Step]] = {
    "not-http": [b"hello\r\n\r\n", Act.HOLD],
    "endless-head": [b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, Act.HOLD],
    "bad-chunk": [chunked_head("application/json"), b"zz\r\n", Act.HOLD],
    "redirect": [http(b"", 302, fields=["Location: http://127.0.0.1:1/"])],
    "silent": [Act.HOLD],
    "not-gzip": [http(b"xxxx", fields=["Content-Encoding: gzip"])],
    "unknown-coding": [http(b"xxxx", fields=["Content-Encoding: br"])],
}


def test_every_form_of_an_answer_is_read_and_a_bad_one_holds_up_nobody(start_gateway: Start) -> None:
    every = FORMS | BROKEN

    def answer(received: Received) -> list[Step]:
        return every[received.target.split("/")[1]]

    with Upstream(answer) as upstream:
        base = upstream.url.removesuffix("/v1")
        providers = {name: provider(f"{base}/{name}", id=name) for name in every}
        gateway = start_gateway(settings("1h", **providers))
        wait_for(lambda: len(listed(gateway)) >= len(FORMS), "the lists that can be read")
        assert sorted(listed(gateway)) == sorted(f"{name}/a" for name in FORMS)
        wait_for(
            lambda: all(f"provider {name} has not" in gateway.stderr() for name in set(BROKEN) - {"silent"}), "warnings"
        )
        assert "canary" not in gateway.stderr()


def test_who_is_asked(start_gateway: Start) -> None:
    """Vendors of the table unless told otherwise, others when told so; nobody with an interval of 0."""
    with Upstream(Listing("a")) as upstream:
        base = upstream.url.removesuffix("/v1")
        custom = provider(f"{base}/custom")
        del custom["list_models"]
        vendor = {**provider(f"{base}/mistral"), "vendor": "mistral", "dialect": "openai_chat"}
        del vendor["list_models"]
        providers = {
            "custom": custom,
            "mistral": vendor,
            "told-not-to": {**vendor, "base_url": f"{base}/not", "list_models": False},
            "told-to": provider(f"{base}/told"),
            "off": provider(f"{base}/off", enabled=False),
        }
        gateway = start_gateway(settings("1s", **providers))
        wait_for(lambda: listed(gateway) == ["mistral/a", "told-to/a"], "the lists")
        assert {r.target for r in upstream.requests} == {"/mistral/models", "/told/models"}
        gateway.configure(settings("0s", **providers))

        def quiet() -> bool:
            """Nobody is asked for longer than an interval."""
            count = upstream.served
            time.sleep(1.5)
            return upstream.served == count

        wait_for(quiet, "the end of the questions")
        assert listed(gateway) == ["mistral/a", "told-to/a"]


def test_a_list_goes_with_its_provider(start_gateway: Start) -> None:
    with Upstream(Listing("a")) as upstream:
        as_it_was = provider(upstream.url)
        gateway = start_gateway(settings("1h", silent=as_it_was, moved=as_it_was, stays=as_it_was))
        wait_for(lambda: set(listed(gateway)) == {"silent/a", "moved/a", "stays/a"}, "the lists")
        changed = {"silent": as_it_was | {"list_models": False}, "moved": provider("http://127.0.0.1:9/v1")}
        gateway.configure(settings("1h", stays=as_it_was, **changed))
        wait_for(lambda: listed(gateway) == ["stays/a"], "the end of two")
