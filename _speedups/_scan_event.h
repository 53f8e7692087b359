/* What one event of a stream says, and what a usage object counts. Used by _scan.pyx only. */
#ifndef MICROGATE_SCAN_EVENT_H
#define MICROGATE_SCAN_EVENT_H

#include "_scan_json.h"

#define MG_USAGE_DEPTH 16
#define MG_EVENT_DEPTH 256

enum { MG_PROMPT, MG_COMPLETION, MG_TOTAL, MG_CACHED, MG_CACHE_WRITE, MG_REASONING, MG_AUDIO_IN, MG_AUDIO_OUT,
       MG_IMAGE_IN, MG_IMAGE_OUT, MG_CACHE_WRITE_1H, MG_CACHED_AUDIO, MG_SEARCHES, MG_COUNTS };

typedef struct {
    int64_t count[MG_COUNTS]; /* -1: the provider did not say */
    int suspicious, found;
} mg_counts;

typedef struct {
    const char *name;
    uint8_t length, count;
} mg_count_name;

#define MG_NAMED(name, count) {name, sizeof(name) - 1, count}
static const mg_count_name mg_usage_names[] = {
    MG_NAMED("prompt_tokens", MG_PROMPT),
    MG_NAMED("input_tokens", MG_PROMPT),
    MG_NAMED("completion_tokens", MG_COMPLETION),
    MG_NAMED("output_tokens", MG_COMPLETION),
    MG_NAMED("total_tokens", MG_TOTAL),
    MG_NAMED("cached_tokens", MG_CACHED),
    MG_NAMED("num_cached_tokens", MG_CACHED),
    MG_NAMED("prompt_cache_hit_tokens", MG_CACHED),
    MG_NAMED("cache_read_input_tokens", MG_CACHED),
    MG_NAMED("cache_creation_input_tokens", MG_CACHE_WRITE),
    MG_NAMED("cache_write_tokens", MG_CACHE_WRITE),
    MG_NAMED("reasoning_tokens", MG_REASONING),
    MG_NAMED("num_search_queries", MG_SEARCHES),
    {NULL, 0, 0},
};
static const mg_count_name mg_input_names[] = {
    MG_NAMED("cached_tokens", MG_CACHED),
    MG_NAMED("cache_write_tokens", MG_CACHE_WRITE),
    MG_NAMED("audio_tokens", MG_AUDIO_IN),
    MG_NAMED("image_tokens", MG_IMAGE_IN),
    MG_NAMED("cache_write_1h_tokens", MG_CACHE_WRITE_1H),
    MG_NAMED("cached_audio_tokens", MG_CACHED_AUDIO),
    {NULL, 0, 0},
};
static const mg_count_name mg_output_names[] = {
    MG_NAMED("reasoning_tokens", MG_REASONING),
    MG_NAMED("audio_tokens", MG_AUDIO_OUT),
    MG_NAMED("image_tokens", MG_IMAGE_OUT),
    {NULL, 0, 0},
};

/* Names of the objects that split a count further. */
static inline const mg_count_name *mg_details(const uint8_t *name, size_t n) {
    if (MG_IS(name, n, "prompt_tokens_details") || MG_IS(name, n, "input_tokens_details") ||
        MG_IS(name, n, "prompt_token_details") || MG_IS(name, n, "input_token_details"))
        return mg_input_names;
    if (MG_IS(name, n, "completion_tokens_details") || MG_IS(name, n, "output_tokens_details") ||
        MG_IS(name, n, "completion_token_details") || MG_IS(name, n, "output_token_details"))
        return mg_output_names;
    return NULL;
}

static void mg_take(mg_counts *c, const mg_count_name *names, mg_members *m) {
    for (; names->name; names++) {
        const uint8_t *p = m->value, *end;
        int64_t value = 0;
        if (names->length != m->n || memcmp(names->name, m->name, m->n) != 0) continue;
        if (*p == 'n') return;
        end = mg_value_end(m);
        if (end - p > 16) {
            c->suspicious = 1;
            return;
        }
        for (; p < end; p++) {
            if (!mg_is_digit(*p)) {
                c->suspicious = 1;
                return;
            }
            value = value * 10 + (*p - '0');
        }
        if (value > MG_MAX_COUNT) {
            c->suspicious = 1;
            return;
        }
        c->count[names->count] = value;
        c->found |= names->count <= MG_TOTAL;
        return;
    }
}

/* Reads the text of one usage value. */
static void mg_read_usage(mg_counts *c, const uint8_t *p, size_t n) {
    const uint8_t *end = p + n;
    ptrdiff_t where;
    mg_members members, inner;
    const mg_count_name *names;
    while (p < end && mg_is_space(*p)) p++;
    while (end > p && mg_is_space(end[-1])) end--;
    n = (size_t)(end - p);
    if (MG_IS(p, n, "null")) return;
    if (!n || *p != '{' || mg_json(p, n, NULL, MG_USAGE_DEPTH, &where)) {
        c->suspicious = 1;
        return;
    }
    mg_open(&members, p, end);
    while (mg_next(&members)) {
        names = mg_details(members.name, members.n);
        if (!names) {
            mg_take(c, mg_usage_names, &members);
        } else if (*members.value == '{') {
            mg_open(&inner, members.value, end);
            while (mg_next(&inner)) mg_take(c, names, &inner);
            members.behind = inner.behind;
        }
    }
}

