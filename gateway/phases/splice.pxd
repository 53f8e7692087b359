from gateway.exchange cimport Exchange
from gateway.serving cimport Plan, Target

cpdef list splice(Exchange x, Target target, Plan plan)
