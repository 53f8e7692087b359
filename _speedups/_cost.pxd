from libc.stdint cimport int64_t

cdef class Rates:
    cdef int64_t _price[13]
    cdef readonly int64_t above
    cdef readonly Rates over
    cpdef int64_t cost(
        self, int64_t prompt, int64_t completion, int64_t cached=*, int64_t cache_write=*, int64_t reasoning=*,
        int64_t audio_in=*, int64_t audio_out=*, int64_t image_in=*, int64_t image_out=*, int64_t cache_write_1h=*,
        int64_t cached_audio=*, int64_t searches=*
    ) noexcept

cpdef bytes in_usd(bytes before, int64_t nanodollars, bytes behind)
