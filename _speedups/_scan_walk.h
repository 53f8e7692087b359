/* The loops over a JSON document, included once for each instruction set by _scan_json.h, which defines
 *   MG_NAME(x)  the name with the set's suffix      MG_TARGET  the function attribute
 *   MG_VECTOR   bytes looked at in one step: 32, 16, or 0 for portable code */

/* First byte of [p, end) that a string cannot simply contain: quote, backslash, control character; end when none.
 * `doc` is the start of the readable bytes: the last step reads backwards into what was already seen. */
MG_TARGET static inline __attribute__((always_inline)) const uint8_t *MG_NAME(mg_special)(
    const uint8_t *doc, const uint8_t *p, const uint8_t *end) {
#if MG_VECTOR == 32
    const __m256i quote = _mm256_set1_epi8('"'), slash = _mm256_set1_epi8('\\'), control = _mm256_set1_epi8(0x1F);
#define MG_STEP(q)                                                                                                     \
    ((uint32_t)_mm256_movemask_epi8(_mm256_or_si256(                                                                   \
        _mm256_or_si256(_mm256_cmpeq_epi8(v, quote), _mm256_cmpeq_epi8(v, slash)),                                     \
        _mm256_cmpeq_epi8(_mm256_min_epu8(v, control), v))))
    __m256i v;
    uint32_t found;
    while (mg_likely(end - p >= 32)) {
        v = _mm256_loadu_si256((const __m256i *)p);
        found = MG_STEP(p);
        if (found) return p + __builtin_ctz(found);
        p += 32;
    }
    if (mg_likely(end - doc >= 32)) {
        if (p == end) return end;
        v = _mm256_loadu_si256((const __m256i *)(end - 32));
        found = MG_STEP(end - 32) >> (32 - (end - p));
        return found ? p + __builtin_ctz(found) : end;
    }
#undef MG_STEP
#elif MG_VECTOR == 16
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1F);
#define MG_STEP(q)                                                                                                     \
    ((uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)),        \
                                              _mm_cmpeq_epi8(_mm_min_epu8(v, control), v))))
    __m128i v;
    uint32_t found;
    while (mg_likely(end - p >= 16)) {
        v = _mm_loadu_si128((const __m128i *)p);
        found = MG_STEP(p);
        if (found) return p + __builtin_ctz(found);
        p += 16;
    }
    if (mg_likely(end - doc >= 16)) {
        if (p == end) return end;
        v = _mm_loadu_si128((const __m128i *)(end - 16));
        found = MG_STEP(end - 16) >> (16 - (end - p));
        return found ? p + __builtin_ctz(found) : end;
    }
#undef MG_STEP
#else
    (void)doc;
#endif
    while (p < end && *p != '"' && *p != '\\' && *p >= 0x20) p++;
    return p;
}

/* Behind white space, when there is more than one byte of it. */
MG_TARGET static __attribute__((noinline)) const uint8_t *MG_NAME(mg_spaces)(const uint8_t *p, const uint8_t *end) {
#if MG_VECTOR == 32
    while (end - p >= 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)p);
        uint32_t other = ~(uint32_t)_mm256_movemask_epi8(
            _mm256_or_si256(_mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8(' ')),
                                            _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\n'))),
                            _mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('\r')),
                                            _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\t')))));
        if (other) return p + __builtin_ctz(other);
        p += 32;
    }
#elif MG_VECTOR == 16
    while (end - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)p);
        uint32_t other = 0xFFFF & ~(uint32_t)_mm_movemask_epi8(
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(' ')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\n'))),
                         _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\r')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\t')))));
        if (other) return p + __builtin_ctz(other);
        p += 16;
    }
#endif
    while (p < end && mg_is_space(*p)) p++;
    return p;
}

/* Behind white space: none and one space are by far the commonest. */
MG_TARGET static inline __attribute__((always_inline)) const uint8_t *MG_NAME(mg_space)(const uint8_t *p,
                                                                                        const uint8_t *end) {
    if (mg_likely(p < end && *p > ' ')) return p;
    if (p < end && *p == ' ' && p + 1 < end && p[1] > ' ') return p + 1;
    return MG_NAME(mg_spaces)(p, end);
}

#if MG_VECTOR == 32
/* Two adjacent bytes of UTF-8 are classed by three nibbles; each class of error is one bit that only survives the AND of
 * three table look-ups when all three nibbles allow it (J. Keiser, D. Lemire, "Validating UTF-8 in less than one
 * instruction per byte", 2020). */
