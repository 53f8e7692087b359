/* The canonical form of a JSON object: no recursion, no allocation but for members. The contract is _canonical.pyi. */
#ifndef MICROGATE_CANONICAL_H
#define MICROGATE_CANONICAL_H

#include "_scan_json.h"

#define MG_MAX_MEMBERS 65536 /* of a document in all: a hundred times those of a large set of tools */
#define MG_MAX_NAME 63
#define MG_MAX_NAMES 64
#define MG_FEW 12 /* members: sorted by insertion */

enum { MG_CANONICAL = 0, MG_NOT_CANONICAL = 1, MG_NO_MEMORY = -1 };
enum { MG_DROP = 1, MG_BAR = 2 };

/* Top-level members with a meaning of their own, by name. */
typedef struct {
    uint64_t lengths; /* one bit each */
    int count;
    struct {
        uint8_t length, action, name[MG_MAX_NAME];
    } row[MG_MAX_NAMES];
} mg_names;

typedef struct {
    int temperature, store; /* -1 absent or null; 0 zero, false; 1 anything else */
    int has_tools, provider_tools, barred;
} mg_learned;

typedef struct {
    const uint8_t *start; /* its key's opening quote, in the output */
    size_t key, size;     /* of the key without quotes; of the whole member */
} mg_item;

/* Room for twice as many: the upper half is what a merge moves through. */
typedef struct {
    mg_item *item;
    size_t room;
} mg_items;

enum { MG_PLAIN, MG_TEMPERATURE, MG_SHARE, MG_STORE, MG_TOOL_LIST, MG_TOOL_CONFIG, MG_CONFIG, MG_TOOL_TYPE };

/* What a name means that was found in canonical form, at the top level or in a configuration below it. */
static inline int mg_meaning(const uint8_t *p, size_t n) {
    switch (n) {
    case 4: return MG_IS(p, n, "topP") ? MG_SHARE : MG_PLAIN;
    case 5: return MG_IS(p, n, "top_p") ? MG_SHARE : MG_IS(p, n, "tools") ? MG_TOOL_LIST : MG_IS(p, n, "store") ? MG_STORE : MG_PLAIN;
    case 9: return MG_IS(p, n, "functions") ? MG_TOOL_LIST : MG_PLAIN;
    case 10: return MG_IS(p, n, "toolConfig") ? MG_TOOL_CONFIG : MG_PLAIN;
    case 11: return MG_IS(p, n, "temperature") ? MG_TEMPERATURE : MG_PLAIN;
    case 15: return MG_IS(p, n, "presencePenalty") || MG_IS(p, n, "inferenceConfig") ? (*p == 'p' ? MG_SHARE : MG_CONFIG) : MG_PLAIN;
    case 16: return MG_IS(p, n, "frequencyPenalty") || MG_IS(p, n, "presence_penalty") ? MG_SHARE
                  : MG_IS(p, n, "generationConfig") ? MG_CONFIG : MG_PLAIN;
    case 17: return MG_IS(p, n, "frequency_penalty") ? MG_SHARE : MG_IS(p, n, "generation_config") ? MG_CONFIG : MG_PLAIN;
    default: return MG_PLAIN;
    }
}

static inline int mg_action(const mg_names *names, const uint8_t *p, size_t n) {
    if (n > MG_MAX_NAME || !(names->lengths >> n & 1)) return 0;
    for (int i = 0; i < names->count; i++)
        if (names->row[i].length == n && memcmp(names->row[i].name, p, n) == 0) return names->row[i].action;
    return 0;
}

/* ---- strings and numbers ---- */

