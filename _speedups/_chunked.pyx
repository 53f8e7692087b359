# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Compiled twin of ``_chunked_py``: the body of an answer that comes in chunks. The contract is ``_chunked.pyi``.

Index checks are off: every pointer runs up to an end taken from the same object.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy

cdef extern from "_scan_head.h" nogil:
    const unsigned char[256] mg_name_byte
    void mg_fill_tables()

mg_fill_tables()

cdef enum:
    _SIZE = 0          # hexadecimal digits
    _NAME_START = 1    # extensions, read and dropped: ;name, ;name=token, ;name="quoted"
    _NAME = 2
    _VALUE_START = 3
    _VALUE = 4
    _QUOTED = 5
    _ESCAPED = 6
    _QUOTED_END = 7
    _SIZE_LF = 8
    _DATA = 9
    _DATA_CR = 10
    _DATA_LF = 11
    _TRAILER = 12      # at the start of a line
    _FIELD = 13        # within one
    _FIELD_LF = 14
    _LAST_LF = 15
    _DONE = 16
    _BROKEN = 17

cdef enum:
    _MOST_DIGITS = 15
    _OVERHEAD = 16384  # bytes of extensions and trailers


cdef inline bint _is_text(unsigned char c) noexcept:
    """What a field value or a quoted string may hold."""
    return (c >= 0x20 and c != 0x7F) or c == c"\t"


cdef int _in_extension(int state, unsigned char c) noexcept:
    """The state behind a byte of the extensions; -1: it may not stand there."""
    if state == _QUOTED:
        if c == c'"':
            return _QUOTED_END
        if c == c"\\":
            return _ESCAPED
        return _QUOTED if _is_text(c) else -1
    if state == _ESCAPED:
        return _QUOTED if _is_text(c) else -1
    if state == _NAME or state == _VALUE or state == _QUOTED_END:
        if c == c"\r":
            return _SIZE_LF
        if c == c";":
            return _NAME_START
        if c == c"=" and state == _NAME:
            return _VALUE_START
        return state if state != _QUOTED_END and mg_name_byte[c] else -1
    if state == _VALUE_START and c == c'"':
        return _QUOTED
    if not mg_name_byte[c]:
        return -1
    return _NAME if state == _NAME_START else _VALUE


cdef inline int _digit(unsigned char c) noexcept:
    if c"0" <= c <= c"9":
        return c - c"0"
    c |= 0x20
    if c"a" <= c <= c"f":
        return c - c"a" + 10
    return -1


@cython.no_gc
@cython.final
cdef class ChunkedBody:
    def __cinit__(self):
        self.reset()

    cpdef void reset(self) noexcept:
        self.done = self.extra = self.broken = False
        self._state = _SIZE
        self._digits = 0
        self._left = 0
        self._framing_bytes = 0
        self._colon = False

    cdef int _fail(self) noexcept:
        """Behind the last chunk nothing of the body is missing: bad trailers only end the connection's use."""
        if self._state >= _TRAILER:
            self.done = self.extra = True
            self._state = _DONE
        else:
            self.broken = True
            self._state = _BROKEN
        return 0

    cpdef bytes feed(self, bytes data):
        cdef const unsigned char *text
        cdef const unsigned char *p
        cdef const unsigned char *end
        cdef const unsigned char *stop
        cdef const unsigned char *first = NULL  # the only piece so far
        cdef Py_ssize_t first_size = 0, total = 0
        cdef long long size
        cdef bytes result = None
        cdef char *out = NULL
        cdef int digit, state
        if data is None:
            raise TypeError("bytes expected, got NoneType")
        text = p = <const unsigned char *>PyBytes_AS_STRING(data)
        end = p + PyBytes_GET_SIZE(data)
        while p < end:
            if self._state == _DATA:
                size = end - p
                if size > self._left:
                    size = self._left
                if first == NULL:
                    first = p
                    first_size = size
                else:
                    if result is None:
                        # What is left of the input is more than enough for what is left of the output.
                        result = PyBytes_FromStringAndSize(NULL, end - text)
                        out = PyBytes_AS_STRING(result)
                        memcpy(out, first, first_size)
                    memcpy(out + total, p, size)
                total += size
                p += size
                self._left -= size
                if self._left == 0:
                    self._state = _DATA_CR
                continue
            if self._state == _DONE:
                self.extra = True
                break
            if self._state == _BROKEN:
                break
            if self._state == _SIZE:
                digit = _digit(p[0])
                if digit >= 0 and self._digits < _MOST_DIGITS:
                    self._left = self._left << 4 | digit
                    self._digits += 1
                elif digit >= 0 or self._digits == 0:
                    self._fail()
                    break
                elif p[0] == c"\r":
                    self._state = _SIZE_LF
                elif p[0] == c";":
                    self._state = _NAME_START
                else:
                    self._fail()
                    break
            elif self._state == _DATA_CR or self._state == _DATA_LF:
                if p[0] != (c"\r" if self._state == _DATA_CR else c"\n"):
                    self._fail()
                    break
                if self._state == _DATA_LF:
                    self._digits = 0
                    self._state = _SIZE
                else:
                    self._state = _DATA_LF
            elif self._state == _SIZE_LF:
                if p[0] != c"\n":
                    self._fail()
                    break
                self._state = _DATA if self._left else _TRAILER
                self._digits = 0
                self._colon = False
            elif self._state <= _QUOTED_END:
                state = _in_extension(self._state, p[0])
                if state < 0:
                    self._fail()
                    break
                self._state = state
            elif self._state == _TRAILER:
                if p[0] == c"\r":
                    self._state = _LAST_LF
                elif mg_name_byte[p[0]]:
                    self._state = _FIELD
                else:
                    self._fail()
                    break
            elif self._state == _FIELD:
                if p[0] == c"\r" and self._colon:
                    self._state = _FIELD_LF
                elif p[0] == c":":
                    self._colon = True
                elif not _is_text(p[0]) or (not self._colon and not mg_name_byte[p[0]]):
                    self._fail()
                    break
            elif self._state == _FIELD_LF or self._state == _LAST_LF:
                if p[0] != c"\n":
                    self._fail()
                    break
                if self._state == _LAST_LF:
                    self.done = True
                    self._state = _DONE
                else:
                    self._colon = False
                    self._state = _TRAILER
            p += 1
            if _NAME_START <= self._state <= _QUOTED_END or self._state == _FIELD:
                self._framing_bytes += 1
                if self._framing_bytes > _OVERHEAD:
                    self._fail()
                    break
        if result is None:
            if total == 0:
                return b""
            return PyBytes_FromStringAndSize(<const char *>first, total)
        return PyBytes_FromStringAndSize(out, total)
