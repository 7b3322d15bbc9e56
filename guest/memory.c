/* Memory that is filled with a seeded pattern and proven to be intact, and fresh memory proven to be zero. Only the
 * worker runs this. */
#define _GNU_SOURCE
#include "probe.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "pattern.h"

#define REGIONS_MAX 16

struct region {
    char name[32];
    uint64_t *words, seed, pages;
    unsigned entropy_percent;
};

static struct region regions[REGIONS_MAX];

static struct region *find_region(const char *name)
{
    for (int i = 0; i < REGIONS_MAX; i++)
        if (regions[i].words && !strcmp(regions[i].name, name))
            return &regions[i];
    return NULL;
}

static struct region *find_free_region(void)
{
    for (int i = 0; i < REGIONS_MAX; i++)
        if (!regions[i].words)
            return &regions[i];
    return NULL;
}

void run_fill(char **argument, char *answer)
{
    uint64_t seed, mebibytes, entropy;
    struct region *region = find_free_region();

    if (!parse_number(argument[1], UINT64_MAX, &seed, answer) ||
        !parse_number(argument[2], MEBIBYTES_MAX, &mebibytes, answer) ||
        !parse_number(argument[3], 100, &entropy, answer))
        return;
    if (!region || mebibytes == 0 || find_region(argument[0]) || strlen(argument[0]) >= sizeof(region->name)) {
        answer_with(answer, "error region '%.40s': taken, too long, empty, or one more than %d", argument[0],
                    REGIONS_MAX);
        return;
    }
    uint64_t *words = allocate(mebibytes, answer);
    if (!words)
        return;
    strcpy(region->name, argument[0]);
    region->words = words;
    region->seed = seed;
    region->pages = mebibytes * MEBIBYTE / PAGE_BYTES;
    region->entropy_percent = (unsigned)entropy;
    for (uint64_t page = 0; page < region->pages; page++)
        pattern_fill(words + page * PAGE_WORDS, seed, page, region->entropy_percent);
    answer_with(answer, "ok bytes=%llu", (unsigned long long)region->pages * PAGE_BYTES);
}

/* Whether the page is as it was filled; else the answer names the first word that is not. */
static bool verify_page(const uint64_t *words, uint64_t seed, uint64_t page, unsigned entropy_percent, char *answer)
{
    uint64_t expected[PAGE_WORDS];

    pattern_fill(expected, seed, page, entropy_percent);
    if (!memcmp(words, expected, PAGE_BYTES))
        return true;
    for (size_t i = 0; i < PAGE_WORDS; i++)
        if (words[i] != expected[i]) {
            answer_with(answer, "error page=%llu offset=%zu expected=%016llx found=%016llx", (unsigned long long)page,
                        i * 8, (unsigned long long)expected[i], (unsigned long long)words[i]);
            break;
        }
    return false;
}

void run_verify(char **argument, char *answer)
{
    struct region *region = find_region(argument[0]);

    if (!region) {
        answer_with(answer, "error region '%.40s' does not exist", argument[0]);
        return;
    }
    for (uint64_t page = 0; page < region->pages; page++)
        if (!verify_page(region->words + page * PAGE_WORDS, region->seed, page, region->entropy_percent, answer))
            return;
    answer_with(answer, "ok bytes=%llu", (unsigned long long)region->pages * PAGE_BYTES);
}

void run_free(char **argument, char *answer)
{
    struct region *region = find_region(argument[0]);

    if (!region) {
        answer_with(answer, "error region '%.40s' is not there to free", argument[0]);
        return;
    }
    munmap(region->words, region->pages * PAGE_BYTES);
    region->words = NULL;
}

/* Fresh memory must read as zero, whatever its page held before. The first access writes: a read would only map the
 * kernel's shared zero page, and the page would be taken, unchecked, afterwards. */
void run_touch(char **argument, char *answer)
{
    uint64_t mebibytes;

    if (!parse_number(argument[0], MEBIBYTES_MAX, &mebibytes, answer))
        return;
    uint64_t *words = mebibytes ? allocate(mebibytes, answer) : NULL;
    if (!words)
        return;
    struct touches touches = {.start_nanos = monotonic_nanos()};
    uint64_t pages = mebibytes * MEBIBYTE / PAGE_BYTES, dirty = 0;
    for (uint64_t page = 0; page < pages; page++) {
        uint64_t *at = words + page * PAGE_WORDS, ticks = __rdtsc();
        uint64_t seen = __atomic_exchange_n(at, page + 1, __ATOMIC_RELAXED);
        for (size_t i = 1; i < PAGE_WORDS; i++)
            seen |= at[i];
        dirty += seen != 0;
        add_touch(&touches, __rdtsc() - ticks);
    }
    munmap(words, mebibytes * MEBIBYTE);
    if (dirty)
        answer_with(answer, "error dirtypages=%llu of %llu", (unsigned long long)dirty, (unsigned long long)pages);
    else
        answer_touches(answer, &touches);
}

/* Reads one word of pages that are chosen at random: what a guest does outside of its working set. */
void run_sample(char **argument, char *answer)
{
    struct region *region = find_region(argument[0]);
    uint64_t count, seed, pause_micros, sum = 0;

    if (!parse_number(argument[1], UINT32_MAX, &count, answer) ||
        !parse_number(argument[2], UINT64_MAX, &seed, answer) ||
        !parse_number(argument[3], 1000000, &pause_micros, answer))
        return;
    if (!region) {
        answer_with(answer, "error region '%.40s' does not exist", argument[0]);
        return;
    }
    struct touches touches = {.start_nanos = monotonic_nanos()};
    uint64_t state = mix64(seed);
    for (uint64_t i = 0; i < count; i++) {
        /* What was read joins the randomness, as in the work loop. */
        uint64_t page = (((next_random(&state) + (sum & 1)) >> 32) * region->pages) >> 32, ticks = __rdtsc();
        sum += *(volatile uint64_t *)(region->words + page * PAGE_WORDS);
        add_touch(&touches, __rdtsc() - ticks);
        if (pause_micros)
            usleep((useconds_t)pause_micros);
    }
    answer_touches(answer, &touches);
}
