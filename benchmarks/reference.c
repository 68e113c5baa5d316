/* Best-effort C for the benchmark problems: what adasde's generated kernels are measured against.

   W1 SGD, W2 SignSGD, W3 Adam with the full covariance of one step, W3-2025 Adam with noise in m alone, each with
   dt = eta on f(x) = x'Hx / 2 in two dimensions, and each with two kinds of noise: float32 normals, four from a call
   of Philox4x32-10 ("mix"), or float64 normals, two from a call ("double"). The state is float64 in both.

   Written for this one problem, and therefore free to do what a generator cannot: the Hessian is folded into the
   update, Adam's x step reuses the new m (with dt = eta they share their terms), and the two rounds of Philox that mix
   no path with a step are computed once per chunk. Compile with -DWIDTH=32 for AVX2 + FMA, or -DWIDTH=64 for AVX-512; `reference.py` does.

   Counters, words and streams are those of kernels/philox.py and kernels/normals.py, so that the float32 normals are
   adasde's own, up to rounding: number q = 2 k + i of a path's stream drives coordinate i at step k. */

#include <immintrin.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#ifndef WIDTH
#define WIDTH 32
#endif
#ifndef LANES
#define LANES 128 /* paths in a block; a multiple of the lanes of a vector */
#endif
#ifndef CHUNK
#define CHUNK 10 /* steps whose draws are made together; even, and a divisor of the steps between saved times */
#endif
#define MAX_SAVES 64
#define MAX_THREADS 64

#ifndef JAM
#ifdef __AVX512VL__
#define JAM (WIDTH / 8) /* independent vectors that Philox works on at once, as many as 32 registers hold; even */
#else
#define JAM 2 /* 16 registers */
#endif
#endif
#define F (WIDTH / 4) /* lanes of a float vector */
#define D (WIDTH / 8) /* lanes of a double vector */
#define VECTOR(type) type __attribute__((vector_size(WIDTH), may_alias))
typedef VECTOR(float) vf;
typedef VECTOR(int32_t) vi;
typedef VECTOR(uint32_t) vu;
typedef VECTOR(double) vd;
typedef VECTOR(int64_t) vl;
typedef VECTOR(uint64_t) vq;
typedef float half_vf __attribute__((vector_size(WIDTH / 2), may_alias));
#define INLINE static inline __attribute__((always_inline))

#if WIDTH == 64
INLINE vq mul32(vq a, vq b) { return (vq)_mm512_mul_epu32((__m512i)a, (__m512i)b); }
INLINE vq xor3(vq a, vq b, vq c) { return (vq)_mm512_ternarylogic_epi64((__m512i)a, (__m512i)b, (__m512i)c, 0x96); }
INLINE vf sqrt_f(vf a) { return (vf)_mm512_sqrt_ps((__m512)a); }
INLINE vd sqrt_d(vd a) { return (vd)_mm512_sqrt_pd((__m512d)a); }
INLINE vd max_d(vd a, vd b) { return (vd)_mm512_max_pd((__m512d)a, (__m512d)b); }
INLINE vd min_d(vd a, vd b) { return (vd)_mm512_min_pd((__m512d)a, (__m512d)b); }
/* a in the lanes whose sign bit is set in the first argument, else b */
INLINE vf where_negative_f(vi sign, vf a, vf b) {
    return (vf)_mm512_mask_blend_ps(_mm512_movepi32_mask((__m512i)sign), (__m512)b, (__m512)a);
}
INLINE vd where_negative_d(vl sign, vd a, vd b) {
    return (vd)_mm512_mask_blend_pd(_mm512_movepi64_mask((__m512i)sign), (__m512d)b, (__m512d)a);
}
INLINE vf where_zero_f(vi e, vf a, vf b) {
    return (vf)_mm512_mask_blend_ps(_mm512_testn_epi32_mask((__m512i)e, (__m512i)e), (__m512)b, (__m512)a);
}
INLINE vu interleave(vq even, vq odd) {
    return (vu)_mm512_mask_blend_epi32(0xAAAA, (__m512i)even, (__m512i)(odd << 32));
}
#else
INLINE vq mul32(vq a, vq b) { return (vq)_mm256_mul_epu32((__m256i)a, (__m256i)b); }
#ifdef __AVX512VL__
INLINE vq xor3(vq a, vq b, vq c) { return (vq)_mm256_ternarylogic_epi64((__m256i)a, (__m256i)b, (__m256i)c, 0x96); }
#else
INLINE vq xor3(vq a, vq b, vq c) { return a ^ b ^ c; }
#endif
INLINE vf sqrt_f(vf a) { return (vf)_mm256_sqrt_ps((__m256)a); }
INLINE vd sqrt_d(vd a) { return (vd)_mm256_sqrt_pd((__m256d)a); }
INLINE vd max_d(vd a, vd b) { return (vd)_mm256_max_pd((__m256d)a, (__m256d)b); }
INLINE vd min_d(vd a, vd b) { return (vd)_mm256_min_pd((__m256d)a, (__m256d)b); }
INLINE vf where_negative_f(vi sign, vf a, vf b) { return (vf)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)sign); }
INLINE vd where_negative_d(vl sign, vd a, vd b) { return (vd)_mm256_blendv_pd((__m256d)b, (__m256d)a, (__m256d)sign); }
INLINE vf where_zero_f(vi e, vf a, vf b) { return where_negative_f(e == 0, a, b); }
INLINE vu interleave(vq even, vq odd) {
    return (vu)_mm256_blend_epi32((__m256i)even, (__m256i)(odd << 32), 0xAA);
}
#endif

