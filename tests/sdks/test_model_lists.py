"""Lists of models in each SDK's own form, read by the SDKs themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import cohere
import httpx
import pytest
from google import genai
from google.genai import types

from tests.live.instance import Gateway
from tests.live.wire import KEY, ask, request

RESTRICTED = "sk-mg-restricted-0123456789abcdef0123456789"
NAMES = ["fast", *(f"house/m-{number:02}" for number in range(45)), "ranks/r-1"]


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    models = [name.partition("/")[2] for name in NAMES[1:-1]]
    config: dict[str, Any] = {
        "providers": {
            "house": {"base_url": "http://127.0.0.1:9", "models": models, "operations": ["chat", "embeddings"]},
            "ranks": {"vendor": "jina", "base_url": "http://127.0.0.1:9", "models": ["r-1"], "operations": ["rerank"]},
        },
        "routes": {"fast": {"targets": ["house/m-00"]}},
        "virtual_keys": [
            {"name": "test", "value": KEY},
            {"name": "restricted", "value": RESTRICTED, "models": ["house/m-0*"]},
        ],
        "model_lists": {"refresh": 0},
        "server": {"drain_timeout": "3s"},
    }
    gateway = Gateway(tmp_path_factory.mktemp("gateway"), config).start()
    try:
        yield gateway
    finally:
        gateway.stop()


def get(gateway: Gateway, path: str, key: str = KEY) -> tuple[int, Any]:
    answer = ask(gateway.port, request("GET", path, None, key))
    return answer.status, json.loads(answer.body)


def test_anthropics_sdk_pages_through_all(lists: Gateway) -> None:
    with anthropic.Anthropic(base_url=f"{lists.base_url}/anthropic", api_key=KEY, max_retries=0) as sdk:
        assert [model.id for model in sdk.models.list(limit=7)] == NAMES
        page = sdk.models.list()
        assert (len(page.data), page.has_more, page.first_id, page.last_id) == (20, True, NAMES[0], NAMES[19])
        before = sdk.models.list(before_id=NAMES[10], limit=4)
        assert ([model.id for model in before.data], before.has_more) == (NAMES[6:10], True)
        first = sdk.models.list(before_id=NAMES[2], limit=4)
        assert ([model.id for model in first.data], first.has_more) == (NAMES[:2], False)
        one = sdk.models.retrieve("house/m-03")
        assert (one.id, one.type, one.display_name, one.created_at.year) == ("house/m-03", "model", "house/m-03", 1970)
        with pytest.raises(anthropic.NotFoundError):
            sdk.models.retrieve("house/none")
        with pytest.raises(anthropic.BadRequestError, match="names no model"):
            sdk.models.list(after_id="house/none")


def test_googles_sdk_pages_through_all(lists: Gateway) -> None:
    for version in ("v1beta", "v1"):
        options = types.HttpOptions(base_url=f"{lists.base_url}/genai", api_version=version)
        sdk = genai.Client(api_key=KEY, http_options=options)
        found = list(sdk.models.list(config={"page_size": 7}))
        assert [model.name for model in found] == [f"models/{name}" for name in NAMES]
        one = sdk.models.get(model="models/house/m-03")
        assert (one.name, one.display_name) == ("models/house/m-03", "house/m-03")
        assert one.supported_actions is not None
        assert one.supported_actions[:2] == ["generateContent", "streamGenerateContent"]
        assert sdk.models.get(model="models/ranks/r-1").supported_actions == []
        with pytest.raises(genai.errors.ClientError) as missing:
            sdk.models.get(model="models/house/none")
        assert missing.value.code == 404


def test_coheres_sdk_pages_through_all(lists: Gateway) -> None:
    names: list[str | None] = []
    token = None
    with httpx.Client(timeout=60) as connections:
        sdk = cohere.Client(api_key=KEY, base_url=f"{lists.base_url}/cohere", httpx_client=connections)
        while True:
            page = sdk.models.list(page_size=7, **({"page_token": token} if token else {}))
            names += [model.name for model in page.models]
            token = page.next_page_token
            if not token:
                break
        assert names == NAMES
        ranks = sdk.models.list(endpoint="rerank")
        assert [(model.name, model.endpoints) for model in ranks.models] == [("ranks/r-1", ["rerank"])]
        one = sdk.models.get("fast")
        assert (one.name, one.endpoints) == ("fast", ["chat", "embed"])
        assert sdk.models.list(default_only=True).models == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/anthropic/v1/models?limit=0", 400),
        ("/anthropic/v1/models?limit=x", 400),
        ("/anthropic/v1/models?after_id=fast&before_id=fast", 400),
        ("/genai/v1beta/models?pageToken=!", 400),
        ("/genai/v1beta/models?pageToken=bm9uZQ", 400),
        ("/genai/v1beta/models?pageSize=-1", 400),
        ("/cohere/v1/models?page_size=1.5", 400),
        ("/anthropic/v1/models?limit=999999", 200),
    ],
)
def test_odd_questions(lists: Gateway, path: str, status: int) -> None:
    assert get(lists, path)[0] == status


@pytest.mark.parametrize(
    ("path", "member", "name"),
    [
        ("/anthropic/v1/models", "data", "id"),
        ("/genai/v1/models", "models", "name"),
        ("/cohere/v1/models", "models", "name"),
    ],
)
def test_a_key_sees_what_it_may_use(lists: Gateway, path: str, member: str, name: str) -> None:
    status, told = get(lists, path, RESTRICTED)
    assert status == 200
    assert [entry[name].removeprefix("models/") for entry in told[member]] == [f"house/m-0{n}" for n in range(10)]
    assert get(lists, path + "/ranks%2Fr-1", RESTRICTED)[0] == 404
    assert get(lists, path + "/house%2Fm-01", RESTRICTED)[0] == 200
    assert get(lists, path, "sk-stranger")[0] == 401


def test_unions_have_openais_form_at_the_common_path(lists: Gateway) -> None:
    assert get(lists, "/litellm/v1/models")[1]["object"] == "list"
    assert "models" in get(lists, "/litellm/v1beta/models")[1]
