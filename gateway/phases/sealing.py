"""Answers that name objects at a provider: its ids are replaced by sealed ones on the way to the caller.

The bytes are not decoded. A string that stands as it is between two quotes is a name or a value of the document, never
part of another string, so the members that hold ids can be found by their names; everything else stays as it came.
"""

from __future__ import annotations

import re

from gateway.exchange import Exchange
from gateway.sealed import Seal, seal_of
from providers.operations import Dialect, Operation

ANTHROPIC = int(Dialect.ANTHROPIC)
RESPONSES = int(Operation.RESPONSES)
RESPONSE_OBJECT = int(Operation.RESPONSE_OBJECT)
MOST_HELD = 1 << 20
"""Of a line of a stream that has not ended; what is longer goes out as it is."""

_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_MEMBERS = (
    rb"id|item_id|response_id|previous_response_id|file_id|input_file_id|output_file_id|error_file_id|container_id"
    rb"|container|conversation|conversation_id|batch_id|vector_store_id|first_id|last_id|next_page_token|results_url"
)
_FOUND = re.compile(
    # The caller's own data comes back as it was given.
    rb'"(?:metadata"\s*:\s*\{(?:[^"{}]|' + _STRING + rb")*\}"
    rb"|(?:file_ids|vector_store_ids)\"\s*:\s*\[[^\]]*\]"
    rb"|(?:" + _MEMBERS + rb')"\s*:\s*"([^"\\]{1,1024})")',
    re.DOTALL,
)
_TEXT = re.compile(rb'"([^"\\]{1,1024})"')
_AN_ID = re.compile(rb"[A-Za-z]{1,24}[-_/][A-Za-z0-9_-]{6,}")
"""Every id of a response and its items has a prefix."""
_OF_MESSAGES = re.compile(rb"(?:container|file)_[A-Za-z0-9]{6,}")
"""What Anthropic keeps; ids of messages and calls are nobody's secret and have to fit those of the results."""
_ID_MEMBER = re.compile(rb'id"\s*:\s*"([A-Za-z]{1,24}[-_/][A-Za-z0-9_-]{6,1000})"')
"""What is nearly always all there is of members and ids; four times as fast to find."""
_ID_MEMBERS = frozenset(name for name in _MEMBERS.split(b"|") if name.endswith(b"id"))
_OWN_DATA = re.compile(rb'"metadata"\s*:\s*\{\s*"')
_NOT_STORED = re.compile(rb'"store"\s*:\s*false')


class Sealing:
    """Of one attempt's answer."""

    def __init__(self, seal: Seal, owner: int, key: int, ids: re.Pattern[bytes] | None) -> None:
        self.seal = seal
        self.owner = owner
        self.key = key
        self.ids = ids
        """What an id looks like; None: whatever stands where ids do."""
        self.known: dict[bytes, bytes] = {}
        self.rest = b""

    def whole(self, body: bytes) -> bytes:
        """A complete answer, or lines of a stream."""
        if (
            self.ids is None
            or b'"container"' in body
            or b'"conversation"' in body
            or b'_ids"' in body
            or _OWN_DATA.search(body) is not None
        ):
            return _FOUND.sub(self._member, body)
        return _ID_MEMBER.sub(self._id_member, body)

    def feed(self, data: bytes, complete: bool) -> bytes:
        """What can go out of a stream so far: whole lines."""
        data = self.rest + data
        end = len(data) if complete or len(data) > MOST_HELD else data.rfind(b"\n") + 1
        self.rest = data[end:]
        return self.whole(data[:end])

    def sealed(self, name: bytes) -> bytes:
        found = self.known.get(name)
        if found is None:
            found = self.known[name] = self._made(name)
        return found

    def _made(self, name: bytes) -> bytes:
        if self.ids is not None and self.ids.fullmatch(name) is None:
            return name
        head, results, tail = name.partition(b"/v1/messages/batches/")
        if results and head.startswith((b"http://", b"https://")):
            # Anthropic's address of a batch's results: its clients take a path from their own base URL on.
            return results + self.sealed(tail.removesuffix(b"/results")) + b"/results"
        try:
            text = name.decode()
        except UnicodeDecodeError:
            return name
        return self.seal.seal(self.owner, self.key, text).encode()

    def _id_member(self, found: re.Match[bytes]) -> bytes:
        text, end = found.string, found.start() + 2
        if text[text.rfind(b'"', 0, end) + 1 : end] not in _ID_MEMBERS:
            return found[0]
        return found[0][: found.start(1) - found.start()] + self.sealed(found[1]) + b'"'

    def _member(self, found: re.Match[bytes]) -> bytes:
        name = found[1]
        if name is not None:
            start = found.start(1) - found.start()
            return found[0][:start] + self.sealed(name) + b'"'
        if found[0].startswith(b'"metadata"'):
            return found[0]
        head, bracket, rest = found[0].partition(b"[")
        return head + bracket + _TEXT.sub(lambda text: b'"' + self.sealed(text[1]) + b'"', rest)


def as_named(names: dict[str, str], body: bytes) -> bytes:
    """A provider's error in which objects have the names that the caller used."""
    for own, name in names.items():
        body = body.replace(own.encode(), name.encode())
    return body


def sealing_of(x: Exchange) -> Sealing | None:
    """How the answer to ``x`` is sealed; None: it goes out as it is. Pinned keys have an account, and its ids, to
    themselves; contents of files are not looked into."""
    target, principal, entry = x.target, x.principal, x.route
    if target is None or principal is None or entry is None:
        return None
    upstream = target.upstream
    key = upstream.key_hashes[x.key]
    if principal.pin == key:
        return None
    if x.operation == RESPONSES:
        kept = upstream.plans.get(RESPONSE_OBJECT)
        if kept is None or entry.below or x.translation is not None:
            return None
        if b'"store"' in x.body and _NOT_STORED.search(x.body):
            return None
    elif entry.rest.endswith((b"/content", b"/results")):
        return None
    ids = _AN_ID if x.operation == RESPONSES or x.operation == RESPONSE_OBJECT else None
    return Sealing(seal_of(x.view.snapshot.pepper), principal.id_hash, key, ids)


def sealing_of_messages(x: Exchange) -> Sealing | None:
    """The same for Anthropic's messages, in which objects are named only where code runs in a container."""
    target, principal = x.target, x.principal
    if target is None or principal is None or x.dialect != ANTHROPIC:
        return None
    if b"code_execution" not in x.body and b"container" not in x.body:
        return None
    key = target.upstream.key_hashes[x.key]
    if principal.pin == key:
        return None
    return Sealing(seal_of(x.view.snapshot.pepper), principal.id_hash, key, _OF_MESSAGES)
