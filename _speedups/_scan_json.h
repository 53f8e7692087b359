/* Strict JSON (RFC 8259) over bytes: no recursion, no allocation, nothing decoded. Used by _scan.pyx only.
 *
 * Error numbers and member numbers are those of _json_py.py. */
#ifndef MICROGATE_SCAN_JSON_H
#define MICROGATE_SCAN_JSON_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define MG_X86 1
#include <immintrin.h>
#else
#define MG_X86 0
#endif

#define mg_likely(x) __builtin_expect(!!(x), 1)
#define mg_unlikely(x) __builtin_expect(!!(x), 0)

enum {
    MG_END = 1,
    MG_CHARACTER,
    MG_CONTROL,
    MG_ESCAPE,
    MG_UTF8,
    MG_DEEP,
    MG_TOP,
    MG_BOM,
    MG_MODEL_TWICE,
    MG_STREAM_TWICE,
    MG_OPTIONS_TWICE,
    MG_FALLBACKS_TWICE,
    MG_MODEL_CASE,
    MG_MODEL_TYPE,
    MG_STREAM_TYPE,
    MG_MODEL_SURROGATE,
    MG_NUMBER
};

enum {
    MG_OTHER,
    MG_MODEL,
    MG_STREAM,
    MG_OPTIONS,
    MG_FALLBACKS,
    MG_TOKENS,
    MG_CHOICES,
    MG_INCLUDE,
    MG_ID,
    MG_STRING_ID,
    MG_CONVERSATION
};

#define MG_MAX_DEPTH 1024
#define MG_MAX_COUNT ((int64_t)1 << 53)

typedef struct {
    ptrdiff_t model_start, model_end, options_start, options_end, fallbacks_start, fallbacks_end, close;
    int64_t max_tokens, choices;
    int stream, include_usage, stateful, empty, model_escaped;
} mg_fields;

/* Where the values named `usage` stand that UsageScan reads. */
#define MG_SPANS 4
typedef struct {
    ptrdiff_t start, end;
} mg_span;

typedef struct {
    int count; /* may exceed MG_SPANS: then there were more than fit */
    mg_span span[MG_SPANS];
} mg_spans;

static inline void mg_end_span(mg_spans *u, ptrdiff_t end) {
    if (u->count < MG_SPANS) u->span[u->count].end = end;
    u->count++;
}

