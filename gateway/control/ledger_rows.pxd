cimport cython

cdef Py_ssize_t WIDTH
cdef object COPY, COPIED, SHADOW, CALL
cdef Py_ssize_t REQUEST_ID, ATTEMPT, KIND, STARTED_US, VIRTUAL_KEY, PROVIDER, PROVIDER_KEY, ROUTE, MODEL, TARGET_MODEL
cdef Py_ssize_t OPERATION, TOKENS, COST, OUTCOME, USAGE_SOURCE, FLAGS, TEAM, CUSTOMER

@cython.locals(at=Py_ssize_t, rows=list, row=tuple)
cpdef list rows_of(list values)
