"""An issuer on loopback, and an environment without anybody's credentials."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.credentials.issuers import Issuer, nothing_of_the_machine, served, served_with_tls
from tests.live.upstreams import Upstream
from tests.upstream.servers import Authority

FOREIGN = ("AWS_", "AZURE_", "GOOGLE_", "GCE_", "IDENTITY_", "MSI_", "IMDS_")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    import os

    for name in list(os.environ):
        if name.startswith(FOREIGN):
            monkeypatch.delenv(name)
    for name, value in nothing_of_the_machine(tmp_path).items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def issuing(issuer: Issuer) -> Iterator[Upstream]:
    with served(issuer) as server:
        yield server
        issuer.gate.set()


@pytest.fixture
def entra(issuer: Issuer, environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Upstream]:
    """``issuer`` as Entra: over TLS, trusted by whatever library asks it."""
    authority = Authority(tmp_path)
    environment.setenv("REQUESTS_CA_BUNDLE", authority.ca_file)
    with served_with_tls(issuer, authority) as server:
        yield server
        issuer.gate.set()
