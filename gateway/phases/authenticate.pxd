from gateway.exchange cimport Exchange

cpdef bytes credential_of(object head)
cpdef object authenticate(Exchange x)
