cimport cython

from _speedups._bytes cimport chunk, monotonic_ns
from gateway.cache.captured cimport Captured, Kept
from gateway.cache.joined cimport Following, joined, ordinary
from gateway.core cimport Core
from gateway.exchange cimport Caller, Exchange
from gateway.phases.settle cimport settle
from gateway.relay cimport head_of

cdef int MISS, OK, CACHED, TRUNCATED, MOST_FOLLOWERS, BATCH, MOST_FAILURES
cdef bytes LAST_CHUNK

cdef class Flights:
    cdef public Core core
    cdef public dict under_way
    cdef public Kept kept
    @cython.locals(found=Flight, flight=Flight)
    cpdef bint enter(self, Exchange x, bytes key, bint share, bint keep) except -1

cdef class Flight(Captured):
    cdef public Flights flights
    cdef public Exchange x
    cdef public int failures
    cdef public bint open
    cdef public object owner
    cdef public dict followers
    cdef public object queue
    cdef public bint scheduled
    cpdef close(self)
    @cython.locals(following=Following, x=Exchange)
    cpdef trim(self)
    @cython.locals(leader=Exchange)
    cpdef bint takes(self, Exchange x) except -1
    @cython.locals(following=Following)
    cpdef add(self, Exchange x)
    @cython.locals(x=Exchange)
    cpdef part(self, Following following)
    @cython.locals(following=Following)
    cpdef wake(self)
    cpdef enqueue(self, Following following)
    cpdef schedule(self)
    @cython.locals(parts=list, data=bytes, out=bytes, begins=cython.bint, caller=Caller)
    cpdef deliver(self, Following following, Exchange x)
    cpdef bytes head_for(self, Exchange x)
    @cython.locals(caller=Caller)
    cpdef finish(self, Exchange x, bytes out)
