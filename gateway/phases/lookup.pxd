cimport cython

from gateway.core cimport Core
from gateway.exchange cimport Exchange

@cython.locals(core=Core)
cpdef object lookup(Exchange x)