#define SPLAT_F(c) ((vf){} + (float)(c))
#define SPLAT_D(c) ((vd){} + (double)(c))
#define SPLAT_Q(c) ((vq){} + (uint64_t)(c))

/* Philox4x32-10 ------------------------------------------------------------------------------------------------- */

#define M0 0xD2511F53u
#define M1 0xCD9E8D57u

typedef struct {
    uint64_t k0[10], k1[10]; /* 32 bits each, in the width of a lane, so that a vector is one broadcast from memory */
} Keys;

static Keys keys_of(uint64_t seed) {
    Keys keys;
    for (uint32_t r = 0; r < 10; r++) {
        keys.k0[r] = (uint32_t)((uint32_t)seed + r * 0x9E3779B9u);
        keys.k1[r] = (uint32_t)((uint32_t)(seed >> 32) + r * 0xBB67AE85u);
    }
    return keys;
}

/* What the first two rounds do to the path's number, one path per 64-bit lane (garbage in high halves is harmless:
   the multiplication reads low halves). Round 1 leaves c2' = hi(M0 path) ^ c3 ^ k1, c3' = lo(M0 path); round 2 needs
   M1 c2' and c3'. */
typedef struct {
    vq high, low, third;
} Lane;

INLINE Lane lane_of(vq path, uint32_t stream, const Keys *keys) {
    vq product = mul32(path, SPLAT_Q(M0));
    vq second = mul32((product >> 32) ^ SPLAT_Q((stream << 24) ^ keys->k1[0]), SPLAT_Q(M1));
    return (Lane){second >> 32, second, product};
}

/* The parts of rounds 1 and 2 that depend on the block alone (path below 2^32, block below 2^32). */
typedef struct {
    uint64_t c0, c2, c3;
} Block;

static inline Block block_of(uint32_t block, const Keys *keys) {
    uint64_t second = (uint64_t)M1 * block;
    uint64_t c0 = (second >> 32) ^ keys->k0[0], c1 = (uint32_t)second;
    uint64_t first = M0 * c0;
    return (Block){c1 ^ keys->k0[1], (first >> 32) ^ keys->k1[1], (uint32_t)first};
}

/* Rounds 3 to 10 for JAM vectors of lanes at once: a round waits for its own multiplications. c leaves the four words
   in the low halves, but for the last round's products: c[1] and c[3] are those of M1 and M0 in full, and c[0], c[2]
   what their high halves are to be xored with. */
