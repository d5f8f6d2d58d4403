// Mixed CPU-bound work for speed measurements: a sort, look-ups in a table,
// loops over bytes and indirect calls. The first argument is the number of
// rounds, default 20. Prints a checksum of everything that was computed.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 1 << 16 };

static uint32_t values[COUNT];
static uint32_t table[COUNT];
static uint8_t bytes[COUNT];

static uint32_t next_random(uint32_t* state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

// Quicksort, so that the C library's version does not matter.
__attribute__((noinline)) void sort_values(uint32_t* first, uint32_t* last) {
    while (last - first > 1) {
        const uint32_t pivot = first[(last - first) / 2];
        uint32_t *low = first, *high = last - 1;
        while (low <= high) {
            while (*low < pivot) ++low;
            while (*high > pivot) --high;
            if (low > high) break;
            const uint32_t kept = *low;
            *low++ = *high;
            *high-- = kept;
        }
        sort_values(first, high + 1);
        first = low;
    }
}

__attribute__((noinline)) uint32_t look_up(uint32_t start, uint32_t steps) {
    for (uint32_t i = 0; i < steps; ++i) start = table[start % COUNT] + i;
    return start;
}

__attribute__((noinline)) uint32_t fold_bytes(uint32_t hash) {
    for (uint32_t i = 0; i < COUNT; ++i) hash = (hash ^ bytes[i]) * 16777619u;
    return hash;
}

static uint32_t op_add(uint32_t a, uint32_t b) { return a + b; }
static uint32_t op_mix(uint32_t a, uint32_t b) { return (a << 7 | a >> 25) ^ b; }
static uint32_t op_multiply(uint32_t a, uint32_t b) { return a * (b | 1); }
static uint32_t op_subtract(uint32_t a, uint32_t b) { return a - (b >> 3); }
static uint32_t (*const volatile operations[4])(uint32_t, uint32_t) = {op_add, op_mix, op_multiply, op_subtract};

int main(int argc, char** argv) {
    const unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 20;
    uint32_t random = 2463534242u, hash = 2166136261u;
    for (unsigned long round = 0; round < rounds; ++round) {
        for (uint32_t i = 0; i < COUNT; ++i) {
            values[i] = next_random(&random);
            table[i] = next_random(&random);
            bytes[i] = (uint8_t)(table[i] >> 11);
        }
        sort_values(values, values + COUNT);
        for (uint32_t i = 1; i < COUNT; ++i)
            if (values[i - 1] > values[i]) return 1;
        hash = look_up(hash + values[COUNT / 2], 4 * COUNT);
        hash = fold_bytes(hash);
        for (uint32_t i = 0; i < 4 * COUNT; ++i) hash = operations[hash >> 30](hash, values[i % COUNT]);
    }
    printf("%08x\n", hash);
    return 0;
}
