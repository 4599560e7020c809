/* The figures of two tensors of one shape, gathered in one pass.
 *
 * It does what accumulator.py and outliers.py do with NumPy, and comes to the same counts, maxima and
 * positions; sums differ by float64 rounding, since they are added up in another order. kernel.py calls it,
 * without Python's lock, and holds the records below a second time.
 *
 * Elements are widened to float64 in chunks that stay in the processor's first cache. What is not finite is
 * counted and left out of the chunk; every loop behind that is one that a compiler turns into vectors. Of a
 * tensor whose elements do not follow each other in memory, a transposed one for instance, a chunk is first
 * moved together.
 */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* The loops are compiled for older and newer x86 processors, and the loader takes what fits this machine. */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_THIS_MACHINE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_THIS_MACHINE
#endif

/* Into each of the machines' versions. */
#define INLINED static inline __attribute__((always_inline))

#define CHUNK 512
#define BINS 40
#define MOST_AXES 8
#define MOST_BYTES 8 /* of a real */
#define MOST_KEPT 6 /* three complex elements */

typedef enum {
    FLOAT16, BFLOAT16, FLOAT32, FLOAT64, BOOL, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64
} Kind;

/* Where the reals of one side are, in the order of their positions. */
typedef struct {
    const char *first;
    int64_t axes; /* 0: they follow each other */
    int64_t sizes[MOST_AXES], strides[MOST_AXES]; /* strides in bytes; the last axis runs first */
} Values;

typedef struct {
    int64_t reference_kind, candidate_kind;
    int64_t signedness;      /* 0: subtract as float64; -1, 1: exactly, as signed or unsigned integers */
    int64_t kept;            /* how many of the worst are kept, at most MOST_KEPT */
    int64_t looks_for_jumps; /* else the two bounds of a jump are not read */
    int64_t lowest;          /* the exponent, biased as in a float64, at which the lowest bin ends */
    double atol, rtol, smallest_divisor;
    double jump_smallest, jump_scale;
} Task;

typedef struct {
    double distance, reference, candidate;
    int64_t position;
} Element;

typedef struct {
    int64_t finite, identical, nan_reference, nan_candidate, inf_reference, inf_candidate;
    int64_t nonfinite_mismatches, first_nonfinite; /* -1: none */
    int64_t mismatches, differs_at_zero, jumps, worst_count;
    double max_rel;
    double sums[8]; /* as in accumulator.py */
    double others_squares, others_max, others_at_worst; /* of what does not jump */
    int64_t histogram[BINS];
    Element worst[MOST_KEPT];
} Found;

/* kernel.py compares them with its own: it may have been changed, and this not yet compiled again. */
const int64_t padiff_record_sizes[] = {sizeof(Values), sizeof(Task), sizeof(Found)};

/* One chunk, widened. */
typedef struct {
    double reference[CHUNK], candidate[CHUNK], difference[CHUNK], magnitude[CHUNK];
    int64_t positions[CHUNK];
    int64_t offset;
    int is_whole; /* nothing was left out: positions are not filled */
} Chunk;

static inline int64_t place(const Chunk *chunk, int64_t i) {
    return chunk->is_whole ? chunk->offset + i : chunk->positions[i];
}

static inline uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline float widened_half(uint16_t half) {
    uint32_t magnitude = half & 0x7fffu;
    /* Read as a float32 the bits mean 2**-112 of the value, subnormal ones too. */
    float scaled = float_of_bits(magnitude << 13) * 0x1p112f;
    uint32_t bits;
    memcpy(&bits, &scaled, sizeof bits);
    bits = magnitude >= 0x7c00u ? 0x7f800000u | magnitude << 13 : bits;
    return float_of_bits(bits | (uint32_t)(half & 0x8000u) << 16);
}

/* The elements from `from` on, at this stride, one after the other. */
#define MOVED(type)                                                            \
    {                                                                          \
        for (int64_t i = 0; i < count; i++, from += stride, to += sizeof(type)) \
            memcpy(to, from, sizeof(type));                                    \
        break;                                                                 \
    }

