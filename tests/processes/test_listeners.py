"""Listening sockets: shared between workers, refused when the port is somebody else's."""

from __future__ import annotations

import socket

import pytest

from gateway.processes.listeners import ListenError, Listeners
from tests.ports import free_port


def test_all_slots_share_one_free_port() -> None:
    listeners = Listeners("127.0.0.1", 0, 3)
    try:
        assert listeners.port > 0
        assert {sock.getsockname() for sock in listeners.sockets} == {("127.0.0.1", listeners.port)}
        # Bound but not listening: callers are refused until somebody is ready.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", listeners.port))
        listeners.listen()
        socket.create_connection(("127.0.0.1", listeners.port)).close()
    finally:
        listeners.close()
    assert listeners.sockets == []


def test_a_port_that_another_gateway_listens_on_is_refused() -> None:
    first = Listeners("127.0.0.1", free_port(), 1)
    first.listen()
    try:
        with pytest.raises(ListenError, match=rf"127\.0\.0\.1:{first.port}: Address already in use"):
            Listeners("127.0.0.1", first.port, 1)
    finally:
        first.close()
    again = Listeners("127.0.0.1", first.port, 1)
    again.close()


def test_connections_in_time_wait_do_not_keep_the_port() -> None:
    first = Listeners("127.0.0.1", free_port(), 1)
    first.listen()
    caller = socket.create_connection(("127.0.0.1", first.port))
    first.sockets[0].setblocking(True)
    taken, _ = first.sockets[0].accept()
    taken.close()  # the side that closes first keeps the port in TIME_WAIT
    caller.recv(1)
    caller.close()
    first.close()
    again = Listeners("127.0.0.1", first.port, 2)
    again.listen()
    again.close()


@pytest.mark.parametrize("host", ["192.0.2.1", "a..b"])
def test_an_address_that_is_not_ours_is_named(host: str) -> None:
    with pytest.raises(ListenError, match="cannot listen on"):
        Listeners(host, 0, 1)


def test_steering_without_listening_waits() -> None:
    listeners = Listeners("127.0.0.1", 0, 2)
    listeners.steer([1, 0])
    listeners.listen()
    listeners.steer([1, 0])
    try:
        listeners.sockets[0].setblocking(True)
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", listeners.port)):
                listeners.sockets[0].accept()[0].close()
    finally:
        listeners.close()


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_ipv6() -> None:
    listeners = Listeners("::1", 0, 2)
    listeners.listen()
    socket.create_connection(("::1", listeners.port)).close()
    listeners.close()
