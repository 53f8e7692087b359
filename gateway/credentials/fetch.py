"""The child that fetches one credential: a description on standard input, the outcome on standard output, the end.

A process of its own, because the vendors' libraries are large, wait in their own ways, and can only be stopped for
certain from outside. Nothing of what it handles is written anywhere else.
"""

from __future__ import annotations

import re
import signal
import sys
import time
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import msgspec

from gateway.credentials.outcome import Outcome, Wanted
from gateway.processes.kernel import die_with_parent
from gateway.snapshot.model import Credential

AZURE_SCOPE = "https://cognitiveservices.azure.com/.default"
"""Taken by both forms of Azure OpenAI's address; projects of Foundry want https://ai.azure.com/.default."""
GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
PUBLIC_AUTHORITIES = ("login.microsoftonline.com", "login.microsoftonline.us", "login.chinacloudapi.cn")
"""Entra's own hosts; about others nobody can be asked whether they are genuine."""
HTTP_TIMEOUT_S = 10
"""Of one try of a vendor's library; the whole fetch has its own end."""


def fetch(wanted: Credential) -> Outcome:
    """What the vendor's library brings. Never raises."""
    try:
        outcome = FETCHERS[wanted.type](wanted)
    except Exception as error:
        return Outcome(error=kind_of(error), detail=redacted(said_by(error), wanted))
    if outcome.expires_in is not None and outcome.expires_in <= 0:
        return Outcome(error="failed", detail="what came has expired already")
    for text in (outcome.token, outcome.access_key_id, outcome.session_token):
        if not text.isascii() or not text.isprintable():
            # It would stand in a header field.
            return Outcome(error="failed", detail="what came is no printable ASCII on one line")
    if not outcome.error and not outcome.token:
        return Outcome(error="failed", detail="what came is empty")
    return outcome


# --- Microsoft Entra


def entra_client_secret(wanted: Credential) -> Outcome:
    options: dict[str, Any] = {}
    if wanted.authority:
        options["authority"] = wanted.authority
        host = wanted.authority.removeprefix("https://").partition("/")[0]
        options["disable_instance_discovery"] = host not in PUBLIC_AUTHORITIES
    credential = import_module("azure.identity").ClientSecretCredential(
        wanted.tenant,
        wanted.client_id,
        wanted.secret,
        connection_timeout=HTTP_TIMEOUT_S,
        read_timeout=HTTP_TIMEOUT_S,
        retry_total=1,
        **options,
    )
    return azure_token(credential, wanted)


def managed_identity(wanted: Credential) -> Outcome:
    identity = import_module("azure.identity").ManagedIdentityCredential
    # Of itself it tries for longer than a fetch may last, and the reason would be lost.
    credential = identity(client_id=wanted.client_id or None, retry_total=2)
    return azure_token(credential, wanted)


def azure_token(credential: Any, wanted: Credential) -> Outcome:
    found = credential.get_token_info(wanted.scope or AZURE_SCOPE)
    now = time.time()
    refresh_on = getattr(found, "refresh_on", None)
    return Outcome(
        token=found.token,
        expires_in=found.expires_on - now,
        refresh_in=refresh_on - now if refresh_on is not None else None,
    )


# --- Google


def service_account(wanted: Credential) -> Outcome:
    account = import_module("google.oauth2.service_account").Credentials
    info = msgspec.json.decode(wanted.secret.encode())
    credentials = account.from_service_account_info(info, scopes=[wanted.scope or GOOGLE_SCOPE])
    return google_token(credentials)


def google_adc(wanted: Credential) -> Outcome:
    credentials, _ = import_module("google.auth").default(scopes=[wanted.scope or GOOGLE_SCOPE])
    return google_token(credentials)


def google_token(credentials: Any) -> Outcome:
    credentials.refresh(import_module("google.auth.transport.requests").Request())
    return Outcome(token=credentials.token, expires_in=seconds_until(credentials.expiry))


# --- AWS


def aws_chain(wanted: Credential) -> Outcome:
    return aws_frozen(aws_session(wanted).get_credentials())


