"""``credential`` and ``address`` sections: what is wrong with them, told by line, without asking anybody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.config.loader import loads
from gateway.config.problems import ConfigError
from gateway.snapshot.model import Credential, Provider
from gateway.snapshot.plan import plan
from tests.config.test_validate import said

ENTRA = "type: entra_client_secret, tenant: t, client_id: c, client_secret: secret-canary"
PAIR = "type: aws_keys, access_key_id: AKID, secret_access_key: secret-canary"
ROLE = "type: aws_assume_role, role_arn: 'arn:aws:iam::123456789012:role/path/r'"
ACCOUNT = {
    "type": "service_account",
    "client_email": "a@b",
    "private_key": "secret-canary\nof two lines",
    "token_uri": "https://oauth2.googleapis.com/token",
}


def azure(credential: str) -> str:
    key = f"{{name: k, credential: {credential}}}"
    return f"providers:\n  azure:\n    address: {{resource: r}}\n    keys:\n      - {key}\n"


def bedrock(credential: str, base_url: str = "https://bedrock-runtime.eu-west-1.amazonaws.com") -> str:
    key = f"{{name: k, credential: {credential}}}"
    return f"providers:\n  bedrock:\n    dialect: bedrock\n    base_url: {base_url}\n    keys:\n      - {key}\n"


def vertex(credential: str, address: str = "{project: p, location: l}", more: str = "") -> str:
    key = f"{{name: k, credential: {credential}}}"
    return f"providers:\n  vertex:\n    address: {address}\n    {more}\n    keys:\n      - {key}\n"


def account(**changed: object) -> str:
    text = json.dumps({**ACCOUNT, **changed})
    return f"{{type: service_account, key: {json.dumps(text)}}}"


def made(text: str, environ: dict[str, str] | None = None, source: str = "f.yaml") -> Provider:
    (provider,) = plan(loads(text, source, environ or {}).config, b"p" * 32).providers.values()
    return provider


def credential(text: str, environ: dict[str, str] | None = None) -> Credential:
    (key,) = made(text, environ).keys
    assert key.value == ""
    assert key.credential is not None
    return key.credential


TYPES = "entra_client_secret, managed_identity, service_account, google_adc, aws_keys, aws_chain, aws_assume_role"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            azure("{type: managed_identty}"),
            f"f.yaml:5:32: providers.azure.keys[0].credential.type: must be one of {TYPES}",
        ),
        (azure("{type: managed_identty}"), "did you mean managed_identity?"),
        (azure("{type: 7}"), f"credential.type: must be one of {TYPES}"),
        (
            azure("{tenant: t}"),
            f"f.yaml:5:19: providers.azure.keys[0].credential: type is missing; it is one of {TYPES}",
        ),
        (azure("yes"), "credential: expected a mapping, got text"),
        (azure(f"{{{ENTRA}, tenent: x}}"), "credential.tenent: unknown field; did you mean tenant?"),
        (azure("{type: entra_client_secret, tenant: t, client_id: c}"), "credential: client_secret is missing"),
        (azure(f"{{{ENTRA}, authority: 'http://h'}}"), "credential.authority: expected https://host"),
        (azure(f"{{{ENTRA}, scope: ''}}"), "credential.scope: must not be empty"),
        (
            azure("{type: managed_identity, client_id: 'a\\tb'}").replace("'", '"'),
            "must be printable ASCII on one line",
        ),
        (
            azure(f"{{{PAIR}}}"),
            "aws_keys is no credential of azure; for it there is: entra_client_secret, managed_identity",
        ),
        (
            "providers: {groq: {keys: [{name: k, credential: {type: google_adc}}]}}",
            "google_adc is no credential of groq; give the key a value",
        ),
        (
            azure("{type: managed_identity}, value: v"),
            "keys[0].credential: is not looked at beside a value; leave one of the two out",
        ),
        (bedrock(f"{{{PAIR}}}", "https://h.example"), "region is missing: the provider's address names none"),
        (bedrock(f"{{{PAIR}, region: europe}}"), "credential.region: expected a region such as us-east-1"),
        (bedrock("{type: aws_assume_role, role_arn: r}"), "role_arn: expected arn:aws:iam::ACCOUNT:role/NAME"),
        (bedrock(f"{{{ROLE}, access_key_id: a}}"), "access_key_id and secret_access_key are needed together"),
        (
            bedrock(f"{{{ROLE}, access_key_id: a, secret_access_key: b, profile: p}}"),
            "profile: is not looked at beside a key pair",
        ),
        (vertex("{type: service_account, key: text-canary}"), "credential.key: is not JSON; e.g. key: file.service-"),
        (vertex("{type: service_account, key: '[]'}"), "credential.key: is no JSON object"),
        (vertex(account(type="authorized_user")), "is no service account's key; other files of Google's go into"),
        (vertex(account(private_key=None, token_uri=3)), "credential.key: has no private_key, token_uri"),
        (vertex("{type: service_account, key: env.NOPE}"), "the environment variable NOPE is not set"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    lines = said(text)
    assert len(lines) == 1, lines
    assert message in lines[0]
    assert ": warning: " not in lines[0]
    assert "canary" not in lines[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("azure: {keys: [{name: k, value: v}]}", "needs one with its resource; e.g. https://{resource}.openai"),
        ("azure: {keys: [{name: k, value: v}]}", "or address: {resource: ...}"),
        (
            "vertex: {address: {project: p}, keys: [{name: k, value: v}]}",
            "vertex needs one with its location; e.g. https://{location}-aiplatform",
        ),
        (
            "azure: {address: {resource: a, resuorce: r}, keys: [{name: k, value: v}]}",
            "f.yaml:1:44: providers.azure.address.resuorce: is no part of the address https://{resource}.openai.azure.",
        ),
        (
            "azure: {address: {resource: a, resuorce: r}, keys: [{name: k, value: v}]}",
            "/openai/v1; did you mean resource?",
        ),
        (
            "groq: {address: {x: y}, keys: [{name: k, value: v}]}",
            "address.x: is no part of the address https://api.groq",
        ),
        ("groq: {address: {x: y}, keys: [{name: k, value: v}]}", "it has nothing to fill in"),
        (
            "azure: {base_url: 'https://h', address: {resource: r}, keys: [{name: k, value: v}]}",
            "address.resource: is not looked at beside a base_url; leave one of the two out",
        ),
        (
            "azure: {address: {resource: 'evil.example/#'}, keys: [{name: k, value: v}]}",
            "address.resource: must be a word of letters, digits, dots, colons and hyphens",
        ),
    ],
)
def test_mistakes_in_addresses(text: str, message: str) -> None:
    lines = said(f"providers: {{{text}}}")
    assert len(lines) == 1, lines
    assert message in lines[0]


@pytest.mark.parametrize(
    ("text", "extra", "package"),
    [
        (azure(f"{{{ENTRA}}}"), "azure", "azure-identity"),
        (azure("{type: managed_identity}"), "azure", "azure-identity"),
        (vertex(account()), "vertex", "google-auth"),
        (vertex("{type: google_adc}"), "vertex", "google-auth"),
        (bedrock(f"{{{PAIR}}}"), "bedrock", "botocore"),
        (bedrock("{type: aws_chain}"), "bedrock", "botocore"),
    ],
)
def test_a_missing_package_is_told_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, text: str, extra: str, package: str
) -> None:
    def absent(name: str) -> None:
        if "." in name:
            raise ModuleNotFoundError(name)

    monkeypatch.setattr("gateway.credentials.extras.find_spec", absent)
    [line] = said(text)
    assert f"needs the package {package}, which is not installed; pip install 'microgate[{extra}]'" in line
    # What is switched off needs nothing.
    [line] = said(text.replace("name: k,", "name: k, enabled: false,"))
    assert "every key is switched off" in line


def test_what_becomes_of_each_type() -> None:
    assert credential(azure(f"{{{ENTRA}, scope: s, authority: 'https://h'}}")) == Credential(
        type="entra_client_secret", tenant="t", client_id="c", secret="secret-canary", scope="s", authority="https://h"
    )
    assert credential(azure("{type: managed_identity, client_id: c}")) == Credential(
        type="managed_identity", client_id="c"
    )
    assert credential(vertex("{type: google_adc}")) == Credential(type="google_adc")
    assert json.loads(credential(vertex(account())).secret) == ACCOUNT
    assert credential(bedrock(f"{{{PAIR}, session_token: s}}")) == Credential(
        type="aws_keys", access_key_id="AKID", secret="secret-canary", session_token="s", region="eu-west-1"
    )
    assert credential(bedrock("{type: aws_chain, profile: p, region: us-east-2}")) == Credential(
        type="aws_chain", profile="p", region="us-east-2"
    )
    assert credential(bedrock(f"{{{ROLE}, external_id: e, session_name: n}}")) == Credential(
        type="aws_assume_role",
        role_arn="arn:aws:iam::123456789012:role/path/r",
        external_id="e",
        session_name="n",
        region="eu-west-1",
    )


@pytest.mark.parametrize(
    ("base_url", "region"),
    [
        ("https://bedrock-runtime.us-east-1.amazonaws.com", "us-east-1"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com/openai/v1", "us-gov-west-1"),
        ("https://vpce-1-x.bedrock-runtime.eu-central-1.vpce.amazonaws.com", "eu-central-1"),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
    ],
)
def test_the_region_stands_in_the_address(base_url: str, region: str) -> None:
    assert credential(bedrock("{type: aws_chain}", base_url)).region == region


def test_a_key_file_of_several_lines(tmp_path: Path) -> None:
    (tmp_path / "account.json").write_text(json.dumps(ACCOUNT, indent=2) + "\n")
    text = vertex("{type: service_account, key: file.account.json}")
    provider = made(text, source=str(tmp_path / "f.yaml"))
    assert provider.keys[0].credential is not None
    assert json.loads(provider.keys[0].credential.secret) == ACCOUNT
    config = loads(text, str(tmp_path / "f.yaml"), {}).config
    assert "canary" not in repr(config)


def test_other_secrets_stay_on_one_line() -> None:
    with pytest.raises(ConfigError, match="a credential must be printable ASCII on one line"):
        loads(azure(f"{{{ENTRA}}}").replace("secret-canary", "env.X"), "f.yaml", {"X": "a\nb"})


VERTEX = "aiplatform.googleapis.com/v1/projects/p/locations"


@pytest.mark.parametrize(
    ("dialect", "location", "base_url", "path"),
    [
        ("gemini", "us-central1", f"https://us-central1-{VERTEX}/us-central1", "/publishers/google/models/{model}:gen"),
        ("anthropic", "global", f"https://{VERTEX}/global", "/publishers/anthropic/models/{model}:rawPredict"),
        ("gemini", "eu", "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu", "/publishers/google/"),
        ("openai_chat", "global", f"https://{VERTEX}/global/endpoints/openapi", "/chat/completions"),
    ],
)
def test_addresses_of_vertex(dialect: str, location: str, base_url: str, path: str) -> None:
    text = vertex("{type: google_adc}", f"{{project: p, location: {location}}}", f"dialect: {dialect}")
    provider = made(text)
    assert (provider.vendor, provider.base_url) == ("vertex", base_url)
    assert provider.paths["chat"].startswith(path)
    assert (provider.auth_header, provider.auth_scheme) == ("authorization", "Bearer")
    assert provider.dialects["chat"] == dialect


@pytest.mark.parametrize(
    ("text", "base_url"),
    [
        ("bedrock: {dialect: bedrock, address: {region: us-east-1}", "https://bedrock-runtime.us-east-1.amazonaws.com"),
        ("bedrock: {address: {region: us-east-1}", "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1"),
        ("a: {vendor: azure, address: {resource: env.R}", "https://mine.openai.azure.com/openai/v1"),
        ("cloudflare: {address: {account: '12'}", "https://api.cloudflare.com/client/v4/accounts/12/ai/v1"),
    ],
)
def test_addresses_of_others(text: str, base_url: str) -> None:
    assert made(f"providers: {{{text}, keys: [{{name: k, value: v}}]}}}}", {"R": "mine"}).base_url == base_url
