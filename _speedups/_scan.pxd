# Declarations for other compiled modules: attributes are read and methods called without Python in between.
# The contract is _scan.pyi. Nothing here needs a header of ours.

from _speedups._head cimport HeaderFilter, HeadScan
from _speedups._stream cimport StreamScan, UsageScan


cdef class JsonScan:
    cdef readonly str model
    cdef readonly Py_ssize_t model_start
    cdef readonly Py_ssize_t model_end
    cdef readonly int stream
    cdef readonly Py_ssize_t stream_options_start
    cdef readonly Py_ssize_t stream_options_end
    cdef readonly int include_usage
    cdef readonly long long max_tokens
    cdef readonly long long choices
    cdef readonly Py_ssize_t fallbacks_start
    cdef readonly Py_ssize_t fallbacks_end
    cdef readonly bint stateful
    cdef readonly Py_ssize_t close
    cdef readonly bint empty
    cdef readonly str error
    cdef readonly Py_ssize_t error_offset

    cdef void _clear(self) noexcept
    cdef bint _refuse(self, int code, Py_ssize_t offset) noexcept
    cpdef bint scan(self, bytes body) except -1
