cimport cython

from _speedups._bytes cimport part
from _speedups._head cimport HeadScan
from gateway.core cimport Core
from gateway.exchange cimport Exchange
from gateway.principal cimport Principal

cdef bytes BEARER, SIGV4

@cython.locals(authorization=bytes)
cpdef bytes credential_of(HeadScan head)
@cython.locals(core=Core, credential=bytes, principal=Principal)
cpdef object authenticate(Exchange x)
