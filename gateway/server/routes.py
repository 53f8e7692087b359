"""The closed table of what this server answers; everything else is 401 without a credential and 404 with one.

One parsed path decides authorisation and dispatch alike, and the Host header decides nothing.
"""

from __future__ import annotations

from providers.operations import ASKS_USAGE, OWN, RELAYED, STRICT, Dialect, Operation

PUBLIC = 0
"""Answered without a credential. The list of public routes is held by a test."""
DATA = 1
"""A virtual key."""
ADMIN = 2
"""The operator's token."""
METRICS = 3
"""Loopback, or the metrics token."""

NO_BODY = 0
JSON = 1
MULTIPART = 2
BINARY = 3
ANY_BODY = 4
"""Bytes in any form, none included."""


class RouteEntry:
    """What is declared of every route; never changed after it is made."""

    def __init__(
        self,
        path: str,
        methods: frozenset[bytes],
        audience: int,
        operation: int,
        dialect: int,
        body: int,
        prefix: str,
        *,
        metered: bool = True,
        stateful: bool = False,
        rest: bytes = b"",
        below: str = "",
        streams: bool | None = None,
        original: str = "",
        websocket: bool = False,
    ) -> None:
        self.original = original or path
        """Where it stands by itself, of a route that stands under a union of prefixes as well."""
        self.path = path
        """Exact, or with ``*`` for whatever stands there, last or before a method; ``{}`` stands for a deployment."""
        self.methods = methods
        self.audience = audience
        self.operation = operation
        self.dialect = dialect
        self.body = body
        self.prefix = prefix
        """Provider that bare model names mean under this prefix; empty under ``/v1``."""
        self.metered = metered
        self.stateful = stateful
        """Its objects live in one provider account, and their ids are sealed: ``gateway.phases.objects``."""
        self.rest = rest
        """For prefix routes, as ``find`` returns them: the part of the path after the prefix."""
        self.below = below
        """What follows the operation's own path at the provider."""
        self.streams = streams
        """Whether an answer is streamed, where the path says so; None: the body says it."""
        self.websocket = websocket
        """Taken over by a session when its handshake is accepted; nothing else is answered there."""
        self.names_model = path.partition("*")[2] != ""
        """The model stands in the path, instead of ``*``."""
        # What is known of the operation, where a request can look it up as an attribute.
        self.own = operation in OWN
        self.relayed = operation in RELAYED
        self.strict = operation in STRICT
        self.asks_usage = operation in ASKS_USAGE

    def at(self, rest: bytes) -> RouteEntry:
        """This route, met with ``rest`` behind its prefix."""
        return self.under(self.path, rest)

    def under(self, path: str, rest: bytes = b"") -> RouteEntry:
        """The same at another path."""
        return RouteEntry(
            path,
            self.methods,
            self.audience,
            self.operation,
            self.dialect,
            self.body,
            self.prefix,
            metered=self.metered,
            stateful=self.stateful,
            rest=rest,
            below=self.below,
            streams=self.streams,
            original=self.original,
            websocket=self.websocket,
        )


POST = frozenset({b"POST"})
GET = frozenset({b"GET", b"HEAD"})
GET_DELETE = frozenset({b"GET", b"HEAD", b"DELETE"})
GET_POST = frozenset({b"GET", b"HEAD", b"POST"})
GET_POST_DELETE = frozenset({b"GET", b"HEAD", b"POST", b"DELETE"})
ANY = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE"})

