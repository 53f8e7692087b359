# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Compiled twin of ``_stream_py``: usage picked out of answers, and streams followed. The contract is ``_scan.pyi``.

Index checks are off: every index runs over a length taken from the same object, and the C loops carry an end pointer.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy

cdef extern from "_scan_json.h" nogil:
    int MG_MAX_DEPTH, MG_SPANS
    ctypedef struct mg_span:
        Py_ssize_t start, end
    ctypedef struct mg_spans:
        int count
        mg_span[4] span
    void mg_choose(int wide)
    int mg_json_usage(const uint8_t *doc, size_t n, mg_spans *u, int max_depth, Py_ssize_t *where)

cdef extern from "_scan_event.h" nogil:
    int MG_PROMPT, MG_COMPLETION, MG_TOTAL, MG_CACHED, MG_CACHE_WRITE, MG_REASONING, MG_AUDIO_IN, MG_AUDIO_OUT
    int MG_IMAGE_IN, MG_IMAGE_OUT, MG_CACHE_WRITE_1H, MG_CACHED_AUDIO, MG_SEARCHES
    int MG_EVENT_DEPTH
    ctypedef struct mg_counts:
        int64_t[13] count
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

cdef extern from * nogil:
    """
    #ifndef _GNU_SOURCE
    extern void *memmem(const void *, size_t, const void *, size_t);
    #endif
    """
    void *memmem(const void *where, size_t n, const void *what, size_t m)

mg_choose(1)

cdef enum:
    _CAPTURE_LIMIT = 16384
    _LOOK_LIMIT = 1048576
    _ERROR_LIMIT = 16384
    _KEPT_CAPACITY = 65536  # a larger buffer is given back once its event is over

cdef enum:
    _RAW = 0
    _CHAT = 1

cdef enum:
    _IN_VALUE = 0
    _EXPECT_KEY = 1
    _AFTER_KEY = 2
    _EXPECT_VALUE = 3


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


@cython.no_gc
@cython.final
cdef class UsageScan:
    def __cinit__(self):
        self.reset()

    def __dealloc__(self):
        free(self._buffer.data)

    cpdef void reset(self) noexcept:
        self.prompt = self.completion = self.total = self.cached = self.cache_write = -1
        self.reasoning = self.audio_in = self.audio_out = self.image_in = self.image_out = -1
        self.cache_write_1h = self.cached_audio = self.searches = -1
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

    cpdef bint judge(self, bytes data) except -1:
        cdef Py_ssize_t where
        cdef mg_spans spans
        cdef const unsigned char *text
        if data is None:
            raise TypeError("bytes expected, got NoneType")
        text = <const unsigned char *>PyBytes_AS_STRING(data)
        if mg_json_usage(text, PyBytes_GET_SIZE(data), &spans, MG_MAX_DEPTH, &where):
            return False
        self._restart()
        self._take(text, PyBytes_GET_SIZE(data), &spans)
        return True

    cdef int _take(self, const unsigned char *text, size_t length, void *found) except -1:
        """Reads the usage that a pass over a valid document has found (``mg_spans``)."""
        cdef mg_spans *spans = <mg_spans *>found
        cdef int i
        if spans.count > MG_SPANS:
            return self.parse_raw(text, length)
        for i in range(spans.count):
            if spans.span[i].end - spans.span[i].start > _CAPTURE_LIMIT:
                self.suspicious = True
            else:
                self._read(text + spans.span[i].start, spans.span[i].end - spans.span[i].start)
        return 0

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
        counts.count[MG_IMAGE_IN] = self.image_in
        counts.count[MG_IMAGE_OUT] = self.image_out
        counts.count[MG_CACHE_WRITE_1H] = self.cache_write_1h
        counts.count[MG_CACHED_AUDIO] = self.cached_audio
        counts.count[MG_SEARCHES] = self.searches
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
        self.image_in = counts.count[MG_IMAGE_IN]
        self.image_out = counts.count[MG_IMAGE_OUT]
        self.cache_write_1h = counts.count[MG_CACHE_WRITE_1H]
        self.cached_audio = counts.count[MG_CACHED_AUDIO]
        self.searches = counts.count[MG_SEARCHES]
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
                        _is(self._key, self._key_length, b"x_groq", 6)
                        or _is(self._key, self._key_length, b"response", 8))
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
        cdef const unsigned char *base
        cdef const unsigned char *line
        cdef size_t end
        cdef size_t at = 0, emitted = 0, start, stop, length, line_end, line_length
        cdef bint hidden, borrowed
        cdef list out = None
        if data is None:
            raise TypeError("bytes expected, got NoneType")
        base = <const unsigned char *>PyBytes_AS_STRING(data)
        end = PyBytes_GET_SIZE(data)
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
        cdef mg_spans spans
        cdef Py_ssize_t where
        cdef const unsigned char *kind
        cdef size_t kind_length
        if self._name_length == 5 and memcmp(self._name, b"error", 5) == 0:
            self._fail(payload, length)
        if self._kind == _RAW:
            if memmem(payload, length, b'"usage"', 7) != NULL:
                self.usage.parse_raw(payload, length)
            self.content_events += 1
            if memmem(payload, length, b'"error"', 7) == NULL:
                return False
        if mg_json_usage(payload, length, &spans, MG_EVENT_DEPTH, &where):
            if self._kind != _RAW:
                self.malformed = True
                self.garbled |= self.events == 1
                if memmem(payload, length, b'"usage"', 7) != NULL:
                    self.usage.parse_raw(payload, length)
            return False
        if self._kind != _RAW and spans.count:
            self.usage._restart()
            self.usage._take(payload, length, &spans)
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
