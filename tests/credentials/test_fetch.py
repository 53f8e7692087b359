"""The child that fetches: each vendor's own library against an issuer on loopback."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from gateway.credentials import child, fetch
from gateway.credentials.outcome import Outcome
from gateway.snapshot.model import Credential
from tests.credentials.issuers import LIFE_S, TENANT, TOKEN, Issuer, account_key
from tests.live.upstreams import Act, Upstream, http

SECRET = "client-secret-canary"


def fetched(credential: Credential, within_s: int = child.FETCH_S) -> Outcome:
    return asyncio.run(child.fetch(credential, within_s))


def origin(server: Upstream) -> str:
    return server.url.removesuffix("/v1")


def entra_credential(server: Upstream, **more: str) -> Credential:
    return Credential(
        type="entra_client_secret", tenant=TENANT, client_id="an-app", secret=SECRET, authority=origin(server), **more
    )


def about_an_hour(outcome: Outcome) -> bool:
    return outcome.expires_in is not None and LIFE_S - 120 < outcome.expires_in <= LIFE_S


def test_entra_gives_a_token_for_the_secret(entra: Upstream, issuer: Issuer) -> None:
    outcome = fetched(entra_credential(entra))
    assert (outcome.error, outcome.detail, outcome.token) == ("", "", issuer.token)
    assert about_an_hour(outcome)
    [form] = issuer.tokens_asked()
    assert form["client_secret"] == [SECRET]
    assert form["client_id"] == ["an-app"]
    assert form["grant_type"] == ["client_credentials"]
    assert form["scope"] == ["https://cognitiveservices.azure.com/.default"]
    assert entra.requests[-1].target.startswith(f"/{TENANT}/")


def test_another_scope_is_asked_for(entra: Upstream, issuer: Issuer) -> None:
    fetched(entra_credential(entra, scope="https://ai.azure.com/.default"))
    assert issuer.tokens_asked()[0]["scope"] == ["https://ai.azure.com/.default"]


def test_a_refusal_by_entra_says_why_and_not_the_secret(entra: Upstream, issuer: Issuer) -> None:
    said = f'{{"error":"invalid_client","error_description":"AADSTS7000215: wrong secret {SECRET} for app"}}'
    issuer.broken = [http(said, 401)]
    outcome = fetched(entra_credential(entra))
    assert (outcome.error, outcome.token) == ("refused", "")
    assert "AADSTS7000215" in outcome.detail
    assert SECRET not in outcome.detail
    assert "[secret]" in outcome.detail


@pytest.mark.parametrize(("status", "said"), [(429, "AADSTS90033"), (400, "AADSTS90033"), (503, "HTTP Error: 503")])
def test_trouble_of_entras_own_is_no_refusal(entra: Upstream, issuer: Issuer, status: int, said: str) -> None:
    issuer.broken = [http('{"error":"temporarily_unavailable","error_description":"AADSTS90033"}', status)]
    outcome = fetched(entra_credential(entra))
    assert (outcome.error, said in outcome.detail) == ("failed", True)


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_machine_without_an_identity_says_so_in_time(
    issuing: Upstream, issuer: Issuer, environment: pytest.MonkeyPatch, status: int
) -> None:
    environment.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", origin(issuing))
    issuer.broken = [http('{"error":"invalid_request","error_description":"Identity not found"}', status)]
    outcome = fetched(Credential(type="managed_identity"))
    assert (outcome.error, "Identity not found" in outcome.detail) == ("failed", True)


def test_managed_identity_asks_the_machine(issuing: Upstream, issuer: Issuer, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", origin(issuing))
    outcome = fetched(Credential(type="managed_identity", client_id="mine"))
    assert (outcome.error, outcome.token) == ("", issuer.token)
    assert about_an_hour(outcome)
    last = issuing.requests[-1].target
    assert "resource=https://cognitiveservices.azure.com" in last
    assert "client_id=mine" in last


def test_a_service_account_signs_for_its_token(issuing: Upstream, issuer: Issuer) -> None:
    outcome = fetched(Credential(type="service_account", secret=account_key(f"{origin(issuing)}/token")))
    assert (outcome.error, outcome.detail, outcome.token) == ("", "", issuer.token)
    assert about_an_hour(outcome)
    [form] = issuer.tokens_asked()
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]


@pytest.mark.parametrize(("status", "error"), [(400, "refused"), (401, "refused"), (503, "failed")])
def test_googles_refusals_and_its_troubles(issuing: Upstream, issuer: Issuer, status: int, error: str) -> None:
    issuer.broken = [http('{"error":"invalid_grant","error_description":"account not found"}', status)]
    outcome = fetched(Credential(type="service_account", secret=account_key(f"{origin(issuing)}/token")))
    assert (outcome.error, "account not found" in outcome.detail) == (error, True)


def test_googles_metadata_service_is_found(issuing: Upstream, issuer: Issuer, environment: pytest.MonkeyPatch) -> None:
    address = origin(issuing).removeprefix("http://")
    environment.setenv("GCE_METADATA_HOST", address)
    environment.setenv("GCE_METADATA_IP", address)
    outcome = fetched(Credential(type="google_adc"))
    assert (outcome.error, outcome.detail, outcome.token) == ("", "", issuer.token)
    assert about_an_hour(outcome)


def test_without_any_default_credentials_google_says_so(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NO_GCE_CHECK", "true")
    outcome = fetched(Credential(type="google_adc"))
    assert outcome.error == "refused"
    assert "DefaultCredentialsError" in outcome.detail


def test_the_chain_reads_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "from-the-environment")
    outcome = fetched(Credential(type="aws_chain", region="us-east-1"))
    assert (outcome.access_key_id, outcome.token, outcome.session_token) == ("AKIDENV", "from-the-environment", "")
    assert outcome.expires_in is None


def test_the_chain_reads_a_profile(tmp_path: Path) -> None:
    (tmp_path / "aws-credentials").write_text("[work]\naws_access_key_id=AKIDWORK\naws_secret_access_key=of-work\n")
    outcome = fetched(Credential(type="aws_chain", profile="work"))
    assert (outcome.access_key_id, outcome.token) == ("AKIDWORK", "of-work")
    missing = fetched(Credential(type="aws_chain", profile="play"))
    assert (missing.error, missing.token) == ("refused", "")
    assert "play" in missing.detail


def test_the_chain_asks_the_container(issuing: Upstream, issuer: Issuer, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{origin(issuing)}/aws")
    outcome = fetched(Credential(type="aws_chain", region="us-east-1"))
    assert (outcome.access_key_id, outcome.token) == ("AKIDISSUED1", f"{issuer.token}/secret")
    assert outcome.session_token == f"{issuer.token}/session"
    assert about_an_hour(outcome)


def test_an_empty_chain_says_so() -> None:
    outcome = fetched(Credential(type="aws_chain"))
    assert outcome.error == "refused"
    assert "neither environment" in outcome.detail


@pytest.mark.parametrize("external_id", ["", "ours"])
def test_a_role_is_assumed(
    issuing: Upstream, issuer: Issuer, environment: pytest.MonkeyPatch, external_id: str
) -> None:
    environment.setenv("AWS_ENDPOINT_URL_STS", origin(issuing))
    role = "arn:aws:iam::123456789012:role/gateway"
    outcome = fetched(
        Credential(
            type="aws_assume_role",
            role_arn=role,
            access_key_id="AKIDOURS",
            secret="our-secret",
            region="eu-west-1",
            external_id=external_id,
        )
    )
    assert (outcome.error, outcome.detail) == ("", "")
    assert (outcome.access_key_id, outcome.session_token) == ("AKIDISSUED1", f"{issuer.token}/session")
    assert about_an_hour(outcome)
    asked = issuing.requests[-1]
    assert f"RoleArn={role.replace(':', '%3A').replace('/', '%2F')}" in asked.body.decode()
    assert ("ExternalId=ours" in asked.body.decode()) is bool(external_id)
    assert "Credential=AKIDOURS/" in str(asked.header("authorization"))
    assert "/eu-west-1/sts/" in str(asked.header("authorization"))


def test_a_refusal_by_aws(issuing: Upstream, issuer: Issuer, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL_STS", origin(issuing))
    xml = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>"
    issuer.broken = [http(xml, 403, content_type="text/xml")]
    outcome = fetched(
        Credential(type="aws_assume_role", role_arn="arn:aws:iam::1:role/x", access_key_id="A", secret="b")
    )
    assert outcome.error == "refused"
    assert "AccessDenied" in outcome.detail


def test_an_issuer_that_cannot_be_reached(tmp_path: Path) -> None:
    with Upstream() as gone:
        address = origin(gone)
    outcome = fetched(Credential(type="service_account", secret=account_key(f"{address}/token")))
    assert (outcome.error, outcome.token) == ("unreachable", "")


def test_a_fetch_that_hangs_is_ended(issuing: Upstream, issuer: Issuer) -> None:
    issuer.broken = [Act.HOLD]
    begun = time.monotonic()
    outcome = fetched(Credential(type="service_account", secret=account_key(f"{origin(issuing)}/token")), 2)
    assert (outcome.error, outcome.detail) == ("late", "nothing came within 2 s")
    assert time.monotonic() - begun < child.FETCH_S
    assert children_of_ours() == []


def test_a_fetch_that_is_killed_is_a_failure_like_any_other(issuing: Upstream, issuer: Issuer) -> None:
    issuer.broken = [Act.HOLD]

    async def main() -> Outcome:
        task = asyncio.create_task(
            child.fetch(Credential(type="service_account", secret=account_key(f"{origin(issuing)}/token")))
        )
        while not issuer.asked:
            await asyncio.sleep(0.01)
        [pid] = children_of_ours()
        os.kill(pid, 9)
        return await task

    assert asyncio.run(main()) == Outcome(error="failed", detail="the fetching process ended with status -9")


def test_giving_up_ends_the_child(issuing: Upstream, issuer: Issuer) -> None:
    issuer.broken = [Act.HOLD]

    async def main() -> None:
        task = asyncio.create_task(
            child.fetch(Credential(type="service_account", secret=account_key(f"{origin(issuing)}/token")))
        )
        while not issuer.asked:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert children_of_ours() == []


def test_what_has_expired_already_is_no_credential(issuing: Upstream, issuer: Issuer) -> None:
    issuer.life_s = -5
    outcome = fetched(Credential(type="service_account", secret=account_key(f"{origin(issuing)}/token")))
    assert (outcome.error, outcome.detail) == ("failed", "what came has expired already")


@pytest.mark.parametrize(
    ("token", "detail"), [("a\r\nx-evil: 1", "no printable ASCII"), ("é", "no printable ASCII"), ("", "empty")]
)
def test_what_no_header_field_could_carry_is_no_credential(
    monkeypatch: pytest.MonkeyPatch, token: str, detail: str
) -> None:
    monkeypatch.setitem(fetch.FETCHERS, "google_adc", lambda wanted: Outcome(token=token, expires_in=3600))
    outcome = fetch.fetch(Credential(type="google_adc"))
    assert (outcome.error, outcome.token) == ("failed", "")
    assert detail in outcome.detail


def test_what_a_fetch_brings_is_not_in_its_text() -> None:
    assert TOKEN not in f"{Outcome(token=TOKEN, session_token=TOKEN)!r}"


def test_a_mistake_inside_is_a_failure() -> None:
    outcome = fetch.fetch(Credential(type="aws_keys", secret="pair-canary"))
    assert (outcome.error, outcome.detail) == ("failed", "KeyError: 'aws_keys'")


def children_of_ours() -> list[int]:
    listed = [pid for tasks in Path("/proc/self/task").glob("*/children") for pid in tasks.read_text().split()]
    return [int(pid) for pid in listed if b"credentials.fetch" in Path(f"/proc/{pid}/cmdline").read_bytes()]
