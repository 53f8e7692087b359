"""One pass over the bytes of a request, an answer or a stream: judged strictly, nothing decoded that is not needed."""

from collections.abc import Iterable
from typing import Final, final

ABSENT: Final = -1

# StreamScan kinds: which events end a stream and where usage stands.
RAW: Final = 0
CHAT: Final = 1
RESPONSES: Final = 2
TYPED: Final = 3

# Verdicts of a stream.
CLEAN: Final = 0
TRUNCATED: Final = 1
FAILED: Final = 2

@final
class JsonScan:
    """Scratch object, reused for every request of a worker; attributes are valid until the next ``scan``.

    Offsets are byte offsets into the body; ``-1`` where the member is absent.
    """

    model: str | None
    """Decoded (unescaped) value of the top-level member ``model``; None when absent or not a string."""
    model_start: int
    """Offset of the value token, its opening quote included."""
    model_end: int
    stream: int
    """-1 absent (or null), 0 false, 1 true."""
    stream_options_start: int
    stream_options_end: int
    include_usage: int
    """``stream_options.include_usage``: -1 absent (or null), 0 false, 1 true."""
    max_tokens: int
    """Largest of ``max_tokens``, ``max_completion_tokens``, ``max_output_tokens``, at most 2**53; -1 when absent or no
    integer >= 0."""
    choices: int
    """``n``; 1 when absent or no integer > 0."""
    fallbacks_start: int
    fallbacks_end: int
    stateful: bool
    """Some member, at any depth, refers to an object stored at the provider: ``previous_response_id``,
    ``conversation``, ``file_id``, ``file_ids``, ``input_file_id``, ``vector_store_ids`` or ``batch_id`` that is
    neither null nor an object (a tool's schema may well have a property of this name), ``container`` that is a
    string, or ``conversation`` at the top level that is an object."""
    close: int
    """Offset of the brace that closes the top-level object (where a member can be spliced in)."""
    empty: bool
    """The top-level object has no member (a splice needs no comma)."""
    error: str
    """After a failed scan: what is wrong, in words fit for a caller."""
    error_offset: int

    def scan(self, body: bytes) -> bool:
        """Validate ``body`` as one RFC 8259 document whose top level is an object, UTF-8 included; fill the attributes.

        False (with ``error``, ``error_offset``, all else as if absent) on: invalid JSON (lone surrogates are accepted
        as JSON allows), invalid UTF-8, a BOM, nesting over 1,024, top level not an object, a duplicate of ``model``,
        ``stream``, ``stream_options`` or ``fallbacks`` (escaped spellings such as ``"mod\\u0065l"`` are the same
        name), a member that equals ``model`` only when case is ignored (a case-insensitive provider could read
        another model than the one authorised), a ``model`` that is not a string or holds half of a surrogate pair, a
        ``stream`` that is neither boolean nor null. Never raises on any bytes; no recursion.
        """

@final
class UsageScan:
    """Token counts picked out of an answer, fed in pieces of any size; also the result object of ``StreamScan``.

    Counts are -1 when the provider did not say. Reads OpenAI chat / completions / embeddings usage, Responses and
    transcription usage (``input_tokens``, ``output_tokens``, details), ``x_groq.usage``, DeepSeek's
    ``prompt_cache_hit_tokens``. Of several usage objects the last value of each count stays. Negative, fractional,
    non-numeric or > 2**53 counts, and a usage that is neither an object nor null, are ignored and set ``suspicious``.
    ``found``: at least one of prompt, completion and total was said.
    """

    prompt: int
    completion: int
    total: int
    cached: int
    cache_write: int
    reasoning: int
    audio_in: int
    audio_out: int
    image_in: int
    image_out: int
    cache_write_1h: int
    cached_audio: int
    searches: int
    suspicious: bool
    found: bool

    def reset(self) -> None: ...
    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Incremental: a depth-tracking pass that captures the value of the top-level member ``usage`` (or
        ``x_groq.usage``, ``response.usage`` one level deeper), at most 16 KiB of it. Works when ``usage`` comes
        first, last or split."""

    def parse(self, data: bytes) -> None:
        """Read one complete JSON document (the payload of an event or a whole answer)."""

    def judge(self, data: bytes) -> bool:
        """``validate(data)`` and, when that holds, ``parse(data)``, in one pass."""

@final
class StreamScan:
    """Follows a server-sent event stream as it is relayed.

    Events end at a blank line; lines end with LF, CRLF or CR, in any mix, split anywhere; comments and fields other
    than ``data`` and ``event`` are relayed and ignored; a line, and the data of an event, is looked at up to 1 MiB
    and relayed beyond that.
    """

    usage: UsageScan
    """The last usage seen (a running usage in each chunk counts once)."""
    events: int
    """Events with data, comments and the final ``[DONE]`` not counted."""
    content_events: int
    """Events that carried content for the caller: a choice with a non-empty ``text`` or delta member other than
    ``role`` (CHAT), a type ending in ``.delta`` (RESPONSES; TYPED also ``.partial_image``, ``.completed``), any
    (RAW)."""
    done: bool
    """``data: [DONE]`` has been seen."""
    finished: bool
    """The dialect's own end was seen: a non-null ``finish_reason`` or an event with empty ``choices`` and a usage
    (CHAT), ``response.completed|incomplete|failed|cancelled`` (RESPONSES), a type ending in ``.done`` or
    ``.completed`` (TYPED)."""
    failed: bool
    """An error event was seen: ``event: error``, a top-level ``error`` member that is not null, an ``error`` in a
    choice, ``finish_reason: "error"`` (both CHAT), a type ``error`` or ``response.failed`` (RESPONSES, TYPED)."""
    error_event: bytes
    """Data of the first error event (at most 16 KiB), b"" when there is none."""
    malformed: bool
    """An event's data was neither JSON nor ``[DONE]`` (RAW: never)."""
    garbled: bool
    """The first event's data was neither: the stream is not what it says it is."""

    def __init__(self, kind: int, hide_usage: bool = False) -> None: ...
    def feed(self, data: bytes) -> bytes:
        """What is to be relayed of ``data`` now: ``data`` itself in the ordinary case.

        With ``hide_usage`` an event whose ``choices`` is empty and which carries ``usage`` (and no error) is left
        out, the bytes of an unfinished event being held back until its blank line, up to 1 MiB. In any case nothing
        that follows the blank line of ``[DONE]`` is returned.
        """

    def flush(self) -> bytes:
        """Bytes still held back when the stream ends."""

    def verdict(self) -> int:
        """At the end of the stream: FAILED, CLEAN (``done``), TRUNCATED (an event cut in the middle, or no end marker
        seen: neither ``done`` nor ``finished``; RAW streams need none) or CLEAN. An unterminated ``[DONE]``
        counts."""

