/* Seeded page contents and the checksum of files. The generator of the disk and the probe share them: what one
 * writes, the other proves. Everything is a few plain integer instructions per 8 bytes, because the guest often runs
 * under emulation, where vector instructions are slow helpers. */
#ifndef DORMOUSE_PATTERN_H
#define DORMOUSE_PATTERN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PAGE_BYTES 4096
#define PAGE_WORDS (PAGE_BYTES / 8)
#define MEBIBYTE (1024 * 1024ULL)
/* Words of the compressible part of a page; it repeats them, so it packs to nearly nothing, yet no two pages agree. */
#define TAG_WORDS 4

/* Spreads every bit of x over all bits: neighbouring pages and seeds get unrelated contents. */
static inline uint64_t mix64(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

static inline uint64_t next_random(uint64_t *state)
{
    *state = *state * 0xd1342543de82ef95ULL + 0x2545f4914f6cdd1dULL;
    /* The low half of such a sequence has short periods; the high half covers them. */
    return *state ^ (*state >> 32);
}

/* Page number `page` of the data named by `seed`: the first entropy_percent of it are incompressible. */
static inline void pattern_fill(uint64_t *words, uint64_t seed, uint64_t page, unsigned entropy_percent)
{
    uint64_t state = mix64(mix64(seed) ^ page);
    size_t random_words = PAGE_WORDS * entropy_percent / 100;
    uint64_t tag[TAG_WORDS];

    for (size_t i = 0; i < TAG_WORDS; i++)
        tag[i] = mix64(state + i);
    for (size_t i = 0; i < random_words; i++)
        words[i] = next_random(&state);
    for (size_t i = random_words; i < PAGE_WORDS; i++)
        words[i] = tag[i % TAG_WORDS];
}

/* The 64-bit checksum of a file: its length, then its bytes as little-endian words, the last one padded with zeros.
 * Each step is a bijection of the state, so a single changed word always changes the sum. */
static inline uint64_t checksum_start(uint64_t length_bytes)
{
    return mix64(length_bytes);
}

/* Every part but the last must be a multiple of 8 bytes. */
static inline uint64_t checksum_add(uint64_t sum, const void *bytes, size_t length_bytes)
{
    const unsigned char *at = bytes;
    uint64_t word;

    for (; length_bytes > 0; at += sizeof(word)) {
        size_t step = length_bytes < sizeof(word) ? length_bytes : sizeof(word);
        word = 0;
        if (step == sizeof(word))
            memcpy(&word, at, sizeof(word));
        else
            memcpy(&word, at, step);
        sum ^= word;
        sum = ((sum << 29) | (sum >> 35)) * 0x9fb21c651e98df25ULL;
        length_bytes -= step;
    }
    return sum;
}

static inline uint64_t checksum_end(uint64_t sum)
{
    return mix64(sum);
}

#endif