INLINE void philox(vq c[JAM][4], const Lane lane[JAM], const Block *block, const Keys *keys) {
#pragma GCC unroll 8
    for (int n = 0; n < JAM; n++) {
        c[n][0] = lane[n].high ^ SPLAT_Q(block->c0), c[n][1] = lane[n].low;
        c[n][2] = lane[n].third ^ SPLAT_Q(block->c2), c[n][3] = SPLAT_Q(block->c3);
    }
#pragma GCC unroll 8
    for (int r = 2; r < 9; r++) {
#pragma GCC unroll 8
        for (int n = 0; n < JAM; n++) {
            vq first = mul32(c[n][0], SPLAT_Q(M0)), second = mul32(c[n][2], SPLAT_Q(M1));
            c[n][0] = xor3(second >> 32, c[n][1], SPLAT_Q(keys->k0[r]));
            c[n][2] = xor3(first >> 32, c[n][3], SPLAT_Q(keys->k1[r]));
            c[n][1] = second, c[n][3] = first;
        }
    }
#pragma GCC unroll 8
    for (int n = 0; n < JAM; n++) {
        vq first = mul32(c[n][0], SPLAT_Q(M0)), second = mul32(c[n][2], SPLAT_Q(M1));
        c[n][0] = c[n][1] ^ SPLAT_Q(keys->k0[9]), c[n][1] = second;
        c[n][2] = c[n][3] ^ SPLAT_Q(keys->k1[9]), c[n][3] = first;
    }
}

/* Box-Muller in float32 ----------------------------------------------------------------------------------------- */

INLINE vf radius_f(vu word) { /* sqrt(-2 ln U), U = (word + 1/2)/2^32 mod 1; see kernels/normals.py */
    vf x = __builtin_convertvector((vi)word, vf) * 0x1p-32f + 0x1p-33f;
    vf u = where_negative_f((vi)x, x + 1.0f, x);
    vi shifted = (vi)u - 0x3F3504F3;
    vi e = shifted >> 23;
    vf f = (vf)((shifted & 0x007FFFFF) + 0x3F3504F3) - 1.0f;
    f = where_zero_f(e, x, f);
    vf s = f / (f + 2.0f), z = s * s;
    vf p = ((-0.5977001065619956f * z - 0.7995351965482436f) * z - 1.3333358029318283f) * z - 3.999999998683218f;
    return sqrt_f(s * p + __builtin_convertvector(e, vf) * -1.3862943611198906f);
}

/* With V = h/2 + x, |x| <= 1/4, the half turns h only change a sign, which cosine and sine share. */
INLINE void box_muller_f(vu first, vu second, vf *cosine, vf *sine) {
    vf r = (vf)((vu)radius_f(first) ^ ((second + (1u << 30)) & (1u << 31)));
    vf x = __builtin_convertvector((vi)(second << 1), vf) * 0x1p-33f + 0x1p-33f, u = x * x;
    vf s = (((39.7598270853f * u - 76.5811726443f) * u + 81.6024763689f) * u - 41.3416806133f) * u + 6.28318528015f;
    vf c = (((56.2387004353f * u - 85.2398702584f) * u + 64.9345726522f) * u - 19.73917121f) * u + 0.999999953028f;
    *cosine = r * c, *sine = r * (x * s);
}

/* Box-Muller in float64 ----------------------------------------------------------------------------------------- */

INLINE vd radius_d(vq bits) { /* sqrt(-2 ln U), U = (k + 1/2)/2^52 with k the upper 52 bits */
    vd u = (vd)((bits >> 12) | 0x3FF0000000000000u) - (1.0 - 0x1p-53);
    vl shifted = (vl)u - 0x3FE6A09E667F3BCD;
    /* e + 2048 goes into the mantissa of 2^52, since AVX2 cannot convert 64-bit integers. */
    vd e = (vd)((vq)((((vq)shifted >> 52) ^ 0x800) | 0x4330000000000000u)) - (0x1p52 + 2048.0);
    vd f = (vd)((shifted & 0x000FFFFFFFFFFFFF) + 0x3FE6A09E667F3BCD) - 1.0;
    vd s = f / (f + 2.0), z = s * s, w = z * z;
    vd odd = (0.1531531799066444 * w + 0.2222219962899188) * w + 0.39999999999468133;
    vd even = ((0.14783791252326806 * w + 0.18183512375102842) * w + 0.2857142873141141) * w + 0.6666666666666725;
    vd log = e * 0.6931471805599453 + (f - s * (f - z * (odd * z + even)));
    return sqrt_d(-2.0 * log);
}

