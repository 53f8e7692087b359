# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Nearest vectors by cosine in a file that one process writes and many read; see the contract for what is promised.

The work is in C headers: ``_hnsw_file.h`` (where everything is), ``_hnsw_dot.h`` (dot products), ``_hnsw_scopes.h``,
``_hnsw_search.h``, ``_hnsw_link.h`` (the graph) and ``_hnsw_writer.h`` (changes, and what follows a kill).
"""

import os
import time

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.pythread cimport (
    NOWAIT_LOCK, PyThread_acquire_lock, PyThread_allocate_lock, PyThread_free_lock, PyThread_release_lock,
    PyThread_type_lock, WAIT_LOCK,
)
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from _speedups import _hnsw_file
from _speedups._hnsw_file import (
    DEFAULT_EF, IndexFull, Shape, UnusableIndex, grow, is_at, open_to_read, open_to_write, shape_of, this_boot,
)

cdef extern from "sys/mman.h" nogil:
    int PROT_READ, PROT_WRITE, MAP_SHARED
    void *MAP_FAILED
    void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)
    int munmap(void *address, size_t length)

cdef extern from "_hnsw_writer.h" nogil:
    enum:
        HN_SEGMENT_BITS
        HN_W_CAPACITY
        HN_W_COUNT
        HN_W_LIVE
        HN_W_ENTRY
        HN_W_IN_PROGRESS
        HN_W_GENERATION
        HN_W_OPEN
        HN_W_WHOLE
        HN_LEVELS
    ctypedef struct hn_node:
        pass
    ctypedef struct hn_file:
        uint8_t *base
        uint8_t *segments
        uint64_t *words
        uint32_t *buckets
        uint64_t segment_bytes, vectors_at
        uint64_t *upper_at
        uint32_t node_stride, vector_stride, dim, code_bytes, m, shift, levels, bucket_mask
    ctypedef struct hn_kernels:
        const char *name
    ctypedef struct hn_search:
        hn_kernels by
        uint64_t compared
    ctypedef struct hn_linker:
        hn_search search, compare
    ctypedef struct hn_writer:
        hn_linker link
        uint32_t ef, dead_size, free_size
    ctypedef struct hn_filter:
        uint64_t scope
        int all
        uint32_t now_s, excepting "except"
    ctypedef struct hn_hit:
        uint64_t key
        float cosine
    int hn_search_init(hn_search *s, const hn_file *f, int kernels)
    void hn_search_free(hn_search *s)
    void hn_search_vector(hn_search *s, const hn_file *f, const float *vector)
    int hn_nearest(hn_search *s, const hn_file *f, const hn_filter *want, uint32_t most, size_t ef, hn_hit *hits)
    uint32_t hn_members(const hn_file *f, uint64_t scope)
    void hn_writer_free(hn_writer *w)
    uint32_t *hn_key_place(const hn_writer *w, const hn_file *f, uint64_t key)
    uint32_t hn_take_slot(hn_writer *w, hn_file *f, int may_grow)
    int hn_put(hn_writer *w, hn_file *f, uint32_t slot, uint64_t scope, uint64_t key, const float *vector, uint32_t expires_s)
    int hn_remove_slot(hn_writer *w, hn_file *f, uint32_t slot)
    int hn_tidy(hn_writer *w, hn_file *f)
    int hn_recover(hn_writer *w, hn_file *f)
    void hn_clear(hn_writer *w, hn_file *f)
    int64_t hn_expire(hn_writer *w, hn_file *f, uint32_t now_s)

cdef enum:
    # Compared under the interpreter's lock: letting go of it costs as much, and may cost a turn of another thread.
    FEW = 32



def _layout_agrees():
    """The constants of the headers, against the module that makes the files; a difference is a broken build."""
    for name, value in (
        ("SEGMENT", 1 << HN_SEGMENT_BITS), ("HEAD", sizeof(hn_node)), ("W_CAPACITY", HN_W_CAPACITY),
        ("W_COUNT", HN_W_COUNT), ("W_LIVE", HN_W_LIVE), ("W_ENTRY", HN_W_ENTRY), ("W_IN_PROGRESS", HN_W_IN_PROGRESS),
        ("W_GENERATION", HN_W_GENERATION), ("W_OPEN", HN_W_OPEN), ("W_WHOLE", HN_W_WHOLE),
    ):
        if getattr(_hnsw_file, name) != value:
            raise ImportError(f"_speedups._hnsw was built for another layout: {name} is {value}")


_layout_agrees()


cdef class _Index:
    """A mapped file and one lock, because what a search needs is kept from one to the next."""

    cdef hn_file file
    cdef hn_search *search
    cdef void *mapped
    cdef size_t mapped_bytes
    cdef PyThread_type_lock lock
    cdef int fd
    cdef readonly str path
    cdef readonly uint64_t compared
    cdef object shape

    def __cinit__(self):
        self.fd = -1
        self.lock = PyThread_allocate_lock()
        if self.lock is NULL:
            raise MemoryError

    def __dealloc__(self):
        self.unmap()
        if self.lock is not NULL:
            PyThread_free_lock(self.lock)

    cdef void unmap(self) noexcept:
        if self.mapped is not NULL:
            munmap(self.mapped, self.mapped_bytes)
            self.mapped = NULL

    cdef int map_file(self, int protection) except -1:
        shape = self.shape
        self.mapped_bytes = shape.most_bytes
        cdef void *found = mmap(NULL, self.mapped_bytes, protection, MAP_SHARED, self.fd, 0)
        if found is MAP_FAILED:
            raise OSError(f"{self.path}: {self.mapped_bytes} bytes cannot be mapped")
        self.mapped = found
        cdef hn_file *f = &self.file
        f.base = <uint8_t *>found
        f.words = <uint64_t *>found
        f.buckets = <uint32_t *>(f.base + <size_t>_hnsw_file.PAGE)
        f.segments = f.base + <size_t>shape.segments_at
        f.segment_bytes = shape.segment_bytes
        f.node_stride = shape.node_stride
        f.vectors_at = <uint64_t>(<size_t>f.node_stride << HN_SEGMENT_BITS)
        f.vector_stride = shape.vector_stride
        f.dim, f.m, f.code_bytes = shape.dim, shape.m, shape.code_bytes
        f.shift, f.levels, f.bucket_mask = shape.shift, shape.levels, shape.buckets - 1
        for level, at in enumerate(shape.upper_at, 1):
            f.upper_at[<int>level] = at
        return 0

    cdef int enter(self) except -1:
        """Wait for other threads, without the interpreter's lock only when there is one to wait for."""
        if not PyThread_acquire_lock(self.lock, NOWAIT_LOCK):
            with nogil:
                PyThread_acquire_lock(self.lock, WAIT_LOCK)
        if self.mapped is NULL:
            PyThread_release_lock(self.lock)
            raise ValueError("the index is closed")
        return 0

    cdef void leave(self) noexcept:
        PyThread_release_lock(self.lock)

    cdef bytes as_vector(self, vector):
        """``vector`` as bytes of this dimension and length 1."""
        cdef bytes raw = vector if type(vector) is bytes else bytes(vector)
        if PyBytes_GET_SIZE(raw) != 4 * <Py_ssize_t>self.file.dim:
            raise ValueError(f"a vector of {PyBytes_GET_SIZE(raw)} bytes: must be {self.file.dim} float32")
        cdef const float *values = <const float *>PyBytes_AS_STRING(raw)
        cdef double square = 0
        for i in range(self.file.dim):
            square += <double>values[i] * values[i]
        if not 0.998 <= square <= 1.002:
            raise ValueError("a vector must have length 1")
        return raw

    def nearest(self, uint64_t scope, vector, uint32_t most, size_t ef=DEFAULT_EF):
        if not 1 <= most <= 4096 or ef > 65536:
            raise ValueError("most must be 1 to 4096, ef at most 65536")
        cdef bytes raw = self.as_vector(vector)
        cdef hn_hit few[16]
        cdef hn_hit *hits = few
        cdef hn_filter want
        memset(&want, 0, sizeof(want))
        want.scope = scope
        want.now_s = <uint32_t><uint64_t>time.time()
        cdef int found
        cdef hn_search *search = self.search
        self.enter()
        try:
            if most > 16:
                hits = <hn_hit *>malloc(most * sizeof(hn_hit))
                if hits is NULL:
                    raise MemoryError
            hn_search_vector(search, &self.file, <const float *>PyBytes_AS_STRING(raw))
            if hn_members(&self.file, scope) <= FEW:
                found = hn_nearest(search, &self.file, &want, most, ef, hits)
            else:
                with nogil:
                    found = hn_nearest(search, &self.file, &want, most, ef, hits)
            if found < 0:
                raise MemoryError
            self.compared = search.compared
            return [(hits[i].key, hits[i].cosine) for i in range(found)]
        finally:
            self.leave()
            if hits is not few:
                free(hits)

    def __len__(self):
        self.enter()
        cdef Py_ssize_t live = self.file.words[HN_W_LIVE]
        self.leave()
        return live

    def stats(self):
        self.enter()
        cdef uint64_t *words = self.file.words
        found = {
            "vectors": words[HN_W_LIVE],
            "tombstones": words[HN_W_COUNT] - words[HN_W_LIVE],
            "capacity": words[HN_W_CAPACITY],
            "most": self.shape.most,
            "generation": words[HN_W_GENERATION],
            "bytes": self.shape.bytes_of(words[HN_W_CAPACITY] >> HN_SEGMENT_BITS),
        }
        self.leave()
        return found

    def replaced(self):
        return not is_at(self.fd, self.path)

    @property
    def kernels(self):
        """Which dot products are used: plain, avx2 or avx512."""
        return (<bytes>self.search.by.name).decode()

    def close(self):
        PyThread_acquire_lock(self.lock, WAIT_LOCK)
        self.let_go()
        self.leave()

    cdef void let_go(self):
        self.unmap()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


