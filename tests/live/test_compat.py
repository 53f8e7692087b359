"""Callers of LiteLLM and Bifrost, where the configuration says that they are understood, and where it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.compat.tables import FIELDS, MEMBERS, MODEL_INFO, PATHS
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import Upstream
from tests.live.wire import KEY, Answer, ask, request
from tests.waiting import wait_for

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def understood(upstream_for_module: Upstream, start_for_module: Start) -> Gateway:
    """An instance that understands both."""
    more: dict[str, Any] = {"compat": {"litellm": True, "bifrost": True}, "cache": {"enabled": True}}
    more["log"] = {"content": "full"}
    more["prices"] = [{"model": "*", "input": 1, "output": 1}]
    return start_for_module(configuration(upstream_for_module.url, **more))


def send(
    gateway: Gateway,
    path: str = "/v1/chat/completions",
    method: str = "POST",
    fields: str = f"Authorization: Bearer {KEY}",
    **body: Any,
) -> Answer:
    data = json.dumps({**BODY, **body}).encode() if method == "POST" else b""
    length = f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n" if method == "POST" else ""
    lines = fields.replace("\n", "\r\n")
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{length}{lines}{chr(13)}\n\r\n"
        if lines
        else f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n"
    )
    return ask(gateway.port, head.encode() + data)


@pytest.mark.parametrize(
    "fields",
    [
        f"x-litellm-api-key: {KEY}",
        f"X-LiteLLM-API-Key: Bearer {KEY}\nAuthorization: Bearer sk-of-the-provider",
        f"Ocp-Apim-Subscription-Key: {KEY}",
        f"x-bf-vk: {KEY}",
    ],
)
def test_credentials(understood: Gateway, fields: str) -> None:
    assert send(understood, fields=fields).status == 200


@pytest.mark.parametrize(
    "fields", ["x-litellm-api-key: wrong-key-of-somebody", "x-bf-vk: ", "x-bf-direct-key: true\nx-bf-api-key: sk", ""]
)
def test_nobody_gets_in_otherwise(understood: Gateway, fields: str) -> None:
    assert send(understood, fields=fields).status == 401


def test_our_own_field_counts_first(understood: Gateway) -> None:
    assert send(understood, fields=f"x-microgate-key: {KEY}\nx-litellm-api-key: another-key-of-nobody").status == 200
    assert send(understood, fields=f"x-microgate-key: another-key-of-nobody\nx-litellm-api-key: {KEY}").status == 401


def test_every_path_of_theirs_leads_to_a_route_here_and_is_none_without_the_switch(
    understood: Gateway, shared_gateway: Gateway
) -> None:
    from gateway.server.routes import find

    for product in PATHS.values():
        for theirs, ours in product.items():
            assert find(ours) is not None, theirs
            assert find(theirs) is None, theirs
    assert send(understood, "/chat/completions").status == 200
    assert send(understood, "/models", "GET").status == 200
    assert send(understood, "/models", "GET", fields="").status == 401
    assert [send(understood, f"/health/{name}", "GET", fields="").status for name in ("liveliness", "readiness")] == [
        200,
        200,
    ]
    for path in ("/chat/completions", "/health/liveliness", "/model/info"):
        assert send(shared_gateway, path, "GET").status == 404
        assert send(shared_gateway, path, "GET", fields="").status == 401
    assert send(shared_gateway, fields=f"x-litellm-api-key: {KEY}").status == 401


def test_lists_of_models(understood: Gateway) -> None:
    for path in MODEL_INFO:
        assert send(understood, path.decode(), "GET", fields="").status == 401
        listed = json.loads(send(understood, path.decode(), "GET").body)["data"]
        assert "m" in [each.get("model_name", each.get("model_group")) for each in listed]
    assert send(understood, "/model/info").status == 405


def test_members_that_are_litellms_own_reach_no_provider(understood: Gateway, upstream_for_module: Upstream) -> None:
    extras: dict[str, Any] = dict.fromkeys(MEMBERS, "said-by-the-caller") | {
        "metadata": {"tags": ["a"], "session_id": "s"}, "timeout": 60, "cache": {"no-cache": True}, "num_retries": 3,
        "api_base": "http://169.254.169.254/", "mock_response": "made up",
    }  # fmt: skip
    answer = send(understood, seed=4, **extras)
    assert answer.status == 200
    assert json.loads(answer.body)["choices"][0]["message"]["content"] == "hello"
    seen = json.loads(upstream_for_module.requests[-1].body)
    assert seen == {**BODY, "seed": 4}
    # Elsewhere metadata is the provider's.
    body = json.dumps({"model": "m", "input": "hi", "metadata": {"a": "b"}, "num_retries": 1}).encode()
    assert ask(understood.port, request(path="/v1/responses", body=body)).status == 200
    assert b"num_retries" not in upstream_for_module.requests[-1].body


def test_what_they_ask_for_is_done(understood: Gateway) -> None:
    def verdict(scope: str) -> str | None:
        answer = send(understood, temperature=0, fields=f"x-bf-vk: {KEY}\nx-bf-cache-key: {scope}")
        return answer.header("x-microgate-cache")

    assert verdict("team-a") == "miss"
    wait_for(lambda: verdict("team-a") == "hit-exact", "the answer that was kept")
    assert verdict("team-b") == "miss"
    nothing = {"no-cache": True, "no-store": True}
    assert send(understood, temperature=0, cache=nothing).header("x-microgate-cache") == "bypass"


@pytest.mark.parametrize(
    ("field", "body", "declined"),
    [
        ("", {}, False),
        ("\nx-litellm-enable-message-redaction: true", {}, True),
        ("\nx-litellm-enable-message-redaction: false", {}, False),
        ("\nx-bf-disable-content-logging: True", {}, True),
        ("", {"no-log": True}, True),
        ("", {"no-log": False}, False),
    ],
)
def test_what_callers_do_not_want_kept_is_not_kept(
    understood: Gateway, field: str, body: dict[str, Any], declined: bool
) -> None:
    answer = send(understood, fields=f"Authorization: Bearer {KEY}{field}", **body)
    assert answer.status == 200
    token = (Path(understood.data_dir) / "admin.token").read_text().strip()
    path = f"/api/logs/{answer.header('x-microgate-request-id')}"
    found = wait_for(lambda: (got := understood.get(path, token)).status == 200 and json.loads(got.body), "its row")
    assert ("content_declined" in found["entries"][0]["flags"]) is declined


def test_answers_have_their_header_fields(understood: Gateway, shared_gateway: Gateway) -> None:
    fields = dict(send(understood, top_p=0.5).fields)
    assert fields["x-litellm-call-id"] == fields["x-microgate-request-id"]
    assert fields["x-litellm-model-id"] == "mock/m"
    assert fields["x-litellm-model-group"] == "m"
    assert fields["x-litellm-response-cost"] == fields["x-microgate-cost"]
    assert fields["x-litellm-attempted-retries"] == "0"
    assert not [name for name, _ in send(shared_gateway).fields if name.startswith("x-litellm")]


def test_errors_have_their_form(understood: Gateway, shared_gateway: Gateway) -> None:
    for answer, code in ((send(understood, fields=""), "401"), (send(understood, model="none"), "404")):
        error = json.loads(answer.body)["error"]
        assert error["code"] == code
        assert error.keys() >= {"message", "type", "param"}
    assert json.loads(send(shared_gateway, fields="").body)["error"]["code"] == "invalid_api_key"


def test_the_switch_is_a_setting(upstream: Upstream, start_gateway: Start) -> None:
    gateway = start_gateway(configuration(upstream.url))
    assert send(gateway, "/chat/completions").status == 404
    gateway.configure(configuration(upstream.url, compat={"litellm": True}))
    wait_for(lambda: send(gateway, "/chat/completions").status == 200, "the switch on")
    gateway.configure(configuration(upstream.url))
    wait_for(lambda: send(gateway, "/chat/completions").status == 404, "the switch off")


def test_every_row_is_documented() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "migration.md").read_text()
    names = [name for product in FIELDS.values() for name in product] + [
        path for product in PATHS.values() for path in product
    ]
    assert [name for name in (*names, *MODEL_INFO) if f"`{name.decode()}`" not in page] == []
    assert [name for name in MEMBERS if f"`{name}`" not in page] == []
