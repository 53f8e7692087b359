"""``credential`` of a provider key: how vendors with their own ways of authentication are satisfied."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from gateway.config.problems import Path, Problem
from gateway.config.references import Secret, SecretDocument, Text
from gateway.credentials.extras import OF_TYPE, SIGNING, missing


class Typed(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="type"
):
    """Base of all: ``type`` says which."""


class EntraClientSecret(Typed, frozen=True, tag="entra_client_secret"):
    """Azure: an application of Microsoft Entra and its secret (extra `azure`)."""

    tenant: Annotated[Text, Meta(description="Directory (tenant) id, or its domain.")]
    client_id: Annotated[Text, Meta(description="Application (client) id.")]
    client_secret: Annotated[Secret, Meta(description="Usually env.NAME or file.PATH.")]
    scope: Annotated[
        Text | None,
        Meta(description="Default https://cognitiveservices.azure.com/.default; both rows take it."),
    ] = None
    authority: Annotated[
        Text | None, Meta(description="https address of Entra in another cloud; default the public cloud's.")
    ] = None


class ManagedIdentity(Typed, frozen=True, tag="managed_identity"):
    """Azure: the identity of the machine, container or pod that the gateway runs in (extra `azure`)."""

    client_id: Annotated[Text | None, Meta(description="Of a user-assigned identity; empty: the system's.")] = None
    scope: Annotated[
        Text | None,
        Meta(description="Default https://cognitiveservices.azure.com/.default; both rows take it."),
    ] = None


class ServiceAccount(Typed, frozen=True, tag="service_account"):
    """Google: a service account's key file (extra `vertex`)."""

    key: Annotated[SecretDocument, Meta(description="The JSON itself; usually file.PATH or env.NAME.")]
    scope: Annotated[Text | None, Meta(description="Default https://www.googleapis.com/auth/cloud-platform.")] = None


class GoogleAdc(Typed, frozen=True, tag="google_adc"):
    """Google: Application Default Credentials: environment, gcloud's file, metadata server (extra `vertex`)."""

    scope: Annotated[Text | None, Meta(description="Default https://www.googleapis.com/auth/cloud-platform.")] = None


class AwsKeys(Typed, frozen=True, tag="aws_keys"):
    """AWS: an access key pair, which signs each request (extra `bedrock`)."""

    access_key_id: Text
    secret_access_key: Secret
    session_token: Annotated[Secret | None, Meta(description="Of temporary pairs.")] = None
    region: Annotated[Text | None, Meta(description="Default: the one in the provider's address.")] = None


class AwsChain(Typed, frozen=True, tag="aws_chain"):
    """AWS: the usual chain: environment, profile, web identity, container, instance (extra `bedrock`)."""

    profile: Annotated[Text | None, Meta(description="Of ~/.aws/config.")] = None
    region: Annotated[Text | None, Meta(description="Default: the one in the provider's address.")] = None


class AwsAssumeRole(Typed, frozen=True, tag="aws_assume_role"):
    """AWS: a role, assumed with a key pair or with what the chain finds (extra `bedrock`)."""

    role_arn: Text
    external_id: Annotated[Text | None, Meta(description="If the role's trust policy asks for one.")] = None
    session_name: Annotated[Text | None, Meta(description="Default microgate.")] = None
    access_key_id: Annotated[Text | None, Meta(description="Of who assumes; without a pair the chain is asked.")] = None
    secret_access_key: Secret | None = None
    session_token: Annotated[Secret | None, Meta(description="Of temporary pairs.")] = None
    profile: Annotated[Text | None, Meta(description="Of ~/.aws/config.")] = None
    region: Annotated[Text | None, Meta(description="Default: the one in the provider's address.")] = None


CredentialEntry = EntraClientSecret | ManagedIdentity | ServiceAccount | GoogleAdc | AwsKeys | AwsChain | AwsAssumeRole

