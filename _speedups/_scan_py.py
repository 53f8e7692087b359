"""Pure twin of ``_scan``: the same classes and results without a compiler. The contract is ``_scan.pyi``."""

from typing import Final

from _speedups._head_py import HeaderFilter as HeaderFilter
from _speedups._head_py import HeadScan as HeadScan
from _speedups._json_py import JsonScan as JsonScan
from _speedups._json_py import validate as validate
from _speedups._multipart import boundary_of as boundary_of
from _speedups._multipart import scan_multipart as scan_multipart
from _speedups._stream_py import CHAT as CHAT
from _speedups._stream_py import CLEAN as CLEAN
from _speedups._stream_py import FAILED as FAILED
from _speedups._stream_py import RAW as RAW
from _speedups._stream_py import RESPONSES as RESPONSES
from _speedups._stream_py import TRUNCATED as TRUNCATED
from _speedups._stream_py import TYPED as TYPED
from _speedups._stream_py import StreamScan as StreamScan
from _speedups._usage_py import UsageScan as UsageScan

ABSENT: Final = -1
