cimport cython

from _speedups._bucket cimport ArenaWorker
from _speedups._bytes cimport decimal, monotonic_ns
from _speedups._head cimport HeaderFilter, HeadScan
from _speedups._health cimport Health
from _speedups._keys cimport KeySet
from gateway.core cimport Core
from gateway.exchange cimport Exchange, Link
from gateway.phases.intent cimport intend
from gateway.phases.metering cimport delivered, reserve_there
from gateway.phases.retry cimport Retrying
from gateway.phases.splice cimport splice
from gateway.routing.budget cimport RetryBudget
from gateway.routing.warmest cimport preferred, sent
from gateway.server.routes cimport RouteEntry
from gateway.serving cimport Plan, Resolution, Target, Upstream
from gateway.upstream.pool cimport Pool

cdef int WAITING, UNDECIDED, FALLBACK, REUSED, ADMIN, LAST_OF_OPENAI, IS_WELL, IS_DUE
cdef bytes POST, LENGTH, BLANK

cdef class Asking(Retrying):
    @cython.locals(first=Target, resolution=Resolution)
    cpdef begin(self, Exchange x)
    @cython.locals(now_ns=cython.longlong, ready_ns=cython.longlong, ready=cython.longlong, mask=cython.ulonglong, key=cython.int,
                   target=Target, upstream=Upstream, plan=Plan, pool=Pool, link=Link, targets=list, refusal=cython.longlong)
    cpdef ask(self, Exchange x)
    cpdef bint prepared(self, Exchange x, Target target, Plan plan)
    cpdef wait(self, Exchange x, Pool pool)
    @cython.locals(state=cython.int)
    cpdef bint fit(self, Exchange x, Target target, long long now_ns)
    @cython.locals(core=Core, scan=HeadScan, allowed=HeaderFilter, extra=HeaderFilter, target=Target, upstream=Upstream, plan=Plan,
                   entry=RouteEntry, length=cython.longlong, size=cython.longlong, chunked=cython.bint, as_json=cython.bint,
                   head=bytes, fields=bytes, body=bytes, data=bytes, piece=bytes, parts=list)
    cpdef send(self, Exchange x, Link link)
    @cython.locals(target=Target)
    cpdef write(self, Exchange x, Link link, bytes data, bint chunked)
