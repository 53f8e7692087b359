cimport cython

from gateway.exchange cimport Exchange
from gateway.serving cimport Plan, Target, Upstream

cdef int LAST_OF_OPENAI, GEMINI, ANTHROPIC_OVERLOADED

cpdef bint needed(int caller, int target)

cdef class Translation:
    cdef public int kind
    cdef public object caller
    cdef public object request
    cdef public object target
    cdef public bint same
    cdef public object losses
    cdef public object decoder
    cdef public object encoder
    cdef public object usage
    cdef public object fault
    cdef public bint begun
    cdef public bint done
    cdef public object open
    cdef public str tier
    cdef public long long contents
    cdef public bint streaming
    cdef public object array
    cdef public double wait_s
    @cython.locals(upstream=Upstream)
    cpdef bytes turn_to(self, Exchange x, Target target, Plan plan)
    cpdef tuple path_of(self, Plan plan, bint stream)
    cpdef object decoded(self, Exchange x)
    cpdef bytes answer(self, Exchange x, bytes body)
    cpdef object error(self, int status, bytes head, bytes body)
    cpdef begin_stream(self, Exchange x)
    @cython.locals(events=list)
    cpdef bytes feed(self, bytes data, bint complete)
    @cython.locals(start=Py_ssize_t, end=Py_ssize_t)
    cpdef bytes heard(self, object decoder, bytes data, bint complete)
    cpdef frame(self, Exchange x)
    cpdef bytes framed(self, bytes out, bint complete)
    cpdef note(self, list events)
    cpdef bytes cut(self, str message, bint timed_out)
