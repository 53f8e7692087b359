cimport cython

from gateway.control.figures cimport Figures, Reader, put

cdef unsigned long long VERSION

cdef class Question:
    cdef readonly long long by
    cdef readonly object provider, model, virtual_key, team, customer, operation, status
    cpdef asks_for_keys(self)
    cpdef group_of(self, labels)

@cython.locals(body=bytearray, packed=bytearray, head=bytearray, figures=Figures, ids=dict, models=dict,
               number=cython.longlong, operation=cython.longlong, status=cython.longlong, cache=cython.longlong)
cpdef bytes sheet_of(series)

@cython.locals(reader=Reader)
cdef tuple _opened(bytes data)

@cython.locals(reader=Reader, ids=list, models=list, provider=cython.longlong, model=cython.longlong,
               virtual_key=cython.longlong, team=cython.longlong, customer=cython.longlong,
               operation=cython.longlong, status=cython.longlong, by=cython.longlong, here=dict,
               left=cython.longlong, in_provider=cython.longlong, in_model=cython.longlong, in_key=cython.longlong,
               in_team=cython.longlong, in_customer=cython.longlong, in_operation=cython.longlong,
               in_status=cython.longlong, in_cache=cython.longlong, length=Py_ssize_t, label=Py_ssize_t, figures=Figures)
cpdef collect(bytes data, Question question, dict groups)

@cython.locals(reader=Reader, ids=list, models=list, left=cython.longlong, figures=Figures, labels=tuple,
               provider=Py_ssize_t, model=Py_ssize_t, virtual_key=Py_ssize_t, team=Py_ssize_t, customer=Py_ssize_t,
               operation=cython.longlong, status=cython.longlong, cache=cython.longlong)
cpdef unfold(bytes data, dict into)

@cython.locals(figures=Figures, into=Figures, found=dict, fewer=tuple)
cpdef dict without_keys(series)
