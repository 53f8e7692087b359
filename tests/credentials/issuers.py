"""Issuers of credentials on loopback: Entra, Azure's and Google's metadata services, Google's token endpoint, AWS."""

from __future__ import annotations

import datetime as dt
import json
import ssl
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.live.upstreams import Received, Step, Upstream, http
from tests.upstream.servers import Authority
from tests.waiting import PATIENCE_S

LIFE_S = 3600
TENANT = "11111111-2222-3333-4444-555555555555"
TOKEN = "issued-token-canary-"
"""Every token begins so, and no log may hold it."""


class Issuer:
    """Answers as every issuer there is; counts what it gave out. ``life_s`` and ``broken`` change what comes next."""

    def __init__(self, life_s: float = LIFE_S) -> None:
        self.life_s = life_s
        self.broken: list[Step] | None = None
        """What is answered instead."""
        self.gate = threading.Event()
        self.gate.set()
        """While it is clear, nothing is answered."""
        self.given = 0
        self.asked: list[Received] = []

    @property
    def token(self) -> str:
        """The newest one."""
        return f"{TOKEN}{self.given}"

    def __call__(self, request: Received) -> list[Step]:
        self.asked.append(request)
        return [self.held, *self.answer(request)]

    def held(self) -> bytes:
        self.gate.wait(PATIENCE_S)
        return b""

    def answer(self, request: Received) -> list[Step]:
        path = request.target.partition("?")[0]
        if path.endswith("/.well-known/openid-configuration"):
            return [http(json.dumps(self.openid(request)))]
        if path == "/" and request.method == "GET":
            return [http("computeMetadata/", content_type="application/text", fields=["Metadata-Flavor: Google"])]
        if self.broken is not None:
            return self.broken
        self.given += 1
        if path.startswith("/metadata/identity"):
            return [http(json.dumps(self.imds()))]
        if path.startswith("/computeMetadata"):
            return self.google_metadata(path)
        if "Action=AssumeRole" in request.body.decode("latin-1"):
            return [http(self.role(), content_type="text/xml")]
        if path == "/aws":
            return [http(json.dumps(self.pair()))]
        answer = {"access_token": self.token, "expires_in": int(self.life_s), "token_type": "Bearer"}
        return [http(json.dumps(answer))]

    def imds(self) -> dict[str, str]:
        now = int(dt.datetime.now(dt.UTC).timestamp())
        return {
            "access_token": self.token,
            "expires_in": str(int(self.life_s)),
            "expires_on": str(int(now + self.life_s)),
            "not_before": str(now),
            "resource": "https://cognitiveservices.azure.com",
            "token_type": "Bearer",
        }

    def openid(self, request: Received) -> dict[str, Any]:
        base = f"https://{request.header('host')}/{TENANT}"
        return {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "issuer": f"{base}/v2.0",
        }

    def google_metadata(self, path: str) -> list[Step]:
        flavor = ["Metadata-Flavor: Google"]
        if path.endswith("/token"):
            answer: Any = {"access_token": self.token, "expires_in": int(self.life_s), "token_type": "Bearer"}
            return [http(json.dumps(answer), fields=flavor)]
        self.given -= 1
        if path.endswith("/project-id"):
            return [http("a-project", content_type="text/plain", fields=flavor)]
        account = {"email": "a@b.example", "scopes": ["x"], "aliases": ["default"]}
        return [http(json.dumps(account), fields=flavor)]

    def pair(self) -> dict[str, str]:
        ends = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.life_s)
        return {
            "AccessKeyId": f"AKIDISSUED{self.given}",
            "SecretAccessKey": f"{self.token}/secret",
            "Token": f"{self.token}/session",
            "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def role(self) -> str:
        pair = self.pair()
        return (
            '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
            f"<AccessKeyId>{pair['AccessKeyId']}</AccessKeyId><SecretAccessKey>{pair['SecretAccessKey']}"
            f"</SecretAccessKey><SessionToken>{pair['Token']}</SessionToken><Expiration>{pair['Expiration']}"
            "</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        )

    def tokens_asked(self) -> list[dict[str, list[str]]]:
        """Forms of the requests for a token."""
        return [parse_qs(r.body.decode()) for r in self.asked if r.target.partition("?")[0].endswith("/token")]


def served(issuer: Issuer) -> Upstream:
    """``issuer`` on loopback in clear text."""
    return Upstream(issuer)


def served_with_tls(issuer: Issuer, authority: Authority) -> Upstream:
    """The same for Entra, which is only ever asked over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("127.0.0.1"))
    return Upstream(issuer, tls=context)


def account_key(token_uri: str) -> str:
    """A service account's key file, as JSON."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    info = {
        "type": "service_account",
        "project_id": "a-project",
        "private_key_id": "1",
        "private_key": pem,
        "client_email": "gateway@a-project.iam.gserviceaccount.com",
        "token_uri": token_uri,
    }
    return json.dumps(info, indent=2)


def nothing_of_the_machine(home: Path) -> dict[str, str]:
    """Environment in which no library finds credentials of whoever runs the tests, nor asks a real address."""
    return {
        "HOME": str(home),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(home / "aws-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "aws-credentials"),
        "AWS_DEFAULT_REGION": "us-east-1",
        "CLOUDSDK_CONFIG": str(home / "gcloud"),
        "NO_PROXY": "127.0.0.1",
    }
