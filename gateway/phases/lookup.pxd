from gateway.exchange cimport Exchange

cpdef object lookup(Exchange x)
