# Declarations for other compiled modules: attributes are read and methods called without Python in between.
# The contract is _canonical.pyi. Opaque here, so that nothing needs a header of ours.

from libc.stdint cimport uint8_t


cdef class Canonical:
    cdef readonly int temperature
    cdef readonly int store
    cdef readonly bint has_tools
    cdef readonly bint provider_tools
    cdef readonly bint barred
    cdef void *_names
    cdef void *_items
    cdef uint8_t *_buffer
    cdef Py_ssize_t _room

    cdef Py_ssize_t _write(self, bytes prefix, bytes body) except -2
    cdef void _shrink(self) noexcept
    cpdef bytes digest(self, bytes prefix, bytes body)
    cpdef bytes form(self, bytes body)
