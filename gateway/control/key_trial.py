"""Does a provider's key work? One cheap question, asked as a worker would ask it.

Asked for is what costs nothing: the provider's list of models, or what else tells whether a key is known. Where there
is no such question, or its answer would be the same without a key, one token is generated, but only for whoever names
the model that is to generate it.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Literal
from urllib.parse import quote

import msgspec
import orjson

from gateway.control.entity_secrets import Unfit
from gateway.control.provider_call import Answered, call, head_of
from gateway.snapshot.model import Provider
from gateway.upstream.dial import Dialer, DialError
from providers.model_list import model_list
from providers.natives import AT_VENDOR, NATIVES

WITHIN_S = 10.0
AT_ONCE = 4
"""Further ones are told so: a trial holds a connection for as long as ``WITHIN_S``."""
MOST_NAMES = 500
MESSAGE_CHARACTERS = 300

LISTS = {"anthropic": "/v1/models", "gemini": "/v1beta/models", "cohere": "/v1/models", "ollama": "/api/tags"}
"""Dialect -> where its own API lists models, from the vendors' API references."""
KEY_QUESTIONS = {"openrouter": "/key"}
"""Vendors whose list needs no key, but which tell about a key (openrouter.ai/docs/api-reference/limits)."""
PUBLIC_LISTS = frozenset({"huggingface", "nvidia"})
"""Vendors that list their models to anybody: nothing is learned about a key."""
KEYLESS = "keyless"
"""What stands for the key of a provider that has none."""


Asked = Literal["models", "key", "generation"]


class KeyVerdict(msgspec.Struct, kw_only=True):
    """What came of it. Neither the key nor the address is told."""

    ok: bool
    """The provider answered and took the key."""
    status: int | None
    """Of its answer; null: there was none."""
    took_ms: float
    message: str
    asked: Asked
    models: list[str]
    """Names on its list, where that was asked for."""


class Trials:
    """One per control process, on its loop."""

    def __init__(self) -> None:
        self._dialer = Dialer(asyncio.get_running_loop())
        self._under_way = 0

    async def run(self, spec: Provider, key_name: str | None, model: str | None) -> KeyVerdict:
        """The key of this name (None: the first), asked for a token of ``model`` if one is named. Raises Unfit, and
        LookupError for a key that is not there."""
        index = place_of(spec, key_name)
        asked, path, body = question(spec, model)
        if self._under_way >= AT_ONCE:
            raise Unfit(f"{AT_ONCE} keys are being tested now: wait a moment")
        self._under_way += 1
        started = time.monotonic()
        try:
            async with asyncio.timeout(WITHIN_S):
                request = await head_of(spec, index, b"POST" if body else b"GET", path, own_fields(spec), body)
                answered = await call(self._dialer, spec, request)
            found = judged(spec, index, asked, answered)
        except TimeoutError:
            found = _failed(asked, f"no answer within {WITHIN_S:g} s")
        except DialError as error:
            found = _failed(asked, f"no connection: {error}")
        except ValueError as error:
            found = _failed(asked, str(error))
        finally:
            self._under_way -= 1
        found.took_ms = round((time.monotonic() - started) * 1e3, 1)
        return found


def place_of(spec: Provider, name: str | None) -> int:
    """Of the key among its provider's. Raises LookupError."""
    if not spec.keys:
        if name in (None, KEYLESS):
            return 0
        raise LookupError(name)
    names = [key.name for key in spec.keys]
    if name is None:
        return 0
    if name not in names:
        raise LookupError(name)
    return names.index(name)


def question(spec: Provider, model: str | None) -> tuple[Asked, str, bytes]:
    """What is asked, where, and the body of a generation. Raises Unfit where only a generation would tell and no model
    is named."""
    if model is not None:
        return ("generation", *generation(spec, model))
    if spec.vendor in KEY_QUESTIONS:
        return "key", KEY_QUESTIONS[spec.vendor], b""
    if "models" in spec.paths and spec.dialects.get("models", "").startswith("openai_"):
        return "models", spec.paths["models"], b""
    dialect = spec.dialects.get("chat", "")
    if dialect in LISTS and (spec.vendor, dialect) not in AT_VENDOR:
        return "models", LISTS[dialect], b""
    raise Unfit(
        "this provider has no list of models to ask for: name a model, and it is asked for one token, which it may bill"
    )


