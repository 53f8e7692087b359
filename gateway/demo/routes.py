"""Which operation of the demo upstream answers which path."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

import orjson

from gateway.demo import chat, forms, media, natives, vectors
from gateway.demo.connection import Reply, Request
from gateway.demo.faults import Counter, before_answer
from gateway.demo.responses import Responses
from gateway.demo.scenario import Scenario, from_model, from_request

MODELS = (
    "echo", "gpt-4o-mini", "slow-2s", "error-429", "error-500", "error-503", "flaky-3", "cut-stream", "stall",
    "html-error", "reset", "garbage", "bad-json", "error-event", "embedding", "whisper", "tts", "image",
)  # fmt: skip
"""Names that ``/models`` lists. Any other name is answered as well; see ``scenario.py`` for the grammar."""

_JSON_PATHS = frozenset(
    ("/chat/completions", "/completions", "/responses", "/embeddings", "/moderations", "/audio/speech",
     "/images/generations")
)  # fmt: skip
_FORM_PATHS = frozenset(("/audio/transcriptions", "/audio/translations", "/images/edits", "/images/variations"))

_CREATED = 1_700_000_000


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "demo"}


class Demo:
    """The demo upstream's state and its one entry point, ``handle``."""

    def __init__(self) -> None:
        self._responses = Responses()
        self._counter = Counter()
        self._served = 0

    async def handle(self, request: Request, reply: Reply) -> None:
        """Answer one request; errors in its path's dialect, elsewhere in OpenAI's form."""
        self._served += 1
        native = natives.find(request.path)
        if native is not None and request.method == "POST":
            await natives.answer(native, request, reply, self._counter)
            return
        reply.headers += [("x-request-id", f"req_demo_{self._served}"), ("openai-processing-ms", "1")]
        path = request.path
        if request.method == "POST" and path in _JSON_PATHS:
            await self._json(path, request, reply)
        elif request.method == "POST" and path in _FORM_PATHS:
            await self._form(path, request, reply)
        elif path == "/realtime":
            await self._realtime(request, reply)
        elif request.method in ("GET", "HEAD") and path == "/models":
            await reply.json(200, {"object": "list", "data": [_model(name) for name in MODELS]})
        elif request.method in ("GET", "HEAD") and path.startswith("/models/"):
            await reply.json(200, _model(path.removeprefix("/models/")))
        elif request.method in ("GET", "DELETE") and path.startswith("/responses/"):
            await self._responses.one(request.method, path.removeprefix("/responses/"), reply)
        elif path in _JSON_PATHS or path in _FORM_PATHS or path == "/models":
            await reply.error(
                405, "invalid_request_error", f"Not allowed: {request.method} {path}", "method_not_allowed"
            )
        else:
            await reply.error(
                404, "invalid_request_error", f"Unknown request URL: {request.method} {path}", "unknown_url"
            )

    async def _realtime(self, request: Request, reply: Reply) -> None:
        from gateway.demo import realtime

        key = realtime.handshake_key(request)
        if not key:
            await reply.error(426, "invalid_request_error", "Ask for a WebSocket here.", "upgrade_required")
            return
        query = parse_qs(request.target.decode("latin-1").partition("?")[2])
        model = query.get("model", [""])[0]
        scenario = from_model(model)
        if not await before_answer(reply, scenario, model, self._counter, stream=True):
            await realtime.converse(key, model, scenario, reply)

    async def _json(self, path: str, request: Request, reply: Reply) -> None:
        try:
            body = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            body = None
        if not isinstance(body, dict):
            await reply.error(400, "invalid_request_error", "We could not parse the JSON body of your request.")
            return
        model = body.get("model")
        if not isinstance(model, str) or not model:
            if path != "/moderations":
                await reply.error(400, "invalid_request_error", "you must provide a model parameter")
                return
            model = ""
        scenario = from_request(model, body)
        if await before_answer(reply, scenario, model, self._counter, stream=body.get("stream") is True):
            return
        await self._answer(path, body, scenario, reply)

    async def _answer(self, path: str, body: Mapping[str, object], scenario: Scenario, reply: Reply) -> None:
        match path:
            case "/chat/completions":
                await chat.complete(body, scenario, reply)
            case "/completions":
                await chat.complete_text(body, scenario, reply)
            case "/responses":
                await self._responses.create(body, scenario, reply)
            case "/embeddings":
                await vectors.embed(body, reply)
            case "/moderations":
                await vectors.moderate(body, reply)
            case "/audio/speech":
                await media.speak(body, reply)
            case _:
                await media.draw(str(body.get("prompt", "")), body.get("n"), reply)

    async def _form(self, path: str, request: Request, reply: Reply) -> None:
        form = forms.parse(request.headers.get("content-type", ""), request.body)
        if form is None:
            await reply.error(400, "invalid_request_error", "The body is not multipart/form-data.")
            return
        model = form.fields.get("model", "")
        scenario = from_model(model)
        if await before_answer(reply, scenario, model, self._counter, stream=form.fields.get("stream") == "true"):
            return
        if path.startswith("/audio/"):
            await media.transcribe(form, scenario, reply)
        elif "image" not in form.files:
            await reply.error(400, "invalid_request_error", "'image' is missing.")
        else:
            await media.draw(form.fields.get("prompt", "variation"), form.fields.get("n"), reply)
