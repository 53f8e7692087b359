from _speedups._bucket cimport LimitSet
from _speedups._keys cimport KeySet
from _speedups._head cimport HeaderFilter

cdef class Plan:
    cdef public int operation
    cdef public int dialect
    cdef public str path
    cdef public Upstream provider
    cdef public bint model_in_body
    cdef public list heads
    cdef public tuple members
    cpdef bytes head(self, int key, str model)

cdef class Upstream:
    cdef public object spec
    cdef public str name
    cdef public unsigned long long id_hash
    cdef public object pool
    cdef public bint ask_usage
    cdef public tuple key_specs
    cdef public int key_count
    cdef public list values
    cdef public object credentials
    cdef public list key_hashes
    cdef public unsigned long long enabled_mask
    cdef public KeySet keys
    cdef public long long connect_timeout_ns
    cdef public long long first_byte_ns
    cdef public long long stream_idle_ns
    cdef public long long total_ns
    cdef public HeaderFilter forward_filter
    cdef public str unsupported
    cdef public dict plans
    cpdef bytes head(self, bytes method, str path, int key, bytes query=*)

cdef class Target:
    cdef public Upstream upstream
    cdef public str model
    cdef public double weight
    cdef public bytes model_bytes
    cdef public bytes model_json
    cdef public bytes label
    cdef public unsigned long long mask
    cdef public bytes labels

cdef class Resolution:
    cdef public str name
    cdef public bytes label
    cdef public unsigned long long route_hash
    cdef public list targets
    cdef public int drawn
    cdef public dict allowed
    cpdef list order(self)

cdef class Principal:
    cdef public long long seq_at
    cdef public unsigned long long seq
    cdef public unsigned long long id_hash
    cdef public int flags
    cdef public int ruleset
    cdef public LimitSet limits
    cdef public int limit_count
    cdef public object pin
    cdef public long long expires_s

cdef class View:
    cdef public object snapshot
    cdef public long long version
    cdef public dict upstreams
    cdef public tuple rulesets
    cdef public object routes
    cdef public dict resolutions
    cdef public object remembered
    cdef public object retry_statuses
    cdef public int max_attempts
    cdef public dict model_pages
    cdef public dict bare
    cpdef Resolution resolve(self, str model, str prefix)
    cpdef bint may_use(self, int ruleset, Resolution resolution)
    cpdef list targets_for(self, int ruleset, Resolution resolution)
