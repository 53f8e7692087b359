/* Dot products, by the widest instructions that the processor has; chosen once, when a file is mapped.
 *
 * Codes are unsigned bytes (components plus 128), the query's are signed: sum((c + 128) * q) - 128 * sum(q). Vectors are
 * padded with zeros to whole cache lines. The plain loops are what compilers make SSE2 or NEON of. */
#ifndef MICROGATE_HNSW_DOT_H
#define MICROGATE_HNSW_DOT_H

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define HN_X86 1
#endif

typedef struct {
    int32_t (*codes)(const uint8_t *code, const int8_t *query, uint32_t bytes);
    float (*floats)(const float *a, const float *b, uint32_t count);
    float (*mixed)(const uint8_t *code, const float *query, uint32_t count);
    const char *name;
} hn_kernels;

static int32_t hn_codes_plain(const uint8_t *code, const int8_t *query, uint32_t bytes) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < bytes; i++) sum += (int32_t)code[i] * query[i];
    return sum;
}

typedef float hn_four __attribute__((vector_size(16)));

static float hn_floats_plain(const float *a, const float *b, uint32_t count) {
    hn_four sum[4] = {{0}}, x, y;
    for (uint32_t i = 0; i < count; i += 16)
        for (int k = 0; k < 4; k++) {
            memcpy(&x, a + i + 4 * k, 16);
            memcpy(&y, b + i + 4 * k, 16);
            sum[k] += x * y;
        }
    x = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    return (x[0] + x[1]) + (x[2] + x[3]);
}

static float hn_mixed_plain(const uint8_t *code, const float *query, uint32_t count) {
    float sum[16] = {0};
    for (uint32_t i = 0; i < count; i += 16)
        for (int k = 0; k < 16; k++) sum[k] += (float)((int)code[i + k] - 128) * query[i + k];
    for (int width = 8; width; width /= 2)
        for (int k = 0; k < width; k++) sum[k] += sum[k + width];
    return sum[0];
}

#ifdef HN_X86

#define HN_AVX2 __attribute__((target("avx2,fma")))
#define HN_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma")))

HN_AVX2 static inline float hn_sum8(__m256 x) {
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

HN_AVX2 static inline __m256i hn_products16(const uint8_t *code, const int8_t *query) {
    return _mm256_madd_epi16(
        _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)code)),
        _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)query))
    );
}

HN_AVX2 static int32_t hn_codes_avx2(const uint8_t *code, const int8_t *query, uint32_t bytes) {
    __m256i one = _mm256_setzero_si256(), two = one;
    for (uint32_t i = 0; i < bytes; i += 32) {
        one = _mm256_add_epi32(one, hn_products16(code + i, query + i));
        two = _mm256_add_epi32(two, hn_products16(code + i + 16, query + i + 16));
    }
    one = _mm256_add_epi32(one, two);
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(one), _mm256_extracti128_si256(one, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xB1)));
}

HN_AVX2 static float hn_floats_avx2(const float *a, const float *b, uint32_t count) {
    __m256 one = _mm256_setzero_ps(), two = one;
    for (uint32_t i = 0; i < count; i += 16) {
        one = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), one);
        two = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), two);
    }
    return hn_sum8(_mm256_add_ps(one, two));
}

HN_AVX2 static float hn_mixed_avx2(const uint8_t *code, const float *query, uint32_t count) {
    __m256 sum[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    __m128i sign = _mm_set1_epi8((char)0x80);
    for (uint32_t i = 0; i < count; i += 16) {
        __m128i signed_code = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(code + i)), sign);
        __m256 low = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(signed_code));
        __m256 high = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(signed_code, 8)));
        sum[0] = _mm256_fmadd_ps(low, _mm256_loadu_ps(query + i), sum[0]);
        sum[1] = _mm256_fmadd_ps(high, _mm256_loadu_ps(query + i + 8), sum[1]);
    }
    return hn_sum8(_mm256_add_ps(sum[0], sum[1]));
}

HN_AVX512 static int32_t hn_codes_avx512(const uint8_t *code, const int8_t *query, uint32_t bytes) {
    __m512i one = _mm512_setzero_si512(), two = one;
    uint32_t i = 0;
    for (; i + 128 <= bytes; i += 128) {
        one = _mm512_dpbusd_epi32(one, _mm512_loadu_si512(code + i), _mm512_loadu_si512(query + i));
        two = _mm512_dpbusd_epi32(two, _mm512_loadu_si512(code + i + 64), _mm512_loadu_si512(query + i + 64));
    }
    if (i < bytes) one = _mm512_dpbusd_epi32(one, _mm512_loadu_si512(code + i), _mm512_loadu_si512(query + i));
    return _mm512_reduce_add_epi32(_mm512_add_epi32(one, two));
}

HN_AVX512 static float hn_floats_avx512(const float *a, const float *b, uint32_t count) {
    __m512 one = _mm512_setzero_ps(), two = one;
    uint32_t i = 0;
    for (; i + 32 <= count; i += 32) {
        one = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), one);
        two = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16), two);
    }
    if (i < count) one = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), one);
    return _mm512_reduce_add_ps(_mm512_add_ps(one, two));
}

#endif

/* Kernels number `wanted` (0 plain, 1 AVX2, 2 AVX-512 with VNNI), or the best there is below it. */
static inline hn_kernels hn_choose(int wanted) {
    hn_kernels found = {hn_codes_plain, hn_floats_plain, hn_mixed_plain, "plain"};
#ifdef HN_X86
    __builtin_cpu_init();
    if (wanted >= 1 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        found = (hn_kernels){hn_codes_avx2, hn_floats_avx2, hn_mixed_avx2, "avx2"};
    if (wanted >= 2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni"))
        found = (hn_kernels){hn_codes_avx512, hn_floats_avx512, hn_mixed_avx2, "avx512"};
#else
    (void)wanted;
#endif
    return found;
}

/* `vector` in signed bytes by its largest component; *scale = 1 / length of the code, *error = length of what is lost.
 * In doubles and rounded half to even, so that the pure twin finds the same bytes. */
static inline void hn_quantise(const float *vector, uint32_t dim, int8_t *code, float *scale, float *error) {
    float largest = 0;
    for (uint32_t i = 0; i < dim; i++) {
        float size = vector[i] < 0 ? -vector[i] : vector[i];
        if (size > largest) largest = size;
    }
    double step = 127.0 / (double)largest, lost = 0;
    int64_t square = 0;
    const double round = 6755399441055744.0; /* 1.5 * 2^52: adding it leaves no fraction bits */
    for (uint32_t i = 0; i < dim; i++) {
        int32_t value = (int32_t)(((double)vector[i] * step + round) - round);
        code[i] = (int8_t)value;
        square += value * value;
    }
    double unit = 1.0 / __builtin_sqrt((double)square);
    for (uint32_t i = 0; i < dim; i++) {
        double difference = (double)vector[i] - code[i] * unit;
        lost += difference * difference;
    }
    *scale = (float)unit;
    *error = (float)__builtin_sqrt(lost);
}

#endif
