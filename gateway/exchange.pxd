cimport cython

from _speedups._health cimport Health
from _speedups._stream cimport StreamScan, UsageScan
from gateway.core cimport Core
from gateway.server.deadlines cimport Timed
from gateway.server.routes cimport RouteEntry
from gateway.principal cimport Principal
from gateway.serving cimport Plan, Resolution, Target, View

cdef class Caller(Timed):
    cpdef str peer(self)
    cpdef answer(self, bytes data)
    cpdef answered(self, Exchange x, bint reusable)
    cpdef respond(self, Exchange x, object response)
    cpdef hold_body(self)
    cpdef release_body(self)

cdef class Link(Timed):
    cpdef bint reused(self)
    cpdef pause(self)
    cpdef resume(self)
    cpdef cancel(self)
    cpdef send(self, Exchange x, bytes data, bint chunked_upload)
    cpdef upload(self, bytes data, bint last)
    cpdef carry(self, Exchange x)

cdef class Attempts:
    cpdef begin(self, Exchange x)
    cpdef received(self, Exchange x, Link link, bytes data, bint complete)
    cpdef broken(self, Exchange x, Link link, int kind, str message, bint answered)
    cpdef connected(self, Exchange x, Link link)
    cpdef unreachable(self, Exchange x, int kind, str message)
    cpdef caller_gone(self, Exchange x)
    cpdef overdue(self, Exchange x)
    cpdef drain_cut(self, Exchange x)
    cpdef memory_cut(self, Exchange x)

cdef class Audience:
    cpdef begun(self, Exchange x, long long length)
    cpdef told(self, bytes data)
    cpdef whole(self, Exchange x, bytes body)
    cpdef cut(self, str message, bytes event)
    cpdef ending(self, Exchange x)
    cpdef over(self, Exchange x, int outcome)
    cpdef bint stays(self, Exchange x)
    cpdef bint hurried(self)

cdef class Exchange:
    cdef public Caller caller
    cdef public Core core
    cdef public View view
    cdef public Attempts attempts
    cdef public long long started_ns
    cdef public long long complete_ns
    cdef public bytes method
    cdef public bytes path
    cdef public bytes query
    cdef public bytes head
    cdef public bytes body
    cdef public long long body_length
    cdef public bint uploading
    cdef public bytes content_type
    cdef public bytes client
    cdef public bint http10
    cdef public bint keep_alive
    cdef public bint head_only
    cdef public bint reused
    cdef public RouteEntry route
    cdef public int operation
    cdef public int dialect
    cdef public bint relayed
    cdef public bytes request_id
    cdef public Principal principal
    cdef public str model
    cdef public Py_ssize_t model_start
    cdef public Py_ssize_t model_end
    cdef public bint stream
    cdef public int include_usage
    cdef public Py_ssize_t options_start
    cdef public Py_ssize_t options_end
    cdef public Py_ssize_t fallbacks_start
    cdef public Py_ssize_t fallbacks_end
    cdef public Py_ssize_t close
    cdef public bint empty
    cdef public long long max_tokens
    cdef public bint multipart
    cdef public bint json_declared
    cdef public bint stateful
    cdef public long long reservation
    cdef public long long there
    cdef public list grants
    cdef public long long foreseen
    cdef public long long granted
    cdef public object closing
    cdef public int cache_verdict
    cdef public Audience flight
    cdef public Resolution resolution
    cdef public list targets
    cdef public int target_index
    cdef public bint regardless
    cdef public bytes session
    cdef public bytes pinned
    cdef public object wish
    cdef public object question
    cdef public bint named
    cdef public long long deadline_ns
    cdef public object alarm
    cdef public Health health
    cdef public object race
    cdef public object joining
    cdef public object trail
    cdef public int hedges
    cdef public bint further
    cdef public Target target
    cdef public Plan plan
    cdef public int key
    cdef public unsigned long long tried_keys
    cdef public bytes chain
    cdef public int attempt
    cdef public bint repeated
    cdef public Link link
    cdef public bint hide_usage
    cdef public bint usage_spliced
    cdef public object waiting
    cdef public bytes admin_method
    cdef public object translation
    cdef public bytes outgoing
    cdef public int status
    cdef public bytes answer_head
    cdef public long long answer_length
    cdef public bytes answer_type
    cdef public int answer_media
    cdef public bytes answer_encoding
    cdef public object sealing
    cdef public dict names
    cdef public bint head_sent
    cdef public bint chunked
    cdef public int mode
    cdef public list held
    cdef public Py_ssize_t held_bytes
    cdef public StreamScan scan
    cdef public UsageScan usage
    cdef public bint caller_paused
    cdef public bint commented
    cdef public bint between
    cdef public long long chunks_seen
    cdef public bint running
    cdef public bint ended
    cdef public long long asked_ns
    cdef public long long sent_ns
    cdef public long long first_byte_ns
    cdef public long long last_byte_ns
    cdef public long long done_ns
    cdef public long long queued_ns
    cdef public int slot
    cdef public bint unrecorded
    cdef public long long dial_ns
    cdef public long long request_bytes
    cdef public long long response_bytes
    cdef public long long chunks
    cdef public int sent_status
    cdef public bint reckoned
    cdef public long long prompt
    cdef public long long completion
    cdef public int usage_source
    cdef public long long cost
    cdef public long long spent
    cdef public int outcome
    cdef public int error_kind
    cdef public int flags
    cdef public long long answer_deadline_ns
    @cython.locals(own=cython.longlong)
    cpdef long long overhead_us(self, long long now_ns)
