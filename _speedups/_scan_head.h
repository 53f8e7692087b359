/* Character classes of HTTP fields. Used by _scan.pyx only. */
#ifndef MICROGATE_SCAN_HEAD_H
#define MICROGATE_SCAN_HEAD_H

#include "_scan_json.h"

/* The lower-case form of each byte that a field name may hold (RFC 9110 section 5.6.2), 0 for all others. */
static uint8_t mg_name_byte[256];

/* Bytes of a Host value's name part (RFC 3986 section 3.2.2). */
static uint8_t mg_host_byte[256];

/* Names of fields that HeadScan gives out, in a table by hash (multiplied by 31 and added, over the lower-case bytes). */
enum {
    MG_HOST = 1,
    MG_EXPECT,
    MG_UPGRADE,
    MG_API_KEY,
    MG_X_API_KEY,
    MG_CONNECTION,
    MG_RETRY_AFTER,
    MG_CONTENT_TYPE,
    MG_AUTHORIZATION,
    MG_CONTENT_LENGTH,
    MG_GOOG_KEY,
    MG_CONTENT_ENCODING,
    MG_TRANSFER_ENCODING,
    MG_OWN_KEY
};

static const char *const mg_known_names[] = {
    "",              "host",           "expect",         "upgrade",          "api-key",
    "x-api-key",     "connection",     "retry-after",    "content-type",     "authorization",
    "content-length", "x-goog-api-key", "content-encoding", "transfer-encoding", "x-microgate-key",
};

static struct {
    uint32_t hash;
    uint16_t length;
    uint16_t number;
} mg_known_slots[64];

/* Which of the names above [name, name + n) is, in any case; 0 for all others. */
static inline int mg_known(const uint8_t *name, size_t n, uint32_t hash) {
    for (uint32_t at = hash;; at++) {
        unsigned slot = at & 63;
        if (mg_likely(!mg_known_slots[slot].number)) return 0;
        if (mg_known_slots[slot].hash == hash && mg_known_slots[slot].length == n) {
            const char *known = mg_known_names[mg_known_slots[slot].number];
            size_t i = memcmp(name, known, n) == 0 ? n : 0;
            while (i < n && mg_name_byte[name[i]] == (uint8_t)known[i]) i++;
            if (i == n) return mg_known_slots[slot].number;
        }
    }
}

static void mg_fill_tables(void) {
    const char *p;
    int c;
    for (c = 'a'; c <= 'z'; c++) mg_name_byte[c] = mg_name_byte[c - 32] = (uint8_t)c;
    for (c = '0'; c <= '9'; c++) mg_name_byte[c] = (uint8_t)c;
    memcpy(mg_host_byte, mg_name_byte, sizeof mg_host_byte);
    for (p = "!#$%&'*+-.^_`|~"; *p; p++) mg_name_byte[(uint8_t)*p] = (uint8_t)*p;
    for (p = "._~!$&'()*+,;=%-"; *p; p++) mg_host_byte[(uint8_t)*p] = 1;
    for (c = MG_HOST; c <= MG_OWN_KEY; c++) {
        uint32_t hash = 0, at;
        for (p = mg_known_names[c]; *p; p++) hash = hash * 31 + (uint8_t)*p;
        for (at = hash; mg_known_slots[at & 63].number; at++) {}
        mg_known_slots[at & 63].hash = hash;
        mg_known_slots[at & 63].length = (uint16_t)(p - mg_known_names[c]);
        mg_known_slots[at & 63].number = (uint16_t)c;
    }
}

/* The first control character other than TAB (DEL included); end when there is none. */
static inline const uint8_t *mg_control(const uint8_t *p, const uint8_t *end) {
#if MG_X86
    const __m128i low = _mm_set1_epi8(0x1F), tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7F);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)p);
        __m128i control = _mm_andnot_si128(_mm_cmpeq_epi8(v, tab), _mm_cmpeq_epi8(_mm_min_epu8(v, low), v));
        int found = _mm_movemask_epi8(_mm_or_si128(control, _mm_cmpeq_epi8(v, del)));
        if (found) return p + __builtin_ctz((unsigned)found);
    }
#endif
    while (p < end && (*p >= 0x20 || *p == '\t') && *p != 0x7F) p++;
    return p;
}

static inline uint8_t mg_lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c; }