enum { MG_RAW, MG_CHAT, MG_RESPONSES, MG_TYPED };

typedef struct {
    int error, has_usage, no_choices, finished, content, typed;
    size_t type_length;
    uint8_t type[64];
} mg_event;

/* Whether the value at p is null or holds nothing. */
static inline int mg_is_empty(const uint8_t *p, const uint8_t *end) {
    if (*p == '"') return p[1] == '"';
    if (*p == '{' || *p == '[') {
        uint8_t close = (uint8_t)(*p + 2);
        return *mg_skip_space(p + 1, end) == close;
    }
    return *p == 'n';
}

/* Whether the value of m is the string "error". */
static inline int mg_is_error(mg_members *m) {
    uint8_t plain[8];
    size_t n;
    if (*m->value != '"') return 0;
    n = mg_unescape(m->value + 1, (size_t)(mg_value_end(m) - m->value) - 2, plain, sizeof plain);
    return MG_IS(plain, n, "error");
}

/* Reads the array of choices at p; behind it. */
static const uint8_t *mg_choices(mg_event *e, const uint8_t *p, const uint8_t *end) {
    mg_members choice, delta;
    for (p = mg_skip_space(p + 1, end); *p != ']';) {
        if (*p != '{') {
            p = mg_skip_value(p, end);
        } else {
            mg_open(&choice, p, end);
            while (mg_next(&choice)) {
                if (MG_IS(choice.name, choice.n, "delta")) {
                    if (*choice.value != '{') continue;
                    mg_open(&delta, choice.value, end);
                    while (mg_next(&delta))
                        if (!MG_IS(delta.name, delta.n, "role")) e->content |= !mg_is_empty(delta.value, end);
                    choice.behind = delta.behind;
                } else if (MG_IS(choice.name, choice.n, "finish_reason")) {
                    e->finished |= *choice.value != 'n';
                    e->error |= mg_is_error(&choice);
                } else if (MG_IS(choice.name, choice.n, "error")) {
                    e->error |= *choice.value != 'n';
                } else if (MG_IS(choice.name, choice.n, "text")) {
                    e->content |= !mg_is_empty(choice.value, end);
                }
            }
            p = choice.behind;
        }
        p = mg_skip_space(p, end);
        if (*p == ',') p = mg_skip_space(p + 1, end);
    }
    return p + 1;
}

/* Reads a valid document. */
static void mg_read_event(mg_event *e, int kind, const uint8_t *p, const uint8_t *end) {
    mg_members m;
    memset(e, 0, offsetof(mg_event, type));
    p = mg_skip_space(p, end);
    if (*p != '{') return;
    mg_open(&m, p, end);
    while (mg_next(&m)) {
        switch (m.n) {
        case 4:
            if (memcmp(m.name, "type", 4) == 0) {
                e->typed = *m.value == '"';
                if (e->typed)
                    e->type_length = mg_unescape(m.value + 1, (size_t)(mg_value_end(&m) - m.value) - 2, e->type, sizeof e->type);
                if (e->type_length > sizeof e->type) e->type_length = 0;
            }
            break;
        case 5:
            if (memcmp(m.name, "error", 5) == 0)
                e->error |= *m.value != 'n';
            else if (memcmp(m.name, "usage", 5) == 0)
                e->has_usage = *m.value == '{';
            break;
        case 7:
            if (memcmp(m.name, "choices", 7) == 0) {
                e->no_choices = *m.value == '[' && mg_is_empty(m.value, end);
                if (kind == MG_CHAT && *m.value == '[') m.behind = mg_choices(e, m.value, end);
            }
            break;
        default: break;
        }
    }
}

#define MG_ENDS(p, n, literal) \
    ((n) >= sizeof(literal) - 1 && memcmp((p) + (n) - (sizeof(literal) - 1), literal, sizeof(literal) - 1) == 0)

/* Whether an event of this type is a dialect's last. */
static inline int mg_is_last(int kind, const uint8_t *p, size_t n) {
    if (kind == MG_RESPONSES)
        return MG_IS(p, n, "response.completed") || MG_IS(p, n, "response.incomplete") || MG_IS(p, n, "response.failed") ||
               MG_IS(p, n, "response.cancelled");
    return kind == MG_TYPED && (MG_ENDS(p, n, ".done") || MG_ENDS(p, n, ".completed"));
}

static inline int mg_is_content(int kind, const uint8_t *p, size_t n) {
    return MG_ENDS(p, n, ".delta") || (kind == MG_TYPED && (MG_ENDS(p, n, ".partial_image") || MG_ENDS(p, n, ".completed")));
}

static inline int mg_is_failure(const uint8_t *p, size_t n) { return MG_IS(p, n, "error") || MG_IS(p, n, "response.failed"); }

/* Offset of the first CR or LF, n when there is none. */
static inline size_t mg_line_end(const uint8_t *p, size_t n) {
    size_t i = 0;
#if MG_X86
    const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n');
    for (; i + 16 <= n; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + i));
        int found = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, cr), _mm_cmpeq_epi8(v, lf)));
        if (found) return i + (size_t)__builtin_ctz((unsigned)found);
    }
#endif
    while (i < n && p[i] != '\r' && p[i] != '\n') i++;
    return i;
}

#endif
