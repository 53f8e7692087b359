"""Which header fields pass, as lower-case byte tuples for ``_speedups._scan.HeaderFilter``.

To a provider go only fields on an allow-list: credentials, cookies, forwarding and hop-by-hop fields, and anything the
gateway has never heard of, stay here. To the caller everything goes but a drop-list: what names the operator's account,
what describes the provider's servers, what would make the caller's client talk to somebody else.
"""

from __future__ import annotations

REQUEST_COMMON = (b"accept", b"content-type", b"user-agent")

_BY_DIALECT: dict[str, tuple[bytes, ...]] = {
    "openai_chat": (b"idempotency-key", b"openai-beta", b"x-client-request-id"),
    "openai_responses": (b"idempotency-key", b"openai-beta", b"x-client-request-id"),
    "openai_completions": (b"idempotency-key", b"openai-beta", b"x-client-request-id"),
    "anthropic": (b"anthropic-beta", b"anthropic-version", b"idempotency-key"),
    "gemini": (b"x-goog-api-client", b"x-server-timeout"),
    "bedrock": (b"x-amzn-bedrock-accept", b"x-amzn-bedrock-trace", b"x-amzn-bedrock-performanceconfig-latency"),
    "cohere": (b"x-client-name",),
}

REQUEST_ALLOW_BY_DIALECT: dict[str, tuple[bytes, ...]] = {
    dialect: (*REQUEST_COMMON, *names) for dialect, names in _BY_DIALECT.items()
}
"""Dialect -> request fields passed on. ``accept-encoding`` is not among them: the gateway reads what comes back."""

TRACE_CONTEXT = ("traceparent", "tracestate")
"""Which trace a request belongs to. It tells a provider which requests belong together, so only as configured."""

REQUEST_ALLOW: tuple[bytes, ...] = REQUEST_ALLOW_BY_DIALECT["openai_chat"]
"""Of the OpenAI dialects, which share one list."""

REQUEST_PREFIXES: tuple[bytes, ...] = ()
"""No family passes as a whole: the SDKs' ``x-stainless-`` fields describe the caller's machine."""

NEVER_FORWARDED = frozenset(
    (
        b"api-key",
        b"authorization",
        b"connection",
        b"content-length",
        b"cookie",
        b"expect",
        b"forwarded",
        b"host",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"set-cookie",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"via",
        b"x-amz-security-token",
        b"x-api-key",
        b"x-goog-api-key",
        b"x-microgate-key",
        b"x-real-ip",
    )
)
"""Not even when the operator lists them: credentials, framing, hop-by-hop (RFC 9110 7.6.1), who asked. Families:
``NEVER_FORWARDED_PREFIXES``."""

NEVER_FORWARDED_PREFIXES = (b"proxy-", b"x-forwarded-", b"x-microgate-", b"sec-")

FRAMING = (
    b"connection",
    b"content-length",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
)
_ACCOUNT = (
    b"anthropic-organization-id",
    b"anthropic-workspace-id",
    b"openai-organization",
    b"openai-project",
    b"x-organization-id",
    b"x-project-id",
    b"x-account-id",
    b"x-user-id",
)
_SERVERS = (
    b"alt-svc",
    b"azureml-model-session",
    b"nel",
    b"report-to",
    b"reporting-endpoints",
    b"server",
    b"server-timing",
    b"via",
    b"x-backend",
    b"x-cache",
    b"x-cache-hits",
    b"x-groq-region",
    b"x-powered-by",
    b"x-proxy-latency",
    b"x-runtime",
    b"x-served-by",
    b"x-timer",
    b"x-upstream",
)
_CLIENT = (
    # The caller's client would follow, remember or enforce these for the gateway's own address.
    b"clear-site-data",
    b"content-location",
    b"content-security-policy",
    b"location",
    b"refresh",
    b"set-cookie",
    b"set-cookie2",
    b"strict-transport-security",
    b"www-authenticate",
    b"x-frame-options",
)

RATE_LIMITS: tuple[bytes, ...] = (b"ratelimit", b"ratelimit-policy", b"x-trial-endpoint-call-limit")
RATE_LIMIT_PREFIXES: tuple[bytes, ...] = (
    b"x-ratelimit-",
    b"anthropic-ratelimit-",
    b"ratelimit-",
    b"x-trial-endpoint-call-",
)
"""The provider's limits are the operator's, not the caller's; passed on by ``server.forward_rate_limit_headers``."""

RESPONSE_DROP_KEEPING_LIMITS: tuple[bytes, ...] = (*FRAMING, *_ACCOUNT, *_SERVERS, *_CLIENT)
RESPONSE_DROP_PREFIXES_KEEPING_LIMITS: tuple[bytes, ...] = (
    b"access-control-",
    b"cf-",
    b"proxy-",
    b"x-amz-cf-",
    b"x-azure-",
    b"x-cloud-trace",
    b"x-envoy-",
    b"x-goog-upload-",
    b"x-kong-",
    b"x-microgate-",
    b"x-ms-",
    b"x-vercel-",
)

RESPONSE_DROP: tuple[bytes, ...] = (*RESPONSE_DROP_KEEPING_LIMITS, *RATE_LIMITS)
RESPONSE_DROP_PREFIXES: tuple[bytes, ...] = (*RESPONSE_DROP_PREFIXES_KEEPING_LIMITS, *RATE_LIMIT_PREFIXES)
"""What the gateway says of its own limits is added after this filter, under the same names."""