INLINE void box_muller_d(vq first, vq second, vd *cosine, vd *sine) {
    vd r = radius_d(first);
    vd x = ((vd)(((second << 2) >> 12) ^ 0x3FF8000000000000u) - (1.5 - 0x1p-53)) * 0.25, u = x * x, w = u * u;
    vd s = ((3.78086895930229552 * w + 42.058685020160894) * w + 81.6052492759480352) * w + 6.28318530717958646;
    s += u * ((-15.0938042099871135 * w - 76.7058597042745506) * w - 41.3417022403996362);
    vd c = ((7.81029096814419057 * w + 60.2446200859302898) * w + 64.9393940223653712) * w + 1.0;
    c += u * ((-26.4242570348826894 * w - 85.4568170903411464) * w - 19.7392088021784215);
    s *= x;
    vq q = second + (1ull << 61);
    vl odd = (vl)(q << 1);
    vd along = where_negative_d(odd, s, c), across = where_negative_d(odd, c, s);
    *cosine = (vd)((vq)(r * along) ^ ((q + (1ull << 62)) & (1ull << 63)));
    *sine = (vd)((vq)(r * across) ^ (q & (1ull << 63)));
}

/* Rows of noise ------------------------------------------------------------------------------------------------- */

typedef struct {
    float z[2][2 * CHUNK][LANES]; /* stream, 2 * step + coordinate, lane */
} __attribute__((aligned(64))) NoiseF;
typedef struct {
    double z[2][2 * CHUNK][LANES];
} __attribute__((aligned(64))) NoiseD;

INLINE vq ramp(uint64_t first, uint64_t stride) {
    vq path;
    for (uint64_t j = 0; j < D; j++) path[j] = stride * j;
    return path + first;
}

static __attribute__((noinline)) void fill_f(float (*z)[LANES], uint64_t path, uint32_t step, uint32_t stream,
                                             const Keys *keys) {
    Block blocks[CHUNK / 2];
    for (int k = 0; k < CHUNK / 2; k++) blocks[k] = block_of(step / 2 + k, keys);
    for (int j = 0; j < LANES; j += JAM / 2 * F) {
        Lane lane[JAM]; /* vectors of even and of odd paths in turn, for `interleave` */
#pragma GCC unroll 8
        for (int n = 0; n < JAM; n++) lane[n] = lane_of(ramp(path + j + n / 2 * F + n % 2, 2), stream, keys);
        for (int k = 0; k < CHUNK / 2; k++) {
            vq c[JAM][4];
            philox(c, lane, &blocks[k], keys);
#pragma GCC unroll 4
            for (int n = 0; n < JAM; n += 2) {
                vq *a = c[n], *b = c[n + 1];
                vf *row = (vf *)&z[4 * k][j + n / 2 * F];
                box_muller_f(interleave((a[1] >> 32) ^ a[0], (b[1] >> 32) ^ b[0]), interleave(a[1], b[1]), row,
                             row + LANES / F);
                box_muller_f(interleave((a[3] >> 32) ^ a[2], (b[3] >> 32) ^ b[2]), interleave(a[3], b[3]),
                             row + 2 * LANES / F, row + 3 * LANES / F);
            }
        }
    }
}

static __attribute__((noinline)) void fill_d(double (*z)[LANES], uint64_t path, uint32_t step, uint32_t stream,
                                             const Keys *keys) {
    Block blocks[CHUNK];
    for (int k = 0; k < CHUNK; k++) blocks[k] = block_of(step + k, keys);
    for (int j = 0; j < LANES; j += JAM * D) {
        Lane lane[JAM];
#pragma GCC unroll 8
        for (int n = 0; n < JAM; n++) lane[n] = lane_of(ramp(path + j + n * D, 1), stream, keys);
        for (int k = 0; k < CHUNK; k++) {
            vq c[JAM][4];
            philox(c, lane, &blocks[k], keys);
#pragma GCC unroll 8
            for (int n = 0; n < JAM; n++) {
                vd *row = (vd *)&z[2 * k][j + n * D];
                box_muller_d(c[n][1] ^ (c[n][0] << 32), c[n][3] ^ (c[n][2] << 32), row, row + LANES / D);
            }
        }
    }
}

