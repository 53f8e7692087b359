"""SDKs that repeat, before a gateway that repeats: neither multiplies the other's calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import CHAT, Act, Received, Step, Upstream, http
from tests.live.wire import KEY

SICK = b'{"error":{"message":"down","type":"server_error"}}'
PAGE = b"<html><body>Bad gateway</body></html>"
HELLO: Any = [{"role": "user", "content": "hi"}]
TO_BEGIN_WITH = 10
MOST_CALLS = 3.6
RETRY = {"attempts": 2, "backoff_initial": "1ms", "backoff_max": "2ms"}
AT_ONCE = ["retry-after-ms: 1"]
"""How long openai-python waits."""


def by_openai(gateway: Gateway, **more: Any) -> int:
    """One call; its status."""
    with openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key=KEY, max_retries=2, **more) as client:
        try:
            client.chat.completions.create(model="m", messages=HELLO)
        except openai.APIStatusError as error:
            return error.status_code
    return 200


def by_anthropic(gateway: Gateway) -> int:
    with anthropic.Anthropic(base_url=f"{gateway.base_url}/anthropic", api_key=KEY, max_retries=2) as client:
        try:
            client.messages.create(model="m", messages=HELLO, max_tokens=5)
        except anthropic.APIStatusError as error:
            return error.status_code
    return 200


def test_calls_stay_within_the_share(start_gateway: Start) -> None:
    """Two further calls of openai-python, and a fifth more of the gateway's."""
    calls = 20
    with Upstream(lambda received: [http(SICK, 503, fields=AT_ONCE)]) as upstream:
        gateway = start_gateway(configuration(upstream.url, retry=RETRY))
        assert {by_openai(gateway) for _ in range(calls)} == {503}
        assert calls < len(upstream.requests) <= MOST_CALLS * calls + TO_BEGIN_WITH


@pytest.mark.parametrize("ask", [by_openai, by_anthropic])
@pytest.mark.parametrize(
    ("answer", "status"),
    [(http(SICK, 503), 503), (http(PAGE, 500, content_type="text/html"), 500), (http(b"no JSON"), 502)],
)
def test_what_was_asked_again_is_not_begun_once_more(
    answer: bytes, status: int, ask: Callable[[Gateway], int], start_gateway: Start
) -> None:
    with Upstream(lambda received: [answer]) as upstream:
        gateway = start_gateway(configuration(upstream.url, retry=RETRY))
        assert ask(gateway) in (status, 529)
        assert len(upstream.requests) == 2


def test_what_was_asked_once_is_the_sdks_to_repeat(start_gateway: Start) -> None:
    """And what a provider says of that is passed on."""
    with Upstream(lambda received: [http(SICK, 503, fields=AT_ONCE)]) as upstream:
        gateway = start_gateway(configuration(upstream.url, retry={"attempts": 1}))
        assert by_openai(gateway) == 503
        assert len(upstream.requests) == 3
        upstream.script = lambda received: [http(SICK, 503, fields=["x-should-retry: false"])]
        assert by_openai(gateway) == 503
        assert len(upstream.requests) == 4


def test_a_word_of_the_providers_is_replaced(start_gateway: Start) -> None:
    """It knows of one attempt, the gateway of all."""
    fields = [*AT_ONCE, "X-Should-Retry: true"]
    with Upstream(lambda received: [http(SICK, 503, fields=fields)]) as upstream:
        gateway = start_gateway(configuration(upstream.url, retry=RETRY))
        assert by_openai(gateway) == 503
        assert len(upstream.requests) == 2


def test_a_rate_limit_is_the_sdks_to_wait_for(start_gateway: Start) -> None:
    limited = b'{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}'

    def script(received: Received) -> list[Step]:
        return [http(limited, 429, fields=AT_ONCE)] if len(upstream.requests) <= 2 else [http(CHAT)]

    with Upstream(script) as upstream:
        gateway = start_gateway(configuration(upstream.url, retry=RETRY))
        assert by_openai(gateway) == 200


def test_a_deadline_is_not_begun_anew(start_gateway: Start) -> None:
    with Upstream(lambda received: [Act.HOLD]) as upstream:
        gateway = start_gateway(configuration(upstream.url, retry={"attempts": 1}))
        assert by_openai(gateway, default_headers={"x-microgate-timeout": "1"}) == 504
        assert len(upstream.requests) == 1