@final
class HeadScan:
    """Fields of a request or response head that an HTTP parser has just validated; scratch object, reused.

    Values are the field's bytes without surrounding white space; None when the field is absent.
    """

    head: bytes
    """The head last scanned."""
    method: bytes
    """Of a request; b"" otherwise."""
    target_start: int
    """Offset of a request's target within ``head``."""
    target_end: int
    status: int
    """Of a response; 0 otherwise."""
    http10: bool
    keep_alive: bool
    """Whether the connection outlives this message: its version and its ``Connection`` (RFC 9112 9.3)."""
    media: int
    """What Content-Type says, parameters and case aside: one of ``MEDIA_*``."""
    fields: int
    """Number of header fields."""
    host: bytes | None
    content_length: int
    """-1 when absent."""
    content_type: bytes | None
    content_encoding: bytes | None
    transfer_encoding: bytes | None
    connection: bytes | None
    expect: bytes | None
    upgrade: bytes | None
    authorization: bytes | None
    x_api_key: bytes | None
    api_key: bytes | None
    x_goog_api_key: bytes | None
    x_microgate_key: bytes | None
    retry_after: bytes | None
    has_options: bool
    """Some field of a request other than ``x-microgate-key`` starts with ``x-microgate-`` (``value_of`` finds
    which)."""
    error: int
    """0, or the status to refuse the request with."""
    why: str

    def request(self, head: bytes, strict_host: bool = True) -> bool:
        """Scan a request head: request line (empty lines may precede it), fields, and the empty line as its last bytes.

        False, with ``error`` and ``why``, when one of the checks that llhttp leaves to its user fails: head over 32
        KiB (431), over 100 fields (431), target over 8,192 bytes (414); version not exactly HTTP/1.0 or HTTP/1.1; a
        target that is neither a path nor an http or https URL (``*`` and CONNECT's too); TRACE (405); Host missing or
        invalid under 1.1 (not with ``strict_host=False``) or repeated; a repeated credential or Content-Length; any
        Transfer-Encoding other than one exact ``chunked`` (501 for another coding, 400 otherwise), under 1.0, or
        together with Content-Length; white space or an empty name where a field name belongs; a control character in
        a value, a bare CR, LF or NUL among them. ``connection``, ``content_encoding`` and ``upgrade`` are joined when
        repeated; of ``content_type`` and ``expect`` the first counts."""

    def response(self, head: bytes) -> bool:
        """The same for a response head: fills content_length, content_type, content_encoding, transfer_encoding,
        connection, upgrade, expect, retry_after, fields. False (``error`` 502) on a malformed status line,
        conflicting or malformed framing fields, malformed fields, over 64 KiB or over 256 fields."""

    def value_of(self, name: bytes) -> bytes | None:
        """Value of the first field with this lower-case name in the head last scanned."""

@final
class HeaderFilter:
    """Copies header fields by name, in one pass and in their original spelling and order."""

    def __init__(self, names: Iterable[bytes], prefixes: Iterable[bytes] = (), *, keep: bool) -> None:
        """``names`` and ``prefixes`` in lower case. ``keep=True``: an allow-list; ``keep=False``: a drop-list."""

    def select(self, scan: HeadScan) -> bytes:
        """``copy(scan.head)`` for a head that ``scan`` has accepted, without looking at every byte again."""

    def copy(self, head: bytes) -> bytes:
        """The kept lines of a validated head, each with its CRLF, without the first line and without the final empty
        line. Fields named by the head's own ``Connection`` header are never copied. CR, LF, NUL can't occur in the
        result except as line ends: lines that are malformed in any way are left out."""

def scan_multipart(body: bytes, boundary: bytes) -> dict[bytes, tuple[int, int]] | None:
    """Field name -> (start, end) of its value in ``body``, for parts without a file name; a part with a file name is
    listed under its name prefixed with ``b"@"``, its offsets those of the content present. The body may be a prefix
    of the whole (an unfinished last part is listed only under ``b"@"``). None when it is not multipart with this
    boundary, and where readers could differ: a repeated or differently cased ``model``, escapes in a name, encoded
    parts."""

def boundary_of(content_type: bytes) -> bytes | None:
    """The boundary parameter of a multipart content type (RFC 2046 5.1.1), None when absent or invalid."""

def validate(data: bytes) -> bool:
    """Whether ``data`` is one RFC 8259 document with any top level, by the rules of ``JsonScan.scan``."""