static void move_together(const char *from, int64_t stride, int64_t bytes, int64_t count, char *restrict to) {
    switch (bytes) {
    case 1: MOVED(uint8_t)
    case 2: MOVED(uint16_t)
    case 4: MOVED(uint32_t)
    default: MOVED(uint64_t)
    }
}

/* Returns where `count` reals from position `start` on follow each other: where they are, or in `room`. */
static const void *stretch(const Values *values, int64_t bytes, int64_t start, int64_t count, char *room) {
    if (!values->axes) return values->first + start * bytes;
    const int64_t last = values->axes - 1;
    const int64_t *sizes = values->sizes, *strides = values->strides;
    const char *from = values->first;
    int64_t at[MOST_AXES];
    for (int64_t axis = last, left = start; axis >= 0; left /= sizes[axis--]) {
        at[axis] = left % sizes[axis];
        from += at[axis] * strides[axis];
    }
    for (int64_t done = 0; done < count;) {
        const int64_t left = sizes[last] - at[last], run = left < count - done ? left : count - done;
        move_together(from, strides[last], bytes, run, room + done * bytes);
        done += run;
        at[last] += run;
        from += run * strides[last];
        for (int64_t axis = last; axis > 0 && at[axis] == sizes[axis]; axis--) {
            from += strides[axis - 1] - sizes[axis] * strides[axis];
            at[axis] = 0;
            at[axis - 1]++;
        }
    }
    return room;
}

#define WIDENED(type, expression)                              \
    {                                                          \
        const type *from = (const type *)values;               \
        for (int64_t i = 0; i < count; i++) {                  \
            const type value = from[i];                        \
            out[i] = (expression);                             \
        }                                                      \
        break;                                                 \
    }

INLINED void widen(const void *values, int64_t kind, int64_t count, double *restrict out) {
    switch (kind) {
    case FLOAT16: WIDENED(uint16_t, (double)widened_half(value))
    case BFLOAT16: WIDENED(uint16_t, (double)float_of_bits((uint32_t)value << 16))
    case FLOAT32: WIDENED(float, (double)value)
    case FLOAT64: WIDENED(double, value)
    case BOOL: WIDENED(uint8_t, (double)value)
    case INT8: WIDENED(int8_t, (double)value)
    case INT16: WIDENED(int16_t, (double)value)
    case INT32: WIDENED(int32_t, (double)value)
    case INT64: WIDENED(int64_t, (double)value)
    case UINT8: WIDENED(uint8_t, (double)value)
    case UINT16: WIDENED(uint16_t, (double)value)
    case UINT32: WIDENED(uint32_t, (double)value)
    case UINT64: WIDENED(uint64_t, (double)value)
    }
}

static uint64_t whole(const void *values, int64_t kind, int64_t i) {
    switch (kind) {
    case INT8: return (uint64_t)(int64_t)((const int8_t *)values)[i];
    case INT16: return (uint64_t)(int64_t)((const int16_t *)values)[i];
    case INT32: return (uint64_t)(int64_t)((const int32_t *)values)[i];
    case INT64: return (uint64_t)((const int64_t *)values)[i];
    case UINT16: return ((const uint16_t *)values)[i];
    case UINT32: return ((const uint32_t *)values)[i];
    case UINT64: return ((const uint64_t *)values)[i];
    default: return ((const uint8_t *)values)[i];
    }
}

/* Modulo 2**64 the larger less the smaller is exact, even where int64 would overflow. */
static void subtract_whole(
    const Task *task, const void *reference, const void *candidate, int64_t count, double *out) {
    for (int64_t i = 0; i < count; i++) {
        const uint64_t a = whole(reference, task->reference_kind, i);
        const uint64_t b = whole(candidate, task->candidate_kind, i);
        const int is_less = task->signedness < 0 ? (int64_t)b < (int64_t)a : b < a;
        out[i] = is_less ? -(double)(a - b) : (double)(b - a);
    }
}

