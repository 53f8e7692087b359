"""What can be wrong with a request body, in numbers and in words; one source for both implementations."""

from typing import Final

MAX_DEPTH: Final = 1024
"""Deeper documents are refused: providers recurse, and no request of a current client nests over about 40."""

# The same numbers stand in _scan_json.h.
END: Final = 1
CHARACTER: Final = 2
CONTROL: Final = 3
ESCAPE: Final = 4
UTF8: Final = 5
DEEP: Final = 6
TOP: Final = 7
BOM: Final = 8
MODEL_TWICE: Final = 9
STREAM_TWICE: Final = 10
OPTIONS_TWICE: Final = 11
FALLBACKS_TWICE: Final = 12
MODEL_CASE: Final = 13
MODEL_TYPE: Final = 14
STREAM_TYPE: Final = 15
MODEL_SURROGATE: Final = 16
NUMBER: Final = 17

MESSAGES: Final = (
    "",
    "the document ends too early",
    "unexpected character",
    "control character in a string",
    "invalid escape in a string",
    "invalid UTF-8",
    f"nested deeper than {MAX_DEPTH}",
    "the top level is not an object",
    "starts with a byte order mark",
    "duplicate member 'model'",
    "duplicate member 'stream'",
    "duplicate member 'stream_options'",
    "duplicate member 'fallbacks'",
    "a member equals 'model' only when case is ignored",
    "'model' is not a string",
    "'stream' is neither true, false nor null",
    "'model' holds half of a surrogate pair",
    "a number too large for a double",
)
