"""The demo upstream's wire: order, framing, limits."""

from __future__ import annotations

import socket

import httpx


def _talk(path: str, data: bytes, *, until: bytes) -> bytes:
    got = b""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(path)
        sock.sendall(data)
        while until not in got and (part := sock.recv(65536)):
            got += part
    return got


def _post(body: bytes, extra: bytes = b"") -> bytes:
    return b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n%bcontent-length: %d\r\n\r\n%b" % (extra, len(body), body)


def test_pipelined_requests_are_answered_in_order(demo_socket: str) -> None:
    slow = _post(b'{"model":"echo+slow-100ms","messages":[{"role":"user","content":"first"}]}')
    fast = _post(b'{"model":"echo","messages":[{"role":"user","content":"second"}]}')
    last = _post(b'{"model":"echo","messages":[{"role":"user","content":"third"}]}')
    got = _talk(demo_socket, slow + fast + last, until=b"third")
    assert -1 < got.index(b"first") < got.index(b"second") < got.index(b"third")


def test_expect_is_answered_before_the_body(demo_socket: str) -> None:
    head, _, _ = _post(b"{}", b"expect: 100-continue\r\n").partition(b"{}")
    assert _talk(demo_socket, head, until=b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_what_is_not_http_gets_400(demo_socket: str) -> None:
    assert _talk(demo_socket, b"\x00\x01\x02\r\n\r\n", until=b"\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_connection_close_is_honoured(demo_socket: str) -> None:
    request = b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    got = _talk(demo_socket, request, until=b"never in there")
    assert b"connection: close" in got
    assert got.endswith(b"}")


def test_errors_have_openais_form(http: httpx.Client) -> None:
    for answer, status in (
        (http.post("/v1/chat/completions", content=b"{"), 400),
        (http.post("/v1/chat/completions", json={"messages": []}), 400),
        (http.post("/v1/chat/completions", json={"model": "echo", "messages": []}), 400),
        (http.post("/v1/audio/transcriptions", json={}), 400),
        (http.get("/v1/nothing"), 404),
        (http.put("/v1/models"), 405),
    ):
        assert answer.status_code == status
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_paths_are_found_under_each_prefix(http: httpx.Client) -> None:
    for path in ("/models", "/v1/models", "/openai/v1/models", "/openai/models", "/v1/models?limit=1"):
        assert http.get(path).status_code == 200
    assert http.head("/v1/models").content == b""
