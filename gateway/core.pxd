cimport cython

from _speedups._bucket cimport ArenaWorker
from _speedups._bytes cimport monotonic_ns, numbered, word_at
from _speedups._ring cimport Record, RingWriter
from _speedups._head cimport HeaderFilter, HeadScan
from _speedups._scan cimport JsonScan
from _speedups._stream cimport UsageScan
from gateway.overload.admission cimport Admission
from gateway.server.deadlines cimport Wheel
from gateway.principal cimport Principal
from gateway.serving cimport Upstream, View

cdef class Core:
    cdef public object loop
    cdef public int worker
    cdef public Wheel wheel
    cdef public ArenaWorker arena
    cdef public RingWriter ring
    cdef public Record record
    cdef public JsonScan json
    cdef public UsageScan usage
    cdef public HeadScan request_head
    cdef public HeadScan answer_head
    cdef public HeaderFilter request_filter
    cdef public HeaderFilter bare_filter
    cdef public HeaderFilter answer_filter
    cdef public HeaderFilter control_filter
    cdef public object forwarded
    cdef public dict filters
    cdef public dict principals
    cdef public dict refused
    cdef public set connections
    cdef public long long connection_cap
    cdef public long long max_connections
    cdef public long long in_flight
    cdef public long long expire_ns
    cdef public dict hedgings
    cdef public object shadows
    cdef public object flights
    cdef public long long further
    cdef public Admission admission
    cdef public long long refused_connections
    cdef public long long intake
    cdef public object measure
    cdef public bint draining
    cdef public bint ready
    cdef public str not_ready_why
    cdef public object attempts
    cdef public object end_locally
    cdef public object fault
    cdef public list settled_hooks
    cdef public object cache
    cdef public Upstream control
    cdef public object knocking
    cdef public str own_host
    cdef public bytes admin_token
    cdef public bytearray read_buffer
    cdef public object read_view
    cdef public bytes id_prefix
    cdef public long long id_counter
    cdef public View view
    cdef public object table
    cdef object words
    cdef public long long header_bytes
    cdef public long long header_count
    cdef public long long target_bytes
    cdef public long long response_json_bytes
    cdef public long long json_body_bytes
    cdef public long long binary_hold_bytes
    cdef public long long binary_body_bytes
    cdef public long long header_timeout_ns
    cdef public long long body_timeout_ns
    cdef public long long body_min_rate
    cdef public long long body_grace_ns
    cdef public long long keepalive_ns
    cdef public long long keepalive_age_ns
    cdef public long long write_timeout_ns
    cdef public long long stream_keepalive_ns
    cpdef bytes next_id(self)
    @cython.locals(found=Principal)
    cpdef Principal principal_of(self, bytes credential)
