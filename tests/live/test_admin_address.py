"""Administration and metrics at an address of their own, and log lines as the configuration wants them."""

from __future__ import annotations

import json
import ssl
import urllib.request
from pathlib import Path

import pytest

from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import Upstream
from tests.live.wire import KEY, Answer, ask, request
from tests.ports import free_port
from tests.upstream.servers import Authority
from tests.waiting import wait_for


def get(port: int, path: str, key: str = "", **fields: str) -> Answer:
    """Status 0 while nobody listens, or whoever did is just leaving."""
    try:
        return ask(port, request("GET", path, None, key, fields=[(k.replace("_", "-"), v) for k, v in fields.items()]))
    except (OSError, AssertionError):
        return Answer(0, [])


def operator(gateway: Gateway) -> str:
    return (gateway.data_dir / "admin.token").read_text().strip()


def test_administration_has_its_own_address_and_only_that(upstream: Upstream, start_gateway: Start) -> None:
    port, another = free_port(), free_port()
    settings = {"admin": {"listen": f"127.0.0.1:{port}"}, "metrics": {"token": "scraper-0123456789"}}
    gateway = start_gateway(configuration(upstream.url, **settings))
    token = operator(gateway)
    wait_for(lambda: get(port, "/metrics").status, "the admin address")
    for path in ("/api/health", "/api/config", "/"):
        for key in ("", KEY, "scraper-0123456789"):
            answer = get(port, path, key)
            assert answer.status == 401, (path, key)
            assert json.loads(answer.body)["error"]["code"] == "authentication_error"
    # A browser that opens the bare address is led to the interface: here, and no longer at the server's port.
    browsers = {"Accept": "text/html,application/xhtml+xml"}
    assert get(port, "/", **browsers).header("location") == "/ui/"
    assert [get(port, "/", key, **browsers).status for key in ("", KEY, token)] == [303, 401, 404]
    assert get(gateway.port, "/", **browsers).body == b'{"status":"alive"}'
    seen = [get(port, path, token) for path in ("/api/health", "/api/config", "/docs", "/nothing")]
    assert [answer.status for answer in seen] == [200, 200, 200, 404]
    # The page in which one logs in is anybody's, whether or not it is built.
    assert get(port, "/ui/login").status in (200, 501)
    assert get(port, "/docs/").status == 200
    # Local callers and the scraper's token, as at the server's port; nobody whom a proxy brings.
    forwarded = {"X_Forwarded_For": "127.0.0.1"}
    assert [get(port, "/metrics", key, **more).status for key, more in (
        ("", {}), ("wrong-wrong-wrong", {}), ("", forwarded), (token, forwarded), ("scraper-0123456789", forwarded)
    )] == [200, 200, 401, 401, 200]  # fmt: skip
    for path in ("/api/health", "/metrics", "/ui", "/docs"):
        statuses = [ask(gateway.port, request("GET", path, None, key)).status for key in ("", "wrong", KEY, token)]
        assert statuses == [401, 401, 404, 401], path
    assert gateway.get("/livez").status == 200
    # Health is anybody's at both, in the same words.
    assert get(port, "/livez").body == gateway.get("/livez").body
    ready = [json.loads(answer.body) for answer in (get(port, "/readyz"), gateway.get("/readyz"))]
    assert [row["status"] for row in ready] == ["ready", "ready"]
    assert ready[0]["snapshot"] == ready[1]["snapshot"]
    assert ask(port, request("POST", "/livez", b"{}", "")).status == 401
    # Another address takes over while serving, and without one the server's port has it all again.
    gateway.configure(configuration(upstream.url, **settings | {"admin": {"listen": f"127.0.0.1:{another}"}}))
    wait_for(lambda: get(another, "/metrics").status and not get(port, "/metrics").status, "the other address")
    gateway.configure(configuration(upstream.url))
    wait_for(lambda: not get(another, "/metrics").status, "the address given back")
    wait_for(lambda: gateway.get("/metrics").status == 200, "the server's port")


def test_an_address_that_is_taken_is_a_complaint_and_no_more(upstream: Upstream, start_gateway: Start) -> None:
    with Upstream() as squatter:
        gateway = start_gateway(configuration(upstream.url, admin={"listen": f"127.0.0.1:{squatter.port}"}))
        reason = "administration cannot listen on its address"
        wait_for(lambda: reason in gateway.get("/readyz").body.decode(), "the complaint")
        assert gateway.get("/readyz").status == 200
        assert ask(gateway.port).status == 200
    wait_for(lambda: get(squatter.port, "/metrics").status, "the address, once it is free")
    wait_for(lambda: reason not in gateway.get("/readyz").body.decode(), "the end of the complaint")


def test_the_admin_address_speaks_the_servers_tls(upstream: Upstream, start_gateway: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue("127.0.0.1")
    port = free_port()
    config = configuration(upstream.url, admin={"listen": f"127.0.0.1:{port}"})
    config["server"]["tls"] = {"cert": cert, "key": key}
    context = ssl.create_default_context(cafile=authority.ca_file)
    gateway = Gateway(tmp_path, config)
    with pytest.MonkeyPatch.context() as patch:
        # Readiness is asked for in clear text otherwise.
        patch.setattr("tests.live.instance.ask", lambda *args, **options: Answer(200, []))
        gateway.start()
    try:

        def metrics() -> int:
            try:
                with urllib.request.urlopen(f"https://127.0.0.1:{port}/metrics", context=context) as answer:
                    return int(answer.status)
            except OSError:
                return 0

        wait_for(lambda: metrics() == 200, "the admin address")
    finally:
        gateway.stop()


@pytest.mark.parametrize(("options", "style"), [((), "json"), (("--log-level", "error"), "")])
def test_log_lines_are_as_configured_unless_told_otherwise(
    options: tuple[str, ...], style: str, upstream: Upstream, start_gateway: Start
) -> None:
    config = configuration(upstream.url, log={"level": "debug", "format": "json"})
    gateway = start_gateway(config, more=options)
    gateway.wait_for_control()
    gateway.configure(config | {"routes": {}})
    wait_for(lambda: get(gateway.port, "/v1/models", KEY).body.count(b'"id"') == 0, "the new configuration")
    gateway.stop()
    lines = [line for line in gateway.stderr().splitlines() if line.startswith("{")]
    rows = [json.loads(line) for line in lines]
    if not style:
        assert rows == []
        return
    said = {(row["process"], row["level"]) for row in rows}
    assert {("supervisor", "debug"), ("control", "debug"), ("control", "info"), ("worker-0", "debug")} <= said
    assert "Z" in rows[0]["time"]