/* Counts what is not finite, and moves the rest together; returns how many that are. */
static int64_t set_aside(Chunk *chunk, int64_t count, Found *found) {
    int64_t left = 0;
    chunk->is_whole = 0;
    for (int64_t i = 0; i < count; i++) {
        const double reference = chunk->reference[i], candidate = chunk->candidate[i];
        if (isfinite(reference) && isfinite(candidate)) {
            chunk->reference[left] = reference;
            chunk->candidate[left] = candidate;
            chunk->positions[left++] = chunk->offset + i;
            continue;
        }
        const int nans = !!isnan(reference) + 2 * !!isnan(candidate);
        const int differs = nans ? nans != 3 : reference != candidate;
        found->nan_reference += nans & 1;
        found->nan_candidate += nans >> 1;
        found->inf_reference += !!isinf(reference);
        found->inf_candidate += !!isinf(candidate);
        found->nonfinite_mismatches += differs;
        found->mismatches += differs;
        if ((differs || nans) && found->first_nonfinite < 0) found->first_nonfinite = chunk->offset + i;
    }
    return left;
}

/* Three elements, or reals of so many, worst first; of equal distances the lowest positions. */
static void keep_worst(const Task *task, const Chunk *chunk, int64_t count, Found *found) {
    for (int64_t i = 0; i < count; i++) {
        const double distance = chunk->difference[i];
        const int is_full = found->worst_count == task->kept;
        if (!(distance > (is_full ? found->worst[task->kept - 1].distance : 0.0))) continue;
        int64_t at = is_full ? task->kept - 1 : found->worst_count++;
        for (; at > 0 && found->worst[at - 1].distance < distance; at--) found->worst[at] = found->worst[at - 1];
        found->worst[at] = (Element){distance, chunk->reference[i], chunk->candidate[i], place(chunk, i)};
    }
}

static inline double least_jump(const Task *task, double magnitude) {
    return task->jump_smallest * (magnitude > task->jump_scale ? magnitude : task->jump_scale);
}

INLINED void note_jumps(const Task *task, const Chunk *chunk, int64_t count, Found *found) {
    for (int64_t i = 0; i < count; i++) {
        const double distance = chunk->difference[i], magnitude = chunk->magnitude[i];
        if (distance > least_jump(task, magnitude)) {
            found->jumps++;
            continue;
        }
        found->others_squares += distance * distance;
        if (distance > found->others_max) {
            found->others_max = distance;
            found->others_at_worst = magnitude;
        }
    }
}

/* A product finds the few elements that may raise the maximum; only they are divided. It is a little low,
 * lest its rounding hide one. */
INLINED void note_relative(const Chunk *chunk, int64_t count, Found *found) {
    const double factor = found->max_rel * (1 - 0x1p-50);
    int64_t raising = 0;
#pragma omp simd reduction(+ : raising)
    for (int64_t i = 0; i < count; i++) raising += chunk->difference[i] > factor * chunk->magnitude[i];
    if (!raising) return;
    for (int64_t i = 0; i < count; i++) {
        if (!(chunk->difference[i] > found->max_rel * (1 - 0x1p-50) * chunk->magnitude[i])) continue;
        if (chunk->magnitude[i] == 0.0) {
            found->differs_at_zero = 1;
            continue;
        }
        const double relative = chunk->difference[i] / chunk->magnitude[i];
        if (relative > found->max_rel) found->max_rel = relative;
    }
}

INLINED uint8_t bin_of(int64_t number) {
    number = number < 0 ? 0 : number;
    return (uint8_t)(number >= BINS ? BINS - 1 : number);
}

/* Differences of one chunk are of few sizes: bin by bin all are looked at, 64 at a time, and no counter waits
 * for another. */
INLINED void count_bins(uint8_t *restrict bins, int64_t count, int64_t *histogram) {
    uint8_t lowest = BINS, highest = 0;
    for (int64_t i = 0; i < count; i++) {
        lowest = bins[i] < lowest ? bins[i] : lowest;
        highest = bins[i] > highest ? bins[i] : highest;
    }
    for (int64_t i = count; i % 64; i++) bins[i] = BINS;
    for (uint8_t bin = lowest; bin <= highest; bin++) {
        uint8_t hits[64] = {0};
        for (int64_t start = 0; start < count; start += 64)
            for (int i = 0; i < 64; i++) hits[i] += bins[start + i] == bin;
        int total = 0;
        for (int i = 0; i < 64; i++) total += hits[i];
        histogram[bin] += total;
    }
}

