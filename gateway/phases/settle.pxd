cimport cython

from _speedups._bucket cimport ArenaWorker
from _speedups._bytes cimport monotonic_ns
from _speedups._health cimport Health
from gateway.habits cimport Habit
from _speedups._ring cimport Record
from _speedups._stream cimport UsageScan
from gateway.core cimport Core
from gateway.exchange cimport Audience, Exchange
from gateway.phases.cost cimport reckon
from gateway.phases.intent cimport identify, withdraw
from gateway.phases.metering cimport known, post
from gateway.server.routes cimport RouteEntry
from gateway.serving cimport Plan, Target, Upstream

cdef int ATTEMPT, EXCHANGE, SHADOW, SHADOWED, EMBEDDING, CLIENT_ABORT, FROM_PROVIDER
cdef int USAGE_HIDDEN, PASSED_THROUGH, PASSTHROUGH, WELL
cdef int WAS_GOOD
cdef tuple VERDICTS
cdef long long MOST_MICROS

@cython.locals(core=Core, entry=RouteEntry, target=Target, reserved=cython.bint, flight=Audience)
cpdef settle(Exchange x, int outcome)
@cython.locals(health=Health, target=Target, upstream=Upstream, now_ns=cython.longlong, change=cython.int)
cpdef release(Exchange x, int verdict)
cpdef write_attempt(Exchange x, int outcome, int error_kind)
@cython.locals(core=Core, r=Record, plan=Plan)
cpdef write(Exchange x, int kind)
@cython.locals(us=cython.longlong)
cpdef long long micros(long long ns)
@cython.locals(usage=UsageScan, r=Record)
cpdef write_details(Exchange x)
@cython.locals(own=cython.longlong, r=Record)
cpdef write_times(Exchange x)
