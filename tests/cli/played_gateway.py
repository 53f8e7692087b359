"""A gateway with a cache, played: what commands get to hear from it is the test's to say."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

KEY = "sk-played-0123456789abcdef"


class Sent(NamedTuple):
    """A request as it came."""

    path: str
    fields: Mapping[str, str]
    body: bytes

    @property
    def wish(self) -> str:
        return self.fields["x-microgate-cache"]


Said = tuple[int, Mapping[str, str], bytes]


def error(status: int, message: str, **fields: str) -> Said:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return status, named, json.dumps({"error": {"message": message, "code": "x"}}).encode()


class Played:
    """Keeps the answers of bodies that it is asked, unless ``says`` answers something else (None: nothing else)."""

    def __init__(self, says: Callable[[Sent], Said | None] | None = None) -> None:
        self.says = says or (lambda _: None)
        self.sent: list[Sent] = []
        self.known: set[bytes] = set()
        self._lock = threading.Lock()
        played = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                fields = {name.lower(): value for name, value in self.headers.items()}
                status, more, said = played.answer(Sent(self.path, fields, body))
                if status == 0:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, sent: Sent) -> Said:
        with self._lock:
            self.sent.append(sent)
            if sent.fields.get("authorization") != f"Bearer {KEY}":
                return error(401, "The key is not known here.")
            said = self.says(sent)
            if said is not None:
                return said
            known = sent.body in self.known
            if sent.wish == "explain":
                return 200, {}, json.dumps(explained(sent, known)).encode()
            self.known.add(sent.body)
            hit = known and sent.wish != "refresh"
            fields = {"x-microgate-cache": "hit-exact" if hit else "miss", "x-microgate-cost": "0" if hit else "0.25"}
            return 200, fields, b"{}"

    def asked(self, *wishes: str) -> list[Sent]:
        return [each for each in self.sent if each.wish in wishes]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def explained(sent: Sent, known: bool) -> dict[str, Any]:
    exact = {
        "usable": True, "because": None, "age_s": 0.01, "body_bytes": 2, "provider": "mock", "model": "m",
        "dialect": "openai_chat", "streamed": False, "prompt_tokens": 7, "completion_tokens": 2,
        "cost_nanodollars": 0, "took_us": 5,
    }  # fmt: skip
    key = {
        "scope": "aa", "digest": "bb", "shared_by": "key", "partition": None, "leads_to": ["mock/m"],
        "form": sent.body.decode(), "form_bytes": len(sent.body),
    }  # fmt: skip
    return {
        "object": "cache.explanation", "verdict": "hit-exact" if known else "miss", "because": None, "model": "m",
        "operation": "chat", "dialect": "openai_chat", "stream": False, "read": True, "write": True, "key": key,
        "exact": exact if known else None, "under_way": False, "similar": None,
    }  # fmt: skip