static __attribute__((noinline)) void fill_words(uint64_t (*words)[2][LANES], uint64_t path, uint32_t step,
                                                 const Keys *keys) {
    Block blocks[CHUNK];
    for (int k = 0; k < CHUNK; k++) blocks[k] = block_of(step + k, keys);
    for (int j = 0; j < LANES; j += JAM * D) {
        Lane lane[JAM];
#pragma GCC unroll 8
        for (int n = 0; n < JAM; n++) lane[n] = lane_of(ramp(path + j + n * D, 1), 0, keys);
        for (int k = 0; k < CHUNK; k++) {
            vq c[JAM][4];
            philox(c, lane, &blocks[k], keys);
#pragma GCC unroll 8
            for (int n = 0; n < JAM; n++) {
                *(vq *)&words[k][0][j + n * D] = c[n][1] ^ (c[n][0] << 32);
                *(vq *)&words[k][1][j + n * D] = c[n][3] ^ (c[n][2] << 32);
            }
        }
    }
}

/* Functions of the updates -------------------------------------------------------------------------------------- */

INLINE vd erf_d(vd x) { /* x P(x^2)/Q(x^2), see kernels/special.py */
    x = min_d(max_d(x, SPLAT_D(-5.6)), SPLAT_D(5.6));
    vd u = x * x, v = u * u;
    static const double P[11] = {
        1.1283791670955348, 0.21504811195687176, 0.06433277946179575, 0.0064184047784708815,
        0.0007759060971838459, 4.7484849248377996e-05, 3.009059622608774e-06, 1.0724188458271297e-07,
        3.4111277857929924e-09, 3.52193785671425e-11, 3.5198241092985924e-14};
    static const double Q[11] = {
        1.0, 0.5239147604179462, 0.1316516948150123, 0.02099010919651951, 0.0023636937368471233,
        0.00019757804573313856, 1.2490037433345165e-05, 5.924768183113629e-07, 2.0110850510091935e-08,
        4.285073268934222e-10, 1.6781098345114378e-12};
    vd p = SPLAT_D(P[10]), p1 = SPLAT_D(P[9]), q = SPLAT_D(Q[10]), q1 = SPLAT_D(Q[9]);
#pragma GCC unroll 5
    for (int k = 8; k >= 0; k -= 2) {
        p = p * v + P[k], q = q * v + Q[k];
        if (k > 0) p1 = p1 * v + P[k - 1], q1 = q1 * v + Q[k - 1];
    }
    return x * (p + u * p1) / (q + u * q1);
}

/* The problem --------------------------------------------------------------------------------------------------- */

enum { SGD, SIGNSGD, ADAM, ADAM2025 };

typedef struct {
    double H[2][2], x0[2], eta, sigma, beta1, beta2, eps, rho1, rho2, v0;
    int64_t steps, every, workload, precision; /* precision 0: mix, 1: double */
    uint64_t seed;
} Problem;

typedef struct {
    double n, mean[2], m2[3];
} Moments;

typedef struct {
    double s[6][LANES]; /* x1 x2 m1 m2 v1 v2 */
} __attribute__((aligned(64))) State;

/* Adam's bias corrections at the step that begins at t: x -= m/(a sqrt v + b). */
typedef struct {
    double a, b, floor;
} Step;

INLINE vd normal_f(const void *rows, int row, int j) {
    const float(*z)[LANES] = rows;
    return __builtin_convertvector(*(const half_vf *)&z[row][j], vd);
}
INLINE vd normal_d(const void *rows, int row, int j) {
    const double(*z)[LANES] = rows;
    return *(const vd *)&z[row][j];
}