static inline int mg_is_space(uint8_t c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
static inline int mg_is_digit(uint8_t c) { return (uint8_t)(c - '0') < 10; }

static inline int mg_hex(uint8_t c) {
    if (mg_is_digit(c)) return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline unsigned mg_hex4(const uint8_t *p) {
    return (unsigned)(mg_hex(p[0]) << 12 | mg_hex(p[1]) << 8 | mg_hex(p[2]) << 4 | mg_hex(p[3]));
}

/* Undoes the escapes of a valid string's inside. Bytes that are not ASCII become 0xFF: no name we look for has one.
 * The length, or room + 1 when it does not fit (such a name equals nothing either). */
static size_t mg_unescape(const uint8_t *p, size_t n, uint8_t *out, size_t room) {
    const uint8_t *end = p + n;
    size_t length = 0;
    while (p < end) {
        uint8_t c = *p++;
        if (c == '\\') {
            c = *p++;
            switch (c) {
            case 'b': c = 8; break;
            case 'f': c = 12; break;
            case 'n': c = 10; break;
            case 'r': c = 13; break;
            case 't': c = 9; break;
            case 'u': {
                unsigned unit = mg_hex4(p);
                c = unit < 0x80 ? (uint8_t)unit : 0xFF;
                p += 4;
                break;
            }
            default: break;
            }
        } else if (c >= 0x80) {
            c = 0xFF;
        }
        if (length == room) return room + 1;
        out[length++] = c;
    }
    return length;
}

/* Whether a valid string's inside holds an escaped surrogate without its other half. */
static int mg_lone_surrogate(const uint8_t *p, size_t n) {
    const uint8_t *end = p + n;
    while (p < end) {
        if (*p != '\\') {
            p++;
            continue;
        }
        if (p[1] != 'u') {
            p += 2;
            continue;
        }
        unsigned unit = mg_hex4(p + 2);
        p += 6;
        if (unit < 0xD800 || unit > 0xDFFF) continue;
        if (unit >= 0xDC00 || end - p < 6 || p[0] != '\\' || p[1] != 'u') return 1;
        unit = mg_hex4(p + 2);
        if (unit < 0xDC00 || unit > 0xDFFF) return 1;
        p += 6;
    }
    return 0;
}

#define MG_IS(p, n, literal) ((n) == sizeof(literal) - 1 && memcmp((p), literal, sizeof(literal) - 1) == 0)

/* Two bit sets, of the lengths and of the first letters, turn away nearly every key without a jump. */
static inline int mg_may_be_id(const uint8_t *p, size_t n) {
    const uint32_t lengths = 1u << 7 | 1u << 8 | 1u << 9 | 1u << 12 | 1u << 13 | 1u << 16 | 1u << 20;
    const uint32_t letters = 1u << ('b' & 31) | 1u << ('c' & 31) | 1u << ('f' & 31) | 1u << ('i' & 31) | 1u << ('p' & 31) |
                             1u << ('v' & 31);
    return n <= 20 && (lengths >> n & letters >> (*p & 31) & 1);
}

static inline int mg_id_name(const uint8_t *p, size_t n) {
    if (mg_likely(!mg_may_be_id(p, n))) return MG_OTHER;
    switch (n) {
    case 7: return MG_IS(p, n, "file_id") ? MG_ID : MG_OTHER;
    case 8: return MG_IS(p, n, "file_ids") || MG_IS(p, n, "batch_id") ? MG_ID : MG_OTHER;
    case 9: return MG_IS(p, n, "container") ? MG_STRING_ID : MG_OTHER;
    case 12: return MG_IS(p, n, "conversation") ? MG_ID : MG_OTHER;
    case 13: return MG_IS(p, n, "input_file_id") ? MG_ID : MG_OTHER;
    case 16: return MG_IS(p, n, "vector_store_ids") ? MG_ID : MG_OTHER;
    case 20: return MG_IS(p, n, "previous_response_id") ? MG_ID : MG_OTHER;
    default: return MG_OTHER;
    }
}

static inline int mg_top_name(const uint8_t *p, size_t n) {
    switch (n) {
    case 1: return *p == 'n' ? MG_CHOICES : MG_OTHER;
    case 5: return MG_IS(p, n, "model") ? MG_MODEL : MG_OTHER;
    case 6: return MG_IS(p, n, "stream") ? MG_STREAM : MG_OTHER;
    case 9: return MG_IS(p, n, "fallbacks") ? MG_FALLBACKS : mg_id_name(p, n);
    case 10: return MG_IS(p, n, "max_tokens") ? MG_TOKENS : MG_OTHER;
    case 12: return MG_IS(p, n, "conversation") ? MG_CONVERSATION : MG_OTHER;
    case 14: return MG_IS(p, n, "stream_options") ? MG_OPTIONS : MG_OTHER;
    case 17: return MG_IS(p, n, "max_output_tokens") ? MG_TOKENS : MG_OTHER;
    case 21: return MG_IS(p, n, "max_completion_tokens") ? MG_TOKENS : MG_OTHER;
    default: return mg_id_name(p, n);
    }
}

static inline int mg_is_model_by_case(const uint8_t *p, size_t n) {
    return n == 5 && (p[0] | 32) == 'm' && (p[1] | 32) == 'o' && (p[2] | 32) == 'd' && (p[3] | 32) == 'e' &&
           (p[4] | 32) == 'l';
}

/* A plain integer >= 0, clamped; -1 for any other token. */
static inline int64_t mg_count(const uint8_t *p, const uint8_t *end) {
    int64_t value = 0;
    if (p == end || end - p > 16) {
        for (; p < end; p++)
            if (!mg_is_digit(*p)) return -1;
        return value ? value : MG_MAX_COUNT;
    }
    for (; p < end; p++) {
        if (!mg_is_digit(*p)) return -1;
        value = value * 10 + (*p - '0');
    }
    return value > MG_MAX_COUNT ? MG_MAX_COUNT : value;
}

/* What a key means to the scan. `name` is the inside of the key's quotes; a duplicate sets *error. */
static inline int mg_member(const uint8_t *name, size_t n, int escaped, int depth, int top, unsigned *seen, int *error) {
    uint8_t plain[32];
    int member;
    if (mg_unlikely(escaped)) {
        n = mg_unescape(name, n, plain, sizeof plain);
        if (n > sizeof plain) return MG_OTHER;
        name = plain;
    }
    if (depth == 1) {
        member = mg_top_name(name, n);
        if (member >= MG_MODEL && member <= MG_FALLBACKS) {
            if (*seen & 1u << member) *error = MG_MODEL_TWICE - MG_MODEL + member;
            *seen |= 1u << member;
        } else if (mg_unlikely(mg_is_model_by_case(name, n))) {
            *error = MG_MODEL_CASE;
        }
        return member;
    }
    if (depth == 2 && top == MG_OPTIONS && MG_IS(name, n, "include_usage")) return MG_INCLUDE;
    return mg_id_name(name, n);
}

/* Judges a value of interest by its first character. An error code or 0. */
static inline int mg_value_starts(mg_fields *f, int member, uint8_t c, ptrdiff_t at) {
    int number = c == '-' || mg_is_digit(c);
    switch (member) {
    case MG_MODEL:
        if (number || c == '{' || c == '[' || c == 't' || c == 'f' || c == 'n') return MG_MODEL_TYPE;
        f->model_start = at;
        break;
    case MG_STREAM:
        if (number || c == '{' || c == '[' || c == '"') return MG_STREAM_TYPE;
        break;
    case MG_OPTIONS: f->options_start = at; break;
    case MG_FALLBACKS: f->fallbacks_start = at; break;
    case MG_INCLUDE: f->include_usage = -1; break;
    case MG_CONVERSATION: f->stateful |= c != 'n'; break;
    case MG_ID: f->stateful |= c != 'n' && c != '{'; break;
    case MG_STRING_ID: f->stateful |= c == '"'; break;
    default: break;
    }
    return 0;
}

static inline int mg_truth(uint8_t c) { return c == 't' ? 1 : c == 'f' ? 0 : -1; }

/* A scalar value of interest has been read. An error code or 0. */
static inline int mg_scalar_ends(mg_fields *f, int member, const uint8_t *doc, const uint8_t *start, const uint8_t *end) {
    int64_t count;
    switch (member) {
    case MG_MODEL:
        f->model_end = end - doc;
        f->model_escaped = memchr(start, '\\', (size_t)(end - start)) != NULL;
        if (f->model_escaped && mg_lone_surrogate(start + 1, (size_t)(end - start - 2))) return MG_MODEL_SURROGATE;
        break;
    case MG_STREAM: f->stream = mg_truth(*start); break;
    case MG_INCLUDE: f->include_usage = mg_truth(*start); break;
    case MG_OPTIONS: f->options_end = end - doc; break;
    case MG_FALLBACKS: f->fallbacks_end = end - doc; break;
    case MG_TOKENS:
        count = mg_count(start, end);
        if (count > f->max_tokens) f->max_tokens = count;
        break;
    case MG_CHOICES:
        count = mg_count(start, end);
        if (count > f->choices) f->choices = count;
        break;
    default: break;
    }
    return 0;
}

/* Length of the valid UTF-8 sequence (RFC 3629) at p, whose first byte is not ASCII; 0 when there is none. */
static inline int mg_sequence(const uint8_t *p, const uint8_t *end) {
    uint8_t c = p[0];
    ptrdiff_t left = end - p;
    if (c >= 0xE0) {
        if (c < 0xF0) {
            if (left < 3 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80) return 0;
            if ((c == 0xE0 && p[1] < 0xA0) || (c == 0xED && p[1] > 0x9F)) return 0;
            return 3;
        }
        if (c > 0xF4 || left < 4) return 0;
        if ((p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80 || (p[3] & 0xC0) != 0x80) return 0;
        if ((c == 0xF0 && p[1] < 0x90) || (c == 0xF4 && p[1] > 0x8F)) return 0;
        return 4;
    }
    return c >= 0xC2 && left >= 2 && (p[1] & 0xC0) == 0x80 ? 2 : 0;
}

#define MG_NAME(x) x##_base
#define MG_TARGET
#define MG_VECTOR (MG_X86 ? 16 : 0)
#include "_scan_walk.h"
#undef MG_NAME
#undef MG_TARGET
#undef MG_VECTOR

#if MG_X86
#define MG_NAME(x) x##_avx2
#define MG_TARGET __attribute__((target("avx2,bmi,lzcnt")))
#define MG_VECTOR 32
#include "_scan_walk.h"
#undef MG_NAME
#undef MG_TARGET
#undef MG_VECTOR
#endif

static int mg_use_avx2 = 0;

/* Chooses by what this processor can do; `wide` 0 keeps to the base instructions (tests). */
static inline void mg_choose(int wide) {
#if MG_X86
    __builtin_cpu_init();
    mg_use_avx2 = wide && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");
#else
    (void)wide;
#endif
}

/* Error code (0: one valid document) and *where. With `f` the top level must be an object and the fields are filled. */
static inline int mg_json(const uint8_t *doc, size_t n, mg_fields *f, int max_depth, ptrdiff_t *where) {
#if MG_X86
    if (mg_likely(mg_use_avx2)) return f ? mg_scan_avx2(doc, n, f, max_depth, where) : mg_judge_avx2(doc, n, max_depth, where);
#endif
    return f ? mg_scan_base(doc, n, f, max_depth, where) : mg_judge_base(doc, n, max_depth, where);
}

/* The same for any top level; *u says where usage stands. */
static inline int mg_json_usage(const uint8_t *doc, size_t n, mg_spans *u, int max_depth, ptrdiff_t *where) {
    u->count = 0;
#if MG_X86
    if (mg_likely(mg_use_avx2)) return mg_measure_avx2(doc, n, u, max_depth, where);
#endif
    return mg_measure_base(doc, n, u, max_depth, where);
}

/* ---- reading documents that mg_json has found valid ---- */

/* Behind the next quote or backslash, NULL when there is none. */
static inline const uint8_t *mg_quote(const uint8_t *p, const uint8_t *end) {
#if MG_X86
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)p);
        int found = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)));
        if (found) return p + __builtin_ctz((unsigned)found) + 1;
    }
