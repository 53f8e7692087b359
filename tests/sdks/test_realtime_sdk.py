"""The official clients' realtime sessions work through the gateway: openai-python's and google-genai's."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from google import genai

from tests.live.fixtures import Start
from tests.live.frames import BINARY, End, Provider, answering, frame
from tests.live.instance import Gateway, configuration
from tests.live.wire import KEY, Answer
from tests.upstream.servers import Authority

MODEL = "demo/gpt-realtime"


async def either(end: End) -> None:
    """A provider of either form: Google's says what it has heard."""
    if b"GET /ws/" not in end.head:
        await answering(end)
        return

    async def say(message: Any) -> None:
        await end.raw(frame(BINARY, json.dumps(message), masked=False))

    await end.receive()
    await say({"setupComplete": {}})
    while isinstance(got := await end.receive(), bytes):
        heard = json.loads(got)["client_content"]["turns"][0]["parts"][0]["text"]
        await say({"serverContent": {"modelTurn": {"parts": [{"text": f"You said {heard}"}]}}})
        usage = {"promptTokenCount": 3, "responseTokenCount": 4, "totalTokenCount": 7}
        await say({"serverContent": {"turnComplete": True}, "usageMetadata": usage})
    await end.close()


@pytest.fixture(scope="module")
def demo(start_for_module: Start) -> Gateway:
    return start_for_module(configuration("http://127.0.0.1:9/v1"), more=["--demo"])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def provider(authority: Authority) -> Iterator[Provider]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("127.0.0.1"))
    with Provider(either, tls=context) as made:
        yield made


def listens(port: int, raw: bytes, *, timeout: float) -> Answer:
    """Raises until somebody listens."""
    socket.create_connection(("127.0.0.1", port), timeout).close()
    return Answer(200, [])


@pytest.fixture(scope="module")
def encrypted(provider: Provider, authority: Authority, start_for_module: Start) -> Gateway:
    """TLS on both sides: these clients know no other WebSocket than ``wss``."""
    cert, key = authority.issue("127.0.0.1")
    config = configuration(provider.url, server={"tls": {"cert": cert, "key": key}})
    host = provider.url.removesuffix("/v1")
    more = {"keys": [{"name": "k1", "value": "sk-upstream-canary"}], "tls": {"ca_file": authority.ca_file}}
    config["providers"]["gemini"] = {"dialect": "gemini", "base_url": host, **more}
    config["providers"]["azure"] = {"vendor": "azure_deployments", "base_url": f"{host}/openai", **more}
    with pytest.MonkeyPatch.context() as patch:
        # Readiness is asked for in clear text otherwise.
        patch.setattr("tests.live.instance.ask", listens)
        return start_for_module(config)


ITEM: Any = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello there, world"}]}


async def converse(connection: Any) -> tuple[str, Any]:
    """What was said in pieces, and the response at its end."""
    await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
    await connection.conversation.item.create(item=ITEM)
    await connection.response.create()
    said = ""
    async for event in connection:
        assert event.type != "error", event
        if event.type == "response.output_text.delta":
            said += event.delta
        elif event.type == "response.done":
            return said, event.response
    raise AssertionError("no response.done")


def test_openai_s_asynchronous_client(demo: Gateway) -> None:
    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=f"{demo.base_url}/v1", api_key=KEY, max_retries=0) as client:
            async with client.realtime.connect(model=MODEL) as connection:
                first = await connection.recv()
                assert first.type == "session.created"
                for _ in range(2):
                    said, response = await converse(connection)
                    assert response.output[0].content[0].text == said
                    assert response.usage.output_tokens == (len(said.encode()) + 3) // 4

    asyncio.run(main())


def test_openai_s_synchronous_client(demo: Gateway) -> None:
    with openai.OpenAI(base_url=f"{demo.base_url}/v1", api_key=KEY, max_retries=0) as client:
        with client.realtime.connect(model="demo/echo") as connection:
            connection.conversation.item.create(item=ITEM)
            connection.response.create()
            said = ""
            for event in connection:
                if event.type == "response.output_text.delta":
                    said += event.delta
                elif event.type == "response.done":
                    break
            assert said == "hello there, world"


def test_openai_s_client_of_azure(encrypted: Gateway, provider: Provider, authority: Authority) -> None:
    options: Any = {"ssl": ssl.create_default_context(cafile=authority.ca_file)}

    async def main() -> None:
        client = openai.AsyncAzureOpenAI(
            azure_endpoint=f"https://127.0.0.1:{encrypted.port}",
            api_key=KEY,
            api_version="2025-04-01-preview",
            max_retries=0,
        )
        async with (
            client,
            client.realtime.connect(model="my-deployment", websocket_connection_options=options) as connection,
        ):
            assert (await connection.recv()).type == "session.created"
            await connection.response.create()
            kinds = [(await connection.recv()).type for _ in range(3)]
            assert kinds == ["response.created", "response.output_text.delta", "response.done"]

    asyncio.run(main())
    head = provider.heads[-1].decode()
    assert head.startswith("GET /openai/realtime?api-version=2024-10-21&deployment=my-deployment HTTP/1.1")
    assert "api-key: sk-upstream-canary\r\n" in head
    assert KEY not in head


def test_a_refusal_is_the_client_s_own_error(demo: Gateway) -> None:
    from websockets.exceptions import InvalidStatus

    async def main(model: str, key: str) -> int:
        async with openai.AsyncOpenAI(base_url=f"{demo.base_url}/v1", api_key=key, max_retries=0) as client:
            with pytest.raises(InvalidStatus) as refused:
                async with client.realtime.connect(model=model):
                    pass
            return int(refused.value.response.status_code)

    assert asyncio.run(main("no/such", KEY)) == 404
    assert asyncio.run(main(MODEL, "wrong")) == 401
    assert asyncio.run(main("demo/error-429", KEY)) == 429


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK's use of its own dependencies
def test_google_s_client(encrypted: Gateway, provider: Provider, authority: Authority) -> None:
    trust = ssl.create_default_context(cafile=authority.ca_file)
    options: Any = {
        "base_url": f"https://127.0.0.1:{encrypted.port}/genai",
        "async_client_args": {"ssl": trust},
    }
    client = genai.Client(api_key=KEY, http_options=options)

    async def main() -> None:
        config: Any = {"response_modalities": ["TEXT"]}
        async with client.aio.live.connect(model="gemini-live", config=config) as session:
            for text in ("one", "two"):
                turn: Any = {"role": "user", "parts": [{"text": text}]}
                await session.send_client_content(turns=turn, turn_complete=True)
                said = ""
                async for message in session.receive():
                    said += message.text or ""
                assert said == f"You said {text}"

    asyncio.run(main())
    assert KEY.encode() not in provider.heads[-1]
    assert b"x-goog-api-key: sk-upstream-canary\r\n" in provider.heads[-1]