#define DEFINE_UPDATES(NAME, NOISE)                                                                                   \
    static __attribute__((noinline)) void sgd_##NAME(State *state, const NOISE *noise, const Problem *p) {            \
        const double h = p->eta, c = p->eta * p->sigma;                                                               \
        const double a00 = 1 - h * p->H[0][0], a01 = -h * p->H[0][1], a10 = -h * p->H[1][0], a11 = 1 - h * p->H[1][1]; \
        for (int j = 0; j < LANES; j += D) {                                                                          \
            vd x = *(vd *)&state->s[0][j], y = *(vd *)&state->s[1][j];                                                \
            for (int k = 0; k < CHUNK; k++) {                                                                         \
                vd u = a00 * x + (a01 * y - c * normal_##NAME(noise->z[0], 2 * k, j));                                \
                y = a11 * y + (a10 * x - c * normal_##NAME(noise->z[0], 2 * k + 1, j));                               \
                x = u;                                                                                                \
            }                                                                                                         \
            *(vd *)&state->s[0][j] = x, *(vd *)&state->s[1][j] = y;                                                   \
        }                                                                                                             \
    }                                                                                                                 \
    static __attribute__((noinline)) void signsgd_##NAME(State *state, const NOISE *noise, const Problem *p) {        \
        const double h = p->eta, scale = 1 / (sqrt(2.0) * p->sigma);                                                  \
        const double h00 = scale * p->H[0][0], h01 = scale * p->H[0][1], h10 = scale * p->H[1][0],                    \
                     h11 = scale * p->H[1][1];                                                                        \
        for (int k = 0; k < CHUNK; k++) {                                                                             \
            for (int j = 0; j < LANES; j += D) {                                                                      \
                vd x = *(vd *)&state->s[0][j], y = *(vd *)&state->s[1][j];                                            \
                vd mx = erf_d(h00 * x + h01 * y), my = erf_d(h10 * x + h11 * y);                                      \
                x -= h * (mx + sqrt_d(max_d(1.0 - mx * mx, SPLAT_D(0))) * normal_##NAME(noise->z[0], 2 * k, j));                           \
                y -= h * (my + sqrt_d(max_d(1.0 - my * my, SPLAT_D(0))) * normal_##NAME(noise->z[0], 2 * k + 1, j));                       \
                *(vd *)&state->s[0][j] = x, *(vd *)&state->s[1][j] = y;                                               \
            }                                                                                                         \
        }                                                                                                             \
    }                                                                                                                 \
    INLINE void adam_coordinate_##NAME(vd *x, vd *m, vd *v, vd G, vd z1, vd z2, const Problem *p, Step step,          \
                                       int full) {                                                                    \
        const double h = p->eta, s = p->sigma, A = h * p->rho1, B = h * p->rho1 * s, C = h * p->rho2;                 \
        vd g2 = G * G + s * s, root_v = sqrt_d(max_d(*v, C * g2));                                                      \
        vd drifted = *m + A * (G - *m), moved = drifted + B * z1;                                                     \
        *x -= (full ? moved : drifted) / (step.a * root_v + step.b);                                                  \
        *m = moved;                                                                                                   \
        vd pulled = (1 - C) * *v + C * g2;                                                                            \
        *v = pulled;                                                                                                  \
        if (full) *v += (2 * C * s) * (G * z1) + (C * s * s * sqrt(2.0)) * z2;                                        \
    }                                                                                                                 \
    INLINE void adam_steps_##NAME(State *state, const NOISE *noise, const Problem *p, const Step *steps, int first,   \
                                  int full) {                                                                         \
        for (int k = first; k < CHUNK; k++) {                                                                         \
            for (int j = 0; j < LANES; j += D) {                                                                      \
                vd s[6];                                                                                              \
                for (int i = 0; i < 6; i++) s[i] = *(vd *)&state->s[i][j];                                            \
                vd G0 = p->H[0][0] * s[0] + p->H[0][1] * s[1], G1 = p->H[1][0] * s[0] + p->H[1][1] * s[1];            \
                vd z0 = normal_##NAME(noise->z[0], 2 * k, j), z1 = normal_##NAME(noise->z[0], 2 * k + 1, j);          \
                vd w0 = full ? normal_##NAME(noise->z[1], 2 * k, j) : z0;                                             \
                vd w1 = full ? normal_##NAME(noise->z[1], 2 * k + 1, j) : z1;                                         \
                adam_coordinate_##NAME(&s[0], &s[2], &s[4], G0, z0, w0, p, steps[k], full);                           \
                adam_coordinate_##NAME(&s[1], &s[3], &s[5], G1, z1, w1, p, steps[k], full);                           \
                for (int i = 0; i < 6; i++) *(vd *)&state->s[i][j] = s[i];                                            \
            }                                                                                                         \
        }                                                                                                             \
    }                                                                                                                 \
    static __attribute__((noinline)) void adam_full_##NAME(State *state, const NOISE *noise, const Problem *p,        \
                                                           const Step *steps, int first) {                            \
        adam_steps_##NAME(state, noise, p, steps, first, 1);                                                          \
    }                                                                                                                 \
    static __attribute__((noinline)) void adam_2025_##NAME(State *state, const NOISE *noise, const Problem *p,        \
                                                           const Step *steps, int first) {                            \
        adam_steps_##NAME(state, noise, p, steps, first, 0);                                                          \
    }                                                                                                                 \
    static void adam_optimizer_##NAME(State *state, const NOISE *noise, const Problem *p) {                           \
        for (int j = 0; j < LANES; j++) { /* the optimizer's own first step */                                        \
            double g[2];                                                                                              \
            for (int i = 0; i < 2; i++)                                                                               \
                g[i] = p->H[i][0] * state->s[0][j] + p->H[i][1] * state->s[1][j] + p->sigma * noise->z[0][i][j];      \
            for (int i = 0; i < 2; i++) {                                                                             \
                double m = state->s[2 + i][j] = p->beta1 * state->s[2 + i][j] + (1 - p->beta1) * g[i];                \
                double v = state->s[4 + i][j] = p->beta2 * state->s[4 + i][j] + (1 - p->beta2) * g[i] * g[i];         \
                state->s[i][j] -= p->eta * m / ((1 - p->beta1) * (sqrt(v / (1 - p->beta2)) + p->eps));                \
            }                                                                                                         \
        }                                                                                                             \
    }                                                                                                                 \
    static void chunk_##NAME(State *state, NOISE *noise, const Problem *p, const Step *steps, uint64_t path,          \
                             uint32_t step, const Keys *keys) {                                                       \
        int first = 0;                                                                                                \
        fill_##NAME(noise->z[0], path, step, 0, keys);                                                                \
        if (p->workload == ADAM) fill_##NAME(noise->z[1], path, step, 1, keys);                                       \
        if (p->workload >= ADAM && step == 0) adam_optimizer_##NAME(state, noise, p), first = 1;                      \
        if (p->workload == SGD) sgd_##NAME(state, noise, p);                                                          \
        if (p->workload == SIGNSGD) signsgd_##NAME(state, noise, p);                                                  \
        if (p->workload == ADAM) adam_full_##NAME(state, noise, p, steps + step, first);                              \
        if (p->workload == ADAM2025) adam_2025_##NAME(state, noise, p, steps + step, first);                          \
    }