#define MG_SHORT 1    /* a lead byte that is not followed by a continuation */
#define MG_LONG 2     /* a continuation behind ASCII */
#define MG_OVER3 4    /* E0 80-9F */
#define MG_LARGE 8    /* above F4 8F, second byte 90-BF */
#define MG_SURROGATE 16
#define MG_OVER2 32   /* C0, C1 */
#define MG_LARGE_OR_OVER4 64 /* F5-FF or F0, second byte 80-8F */
#define MG_TWO 128    /* a continuation behind a continuation: right only as a third or fourth byte */
#define MG_CARRY (MG_SHORT | MG_LONG | (char)MG_TWO)

MG_TARGET static inline __m256i MG_NAME(mg_utf8_errors)(__m256i v, __m256i before) {
    const __m256i nibble = _mm256_set1_epi8(15);
    const __m256i first_high = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        MG_LONG, MG_LONG, MG_LONG, MG_LONG, MG_LONG, MG_LONG, MG_LONG, MG_LONG, (char)MG_TWO, (char)MG_TWO, (char)MG_TWO,
        (char)MG_TWO, MG_SHORT | MG_OVER2, MG_SHORT, MG_SHORT | MG_OVER3 | MG_SURROGATE,
        MG_SHORT | MG_LARGE | MG_LARGE_OR_OVER4));
    const __m256i first_low = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        MG_CARRY | MG_OVER3 | MG_OVER2 | MG_LARGE_OR_OVER4, MG_CARRY | MG_OVER2, MG_CARRY, MG_CARRY, MG_CARRY | MG_LARGE,
        MG_CARRY | MG_LARGE | MG_LARGE_OR_OVER4, MG_CARRY | MG_LARGE | MG_LARGE_OR_OVER4,
        MG_CARRY | MG_LARGE | MG_LARGE_OR_OVER4, MG_CARRY | MG_LARGE | MG_LARGE_OR_OVER4,
        MG_CARRY | MG_LARGE | MG_LARGE_OR_OVER4, MG_CARRY | MG_LARGE | MG_LARGE_OR_OVER4,
        MG_CARRY | MG_LARGE | MG_LARGE_OR_OVER4, MG_CARRY | MG_LARGE | MG_LARGE_OR_OVER4,
        MG_CARRY | MG_LARGE | MG_LARGE_OR_OVER4 | MG_SURROGATE, MG_CARRY | MG_LARGE | MG_LARGE_OR_OVER4,
        MG_CARRY | MG_LARGE | MG_LARGE_OR_OVER4));
    const __m256i second_high = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        MG_SHORT, MG_SHORT, MG_SHORT, MG_SHORT, MG_SHORT, MG_SHORT, MG_SHORT, MG_SHORT,
        MG_LONG | MG_OVER2 | (char)MG_TWO | MG_OVER3 | MG_LARGE_OR_OVER4,
        MG_LONG | MG_OVER2 | (char)MG_TWO | MG_OVER3 | MG_LARGE,
        MG_LONG | MG_OVER2 | (char)MG_TWO | MG_SURROGATE | MG_LARGE,
        MG_LONG | MG_OVER2 | (char)MG_TWO | MG_SURROGATE | MG_LARGE, MG_SHORT, MG_SHORT, MG_SHORT, MG_SHORT));
    __m256i across = _mm256_permute2x128_si256(before, v, 0x21);
    __m256i one = _mm256_alignr_epi8(v, across, 15), two = _mm256_alignr_epi8(v, across, 14);
    __m256i three = _mm256_alignr_epi8(v, across, 13);
    __m256i pairs = _mm256_and_si256(
        _mm256_and_si256(_mm256_shuffle_epi8(first_high, _mm256_and_si256(_mm256_srli_epi16(one, 4), nibble)),
                         _mm256_shuffle_epi8(first_low, _mm256_and_si256(one, nibble))),
        _mm256_shuffle_epi8(second_high, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble)));
    __m256i later = _mm256_or_si256(_mm256_subs_epu8(two, _mm256_set1_epi8((char)(0xE0 - 0x80))),
                                    _mm256_subs_epu8(three, _mm256_set1_epi8((char)(0xF0 - 0x80))));
    return _mm256_xor_si256(_mm256_and_si256(later, _mm256_set1_epi8((char)0x80)), pairs);
}