/* The exponent of a quotient of positive numbers is what is left of the difference of their bits: the
 * fractions borrow one where the upper is the smaller. Subnormal numbers and infinity need the division. */
INLINED void note_histogram(const Task *task, const Chunk *chunk, int64_t count, Found *found) {
    uint8_t bins[CHUNK];
    const double divisor = task->smallest_divisor;
    const int64_t lowest = task->lowest;
    if (!(divisor >= 0x1p-900 && divisor <= DBL_MAX)) {
        for (int64_t i = 0; i < count; i++) {
            const double magnitude = chunk->magnitude[i] > divisor ? chunk->magnitude[i] : divisor;
            bins[i] = bin_of((int64_t)(bits_of(chunk->difference[i] / magnitude) >> 52) - lowest);
        }
    } else {
        for (int64_t i = 0; i < count; i++) {
            const double magnitude = chunk->magnitude[i] > divisor ? chunk->magnitude[i] : divisor;
            const int64_t exponent = (int64_t)(bits_of(chunk->difference[i]) - bits_of(magnitude)) >> 52;
            bins[i] = bin_of(exponent + 1023 - lowest);
        }
    }
    count_bins(bins, count, found->histogram);
}

/* Adds up a chunk, and leaves distances and magnitudes in it; returns the largest distance. */
INLINED double add_sums(Chunk *chunk, int64_t count, int has_difference, double sums[8]) {
    const double *restrict reference = chunk->reference, *restrict candidate = chunk->candidate;
    double *restrict difference = chunk->difference, *restrict magnitude = chunk->magnitude;
    double bb = 0, aa = 0, ab = 0, dd = 0, b = 0, a = 0, d = 0, distances = 0, largest = 0;
#pragma omp simd reduction(+ : bb, aa, ab, dd, b, a, d, distances) reduction(max : largest)
    for (int64_t i = 0; i < count; i++) {
        const double one = reference[i], other = candidate[i];
        const double apart = has_difference ? difference[i] : other - one;
        const double distance = fabs(apart);
        bb += one * one;
        aa += other * other;
        ab += one * other;
        dd += apart * apart;
        b += one;
        a += other;
        d += apart;
        distances += distance;
        largest = distance > largest ? distance : largest;
        difference[i] = distance;
        magnitude[i] = fabs(one);
    }
    const double all[8] = {bb, aa, ab, dd, b, a, d, distances};
    memcpy(sums, all, sizeof all);
    return largest;
}

/* Takes a chunk whose distances and magnitudes `add_sums` has left in it. */
INLINED void note_chunk(
    const Task *task, const Chunk *chunk, int64_t count, double squares, double largest, Found *found) {
    if (found->worst_count < task->kept ? largest > 0.0 : largest > found->worst[task->kept - 1].distance)
        keep_worst(task, chunk, count, found);
    if (task->looks_for_jumps) {
        if (largest > task->jump_smallest * task->jump_scale || largest > found->others_max)
            note_jumps(task, chunk, count, found);
        else
            found->others_squares += squares;
    }
    note_relative(chunk, count, found);
    if (largest > task->atol) {
        const double atol = task->atol, rtol = task->rtol;
        int64_t outside = 0;
#pragma omp simd reduction(+ : outside)
        for (int64_t i = 0; i < count; i++) outside += chunk->difference[i] > rtol * chunk->magnitude[i] + atol;
        found->mismatches += outside;
    }
    note_histogram(task, chunk, count, found);
}

/* What the reference's side of a chunk adds up to, which is the candidate's too. */
INLINED void sums_of_equal(const Chunk *chunk, int64_t count, double *squares, double *total) {
    const double *restrict values = chunk->reference;
    double all_squares = 0, all = 0;
#pragma omp simd reduction(+ : all_squares, all)
    for (int64_t i = 0; i < count; i++) {
        all_squares += values[i] * values[i];
        all += values[i];
    }
    *squares = all_squares;
    *total = all;
}