DEFINE_UPDATES(f, NoiseF)
DEFINE_UPDATES(d, NoiseD)

/* Moments ------------------------------------------------------------------------------------------------------- */

static Moments merged(Moments a, Moments b) { /* Chan et al. 1979 */
    double n = a.n + b.n, d0 = b.mean[0] - a.mean[0], d1 = b.mean[1] - a.mean[1];
    if (n == 0) return a;
    double w = a.n * b.n / n;
    return (Moments){n,
                     {a.mean[0] + d0 * b.n / n, a.mean[1] + d1 * b.n / n},
                     {a.m2[0] + b.m2[0] + d0 * d0 * w, a.m2[1] + b.m2[1] + d0 * d1 * w, a.m2[2] + b.m2[2] + d1 * d1 * w}};
}

static double sum(vd v) {
    double total = 0;
    for (int j = 0; j < D; j++) total += v[j];
    return total;
}

static Moments moments_of(const State *state) {
    vd m0 = {}, m1 = {}, c00 = {}, c01 = {}, c11 = {};
    for (int j = 0; j < LANES; j += D) m0 += *(vd *)&state->s[0][j], m1 += *(vd *)&state->s[1][j];
    double mean0 = sum(m0) / LANES, mean1 = sum(m1) / LANES;
    for (int j = 0; j < LANES; j += D) {
        vd a = *(vd *)&state->s[0][j] - mean0, b = *(vd *)&state->s[1][j] - mean1;
        c00 += a * a, c01 += a * b, c11 += b * b;
    }
    return (Moments){LANES, {mean0, mean1}, {sum(c00), sum(c01), sum(c11)}};
}

/* Runs --------------------------------------------------------------------------------------------------------- */

typedef struct {
    const Problem *problem;
    const Step *steps;
    int64_t first_block, blocks, paths;
    Moments moments[MAX_SAVES];
    double *snapshots; /* (T, 2, paths) or null */
} Share;

