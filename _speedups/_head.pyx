# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Compiled twin of ``_head_py``: checks of heads, and copying of header fields. The contract is ``_scan.pyi``.

Index checks are off: every index runs over a length taken from the same object, and the C loops carry an end pointer.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memchr, memcmp, memcpy, memset

cdef extern from "_scan_head.h" nogil:
    const uint8_t[256] mg_name_byte
    void mg_fill_tables()
    const uint8_t *mg_control(const uint8_t *p, const uint8_t *end)
    bint mg_is_host(const uint8_t *p, const uint8_t *end)
    bint mg_is_target(const uint8_t *p, const uint8_t *end)
    bint mg_is_status_line(const uint8_t *p, const uint8_t *end)
    bint mg_lists(const uint8_t *p, const uint8_t *end, const uint8_t *name, size_t n)
    int mg_known(const uint8_t *name, size_t n, uint32_t hash)
    int mg_media(const uint8_t *p, const uint8_t *end)
    uint64_t mg_token_lengths(const uint8_t *p, const uint8_t *end)
    int MG_HOST, MG_EXPECT, MG_UPGRADE, MG_API_KEY, MG_X_API_KEY, MG_CONNECTION, MG_RETRY_AFTER, MG_CONTENT_TYPE
    int MG_AUTHORIZATION, MG_CONTENT_LENGTH, MG_GOOG_KEY, MG_CONTENT_ENCODING, MG_TRANSFER_ENCODING, MG_OWN_KEY

mg_fill_tables()

MEDIA_NONE = 0
MEDIA_OTHER = 1
MEDIA_JSON = 2
MEDIA_EVENTS = 3
MEDIA_HTML = 4

