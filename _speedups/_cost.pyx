# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""What counts of tokens cost, exactly. The contract is ``_cost.pyi``."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t
from libc.string cimport memcpy

cdef extern from "_cost.h" nogil:
    enum:
        MG_INPUT, MG_CACHE_READ, MG_CACHE_READ_AUDIO, MG_CACHE_WRITE, MG_CACHE_WRITE_1H, MG_INPUT_AUDIO, MG_INPUT_IMAGE
        MG_OUTPUT, MG_OUTPUT_REASONING, MG_OUTPUT_AUDIO, MG_OUTPUT_IMAGE, MG_WEB_SEARCH, MG_REQUEST, MG_KINDS
    int64_t mg_cost(const int64_t *counts, const int64_t *prices)
    int64_t mg_cost_of_two(int64_t prompt, int64_t completion, const int64_t *prices)
    int mg_digits_of_usd(char *end, int64_t nanodollars)
    int64_t mg_part(int64_t count, int64_t whole, int *cut)

KINDS = (
    "input", "cache_read", "cache_read_audio", "cache_write", "cache_write_1h", "input_audio", "input_image",
    "output", "output_reasoning", "output_audio", "output_image",
    "web_search", "request",
)
DEAREST = 1 << 60
MOST = (1 << 63) - 1
NANO_A_MILLION = 1_000_000


@cython.no_gc
@cython.final
cdef class Rates:
    def __init__(self, prices, above=-1, Rates over=None):
        cdef int i
        if len(prices) != MG_KINDS:
            raise ValueError(f"{MG_KINDS} prices expected, got {len(prices)}")
        for i, price in enumerate(prices):
            if not 0 <= price <= DEAREST:
                raise ValueError(f"the price for {KINDS[i]} is outside 0 to {DEAREST}: {price}")
            self._price[i] = price
        self.above = above if over is not None else -1
        self.over = over

    @property
    def prices(self):
        cdef int i
        return tuple([self._price[i] for i in range(MG_KINDS)])

    cpdef int64_t cost(
        self, int64_t prompt, int64_t completion, int64_t cached=0, int64_t cache_write=0, int64_t reasoning=0,
        int64_t audio_in=0, int64_t audio_out=0, int64_t image_in=0, int64_t image_out=0, int64_t cache_write_1h=0,
        int64_t cached_audio=0, int64_t searches=0
    ) noexcept:
        cdef Rates rates = self
        cdef int64_t[13] count
        cdef int64_t fresh, told, cost
        cdef int cut = 0
        while rates.over is not None and prompt > rates.above:
            rates = rates.over
        prompt = max(prompt, 0)
        completion = max(completion, 0)
        if (
            cached <= 0 and cache_write <= 0 and reasoning <= 0 and audio_in <= 0 and audio_out <= 0 and image_in <= 0
            and image_out <= 0 and cache_write_1h <= 0 and cached_audio <= 0 and searches <= 0
        ):
            return mg_cost_of_two(prompt, completion, rates._price)
        # Audio may be read from the cache: only what is more than the whole prompt is impossible.
        audio_in = mg_part(audio_in, prompt, &cut)
        cached = mg_part(cached, prompt, &cut)
        fresh = prompt - cached
        cache_write = mg_part(cache_write, fresh, &cut)
        fresh -= cache_write
        cache_write_1h = mg_part(cache_write_1h, cache_write, &cut)
        cached_audio = mg_part(cached_audio, min(cached, audio_in), &cut)
        audio_in = min(audio_in - cached_audio, fresh)
        fresh -= audio_in
        image_in = min(max(image_in, 0), fresh)
        fresh -= image_in
        reasoning = mg_part(reasoning, completion, &cut)
        told = completion - reasoning
        audio_out = mg_part(audio_out, told, &cut)
        told -= audio_out
        image_out = mg_part(image_out, told, &cut)
        told -= image_out
        count[MG_INPUT] = fresh
        count[MG_CACHE_READ] = cached - cached_audio
        count[MG_CACHE_READ_AUDIO] = cached_audio
        count[MG_CACHE_WRITE] = cache_write - cache_write_1h
        count[MG_CACHE_WRITE_1H] = cache_write_1h
        count[MG_INPUT_AUDIO] = audio_in
        count[MG_INPUT_IMAGE] = image_in
        count[MG_OUTPUT] = told
        count[MG_OUTPUT_REASONING] = reasoning
        count[MG_OUTPUT_AUDIO] = audio_out
        count[MG_OUTPUT_IMAGE] = image_out
        count[MG_WEB_SEARCH] = max(searches, 0)
        count[MG_REQUEST] = 1
        cost = mg_cost(count, rates._price)
        return ~cost if cut else cost


cpdef bytes in_usd(bytes before, int64_t nanodollars, bytes behind):
    cdef char[32] digits
    cdef char *out
    cdef int size
    cdef Py_ssize_t first = PyBytes_GET_SIZE(before), last = PyBytes_GET_SIZE(behind)
    cdef bytes result
    if nanodollars < 0:
        raise ValueError("negative")
    size = mg_digits_of_usd(digits + 32, nanodollars)
    result = PyBytes_FromStringAndSize(NULL, first + size + last)
    out = PyBytes_AS_STRING(result)
    memcpy(out, PyBytes_AS_STRING(before), first)
    memcpy(out + first, digits + 32 - size, size)
    memcpy(out + first + size, PyBytes_AS_STRING(behind), last)
    return result


def _bench_cost(Rates rates, int64_t count):
    """``count`` costs from C: what a request pays."""
    cdef int64_t i, total = 0
    for i in range(count):
        total += rates.cost(1000 + i, 200, 500)
    return total
