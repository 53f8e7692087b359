# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, freethreading_compatible=False
"""Compiled twin of ``_scan_py``. The contract is ``_scan.pyi``; the loops over bytes stand in ``_scan_*.h``.

Index checks are off: every index runs over a length taken from the same object, and the C loops carry an end pointer.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memchr, memcmp, memcpy

from json import loads as _loads

from _speedups._json_errors import MESSAGES as _MESSAGES
from _speedups._multipart import boundary_of, scan_multipart

cdef extern from "_scan_json.h" nogil:
    ctypedef struct mg_fields:
        Py_ssize_t model_start, model_end, options_start, options_end, fallbacks_start, fallbacks_end, close
        int64_t max_tokens, choices
        int stream, include_usage, stateful, empty, model_escaped
    int MG_MAX_DEPTH
    int MG_TOP
    void mg_choose(int wide)
    int mg_json(const uint8_t *doc, size_t n, mg_fields *f, int max_depth, Py_ssize_t *where)

cdef extern from "_scan_event.h" nogil:
    int MG_PROMPT, MG_COMPLETION, MG_TOTAL, MG_CACHED, MG_CACHE_WRITE, MG_REASONING, MG_AUDIO_IN, MG_AUDIO_OUT, MG_COUNTS
    int MG_EVENT_DEPTH
    ctypedef struct mg_counts:
        int64_t[8] count
        int suspicious, found
    ctypedef struct mg_event:
        int error, has_usage, no_choices, finished, content, typed
        size_t type_length
        uint8_t[64] type
    void mg_read_usage(mg_counts *c, const uint8_t *p, size_t n)
    void mg_read_event(mg_event *e, int kind, const uint8_t *p, const uint8_t *end)
    bint mg_is_last(int kind, const uint8_t *p, size_t n)
    bint mg_is_content(int kind, const uint8_t *p, size_t n)
    bint mg_is_failure(const uint8_t *p, size_t n)
    size_t mg_line_end(const uint8_t *p, size_t n)
    const uint8_t *mg_quote(const uint8_t *p, const uint8_t *end)
    const uint8_t *mg_bracket(const uint8_t *p, const uint8_t *end)

cdef extern from "_scan_head.h" nogil:
    const uint8_t[256] mg_name_byte
    void mg_fill_tables()
    const uint8_t *mg_control(const uint8_t *p, const uint8_t *end)
    bint mg_is_host(const uint8_t *p, const uint8_t *end)
    bint mg_is_target(const uint8_t *p, const uint8_t *end)
    bint mg_is_status_line(const uint8_t *p, const uint8_t *end)
    bint mg_lists(const uint8_t *p, const uint8_t *end, const uint8_t *name, size_t n)

cdef extern from * nogil:
    """
    #ifndef _GNU_SOURCE
    extern void *memmem(const void *, size_t, const void *, size_t);
    #endif
    """
    void *memmem(const void *where, size_t n, const void *what, size_t m)

mg_fill_tables()
mg_choose(1)

ABSENT = -1
RAW = 0
CHAT = 1
RESPONSES = 2
TYPED = 3
CLEAN = 0
TRUNCATED = 1
FAILED = 2

cdef enum:
    _CAPTURE_LIMIT = 16384
    _LOOK_LIMIT = 1048576
    _ERROR_LIMIT = 16384
    _HEAD_LIMIT = 32768
    _RESPONSE_HEAD_LIMIT = 65536
    _FIELD_LIMIT = 100
    _RESPONSE_FIELD_LIMIT = 256
    _TARGET_LIMIT = 8192
    _KEPT_CAPACITY = 65536  # a larger buffer is given back once its event is over

cdef enum:
    _RAW = 0
    _CHAT = 1
    _TYPED = 3

cdef enum:
    _IN_VALUE = 0
    _EXPECT_KEY = 1
    _AFTER_KEY = 2
    _EXPECT_VALUE = 3


def _use_wide_instructions(wide):
    """For tests: False keeps to the instructions every processor has."""
    mg_choose(1 if wide else 0)


cdef int _extend(Buffer *buffer, const unsigned char *piece, size_t length) except -1:
    cdef size_t capacity
    cdef unsigned char *larger
    if buffer.length + length > buffer.capacity:
        capacity = max(max(buffer.capacity * 2, buffer.length + length), <size_t>256)
        larger = <unsigned char *>realloc(buffer.data, capacity)
        if larger == NULL:
            raise MemoryError
        buffer.data = larger
        buffer.capacity = capacity
    if length:
        memcpy(buffer.data + buffer.length, piece, length)
        buffer.length += length
    return 0


cdef inline void _empty(Buffer *buffer) noexcept:
    buffer.length = 0
    if buffer.capacity > _KEPT_CAPACITY:
        free(buffer.data)
        buffer.data = NULL
        buffer.capacity = 0


cdef inline bytes _slice(const unsigned char *start, Py_ssize_t length):
    return PyBytes_FromStringAndSize(<const char *>start, length)


cdef inline bint _is(const unsigned char *text, size_t length, const char *literal, size_t size) noexcept:
    return length == size and memcmp(text, literal, size) == 0


# ---- JSON ----

cpdef bint validate(object data) except -1:
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
        cdef Py_ssize_t where = -1
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
            self.model = PyUnicode_DecodeUTF8(text + fields.model_start + 1, fields.model_end - fields.model_start - 2, NULL)
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


# ---- usage ----

@cython.no_gc
@cython.final
cdef class UsageScan:
    def __cinit__(self):
        self.reset()

    def __dealloc__(self):
        free(self._buffer.data)

    cpdef void reset(self) noexcept:
        self.prompt = self.completion = self.total = self.cached = self.cache_write = -1
        self.reasoning = self.audio_in = self.audio_out = -1
        self.suspicious = False
        self.found = False
        self._restart()

    cdef void _restart(self) noexcept:
        self._depth = 0
        self._capture_depth = 0
        self._state = _IN_VALUE
        self._string = self._escape = self._recording = False
        self._root = self._inside = self._container = False
        self._capturing = False
        self._key_length = 0
        self._buffer.length = 0

    cpdef void parse(self, object data) except *:
        self._restart()
        self.feed(data)
        self._restart()

    cdef int parse_raw(self, const unsigned char *data, size_t length) except -1:
        self._restart()
        self.feed_raw(data, length)
        self._restart()
        return 0

    cpdef void feed(self, object data) except *:
        cdef Py_buffer view
        if isinstance(data, bytes):
            self.feed_raw(<const unsigned char *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
            return
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            self.feed_raw(<const unsigned char *>view.buf, view.len)
        finally:
            PyBuffer_Release(&view)

    cdef void _read(self, const unsigned char *text, size_t length) noexcept:
        cdef mg_counts counts
        counts.count[MG_PROMPT] = self.prompt
        counts.count[MG_COMPLETION] = self.completion
        counts.count[MG_TOTAL] = self.total
        counts.count[MG_CACHED] = self.cached
        counts.count[MG_CACHE_WRITE] = self.cache_write
        counts.count[MG_REASONING] = self.reasoning
        counts.count[MG_AUDIO_IN] = self.audio_in
        counts.count[MG_AUDIO_OUT] = self.audio_out
        counts.suspicious = self.suspicious
        counts.found = self.found
        mg_read_usage(&counts, text, length)
        self.prompt = counts.count[MG_PROMPT]
        self.completion = counts.count[MG_COMPLETION]
        self.total = counts.count[MG_TOTAL]
        self.cached = counts.count[MG_CACHED]
        self.cache_write = counts.count[MG_CACHE_WRITE]
        self.reasoning = counts.count[MG_REASONING]
        self.audio_in = counts.count[MG_AUDIO_IN]
        self.audio_out = counts.count[MG_AUDIO_OUT]
        self.suspicious = counts.suspicious != 0
        self.found = counts.found != 0

    cdef bint _keep(self, const unsigned char *piece, size_t length) except -1:
        """Adds to the captured text; False when that would be too long to be looked at."""
        if self._buffer.length + length > _CAPTURE_LIMIT:
            self._capturing = False
            self.suspicious = True
            return False
        _extend(&self._buffer, piece, length)
        return True

    cdef int feed_raw(self, const unsigned char *data, size_t length) except -1:
        cdef const unsigned char *end = data + length
        cdef const unsigned char *p = data
        cdef const unsigned char *q
        cdef const unsigned char *copied = data
        cdef unsigned char c
        cdef bint named
        cdef size_t kept
        while p < end:
            if self._string:
                # Inside a string: to behind its closing quote, which may come with a later piece.
                q = p
                if self._escape:
                    self._escape = False
                    p += 1
                while True:
                    p = mg_quote(p, end)
                    if p == NULL:
                        p = end
                        break
                    if (p - 1)[0] == c'"':
                        self._string = False
                        break
                    if p >= end:
                        self._escape = True
                        break
                    p += 1
                if self._recording:
                    kept = p - q - (0 if self._string else 1)
                    if self._key_length + kept <= sizeof(self._key):
                        memcpy(self._key + self._key_length, q, kept)
                        self._key_length += kept
                    else:
                        self._key_length = sizeof(self._key)
                    if not self._string:
                        self._recording = False
                        self._state = _AFTER_KEY
                continue
            named = (self._depth == 1 and self._root) or (self._depth == 2 and self._inside)
            if named:
                while p < end:
                    c = p[0]
                    p += 1
                    if c == c'"' or c == c',' or c == c':' or c == c'{' or c == c'}' or c == c'[' or c == c']':
                        break
                else:
                    break
            else:
                p = mg_bracket(p, end)
                if p == NULL:
                    break
            c = (p - 1)[0]
            if c == c'"':
                self._string = True
                if named and self._state == _EXPECT_KEY:
                    self._recording = True
                    self._key_length = 0
            elif c == c':':
                if self._state == _AFTER_KEY:
                    self._state = _EXPECT_VALUE
                    self._container = self._depth == 1 and (
                        _is(self._key, self._key_length, b"x_groq", 6) or _is(self._key, self._key_length, b"response", 8))
                    if _is(self._key, self._key_length, b"usage", 5):
                        self._capturing = True
                        self._capture_depth = self._depth
                        self._buffer.length = 0
                        copied = p
            else:
                if self._capturing and self._depth == self._capture_depth and c != c'{' and c != c'[':
                    if self._buffer.length == 0 and p - copied <= _CAPTURE_LIMIT:
                        self._read(copied, p - 1 - copied)
                    elif self._keep(copied, p - 1 - copied):
                        self._read(self._buffer.data, self._buffer.length)
                    self._capturing = False
                if c == c'{' or c == c'[':
                    if self._depth == 0:
                        self._root = c == c'{'
                    elif self._depth == 1:
                        self._inside = c == c'{' and self._root and self._state == _EXPECT_VALUE and self._container
                    self._depth += 1
                    self._state = _EXPECT_KEY
                elif c == c',':
                    self._state = _EXPECT_KEY
                else:
                    if self._depth:
                        self._depth -= 1
                    self._state = _IN_VALUE
        if self._capturing:
            self._keep(copied, end - copied)
        return 0


# ---- streams ----

@cython.no_gc
@cython.final
cdef class StreamScan:
    def __cinit__(self):
        self.usage = UsageScan()
        self.error_event = b""
        self._bom = True

    def __init__(self, int kind, bint hide_usage=False):
        self._kind = kind
        self._hide = hide_usage

    def __dealloc__(self):
        free(self._line.data)
        free(self._data.data)
        free(self._hold.data)

    cpdef bytes feed(self, bytes data):
        cdef const unsigned char *base = <const unsigned char *>PyBytes_AS_STRING(data)
        cdef const unsigned char *line
        cdef size_t end = PyBytes_GET_SIZE(data)
        cdef size_t at = 0, emitted = 0, start, stop, length, line_end, line_length
        cdef bint hidden, borrowed
        cdef list out = None
        if self._swallow and end:
            self._swallow = False
            if base[0] == c'\n':
                at = 1
                emitted = 1 if self._last_hidden else 0
                if self._closed:
                    return data[emitted:1]
        if self._closed:
            return b""
        start = 0 if self._hold.length else at  # of the unfinished event within data
        while True:
            line_end = at + mg_line_end(base + at, end - at)
            if line_end == end:
                if line_end > at:
                    self._append(base + at, line_end - at)
                break
            line_length = self._line_length + line_end - at
            borrowed = self._line_length == 0
            if borrowed:
                line = base + at
                length = min(line_length, <size_t>_LOOK_LIMIT)
            else:
                self._append(base + at, line_end - at)
                line = self._line.data
                length = self._line.length
                self._line_length = 0
            at = line_end + 1
            if base[at - 1] == c'\r':
                if at == end:
                    self._swallow = True
                elif base[at] == c'\n':
                    at += 1
            if self._bom:
                self._bom = False
                if length >= 3 and memcmp(line, b"\xef\xbb\xbf", 3) == 0:
                    line += 3
                    length -= 3
                    line_length -= 3
            if length:
                self._last_hidden = False
                self._field(line, length, line_length > _LOOK_LIMIT, borrowed)
                if not borrowed:
                    _empty(&self._line)
                continue
            if not borrowed:
                _empty(&self._line)
            hidden = self._dispatch() and not self._released
            self._last_hidden = hidden
            if hidden:
                if out is None:
                    out = []
                out.append(data[emitted:start])
                emitted = at
            elif self._hold.length:
                if out is None:
                    out = []
                out.append(_slice(self._hold.data, self._hold.length))
            _empty(&self._hold)
            self._released = False
            start = at
            if self.done:
                self._closed = True
                break
        if self._has_data and self._borrowed:
            self._own()
        if self._closed:
            stop = start
        elif self._hide and not self._released:
            stop = start
            if end > start:
                _extend(&self._hold, base + start, end - start)
            if self._hold.length > _LOOK_LIMIT:
                if self._hold.length > end:
                    out = [_slice(self._hold.data, self._hold.length - end)]
                stop = end
                _empty(&self._hold)
                self._released = True
        else:
            stop = end
        if out is None:
            return data if emitted == 0 and stop == end else data[emitted:stop]
        out.append(data[emitted:stop])
        return b"".join(out)

    cdef int _append(self, const unsigned char *piece, size_t length) except -1:
        """Adds to the unfinished line."""
        cdef size_t room = _LOOK_LIMIT - self._line.length
        self._line_length += length
        return _extend(&self._line, piece, min(length, room))

    cdef int _own(self) except -1:
        """Copies the unfinished event's data out of the piece it arrived in."""
        self._borrowed = False
        self._data.length = 0
        return _extend(&self._data, self._data_at, self._data_length)

    cdef int _field(self, const unsigned char *line, size_t length, bint oversize, bint borrowed) except -1:
        cdef const unsigned char *value
        cdef size_t size
        if length >= 4 and memcmp(line, b"data", 4) == 0 and (length == 4 or line[4] == c':'):
            value = line + min(length, <size_t>5)
            size = length - min(length, <size_t>5)
            if size and value[0] == c' ':
                value += 1
                size -= 1
            if oversize or self._data_length + size + (1 if self._has_data else 0) > _LOOK_LIMIT:
                self._oversize = True
                self._borrowed = False
                _empty(&self._data)
            if self._oversize:
                self._data_length += size + (1 if self._has_data else 0)
                self._has_data = True
                return 0
            if self._has_data:
                if self._borrowed:
                    self._own()
                _extend(&self._data, b"\n", 1)
                _extend(&self._data, value, size)
                self._data_length += size + 1
                return 0
            self._has_data = True
            self._data_at = value
            self._data_length = size
            self._borrowed = borrowed
            if not borrowed:
                self._own()
        elif length >= 5 and memcmp(line, b"event", 5) == 0 and (length == 5 or line[5] == c':'):
            value = line + min(length, <size_t>6)
            size = length - min(length, <size_t>6)
            if size and value[0] == c' ':
                value += 1
                size -= 1
            if size > sizeof(self._name):
                value = b"?"
                size = 1
            memcpy(self._name, value, size)
            self._name_length = size
        return 0

    cdef bint _dispatch(self) except -1:
        """Judges the event that a blank line has ended; whether it is to be hidden."""
        cdef bint hidden = False
        cdef const unsigned char *payload
        if self._has_data:
            if self._oversize:
                if _is(self._name, self._name_length, b"error", 5):
                    self._fail(b"", 0)
                self.events += 1
                self.content_events += 1
                self.finished |= mg_is_last(self._kind, self._name, self._name_length)
            else:
                payload = self._data_at if self._borrowed else self._data.data
                if _is_done(payload, self._data_length):
                    self.done = True
                else:
                    self.events += 1
                    hidden = self._event(payload, self._data_length)
            if not self._borrowed:
                _empty(&self._data)
            self._data_length = 0
            self._has_data = self._oversize = self._borrowed = False
        self._name_length = 0
        return hidden

    cdef int _fail(self, const unsigned char *payload, size_t length) except -1:
        if not self.failed:
            self.failed = True
            self.error_event = _slice(payload, min(length, <size_t>_ERROR_LIMIT))
        return 0

    cdef bint _event(self, const unsigned char *payload, size_t length) except -1:
        cdef mg_event event
        cdef Py_ssize_t where
        cdef const unsigned char *kind
        cdef size_t kind_length
        if self._name_length == 5 and memcmp(self._name, b"error", 5) == 0:
            self._fail(payload, length)
        if memmem(payload, length, b'"usage"', 7) != NULL:
            self.usage.parse_raw(payload, length)
        if self._kind == _RAW:
            self.content_events += 1
            if memmem(payload, length, b'"error"', 7) == NULL:
                return False
        if mg_json(payload, length, NULL, MG_EVENT_DEPTH, &where):
            self.malformed |= self._kind != _RAW
            return False
        mg_read_event(&event, self._kind, payload, payload + length)
        if event.error:
            self._fail(payload, length)
        if self._kind == _RAW:
            return False
        if self._kind == _CHAT:
            self.content_events += event.content
            self.finished |= event.finished or (event.no_choices and event.has_usage)
            return self._hide and event.no_choices and event.has_usage and not event.error
        if event.typed:
            kind = event.type
            kind_length = event.type_length
        else:
            kind = self._name
            kind_length = self._name_length
        if mg_is_failure(kind, kind_length):
            self._fail(payload, length)
        self.finished |= mg_is_last(self._kind, kind, kind_length)
        self.content_events += mg_is_content(self._kind, kind, kind_length)
        return False

    cdef int _settle(self) except -1:
        """The stream has ended: an unterminated ``[DONE]`` counts, any other unfinished event was cut."""
        cdef const unsigned char *line
        cdef size_t length
        if self._settled:
            return 0
        self._settled = True
        if self._line_length:
            line = self._line.data
            length = self._line.length
            if self._bom and length >= 3 and memcmp(line, b"\xef\xbb\xbf", 3) == 0:
                line += 3
                length -= 3
            self._field(line, length, self._line_length > _LOOK_LIMIT, False)
            self._cut = length != 0 and line[0] != c':'
        if self._has_data and not self._oversize and _is_done(self._data.data, self._data_length):
            self.done = True
        self._cut |= self._has_data or self._name_length != 0
        return 0

    cpdef bytes flush(self):
        cdef bytes held
        self._settle()
        held = _slice(self._hold.data, self._hold.length) if self._hold.length else b""
        _empty(&self._hold)
        return held

    cpdef int verdict(self) except -1:
        self._settle()
        if self.failed:
            return 2
        if self.done:
            return 0
        if self._cut:
            return 1
        return 0 if self.finished or self._kind == _RAW else 1