static inline uint8_t *mg_put_character(uint8_t *o, unsigned c) {
    static const char hex[] = "0123456789abcdef";
    static const char letter[] = "\0\0\0\0\0\0\0\0btn\0fr";
    if (c < 0x20 || (c >= 0xD800 && c < 0xE000)) {
        *o++ = '\\';
        if (c < 14 && letter[c]) {
            *o++ = (uint8_t)letter[c];
            return o;
        }
        *o++ = 'u';
        for (int shift = 12; shift >= 0; shift -= 4) *o++ = (uint8_t)hex[c >> shift & 15];
    } else if (c < 0x80) {
        if (c == '"' || c == '\\') *o++ = '\\';
        *o++ = (uint8_t)c;
    } else if (c < 0x800) {
        *o++ = (uint8_t)(0xC0 | c >> 6);
        *o++ = (uint8_t)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *o++ = (uint8_t)(0xE0 | c >> 12);
        *o++ = (uint8_t)(0x80 | (c >> 6 & 63));
        *o++ = (uint8_t)(0x80 | (c & 63));
    } else {
        *o++ = (uint8_t)(0xF0 | c >> 18);
        *o++ = (uint8_t)(0x80 | (c >> 12 & 63));
        *o++ = (uint8_t)(0x80 | (c >> 6 & 63));
        *o++ = (uint8_t)(0x80 | (c & 63));
    }
    return o;
}

/* The code unit of the \uXXXX at p; -1 when there is none. */
static inline int mg_unit(const uint8_t *p, const uint8_t *end) {
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u') return -1;
    for (int k = 2; k < 6; k++)
        if (mg_hex(p[k]) < 0) return -1;
    return (int)mg_hex4(p + 2);
}

/* The escape at p. Behind it, NULL when it is none. */
static const uint8_t *mg_copy_escape(const uint8_t *p, const uint8_t *end, uint8_t **out) {
    if (end - p < 2) return NULL;
    switch (p[1]) {
    case '/': *(*out)++ = '/'; return p + 2;
    case '"':
    case '\\':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        *(*out)++ = '\\';
        *(*out)++ = p[1];
        return p + 2;
    case 'u': {
        int c = mg_unit(p, end);
        if (c < 0) return NULL;
        p += 6;
        if (c >= 0xD800 && c < 0xDC00) {
            int low = mg_unit(p, end);
            if (low >= 0xDC00 && low < 0xE000) {
                c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
                p += 6;
            }
        }
        *out = mg_put_character(*out, (unsigned)c);
        return p;
    }
    default: return NULL;
    }
}

/* The string whose opening quote is at p. Behind it, NULL when it does not end or holds a bad escape. What is written is
 * never longer than what was read, so that whole vectors fit in a buffer as long as the document. */
static inline const uint8_t *mg_copy_string(const uint8_t *p, const uint8_t *end, uint8_t **out) {
    uint8_t *o = *out;
    *o++ = '"';
    p++;
    for (;;) {
#if MG_X86
        const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
        while (end - p >= 16) {
            __m128i v = _mm_loadu_si128((const __m128i *)p);
            _mm_storeu_si128((__m128i *)o, v);
            int found = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)));
            if (found) {
                p += __builtin_ctz((unsigned)found);
                o += __builtin_ctz((unsigned)found);
                goto special;
            }
            p += 16;
            o += 16;
        }
#endif
        while (p < end && *p != '"' && *p != '\\') *o++ = *p++;
        if (mg_unlikely(p >= end)) return NULL;
#if MG_X86
    special:
#endif
        if (mg_likely(*p == '"')) break;
        p = mg_copy_escape(p, end, &o);
        if (mg_unlikely(!p)) return NULL;
    }
    *o++ = '"';
    *out = o;
    return p + 1;
}

/* The number at p, digit for digit. Behind it, NULL when it is none. */
static inline const uint8_t *mg_copy_number(const uint8_t *p, const uint8_t *end, uint8_t **out, int *zero, int share) {
    const uint8_t *start = p, *point = NULL;
    uint8_t *o = *out;
    int nothing = 1, power = 0;
    if (*p == '-') p++;
    if (p >= end || !mg_is_digit(*p)) return NULL;
    nothing = *p == '0';
    if (*p++ != '0')
        while (p < end && mg_is_digit(*p)) p++;
    if (p < end && *p == '.' && end - p >= 2 && mg_is_digit(p[1])) {
        point = p++;
        while (p < end && mg_is_digit(*p)) nothing &= *p++ == '0';
    }
    if (p < end && (*p | 0x20) == 'e') {
        const uint8_t *q = p + 1;
        if (q < end && (*q == '+' || *q == '-')) q++;
        if (q < end && mg_is_digit(*q)) {
            while (q < end && mg_is_digit(*q)) q++;
            power = 1;
            p = q;
        }
    }
    *zero = nothing;
    memcpy(o, start, (size_t)(p - start));
    o += p - start;
    if (share && point && !power) {
        while (o[-1] == '0') o--;
        if (o[-1] == '.') o--;
    }
    *out = o;
    return p;
}

