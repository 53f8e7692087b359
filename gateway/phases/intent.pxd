cimport cython

from _speedups._bucket cimport ArenaWorker
from _speedups._bytes cimport monotonic_ns, realtime_ns, unhex
from _speedups._ring cimport Record
from gateway.core cimport Core
from gateway.exchange cimport Exchange
from gateway.phases.metering cimport post_there
from gateway.principal cimport Principal
from gateway.server.routes cimport RouteEntry
from gateway.serving cimport Resolution, Target, Upstream

cdef int KEEPALIVE, HEDGED, ATTEMPT, EXCHANGE, MISS

@cython.locals(core=Core, arena=ArenaWorker, entry=RouteEntry, r=Record)
cpdef intend(Exchange x)
@cython.locals(arena=ArenaWorker)
cpdef withdraw(Exchange x)
@cython.locals(principal=Principal, target=Target, upstream=Upstream, resolution=Resolution)
cpdef identify(Exchange x, Record r, long long now_ns)
