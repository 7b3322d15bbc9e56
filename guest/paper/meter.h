/* The meter of a workload: how many of its operations are done, by how long they took. One page of memory that all
 * processes of the workload count in and that the probe reports from. Without a probe (while the guest is built) counts
 * go nowhere. */
#ifndef DORMOUSE_METER_H
#define DORMOUSE_METER_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define METER_FILE "/run/dormouse-meter"
#define METER_BYTES 4096
#define METER_BUCKETS 32

/* Bucket i counts operations that took 2^i to 2^(i+1) - 1 ns. */
struct meter {
    uint64_t counts[METER_BUCKETS], nanos_max;
};

static inline struct meter *open_meter(void)
{
    int file = open(METER_FILE, O_RDWR | O_CLOEXEC);
    void *page = mmap(NULL, METER_BYTES, PROT_READ | PROT_WRITE, file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED,
                      file, 0);

    if (file >= 0)
        close(file);
    return page == MAP_FAILED ? NULL : (struct meter *)page;
}

static inline uint64_t meter_nanos(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

/* Counts operations that began at *start, which becomes now, each of which took the same time. Any thread, any process. */
static inline void meter_add(struct meter *meter, uint64_t *start, uint64_t operations)
{
    uint64_t now = meter_nanos(), nanos = ((now - *start) / operations) | 1;
    int bucket = 63 - __builtin_clzll(nanos);
    uint64_t longest = __atomic_load_n(&meter->nanos_max, __ATOMIC_RELAXED);

    __atomic_fetch_add(&meter->counts[bucket < METER_BUCKETS ? bucket : METER_BUCKETS - 1], operations,
                       __ATOMIC_RELAXED);
    while (nanos > longest &&
           !__atomic_compare_exchange_n(&meter->nanos_max, &longest, nanos, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
    *start = now;
}

/* Counts one. */
static inline void meter_count(struct meter *meter, uint64_t *start)
{
    meter_add(meter, start, 1);
}

#endif
