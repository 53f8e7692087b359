cimport cython

from gateway.exchange cimport Exchange
from gateway.server.routes cimport RouteEntry
from gateway.routing.arrange cimport arrange
from gateway.principal cimport Principal
from gateway.serving cimport Choice, Plan, Resolution, Target, Upstream, View

cdef int PASSTHROUGH, RESPONSES, ANTHROPIC, GEMINI

@cython.locals(entry=RouteEntry, principal=Principal, view=View, resolution=Resolution, choice=Choice)
cpdef object route(Exchange x)
cpdef object passthrough(Exchange x)
cpdef object keep_to_pin(Exchange x)
