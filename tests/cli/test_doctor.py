"""``microgate doctor``: each finding, and the exit status."""

from __future__ import annotations

import io
import re
import socket
from pathlib import Path

import pytest

import _speedups
from gateway.cli import doctor


def findings(tmp_path: Path, port: int = 0) -> dict[str, doctor.Finding]:
    return {finding.what: finding for finding in doctor.examine(str(tmp_path / "data"), "127.0.0.1", port)}


def test_says_what_runs_and_why(tmp_path: Path) -> None:
    found = findings(tmp_path)
    assert found["implementation"].detail == f"{_speedups.IMPLEMENTATION}: {_speedups.WHY}"
    assert found["packages"].grade == "ok"
    assert found["data directory"].detail.startswith(f"{tmp_path / 'data'} (will be created)")
    assert "connections a worker" in found["open files"].detail
    assert not (tmp_path / "data").exists()


def test_a_taken_port_is_bad(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert findings(tmp_path, port)["port"].grade == "bad"
        out = io.StringIO()
        assert doctor.report(out, str(tmp_path), "127.0.0.1", port) == 1
        assert f"bad   port             cannot listen on 127.0.0.1:{port}" in out.getvalue()


def test_a_data_directory_below_a_file_is_bad(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert findings(tmp_path)["data directory"].grade == "bad"


def test_missing_shared_memory_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "SHARED_MEMORY", str(tmp_path / "absent"))
    assert findings(tmp_path)["shared memory"].grade == "warn"


def test_packages_from_two_places_are_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "places", lambda: ["/a", "/b"])
    assert findings(tmp_path)["packages"] == doctor.Finding(
        "bad", "packages", "gateway, _speedups and providers come from different places: ['/a', '/b']"
    )


def test_no_bad_finding_is_status_0(tmp_path: Path) -> None:
    assert doctor.report(io.StringIO(), str(tmp_path), "127.0.0.1", 0) == 0


def test_missing_authorities_are_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert findings(tmp_path)["trust"].detail.startswith("OpenSSL")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert findings(tmp_path)["trust"].grade == "warn"


def test_says_which_vendors_credentials_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = findings(tmp_path)["credentials"]
    assert found.grade == "ok"
    assert re.fullmatch(
        r"azure: azure-identity \d\S*; vertex: google-auth \d\S*; bedrock: botocore \d\S*", found.detail
    )
    monkeypatch.setattr("gateway.credentials.extras.find_spec", lambda name: None if name == "botocore" else name)
    assert findings(tmp_path)["credentials"].detail.endswith("; bedrock: no (pip install 'microgate[bedrock]')")
