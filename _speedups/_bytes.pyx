# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Compiled twin of ``_bytes_py``: small things done to bytes without slice objects or format strings, and clocks."""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_Check, PyMemoryView_GET_BUFFER
from libc.string cimport memchr, memcmp, memcpy

cdef extern from * nogil:
    """
    #include <stdint.h>
    #include <string.h>
    #if defined(__x86_64__) && defined(__GNUC__)
    #include <emmintrin.h>
    #endif

    /* Offset behind the first CRLF CRLF of n bytes, which a NUL follows; -1 when there is none. */
    static Py_ssize_t mg_head_end(const char *text, Py_ssize_t n) {
        Py_ssize_t at = 0;
    #if defined(__x86_64__) && defined(__GNUC__)
        const __m128i feed = _mm_set1_epi8(10);
        for (; n - at >= 16; at += 16) {
            unsigned found = (unsigned)_mm_movemask_epi8(
                _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(text + at)), feed));
            for (; found; found &= found - 1) {
                Py_ssize_t i = at + __builtin_ctz(found);
                if (i >= 3 && text[i - 1] == 13 && text[i - 2] == 10 && text[i - 3] == 13) return i + 1;
            }
        }
    #endif
        for (; at < n; at++)
            if (text[at] == 10 && at >= 3 && text[at - 1] == 13 && text[at - 2] == 10 && text[at - 3] == 13) return at + 1;
        return -1;
    }

    static const char mg_hex_digits[] = "0123456789abcdef";

    /* What a lower-case hexadecimal digit stands for; more than 15: it is none. */
    static unsigned mg_nibble(unsigned char c) {
        unsigned digit = (unsigned)c - '0', letter = (unsigned)c - 'a';
        return digit < 10 ? digit : letter < 6 ? letter + 10 : 16;
    }

    /* Bytes that 2 n digits stand for; 0 when some are no digits. */
    static int mg_unhex(const char *text, Py_ssize_t n, char *out) {
        unsigned wrong = 0;
        for (Py_ssize_t i = 0; i < n; i++) {
            unsigned high = mg_nibble((unsigned char)text[2 * i]), low = mg_nibble((unsigned char)text[2 * i + 1]);
            wrong |= high | low;
            out[i] = (char)(high << 4 | low);
        }
        return !(wrong & 16);
    }

    static int mg_is_released(PyObject *view) {
        return ((PyMemoryViewObject *)view)->flags & _Py_MEMORYVIEW_RELEASED;
    }
    """
    int mg_is_released(object view)
    Py_ssize_t mg_head_end(const char *text, Py_ssize_t n)
    const char *mg_hex_digits
    bint mg_unhex(const char *text, Py_ssize_t n, char *out)

cdef extern from "time.h" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec *now)
    int CLOCK_MONOTONIC, CLOCK_REALTIME


cpdef bytes part(bytes data, Py_ssize_t start, Py_ssize_t stop):
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    if stop > size:
        stop = size
    if start <= 0 and stop == size:
        return data
    if start >= stop:
        return b""
    return PyBytes_FromStringAndSize(PyBytes_AS_STRING(data) + start, stop - start)


cpdef bytes taken(bytearray buffer, Py_ssize_t count):
    if not 0 <= count <= PyByteArray_GET_SIZE(buffer):
        raise ValueError("more than the buffer holds")
    return PyBytes_FromStringAndSize(PyByteArray_AS_STRING(buffer), count)


cpdef bint equals(bytes data, Py_ssize_t start, Py_ssize_t stop, bytes other) except -1:
    return (
        0 <= start <= stop <= PyBytes_GET_SIZE(data)
        and stop - start == PyBytes_GET_SIZE(other)
        and memcmp(PyBytes_AS_STRING(data) + start, PyBytes_AS_STRING(other), stop - start) == 0
    )


cpdef Py_ssize_t head_end(bytes data) except -2:
    return mg_head_end(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))


cpdef Py_ssize_t find_byte(bytes data, int byte) except -2:
    cdef const char *text = PyBytes_AS_STRING(data)
    cdef const char *found = <const char *>memchr(text, byte, PyBytes_GET_SIZE(data))
    return -1 if found == NULL else found - text


cpdef bytes chunk(bytes data):
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    cdef Py_ssize_t rest = size
    cdef int digits = 0
    cdef int i
    cdef char[16] number
    cdef char *out
    cdef bytes result
    if size == 0:
        return b""
    while rest:
        number[digits] = b"0123456789abcdef"[rest & 15]
        digits += 1
        rest >>= 4
    result = PyBytes_FromStringAndSize(NULL, digits + size + 4)
    out = PyBytes_AS_STRING(result)
    for i in range(digits):
        out[i] = number[digits - 1 - i]
    out[digits] = c"\r"
    out[digits + 1] = c"\n"
    memcpy(out + digits + 2, PyBytes_AS_STRING(data), size)
    out[digits + 2 + size] = c"\r"
    out[digits + 3 + size] = c"\n"
    return result


cpdef long long monotonic_ns() except -1:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <long long>now.tv_sec * 1000000000 + now.tv_nsec


cpdef long long realtime_ns() except -1:
    cdef timespec now
    clock_gettime(CLOCK_REALTIME, &now)
    return <long long>now.tv_sec * 1000000000 + now.tv_nsec


cpdef bytes decimal(long long value):
    cdef char[20] digits
    cdef int at = 20
    if value < 0:
        raise ValueError("negative")
    while True:
        at -= 1
        digits[at] = c"0" + <char>(value % 10)
        value //= 10
        if value == 0:
            break
    return PyBytes_FromStringAndSize(digits + at, 20 - at)


cpdef bytes numbered(bytes prefix, unsigned long long number):
    cdef Py_ssize_t size = PyBytes_GET_SIZE(prefix)
    cdef bytes result = PyBytes_FromStringAndSize(NULL, size + 12)
    cdef char *out = PyBytes_AS_STRING(result)
    cdef int i
    memcpy(out, PyBytes_AS_STRING(prefix), size)
    for i in range(11, -1, -1):
        out[size + i] = mg_hex_digits[number & 15]
        number >>= 4
    return result


cpdef bytes unhex(bytes digits):
    cdef Py_ssize_t size = PyBytes_GET_SIZE(digits) // 2
    cdef bytes result
    if 2 * size != PyBytes_GET_SIZE(digits):
        raise ValueError("an odd number of digits")
    result = PyBytes_FromStringAndSize(NULL, size)
    if not mg_unhex(PyBytes_AS_STRING(digits), size, PyBytes_AS_STRING(result)):
        raise ValueError("not a hexadecimal digit")
    return result


cpdef unsigned long long word_at(object words, Py_ssize_t index) except? 0:
    # No typed memoryview in a .pxd: Cython would put its code for them, 14,000 lines, into every module that imports it.
    if not PyMemoryView_Check(words):
        raise TypeError("not a memoryview")
    if mg_is_released(words):
        raise ValueError("the memoryview was released")
    if not 0 <= index < PyMemoryView_GET_BUFFER(words).len // 8:
        raise IndexError("behind the last word")
    return (<const unsigned long long *>PyMemoryView_GET_BUFFER(words).buf)[index]
