/* What every command needs: answers, numbers, clocks, memory. */
#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <x86intrin.h>

#include "pattern.h"

/* Left to the kernel and to the probe itself when memory is taken: without it the guest kills the probe. */
#define MEMORY_RESERVE_MEBIBYTES 24

void answer_with(char *answer, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(answer, LINE_BYTES_MAX, format, arguments);
    va_end(arguments);
}

void fail(char *answer, const char *what)
{
    answer_with(answer, "error %s: %s", what, strerror(errno));
}

uint64_t monotonic_nanos(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

/* Strict: digits only, 0 to max. */
bool parse_number(const char *text, uint64_t max, uint64_t *value, char *answer)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && !errno && *value <= max)
        return true;
    answer_with(answer, "error '%.40s' is not a number from 0 to %llu", text, (unsigned long long)max);
    return false;
}

uint64_t memory_available_kib(void)
{
    char line[128];
    unsigned long long kib = 0;
    FILE *in = fopen("/proc/meminfo", "r");

    while (in && fgets(line, sizeof(line), in))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
            break;
    if (in)
        fclose(in);
    return kib;
}

/* Anonymous memory, or NULL with the reason in the answer. Asks first: the kernel promises more than it has. */
void *allocate(uint64_t mebibytes, char *answer)
{
    uint64_t available = memory_available_kib() / 1024;
    void *memory;

    if (mebibytes + MEMORY_RESERVE_MEBIBYTES > available) {
        answer_with(answer, "error memory: %llu MiB asked for, %llu MiB available of which %d MiB stay free",
                    (unsigned long long)mebibytes, (unsigned long long)available, MEMORY_RESERVE_MEBIBYTES);
        return NULL;
    }
    memory = mmap(NULL, mebibytes * MEBIBYTE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        fail(answer, "memory");
        return NULL;
    }
    return memory;
}

/* Nanoseconds per tick of the time-stamp counter, times 2^32. */
static uint64_t tick_scale;

void calibrate_ticks(void)
{
    uint64_t nanos = monotonic_nanos(), ticks = __rdtsc();

    while (monotonic_nanos() - nanos < 20000000)
        ;
    ticks = __rdtsc() - ticks;
    nanos = monotonic_nanos() - nanos;
    tick_scale = (uint64_t)(((unsigned __int128)nanos << 32) / ticks);
}

uint64_t ticks_to_nanos(uint64_t ticks)
{
    return (uint64_t)(((unsigned __int128)ticks * tick_scale) >> 32);
}

uint64_t nanos_to_ticks(uint64_t nanos)
{
    return (uint64_t)(((unsigned __int128)nanos << 32) / tick_scale);
}

void add_touch(struct touches *touches, uint64_t ticks)
{
    uint64_t nanos = ticks_to_nanos(ticks) | 1;
    int bucket = 63 - __builtin_clzll(nanos);

    touches->counts[bucket < 32 ? bucket : 31]++;
    if (nanos > touches->nanos_max)
        touches->nanos_max = nanos;
}

void answer_touches(char *answer, const struct touches *touches)
{
    char counts[LINE_BYTES_MAX / 2 + 128];
    size_t length = 0;

    for (int i = 0; i < 32 && length < sizeof(counts); i++)
        length += (size_t)snprintf(counts + length, sizeof(counts) - length, i ? ",%llu" : "%llu",
                                   (unsigned long long)touches->counts[i]);
    answer_with(answer, "ok nanos=%llu maxpagenanos=%llu histogram=%s",
                (unsigned long long)(monotonic_nanos() - touches->start_nanos),
                (unsigned long long)touches->nanos_max, counts);
}