cdef bint _is_done(const unsigned char *text, size_t length) noexcept:
    while length and (text[0] == c' ' or text[0] == c'\t'):
        text += 1
        length -= 1
    while length and (text[length - 1] == c' ' or text[length - 1] == c'\t'):
        length -= 1
    return _is(text, length, b"[DONE]", 6)


# ---- heads ----

@cython.no_gc
@cython.final
cdef class HeadScan:
    def __cinit__(self):
        self._clear(b"")

    cdef void _clear(self, bytes head) noexcept:
        self._head = head
        self._first = 0
        self.fields = 0
        self.content_length = -1
        self.host = None
        self.content_type = None
        self.content_encoding = None
        self.transfer_encoding = None
        self.connection = None
        self.expect = None
        self.upgrade = None
        self.authorization = None
        self.x_api_key = None
        self.api_key = None
        self.x_goog_api_key = None
        self.x_microgate_key = None
        self.retry_after = None
        self.has_options = False
        self.error = 0
        self.why = ""

    cdef bint _refuse(self, int status, str why) noexcept:
        self.error = status
        self.why = why
        return False

    cpdef bint request(self, bytes head, bint strict_host=True) except -1:
        cdef const unsigned char *p = <const unsigned char *>PyBytes_AS_STRING(head)
        cdef const unsigned char *behind = p + PyBytes_GET_SIZE(head)
        cdef const unsigned char *end
        cdef const unsigned char *method
        cdef const unsigned char *target
        cdef const unsigned char *version
        cdef size_t first
        cdef bint old
        self._clear(head)
        if behind - p > _HEAD_LIMIT:
            return self._refuse(431, "request head too large")
        while behind - p >= 2 and p[0] == c'\r' and p[1] == c'\n':  # RFC 9112 section 2.2
            p += 2
        method = p
        end = <const unsigned char *>memchr(p, c'\n', behind - p)
        if end == NULL or end == p or (end - 1)[0] != c'\r':
            return self._refuse(400, "malformed request line")
        first = PyBytes_GET_SIZE(head) - (behind - end) + 1
        end -= 1
        target = <const unsigned char *>memchr(p, c' ', end - p)
        version = NULL if target == NULL else <const unsigned char *>memchr(target + 1, c' ', end - target - 1)
        if version == NULL or memchr(version + 1, c' ', end - version - 1) != NULL:
            return self._refuse(400, "malformed request line")
        if version - target - 1 > _TARGET_LIMIT:
            return self._refuse(414, "request target too long")
        if end - version != 9 or memcmp(version + 1, b"HTTP/1.", 7) != 0 or (version[8] != c'1' and version[8] != c'0'):
            return self._refuse(400, "HTTP version not supported")
        old = version[8] == c'0'
        while p < target and mg_name_byte[p[0]]:
            p += 1
        if p != target or p == method or not mg_is_target(target + 1, version):
            return self._refuse(400, "malformed request target")
        if _is(method, target - method, b"TRACE", 5):
            return self._refuse(405, "method not allowed")
        if not self._read(first, 400, _FIELD_LIMIT):
            return False
        if self.host is None:
            if strict_host and not old:
                return self._refuse(400, "Host is missing")
        elif strict_host:
            p = <const unsigned char *>PyBytes_AS_STRING(self.host)
            if not mg_is_host(p, p + PyBytes_GET_SIZE(self.host)):
                return self._refuse(400, "Host is invalid")
        if self.transfer_encoding is not None:
            if old:
                return self._refuse(400, "Transfer-Encoding under HTTP/1.0")
            if self.content_length >= 0:
                return self._refuse(400, "both Transfer-Encoding and Content-Length")
            if self.transfer_encoding.lower() != b"chunked":
                for coding in self.transfer_encoding.split(b","):
                    if coding.strip(b" \t").lower() not in (b"chunked", b""):
                        return self._refuse(501, "Transfer-Encoding is not one exact chunked")
                return self._refuse(400, "Transfer-Encoding is not one exact chunked")
        return True

    cpdef bint response(self, bytes head) except -1:
        cdef const unsigned char *text = <const unsigned char *>PyBytes_AS_STRING(head)
        cdef const unsigned char *end
        cdef size_t length = PyBytes_GET_SIZE(head)
        self._clear(head)
        if length > _RESPONSE_HEAD_LIMIT:
            return self._refuse(502, "response head too large")
        end = <const unsigned char *>memchr(text, c'\n', length)
        if end == NULL or end == text or (end - 1)[0] != c'\r' or not mg_is_status_line(text, end - 1):
            return self._refuse(502, "malformed status line")
        if not self._read(end + 1 - text, 502, _RESPONSE_FIELD_LIMIT):
            return False
        if self.transfer_encoding is not None:
            if self.content_length >= 0:
                return self._refuse(502, "both Transfer-Encoding and Content-Length")
            if self.transfer_encoding.lower() != b"chunked":
                return self._refuse(502, "Transfer-Encoding is not one exact chunked")
        return True

    cdef bint _fault(self, const unsigned char *line, const unsigned char *end, int status, Py_ssize_t limit) noexcept:
        """Says what is wrong with a line that has been found wanting, in the pure twin's order of checks."""
        cdef const unsigned char *stop = <const unsigned char *>memchr(line, c'\n', end - line)
        if stop == NULL:
            return self._refuse(status, "the head ends too early")
        if stop == line or (stop - 1)[0] != c'\r':
            return self._refuse(status, "a line does not end with CRLF")
        if self.fields >= limit:
            return self._refuse(431 if status == 400 else status, "too many fields")
        self.fields += 1
        while line < stop and mg_name_byte[line[0]]:
            line += 1
        if line[0] != c':' or (line - 1)[0] == c'\n':
            return self._refuse(status, "malformed field name")
        return self._refuse(status, "control character in a field value")

    cdef bint _read(self, size_t at, int status, Py_ssize_t limit) except -1:
        """Reads the fields from ``at`` to the empty line that must end the head; errors are ``status``."""
        cdef const unsigned char *text = <const unsigned char *>PyBytes_AS_STRING(self._head)
        cdef const unsigned char *end = text + PyBytes_GET_SIZE(self._head)
        cdef const unsigned char *p = text + at
        cdef const unsigned char *line
        cdef const unsigned char *value
        cdef const unsigned char *stop
        cdef unsigned char[32] name
        cdef unsigned char c
        cdef size_t length
        self._first = at
        while True:
            line = p
            length = 0
            while p < end:
                c = mg_name_byte[p[0]]
                if not c:
                    break
                name[length & 31] = c  # a longer name is none we know; it wraps
                length += 1
                p += 1
            if p == line and end - p >= 2 and p[0] == c'\r' and p[1] == c'\n':
                return p + 2 == end or self._refuse(status, "bytes behind the head")
            if p == line or p >= end or p[0] != c':' or self.fields >= limit:
                return self._fault(line, end, status, limit)
            p += 1
            stop = mg_control(p, end)
            if end - stop < 2 or stop[0] != c'\r' or stop[1] != c'\n':
                return self._fault(line, end, status, limit)
            self.fields += 1
            if length <= 17:  # "transfer-encoding" is the longest name we know
                value = p
                p = stop
                while value < p and (value[0] == c' ' or value[0] == c'\t'):
                    value += 1
                while p > value and ((p - 1)[0] == c' ' or (p - 1)[0] == c'\t'):
                    p -= 1
                if not self._known(name, length, value, p - value, status):
                    return False
            elif status == 400 and _starts_option(line):
                self.has_options = True
            p = stop + 2

    cdef bint _known(self, const unsigned char *name, size_t length, const unsigned char *value, size_t size,
                     int status) except -1:
        cdef bint request = status == 400
        cdef long long number = 0
        cdef size_t i
        if length == 4:
            if request and memcmp(name, b"host", 4) == 0:
                if self.host is not None:
                    return self._refuse(400, "repeated Host")
                self.host = _slice(value, size)
        elif length == 6:
            if memcmp(name, b"expect", 6) == 0 and self.expect is None:
                self.expect = _slice(value, size)
        elif length == 7:
            if memcmp(name, b"upgrade", 7) == 0:
                self.upgrade = _joined(self.upgrade, value, size)
            elif request and memcmp(name, b"api-key", 7) == 0:
                if self.api_key is not None:
                    return self._refuse(400, "repeated credential")
                self.api_key = _slice(value, size)
        elif length == 9:
            if request and memcmp(name, b"x-api-key", 9) == 0:
                if self.x_api_key is not None:
                    return self._refuse(400, "repeated credential")
                self.x_api_key = _slice(value, size)
        elif length == 10:
            if memcmp(name, b"connection", 10) == 0:
                self.connection = _joined(self.connection, value, size)
        elif length == 11:
            if memcmp(name, b"retry-after", 11) == 0 and self.retry_after is None:
                self.retry_after = _slice(value, size)
        elif length == 12:
            if memcmp(name, b"content-type", 12) == 0:
                if self.content_type is None:
                    self.content_type = _slice(value, size)
            elif request and memcmp(name, b"x-microgate-", 12) == 0:
                self.has_options = True
        elif length == 13:
            if request and memcmp(name, b"authorization", 13) == 0:
                if self.authorization is not None:
                    return self._refuse(400, "repeated credential")
                self.authorization = _slice(value, size)
            elif request and memcmp(name, b"x-microgate-", 12) == 0:
                self.has_options = True
        elif length == 14:
            if memcmp(name, b"content-length", 14) == 0:
                if size == 0 or size > 18:
                    return self._refuse(status, "malformed Content-Length")
                for i in range(size):
                    if value[i] < c'0' or value[i] > c'9':
                        return self._refuse(status, "malformed Content-Length")
                    number = number * 10 + (value[i] - c'0')
                if self.content_length >= 0 and (request or self.content_length != number):
                    return self._refuse(status, "repeated Content-Length")
                self.content_length = number
            elif request and memcmp(name, b"x-goog-api-key", 14) == 0:
                if self.x_goog_api_key is not None:
                    return self._refuse(400, "repeated credential")
                self.x_goog_api_key = _slice(value, size)
            elif request and memcmp(name, b"x-microgate-", 12) == 0:
                self.has_options = True
        elif length == 16 and memcmp(name, b"content-encoding", 16) == 0:
            self.content_encoding = _joined(self.content_encoding, value, size)
        elif length == 17 and memcmp(name, b"transfer-encoding", 17) == 0:
            if self.transfer_encoding is not None:
                return self._refuse(status, "repeated Transfer-Encoding")
            self.transfer_encoding = _slice(value, size)
        elif request and length >= 12 and memcmp(name, b"x-microgate-", 12) == 0:
            if length == 15 and memcmp(name + 12, b"key", 3) == 0:
                if self.x_microgate_key is not None:
                    return self._refuse(400, "repeated credential")
                self.x_microgate_key = _slice(value, size)
            else:
                self.has_options = True
        return True

    cpdef bytes value_of(self, bytes name):
        cdef const unsigned char *text = <const unsigned char *>PyBytes_AS_STRING(self._head)
        cdef const unsigned char *end = text + PyBytes_GET_SIZE(self._head)
        cdef const unsigned char *wanted = <const unsigned char *>PyBytes_AS_STRING(name)
        cdef const unsigned char *p = text + self._first
        cdef const unsigned char *stop
        cdef const unsigned char *next_line
        cdef size_t length = PyBytes_GET_SIZE(name)
        cdef size_t i
        if not self._first:
            return None
        while True:
            stop = <const unsigned char *>memchr(p, c'\n', end - p)
            if stop == NULL:
                return None
            next_line = stop + 1
            if stop > p and (stop - 1)[0] == c'\r':
                stop -= 1
            if stop == p:
                return None
            if <size_t>(stop - p) > length and p[length] == c':':
                i = 0
                while i < length and wanted[i] == (p[i] | 0x20 if c'A' <= p[i] <= c'Z' else p[i]):
                    i += 1
                if i == length and memchr(p, c':', length) == NULL:
                    p += length + 1
                    while p < stop and (p[0] == c' ' or p[0] == c'\t'):
                        p += 1
                    while stop > p and ((stop - 1)[0] == c' ' or (stop - 1)[0] == c'\t'):
                        stop -= 1
                    return _slice(p, stop - p)
            p = next_line


