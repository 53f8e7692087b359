"""Vendors that are only passed through get their credential where they want it, and tenants do not meet there."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from tests.live.fixtures import Start
from tests.live.instance import configuration
from tests.live.upstreams import Received, Step, Upstream, http
from tests.live.wire import KEY, ask, request

CREDENTIALS = {
    "replicate": ("authorization", "Bearer sk-upstream-canary"),
    "deepgram": ("authorization", "Token sk-upstream-canary"),
    "elevenlabs": ("xi-api-key", "sk-upstream-canary"),
    "runway": ("authorization", "Bearer sk-upstream-canary"),
}
PATHS = {
    "replicate": "/v1/models/a/b/predictions",
    "deepgram": "/v1/listen?model=nova-3",
    "elevenlabs": "/v1/text-to-speech/21m00",
    "runway": "/v1/text_to_image",
}
PINNED = "sk-pinned-0123456789abcdef"


def script(received: Received) -> list[Step]:
    return [http(json.dumps({"at": received.target}))]


def test_credentials_paths_and_pins(start_gateway: Start) -> None:
    with Upstream(script) as upstream:
        url = urlsplit(upstream.url)
        keys = [{"name": "k", "value": "sk-upstream-canary"}]
        providers = {name: {"base_url": f"http://{url.netloc}", "keys": keys} for name in CREDENTIALS}
        config = configuration("", providers=providers, routes={})
        config["virtual_keys"].append({"name": "pinned", "value": PINNED, "stateful": "replicate/k"})
        gateway = start_gateway(config)
        for name, (field, value) in CREDENTIALS.items():
            key = PINNED if name == "replicate" else KEY
            answer = ask(gateway.port, request("POST", f"/passthrough/{name}{PATHS[name]}", b"{}", key))
            assert answer.status == 200, (name, answer.body)
            asked = upstream.requests[-1]
            assert (asked.target, asked.header(field)) == (PATHS[name], value)
        before = upstream.served
        for path in ("/v1/predictions", "/v1/predictions/abc", "/v1/models/a/b/predictions"):
            assert ask(gateway.port, request("GET", f"/passthrough/replicate{path}", None)).status == 403
        assert ask(gateway.port, request("GET", "/passthrough/runway/v1/tasks/abc", None)).status == 403
        assert ask(gateway.port, request("GET", "/passthrough/deepgram/v1/projects", None)).status == 403
        assert upstream.served == before
        assert (
            ask(gateway.port, request("GET", "/passthrough/replicate/v1/predictions/abc", None, PINNED)).status == 200
        )