_OPERATIONS: tuple[tuple[str, Operation, Dialect, int], ...] = (
    ("/chat/completions", Operation.CHAT, Dialect.OPENAI_CHAT, JSON),
    ("/completions", Operation.COMPLETIONS, Dialect.OPENAI_COMPLETIONS, JSON),
    ("/responses", Operation.RESPONSES, Dialect.OPENAI_RESPONSES, JSON),
    ("/embeddings", Operation.EMBEDDINGS, Dialect.OPENAI_CHAT, JSON),
    ("/moderations", Operation.MODERATIONS, Dialect.OPENAI_CHAT, JSON),
    ("/audio/speech", Operation.SPEECH, Dialect.OPENAI_CHAT, JSON),
    ("/audio/transcriptions", Operation.TRANSCRIPTION, Dialect.OPENAI_CHAT, MULTIPART),
    ("/audio/translations", Operation.TRANSLATION, Dialect.OPENAI_CHAT, MULTIPART),
    ("/images/generations", Operation.IMAGE_GENERATION, Dialect.OPENAI_CHAT, JSON),
    ("/images/edits", Operation.IMAGE_EDIT, Dialect.OPENAI_CHAT, MULTIPART),
    ("/images/variations", Operation.IMAGE_VARIATION, Dialect.OPENAI_CHAT, MULTIPART),
)
"""Azure has them below a deployment as well."""
_MORE: tuple[tuple[str, Operation, Dialect, int], ...] = (
    ("/ocr", Operation.OCR, Dialect.OPENAI_CHAT, JSON),
    ("/rerank", Operation.RERANK, Dialect.OPENAI_CHAT, JSON),
    ("/responses/input_tokens", Operation.COUNT_TOKENS, Dialect.OPENAI_RESPONSES, JSON),
)
_BELOW_RESPONSES = ("/compact",)
"""Asked like a response, of any provider that offers responses; no object is stored or named."""
_STATEFUL: tuple[tuple[str, Operation, frozenset[bytes]], ...] = (
    ("/files", Operation.FILES, GET_POST),
    ("/files/*", Operation.FILES, GET_DELETE),
    ("/videos", Operation.VIDEOS, GET_POST),
    ("/videos/*", Operation.VIDEOS, GET_POST_DELETE),
    ("/batches", Operation.BATCHES, GET_POST),
    ("/batches/*", Operation.BATCHES, GET_POST),
    ("/responses/*", Operation.RESPONSE_OBJECT, GET_POST_DELETE),
)


_NATIVE: tuple[tuple[str, str, Operation, Dialect, bool | None], ...] = (
    ("/anthropic/v1/messages", "anthropic", Operation.CHAT, Dialect.ANTHROPIC, None),
    ("/anthropic/v1/messages/count_tokens", "anthropic", Operation.COUNT_TOKENS, Dialect.ANTHROPIC, None),
    ("/bedrock/model/*/count-tokens", "bedrock", Operation.COUNT_TOKENS, Dialect.BEDROCK, False),
    ("/bedrock/model/*/converse", "bedrock", Operation.CHAT, Dialect.BEDROCK, False),
    ("/bedrock/model/*/converse-stream", "bedrock", Operation.CHAT, Dialect.BEDROCK, True),
    ("/bedrock/model/*/invoke", "bedrock", Operation.INVOKE, Dialect.BEDROCK_INVOKE, False),
    (
        "/bedrock/model/*/invoke-with-response-stream",
        "bedrock",
        Operation.INVOKE,
        Dialect.BEDROCK_INVOKE,
        True,
    ),
    ("/cohere/v2/chat", "cohere", Operation.CHAT, Dialect.COHERE, None),
    ("/cohere/v2/rerank", "cohere", Operation.RERANK, Dialect.COHERE, None),
    ("/cohere/v2/embed", "cohere", Operation.EMBEDDINGS, Dialect.COHERE, None),
    ("/genai/v1/models/*:batchEmbedContents", "gemini", Operation.EMBEDDINGS, Dialect.GEMINI, False),
    ("/genai/v1/models/*:countTokens", "gemini", Operation.COUNT_TOKENS, Dialect.GEMINI, False),
    ("/genai/v1/models/*:embedContent", "gemini", Operation.EMBEDDINGS, Dialect.GEMINI, False),
    ("/genai/v1/models/*:generateContent", "gemini", Operation.CHAT, Dialect.GEMINI, False),
    ("/genai/v1/models/*:streamGenerateContent", "gemini", Operation.CHAT, Dialect.GEMINI, True),
    ("/genai/v1beta/models/*:batchEmbedContents", "gemini", Operation.EMBEDDINGS, Dialect.GEMINI, False),
    ("/genai/v1beta/models/*:countTokens", "gemini", Operation.COUNT_TOKENS, Dialect.GEMINI, False),
    ("/genai/v1beta/models/*:embedContent", "gemini", Operation.EMBEDDINGS, Dialect.GEMINI, False),
    ("/genai/v1beta/models/*:generateContent", "gemini", Operation.CHAT, Dialect.GEMINI, False),
    ("/genai/v1beta/models/*:streamGenerateContent", "gemini", Operation.CHAT, Dialect.GEMINI, True),
    # Vercel's SDK puts nothing before a name with a slash in it.
    ("/genai/v1beta/*:generateContent", "gemini", Operation.CHAT, Dialect.GEMINI, False),
    ("/genai/v1beta/*:streamGenerateContent", "gemini", Operation.CHAT, Dialect.GEMINI, True),
)
"""Where the SDKs of other dialects ask: path, provider that bare names mean, and what is asked."""


