"""The client's side of the wire: exact bytes out, in pieces of any size, and every answer that comes back."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.waiting import PATIENCE_S

KEY = "sk-test-6f1d2c3b4a5968778695a4b3"
"""The virtual key that test instances know."""


@dataclass
class Answer:
    """One HTTP response as it was read."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes = b""
    complete: bool = False
    """Ended as its framing says, and not by the connection's end."""
    head: bytes = b""

    def header(self, name: str) -> str | None:
        """The first field of this lower-case name."""
        return next((value for key, value in self.fields if key == name), None)


class AnswerReader:
    """Splits a byte stream into responses; strict, since it reads what our own server wrote.

    ``methods`` are those of the requests in order, because an answer to HEAD has no body. Raises ValueError on anything
    that is not a well-formed answer.
    """

    def __init__(self, methods: Iterable[str] = ()) -> None:
        self._data = bytearray()
        self._methods = list(methods)
        self._current: Answer | None = None
        self._left = 0
        self._mode = ""
        self.answers: list[Answer] = []

    @property
    def final(self) -> list[Answer]:
        """Answers without interim ones; the last may be unfinished."""
        return [a for a in self.answers if a.status >= 200]

    @property
    def idle(self) -> bool:
        """No answer is half read."""
        return self._current is None and not self._data

    def feed(self, data: bytes) -> None:
        self._data += data
        while self._step():
            pass

    def eof(self) -> None:
        """The connection ended: an answer delimited by it is complete."""
        if self._current is not None and self._mode == "close":
            self._finish()

    def _step(self) -> bool:
        if self._current is None:
            return self._read_head()
        if self._mode == "close":
            self._current.body += bytes(self._data)
            self._data.clear()
            return False
        if self._mode == "length":
            taken = self._data[: self._left]
            self._current.body += bytes(taken)
            del self._data[: len(taken)]
            self._left -= len(taken)
            if self._left == 0:
                self._finish()
                return bool(self._data)
            return False
        return self._read_chunk()

    def _read_head(self) -> bool:
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            if self._data and not b"HTTP/1.1 ".startswith(bytes(self._data[:9])):
                raise ValueError(f"not an answer: {bytes(self._data[:60])!r}")
            return False
        head = bytes(self._data[: end + 4])
        del self._data[: end + 4]
        lines = head[:-4].split(b"\r\n")
        version, _, rest = lines[0].partition(b" ")
        if version != b"HTTP/1.1" or not rest[:3].isdigit() or rest[3:4] != b" ":
            raise ValueError(f"bad status line {lines[0]!r}")
        fields = []
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if not colon or not name or name != name.strip() or any((c < 32 and c != 9) or c == 127 for c in value):
                raise ValueError(f"bad header line {line!r}")
            fields.append((name.decode("ascii").lower(), value.strip().decode("latin-1")))
        answer = Answer(int(rest[:3]), fields, head=head)
        self.answers.append(answer)
        self._current = answer
        if answer.status < 200:
            self._current = None
            return bool(self._data)
        method = self._methods.pop(0) if self._methods else "GET"
        length, coding = answer.header("content-length"), answer.header("transfer-encoding")
        if length is not None and coding is not None:
            raise ValueError("both Content-Length and Transfer-Encoding")
        if method == "HEAD" or answer.status in (204, 304):
            self._finish()
        elif coding is not None:
            if coding != "chunked":
                raise ValueError(f"Transfer-Encoding {coding}")
            self._mode = "chunked"
            self._left = -1
        elif length is not None:
            self._mode, self._left = "length", int(length)
            if self._left == 0:
                self._finish()
        else:
            self._mode = "close"
        return bool(self._data)

    def _read_chunk(self) -> bool:
        assert self._current is not None
        if self._left == -1:
            end = self._data.find(b"\r\n")
            if end < 0:
                return False
            self._left = int(bytes(self._data[:end]), 16)
            del self._data[: end + 2]
            if self._left == 0:
                self._left = -2
            return True
        if self._left == -2:
            if len(self._data) < 2:
                return False
            if bytes(self._data[:2]) != b"\r\n":
                raise ValueError("trailers were relayed")
            del self._data[:2]
            self._finish()
            return bool(self._data)
        if len(self._data) < self._left + 2:
            return False
        self._current.body += bytes(self._data[: self._left])
        if bytes(self._data[self._left : self._left + 2]) != b"\r\n":
            raise ValueError("chunk data does not end with CRLF")
        del self._data[: self._left + 2]
        self._left = -1
        return True

    def _finish(self) -> None:
        assert self._current is not None
        self._current.complete = True
        self._current = None
        self._mode = ""


@dataclass
class Outcome:
    """What a connection gave back."""

    answers: list[Answer] = field(default_factory=list)
    """Final ones, in order."""
    closed: bool = False
    """The server closed the connection."""
    sent_all: bool = True
    received: bytes = b""
    error: str = ""
    """Why the bytes that came back are not HTTP, if they are not."""
    closed_after: float = 0.0
    """Seconds from the last byte sent (or the first refused) to the close."""

    @property
    def statuses(self) -> list[int]:
        return [a.status for a in self.answers]