/* Whether [p, end) is a Host value: a name, an IPv4 address or a bracketed IPv6 address, and perhaps a port. */
static inline int mg_is_host(const uint8_t *p, const uint8_t *end) {
    const uint8_t *start = p;
    if (p < end && *p == '[') {
        for (p++; p < end && (mg_hex(*p) >= 0 || *p == ':' || *p == '.'); p++) {}
        if (p >= end || *p != ']' || p == start + 1) return 0;
        p++;
    } else {
        while (p < end && mg_host_byte[*p]) p++;
        if (p == start) return 0;
    }
    if (p == end) return 1;
    if (*p != ':' || end - p > 6) return 0;
    for (p++; p < end && mg_is_digit(*p); p++) {}
    return p == end;
}

/* Whether [p, end) is a request target in origin form or in absolute form with http or https. */
static inline int mg_is_target(const uint8_t *p, const uint8_t *end) {
    const uint8_t *scheme = p;
    if (p == end) return 0;
    if (*p != '/') {
        static const char http[] = "http";
        for (int k = 0; k < 4; k++)
            if (p == end || (*p++ | 0x20) != http[k]) return 0;
        if (p < end && (*p | 0x20) == 's') p++;
        if (end - p < 3 || memcmp(p, "://", 3) != 0) return 0;
    }
    for (p = scheme; p < end; p++)
        if (*p <= 0x20 || *p == 0x7F) return 0;
    return 1;
}

/* Whether [p, end) is a status line of HTTP/1 without its CRLF. */
static inline int mg_is_status_line(const uint8_t *p, const uint8_t *end) {
    if (end - p < 12 || memcmp(p, "HTTP/1.", 7) != 0 || (p[7] != '0' && p[7] != '1') || p[8] != ' ') return 0;
    if (p[9] < '1' || p[9] > '9' || !mg_is_digit(p[10]) || !mg_is_digit(p[11])) return 0;
    p += 12;
    if (p == end) return 1;
    return *p == ' ' && mg_control(p, end) == end;
}

/* Whether the comma-separated list [p, end) names the field, in any case. */
static inline int mg_lists(const uint8_t *p, const uint8_t *end, const uint8_t *name, size_t n) {
    while (p <= end) {
        const uint8_t *stop = p, *last;
        size_t i = 0;
        while (stop < end && *stop != ',') stop++;
        last = stop;
        while (p < last && (*p == ' ' || *p == '\t')) p++;
        while (last > p && (last[-1] == ' ' || last[-1] == '\t')) last--;
        if ((size_t)(last - p) == n) {
            while (i < n && mg_name_byte[p[i]] && mg_name_byte[p[i]] == mg_name_byte[name[i]]) i++;
            if (i == n) return 1;
        }
        p = stop + 1;
    }
    return 0;
}

/* Of a comma-separated list: a bit for the length of each member that is no longer than 63. */
static inline uint64_t mg_token_lengths(const uint8_t *p, const uint8_t *end) {
    uint64_t lengths = 0;
    while (p <= end) {
        const uint8_t *stop = p, *last;
        while (stop < end && *stop != ',') stop++;
        last = stop;
        while (p < last && (*p == ' ' || *p == '\t')) p++;
        while (last > p && (last[-1] == ' ' || last[-1] == '\t')) last--;
        lengths |= (uint64_t)1 << ((last - p) & 63);
        p = stop + 1;
    }
    return lengths;
}

static inline int mg_is_media(const uint8_t *p, size_t n, const char *name, size_t length) {
    size_t i = 0;
    if (n != length) return 0;
    while (i < n && mg_lower(p[i]) == (uint8_t)name[i]) i++;
    return i == n;
}

/* Which of the media types we tell apart a Content-Type names (RFC 9110 section 8.3.1): the numbers of MEDIA_*. */
static inline int mg_media(const uint8_t *p, const uint8_t *end) {
    const uint8_t *stop = (const uint8_t *)memchr(p, ';', (size_t)(end - p));
    size_t n;
    if (!stop) stop = end;
    while (p < stop && (*p == ' ' || *p == '\t')) p++;
    while (stop > p && (stop[-1] == ' ' || stop[-1] == '\t')) stop--;
    n = (size_t)(stop - p);
    if (!n) return 0;
    if (mg_is_media(p, n, "application/json", 16)) return 2;
    if (mg_is_media(p, n, "text/event-stream", 17)) return 3;
    if (mg_is_media(p, n, "text/html", 9)) return 4;
    return 1;
}

#endif
