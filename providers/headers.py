"""Which header fields cross the gateway, in which direction. Names in lower case, as ``HeaderFilter`` takes them.

Requests pass by an allow-list: credentials, cookies, forwarding and hop-by-hop fields never do, whoever invents them.
Answers pass by a drop-list: what names an account, a machine or a connection stays here.
"""

from __future__ import annotations

REQUEST_ALLOW: tuple[bytes, ...] = (
    b"accept",
    b"accept-language",
    b"content-type",
    b"user-agent",
    b"idempotency-key",
    b"openai-beta",
    b"x-client-request-id",
    b"http-referer",
    b"x-title",
)
"""``http-referer`` and ``x-title`` name the application to OpenRouter; ``accept-encoding`` stays here, so that answers come
uncoded and usage can be read on the way by."""

REQUEST_PREFIXES: tuple[bytes, ...] = (b"x-stainless-",)
"""The SDKs' own telemetry, which some providers use for support."""

RESPONSE_DROP: tuple[bytes, ...] = (
    # Hop by hop, and framing that is written anew (RFC 9110 7.6.1).
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authentication-info",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"content-length",
    # State and policy of another origin.
    b"set-cookie",
    b"set-cookie2",
    b"www-authenticate",
    b"strict-transport-security",
    b"alt-svc",
    b"clear-site-data",
    b"content-security-policy",
    b"nel",
    b"report-to",
    b"reporting-endpoints",
    b"refresh",
    b"location",
    # Accounts.
    b"openai-organization",
    b"openai-project",
    b"anthropic-organization-id",
    b"x-amzn-requestid",
    b"x-user-id",
    b"x-project-id",
    # Machines.
    b"server",
    b"via",
    b"x-powered-by",
    b"x-served-by",
    b"x-envoy-upstream-service-time",
    b"x-backend",
    b"x-backend-host",
    b"x-upstream",
    b"x-proxy",
    b"x-cache",
    b"x-forwarded-for",
    b"x-real-ip",
    b"retry-after",
    b"x-should-retry",
)

RESPONSE_DROP_PREFIXES: tuple[bytes, ...] = (
    b"access-control-",
    b"cf-",
    b"x-microgate-",
    b"x-ratelimit-",
    b"ratelimit-",
    b"anthropic-ratelimit-",
    b"x-amz-cf-",
    b"x-envoy-",
)
"""A provider's limits are the provider account's, not the caller's; ours are sent instead."""