def generation(spec: Provider, model: str) -> tuple[str, bytes]:
    """Path and body of the smallest generation. Raises Unfit where the provider generates nothing."""
    for operation in ("chat", "responses", "completions"):
        dialect = spec.dialects.get(operation)
        if dialect is not None:
            break
    else:
        raise Unfit("this provider generates no text: there is nothing cheap to ask it for")
    upstream = spec.aliases.get(model, model)
    said: list[dict[str, Any]] = [{"role": "user", "content": "Hi"}]
    body: dict[str, Any]
    match dialect:
        case "openai_chat" if spec.vendor in ("openai", "azure"):
            body = {"model": upstream, "messages": said, "max_completion_tokens": 16}
        case "openai_chat" | "cohere":
            body = {"model": upstream, "messages": said, "max_tokens": 1}
        case "openai_responses":
            body = {"model": upstream, "input": "Hi", "max_output_tokens": 16}
        case "openai_completions":
            body = {"model": upstream, "prompt": "Hi", "max_tokens": 1}
        case "anthropic":
            body = {"model": upstream, "messages": said, "max_tokens": 1}
        case "gemini":
            part = {"role": "user", "parts": [{"text": "Hi"}]}
            body = {"contents": [part], "generationConfig": {"maxOutputTokens": 1}}
        case "bedrock":
            body = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}], "inferenceConfig": {"maxTokens": 1}}
        case "ollama":
            body = {"model": upstream, "messages": said, "stream": False, "options": {"num_predict": 1}}
        case _:
            raise Unfit(f"nothing cheap is known to ask for in the dialect {dialect}")
    path = spec.paths[operation]
    native = AT_VENDOR.get((spec.vendor, dialect))
    if native is not None:
        body.update(native.members)
    if "{model}" in path:
        body.pop("model", None)
        path = path.replace("{model}", quote(upstream, safe=""))
    return path, orjson.dumps(body)


def own_fields(spec: Provider) -> str:
    """Header lines that the provider's dialect wants of every request."""
    native = NATIVES.get(spec.dialects.get("chat", ""))
    return "" if native is None else "".join(f"{name}: {value}\r\n" for name, value in native.fields)


def judged(spec: Provider, index: int, asked: Asked, answered: Answered) -> KeyVerdict:
    """What an answer says about the key."""
    status = answered.status
    if status != 200:
        said = told(answered.body, [key.value for key in spec.keys])
        return KeyVerdict(
            ok=False, status=status, took_ms=0.0, message=f"{meaning(status)}{': ' if said else ''}{said}", asked=asked,
            models=[],
        )  # fmt: skip
    if asked != "models":
        answers = "tells about this key" if asked == "key" else "answers"
        return KeyVerdict(
            ok=True, status=status, took_ms=0.0, message=f"The provider {answers}.", asked=asked, models=[]
        )
    try:
        names = list(model_list(answered.body).names)
    except ValueError as error:
        return KeyVerdict(ok=False, status=status, took_ms=0.0, message=f"no list: {error}", asked=asked, models=[])
    message = f"The provider lists {len(names)} {'model' if len(names) == 1 else 'models'}."
    if spec.vendor in PUBLIC_LISTS:
        message += " It does so for anybody: only a generation shows that the key works."
    return KeyVerdict(ok=True, status=status, took_ms=0.0, message=message, asked=asked, models=names[:MOST_NAMES])


def meaning(status: int) -> str:
    """A status of the provider's in words."""
    match status:
        case 401 | 403:
            return "The provider refuses the key"
        case 402:
            return "The account has no credit"
        case 404 | 405:
            return "The provider is there, but not what was asked for"
        case 429:
            return "The provider knows the key but has no room for it now"
        case _ if 300 <= status < 400:
            return "The provider sends elsewhere: is base_url right?"
        case _ if status >= 500:
            return "The provider is in trouble"
    return "The provider refuses the request"


def told(body: bytes, secrets: list[str]) -> str:
    """What the provider says itself, without what it repeats of a key."""
    try:
        found = orjson.loads(body)
    except ValueError:
        return ""
    error = found.get("error", found) if isinstance(found, dict) else None
    message = error if isinstance(error, str) else error.get("message") if isinstance(error, dict) else None
    if not isinstance(message, str):
        return ""
    for secret in secrets:
        if secret:
            message = message.replace(secret, "...")
    return " ".join(message.split())[:MESSAGE_CHARACTERS]


def _failed(asked: Asked, message: str) -> KeyVerdict:
    return KeyVerdict(ok=False, status=None, took_ms=0.0, message=message, asked=asked, models=[])
