"""One value is authorised, sent and priced; nothing that is written to us becomes framing, a host or a route."""

from __future__ import annotations

import json
import random
import socket

import pytest

from gateway.server.routes import PUBLIC, ROUTES
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.rounds import measured, rounds
from tests.live.upstreams import CHAT, Received, Step, Upstream
from tests.live.wire import ask, request

ANYTHING = bytes(set(range(256)) - set(b"\r\n"))


def test_values_of_providers_never_break_out_of_their_field(start_gateway: Start) -> None:
    """Random bytes (line ends apart, which would be framing already) in the fields of answers."""
    dice = random.Random(17)

    def answer(received: Received) -> list[Step]:
        fields = b"".join(
            b"X-%d: %b\r\n" % (i, bytes(dice.choices(ANYTHING, k=dice.randrange(20)))) for i in range(dice.randrange(6))
        )
        reason = bytes(dice.choices(ANYTHING, k=5))
        return [b"HTTP/1.1 200 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (reason, fields, len(CHAT), CHAT)]

    with Upstream(answer, keep=False) as upstream:
        gateway = start_gateway(configuration(upstream.url, retry={"attempts": 1}))
        for _ in range(rounds(400, 50_000)):
            got = ask(gateway.port)  # the reader refuses control bytes in any field
            assert got.status in (200, 502)


def test_values_of_callers_never_break_out_of_their_field(shared_gateway: Gateway) -> None:
    """Model names with anything in them come back in errors and in response fields, never as line ends."""
    dice = random.Random(18)
    for _ in range(rounds(400, 50_000)):
        name = "".join(chr(dice.choice([dice.randrange(32), dice.randrange(256), 0x2028, 0x1F600])) for _ in range(12))
        for prefix in ("", "mock/"):
            answer = ask(shared_gateway.port, request(body=json.dumps({"model": prefix + name}).encode()))
            assert answer.status in (200, 400, 404)


SPELLINGS: dict[str, tuple[bytes, int]] = {
    "plain": (b'{"model":"m","messages":[]}', 200),
    "escaped-name": (b'{"mod\\u0065l":"m","messages":[]}', 200),
    "escaped-value": (b'{"model":"\\u006d","messages":[]}', 200),
    "last": (b'{"messages":[{"role":"user","content":"\\"model\\":\\"x\\""}],"model":"m"}', 200),
    "nested-other": (b'{"metadata":{"model":"forbidden"},"model":"m","messages":[]}', 200),
    "twice": (b'{"model":"m","messages":[],"model":"forbidden"}', 400),
    "twice-escaped": (b'{"model":"m","messages":[],"mod\\u0065l":"forbidden"}', 400),
    "other-case": (b'{"model":"m","messages":[],"Model":"forbidden"}', 400),
    "number": (b'{"model":1,"messages":[]}', 400),
    "null": (b'{"model":null,"messages":[]}', 400),
    "list": (b'{"model":["m"],"messages":[]}', 400),
    "missing": (b'{"messages":[]}', 400),
    "bom": (b'\xef\xbb\xbf{"model":"m","messages":[]}', 400),
    "not-utf8": (b'{"model":"m","messages":["\xff"]}', 400),
    "utf16": ('{"model":"m"}'.encode("utf-16"), 400),
    "trailing": (b'{"model":"m","messages":[]}}', 400),
    "comment": (b'{"model":"m",/**/"messages":[]}', 400),
    "nan": (b'{"model":"m","temperature":NaN}', 400),
    "single-quotes": (b"{'model':'m'}", 400),
    "array": (b'["model","m"]', 400),
    "deep": (b'{"model":"m","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_the_model_is_one_value_everywhere(
    name: str, start_for_module: Start, only_m: Gateway, behind_m: Upstream
) -> None:
    """The key may use ``m`` alone: a body that some reader takes for another model is refused or sent as ``m``."""
    body, status = SPELLINGS[name]
    behind_m.clear()
    answer = ask(only_m.port, request(body=body))
    assert answer.status == status, answer.body
    assert [r.json()["model"] for r in behind_m.requests] == (["m"] if status == 200 else [])


@pytest.fixture(scope="module")
def behind_m(upstream_for_module: Upstream) -> Upstream:
    return upstream_for_module


@pytest.fixture(scope="module")
def only_m(start_for_module: Start, behind_m: Upstream) -> Gateway:
    config = configuration(behind_m.url)
    config["virtual_keys"][0]["models"] = ["m"]
    return start_for_module(config)


def test_a_model_outside_the_list_is_refused(only_m: Gateway, behind_m: Upstream) -> None:
    behind_m.clear()
    for model in ("mock/forbidden", "mock/m", "M", "m ", "m\0", "mock/m/../forbidden"):
        assert ask(only_m.port, request(body=json.dumps({"model": model}).encode())).status in (403, 404)
    assert not behind_m.requests


def concrete(path: str) -> str:
    """A path of a route: placeholders and wildcards filled in."""
    return path.replace("{}", "gpt").replace("*", "x")


def test_every_route_asks_for_a_credential_but_the_public_ones(shared_gateway: Gateway) -> None:
    shared_gateway.wait_for_control()
    public = {route.path for route in ROUTES if route.audience == PUBLIC}
    assert public == {"/livez", "/readyz", "/", "/anthropic", "/anthropic/"}
    for route in ROUTES:
        for method in sorted(m.decode() for m in route.methods):
            body = None if method in ("GET", "HEAD", "DELETE") else b"{}"
            for key in ("", "sk-unknown-unknown-unknown"):
                raw = request(method, concrete(route.path), body, key)
                status = ask(shared_gateway.port, raw, methods=[method]).status
                if route.path in public:
                    assert status == 200, f"{method} {route.path}"
                elif route.path == "/metrics":
                    assert status in (200, 405)  # loopback; HEAD is not offered
                elif route.path.startswith(("/ui", "/docs")):
                    assert status in (200, 404, 501)  # the page in which one logs in, or that it is not built
                else:
                    assert status in (401, 404), f"{method} {route.path} with key {key!r}: {status}"


def test_a_data_key_opens_no_operator_route(shared_gateway: Gateway) -> None:
    for path in ("/api/x", "/api/v1/keys", "/admin", "/admin/keys", "/api/../v1/models", "/%61pi/x"):
        for method in ("GET", "POST", "DELETE"):
            answer = ask(shared_gateway.port, request(method, path, b"{}" if method == "POST" else None))
            assert answer.status in (401, 403, 404, 405), f"{method} {path}: {answer.status}"


HOSTS = ("api_base", "base_url", "url", "endpoint", "host", "proxy", "callback_url", "image_url", "webhook")


def test_no_body_can_name_a_host(shared_gateway: Gateway, shared_upstream: Upstream) -> None:
    """Random bodies with nested members that some gateway once took for an address: only the provider is dialled."""
    dice = random.Random(19)
    shared_upstream.clear()
    count = rounds(300, 10_000)
    with Upstream() as trap, socket.create_server(("127.0.0.1", 0)) as other:
        other.setblocking(False)
        targets = [trap.url, f"http://127.0.0.1:{other.getsockname()[1]}/", f"127.0.0.1:{trap.port}"]

        def nest(depth: int) -> object:
            if depth == 0 or dice.random() < 0.3:
                return dice.choice(targets)
            if dice.random() < 0.3:
                return [nest(depth - 1) for _ in range(2)]
            return {dice.choice(HOSTS): nest(depth - 1) for _ in range(2)}

        for _ in range(count):
            body = {"model": "m", "messages": [], dice.choice(HOSTS): nest(4), "user_config": nest(3)}
            fields = [(f"X-{dice.choice(HOSTS)}", dice.choice(targets)), ("X-Forwarded-Host", targets[2])]
            raw = request(body=json.dumps(body).encode(), fields=fields).replace(
                b"gateway.localhost", targets[2].encode()
            )
            assert ask(shared_gateway.port, raw).status == 200
        for path in (
            f"/passthrough/{trap.url}",
            f"/passthrough/127.0.0.1:{trap.port}/v1/models",
            f"//{targets[2]}/v1/models",
        ):
            assert ask(shared_gateway.port, request("GET", path, None)).status in (400, 404)
        measured("bodies and header fields with addresses in them", count, "10,000")
        measured("visits at the addresses in them", len(trap.visits), "0")
        assert not trap.visits
        with pytest.raises(BlockingIOError):
            other.accept()
    assert shared_upstream.served == count