_KEPT: tuple[tuple[str, str, Operation, Dialect, frozenset[bytes]], ...] = (
    ("/anthropic/v1/files", "anthropic", Operation.FILES, Dialect.ANTHROPIC, GET_POST),
    ("/anthropic/v1/files/*", "anthropic", Operation.FILES, Dialect.ANTHROPIC, GET_DELETE),
    ("/anthropic/v1/messages/batches", "anthropic", Operation.BATCHES, Dialect.ANTHROPIC, GET_POST),
    ("/anthropic/v1/messages/batches/*", "anthropic", Operation.BATCHES, Dialect.ANTHROPIC, GET_POST_DELETE),
)
"""Where they ask for objects that a provider of the same dialect keeps."""
_MODEL_LISTS: tuple[tuple[str, str, Dialect], ...] = (
    ("/anthropic/v1/models", "anthropic", Dialect.ANTHROPIC),
    ("/cohere/v1/models", "cohere", Dialect.COHERE),
    ("/genai/v1/models", "gemini", Dialect.GEMINI),
    ("/genai/v1beta/models", "gemini", Dialect.GEMINI),
)
"""Where they ask for the list of models."""


PROBED = ("/", "/anthropic", "/anthropic/")
UNIONS = ("/litellm", "/langchain", "/pydanticai")
"""Under each of them stand the paths of all SDKs, for libraries that speak to many providers in their own forms."""
_UNITED = ("/openai/v1", "/openai", "/anthropic", "/genai", "/bedrock", "/cohere")
"""Of two that mean the same path the first one counts."""


def _union(base: str, rows: list[RouteEntry]) -> list[RouteEntry]:
    """The routes of all prefixes under one more."""
    found: dict[str, RouteEntry] = {}
    for prefix in _UNITED:
        for row in rows:
            rest = row.path.removeprefix(prefix)
            if row.audience != DATA or rest == row.path or not rest.startswith("/") or "{}" in rest:
                continue
            found.setdefault(rest, row.under(base + rest))
    return list(found.values())


GEMINI_LIVE = frozenset(
    f"/genai/ws/google.ai.generativelanguage.{version}.GenerativeService.BidiGenerateContent"
    for version in ("v1", "v1alpha", "v1beta")
)
"""Where Google's SDKs open a Live session."""


def _entries() -> list[RouteEntry]:
    none = int(Dialect.NONE)
    rows = [
        RouteEntry("/livez", GET, PUBLIC, 0, none, NO_BODY, "", metered=False),
        RouteEntry("/readyz", GET, PUBLIC, 0, none, NO_BODY, "", metered=False),
        # Claude Code asks whether anybody is there before it sends a credential.
        *(RouteEntry(path, GET, PUBLIC, 0, none, NO_BODY, "", metered=False) for path in PROBED),
        RouteEntry("/metrics", GET, METRICS, int(Operation.ADMIN), none, NO_BODY, "", metered=False),
    ]
    for base, prefix in (("/v1", ""), ("/openai", "openai"), ("/openai/v1", "openai")):
        for path, operation, dialect, body in _OPERATIONS + _MORE:
            rows.append(RouteEntry(base + path, POST, DATA, int(operation), int(dialect), body, prefix))
        for below in _BELOW_RESPONSES:
            operation, dialect = Operation.RESPONSES, Dialect.OPENAI_RESPONSES
            path = base + "/responses" + below
            rows.append(RouteEntry(path, POST, DATA, int(operation), int(dialect), JSON, prefix, below=below))
        for path, operation, methods in _STATEFUL:
            chat = int(Dialect.OPENAI_CHAT)
            rows.append(RouteEntry(base + path, methods, DATA, int(operation), chat, ANY_BODY, prefix, stateful=True))
        chat = int(Dialect.OPENAI_CHAT)
        rows.append(
            RouteEntry(base + "/models", GET, DATA, int(Operation.MODELS), chat, NO_BODY, prefix, metered=False)
        )
        rows.append(
            RouteEntry(base + "/models/*", GET, DATA, int(Operation.MODELS), chat, NO_BODY, prefix, metered=False)
        )
        number = int(Operation.ROUTE)
        rows.append(RouteEntry(base + "/route", GET, DATA, number, chat, NO_BODY, prefix, metered=False))
        number = int(Operation.USAGE)
        rows.append(RouteEntry(base + "/usage", GET, DATA, number, chat, NO_BODY, prefix, metered=False))
        rows.append(
            RouteEntry(base + "/realtime", GET, DATA, int(Operation.REALTIME), chat, NO_BODY, prefix, websocket=True)
        )
    for path in sorted(GEMINI_LIVE):
        gemini, realtime = int(Dialect.GEMINI), int(Operation.REALTIME)
        rows.append(RouteEntry(path, GET, DATA, realtime, gemini, NO_BODY, "gemini", websocket=True))
    for path, prefix, dialect in _MODEL_LISTS:
        for one in (path, path + "/*"):
            number = int(Operation.MODELS)
            rows.append(RouteEntry(one, GET, DATA, number, int(dialect), NO_BODY, prefix, metered=False))
    for path, operation, dialect, body in _OPERATIONS:
        # AzureOpenAI names the deployment in the path; see deployments().
        rows.append(
            RouteEntry("/openai/deployments/{}" + path, POST, DATA, int(operation), int(dialect), body, "azure")
        )
    rows.append(RouteEntry("/passthrough/*", ANY, DATA, int(Operation.PASSTHROUGH), none, ANY_BODY, ""))
    for path, prefix, operation, dialect, streams in _NATIVE:
        rows.append(RouteEntry(path, POST, DATA, int(operation), int(dialect), JSON, prefix, streams=streams))
    for path, prefix, operation, dialect, methods in _KEPT:
        rows.append(RouteEntry(path, methods, DATA, int(operation), int(dialect), ANY_BODY, prefix, stateful=True))
    rows += [row for base in UNIONS for row in _union(base, rows)]
    for path in ("/ui", "/ui/", "/ui/*", "/api/*", "/docs", "/docs/", "/docs/*"):
        methods = ANY if path.startswith("/api") else GET
        rows.append(RouteEntry(path, methods, ADMIN, int(Operation.ADMIN), none, ANY_BODY, "", metered=False))
    return rows


