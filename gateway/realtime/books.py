"""What the books read of a session when it is settled; stands where an exchange has its translation."""

from __future__ import annotations

import orjson

from providers.dialects.openai_chat.answers import counted
from providers.neutral import Usage
from providers.realtime import Form


class Books:
    streaming = True
    billed = None
    dropped = b""

    def __init__(self, form: Form) -> None:
        self.form = form

    @property
    def contents(self) -> int:
        """Stands in for usage that was not said."""
        return self.form.pieces

    def usage_json(self) -> bytes:
        """The sum of a session, and what an answer brought that was cut off, as the scanner of answers reads it."""
        if not self.form.told:
            return b""
        told = self.form.usage
        usage = Usage(
            told.input_tokens,
            told.output_tokens + self.form.pieces,
            told.cached_tokens,
            0,
            told.reasoning_tokens,
            told.audio_in_tokens,
            told.audio_out_tokens,
            cached_audio_tokens=told.cached_audio_tokens,
            image_in_tokens=told.image_in_tokens,
        )
        return orjson.dumps({"usage": counted(usage)})