static void save(Share *share, int t, const State *state, uint64_t path) {
    share->moments[t] = merged(share->moments[t], moments_of(state));
    if (share->snapshots)
        for (int i = 0; i < 2; i++)
            memcpy(share->snapshots + (2 * t + i) * share->paths + path, state->s[i], sizeof state->s[i]);
}

static void *run_share(void *argument) {
    Share *share = argument;
    const Problem *p = share->problem;
    union {
        NoiseF f;
        NoiseD d;
    } noise;
    State state;
    Keys keys = keys_of(p->seed);
    for (int64_t b = share->first_block; b < share->first_block + share->blocks; b++) {
        uint64_t path = (uint64_t)b * LANES;
        for (int j = 0; j < LANES; j++) {
            state.s[0][j] = p->x0[0], state.s[1][j] = p->x0[1], state.s[2][j] = state.s[3][j] = 0;
            state.s[4][j] = state.s[5][j] = p->v0;
        }
        save(share, 0, &state, path);
        for (int64_t step = 0; step < p->steps; step += CHUNK) {
            if (p->precision)
                chunk_d(&state, &noise.d, p, share->steps, path, (uint32_t)step, &keys);
            else
                chunk_f(&state, &noise.f, p, share->steps, path, (uint32_t)step, &keys);
            if ((step + CHUNK) % p->every == 0) save(share, (int)((step + CHUNK) / p->every), &state, path);
        }
    }
    return 0;
}

/* Moments (T, 6) of paths 0 ... paths - 1: n, two means, centred second moments 11, 12, 22. Returns 0, or the number
   of the condition that the arguments break. */
int reference_run(const Problem *p, int64_t paths, int threads, Moments *moments, double *snapshots) {
    static const int saves_limit = MAX_SAVES;
    int64_t saves = p->every > 0 ? p->steps / p->every + 1 : 0;
    if (paths <= 0 || paths % LANES || paths >= 1ll << 32) return 1;
    if (p->every <= 0 || p->every % CHUNK || p->steps % p->every || saves > saves_limit) return 2;
    if (threads < 1 || threads > MAX_THREADS || p->workload < SGD || p->workload > ADAM2025) return 3;
    Step steps[p->steps + 1];
    for (int64_t k = 0; k < p->steps; k++) {
        double t = p->eta * k, gamma1 = -expm1(-p->rho1 * t), gamma2 = -expm1(-p->rho2 * t);
        steps[k] = (Step){gamma1 / (sqrt(gamma2) * p->eta), p->eps * gamma1 / p->eta, 0};
    }
    static __thread Share shares[MAX_THREADS];
    pthread_t handles[MAX_THREADS];
    int64_t blocks = paths / LANES;
    memset(shares, 0, sizeof shares);
    for (int i = 0; i < threads; i++) {
        int64_t first = blocks * i / threads, last = blocks * (i + 1) / threads;
        shares[i].problem = p, shares[i].steps = steps, shares[i].paths = paths, shares[i].snapshots = snapshots;
        shares[i].first_block = first, shares[i].blocks = last - first;
    }
    for (int i = 1; i < threads; i++)
        if (pthread_create(&handles[i], 0, run_share, &shares[i])) return 4;
    run_share(&shares[0]);
    for (int i = 1; i < threads; i++) pthread_join(handles[i], 0);
    for (int64_t t = 0; t < saves; t++) {
        moments[t] = (Moments){};
        for (int i = 0; i < threads; i++) moments[t] = merged(moments[t], shares[i].moments[t]);
    }
    return 0;
}

int reference_lanes(void) { return LANES; }

/* For timing the stages: `rounds` chunks of draws, of raw words (stage 0), float32 or float64 normals (1, 2). */
double reference_draws(int stage, int64_t rounds, uint64_t seed) {
    static union {
        NoiseF f;
        NoiseD d;
        uint64_t words[CHUNK][2][LANES];
    } noise __attribute__((aligned(64)));
    Keys keys = keys_of(seed);
    double total = 0;
    for (int64_t i = 0; i < rounds; i++) {
        uint32_t step = (uint32_t)(i * CHUNK);
        if (stage == 0) fill_words(noise.words, 0, step, &keys);
        if (stage == 1) fill_f(noise.f.z[0], 0, step, 0, &keys);
        if (stage == 2) fill_d(noise.d.z[0], 0, step, 0, &keys);
        total += noise.d.z[0][0][0];
    }
    return total;
}
