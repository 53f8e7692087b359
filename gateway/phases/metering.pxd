cimport cython

from _speedups._bucket cimport ArenaWorker, LimitSet
from _speedups._bytes cimport monotonic_ns
from _speedups._cost cimport Rates
from _speedups._stream cimport UsageScan
from gateway.exchange cimport Exchange
from gateway.habits cimport Habit
from gateway.phases.cost cimport price_of
from gateway.pricing cimport Price
from gateway.principal cimport Principal
from gateway.serving cimport Target

cdef int BYTES_PER_TOKEN_BITS, SHADOW, COUNT_TOKENS, MISS, FROM_CACHE
cdef long long DEFAULT_OUTPUT_TOKENS, STEP_TOKENS, GRACE_NS
cdef frozenset NO_WORDS
cdef bytes POST
cdef LimitSet NO_LIMITS

cpdef read_kinds(Principal principal, ArenaWorker arena)
@cython.locals(habit=Habit, target=Target)
cpdef long long foresee(Exchange x)
@cython.locals(target=Target, most=cython.longlong, money=cython.longlong, now_ns=cython.longlong)
cpdef long long foreseen_cost(Exchange x, Principal principal, long long output)
@cython.locals(target=Target, total_ns=cython.longlong)
cpdef long long until(Exchange x, long long now_ns)
@cython.locals(principal=Principal, arena=ArenaWorker, limits=LimitSet, output=cython.longlong, money=cython.longlong, handle=cython.longlong)
cpdef long long reserve_there(Exchange x, Target target, long long now_ns)
@cython.locals(principal=Principal, arena=ArenaWorker, limits=LimitSet, output=cython.longlong, money=cython.longlong, handle=cython.longlong)
cpdef bint reserve_beside(Exchange x, Exchange twin, Target target, long long now_ns) except -1
@cython.locals(arena=ArenaWorker)
cpdef give_back(Exchange x)
@cython.locals(principal=Principal, arena=ArenaWorker, usage=UsageScan, money=cython.longlong)
cpdef bint delivered(Exchange x, long long output)
@cython.locals(limits=LimitSet, rates=Rates, least=cython.longlong, step=cython.longlong, money=cython.longlong, handle=cython.longlong)
cpdef bint grow(Exchange x, Principal principal, ArenaWorker arena, long long output)
@cython.locals(arena=ArenaWorker, output=cython.longlong, tokens=cython.longlong)
cpdef known(Exchange x)
@cython.locals(arena=ArenaWorker, output=cython.longlong, tokens=cython.longlong, requests=cython.longlong)
cpdef post(Exchange x)
@cython.locals(arena=ArenaWorker, output=cython.longlong, tokens=cython.longlong)
cpdef post_there(Exchange x)
cpdef finish(ArenaWorker arena, long long handle, long long requests, long long tokens, long long money, long long now_ns, long long output)
