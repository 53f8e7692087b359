cimport cython

from _speedups._bucket cimport ArenaWorker
from _speedups._bytes cimport decimal, monotonic_ns
from _speedups._head cimport HeaderFilter, HeadScan
from _speedups._keys cimport KeySet
from gateway.core cimport Core
from gateway.exchange cimport Attempts, Exchange, Link
from gateway.phases.splice cimport splice
from gateway.server.routes cimport RouteEntry
from gateway.serving cimport Plan, Target, Upstream
from gateway.upstream.pool cimport Pool

cdef int WAITING, UNDECIDED, FALLBACK, RETRIED, REUSED, ADMIN, BYTES_PER_TOKEN_BITS, ROTATE_KEY, LAST_OF_OPENAI
cdef double SHORT_REST_S, LONGEST_REST_S, REFUSED_REST_S
cdef bytes POST, LENGTH, BLANK

cdef class Asking(Attempts):
    cdef public Core core
    cdef public dict told
    @cython.locals(first=Target)
    cpdef begin(self, Exchange x)
    @cython.locals(now_ns=cython.longlong, ready_ns=cython.longlong, ready=cython.longlong, mask=cython.ulonglong, key=cython.int,
                   target=Target, upstream=Upstream, plan=Plan, pool=Pool, link=Link, targets=list)
    cpdef ask(self, Exchange x)
    @cython.locals(core=Core, scan=HeadScan, allowed=HeaderFilter, extra=HeaderFilter, target=Target, upstream=Upstream, plan=Plan,
                   entry=RouteEntry, length=cython.longlong, size=cython.longlong, chunked=cython.bint, as_json=cython.bint,
                   head=bytes, fields=bytes, body=bytes, data=bytes, piece=bytes, parts=list)
    cpdef send(self, Exchange x, Link link)
    @cython.locals(core=Core, target=Target)
    cpdef write(self, Exchange x, Link link, bytes data, bint chunked)
    @cython.locals(target=Target, upstream=Upstream, now_ns=cython.longlong, rest=cython.double)
    cpdef put_away(self, Exchange x, int status, object found)
    @cython.locals(now_ns=cython.longlong)
    cpdef bint again(self, Exchange x, int status, object kind, object found)
    @cython.locals(target=Target, keys=KeySet, now_ns=cython.longlong, ready_ns=cython.longlong, limited=cython.bint,
                   mask=cython.ulonglong)
    cpdef double next_step(self, Exchange x, object found)
    cpdef give_up(self, Exchange x, object error)
