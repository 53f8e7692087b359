"""The body of an answer that comes in chunks (RFC 9112 section 7.1), freed of its framing as it comes."""

from typing import final

@final
class ChunkedBody:
    """Fed pieces of any size; reused for one message after another (``reset``).

    A size of at most 15 hexadecimal digits, extensions without spaces around them, CRLF and nothing else between data;
    at most 16 KiB of extensions and trailers in all.
    """

    done: bool
    """The last chunk and its trailers have been read; or the trailers are malformed: nothing of the body is missing."""
    extra: bool
    """Something follows the message, or its trailers are malformed: the connection is not to be used again."""
    broken: bool
    """The framing is malformed before the last chunk."""

    def reset(self) -> None:
        """Expect a new message."""

    def feed(self, data: bytes) -> bytes:
        """The data of the chunks within ``data``, up to the end of the message or to where it is broken."""