/* ---- the order of members ---- */

static inline int mg_order(const mg_item *a, const mg_item *b) {
    size_t shorter = a->key < b->key ? a->key : b->key;
    int order;
    if (mg_likely(shorter) && a->start[1] != b->start[1]) return a->start[1] < b->start[1] ? -1 : 1;
    order = memcmp(a->start + 1, b->start + 1, shorter);
    return order ? order : (a->key > b->key) - (a->key < b->key);
}

/* Stable. `spare` has room for n. */
static void mg_sort(mg_item *item, size_t n, mg_item *spare) {
    if (n <= MG_FEW) {
        for (size_t i = 1; i < n; i++) {
            mg_item one = item[i];
            size_t k = i;
            for (; k && mg_order(&item[k - 1], &one) > 0; k--) item[k] = item[k - 1];
            item[k] = one;
        }
        return;
    }
    mg_sort(item, n / 2, spare);
    mg_sort(item + n / 2, n - n / 2, spare);
    memcpy(spare, item, n / 2 * sizeof *item);
    for (size_t left = 0, right = n / 2, to = 0; left < n / 2; to++)
        item[to] = right < n && mg_order(&spare[left], &item[right]) > 0 ? item[right++] : spare[left++];
}

/* Moves the members of an object, which end at o, into their order. How many bytes that were. */
static size_t mg_rearrange(mg_item *item, size_t n, uint8_t *o, uint8_t *aside, mg_item *spare) {
    uint8_t *first = (uint8_t *)item[0].start, *to = aside;
    for (size_t i = 0; i < n; i++) item[i].size = (size_t)((i + 1 < n ? item[i + 1].start - 1 : o) - item[i].start);
    mg_sort(item, n, spare);
    for (size_t i = 0; i < n; i++) {
        if (i) *to++ = ',';
        memcpy(to, item[i].start, item[i].size);
        to += item[i].size;
    }
    memcpy(first, aside, (size_t)(o - first));
    return (size_t)(o - first);
}

static inline int mg_more_room(mg_items *items) {
    size_t room = items->room ? items->room * 2 : 128;
    mg_item *item = realloc(items->item, 2 * room * sizeof *item);
    if (!item) return 0;
    items->item = item;
    items->room = room;
    return 1;
}

/* ---- the tools that a request offers ---- */

/* How an entry of `tools` is judged: by its type, or, where it has none, by its names. */
enum { MG_OWN_TYPE = 1, MG_CALLER_TYPE = 2, MG_NAMED = 4, MG_STRANGE = 8 };

static inline int mg_tool_name(const uint8_t *p, size_t n) {
    switch (n) {
    case 4: return MG_IS(p, n, "name") ? MG_NAMED : MG_STRANGE;
    case 8: return MG_IS(p, n, "function") ? 0 : MG_STRANGE;
    case 20: return MG_IS(p, n, "functionDeclarations") ? 0 : MG_STRANGE;
    case 21: return MG_IS(p, n, "function_declarations") ? 0 : MG_STRANGE;
    default: return MG_STRANGE;
    }
}

static inline int mg_runs_elsewhere(int tool) {
    return (tool & MG_OWN_TYPE) || (!(tool & (MG_CALLER_TYPE | MG_NAMED)) && (tool & MG_STRANGE));
}

static inline void mg_learn(int *seen, int *before, int now) {
    *seen = *before && *seen != now ? 1 : now;
    *before = 1;
}

/* ---- the document ---- */

enum { MG_OBJECT = 1, MG_UNSORTED = 2, MG_AS_THEY_COME = 4 };

