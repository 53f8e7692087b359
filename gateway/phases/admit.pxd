cimport cython

from _speedups._bucket cimport ArenaWorker
from _speedups._bytes cimport monotonic_ns
from gateway.exchange cimport Exchange
from gateway.phases.metering cimport foresee, foreseen_cost, read_kinds, until
from gateway.principal cimport Principal

@cython.locals(principal=Principal, arena=ArenaWorker, now_ns=cython.longlong, handle=cython.longlong, output=cython.longlong,
               tokens=cython.longlong, money=cython.longlong)
cpdef object admit(Exchange x)
