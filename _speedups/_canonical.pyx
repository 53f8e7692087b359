# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Compiled twin of ``_canonical_py``: what a request asks, whatever its spelling. The contract is ``_canonical.pyi``.

The loop over bytes stands in ``_canonical.h``.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from hashlib import sha256 as _sha256

from _speedups._canonical_py import MAX_MEMBERS, named_actions

cdef extern from "_canonical.h" nogil:
    int MG_CANONICAL, MG_NO_MEMORY
    ctypedef struct mg_row:
        uint8_t length, action
        uint8_t name[63]
    ctypedef struct mg_names:
        uint64_t lengths
        int count
        mg_row row[64]
    ctypedef struct mg_learned:
        int temperature, store, has_tools, provider_tools, barred
    ctypedef struct mg_item:
        pass
    ctypedef struct mg_items:
        mg_item *item
        size_t room
    int mg_canonical(const uint8_t *doc, size_t n, const mg_names *names, mg_items *items, uint8_t **out,
                     uint8_t *aside, size_t most, mg_learned *l)

cdef extern from "_sha256.h" nogil:
    size_t MG_SHA256_TAIL
    bint mg_sha256_available()
    void mg_sha256(uint8_t *message, size_t n, uint8_t *out)

cdef bint BY_INSTRUCTIONS = mg_sha256_available()
# What a scratch object keeps between requests: larger ones have been returned to the system.
cdef enum:
    KEPT_BYTES = 1 << 18
    KEPT_MEMBERS = 1 << 12


def _use_instructions(use):
    """For tests: False asks hashlib, as processors do that can't hash by themselves."""
    global BY_INSTRUCTIONS
    BY_INSTRUCTIONS = use and mg_sha256_available()


@cython.no_gc
@cython.final
cdef class Canonical:
    def __cinit__(self):
        self.temperature = self.store = -1
        self._names = calloc(1, sizeof(mg_names))
        self._items = calloc(1, sizeof(mg_items))
        if self._names is NULL or self._items is NULL:
            raise MemoryError

    def __init__(self, drop=(), bar=()):
        cdef mg_names *names = <mg_names *>self._names
        cdef int i = 0
        cdef bytes name
        names.lengths = 0
        names.count = 0
        for name, action in named_actions(drop, bar).items():
            names.lengths |= <uint64_t>1 << len(name)
            names.row[i].length = <uint8_t>len(name)
            names.row[i].action = action
            memcpy(names.row[i].name, PyBytes_AS_STRING(name), len(name))
            i += 1
            names.count = i

    def __dealloc__(self):
        if self._items is not NULL:
            free((<mg_items *>self._items).item)
        free(self._items)
        free(self._names)
        free(self._buffer)

    cdef void _shrink(self) noexcept:
        cdef mg_items *items = <mg_items *>self._items
        if self._room > KEPT_BYTES:
            free(self._buffer)
            self._buffer = NULL
            self._room = 0
        if items.room > KEPT_MEMBERS:
            free(items.item)
            items.item = NULL
            items.room = 0

    cdef Py_ssize_t _write(self, bytes prefix, bytes body) except -2:
        """Prefix and canonical form into the buffer, the prefix behind its length. The end of what was written, or
        -1."""
        cdef Py_ssize_t before, size, needed
        cdef uint64_t length
        cdef uint8_t *out
        cdef mg_learned learned
        cdef int result
        if prefix is None or body is None:
            raise TypeError("bytes expected, got NoneType")
        length = PyBytes_GET_SIZE(prefix)
        before = 8 + length
        size = PyBytes_GET_SIZE(body)
        needed = before + 2 * size + MG_SHA256_TAIL
        if needed > self._room:
            free(self._buffer)
            self._room = 0
            self._buffer = <uint8_t *>malloc(max(needed, 4096))
            if self._buffer is NULL:
                raise MemoryError
            self._room = max(needed, 4096)
        memcpy(self._buffer, &length, 8)
        memcpy(self._buffer + 8, PyBytes_AS_STRING(prefix), length)
        out = self._buffer + before
        result = mg_canonical(
            <const uint8_t *>PyBytes_AS_STRING(body), size, <const mg_names *>self._names, <mg_items *>self._items,
            &out, self._buffer + before + size, 8 * size + (1 << 20), &learned
        )
        if result != MG_CANONICAL:
            self.temperature = self.store = -1
            self.has_tools = self.provider_tools = self.barred = False
            if result == MG_NO_MEMORY:
                raise MemoryError
            return -1
        self.temperature = learned.temperature
        self.store = learned.store
        self.has_tools = learned.has_tools
        self.provider_tools = learned.provider_tools
        self.barred = learned.barred
        return out - self._buffer

    cpdef bytes digest(self, bytes prefix, bytes body):
        cdef Py_ssize_t end = self._write(prefix, body)
        cdef bytes made = None
        if end >= 0:
            if BY_INSTRUCTIONS:
                made = PyBytes_FromStringAndSize(NULL, 32)
                mg_sha256(self._buffer, end, <uint8_t *>PyBytes_AS_STRING(made))
            else:
                made = _sha256(<uint8_t[:end]>self._buffer).digest()
        self._shrink()
        return made

    cpdef bytes form(self, bytes body):
        cdef Py_ssize_t end = self._write(b"", body)
        cdef bytes made = None
        if end >= 0:
            made = PyBytes_FromStringAndSize(<const char *>self._buffer + 8, end - 8)
        self._shrink()
        return made
