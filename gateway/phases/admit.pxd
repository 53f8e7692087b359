from gateway.exchange cimport Exchange

cpdef long long estimate(Exchange x)
cpdef object admit(Exchange x)
