cimport cython

from _speedups._bytes cimport decimal, realtime_ns
from gateway.cache.flight cimport Flights
from gateway.cache.ready cimport Again, Ready, head_for, ready
from gateway.core cimport Core
from gateway.exchange cimport Caller, Exchange
from gateway.phases.settle cimport settle
from gateway.principal cimport Principal
from gateway.server.response cimport connection_field
from gateway.serving cimport Choice, Resolution, Target, View

cdef int LAST_OF_OPENAI, BYPASS, MISS, HIT, CACHED, FROM_CACHE
cdef bytes AGE, LINE, REQUEST_ID
cdef long long AGAIN_BODY_BYTES, MOST_AGAIN, BATCH_BYTES, READY_BYTES

cdef class Answers:
    cdef public Core core
    cdef public object settings
    cdef public object reader
    cdef public object asking
    cdef public Flights flights
    cdef public int level
    cdef public long long ttl_ns
    cdef public long long most_bytes
    cdef public bint coalesce
    cdef public bint cross
    cdef public object similar
    cdef public dict policies
    cdef public list batch
    cdef public long long batch_bytes
    cdef public dict again
    cdef public dict ready
    cdef public long long ready_bytes
    cdef public long long hits
    cdef public long long joined
    cdef public long long misses
    cdef public long long kept
    cdef public long long saved_nanodollars
    cdef public long long saved_us
    cpdef adopted(self)
    @cython.locals(principal=Principal, policy=cython.int, key=bytes, found=Ready, again=Again)
    cpdef object look(self, Exchange x)
    cpdef bint is_that(self, Exchange x, Again again) except -1
    @cython.locals(choice=Choice, resolution=Resolution)
    cpdef remember(self, Exchange x, Ready found)
    cpdef object missed(self, Exchange x, bytes key, int policy)
    @cython.locals(share=cython.bint, keep=cython.bint)
    cpdef object take_off(self, Exchange x, bytes key, int policy)
    cpdef bytes key_of(self, Exchange x, Principal principal)
    cpdef bytes scope_of(self, Exchange x, Principal principal)
    @cython.locals(choice=Choice, view=View, targets=bytes)
    cpdef bytes prefix_of(self, Exchange x, Principal principal)
    @cython.locals(found=Ready)
    cpdef Ready known(self, bytes key)
    cpdef forget(self)
    @cython.locals(age_ns=cython.longlong, caller=Caller, data=bytes, head=bytes, body=bytes, core=Core)
    cpdef bint tell(self, Exchange x, Ready found, int verdict, bytes more) except -1
    cpdef hand_over(self)
    @cython.locals(target=Target)
    cpdef keep(self, Exchange x, bytes key, bytes content_type, bytes body, bint streamed)
