/* The closed, unpaced loop whose rate is the measure of the guest's health, and its reports. The loop's thread owns the
 * counters while it runs, the worker in between. */
#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <x86intrin.h>

#include "pattern.h"

#define WORK_FILE DISK "/data/work.bin"

/* Little-endian, without holes; README.md has the table. */
struct report {
    uint32_t magic;
    uint16_t version, size_bytes;
    uint64_t sequence, guest_nanos, iterations;
    uint64_t histogram[32];
    uint64_t latency_nanos_max;
};
_Static_assert(sizeof(struct report) == 296, "README.md and the host know this size");

static int rate_port;

static struct {
    pthread_t thread;
    bool running;
    atomic_bool stop;
    uint64_t mebibytes, pages, anonymous_pages;
    unsigned char *memory; /* anonymous pages, then those of the file */
    struct report report; /* counters are never reset: a report that was dropped loses nothing */
} work;

/* One page touch. Reads a file page, or reads and writes 64 bytes of an anonymous one. */
static uint64_t touch_page(uint64_t random)
{
    uint64_t page = ((random >> 32) * work.pages) >> 32, sum = 0;
    size_t line = (random & 63) * 64;
    volatile uint64_t *words = (volatile uint64_t *)(work.memory + page * PAGE_BYTES + line);

    if (page < work.anonymous_pages) {
        for (int i = 0; i < 8; i++)
            sum += words[i]++;
    } else {
        for (int i = 0; i < 8; i++)
            sum += words[i];
    }
    return sum;
}

static void send_report(void)
{
    struct report *report = &work.report;

    report->sequence++;
    report->guest_nanos = monotonic_nanos();
    /* The port never blocks. A host that does not read misses a report; the next one holds its counts. */
    if (write(rate_port, report, sizeof(*report)) == (ssize_t)sizeof(*report))
        report->latency_nanos_max = 0;
}

static void *work_loop(void *unused)
{
    struct report *report = &work.report;
    uint64_t random_state = mix64(work.mebibytes);
    uint64_t report_ticks = nanos_to_ticks(REPORT_NANOS);
    uint64_t last = __rdtsc(), next_report = last + report_ticks;

    while (!atomic_load_explicit(&work.stop, memory_order_relaxed)) {
        /* What was read joins the randomness: no touch can be left out or start before the one before it. */
        random_state += touch_page(next_random(&random_state)) & 1;
        uint64_t now = __rdtsc();
        uint64_t nanos = ticks_to_nanos(now - last) | 1;
        int bucket = 63 - __builtin_clzll(nanos);
        report->histogram[bucket < 32 ? bucket : 31]++;
        report->iterations++;
        if (nanos > report->latency_nanos_max)
            report->latency_nanos_max = nanos;
        last = now;
        if (now >= next_report) {
            send_report();
            /* Starts anew from now: after a stall there is one late report, not a burst of them. */
            last = __rdtsc();
            next_report = now + report_ticks;
        }
    }
    return unused;
}

/* Reports the meter of a workload in the place of the work loop's own counts; the loop must not be running. */
void report_counts(const uint64_t *counts, uint64_t nanos_max)
{
    struct report *report = &work.report;

    report->iterations = 0;
    for (int i = 0; i < 32; i++)
        report->iterations += report->histogram[i] = counts[i];
    if (nanos_max > report->latency_nanos_max)
        report->latency_nanos_max = nanos_max;
    send_report();
}

void stop_work(void)
{
    if (!work.running)
        return;
    atomic_store(&work.stop, true);
    pthread_join(work.thread, NULL);
    munmap(work.memory, work.mebibytes * MEBIBYTE);
    work.running = false;
}

/* Maps both halves, one right behind the other, and brings every page in, so that the rate is steady from the first report
 * on. Side by side, because the table of addresses of QEMU's emulation is indexed by their lower bits: two halves anywhere
 * would get into each other's way as chance has it. */
static bool map_working_set(uint64_t mebibytes, char *answer)
{
    uint64_t half = mebibytes * MEBIBYTE / 2 / PAGE_BYTES * PAGE_BYTES;
    struct stat status;
    int file = open(WORK_FILE, O_RDONLY | O_CLOEXEC);
    unsigned char *memory = NULL;
    bool mapped = false;

    if (file < 0 || fstat(file, &status)) {
        fail(answer, WORK_FILE);
    } else if ((uint64_t)status.st_size < half) {
        answer_with(answer, "error working set of %llu MiB, at most %llu are possible", (unsigned long long)mebibytes,
                    (unsigned long long)status.st_size * 2 / MEBIBYTE);
    } else if ((memory = allocate(mebibytes, answer))) {
        mapped = mmap(memory + half, half, PROT_READ, MAP_SHARED | MAP_POPULATE | MAP_FIXED, file, 0) != MAP_FAILED;
        if (!mapped)
            fail(answer, WORK_FILE);
    }
    if (file >= 0)
        close(file);
    if (!mapped) {
        if (memory)
            munmap(memory, mebibytes * MEBIBYTE);
        return false;
    }
    /* Huge pages come or do not come by chance, and with them the rate; small ones make runs comparable. */
    madvise(memory, half, MADV_NOHUGEPAGE);
    work.mebibytes = mebibytes;
    work.memory = memory;
    work.anonymous_pages = half / PAGE_BYTES;
    work.pages = work.anonymous_pages * 2;
    for (uint64_t page = 0; page < work.anonymous_pages; page++)
        pattern_fill((uint64_t *)(memory + page * PAGE_BYTES), mebibytes, page, 50);
    return true;
}

void run_work(char **argument, char *answer)
{
    uint64_t mebibytes;
    pthread_attr_t attributes;
    cpu_set_t last_cpu;

    if (!parse_number(argument[0], MEBIBYTES_MAX, &mebibytes, answer))
        return;
    stop_work();
    if (mebibytes == 0 || !map_working_set(mebibytes, answer))
        return;
    atomic_store(&work.stop, false);
    CPU_ZERO(&last_cpu);
    CPU_SET((int)sysconf(_SC_NPROCESSORS_ONLN) - 1, &last_cpu);
    pthread_attr_init(&attributes);
    pthread_attr_setaffinity_np(&attributes, sizeof(last_cpu), &last_cpu);
    errno = pthread_create(&work.thread, &attributes, work_loop, NULL);
    work.running = errno == 0;
    if (!work.running)
        fail(answer, "work thread");
}

void open_rate_reports(int port)
{
    rate_port = port;
    work.report = (struct report){.magic = 0x524d5244, .version = 1, .size_bytes = sizeof(struct report)};
}
