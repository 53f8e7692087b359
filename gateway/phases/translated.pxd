cimport cython

from _speedups._bytes cimport chunk, decimal, monotonic_ns
from _speedups._head cimport HeaderFilter, HeadScan
from _speedups._stream cimport UsageScan
from gateway.core cimport Core
from gateway.exchange cimport Caller, Exchange
from gateway.phases.metering cimport delivered
from gateway.phases.settle cimport settle
from gateway.phases.splice cimport splice
from gateway.serving cimport Plan, Target, Upstream
from gateway.translation cimport Translation

cdef int UNDECIDED, HOLD, PEEK, RELAY, INVOKE, COUNT_TOKENS, ANTHROPIC, CHAT
cdef long long HOLD_BYTES, PEEK_BYTES, PEEK_NS, GUARDED_BYTES
cdef bytes JSON_TYPE, LAST_CHUNK, TYPE_AND_LENGTH

@cython.locals(translation=Translation)
cpdef bint prepare(object attempts, Exchange x, Target target, Plan plan)
@cython.locals(translation=Translation, upstream=Upstream, core=Core, body=bytes, head=bytes, fields=bytes,
               allowed=HeaderFilter, scan=HeadScan, parts=list, path=str, query=str,
               usual=bytes)
cpdef bytes wire(Exchange x, Target target, Plan plan)
cpdef bytes lacking(bytes usual, bytes fields)
@cython.locals(translation=Translation, streams=cython.bint)
cpdef received(object attempts, Exchange x, bytes data, bint complete)
@cython.locals(held=list)
cpdef hold(object attempts, Exchange x, bytes data, bint complete)
@cython.locals(translation=Translation, out=bytes)
cpdef judge(object attempts, Exchange x, bytes body)
cpdef refused(Exchange x, int status, bytes body, int kind)
@cython.locals(translation=Translation, held=list, out=bytes, head=bytes, guarded=cython.bint, waits=cython.bint,
               most=cython.longlong)
cpdef peek(object attempts, Exchange x, bytes data, bint complete)
@cython.locals(translation=Translation)
cpdef piece(Exchange x, bytes data, bint complete)
@cython.locals(translation=Translation, core=Core, caller=Caller, framed=bytes, ended=cython.bint, so_far=cython.longlong)
cpdef send(Exchange x, bytes head, bytes out, bint complete)
cpdef bint over_early(Exchange x, bytes out)
cpdef cut(Exchange x, int kind, str message)
@cython.locals(translation=Translation, usage=UsageScan)
cpdef take_usage(Exchange x)
cpdef bytes with_type(bytes head, int status, bytes content_type)
