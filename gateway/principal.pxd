from _speedups._bucket cimport LimitSet

cdef class Principal:
    cdef public long long seq_at
    cdef public unsigned long long seq
    cdef public unsigned long long id_hash
    cdef public int flags
    cdef public int ruleset
    cdef public unsigned long long team
    cdef public unsigned long long customer
    cdef public tuple slots
    cdef public tuple general
    cdef public dict there
    cdef public tuple places
    cdef public LimitSet limits
    cdef public int limit_count
    cdef public bint read
    cdef public bint budgeted
    cdef public LimitSet growing
    cdef public object pin
    cdef public long long expires_s
    cdef public bytes cache_scope
    cdef public long long claims