cdef class IndexReader(_Index):
    cdef hn_search own

    def __init__(self, path, _kernels=2):
        if self.mapped is not NULL:
            raise ValueError("the index is open already")
        self.search = &self.own
        self.path = str(path)
        self.fd, self.shape = open_to_read(self.path)
        try:
            self.map_file(PROT_READ)
            if hn_search_init(&self.own, &self.file, _kernels):
                raise MemoryError
        except BaseException:
            self.let_go()
            raise

    def __dealloc__(self):
        hn_search_free(&self.own)


cdef class IndexWriter(_Index):
    cdef hn_writer writer
    cdef bint marked

    def __init__(self, path, int dim, str kind="float32", int m=16, int ef_construction=128, int64_t most=1_000_000):
        if self.mapped is not NULL:
            raise ValueError("the index is open already")
        self.search = &self.writer.link.search
        self.path = str(path)
        self.shape = shape_of(dim, kind, m, ef_construction, most)
        self.fd = open_to_write(self.path, self.shape)
        cdef int done
        try:
            self.map_file(PROT_READ | PROT_WRITE)
            self.writer.ef = ef_construction
            if hn_search_init(&self.writer.link.search, &self.file, 2):
                raise MemoryError
            if hn_search_init(&self.writer.link.compare, &self.file, 2):
                raise MemoryError
            with nogil:
                done = hn_recover(&self.writer, &self.file)
            if done:
                raise MemoryError
        except BaseException:
            self.let_go()
            raise

    def __dealloc__(self):
        hn_writer_free(&self.writer)

    cdef int mark(self) except -1:
        """Before the first change: should the machine go down now, the file says that it was being written."""
        if not self.marked:
            self.file.words[HN_W_OPEN] = this_boot()
            os.fdatasync(self.fd)
            self.marked = True
        return 0

    cdef uint32_t slot_for_one(self) except? 0xFFFFFFFF:
        cdef uint32_t slot
        if self.file.words[HN_W_LIVE] >= <uint64_t>self.shape.most:
            raise IndexFull(f"{self.path}: {self.shape.most} vectors are alive")
        cdef uint64_t capacity = self.file.words[HN_W_CAPACITY]
        cdef int may_grow = capacity < <uint64_t>self.shape.most_segments << HN_SEGMENT_BITS
        with nogil:
            slot = hn_take_slot(&self.writer, &self.file, may_grow)
        if not slot:
            try:
                self.file.words[HN_W_CAPACITY] = grow(self.fd, self.shape, capacity)
            except OSError:
                if not self.writer.dead_size:
                    raise
                may_grow = 0
            with nogil:
                slot = hn_take_slot(&self.writer, &self.file, may_grow)
        return slot - 1

    cdef bint drop(self, uint64_t key) except -1:
        cdef uint32_t slot = hn_key_place(&self.writer, &self.file, key)[0] if self.file.words[HN_W_LIVE] else 0
        if not slot:
            return False
        self.mark()
        if hn_remove_slot(&self.writer, &self.file, slot - 1):
            raise MemoryError
        return True

    def put(self, uint64_t scope, uint64_t key, vector, uint32_t expires_s=0):
        cdef bytes raw = self.as_vector(vector)
        cdef const float *values = <const float *>PyBytes_AS_STRING(raw)
        cdef uint32_t slot
        cdef int done
        self.enter()
        try:
            self.drop(key)
            slot = self.slot_for_one()
            self.mark()
            with nogil:
                done = hn_put(&self.writer, &self.file, slot, scope, key, values, expires_s)
            if done:
                raise MemoryError
            return slot
        finally:
            self.leave()

    def remove(self, uint64_t key):
        cdef int done
        self.enter()
        try:
            if not self.drop(key):
                return False
            with nogil:
                done = hn_tidy(&self.writer, &self.file)
            if done:
                raise MemoryError
            return True
        finally:
            self.leave()

    def expire(self, uint32_t now_s):
        cdef int64_t removed
        cdef int done = 0
        self.enter()
        try:
            self.mark()
            with nogil:
                removed = hn_expire(&self.writer, &self.file, now_s)
                if removed >= 0:
                    done = hn_tidy(&self.writer, &self.file)
            if removed < 0 or done:
                raise MemoryError
            return removed
        finally:
            self.leave()

    def clear(self):
        self.enter()
        try:
            self.mark()
            with nogil:
                hn_clear(&self.writer, &self.file)
        finally:
            self.leave()

    def flush(self):
        self.enter()
        try:
            os.fsync(self.fd)
            self.file.words[HN_W_OPEN] = 0
            os.fsync(self.fd)
            self.marked = False
        finally:
            self.leave()

    def close(self):
        if self.mapped is not NULL:
            self.flush()
        _Index.close(self)
