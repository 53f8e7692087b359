from gateway.exchange cimport Exchange

cpdef object route(Exchange x)
cpdef object passthrough(Exchange x)
cpdef object pinned(Exchange x)
cpdef object keep_to_pin(Exchange x)
