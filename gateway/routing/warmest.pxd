cimport cython

from _speedups._affinity cimport Affinity, digests, prompt
from _speedups._bytes cimport monotonic_ns
from _speedups._keys cimport KeySet
from gateway.exchange cimport Exchange
from gateway.serving cimport Target, Upstream

cdef int BYTES_PER_TOKEN_BITS, CHAT, RESPONSES, COMPLETIONS, INVOKE
cdef unsigned long long ONE

@cython.locals(upstream=Upstream, affinity=Affinity, operation=cython.int, text=bytes, chain=bytes, keys=KeySet,
               ready=cython.ulonglong, left=cython.ulonglong, index=cython.int, key=cython.int)
cpdef unsigned long long warmest(Exchange x, Target target, unsigned long long mask, long long now_ns) except? 0
cpdef unsigned long long preferred(Exchange x, Target target, unsigned long long mask, long long now_ns) except? 0
@cython.locals(affinity=Affinity, chain=bytes)
cpdef sent(Exchange x, Upstream upstream)