def split_whole(raw: bytes) -> list[bytes]:
    return [raw] if raw else []


def split_at(raw: bytes, points: Iterable[int]) -> list[bytes]:
    """``raw`` cut at these offsets."""
    edges = sorted({0, len(raw), *(p for p in points if 0 < p < len(raw))})
    return [raw[a:b] for a, b in itertools.pairwise(edges)]


def split_bytes(raw: bytes, most: int = 4096) -> list[bytes]:
    """Byte by byte for ``most`` bytes and the last 64, in pieces of 997 between: a megabyte of single bytes tests only
    patience."""
    if len(raw) <= most + 64:
        return split_at(raw, range(len(raw)))
    return split_at(raw, [*range(most), *range(most, len(raw) - 64, 997), *range(len(raw) - 64, len(raw))])


async def talk(
    port: int,
    pieces: Sequence[bytes],
    *,
    half_close: bool = False,
    expect: int | None = None,
    quiet: float = 0.3,
    total: float = PATIENCE_S,
    methods: Iterable[str] = (),
    until_closed: bool = False,
) -> Outcome:
    """Send ``pieces`` one by one, read what comes, and end when nothing more is to be expected.

    Ends when the server closes; when ``expect`` complete answers have come and ``quiet`` seconds passed without more;
    without ``expect``, when any answer has come and it has been quiet. ``until_closed`` waits for the close alone.
    ``total`` bounds everything.
    """
    loop = asyncio.get_running_loop()
    conversation = _Conversation(AnswerReader(methods))
    outcome, reader = conversation.outcome, conversation.reader
    try:
        await loop.sock_connect(conversation.sock, ("127.0.0.1", port))
        tasks = [
            asyncio.ensure_future(conversation.send(pieces, half_close)),
            asyncio.ensure_future(conversation.receive()),
        ]
        end = loop.time() + total
        while not outcome.closed and (left := end - loop.time()) > 0:
            enough = conversation.sent and not until_closed and reader.idle and len(reader.final) >= (expect or 1)
            conversation.news.clear()
            try:
                async with asyncio.timeout(min(left, quiet) if enough else left):
                    await conversation.news.wait()
            except TimeoutError:
                break
        outcome.closed_after = loop.time() - conversation.sent_at
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        conversation.sock.close()
    outcome.sent_all = outcome.sent_all and conversation.sent
    outcome.answers = reader.final
    return outcome


class _Conversation:
    """Both directions of one connection."""

    def __init__(self, reader: AnswerReader) -> None:
        self.reader = reader
        self.outcome = Outcome()
        self.news = asyncio.Event()
        self.sent = False
        self.sent_at = asyncio.get_running_loop().time()
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def send(self, pieces: Sequence[bytes], half_close: bool) -> None:
        loop = asyncio.get_running_loop()
        try:
            for piece in pieces:
                await loop.sock_sendall(self.sock, piece)
                if len(pieces) > 1:
                    await asyncio.sleep(0)
            if half_close:
                self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.outcome.sent_all = False
        self.sent_at = loop.time()
        self.sent = True
        self.news.set()

    async def receive(self) -> None:
        """A task of its own: cancelling a read by a time-out can lose what it has just read."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                data = await loop.sock_recv(self.sock, 65536)
            except OSError:
                data = b""
            self.news.set()
            if not data:
                self.outcome.closed = True
                self.reader.eof()
                return
            self.outcome.received += data
            if not self.outcome.error:
                try:
                    self.reader.feed(data)
                except ValueError as e:
                    self.outcome.error = str(e)


def request(
    method: str = "POST",
    path: str = "/v1/chat/completions",
    body: bytes | None = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}',
    key: str = KEY,
    content_type: str = "application/json",
    fields: Iterable[tuple[str, str]] = (),
) -> bytes:
    """An ordinary request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: gateway.localhost"]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    if body is not None:
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in fields]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def ask(
    port: int,
    raw: bytes | None = None,
    *,
    timeout: float = PATIENCE_S,
    methods: Iterable[str] = (),
    whole: bool = True,
) -> Answer:
    """One request on a connection of its own, synchronously; raises when no answer comes, or (``whole``) a cut one."""
    reader = AnswerReader(methods)
    with socket.create_connection(("127.0.0.1", port), timeout) as sock:
        sock.settimeout(timeout)
        sock.sendall(request() if raw is None else raw)
        while not (reader.final and reader.final[0].complete):
            data = sock.recv(65536)
            if not data:
                reader.eof()
                break
            reader.feed(data)
    if not reader.final or (whole and not reader.final[0].complete):
        raise AssertionError(f"no whole answer: {reader.answers}")
    return reader.final[0]
