# cython: language_level=3, boundscheck=False, wraparound=False
"""Pieces of ``bytes`` without slice objects, chunk framing in one allocation, the monotonic clock without a call's frame."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy

cdef extern from "string.h" nogil:
    void *memmem(const void *haystack, size_t size, const void *needle, size_t needle_size)

cdef extern from "time.h" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec *now)
    int CLOCK_MONOTONIC


cpdef bytes part(bytes data, Py_ssize_t start, Py_ssize_t stop):
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    if stop > size:
        stop = size
    if start <= 0 and stop == size:
        return data
    if start >= stop:
        return b""
    return PyBytes_FromStringAndSize(PyBytes_AS_STRING(data) + start, stop - start)


cpdef Py_ssize_t head_end(bytes data) except -2:
    cdef const char *text = PyBytes_AS_STRING(data)
    cdef const char *found = <const char *>memmem(text, PyBytes_GET_SIZE(data), b"\r\n\r\n", 4)
    return -1 if found == NULL else found - text + 4


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
