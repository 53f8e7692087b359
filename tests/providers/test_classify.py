"""What a refusal means, by the forms providers really answer in."""

import pytest

from providers.classify import MAX_WAIT_S, Verdict, classify, wait_of


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (400, b'{"error":{"message":"too many tokens"}}', Verdict.CALLER),
        (404, b"{}", Verdict.CALLER),
        (422, b'{"detail":[{"type":"extra_forbidden"}]}', Verdict.CALLER),
        (413, b'{"error":{"message":"Request too large for model `x` on tokens per minute (TPM)"}}', Verdict.CALLER),
        (413, b"", Verdict.CALLER),
        (501, b"", Verdict.CALLER),
        (403, b'{"error":{"message":"input was flagged by moderation"}}', Verdict.CALLER),
        (408, b"", Verdict.RETRY),
        (500, b"", Verdict.RETRY),
        (502, b"", Verdict.RETRY),
        (520, b"<html>", Verdict.RETRY),
        (524, b"", Verdict.RETRY),
        (529, b'{"type":"overloaded_error"}', Verdict.RETRY),
        (599, b"", Verdict.RETRY),
        (429, b'{"error":{"code":"rate_limit_exceeded"}}', Verdict.ROTATE_KEY),
        (429, b"", Verdict.ROTATE_KEY),
        (
            429,
            b'{"error":{"status":"RESOURCE_EXHAUSTED","message":"You exceeded your current quota"}}',
            Verdict.ROTATE_KEY,
        ),
        (402, b'{"error":{"message":"More credits are required to run this request."}}', Verdict.ROTATE_KEY),
        (403, b'{"error":{"code":"model_not_found"}}', Verdict.ROTATE_KEY),
        (401, b'{"error":{"message":"You have insufficient permissions for this operation."}}', Verdict.ROTATE_KEY),
        (401, b'{"error":{"message":"Missing scopes: api.model.read"}}', Verdict.ROTATE_KEY),
        (429, b'{"error":{"type":"insufficient_quota"}}', Verdict.DISABLE_KEY),
        (429, b'{"code":"x","error":"Your team has either used all available credits"}', Verdict.DISABLE_KEY),
        (402, b'{"error":{"message":"Insufficient Balance"}}', Verdict.DISABLE_KEY),
        (401, b"", Verdict.DISABLE_KEY),
        (403, b"", Verdict.DISABLE_KEY),
        (400, b'{"error":{"message":"API key not valid."}}', Verdict.DISABLE_KEY),
        (400, b'{"error":{"message": "Your credit balance is too low"}}', Verdict.DISABLE_KEY),
        # Answers that quote the caller.
        (400, b'{"error":{"message":"got insufficient_quota, invalid_api_key"}}', Verdict.CALLER),
        (400, rb'{"error":{"message":"got \\"message\\":\\"API key not valid\\""}}', Verdict.CALLER),
        (403, b'{"error":{"metadata":{"reasons":["x"],"flagged_input":"insufficient_quota"}}}', Verdict.CALLER),
    ],
)
def test_verdicts(status: int, body: bytes, verdict: Verdict) -> None:
    assert classify(status, body).verdict == verdict


@pytest.mark.parametrize(
    ("header", "body", "seconds"),
    [
        (b"20", b"", 20.0),
        (b" 0.5 ", b"", 0.5),
        (b"999999999", b"", MAX_WAIT_S),
        (b"Wed, 21 Oct 2026 07:28:00 GMT", b"", 0.0),
        (b"-1", b"", 0.0),
        (None, b"Please try again in 174ms.", 0.174),
        (None, b"Please try again in 18.642s. Visit", 18.642),
        (None, b"try again in 9m38.016s", 578.016),
        (None, b"Please retry after 86400 seconds.", 86400.0),
        (None, b'"retryDelay": "48s"', 48.0),
        (None, b"try again in 1 hour, 2 minutes", 3720.0),
        (None, b"wait a moment", 0.0),
        (None, b"try again later, at 20 places", 0.0),
        (b"3", b"try again in 99s", 3.0),
        (b"x", b"try again in 99s", 99.0),
    ],
)
def test_waits(header: bytes | None, body: bytes, seconds: float) -> None:
    assert wait_of(header, body) == pytest.approx(seconds)


def test_the_wait_goes_with_the_verdict() -> None:
    assert classify(429, b"try again in 2s").wait_s == 2.0
    assert classify(503, b"try again in 2s", b"4").wait_s == 4.0
    assert classify(401, b"try again in 2s").wait_s == 0.0


def test_hostile_bodies_end() -> None:
    # A pattern that backtracks would take minutes here.
    for body in (b"retry " * 100_000, b"try again in " + b"1m" * 100_000, b"wait" + b" " * 100_000 + b"1s"):
        assert classify(429, body).verdict == Verdict.ROTATE_KEY