/* Writes the canonical form at *out, which has room for n bytes, as has `aside`; *out is then its end. At most `most`
 * bytes are moved. MG_NOT_CANONICAL when the document is no object, or refused for its size. */
static int mg_canonical(const uint8_t *doc, size_t n, const mg_names *names, mg_items *items, uint8_t **out,
                        uint8_t *aside, size_t most, mg_learned *l) {
    uint32_t first[MG_MAX_DEPTH]; /* of each level: its first member in `items` */
    uint8_t flags[MG_MAX_DEPTH];
    const uint8_t *p = doc, *end = doc + n;
    uint8_t *o = *out, *value, *member = o, *whole = o;
    size_t count = 0, members = 0, moved = 0;
    int depth = 0, top = MG_PLAIN, kind = MG_PLAIN, action = 0, zero, tool = 0, as_they_come = 0;
    int seen_temperature = 0, seen_store = 0;

    l->temperature = l->store = -1;
    l->has_tools = l->provider_tools = l->barred = 0;
    p = mg_skip_space(p, end);
    if (p >= end || *p != '{') return MG_NOT_CANONICAL;

value:
    if (mg_unlikely(p >= end)) return MG_NOT_CANONICAL;
    value = o;
    switch (*p) {
    case '"':
        p = mg_copy_string(p, end, &o);
        if (mg_unlikely(!p)) return MG_NOT_CANONICAL;
        break;
    case '{':
    case '[':
        if (mg_unlikely(depth >= MG_MAX_DEPTH)) return MG_NOT_CANONICAL;
        if (mg_unlikely(kind)) {
            if (kind == MG_TEMPERATURE) mg_learn(&l->temperature, &seen_temperature, 1);
            if (kind == MG_STORE) mg_learn(&l->store, &seen_store, 1);
            if (kind == MG_TOOL_TYPE) tool |= MG_OWN_TYPE;
            kind = MG_PLAIN;
        }
        first[depth] = (uint32_t)count;
        flags[depth] = *p == '{' ? MG_OBJECT | as_they_come : 0;
        as_they_come = 0;
        if (depth == 1 || (depth == 2 && !flags[1])) tool = 0;
        depth++;
        *o++ = *p;
        p = mg_skip_space(p + 1, end);
        if (p < end && *p == o[-1] + 2) goto close; /* '{' + 2 == '}', '[' + 2 == ']' */
        if (flags[depth - 1]) goto key;
        goto value;
    case 't':
        if (mg_unlikely(end - p < 4 || memcmp(p, "true", 4) != 0)) return MG_NOT_CANONICAL;
        memcpy(o, p, 4);
        o += 4, p += 4;
        break;
    case 'f':
        if (mg_unlikely(end - p < 5 || memcmp(p, "false", 5) != 0)) return MG_NOT_CANONICAL;
        memcpy(o, p, 5);
        o += 5, p += 5;
        break;
    case 'n':
        if (mg_unlikely(end - p < 4 || memcmp(p, "null", 4) != 0)) return MG_NOT_CANONICAL;
        memcpy(o, p, 4);
        o += 4, p += 4;
        break;
    default:
        p = mg_copy_number(p, end, &o, &zero, kind == MG_TEMPERATURE || kind == MG_SHARE);
        if (mg_unlikely(!p)) return MG_NOT_CANONICAL;
        if (kind == MG_TEMPERATURE) {
            mg_learn(&l->temperature, &seen_temperature, !zero);
            kind = MG_PLAIN;
        }
        break;
    }
    if (mg_unlikely(kind)) {
        if (kind == MG_TEMPERATURE) mg_learn(&l->temperature, &seen_temperature, *value == 'n' ? -1 : 1);
        if (kind == MG_STORE) mg_learn(&l->store, &seen_store, *value == 'n' ? -1 : *value != 'f');
        if (kind == MG_TOOL_TYPE)
            tool |= MG_IS(value, o - value, "\"function\"") || MG_IS(value, o - value, "\"custom\"") ? MG_CALLER_TYPE : MG_OWN_TYPE;
        kind = MG_PLAIN;
    }
    if (mg_unlikely(depth == 2 && top == MG_TOOL_LIST && !flags[1] && *value != 'n')) l->provider_tools = 1;
    if (depth != 1) goto behind;

ended: /* a member of the top level: `value` is where its value begins */
    if (mg_unlikely(action || top)) {
        int says = *value != 'n' && *value != 'f' && (o - value > 2 || mg_is_digit(*value) || *value == '-');
        if (action & MG_BAR) l->barred |= says;
        if (top == MG_TOOL_LIST || top == MG_TOOL_CONFIG) l->has_tools |= says;
        if (action & MG_DROP) {
            o = member;
            count--;
        }
    }

behind:
    p = mg_skip_space(p, end);
    if (mg_unlikely(!depth)) {
        *out = o;
        return p == end ? MG_CANONICAL : MG_NOT_CANONICAL;
    }
    if (mg_unlikely(p >= end)) return MG_NOT_CANONICAL;
    if (mg_likely(*p == ',')) {
        p = mg_skip_space(p + 1, end);
        if (flags[depth - 1]) goto key;
        *o++ = ',';
        as_they_come = 0;
        goto value;
    }
    if (mg_unlikely(*p != (flags[depth - 1] ? '}' : ']'))) return MG_NOT_CANONICAL;

close:
    depth--;
    if (flags[depth]) {
        if (flags[depth] & MG_UNSORTED) {
            moved += (size_t)(o - items->item[first[depth]].start);
            if (mg_unlikely(moved > most)) return MG_NOT_CANONICAL;
            mg_rearrange(items->item + first[depth], count - first[depth], o, aside, items->item + items->room);
        }
        count = first[depth];
    }
    *o++ = *p++;
    if (mg_unlikely(top == MG_TOOL_LIST && depth == 2 - (flags[1] != 0))) l->provider_tools |= mg_runs_elsewhere(tool);
    if (depth != 1) goto behind;
    value = whole;
    goto ended;

key:
    if (mg_unlikely(p >= end || *p != '"')) return MG_NOT_CANONICAL;
    if (mg_unlikely(++members > MG_MAX_MEMBERS)) return MG_NOT_CANONICAL;
    if (mg_unlikely(count == items->room) && !mg_more_room(items)) return MG_NO_MEMORY;
    {
        mg_item *item = items->item + count;
        uint8_t *before = o, *name;
        size_t length;
        if (count > first[depth - 1]) *o++ = ',';
        item->start = o;
        name = o + 1;
        p = mg_copy_string(p, end, &o);
        if (mg_unlikely(!p)) return MG_NOT_CANONICAL;
        length = (size_t)(o - name - 1);
        item->key = length;
        as_they_come = mg_unlikely(MG_IS(name, length, "properties")) ? MG_AS_THEY_COME : 0;
        if (depth == 1) {
            kind = top = mg_meaning(name, length);
            action = mg_action(names, name, length);
            member = before;
        } else if (mg_unlikely(top)) {
            if (depth == 2 && top == MG_CONFIG) {
                kind = mg_meaning(name, length);
                if (kind > MG_SHARE) kind = MG_PLAIN;
            } else if (top == MG_TOOL_LIST && depth == 3 - (flags[1] != 0)) {
                if (MG_IS(name, length, "type"))
                    kind = MG_TOOL_TYPE;
                else
                    tool |= mg_tool_name(name, length);
            } else if (depth == 4 && top == MG_TOOL_CONFIG && MG_IS(name, length, "systemTool")) {
                l->provider_tools = 1;
            }
        }
        if (count > first[depth - 1] && !(flags[depth - 1] & MG_AS_THEY_COME) && !(depth == 1 && action & MG_DROP) &&
            mg_order(item - 1, item) > 0)
            flags[depth - 1] |= MG_UNSORTED;
        count++;
    }
    if (mg_unlikely(p >= end || *p != ':')) {
        p = mg_skip_space(p, end);
        if (p >= end || *p != ':') return MG_NOT_CANONICAL;
    }
    *o++ = ':';
    if (depth == 1) whole = o;
    p = mg_skip_space(p + 1, end);
    goto value;
}

#endif
