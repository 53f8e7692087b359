cimport cython

from _speedups._cost cimport Rates, in_usd
from _speedups._stream cimport UsageScan
from gateway.exchange cimport Exchange
from gateway.pricing cimport Price
from gateway.server.routes cimport RouteEntry
from gateway.serving cimport Target

cdef int BYTES_PER_TOKEN_BITS, FROM_PROVIDER, FROM_CACHE, ESTIMATED, SUSPICIOUS, UNPRICED, SERVICE_TIER, COUNT_TOKENS, CANCELLED
cdef bytes COST, LINE, NOTHING, POST

@cython.locals(usage=UsageScan)
cpdef reckon(Exchange x, bint cut)
@cython.locals(entry=RouteEntry)
cpdef bint generates(Exchange x)
cpdef bint answering(Exchange x)
@cython.locals(entry=RouteEntry)
cpdef bint left(Exchange x)
cpdef long long prompt_of(UsageScan usage)
@cython.locals(apart=cython.longlong)
cpdef long long completion_of(UsageScan usage)
cpdef long long priced(Rates rates, long long prompt, long long completion, UsageScan usage) except? -1
cpdef long long spoken(Exchange x)
@cython.locals(usage=UsageScan, target=Target, price=Price, rates=Rates, other=Rates, cost=cython.longlong)
cpdef long long charge(Exchange x) except? -1
@cython.locals(price=Price)
cpdef Price price_of(Exchange x, Target target)
cpdef bytes field(Exchange x)
