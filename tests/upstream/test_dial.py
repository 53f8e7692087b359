"""Every way a connection can fail to come about has its own kind, and nothing is connected to that may not be."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.config.addresses import is_forbidden
from gateway.snapshot.model import Provider, Timeouts, Tls
from gateway.upstream import dial as dial_module
from gateway.upstream.dial import Dialer, DialError, dial, dialer_of
from gateway.upstream.dns import Resolver
from gateway.upstream.origin import Origin
from gateway.upstream.proxy import Proxy
from gateway.upstream.tls import TlsContexts
from tests.ports import free_port
from tests.upstream.servers import Authority, Client, TlsServer, exchange

Run = Callable[[Callable[[], Any]], Any]
Serve = Callable[..., TlsServer]


class Listener:
    """A plain TCP server (or unix socket) that answers the first bytes with ``answer`` and keeps what it received."""

    def __init__(self, answer: bytes = b"pong", path: str = "") -> None:
        self.answer = answer
        self.received: list[bytes] = []
        if path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(path)
            self.socket.listen()
        else:
            self.socket = socket.create_server(("127.0.0.1", 0))
            self.port: int = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    data = connection.recv(65536)
                    self.received.append(data)
                    if data:
                        self.handle(connection, data)
                except OSError:
                    pass

    def handle(self, connection: socket.socket, data: bytes) -> None:
        connection.sendall(self.answer)

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


class TunnelProxy(Listener):
    """A CONNECT proxy: every tunnel leads to ``target`` whatever was asked for."""

    def __init__(self, target: int, reply: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> None:
        self.target = target
        super().__init__(reply)

    def handle(self, connection: socket.socket, data: bytes) -> None:
        for i in range(len(self.answer)):  # byte by byte: the reader must not need it whole
            connection.sendall(self.answer[i : i + 1])
        if b" 200 " not in self.answer:
            return
        with socket.create_connection(("127.0.0.1", self.target)) as upstream:
            back = threading.Thread(target=self._pump, args=(upstream, connection))
            back.start()
            self._pump(connection, upstream)
            back.join()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    yield server
    server.close()


def plain(port: int, host: str = "127.0.0.1", **more: Any) -> Origin:
    return Origin("p", "http", host, port, "", **more)


def dialer(names: dict[str, list[str]] | None = None, **options: Any) -> Dialer:
    loop = asyncio.get_running_loop()

    def lookup(host: str) -> list[str]:
        if names is None or not names.get(host):
            raise OSError("no such name")
        return names[host]

    return Dialer(loop, options.pop("contexts", None), Resolver(loop, lookup), **options)


def failure(run: Run, main: Callable[[], Any]) -> DialError:
    with pytest.raises(DialError) as caught:
        run(main)
    return caught.value


def test_a_plain_connection_has_no_delay_and_one_connection_made(run: Run, listener: Listener) -> None:
    async def main() -> None:
        client = Client()
        transport = await dial(asyncio.get_running_loop(), plain(listener.port), lambda: client)
        sock = transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert await exchange(transport, client, b"ping") == b"pong"
        assert client.made == 1

    run(main)
    assert listener.received == [b"ping"]


def test_a_loop_has_one_dialer(run: Run) -> None:
    async def main() -> Dialer:
        loop = asyncio.get_running_loop()
        assert dialer_of(loop) is dialer_of(loop)
        return dialer_of(loop)

    assert run(main) is not run(main)


def test_a_unix_socket_is_reached(run: Run, tmp_path: Path) -> None:
    server = Listener(path=str(tmp_path / "s"))
    provider = Provider(id="u", name="u", vendor="custom", base_url=f"unix:{tmp_path}/s|/v1/", dialects={}, paths={})
    origin = Origin.of(provider)
    assert (origin.prefix, origin.authority, origin.target_prefix) == ("/v1", "localhost", "/v1")

    async def main() -> None:
        client = Client()
        transport = await dialer().dial(origin, lambda: client)
        assert await exchange(transport, client, b"ping") == b"pong"

    run(main)
    server.close()
    absent = Origin("u", "unix", "", 0, "", unix_path=str(tmp_path / "absent"))
    assert failure(run, lambda: _dial_once(absent)).kind == "refused"


async def _dial_once(origin: Origin, names: dict[str, list[str]] | None = None, **options: Any) -> None:
    transport = await dialer(names, **options).dial(origin, Client)
    transport.close()


def test_a_closed_port_is_refused(run: Run) -> None:
    error = failure(run, lambda: _dial_once(plain(free_port())))
    assert error.kind == "refused"
    assert "Connection refused" in error.message


def test_an_unknown_name_is_dns(run: Run) -> None:
    assert failure(run, lambda: _dial_once(plain(80, "gone.test"))).kind == "dns"


def test_the_next_address_is_tried_and_then_preferred(run: Run, listener: Listener) -> None:
    async def main() -> None:
        d = dialer({"api.test": ["127.0.0.9", "127.0.0.1"]})
        client = Client()
        transport = await d.dial(plain(listener.port, "api.test"), lambda: client)
        assert await exchange(transport, client, b"ping") == b"pong"
        assert d.resolver.cached("api.test") == ["127.0.0.1", "127.0.0.9"]

    run(main)


def test_a_blackholed_address_times_out_and_leaves_time_for_the_next(run: Run, listener: Listener) -> None:
    # A listening socket whose accept queue is full drops further handshakes, as a blackhole does.
    with socket.socket() as full:
        full.bind(("127.0.0.2", listener.port))
        full.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.2", listener.port))
            fillers.append(filler)

        async def main() -> None:
            origin = plain(listener.port, "api.test", connect_timeout=0.6)
            with pytest.raises(DialError) as caught:
                await dialer({"api.test": ["127.0.0.2"]}).dial(origin, Client)
            assert caught.value.kind == "timeout"
            client = Client()
            patient = plain(listener.port, "api.test", connect_timeout=2.0)
            transport = await dialer({"api.test": ["127.0.0.2", "127.0.0.1"]}).dial(patient, lambda: client)
            assert await exchange(transport, client, b"ping") == b"pong"

        run(main)
        for filler in fillers:
            filler.close()


def test_the_deadline_covers_name_lookup(run: Run) -> None:
    gate = threading.Event()

    def lookup(host: str) -> list[str]:
        gate.wait(5)
        return ["127.0.0.1"]

    async def main() -> None:
        loop = asyncio.get_running_loop()
        resolver = Resolver(loop, lookup)
        with pytest.raises(DialError) as caught:
            await Dialer(loop, None, resolver).dial(plain(80, "slow.test", connect_timeout=0.05), Client)
        assert caught.value.kind == "timeout"
        await resolver.close()

    run(main)
    gate.set()


def test_the_deadline_covers_the_tls_handshake(run: Run, authority: Authority) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    tls = Tls(ca_file=authority.ca_file)
    port = silent.getsockname()[1]
    origin = Origin("p", "https", "127.0.0.1", port, "", "127.0.0.1", tls, connect_timeout=0.1)
    assert failure(run, lambda: _dial_once(origin)).kind == "timeout"
    silent.close()


def test_a_server_that_speaks_no_tls_is_tls(run: Run, authority: Authority, listener: Listener) -> None:
    origin = Origin("p", "https", "127.0.0.1", listener.port, "", "127.0.0.1", Tls(ca_file=authority.ca_file))
    assert failure(run, lambda: _dial_once(origin)).kind == "tls"


def test_handshakes_are_bounded_and_one_host_cannot_hold_all(
    run: Run, authority: Authority, tls_server: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial_module, "HANDSHAKES", 2)
    monkeypatch.setattr(dial_module, "HANDSHAKES_PER_HOST", 1)
    server = tls_server(authority.issue("127.0.0.1"))
    silent = socket.create_server(("127.0.0.1", 0), backlog=64)
    tls = Tls(ca_file=authority.ca_file)
    stuck = Origin("a", "https", "127.0.0.1", silent.getsockname()[1], "", "127.0.0.1", tls, connect_timeout=1.0)
    good = Origin("b", "https", "127.0.0.1", server.port, "", "127.0.0.1", tls, connect_timeout=0.9)

    async def main() -> None:
        d = dialer()
        hanging = [asyncio.ensure_future(d.dial(stuck, Client)) for _ in range(6)]
        await asyncio.sleep(0)
        client = Client()
        transport = await d.dial(good, lambda: client)
        assert (await exchange(transport, client, b"ping")).startswith(b"HTTP/1.1")
        ends = await asyncio.gather(*hanging, return_exceptions=True)
        assert [e.kind for e in ends if isinstance(e, DialError)] == ["timeout"] * 6

    run(main)
    silent.close()


GUARDED = {
    "name-to-loopback": (["127.0.0.1"], False),
    "mixed": (["93.184.216.34", "127.0.0.1"], False),
    "mixed-v6": (["93.184.216.34", "::1"], False),
    "metadata-even-when-private-is-allowed": (["169.254.169.254"], True),
    "mixed-with-metadata": (["127.0.0.1", "169.254.169.254"], True),
}


@pytest.mark.parametrize("case", GUARDED)
def test_forbidden_addresses_are_never_dialled(run: Run, listener: Listener, case: str) -> None:
    addresses, allow_private = GUARDED[case]
    origin = plain(listener.port, "api.test", allow_private=allow_private)
    assert failure(run, lambda: _dial_once(origin, {"api.test": addresses})).kind == "forbidden"
    assert listener.received == []


def test_the_answer_is_judged_again_at_every_connection(run: Run, listener: Listener) -> None:
    """A name that first leads to a public address and then inward (rebinding) is caught at the second."""
    names = {"api.test": ["127.0.0.1"]}

    async def main() -> None:
        judged: list[str] = []

        def guard(ip: str, allow_private: bool) -> str | None:
            judged.append(ip)
            return "private" if len(judged) > 2 else None

        d = dialer(names, forbidden=guard)
        client = Client()
        transport = await d.dial(plain(listener.port, "api.test"), lambda: client)
        assert await exchange(transport, client, b"ping") == b"pong"
        with pytest.raises(DialError, match=r"forbidden: .*private"):
            await d.dial(plain(listener.port, "api.test"), Client)

    run(main)


def test_the_connected_peer_is_judged_not_only_the_answer(run: Run, listener: Listener) -> None:
    async def main() -> None:
        judged: list[str] = []

        def guard(ip: str, allow_private: bool) -> str | None:
            judged.append(ip)
            return "private" if len(judged) == 2 else None

        with pytest.raises(DialError, match=r"forbidden: .*private"):
            await dialer(None, forbidden=guard).dial(plain(listener.port), Client)
        assert judged == ["127.0.0.1", "127.0.0.1"]

    run(main)


def test_the_guard_itself_is_called_by_default(run: Run, listener: Listener) -> None:
    assert is_forbidden("127.0.0.1", False)
    assert is_forbidden("127.0.0.1", True) is None
    assert failure(run, lambda: _dial_once(plain(listener.port, allow_private=False))).kind == "forbidden"


def test_https_goes_through_a_tunnel(run: Run, authority: Authority, tls_server: Serve) -> None:
    server = tls_server(authority.issue("api.test"))
    tunnel = TunnelProxy(server.port)
    proxy = Proxy.parse(f"http://user:pass@127.0.0.1:{tunnel.port}")
    origin = Origin("p", "https", "api.test", 443, "/v1", "api.test", Tls(ca_file=authority.ca_file), proxy)
    assert origin.target_prefix == "/v1"
    assert origin.proxy_field == b""

    async def main() -> None:
        client = Client()
        transport = await dialer().dial(origin, lambda: client)
        assert (await exchange(transport, client, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert client.made == 1

    run(main)
    tunnel.close()
    server.close()
    head = tunnel.received[0]
    assert head.startswith(b"CONNECT api.test:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpwYXNz\r\n" in head
    assert b"Proxy-Authorization" not in server.visits[0].received


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 407 Authentication Required\r\n\r\n", b"nonsense\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
def test_a_proxy_that_refuses_is_proxy(run: Run, authority: Authority, reply: bytes) -> None:
    tunnel = TunnelProxy(0, reply)
    proxy = Proxy("127.0.0.1", tunnel.port)
    origin = Origin("p", "https", "api.test", 443, "", "api.test", Tls(ca_file=authority.ca_file), proxy)
    assert failure(run, lambda: _dial_once(origin)).kind == "proxy"
    tunnel.close()


def test_plain_http_goes_to_the_proxy_in_absolute_form(run: Run, listener: Listener) -> None:
    proxy = Proxy.parse(f"http://user:pass@127.0.0.1:{listener.port}")
    origin = Origin("p", "http", "api.test", 8000, "/v1", proxy=proxy)
    assert origin.target_prefix == "http://api.test:8000/v1"
    assert origin.proxy_field == b"Proxy-Authorization: Basic dXNlcjpwYXNz\r\n"

    async def main() -> None:
        client = Client()
        transport = await dialer().dial(origin, lambda: client)
        assert await exchange(transport, client, b"GET http://api.test:8000/v1/models HTTP/1.1\r\n") == b"pong"

    run(main)


def test_a_literal_target_behind_a_proxy_is_judged(run: Run, listener: Listener) -> None:
    origin = Origin("p", "https", "169.254.169.254", 443, "", "x", Tls(), Proxy("127.0.0.1", listener.port))
    assert failure(run, lambda: _dial_once(origin)).kind == "forbidden"
    assert listener.received == []


def test_cancelling_closes_the_half_made_connection(run: Run, authority: Authority) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    silent.settimeout(5)
    tls = Tls(ca_file=authority.ca_file)
    origin = Origin("p", "https", "127.0.0.1", silent.getsockname()[1], "", "127.0.0.1", tls, connect_timeout=5)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(dialer().dial(origin, Client))
        accepted, _ = await loop.run_in_executor(None, silent.accept)
        accepted.settimeout(5)
        await loop.run_in_executor(None, accepted.recv, 4096)  # the ClientHello
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while await loop.run_in_executor(None, accepted.recv, 4096):
            pass  # ends at the close
        accepted.close()

    run(main)
    silent.close()


def provider(**fields: Any) -> Provider:
    base = {"id": "file:provider/a", "name": "a", "vendor": "custom", "dialects": {}, "paths": {}}
    return Provider(**{**base, "base_url": "https://API.test/v1/", **fields})


def test_an_origin_is_read_from_a_provider() -> None:
    origin = Origin.of(provider(timeouts=Timeouts(connect=1.5), proxy="http://p:1"))
    assert (origin.scheme, origin.host, origin.port, origin.prefix) == ("https", "api.test", 443, "/v1")
    assert (origin.authority, origin.server_name, origin.connect_timeout) == ("api.test", "api.test", 1.5)
    assert origin.proxy == Proxy("p", 1)
    v6 = Origin.of(provider(base_url="http://[::1]:8000"))
    assert (v6.host, v6.authority, v6.prefix, v6.server_name) == ("::1", "[::1]:8000", "", "")


@pytest.mark.parametrize(
    "base_url",
    ["ftp://a/", "https://", "https://user:pw@a/", "https://a/?x=1", "https://a/#x", "unix:|/v1", "a:1", "http://a:b"],
)
def test_an_address_that_cannot_be_used_is_an_error(base_url: str) -> None:
    with pytest.raises(ValueError, match=r"base_url|ort"):
        Origin.of(provider(base_url=base_url))


def test_everything_that_distinguishes_connections_distinguishes_origins() -> None:
    base = Origin.of(provider())
    assert base == Origin.of(provider(timeouts=Timeouts(connect=9)))
    assert hash(base) == hash(Origin.of(provider()))
    others = [
        provider(id="file:provider/b"),
        provider(base_url="http://api.test/v1"),
        provider(base_url="https://api2.test/v1"),
        provider(base_url="https://api.test:444/v1"),
        provider(base_url="unix:/run/s|/v1"),
        provider(proxy="http://p:1"),
        provider(proxy="http://u:p@p:1"),
        provider(tls=Tls(server_name="x")),
        provider(tls=Tls(ca_file="x")),
        provider(tls=Tls(client_cert="x")),
        provider(tls=Tls(client_key="x")),
    ]
    origins = {base, *(Origin.of(p) for p in others), Origin.of(provider(), allow_private=False)}
    assert len(origins) == len(others) + 2


def test_contexts_prepared_before_the_loop_are_used(run: Run, authority: Authority, tls_server: Serve) -> None:
    server = tls_server(authority.issue("127.0.0.1"))
    contexts = TlsContexts()
    tls = Tls(ca_file=authority.ca_file)
    contexts.prepare([tls])

    async def main() -> None:
        client = Client()
        origin = Origin("p", "https", "127.0.0.1", server.port, "", "127.0.0.1", tls)
        transport = await dialer(contexts=contexts).dial(origin, lambda: client)
        assert transport.get_extra_info("ssl_object").context is contexts.get(tls)
        await exchange(transport, client, b"x")

    run(main)