cdef inline bint _starts_option(const unsigned char *line) noexcept:
    cdef size_t i
    for i in range(12):
        if mg_name_byte[line[i]] != (<const unsigned char *>b"x-microgate-")[i]:
            return False
    return True


cdef inline bytes _joined(bytes before, const unsigned char *value, size_t size):
    return _slice(value, size) if before is None else before + b", " + _slice(value, size)


cdef struct Line:
    const unsigned char *start
    const unsigned char *end
    size_t name_length
    bint copied
    bint connection


cdef inline unsigned int _hash_of(const unsigned char *name, size_t length) noexcept:
    """Of a lower-case name; ``copy`` computes the same on its way."""
    cdef unsigned int value = 0
    cdef size_t i
    for i in range(length):
        value = value * 31 + name[i]
    return value


@cython.no_gc
@cython.final
cdef class HeaderFilter:
    def __cinit__(self):
        self._blob = b""

    def __init__(self, names, prefixes=(), *, bint keep):
        cdef list known = list(dict.fromkeys(names))
        cdef list starts = list(prefixes)
        cdef unsigned int size = 8, offset = 0, at
        cdef Py_ssize_t i
        cdef bytes name
        cdef const unsigned char *text
        while size < 2 * len(known):
            size *= 2
        free(self._slots)
        free(self._prefixes)
        self._keep = keep
        self._blob = b"".join(known) + b"".join(starts)
        self._slots = <FilterName *>calloc(size, sizeof(FilterName))
        self._prefixes = <FilterName *>calloc(len(starts) + 1, sizeof(FilterName))
        self._mask = size - 1
        self._prefix_count = len(starts)
        if self._slots == NULL or self._prefixes == NULL:
            raise MemoryError
        text = <const unsigned char *>PyBytes_AS_STRING(self._blob)
        for name in known:
            if not name:
                continue
            at = _hash_of(text + offset, len(name))
            while self._slots[at & self._mask].length:
                at += 1
            self._slots[at & self._mask].hash = _hash_of(text + offset, len(name))
            self._slots[at & self._mask].offset = offset
            self._slots[at & self._mask].length = len(name)
            offset += len(name)
        for i, name in enumerate(starts):
            self._prefixes[i].offset = offset
            self._prefixes[i].length = len(name)
            offset += len(name)

    def __dealloc__(self):
        free(self._slots)
        free(self._prefixes)

    cdef bint _listed(self, const unsigned char *name, unsigned int length, unsigned int hash) noexcept:
        """Whether a name, given as it came, is in the list; ``hash`` is that of its lower-case form."""
        cdef const unsigned char *blob = <const unsigned char *>PyBytes_AS_STRING(self._blob)
        cdef const unsigned char *known
        cdef FilterName *slot
        cdef unsigned int at = hash, i
        cdef Py_ssize_t k
        while True:
            slot = &self._slots[at & self._mask]
            if not slot.length:
                break
            if slot.hash == hash and slot.length == length:
                known = blob + slot.offset
                i = 0
                while i < length and mg_name_byte[name[i]] == known[i]:
                    i += 1
                if i == length:
                    return True
            at += 1
        for k in range(self._prefix_count):
            slot = &self._prefixes[k]
            if slot.length <= length:
                known = blob + slot.offset
                i = 0
                while i < slot.length and mg_name_byte[name[i]] == known[i]:
                    i += 1
                if i == slot.length:
                    return True
        return False

    cpdef bytes copy(self, bytes head):
        cdef const unsigned char *p = <const unsigned char *>PyBytes_AS_STRING(head)
        cdef const unsigned char *end = p + PyBytes_GET_SIZE(head)
        cdef const unsigned char *stop
        cdef const unsigned char *line
        cdef Line[128] few
        cdef Line *lines = few
        cdef Line *more
        cdef size_t count = 0, capacity = 128, i, k, total = 0
        cdef bint named = False
        cdef unsigned int hash
        cdef unsigned char c
        cdef bytes result
        cdef unsigned char *out
        p = <const unsigned char *>memchr(p, c'\n', end - p)
        if p == NULL:
            return b""
        p += 1
        try:
            while p < end:
                line = p
                hash = 0
                while p < end:
                    c = mg_name_byte[p[0]]
                    if not c:
                        break
                    hash = hash * 31 + c
                    p += 1
                stop = mg_control(p, end)
                if end - stop >= 2 and stop[0] == c'\r' and stop[1] == c'\n':
                    if stop == line:
                        break
                    if p > line and p < stop and p[0] == c':':
                        if count == capacity:
                            capacity *= 2
                            more = <Line *>realloc(NULL if lines == few else lines, capacity * sizeof(Line))
                            if more == NULL:
                                raise MemoryError
                            if lines == few:
                                memcpy(more, few, sizeof(few))
                            lines = more
                        lines[count].start = line
                        lines[count].end = stop
                        lines[count].name_length = p - line
                        lines[count].connection = p - line == 10 and mg_lists(line, p, b"connection", 10)
                        lines[count].copied = self._listed(line, <unsigned int>(p - line), hash) == self._keep
                        if lines[count].connection:
                            named = True
                            count += 1
                        elif lines[count].copied:
                            count += 1
                    p = stop + 2
                    continue
                # Not the form that validated heads have: left out.
                stop = <const unsigned char *>memchr(line, c'\n', end - line)
                if stop == NULL or stop == line:
                    break
                p = stop + 1
            if named:
                for i in range(count):
                    if lines[i].copied:
                        for k in range(count):
                            if lines[k].connection and mg_lists(
                                    lines[k].start + 11, lines[k].end, lines[i].start, lines[i].name_length):
                                lines[i].copied = False
                                break
            for i in range(count):
                if lines[i].copied:
                    total += lines[i].end - lines[i].start + 2
            result = PyBytes_FromStringAndSize(NULL, total)
            out = <unsigned char *>PyBytes_AS_STRING(result)
            for i in range(count):
                if lines[i].copied:
                    total = lines[i].end - lines[i].start + 2
                    memcpy(out, lines[i].start, total)
                    out += total
            return result
        finally:
            if lines != few:
                free(lines)
