// Multiplication without carries (PCLMULQDQ), which Swift has no word for: folding of reflected 64-bit CRCs (Gopal et al.,
// "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel 2009).
#ifndef CFOLDING_SHIM_H
#define CFOLDING_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>

static inline bool cfolding_is_supported(void) {
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}

// The sum moved on by as many bits as `by` stands for, with what comes there.
__attribute__((target("pclmul,sse4.1"))) static inline __m128i cfolding_step(__m128i sum, __m128i by, __m128i next) {
    __m128i low = _mm_clmulepi64_si128(sum, by, 0x00), high = _mm_clmulepi64_si128(sum, by, 0x11);
    return _mm_xor_si128(next, _mm_xor_si128(low, high));
}

// Folds `count` bytes, a multiple of 64 and not 0, into 16 that have the same remainder. `first` goes into the first eight;
// `far` is x^(512+63) and x^511 modulo the polynomial, `near` x^(128+63) and x^127, all lowest power first. Only where
// it is supported.
__attribute__((target("pclmul,sse4.1"))) static inline void cfolding_fold(
    const uint8_t *bytes, size_t count, uint64_t first, const uint64_t far[2], const uint64_t near[2], uint8_t rest[16]) {
    const __m128i *next = (const __m128i *)bytes;
    __m128i by = _mm_set_epi64x((long long)far[1], (long long)far[0]);
    __m128i sum0 = _mm_xor_si128(_mm_loadu_si128(next), _mm_set_epi64x(0, (long long)first));
    __m128i sum1 = _mm_loadu_si128(next + 1), sum2 = _mm_loadu_si128(next + 2), sum3 = _mm_loadu_si128(next + 3);
    for (size_t done = 64; done < count; done += 64) {
        next += 4;
        sum0 = cfolding_step(sum0, by, _mm_loadu_si128(next));
        sum1 = cfolding_step(sum1, by, _mm_loadu_si128(next + 1));
        sum2 = cfolding_step(sum2, by, _mm_loadu_si128(next + 2));
        sum3 = cfolding_step(sum3, by, _mm_loadu_si128(next + 3));
    }
    by = _mm_set_epi64x((long long)near[1], (long long)near[0]);
    sum0 = cfolding_step(cfolding_step(cfolding_step(sum0, by, sum1), by, sum2), by, sum3);
    _mm_storeu_si128((__m128i *)rest, sum0);
}
#else
static inline bool cfolding_is_supported(void) { return false; }
static inline void cfolding_fold(
    const uint8_t *bytes, size_t count, uint64_t first, const uint64_t far[2], const uint64_t near[2], uint8_t rest[16]) {
    (void)bytes, (void)count, (void)first, (void)far, (void)near, (void)rest;
}
#endif

#endif
