"""The part of ``_scan`` that reads heads; import it from there."""

from typing import Final

from _speedups._scan import HeaderFilter as HeaderFilter
from _speedups._scan import HeadScan as HeadScan

# Media types that are told apart: none stated, any other, application/json, text/event-stream, text/html.
MEDIA_NONE: Final = 0
MEDIA_OTHER: Final = 1
MEDIA_JSON: Final = 2
MEDIA_EVENTS: Final = 3
MEDIA_HTML: Final = 4