/* Takes a stretch whose bits are equal on both sides: all follows from the sums of one. */
INLINED void add_equal(const Task *task, const void *values, int64_t count, Chunk *chunk, Found *found) {
    double squares, total;
    widen(values, task->reference_kind, count, chunk->reference);
    sums_of_equal(chunk, count, &squares, &total);
    if (!isfinite(squares)) {
        memcpy(chunk->candidate, chunk->reference, (size_t)count * sizeof(double));
        count = set_aside(chunk, count, found);
        sums_of_equal(chunk, count, &squares, &total);
    }
    const double more[8] = {squares, squares, squares, 0, total, total, 0, 0};
    for (int i = 0; i < 8; i++) found->sums[i] += more[i];
    found->finite += count;
    found->histogram[0] += count;
}

INLINED void add_different(
    const Task *task, const void *reference, const void *candidate, int64_t count, Chunk *chunk, Found *found) {
    double more[8], largest;
    widen(reference, task->reference_kind, count, chunk->reference);
    widen(candidate, task->candidate_kind, count, chunk->candidate);
    if (task->signedness) {
        subtract_whole(task, reference, candidate, count, chunk->difference);
        largest = add_sums(chunk, count, 1, more);
    } else {
        largest = add_sums(chunk, count, 0, more);
    }
    /* Sums of squares are finite only if every element is; they may also overflow, harmlessly. */
    if (!isfinite(more[0] + more[1])) {
        count = set_aside(chunk, count, found);
        largest = add_sums(chunk, count, 0, more);
    }
    for (int i = 0; i < 8; i++) found->sums[i] += more[i];
    found->finite += count;
    note_chunk(task, chunk, count, more[3], largest, found);
}

static int64_t width(int64_t kind) {
    static const int64_t WIDTHS[] = {2, 2, 4, 8, 1, 1, 2, 4, 8, 1, 2, 4, 8};
    return WIDTHS[kind];
}

/* Adds to `found` what `count` reals of both sides come to. */
FOR_THIS_MACHINE void padiff_measure(
    const Values *reference, const Values *candidate, int64_t count, const Task *task, Found *found) {
    Chunk chunk;
    char rooms[2][CHUNK * MOST_BYTES];
    const int64_t widths[] = {width(task->reference_kind), width(task->candidate_kind)};
    const int is_one_kind = task->reference_kind == task->candidate_kind;
    for (int64_t start = 0; start < count; start += CHUNK) {
        const int64_t size = count - start < CHUNK ? count - start : CHUNK;
        const void *one = stretch(reference, widths[0], start, size, rooms[0]);
        const void *other = stretch(candidate, widths[1], start, size, rooms[1]);
        chunk.offset = start;
        chunk.is_whole = 1;
        if (is_one_kind && !memcmp(one, other, (size_t)(size * widths[0]))) {
            add_equal(task, one, size, &chunk, found);
        } else {
            found->identical = 0;
            add_different(task, one, other, size, &chunk, found);
        }
    }
}

/* Fills both arrays with the jumps of `count` reals, of which `padiff_measure` has found as many. */
void padiff_jumps(const Values *reference, const Values *candidate, int64_t count, const Task *task,
                  int64_t *positions, double *sizes) {
    Chunk chunk;
    char rooms[2][CHUNK * MOST_BYTES];
    for (int64_t start = 0, jumps = 0; start < count; start += CHUNK) {
        const int64_t size = count - start < CHUNK ? count - start : CHUNK;
        const void *first = stretch(reference, width(task->reference_kind), start, size, rooms[0]);
        const void *second = stretch(candidate, width(task->candidate_kind), start, size, rooms[1]);
        widen(first, task->reference_kind, size, chunk.reference);
        widen(second, task->candidate_kind, size, chunk.candidate);
        if (task->signedness) subtract_whole(task, first, second, size, chunk.difference);
        for (int64_t i = 0; i < size; i++) {
            const double one = chunk.reference[i], apart = chunk.candidate[i] - one;
            const double distance = fabs(task->signedness ? chunk.difference[i] : apart);
            if (!isfinite(one) || !isfinite(chunk.candidate[i]) || !(distance > least_jump(task, fabs(one)))) continue;
            positions[jumps] = start + i;
            sizes[jumps++] = apart;
        }
    }
}