def aws_assume_role(wanted: Credential) -> Outcome:
    config = import_module("botocore.config").Config(
        connect_timeout=HTTP_TIMEOUT_S, read_timeout=HTTP_TIMEOUT_S, retries={"total_max_attempts": 2}
    )
    given = {
        "aws_access_key_id": wanted.access_key_id or None,
        "aws_secret_access_key": wanted.secret or None,
        "aws_session_token": wanted.session_token or None,
    }
    sts = aws_session(wanted).create_client("sts", region_name=wanted.region or None, config=config, **given)
    asked = {"RoleArn": wanted.role_arn, "RoleSessionName": wanted.session_name or "microgate"}
    if wanted.external_id:
        asked["ExternalId"] = wanted.external_id
    found = sts.assume_role(**asked)["Credentials"]
    return Outcome(
        access_key_id=found["AccessKeyId"],
        token=found["SecretAccessKey"],
        session_token=found["SessionToken"],
        expires_in=found["Expiration"].timestamp() - time.time(),
    )


def aws_session(wanted: Credential) -> Any:
    return import_module("botocore.session").Session(profile=wanted.profile or None)


def aws_frozen(credentials: Any) -> Outcome:
    if credentials is None:
        return Outcome(
            error="refused", detail="neither environment, profile nor metadata service has credentials for AWS"
        )
    frozen = credentials.get_frozen_credentials()
    # Those of a metadata service, of a role or of a program have an end; what stands in a file or a variable has none.
    expiry = getattr(credentials, "_expiry_time", None)
    return Outcome(
        access_key_id=frozen.access_key,
        token=frozen.secret_key,
        session_token=frozen.token or "",
        expires_in=expiry.timestamp() - time.time() if expiry is not None else None,
    )


FETCHERS = {
    "entra_client_secret": entra_client_secret,
    "managed_identity": managed_identity,
    "service_account": service_account,
    "google_adc": google_adc,
    "aws_chain": aws_chain,
    "aws_assume_role": aws_assume_role,
}


def seconds_until(expiry: datetime | None) -> float | None:
    """google-auth's times are UTC and do not say so."""
    if expiry is None:
        return None
    return expiry.replace(tzinfo=UTC).timestamp() - time.time()


# --- what went wrong

REFUSED = ("ClientAuthenticationError", "RefreshError", "ClientError", "DefaultCredentialsError", "ProfileNotFound")
UNREACHABLE = (
    "ServiceRequestError", "ServiceResponseError", "TransportError", "EndpointConnectionError", "ConnectTimeoutError",
    "ReadTimeoutError", "ConnectionClosedError", "SSLError",
)  # fmt: skip
"""Names of the libraries' exceptions; importing all three to compare classes would cost more than the fetch."""
PASSING = re.compile(r"HTTP Error: (429|5\d\d)|AADSTS(90006|90012|90033|90055)\b")
"""What azure-identity says of Entra's own troubles: its exceptions carry no status. Codes: Microsoft's "Microsoft Entra
authentication and authorization error codes"."""
MOST_DETAIL = 300


def kind_of(error: BaseException) -> str:
    """``refused``, ``unreachable`` or ``failed``."""
    names = [cls.__name__ for cls in type(error).__mro__]
    # CredentialUnavailableError may be either, though it is a ClientAuthenticationError; an answer that says to try
    # again is no refusal.
    again = getattr(error, "retryable", False) or PASSING.search(str(error))
    if again or "CredentialUnavailableError" in names or type(error.__cause__).__name__ == "TransportError":
        return "failed"
    for name in names:
        if name in UNREACHABLE:
            return "unreachable"
        if name in REFUSED:
            return "refused"
    return "failed"


def said_by(error: BaseException) -> str:
    """The first line of what it says, behind its name."""
    text = str(error).strip()
    first = text.splitlines()[0] if text else ""
    return f"{type(error).__name__}: {first}"[:MOST_DETAIL]


def redacted(text: str, wanted: Credential) -> str:
    for secret in (wanted.secret, wanted.session_token):
        if secret:
            text = text.replace(secret, "[secret]")
    return text


def main() -> int:
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Wanted)
    # Whoever asked may be gone: nobody would end it then.
    die_with_parent(signal.SIGKILL)
    signal.alarm(asked.within_s + 1)
    sys.stdout.buffer.write(msgspec.json.encode(fetch(asked.credential)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
