from gateway.exchange cimport Exchange

cpdef object parse(Exchange x)
cpdef object parse_json(Exchange x)
cpdef object parse_multipart(Exchange x)
cpdef object parse_any(Exchange x)