ROUTES: tuple[RouteEntry, ...] = tuple(_entries())
EXACT: dict[bytes, RouteEntry] = {
    row.path.encode(): row for row in ROUTES if "*" not in row.path and "{}" not in row.path
}


def _open(row: RouteEntry) -> tuple[bytes, bytes, RouteEntry]:
    begin, _, end = row.path.encode().partition(b"*")
    return begin, end, row


PREFIXES: tuple[tuple[bytes, bytes, RouteEntry], ...] = tuple(
    sorted((_open(row) for row in ROUTES if "*" in row.path), key=lambda item: (-len(item[0]), -len(item[1])))
)
"""(beginning, end, route) of the paths with ``*``, the longest first."""
DEPLOYMENTS: dict[bytes, RouteEntry] = {row.path.partition("{}")[2].encode(): row for row in ROUTES if "{}" in row.path}
MODELS = int(Operation.MODELS)
DEPLOYMENT_PREFIX = b"/openai/deployments/"


def find(path: bytes) -> RouteEntry | None:
    """The route for this exact path. Nothing is decoded or normalised: a path in another spelling is another path."""
    entry = EXACT.get(path)
    if entry is not None:
        return entry
    if path.startswith(DEPLOYMENT_PREFIX):
        name, slash, rest = path[len(DEPLOYMENT_PREFIX) :].partition(b"/")
        entry = DEPLOYMENTS.get(slash + rest)
        return entry.at(name) if entry is not None and name else None
    for begin, end, entry in PREFIXES:
        if path.startswith(begin) and path.endswith(end) and len(path) > len(begin) + len(end):
            rest = path[len(begin) : len(path) - len(end)]
            # A segment that could leave the prefix at a more lenient reader (RFC 3986 5.2.4) is no path of ours. A
            # model's name goes no further than this process, and SDKs encode the slash in it.
            if entry.operation != MODELS and not entry.names_model and unsafe(rest):
                return None
            return entry.at(rest)
    return None


def unsafe(rest: bytes) -> bool:
    """Whether a relayed path holds dot or empty segments, encoded dots or slashes, backslashes or control bytes."""
    lower = rest.lower()
    if any(bad in lower for bad in (b"%2e", b"%2f", b"%5c", b"%00", b"%25", b"\\", b"//", b"#", b";")):
        return True
    if any(byte <= 0x20 or byte >= 0x7F for byte in rest):
        return True
    return any(segment in (b".", b"..", b"") for segment in rest.rstrip(b"/").split(b"/")) or rest.startswith(b"/")