/* From a place where a sequence starts: as far as whole steps are valid, then back to where a sequence starts. */
MG_TARGET static const uint8_t *MG_NAME(mg_utf8_steps)(const uint8_t *p, const uint8_t *end) {
    __m256i before = _mm256_setzero_si256();
    const uint8_t *start = p;
    while (end - p >= 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)p), errors = MG_NAME(mg_utf8_errors)(v, before);
        if (!_mm256_testz_si256(errors, errors)) break;
        p += 32;
        before = v;
        if (!_mm256_movemask_epi8(v)) return p;
    }
    for (int back = 1; back <= 3 && p - back >= start; back++)
        if (p[-back] >= 0xC0) return p - back;
    return p;
}
#endif

/* Offset of the first byte that is not part of valid UTF-8, -1 when there is none. */
MG_TARGET static ptrdiff_t MG_NAME(mg_utf8)(const uint8_t *doc, size_t n) {
    const uint8_t *p = doc, *end = doc + n;
    for (;;) {
        int length;
#if MG_VECTOR == 32
        while (end - p >= 128) {
            const __m256i *v = (const __m256i *)p;
            __m256i all = _mm256_or_si256(_mm256_or_si256(_mm256_loadu_si256(v), _mm256_loadu_si256(v + 1)),
                                          _mm256_or_si256(_mm256_loadu_si256(v + 2), _mm256_loadu_si256(v + 3)));
            if (_mm256_movemask_epi8(all)) break;
            p += 128;
        }
        while (end - p >= 32 && !_mm256_movemask_epi8(_mm256_loadu_si256((const __m256i *)p))) p += 32;
        if (end - p >= 64) {
            const uint8_t *q = MG_NAME(mg_utf8_steps)(p, end);
            if (q > p && end - q >= 64 && *q < 0x80) {
                p = q;
                continue;
            }
            p = q;
        }
#elif MG_VECTOR == 16
        while (end - p >= 16) {
            uint32_t high = (uint32_t)_mm_movemask_epi8(_mm_loadu_si128((const __m128i *)p));
            if (high) {
                p += __builtin_ctz(high);
                break;
            }
            p += 16;
        }
#endif
        while (end - p >= 8) {
            uint64_t word;
            memcpy(&word, p, 8);
            if (word & 0x8080808080808080u) break;
            p += 8;
        }
        while (p < end && *p < 0x80) p++;
        if (p == end) return -1;
        do {
            length = mg_sequence(p, end);
            if (!length) return p - doc;
            p += length;
        } while (p < end && *p >= 0x80);
    }
}

/* From behind the opening quote to the closing quote. NULL: *fault and *code say what is wrong. */
MG_TARGET static inline __attribute__((always_inline)) const uint8_t *MG_NAME(mg_string)(
    const uint8_t *doc, const uint8_t *p, const uint8_t *end, int *escaped, int *code, const uint8_t **fault) {
    for (;;) {
        p = MG_NAME(mg_special)(doc, p, end);
        if (mg_unlikely(p >= end)) break;
        if (mg_likely(*p == '"')) return p;
        if (mg_unlikely(*p != '\\')) {
            *code = MG_CONTROL;
            *fault = p;
            return NULL;
        }
        *escaped = 1;
        if (mg_unlikely(end - p < 2)) break;
        switch (p[1]) {
        case '"':
        case '\\':
        case '/':
        case 'b':
        case 'f':
        case 'n':
        case 'r':
        case 't': p += 2; break;
        case 'u':
            for (int k = 2; k < 6; k++) {
                if (p + k >= end) goto ends;
                if (mg_hex(p[k]) < 0) goto escape;
            }
            p += 6;
            break;
        default: goto escape;
        }
        continue;
    escape:
        *code = MG_ESCAPE;
        *fault = p;
        return NULL;
    }
ends:
    *code = MG_END;
    *fault = end;
    return NULL;
}

#define MG_FAIL(c, q)                                                                                                  \
    do {                                                                                                               \
        code = (c);                                                                                                    \
        fault = (q);                                                                                                   \
        goto failed;                                                                                                   \
    } while (0)