#endif
    while (p < end && *p != '"' && *p != '\\') p++;
    return p < end ? p + 1 : NULL;
}

/* Behind the next quote, bracket or brace, NULL when there is none. */
static inline const uint8_t *mg_bracket(const uint8_t *p, const uint8_t *end) {
#if MG_X86
    /* '[' ']' '{' '}' differ in bits 1, 2 and 5 only: | 0x20 makes braces of brackets, and nothing else printable. */
    const __m128i quote = _mm_set1_epi8('"'), low = _mm_set1_epi8(0x20), open = _mm_set1_epi8('{'), close = _mm_set1_epi8('}');
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)p), w = _mm_or_si128(v, low);
        int found = _mm_movemask_epi8(
            _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_or_si128(_mm_cmpeq_epi8(w, open), _mm_cmpeq_epi8(w, close))));
        if (found) return p + __builtin_ctz((unsigned)found) + 1;
    }
#endif
    for (; p < end; p++)
        if (*p == '"' || (*p | 0x20) == '{' || (*p | 0x20) == '}') return p + 1;
    return NULL;
}

/* Behind the string whose opening quote is at p. */
static inline const uint8_t *mg_skip_string(const uint8_t *p, const uint8_t *end, int *escaped) {
    for (p = mg_quote(p + 1, end); p[-1] != '"'; p = mg_quote(p + 1, end)) *escaped = 1;
    return p;
}

