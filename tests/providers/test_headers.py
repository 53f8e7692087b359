"""What passes and what does not."""

import pytest

from providers.headers import (
    NEVER_FORWARDED,
    NEVER_FORWARDED_PREFIXES,
    RATE_LIMIT_PREFIXES,
    REQUEST_ALLOW,
    REQUEST_ALLOW_BY_DIALECT,
    REQUEST_PREFIXES,
    RESPONSE_DROP,
    RESPONSE_DROP_KEEPING_LIMITS,
    RESPONSE_DROP_PREFIXES,
    RESPONSE_DROP_PREFIXES_KEEPING_LIMITS,
)


def dropped(name: bytes) -> bool:
    return name in RESPONSE_DROP or name.startswith(RESPONSE_DROP_PREFIXES)


def test_lists_are_lower_case_and_disjoint() -> None:
    for names in (*REQUEST_ALLOW_BY_DIALECT.values(), RESPONSE_DROP, RESPONSE_DROP_PREFIXES, NEVER_FORWARDED):
        assert all(name == name.lower() and name for name in names)
        assert len(set(names)) == len(names)
    for names in REQUEST_ALLOW_BY_DIALECT.values():
        assert not set(names) & NEVER_FORWARDED
        assert not any(name.startswith(NEVER_FORWARDED_PREFIXES) for name in names)


@pytest.mark.parametrize(
    "name", [b"authorization", b"x-api-key", b"cookie", b"x-forwarded-for", b"host", b"openai-organization"]
)
def test_not_sent_to_a_provider(name: bytes) -> None:
    assert name not in REQUEST_ALLOW
    assert not any(name.startswith(prefix) for prefix in REQUEST_PREFIXES)


@pytest.mark.parametrize(
    "name",
    [
        b"set-cookie",
        b"openai-organization",
        b"openai-project",
        b"anthropic-organization-id",
        b"cf-ray",
        b"cf-cache-status",
        b"server",
        b"location",
        b"x-ratelimit-remaining-requests",
        b"anthropic-ratelimit-tokens-reset",
        b"x-envoy-upstream-service-time",
        b"x-kong-request-id",
        b"x-ms-region",
        b"x-microgate-provider",
        b"transfer-encoding",
        b"content-length",
        b"access-control-allow-origin",
        b"strict-transport-security",
        b"alt-svc",
    ],
)
def test_not_shown_to_the_caller(name: bytes) -> None:
    assert dropped(name)


@pytest.mark.parametrize(
    "name", [b"content-type", b"content-encoding", b"x-request-id", b"retry-after", b"date", b"openai-processing-ms"]
)
def test_shown_to_the_caller(name: bytes) -> None:
    assert not dropped(name)


def test_rate_limits_can_be_kept() -> None:
    name = b"x-ratelimit-remaining-requests"
    assert name.startswith(RATE_LIMIT_PREFIXES)
    assert name not in RESPONSE_DROP_KEEPING_LIMITS
    assert not name.startswith(RESPONSE_DROP_PREFIXES_KEEPING_LIMITS)
    assert set(RESPONSE_DROP_KEEPING_LIMITS) < set(RESPONSE_DROP)