MG_TARGET static inline __attribute__((always_inline)) int MG_NAME(mg_walk)(const uint8_t *doc, const uint8_t *end,
                                                                           mg_fields *f, const int fields,
                                                                           mg_spans *u, const int spans,
                                                                           const int max_depth, ptrdiff_t *where) {
    uint64_t objects[MG_MAX_DEPTH / 64]; /* one bit a level: set for an object */
    const uint8_t *p = doc, *start, *fault;
    int depth = 0, code = 0, pending = MG_OTHER, top = MG_OTHER, escaped, is_object = 0;
    int wanted = 0, held_depth = -1, inside = 0; /* of `spans` */
    unsigned seen = 0;
    uint8_t c;

    if (end - p >= 3 && p[0] == 0xEF && p[1] == 0xBB && p[2] == 0xBF) MG_FAIL(MG_BOM, p);
    p = MG_NAME(mg_space)(p, end);
    if (fields && p < end && *p != '{') MG_FAIL(MG_TOP, p);

value:
    if (mg_unlikely(p >= end)) MG_FAIL(MG_END, end);
    c = *p;
    if (fields && mg_unlikely(pending)) {
        code = mg_value_starts(f, pending, c, p - doc);
        if (code) MG_FAIL(code, p);
    }
    start = p;
    if (spans && mg_unlikely(wanted)) u->span[u->count < MG_SPANS ? u->count : MG_SPANS - 1].start = p - doc;
    if (mg_likely(c == '"')) {
        escaped = 0;
        p = MG_NAME(mg_string)(doc, p + 1, end, &escaped, &code, &fault);
        if (mg_unlikely(!p)) goto failed;
        p++;
    } else
        switch (c) {
    case '{':
    case '[':
        if (mg_unlikely(depth >= max_depth)) MG_FAIL(MG_DEEP, p);
        is_object = c == '{';
        objects[depth >> 6] = (objects[depth >> 6] & ~((uint64_t)1 << (depth & 63))) | (uint64_t)is_object << (depth & 63);
        depth++;
        pending = MG_OTHER;
        if (spans && mg_unlikely(wanted)) {
            held_depth = depth;
            wanted = 0;
        }
        p = MG_NAME(mg_space)(p + 1, end);
        if (p < end && *p == c + 2) { /* '{' + 2 == '}', '[' + 2 == ']' */
            if (fields && depth == 1) f->empty = 1;
            goto close;
        }
        if (is_object) goto key;
        goto value;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        if (c == '-') p++;
        if (mg_unlikely(p >= end || !mg_is_digit(*p))) MG_FAIL(MG_CHARACTER, start);
        if (*p++ != '0')
            while (p < end && mg_is_digit(*p)) p++;
        if (p < end && *p == '.' && end - p >= 2 && mg_is_digit(p[1])) {
            p += 2;
            while (p < end && mg_is_digit(*p)) p++;
        }
        if (p < end && (*p | 0x20) == 'e') {
            const uint8_t *q = p + 1;
            if (q < end && (*q == '+' || *q == '-')) q++;
            if (q < end && mg_is_digit(*q)) {
                while (q < end && mg_is_digit(*q)) q++;
                /* Readers make infinity of it, or refuse it. A body ends with NUL behind `end`, which stops strtod. */
                if (mg_unlikely(fields && q - p > 3 && isinf(strtod((const char *)start, NULL)))) MG_FAIL(MG_NUMBER, start);
                p = q;
            }
        }
        if (mg_unlikely(fields && p - start > 200 && isinf(strtod((const char *)start, NULL)))) MG_FAIL(MG_NUMBER, start);
        break;
    case 't':
        if (mg_unlikely(end - p < 4 || memcmp(p, "true", 4) != 0)) MG_FAIL(MG_CHARACTER, p);
        p += 4;
        break;
    case 'f':
        if (mg_unlikely(end - p < 5 || memcmp(p, "false", 5) != 0)) MG_FAIL(MG_CHARACTER, p);
        p += 5;
        break;
    case 'n':
        if (mg_unlikely(end - p < 4 || memcmp(p, "null", 4) != 0)) MG_FAIL(MG_CHARACTER, p);
        p += 4;
        break;
    default: MG_FAIL(MG_CHARACTER, p);
    }
    if (fields && mg_unlikely(pending)) {
        code = mg_scalar_ends(f, pending, doc, start, p);
        if (code) MG_FAIL(code, start);
        pending = MG_OTHER;
    }
    if (spans && mg_unlikely(wanted)) {
        wanted = 0;
        mg_end_span(u, p - doc);
    }

behind:
    if (mg_unlikely(p >= end || *p <= ' ')) p = MG_NAME(mg_spaces)(p, end);
    if (mg_unlikely(!depth)) {
        if (p < end) MG_FAIL(MG_CHARACTER, p);
        return 0;
    }
    if (mg_unlikely(p >= end)) MG_FAIL(MG_END, end);
    if (mg_likely(*p == ',')) {
        p = MG_NAME(mg_space)(p + 1, end);
        if (is_object) goto key;
        goto value;
    }
    if (mg_unlikely(*p != (is_object ? '}' : ']'))) MG_FAIL(MG_CHARACTER, p);

close:
    p++;
    if (spans && mg_unlikely(depth == held_depth)) {
        held_depth = -1;
        mg_end_span(u, p - doc);
    }
    depth--;
    if (fields && depth <= 1) {
        if (!depth)
            f->close = p - 1 - doc;
        else if (top == MG_OPTIONS)
            f->options_end = p - doc;
        else if (top == MG_FALLBACKS)
            f->fallbacks_end = p - doc;
    }
    if (depth) is_object = (int)(objects[(depth - 1) >> 6] >> ((depth - 1) & 63)) & 1;
    goto behind;

key:
    if (mg_unlikely(p >= end)) MG_FAIL(MG_END, end);
    if (mg_unlikely(*p != '"')) MG_FAIL(MG_CHARACTER, p);
    start = p;
    escaped = 0;
    p = MG_NAME(mg_string)(doc, p + 1, end, &escaped, &code, &fault);
    if (mg_unlikely(!p)) goto failed;
    if (fields && (depth <= 2 || escaped || mg_may_be_id(start + 1, (size_t)(p - start - 1)))) {
        code = 0;
        pending = mg_member(start + 1, (size_t)(p - start - 1), escaped, depth, top, &seen, &code);
        if (mg_unlikely(code)) MG_FAIL(code, start);
        if (depth == 1) top = pending;
    }
    if (spans && depth <= 2) {
        wanted = (depth == 1 || inside) && MG_IS(start + 1, p - start - 1, "usage");
        if (depth == 1) inside = MG_IS(start + 1, p - start - 1, "x_groq") || MG_IS(start + 1, p - start - 1, "response");
    }
    if (mg_unlikely(++p >= end || *p != ':')) {
        p = MG_NAME(mg_space)(p, end);
        if (mg_unlikely(p >= end)) MG_FAIL(MG_END, end);
        if (mg_unlikely(*p != ':')) MG_FAIL(MG_CHARACTER, p);
    }
    p = MG_NAME(mg_space)(p + 1, end);
    goto value;

failed:
    *where = fault - doc;
    return code;
}
#undef MG_FAIL