VENDORS_OF = {
    "azure": ("azure", "azure_deployments"),
    "vertex": ("vertex",),
    "bedrock": ("bedrock",),
}
"""Extra -> vendors that take its credentials; a ``custom`` one may take any."""

_REGION = re.compile(r"(?:^|\.)bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")
_ROLE = re.compile(r"arn:[a-z-]+:iam::\d{12}:role/[\w+=,.@/-]+")
_REGION_NAME = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-\d+")


def type_of(entry: CredentialEntry) -> str:
    """``type`` as the file has it."""
    return str(type(entry).__struct_config__.tag)


def region_in(base_url: str) -> str:
    """The AWS region that an address of Bedrock's names; empty when there is none in it."""
    found = _REGION.search(urlsplit(base_url).hostname or "")
    return found[1] if found else ""


def judge(entry: CredentialEntry, vendor: str, base_url: str, path: Path) -> Iterator[Problem]:
    """What is wrong with a credential of this vendor's, as far as can be told without asking anybody."""
    kind = type_of(entry)
    extra = OF_TYPE[kind]
    if vendor != "custom" and vendor not in VENDORS_OF[extra]:
        fitting = [name for name, of in OF_TYPE.items() if vendor in VENDORS_OF[of]]
        hint = f"for it there is: {', '.join(fitting)}" if fitting else "give the key a value"
        yield Problem((*path, "type"), f"{kind} is no credential of {vendor}", hint)
        return
    needed = missing(kind)
    if needed is not None:
        yield Problem(
            (*path, "type"),
            f"{kind} needs the package {needed.package}, which is not installed",
            f"pip install 'microgate[{needed.name}]'",
        )
    for field in entry.__struct_fields__:
        value = getattr(entry, field)
        if value is not None and not value:
            yield Problem((*path, field), "must not be empty")
        elif isinstance(value, Text) and not (value.isascii() and value.isprintable()):
            yield Problem((*path, field), "must be printable ASCII on one line")
    if isinstance(entry, EntraClientSecret) and entry.authority is not None:
        parts = urlsplit(entry.authority)
        if parts.scheme != "https" or not parts.hostname:
            yield Problem((*path, "authority"), "expected https://host")
    elif isinstance(entry, ServiceAccount):
        yield from _service_account(entry.key, (*path, "key"))
    elif isinstance(entry, AwsAssumeRole):
        if not _ROLE.fullmatch(entry.role_arn):
            yield Problem((*path, "role_arn"), "expected arn:aws:iam::ACCOUNT:role/NAME")
        if bool(entry.access_key_id) != bool(entry.secret_access_key):
            yield Problem(path, "access_key_id and secret_access_key are needed together")
        elif entry.access_key_id and entry.profile:
            yield Problem((*path, "profile"), "is not looked at beside a key pair")
    if kind in SIGNING:
        yield from _region(getattr(entry, "region", None), base_url, path)


def _region(given: str | None, base_url: str, path: Path) -> Iterator[Problem]:
    if given is None and base_url and not region_in(base_url):
        yield Problem(path, "region is missing: the provider's address names none", "e.g. region: us-east-1")
    elif given and not _REGION_NAME.fullmatch(given):
        yield Problem((*path, "region"), "expected a region such as us-east-1")


def _service_account(key: Secret, path: Path) -> Iterator[Problem]:
    """Never says what is in it."""
    try:
        info = msgspec.json.decode(key.reveal())
    except msgspec.DecodeError:
        yield Problem(path, "is not JSON", "e.g. key: file.service-account.json")
        return
    if not isinstance(info, dict):
        yield Problem(path, "is no JSON object")
        return
    if info.get("type") != "service_account":
        yield Problem(
            path,
            "is no service account's key",
            "other files of Google's go into GOOGLE_APPLICATION_CREDENTIALS, with type google_adc",
        )
        return
    lacking = [name for name in ("client_email", "private_key", "token_uri") if not isinstance(info.get(name), str)]
    if lacking:
        yield Problem(path, f"has no {', '.join(lacking)}")