cdef dict _METHODS = {name: name for name in (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS")}
cdef bytes _POST = b"POST"

cdef enum:
    _HEAD_LIMIT = 32768
    _RESPONSE_HEAD_LIMIT = 65536
    _FIELD_LIMIT = 100
    _RESPONSE_FIELD_LIMIT = 256
    _TARGET_LIMIT = 8192


cdef inline bytes _slice(const unsigned char *start, Py_ssize_t length):
    return PyBytes_FromStringAndSize(<const char *>start, length)


cdef inline const unsigned char *_text(bytes value) except NULL:
    if value is None:
        raise TypeError("bytes expected, got NoneType")
    return <const unsigned char *>PyBytes_AS_STRING(value)


cdef inline bint _is(const unsigned char *text, size_t length, const char *literal, size_t size) noexcept:
    return length == size and memcmp(text, literal, size) == 0


@cython.no_gc
@cython.final
cdef class HeadScan:
    def __cinit__(self):
        self._clear(b"")

    cdef void _clear(self, bytes head) noexcept:
        self.head = head
        self._first = 0
        self.method = b""
        self.target_start = self.target_end = 0
        self.status = 0
        self.http10 = False
        self.keep_alive = False
        self.media = 0
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
        cdef const unsigned char *p = _text(head)
        cdef const unsigned char *behind = p + PyBytes_GET_SIZE(head)
        cdef const unsigned char *end
        cdef const unsigned char *method
        cdef const unsigned char *target
        cdef const unsigned char *version
        cdef size_t first
        cdef bint old
        self._clear(head)
        while behind - p >= 2 and p[0] == c'\r' and p[1] == c'\n':  # RFC 9112 section 2.2
            p += 2
        method = p
        end = <const unsigned char *>memchr(p, c'\n', behind - p)
        if end == NULL or end == p or (end - 1)[0] != c'\r':
            return self._refuse(400, "malformed request line")
        first = PyBytes_GET_SIZE(head) - (behind - end) + 1
        end -= 1
        target = <const unsigned char *>memchr(p, c' ', end - p)
        version = NULL
        if target != NULL:
            version = <const unsigned char *>memchr(target + 1, c' ', end - target - 1)
        if version == NULL or memchr(version + 1, c' ', end - version - 1) != NULL:
            return self._refuse(400, "malformed request line")
        if version - target - 1 > _TARGET_LIMIT:
            return self._refuse(414, "request target too long")
        if PyBytes_GET_SIZE(head) > _HEAD_LIMIT:
            return self._refuse(431, "request head too large")
        if end - version != 9 or memcmp(version + 1, b"HTTP/1.", 7) != 0 or (version[8] != c'1' and version[8] != c'0'):
            return self._refuse(400, "HTTP version not supported")
        old = version[8] == c'0'
        while p < target and mg_name_byte[p[0]]:
            p += 1
        if p != target or p == method or not mg_is_target(target + 1, version):
            return self._refuse(400, "malformed request target")
        if _is(method, target - method, b"TRACE", 5):
            return self._refuse(405, "method not allowed")
        if _is(method, target - method, b"POST", 4):
            self.method = _POST
        else:
            self.method = _slice(method, target - method)
            self.method = _METHODS.get(self.method, self.method)
        self.target_start = target + 1 - <const unsigned char *>PyBytes_AS_STRING(head)
        self.target_end = version - <const unsigned char *>PyBytes_AS_STRING(head)
        self.http10 = old
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
        self._judge_connection()
        return True

    cdef int _judge_connection(self) noexcept:
        """Whether the connection lives on behind this message, and of what form its body says it is."""
        cdef const unsigned char *p
        cdef const unsigned char *end
        self.keep_alive = not self.http10
        if self.connection is not None:
            p = <const unsigned char *>PyBytes_AS_STRING(self.connection)
            end = p + PyBytes_GET_SIZE(self.connection)
            self.keep_alive = not mg_lists(p, end, b"close", 5) and (
                not self.http10 or mg_lists(p, end, b"keep-alive", 10))
        if self.content_type is not None:
            p = <const unsigned char *>PyBytes_AS_STRING(self.content_type)
            self.media = mg_media(p, p + PyBytes_GET_SIZE(self.content_type))
        return 0

    cpdef bint response(self, bytes head) except -1:
        cdef const unsigned char *text = _text(head)
        cdef const unsigned char *end
        cdef size_t length = PyBytes_GET_SIZE(head)
        self._clear(head)
        if length > _RESPONSE_HEAD_LIMIT:
            return self._refuse(502, "response head too large")
        end = <const unsigned char *>memchr(text, c'\n', length)
        if end == NULL or end == text or (end - 1)[0] != c'\r' or not mg_is_status_line(text, end - 1):
            return self._refuse(502, "malformed status line")
        self.status = (text[9] - c'0') * 100 + (text[10] - c'0') * 10 + (text[11] - c'0')
        self.http10 = text[7] == c'0'
        if not self._read(end + 1 - text, 502, _RESPONSE_FIELD_LIMIT):
            return False
        if self.transfer_encoding is not None:
            if self.content_length >= 0:
                return self._refuse(502, "both Transfer-Encoding and Content-Length")
            if self.transfer_encoding.lower() != b"chunked":
                return self._refuse(502, "Transfer-Encoding is not one exact chunked")
        self._judge_connection()
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
        cdef const unsigned char *text = <const unsigned char *>PyBytes_AS_STRING(self.head)
        cdef const unsigned char *end = text + PyBytes_GET_SIZE(self.head)
        cdef const unsigned char *p = text + at
        cdef const unsigned char *line
        cdef const unsigned char *value
        cdef const unsigned char *stop
        cdef FieldLine *field = self._lines
        cdef unsigned int hash
        cdef unsigned char c
        cdef int known
        self._first = at
        while True:
            line = p
            hash = 0
            c = mg_name_byte[p[0]]
            while c:  # ends in time: a NUL follows the bytes of every object, and no name has one
                hash = hash * 31 + c
                p += 1
                c = mg_name_byte[p[0]]
            if p == line and end - p >= 2 and p[0] == c'\r' and p[1] == c'\n':
                return p + 2 == end or self._refuse(status, "bytes behind the head")
            if p == line or p >= end or p[0] != c':' or self.fields >= limit:
                return self._fault(line, end, status, limit)
            field.name_length = <unsigned int>(p - line)
            p += 1
            stop = mg_control(p, end)
            if end - stop < 2 or stop[0] != c'\r' or stop[1] != c'\n':
                return self._fault(line, end, status, limit)
            self.fields += 1
            field.start = <unsigned int>(line - text)
            field.end = <unsigned int>(stop - text)
            field.hash = hash
            known = mg_known(line, field.name_length, hash)
            if known:
                value = p
                p = stop
                while value < p and (value[0] == c' ' or value[0] == c'\t'):
                    value += 1
                while p > value and ((p - 1)[0] == c' ' or (p - 1)[0] == c'\t'):
                    p -= 1
                if not self._field(known, value, p - value, status):
                    return False
            elif status == 400 and field.name_length >= 12 and _starts_option(line):
                self.has_options = True
            field += 1
            p = stop + 2

    cdef bint _field(self, int known, const unsigned char *value, size_t size, int status) except -1:
        cdef bint request = status == 400
        cdef long long number = 0
        cdef size_t i
        if known == MG_CONTENT_LENGTH:
            if size == 0 or size > 18:
                return self._refuse(status, "malformed Content-Length")
            for i in range(size):
                if value[i] < c'0' or value[i] > c'9':
                    return self._refuse(status, "malformed Content-Length")
                number = number * 10 + (value[i] - c'0')
            if self.content_length >= 0 and (request or self.content_length != number):
                return self._refuse(status, "repeated Content-Length")
            self.content_length = number
        elif known == MG_CONTENT_TYPE:
            if self.content_type is None:
                self.content_type = _slice(value, size)
        elif known == MG_CONNECTION:
            self.connection = _joined(self.connection, value, size)
        elif known == MG_CONTENT_ENCODING:
            self.content_encoding = _joined(self.content_encoding, value, size)
        elif known == MG_TRANSFER_ENCODING:
            if self.transfer_encoding is not None:
                return self._refuse(status, "repeated Transfer-Encoding")
            self.transfer_encoding = _slice(value, size)
        elif known == MG_UPGRADE:
            self.upgrade = _joined(self.upgrade, value, size)
        elif known == MG_EXPECT:
            if self.expect is None:
                self.expect = _slice(value, size)
        elif known == MG_RETRY_AFTER:
            if self.retry_after is None:
                self.retry_after = _slice(value, size)
        elif not request:
            return True
        elif known == MG_HOST:
            if self.host is not None:
                return self._refuse(400, "repeated Host")
            self.host = _slice(value, size)
        elif known == MG_AUTHORIZATION:
            if self.authorization is not None:
                return self._refuse(400, "repeated credential")
            self.authorization = _slice(value, size)
        elif known == MG_X_API_KEY:
            if self.x_api_key is not None:
                return self._refuse(400, "repeated credential")
            self.x_api_key = _slice(value, size)
        elif known == MG_API_KEY:
            if self.api_key is not None:
                return self._refuse(400, "repeated credential")
            self.api_key = _slice(value, size)
        elif known == MG_GOOG_KEY:
            if self.x_goog_api_key is not None:
                return self._refuse(400, "repeated credential")
            self.x_goog_api_key = _slice(value, size)
        elif known == MG_OWN_KEY:
            if self.x_microgate_key is not None:
                return self._refuse(400, "repeated credential")
            self.x_microgate_key = _slice(value, size)
        return True

    cpdef bytes value_of(self, bytes name):
        cdef const unsigned char *text = <const unsigned char *>PyBytes_AS_STRING(self.head)
        cdef const unsigned char *end = text + PyBytes_GET_SIZE(self.head)
        cdef const unsigned char *wanted = _text(name)
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


cdef inline bint _same(const unsigned char *name, const unsigned char *known, unsigned int length) noexcept:
    """Whether a name in any case is this one in lower case, which most are to begin with."""
    cdef unsigned int i = 0
    if memcmp(name, known, length) == 0:
        return True
    while i < length and mg_name_byte[name[i]] == known[i]:
        i += 1
    return i == length


cdef inline unsigned int _chain_of(unsigned char first, unsigned char third) noexcept:
    """Names mostly differ there: many begin with x-."""
    return (first * 4 + third) & 63


@cython.no_gc
@cython.final
cdef class HeaderFilter:
    def __cinit__(self):
        self._blob = b""

    def __init__(self, names, prefixes=(), *, bint keep):
        cdef list known = list(dict.fromkeys(names))
        cdef list starts = list(prefixes)
        cdef unsigned int size = 8, offset = 0, at
        cdef unsigned int *chain
        cdef Py_ssize_t i
        cdef bytes name
        cdef const unsigned char *text
        while size < 2 * len(known):
            size *= 2
        free(self._slots)
        free(self._prefixes)
        self._keep = keep
        self._short = 0
        memset(self._chains, 0, sizeof(self._chains))
        self._blob = b"".join(known) + b"".join(starts)
        self._slots = <FilterName *>calloc(size, sizeof(FilterName))
        self._prefixes = <FilterPrefix *>calloc(len(starts) + 1, sizeof(FilterPrefix))
        self._mask = size - 1
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
            chain = &self._chains[_chain_of(text[offset], text[offset + 2])] if len(name) > 2 else &self._short
            self._prefixes[i].next = chain[0]
            chain[0] = i + 1
            offset += len(name)

    def __dealloc__(self):
        free(self._slots)
        free(self._prefixes)

    cdef bint _listed(self, const unsigned char *name, unsigned int length, unsigned int hash) noexcept:
        """Whether a name, given as it came, is in the list; ``hash`` is that of its lower-case form."""
        cdef const unsigned char *blob = <const unsigned char *>PyBytes_AS_STRING(self._blob)
        cdef FilterName *slot
        cdef unsigned int at = hash
        while True:
            slot = &self._slots[at & self._mask]
            if not slot.length:
                break
            if slot.hash == hash and slot.length == length and _same(name, blob + slot.offset, length):
                return True
            at += 1
        if length > 2 and self._begins(
                self._chains[_chain_of(mg_name_byte[name[0]], mg_name_byte[name[2]])], name, length):
            return True
        return self._short and self._begins(self._short, name, length)

    cdef bint _begins(self, unsigned int chain, const unsigned char *name, unsigned int length) noexcept:
        """Whether the name begins with a prefix of this chain."""
        cdef const unsigned char *blob = <const unsigned char *>PyBytes_AS_STRING(self._blob)
        cdef FilterPrefix *prefix
        while chain:
            prefix = &self._prefixes[chain - 1]
            if prefix.length <= length and _same(name, blob + prefix.offset, prefix.length):
                return True
            chain = prefix.next
        return False

    cpdef bytes select(self, HeadScan scan):
        cdef const unsigned char *text
        cdef const unsigned char *named = NULL
        cdef const unsigned char *named_end = NULL
        cdef FieldLine *field
        cdef unsigned int[512] spans  # start and end of what is copied in one piece
        cdef unsigned int *span = spans
        cdef unsigned int *last
        cdef uint64_t lengths = 0
        cdef size_t total = 0
        cdef Py_ssize_t i
        cdef bytes result
        cdef unsigned char *out
        if scan is None:
            raise TypeError("HeadScan expected, got NoneType")
        text = <const unsigned char *>PyBytes_AS_STRING(scan.head)
        if scan.connection is not None:
            named = <const unsigned char *>PyBytes_AS_STRING(scan.connection)
            named_end = named + PyBytes_GET_SIZE(scan.connection)
            lengths = mg_token_lengths(named, named_end)
        for i in range(scan.fields):
            field = &scan._lines[i]
            if self._listed(text + field.start, field.name_length, field.hash) != self._keep:
                continue
            if lengths >> (field.name_length & 63) & 1 and mg_lists(
                    named, named_end, text + field.start, field.name_length):
                continue
            total += field.end - field.start + 2
            if span != spans and (span - 1)[0] == field.start:
                (span - 1)[0] = field.end + 2
            else:
                span[0] = field.start
                span[1] = field.end + 2
                span += 2
        result = PyBytes_FromStringAndSize(NULL, total)
        out = <unsigned char *>PyBytes_AS_STRING(result)
        last = span
        span = spans
        while span != last:
            memcpy(out, text + span[0], span[1] - span[0])
            out += span[1] - span[0]
            span += 2
        return result

    cpdef bytes copy(self, bytes head):
        cdef const unsigned char *p = _text(head)
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