static inline const uint8_t *mg_skip_space(const uint8_t *p, const uint8_t *end) {
    while (p < end && mg_is_space(*p)) p++;
    return p;
}

/* Behind the value that starts at p. */
static const uint8_t *mg_skip_value(const uint8_t *p, const uint8_t *end) {
    int depth = 1, escaped;
    if (*p == '"') return mg_skip_string(p, end, &escaped);
    if (*p != '{' && *p != '[') {
        while (p < end && *p != ',' && *p != '}' && *p != ']' && !mg_is_space(*p)) p++;
        return p;
    }
    for (p++; depth;) {
        p = mg_bracket(p, end);
        if (p[-1] == '"')
            p = mg_skip_string(p - 1, end, &escaped);
        else
            depth += p[-1] & 4 ? -1 : 1; /* the bit in which '}' and ']' differ from '{' and '[' */
    }
    return p;
}

/* `behind`, of the value: NULL until somebody has found it. Who reads an object or array inside sets it. */
typedef struct {
    const uint8_t *end, *name, *value, *behind;
    size_t n;
    uint8_t plain[32];
} mg_members;

/* Starts reading the members of the object at p. */
static inline void mg_open(mg_members *m, const uint8_t *p, const uint8_t *end) {
    m->behind = p + 1;
    m->end = end;
}

static inline const uint8_t *mg_value_end(mg_members *m) {
    if (!m->behind) m->behind = mg_skip_value(m->value, m->end);
    return m->behind;
}

/* Reads the next member: name (escapes undone), where its value starts. 0 at the object's end: `behind` is behind it. */
static inline int mg_next(mg_members *m) {
    const uint8_t *end = m->end, *p = mg_skip_space(mg_value_end(m), end), *behind;
    int escaped = 0;
    if (*p == ',') p = mg_skip_space(p + 1, end);
    if (*p == '}') {
        m->behind = p + 1;
        return 0;
    }
    behind = mg_skip_string(p, end, &escaped);
    m->name = p + 1;
    m->n = (size_t)(behind - p) - 2;
    if (mg_unlikely(escaped)) {
        m->n = mg_unescape(m->name, m->n, m->plain, sizeof m->plain);
        m->name = m->plain;
    }
    p = mg_skip_space(behind, end);
    m->value = mg_skip_space(p + 1, end);
    m->behind = NULL;
    return 1;
}

#endif