/* UTF-8 is judged first and apart: at 30 bytes a nanosecond that costs little, and strings can then be skipped without
 * a look at their high bits. What stands before the first bad byte is walked as if the document ended there, so the
 * earliest error of either kind is the one reported. */
#define MG_DOCUMENT(walk)                                                                                              \
    ptrdiff_t bad = MG_NAME(mg_utf8)(doc, n);                                                                          \
    const uint8_t *end = doc + (bad < 0 ? (ptrdiff_t)n : bad);                                                         \
    int code = walk;                                                                                                   \
    if (mg_unlikely(bad >= 0) && (code == 0 || code == MG_END)) {                                                      \
        code = MG_UTF8;                                                                                                \
        *where = bad;                                                                                                  \
    }                                                                                                                  \
    return code

MG_TARGET static int MG_NAME(mg_scan)(const uint8_t *doc, size_t n, mg_fields *f, int max_depth, ptrdiff_t *where) {
    MG_DOCUMENT(MG_NAME(mg_walk)(doc, end, f, 1, NULL, 0, max_depth, where));
}

MG_TARGET static int MG_NAME(mg_judge)(const uint8_t *doc, size_t n, int max_depth, ptrdiff_t *where) {
    MG_DOCUMENT(MG_NAME(mg_walk)(doc, end, NULL, 0, NULL, 0, max_depth, where));
}

MG_TARGET static int MG_NAME(mg_measure)(const uint8_t *doc, size_t n, mg_spans *u, int max_depth, ptrdiff_t *where) {
    MG_DOCUMENT(MG_NAME(mg_walk)(doc, end, NULL, 0, u, 1, max_depth, where));
}
#undef MG_DOCUMENT
