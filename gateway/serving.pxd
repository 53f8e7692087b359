cimport cython

from _speedups._affinity cimport Affinity
from _speedups._health cimport Health
from _speedups._keys cimport KeySet
from _speedups._head cimport HeaderFilter
from gateway.habits cimport Habit
from gateway.pricing cimport Price

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
    cdef public object book
    cdef public dict habits
    cdef public object credentials
    cdef public Affinity affinity
    cdef public list key_hashes
    cdef public unsigned long long enabled_mask
    cdef public KeySet keys
    cdef public dict healths
    cdef public Health other_health
    cdef public int in_flight
    cdef public int max_concurrency
    cdef public bint throttles
    cdef public long long connect_timeout_ns
    cdef public long long first_byte_ns
    cdef public long long first_token_ns
    cdef public long long stream_idle_ns
    cdef public long long total_ns
    cdef public bint told_time
    cdef public HeaderFilter forward_filter
    cdef public str unsupported
    cdef public dict plans
    cpdef Habit habit_of(self, str model, str asked)
    cpdef unsigned long long narrowed(self, bytes session, unsigned long long mask, long long now_ns)
    cpdef bytes head(self, bytes method, str path, int key, bytes query=*)

cdef class Target:
    cdef public Upstream upstream
    cdef public str model
    cdef public double weight
    cdef public object condition
    cdef public Health health
    cdef public Price price
    cdef public Habit habit
    cdef public bytes model_bytes
    cdef public bytes model_json
    cdef public bytes label
    cdef public unsigned long long mask
    cdef public unsigned long long seed
    cdef public bytes labels

cdef class Choice:
    cdef public list primary
    cdef public list fallbacks
    cdef public list targets
    cdef public bint conditional
    cdef public bint plain
    cdef public bytes fingerprint

cdef class Resolution:
    cdef public str name
    cdef public bytes label
    cdef public object route
    cdef public unsigned long long route_hash
    cdef public int strategy
    cdef public bint hedged
    cdef public bint continues
    cdef public bytes hash_on
    cdef public list primary
    cdef public list fallbacks
    cdef public object shadows
    cdef public dict choices

cdef class View:
    cdef public object snapshot
    cdef public long long version
    cdef public dict upstreams
    cdef public object book
    cdef public tuple rulesets
    cdef public object routes
    cdef public dict resolutions
    cdef public object remembered
    cdef public object retry_statuses
    cdef public int max_attempts
    cdef public dict facts
    cdef public dict model_pages
    cdef public dict bare
    @cython.locals(under=dict, found=Resolution)
    cpdef Resolution resolve(self, str model, str prefix)
    cpdef Choice choice(self, int ruleset, Resolution resolution)
