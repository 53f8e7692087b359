# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Compiled twin of ``_scan_py``: JSON here, streams in ``_stream``, heads in ``_head``. The contract is ``_scan.pyi``.

The loops over bytes stand in ``_scan_json.h``.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t

from json import loads as _loads

from _speedups import _head as _heads, _stream as _streams
from _speedups._json_errors import MESSAGES as _MESSAGES
from _speedups._multipart import boundary_of, scan_multipart

cdef extern from "_scan_json.h" nogil:
    ctypedef struct mg_fields:
        Py_ssize_t model_start, model_end, options_start, options_end, fallbacks_start, fallbacks_end, close
        int64_t max_tokens, choices
        int stream, include_usage, stateful, empty, model_escaped
    int MG_MAX_DEPTH
    void mg_choose(int wide)
    int mg_json(const uint8_t *doc, size_t n, mg_fields *f, int max_depth, Py_ssize_t *where)

mg_choose(1)

# Names that _scan.pxd cimports are types to this module; only so do they become attributes of it as well.
globals().update(
    HeadScan=_heads.HeadScan,
    HeaderFilter=_heads.HeaderFilter,
    StreamScan=_streams.StreamScan,
    UsageScan=_streams.UsageScan,
)

ABSENT = -1
RAW = 0
CHAT = 1
RESPONSES = 2
TYPED = 3
CLEAN = 0
TRUNCATED = 1
FAILED = 2


def _use_wide_instructions(wide):
    """For tests: False keeps to the instructions every processor has."""
    mg_choose(1 if wide else 0)


def validate(data) -> bool:
    cdef Py_ssize_t where
    cdef Py_buffer view
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    cdef int code = mg_json(<const uint8_t *>view.buf, view.len, NULL, MG_MAX_DEPTH, &where)
    PyBuffer_Release(&view)
    return code == 0


@cython.no_gc
@cython.final
cdef class JsonScan:
    def __cinit__(self):
        self._clear()

    cdef void _clear(self) noexcept:
        self.model = None
        self.model_start = self.model_end = -1
        self.stream = -1
        self.stream_options_start = self.stream_options_end = -1
        self.include_usage = -1
        self.max_tokens = -1
        self.choices = 1
        self.fallbacks_start = self.fallbacks_end = -1
        self.stateful = False
        self.close = -1
        self.empty = False
        self.error = ""
        self.error_offset = -1

    cdef bint _refuse(self, int code, Py_ssize_t offset) noexcept:
        self._clear()
        self.error = _MESSAGES[code]
        self.error_offset = offset
        return False

    cpdef bint scan(self, bytes body) except -1:
        cdef mg_fields fields
        cdef Py_ssize_t where = -1, size
        cdef int code
        cdef const char *text
        if body is None:
            raise TypeError("bytes expected, got NoneType")
        text = PyBytes_AS_STRING(body)
        fields.model_start = fields.model_end = -1
        fields.options_start = fields.options_end = -1
        fields.fallbacks_start = fields.fallbacks_end = -1
        fields.close = -1
        fields.max_tokens = -1
        fields.choices = 1
        fields.stream = fields.include_usage = -1
        fields.stateful = fields.empty = fields.model_escaped = 0
        code = mg_json(<const uint8_t *>text, PyBytes_GET_SIZE(body), &fields, MG_MAX_DEPTH, &where)
        if code:
            return self._refuse(code, where)
        if fields.model_start < 0:
            self.model = None
        elif fields.model_escaped:
            self.model = _loads(body[fields.model_start:fields.model_end])
        else:
            size = fields.model_end - fields.model_start - 2
            self.model = PyUnicode_DecodeUTF8(text + fields.model_start + 1, size, NULL)
        self.model_start = fields.model_start
        self.model_end = fields.model_end
        self.stream = fields.stream
        self.stream_options_start = fields.options_start
        self.stream_options_end = fields.options_end
        self.include_usage = fields.include_usage
        self.max_tokens = fields.max_tokens
        self.choices = fields.choices
        self.fallbacks_start = fields.fallbacks_start
        self.fallbacks_end = fields.fallbacks_end
        self.stateful = fields.stateful != 0
        self.close = fields.close
        self.empty = fields.empty != 0
        self.error = ""
        self.error_offset = -1
        return True
