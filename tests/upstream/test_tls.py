"""A provider that cannot prove who it is gets no byte of a request."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway import runtime, supervisor
from gateway.processes.context import ServeOptions
from gateway.snapshot.model import Tls
from gateway.upstream.dial import Dialer, DialError
from gateway.upstream.dns import Resolver
from gateway.upstream.origin import Origin
from gateway.upstream.tls import TlsContexts, make_context, remember_session
from tests.upstream.servers import Authority, Client, TlsServer

Run = Callable[[Callable[[], Any]], Any]
Serve = Callable[..., TlsServer]
REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer sk-canary\r\n\r\n"


def origin_of(server: TlsServer, tls: Tls, name: str = "api.test") -> Origin:
    return Origin("p", "https", name, server.port, "/v1", tls.server_name or name, tls)


async def send(origin: Origin, contexts: TlsContexts | None = None, *, remember: bool = False) -> bytes:
    loop = asyncio.get_running_loop()
    dialer = Dialer(loop, contexts, Resolver(loop, lambda host: ["127.0.0.1"]), lambda ip, allow_private: None)
    client = Client()
    transport = await dialer.dial(origin, lambda: client)
    assert transport.get_extra_info("ssl_object").selected_alpn_protocol() in (None, "http/1.1")
    transport.write(REQUEST)
    await client.arrived.wait()
    if remember:
        remember_session(transport, origin.server_name)
    transport.close()
    await client.lost.wait()
    return client.received


def test_a_good_certificate_is_accepted_and_sni_is_sent(run: Run, authority: Authority, tls_server: Serve) -> None:
    server = tls_server(authority.issue("api.test"))
    answer = run(lambda: send(origin_of(server, Tls(ca_file=authority.ca_file))))
    assert answer.startswith(b"HTTP/1.1 200")
    assert [v.server_name for v in server.visits] == ["api.test"]


WEAK_BITS = 1024
BAD: dict[str, Callable[[Authority, Path], tuple[tuple[str, str], str]]] = {
    "expired": lambda a, tmp: (a.issue("api.test", days=-1), a.ca_file),
    "wrong-host": lambda a, tmp: (a.issue("other.test"), a.ca_file),
    "self-signed": lambda a, tmp: (a.issue("api.test", self_signed=True), a.ca_file),
    "other-authority": lambda a, tmp: (Authority(tmp, "another").issue("api.test"), a.ca_file),
    "system-store-does-not-know-it": lambda a, tmp: (a.issue("api.test"), ""),
    "weak-key": lambda a, tmp: (a.issue("api.test", key=rsa.generate_private_key(65537, WEAK_BITS)), a.ca_file),
    "client-certificate-as-server": lambda a, tmp: (a.issue("api.test", client=True), a.ca_file),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_certificate_is_refused(
    run: Run, authority: Authority, tls_server: Serve, tmp_path: Path, case: str
) -> None:
    certificate, ca_file = BAD[case](authority, tmp_path)
    server = tls_server(certificate)
    with pytest.raises(DialError) as caught:
        run(lambda: send(origin_of(server, Tls(ca_file=ca_file))))
    server.close()
    assert caught.value.kind == "tls"
    assert [v.received for v in server.visits] == [b""]


def test_old_protocol_versions_are_refused(run: Run, authority: Authority, tls_server: Serve) -> None:
    server = tls_server(authority.issue("api.test"), tls11=True)
    with pytest.raises(DialError) as caught:
        run(lambda: send(origin_of(server, Tls(ca_file=authority.ca_file))))
    server.close()
    assert caught.value.kind == "tls"
    assert [v.received for v in server.visits] == [b""]


def test_the_configured_name_replaces_the_host(run: Run, authority: Authority, tls_server: Serve) -> None:
    server = tls_server(authority.issue("inner.test"))
    tls = Tls(ca_file=authority.ca_file, server_name="inner.test")
    assert run(lambda: send(origin_of(server, tls))).startswith(b"HTTP/1.1 200")
    assert server.visits[0].server_name == "inner.test"


def test_an_address_is_verified_by_its_own_entry(run: Run, authority: Authority, tls_server: Serve) -> None:
    good, bad = tls_server(authority.issue("127.0.0.1")), tls_server(authority.issue("api.test"))
    tls = Tls(ca_file=authority.ca_file)
    assert run(lambda: send(origin_of(good, tls, "127.0.0.1"))).startswith(b"HTTP/1.1 200")
    with pytest.raises(DialError, match="tls"):
        run(lambda: send(origin_of(bad, tls, "127.0.0.1")))


def test_a_client_certificate_is_shown_when_configured(run: Run, authority: Authority, tls_server: Serve) -> None:
    server = tls_server(authority.issue("api.test"), client_ca=authority.ca_file)
    certificate, key = authority.issue("gateway.test", client=True)
    tls = Tls(ca_file=authority.ca_file, client_cert=certificate, client_key=key)
    assert run(lambda: send(origin_of(server, tls))).startswith(b"HTTP/1.1 200")
    assert server.visits[0].client_certificate


def test_the_session_is_resumed_once_remembered(run: Run, authority: Authority, tls_server: Serve) -> None:
    server = tls_server(authority.issue("api.test"))
    contexts = TlsContexts()
    origin = origin_of(server, Tls(ca_file=authority.ca_file))

    async def main() -> None:
        for remember in (True, True, False):
            await send(origin, contexts, remember=remember)
        await send(origin, TlsContexts())

    run(main)
    server.close()
    assert [v.resumed for v in server.visits] == [False, True, True, False]


def test_contexts_are_shared_by_trust_set_and_verify(authority: Authority) -> None:
    contexts = TlsContexts()
    private = Tls(ca_file=authority.ca_file)
    contexts.prepare([Tls(), private])
    assert contexts.get(Tls(server_name="x")) is contexts.get(Tls())
    assert contexts.get(private) is not contexts.get(Tls())
    for context in (contexts.get(Tls()), contexts.get(private)):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_missing_or_wrong_trust_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        make_context(Tls(ca_file=str(tmp_path / "absent.pem")))
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate")
    with pytest.raises(ssl.SSLError):
        make_context(Tls(ca_file=str(empty)))


def test_the_systems_trust_is_read_before_forking() -> None:
    supervisor.preload(ServeOptions(loop="asyncio"))
    try:
        assert runtime.CONTEXTS.made(Tls()) is runtime.CONTEXTS.get(Tls())
    finally:
        gc.enable()


def test_contexts_asked_for_at_once_are_one(authority: Authority) -> None:
    """Connections dialled together need one context between them: sessions are remembered in it."""
    contexts = TlsContexts()
    tls = Tls(ca_file=authority.ca_file)
    with ThreadPoolExecutor(8) as pool:
        made = set(map(id, pool.map(contexts.get, [tls] * 32)))
    assert made == {id(contexts.made(tls))}
