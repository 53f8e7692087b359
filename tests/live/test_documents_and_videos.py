"""What passes as it came: OCR in Mistral's form, video jobs in OpenAI's."""

from __future__ import annotations

import json

from providers.neutral import Json
from tests.live.fixtures import Start
from tests.live.upstreams import Received, Step, Upstream, http
from tests.live.wire import KEY, ask, request

PINNED = "sk-mg-pinned-0123456789abcdef0123456789abcdef"
FILM = bytes(range(256)) * 40


def provider(received: Received) -> list[Step]:
    if received.target.endswith("/content"):
        return [http(FILM, content_type="video/mp4")]
    return [http(json.dumps({"asked": received.target, "method": received.method}))]


def test_ocr_and_videos(start_gateway: Start) -> None:
    with Upstream(provider) as upstream:
        keys = [{"name": "k", "value": "sk-upstream-canary"}]
        config: Json = {
            "providers": {
                "mistral": {"base_url": upstream.url, "keys": keys, "list_models": False},
                "openai": {"base_url": upstream.url, "keys": keys, "list_models": False},
            },
            "virtual_keys": [
                {"name": "test", "value": KEY},
                {"name": "pinned", "value": PINNED, "stateful": "openai/k"},
            ],
            "model_lists": {"refresh": 0},
            "server": {"drain_timeout": "3s"},
        }
        port = start_gateway(config).port
        document = {"type": "document_url", "document_url": "https://example.org/a.pdf"}
        body: Json = {"model": "mistral/mistral-ocr-latest", "document": document}
        read = ask(port, request("POST", "/v1/ocr", json.dumps(body).encode()))
        assert read.status == 200
        assert upstream.requests[-1].json() == body | {"model": "mistral-ocr-latest"}
        refused = ask(port, request("POST", "/v1/ocr", json.dumps(body | {"model": "openai/gpt"}).encode()))
        assert refused.status == 400
        assert "'openai' does not offer ocr; it offers: " in json.loads(refused.body)["error"]["message"]
        job = b'{"model":"sora-2","prompt":"A cat."}'
        # The only key there is has an account of its own for somebody else.
        assert ask(port, request("POST", "/v1/videos", job)).status == 400
        made = ask(port, request("POST", "/v1/videos", job, PINNED))
        assert made.status == 200, made.body
        assert (upstream.requests[-1].target, upstream.requests[-1].body) == ("/v1/videos", job)
        film = ask(port, request("GET", "/v1/videos/video_1/content", None, PINNED))
        assert (film.status, film.body, film.header("content-type")) == (200, FILM, "video/mp4")
        gone = ask(port, request("DELETE", "/v1/videos/video_1", None, PINNED))
        assert json.loads(gone.body) == {"asked": "/v1/videos/video_1", "method": "DELETE"}
