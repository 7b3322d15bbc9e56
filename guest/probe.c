/* The probe: runs in the guest, measures there how fast the guest is, and proves that its memory and files are intact.
 *
 * It speaks over two virtio-serial ports, described in README.md. Three threads:
 *   control  answers the commands; has real-time priority, so the work loop on the same CPU cannot delay a ping
 *   worker   carries out the commands that take long, one after the other
 *   work     the closed, unpaced loop whose rate is the measure of the guest's health; pinned to the last CPU */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "pattern.h"

#define DISK "/mnt"
#define WORK_FILE DISK "/data/work.bin"
#define LINE_BYTES_MAX 512
#define ARGUMENTS_MAX 6
#define QUEUE_LENGTH 16
#define REGIONS_MAX 16
#define READ_BYTES (256 * 1024)
#define REPORT_NANOS 10000000ULL
#define MEBIBYTES_MAX (1024 * 1024ULL)
/* Left to the kernel and to the probe itself when memory is taken: without it the guest kills the probe. */
#define MEMORY_RESERVE_MEBIBYTES 24

struct command {
    const char *verb;
    int arguments; /* after the verb */
    bool quick;    /* answered by the control thread; all others by the worker */
    void (*run)(char **argument, char *answer);
};

/* Little-endian, without holes; README.md has the table. */
struct report {
    uint32_t magic;
    uint16_t version, size_bytes;
    uint64_t sequence, guest_nanos, iterations;
    uint64_t histogram[32];
    uint64_t latency_nanos_max;
};
_Static_assert(sizeof(struct report) == 296, "README.md and the host know this size");

struct region {
    char name[32];
    uint64_t *words, seed, pages;
    unsigned entropy_percent;
};

static int rate_port, control_port;

/* ---- small helpers ---- */

static void answer_with(char *answer, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(answer, LINE_BYTES_MAX, format, arguments);
    va_end(arguments);
}

static void fail(char *answer, const char *what)
{
    answer_with(answer, "error %s: %s", what, strerror(errno));
}

static uint64_t monotonic_nanos(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

/* Strict: digits only, 0 to max. */
static bool parse_number(const char *text, uint64_t max, uint64_t *value, char *answer)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && !errno && *value <= max)
        return true;
    answer_with(answer, "error '%.40s' is not a number from 0 to %llu", text, (unsigned long long)max);
    return false;
}

static uint64_t memory_available_kib(void)
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
static void *allocate(uint64_t mebibytes, char *answer)
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

/* ---- the work loop ---- */

static struct {
    pthread_t thread;
    bool running;
    atomic_bool stop;
    uint64_t mebibytes, pages, anonymous_pages;
    unsigned char *anonymous, *file;
    struct report report; /* counters are never reset: a report that was dropped loses nothing */
} work;

/* Nanoseconds per tick of the time-stamp counter, times 2^32. */
static uint64_t tick_scale;

static void calibrate_ticks(void)
{
    uint64_t nanos = monotonic_nanos(), ticks = __rdtsc();

    while (monotonic_nanos() - nanos < 20000000)
        ;
    ticks = __rdtsc() - ticks;
    nanos = monotonic_nanos() - nanos;
    tick_scale = (uint64_t)(((unsigned __int128)nanos << 32) / ticks);
}

static uint64_t ticks_to_nanos(uint64_t ticks)
{
    return (uint64_t)(((unsigned __int128)ticks * tick_scale) >> 32);
}

/* One page touch. Reads a file page, or reads and writes 64 bytes of an anonymous one. */
static uint64_t touch_page(uint64_t random)
{
    uint64_t page = ((random >> 32) * work.pages) >> 32, sum = 0;
    size_t line = (random & 63) * 64;

    if (page < work.anonymous_pages) {
        volatile uint64_t *words = (volatile uint64_t *)(work.anonymous + page * PAGE_BYTES + line);
        for (int i = 0; i < 8; i++)
            sum += words[i]++;
    } else {
        const volatile uint64_t *words =
            (const volatile uint64_t *)(work.file + (page - work.anonymous_pages) * PAGE_BYTES + line);
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
    uint64_t report_ticks = (uint64_t)(((unsigned __int128)REPORT_NANOS << 32) / tick_scale);
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

static void stop_work(void)
{
    if (!work.running)
        return;
    atomic_store(&work.stop, true);
    pthread_join(work.thread, NULL);
    munmap(work.anonymous, work.anonymous_pages * PAGE_BYTES);
    munmap(work.file, (work.pages - work.anonymous_pages) * PAGE_BYTES);
    work.running = false;
}

/* Maps both halves and brings every page in, so that the rate is steady from the first report on. */
static bool map_working_set(uint64_t mebibytes, char *answer)
{
    uint64_t half = mebibytes * MEBIBYTE / 2 / PAGE_BYTES * PAGE_BYTES;
    struct stat status;
    int file = open(WORK_FILE, O_RDONLY | O_CLOEXEC);
    void *mapped = MAP_FAILED;

    if (file < 0 || fstat(file, &status)) {
        fail(answer, WORK_FILE);
    } else if ((uint64_t)status.st_size < half) {
        answer_with(answer, "error working set of %llu MiB, at most %llu are possible", (unsigned long long)mebibytes,
                    (unsigned long long)status.st_size * 2 / MEBIBYTE);
    } else {
        mapped = mmap(NULL, half, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
        if (mapped == MAP_FAILED)
            fail(answer, WORK_FILE);
    }
    if (file >= 0)
        close(file);
    if (mapped == MAP_FAILED)
        return false;
    work.anonymous = allocate((mebibytes + 1) / 2, answer);
    if (!work.anonymous) {
        munmap(mapped, half);
        return false;
    }
    /* Huge pages come or do not come by chance, and with them the rate; small ones make runs comparable. */
    madvise(work.anonymous, half, MADV_NOHUGEPAGE);
    work.file = mapped;
    work.anonymous_pages = half / PAGE_BYTES;
    work.pages = work.anonymous_pages * 2;
    for (uint64_t page = 0; page < work.anonymous_pages; page++)
        pattern_fill((uint64_t *)(work.anonymous + page * PAGE_BYTES), mebibytes, page, 50);
    return true;
}

static void run_work(char **argument, char *answer)
{
    uint64_t mebibytes;
    pthread_attr_t attributes;
    cpu_set_t last_cpu;

    if (!parse_number(argument[0], MEBIBYTES_MAX, &mebibytes, answer))
        return;
    stop_work();
    if (mebibytes == 0 || !map_working_set(mebibytes, answer))
        return;
    work.mebibytes = mebibytes;
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

/* ---- memory ---- */

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

static void run_fill(char **argument, char *answer)
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

static void run_verify(char **argument, char *answer)
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

static void run_free(char **argument, char *answer)
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
static void run_touch(char **argument, char *answer)
{
    uint64_t mebibytes, ticks_max = 0;

    if (!parse_number(argument[0], MEBIBYTES_MAX, &mebibytes, answer))
        return;
    uint64_t *words = mebibytes ? allocate(mebibytes, answer) : NULL;
    if (!words)
        return;
    uint64_t start = monotonic_nanos(), pages = mebibytes * MEBIBYTE / PAGE_BYTES, dirty = 0;
    for (uint64_t page = 0; page < pages; page++) {
        uint64_t *at = words + page * PAGE_WORDS, ticks = __rdtsc();
        uint64_t seen = __atomic_exchange_n(at, page + 1, __ATOMIC_RELAXED);
        for (size_t i = 1; i < PAGE_WORDS; i++)
            seen |= at[i];
        dirty += seen != 0;
        ticks = __rdtsc() - ticks;
        if (ticks > ticks_max)
            ticks_max = ticks;
    }
    uint64_t nanos = monotonic_nanos() - start;
    munmap(words, mebibytes * MEBIBYTE);
    answer_with(answer, dirty ? "error dirtypages=%llu of %llu" : "ok nanos=%llu maxpagenanos=%llu",
                (unsigned long long)(dirty ? dirty : nanos),
                (unsigned long long)(dirty ? pages : ticks_to_nanos(ticks_max)));
}

/* ---- files ---- */

/* Reads one file through the page cache and compares it with its line of the manifest. */
static bool verify_file(const char *name, uint64_t length, uint64_t sum_expected, char *answer)
{
    static unsigned char buffer[READ_BYTES]; /* only the worker reads files */
    char path[LINE_BYTES_MAX];
    uint64_t sum = checksum_start(length), total = 0;
    ssize_t got = -1;

    snprintf(path, sizeof(path), DISK "/%.200s", name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    /* Regular files are read in full buffers until the end, so every part but the last is a multiple of 8 bytes. */
    while (file >= 0 && (got = read(file, buffer, sizeof(buffer))) > 0) {
        sum = checksum_add(sum, buffer, (size_t)got);
        total += (uint64_t)got;
    }
    if (got < 0)
        fail(answer, path);
    else if (total != length || checksum_end(sum) != sum_expected)
        answer_with(answer, "error file=%.200s bytes=%llu expected=%llu sum=%016llx expected=%016llx", name,
                    (unsigned long long)total, (unsigned long long)length, (unsigned long long)checksum_end(sum),
                    (unsigned long long)sum_expected);
    if (file >= 0)
        close(file);
    return got == 0 && total == length && checksum_end(sum) == sum_expected;
}

static void read_files(uint64_t bytes_max, char *answer)
{
    char name[256];
    unsigned long long sum, length, files = 0, bytes = 0;
    FILE *manifest = fopen(DISK "/manifest", "r");

    if (!manifest) {
        fail(answer, "manifest");
        return;
    }
    bool intact = true;
    while (intact && bytes < bytes_max && fscanf(manifest, "%llx %llu %255s", &sum, &length, name) == 3) {
        intact = verify_file(name, length, sum, answer);
        files++;
        bytes += length;
    }
    fclose(manifest);
    if (intact)
        answer_with(answer, files ? "ok files=%llu bytes=%llu" : "error manifest is empty", files, bytes);
}

static void run_read(char **argument, char *answer)
{
    (void)argument;
    read_files(UINT64_MAX, answer);
}

static void run_readsome(char **argument, char *answer)
{
    uint64_t mebibytes;

    if (parse_number(argument[0], MEBIBYTES_MAX, &mebibytes, answer))
        read_files(mebibytes * MEBIBYTE, answer);
}

/* Opens a file named by the host; names stay on the disk. */
static int open_named(const char *name, int flags, char *answer)
{
    char path[LINE_BYTES_MAX];
    int file = -1;

    if (strstr(name, "..")) {
        answer_with(answer, "error path '%.200s' holds '..'", name);
        return -1;
    }
    snprintf(path, sizeof(path), DISK "/%.200s", name);
    file = open(path, flags | O_CLOEXEC, 0644);
    if (file < 0)
        fail(answer, path);
    return file;
}

static void run_write(char **argument, char *answer)
{
    uint64_t seed, kibibytes, words[PAGE_WORDS];

    if (!parse_number(argument[1], UINT64_MAX, &seed, answer) ||
        !parse_number(argument[2], MEBIBYTES_MAX, &kibibytes, answer))
        return;
    int file = open_named(argument[0], O_WRONLY | O_CREAT | O_TRUNC, answer);
    if (file < 0)
        return;
    for (uint64_t at = 0; at < kibibytes * 1024; at += PAGE_BYTES) {
        size_t part = kibibytes * 1024 - at < PAGE_BYTES ? kibibytes * 1024 - at : PAGE_BYTES;
        pattern_fill(words, seed, at / PAGE_BYTES, 100);
        errno = ENOSPC; /* what a short write without an error means */
        if (write(file, words, part) != (ssize_t)part) {
            fail(answer, "write");
            close(file);
            return;
        }
    }
    int folder = open(DISK, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fsync(file) || folder < 0 || fsync(folder))
        fail(answer, "fsync");
    close(file);
    if (folder >= 0)
        close(folder);
}

static void run_check(char **argument, char *answer)
{
    uint64_t seed, kibibytes, words[PAGE_WORDS], expected[PAGE_WORDS];

    if (!parse_number(argument[1], UINT64_MAX, &seed, answer) ||
        !parse_number(argument[2], MEBIBYTES_MAX, &kibibytes, answer))
        return;
    int file = open_named(argument[0], O_RDONLY, answer);
    if (file < 0)
        return;
    uint64_t at = 0;
    ssize_t got;
    bool intact = true;
    while (intact && (got = read(file, words, PAGE_BYTES)) > 0) {
        pattern_fill(expected, seed, at / PAGE_BYTES, 100);
        intact = !memcmp(words, expected, (size_t)got);
        at += intact ? (uint64_t)got : 0;
    }
    close(file);
    if (!intact || at != kibibytes * 1024)
        answer_with(answer, "error file=%.200s offset=%llu %s", argument[0], (unsigned long long)at,
                    intact ? "is the end, another length is expected" : "is the start of a page that differs");
}

/* ---- the rest of the commands ---- */

static void run_ping(char **argument, char *answer)
{
    answer_with(answer, "ok %s", argument[0]);
}

static void run_sync(char **argument, char *answer)
{
    (void)argument;
    (void)answer;
    sync();
}

static void run_dropcaches(char **argument, char *answer)
{
    (void)argument;
    sync(); /* the kernel drops only clean pages */
    int file = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, "3", 1) != 1)
        fail(answer, "drop_caches");
    if (file >= 0)
        close(file);
}

static void run_info(char **argument, char *answer)
{
    (void)argument;
    uint64_t total = (uint64_t)sysconf(_SC_PHYS_PAGES) * PAGE_BYTES;
    answer_with(answer, "ok memorybytes=%llu availablebytes=%llu cpus=%ld uptimenanos=%llu", (unsigned long long)total,
                (unsigned long long)memory_available_kib() * 1024, sysconf(_SC_NPROCESSORS_ONLN),
                (unsigned long long)monotonic_nanos());
}

static void answer_line(const char *id, const char *answer);

/* Answers before it acts: afterwards nobody is left to answer. */
static void run_poweroff(char **argument, char *answer)
{
    stop_work();
    sync();
    mount(NULL, DISK, NULL, MS_REMOUNT | MS_RDONLY, NULL);
    answer_line(argument[-2], answer);
    usleep(20000); /* the answer leaves the guest before the power goes */
    reboot(RB_POWER_OFF);
    fail(answer, "poweroff");
}

static const struct command commands[] = {
    {"ping", 1, true, run_ping},        {"info", 0, true, run_info},         {"work", 1, false, run_work},
    {"fill", 4, false, run_fill},       {"verify", 1, false, run_verify},    {"free", 1, false, run_free},
    {"read", 0, false, run_read},       {"readsome", 1, false, run_readsome}, {"touch", 1, false, run_touch},
    {"write", 3, false, run_write},     {"check", 3, false, run_check},      {"dropcaches", 0, false, run_dropcaches},
    {"sync", 0, false, run_sync},       {"poweroff", 0, false, run_poweroff},
};

/* ---- control: lines in, lines out ---- */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    char lines[QUEUE_LENGTH][LINE_BYTES_MAX];
    unsigned first, count;
} queue = {.mutex = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

/* One write is one message of the port: lines of the two threads cannot mix. Blocks while no host is connected, so the
 * answer to a command that outlived a suspend is delivered after it. */
static void answer_line(const char *id, const char *answer)
{
    char line[LINE_BYTES_MAX + 64];
    int length = snprintf(line, sizeof(line), "%.40s %s\n", id, answer);

    while (write(control_port, line, (size_t)length) < 0 && (errno == EINTR || errno == EAGAIN))
        ;
}

static const struct command *find_command(const char *verb)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (!strcmp(commands[i].verb, verb))
            return &commands[i];
    return NULL;
}

/* Cuts the line into id, verb, arguments; returns their number. */
static int split(char *line, char **words)
{
    int count = 0;
    char *rest = NULL;

    for (char *word = strtok_r(line, " \r", &rest); word && count <= ARGUMENTS_MAX; word = strtok_r(NULL, " \r", &rest))
        words[count++] = word;
    return count;
}

static void run_line(const char *line)
{
    char copy[LINE_BYTES_MAX], answer[LINE_BYTES_MAX] = "ok";
    char *words[ARGUMENTS_MAX + 2];

    strcpy(copy, line);
    split(copy, words);
    find_command(words[1])->run(words + 2, answer);
    answer_line(words[0], answer);
}

static void *worker_loop(void *unused)
{
    char line[LINE_BYTES_MAX];

    for (;;) {
        pthread_mutex_lock(&queue.mutex);
        while (queue.count == 0)
            pthread_cond_wait(&queue.filled, &queue.mutex);
        strcpy(line, queue.lines[queue.first]);
        queue.first = (queue.first + 1) % QUEUE_LENGTH;
        queue.count--;
        pthread_mutex_unlock(&queue.mutex);
        run_line(line);
    }
    return unused;
}

static bool enqueue(const char *line)
{
    pthread_mutex_lock(&queue.mutex);
    bool fits = queue.count < QUEUE_LENGTH;
    if (fits)
        strcpy(queue.lines[(queue.first + queue.count++) % QUEUE_LENGTH], line);
    pthread_cond_signal(&queue.filled);
    pthread_mutex_unlock(&queue.mutex);
    return fits;
}

static void dispatch(const char *line)
{
    char copy[LINE_BYTES_MAX];
    char *words[ARGUMENTS_MAX + 2];

    strcpy(copy, line);
    int count = split(copy, words);
    const struct command *command = count < 2 ? NULL : find_command(words[1]);
    if (count == 0)
        return; /* a new host ends the line that its predecessor may have left half sent */
    if (!command || count != command->arguments + 2)
        answer_line(words[0], "error unknown command or wrong number of arguments");
    else if (command->quick)
        run_line(line);
    else if (!enqueue(line))
        answer_line(words[0], "error too many commands are waiting");
}

/* Returns what is there, or waits. The port reads as ended while no host is connected; the driver sends SIGIO when that
 * changes, so nothing polls: a polling guest would be a disturbed guest. */
static size_t read_control(char *buffer, size_t size)
{
    sigset_t io;
    struct timespec patience = {.tv_sec = 1, .tv_nsec = 0};

    sigemptyset(&io);
    sigaddset(&io, SIGIO);
    for (;;) {
        ssize_t got = read(control_port, buffer, size);
        if (got > 0)
            return (size_t)got;
        sigtimedwait(&io, NULL, &patience);
    }
}

static void control_loop(void)
{
    char line[LINE_BYTES_MAX], buffer[LINE_BYTES_MAX];
    size_t length = 0;

    for (;;) {
        size_t got = read_control(buffer, sizeof(buffer));
        for (size_t i = 0; i < got; i++) {
            if (buffer[i] != '\n') {
                /* A line that is too long is cut and then refused as a wrong command. */
                if (length < sizeof(line) - 1)
                    line[length++] = buffer[i];
                continue;
            }
            line[length] = '\0';
            length = 0;
            dispatch(line);
        }
    }
}

/* ---- start ---- */

/* The port that the host gave this name, or -1. */
static int open_port(const char *wanted, int flags)
{
    char path[512], name[128] = "";
    int port = -1;
    DIR *ports = opendir("/sys/class/virtio-ports");

    for (struct dirent *entry; ports && port < 0 && (entry = readdir(ports));) {
        snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", entry->d_name);
        FILE *in = fopen(path, "r");
        bool matches = in && fscanf(in, "%127s", name) == 1 && !strcmp(name, wanted);
        if (in)
            fclose(in);
        snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
        if (matches)
            port = open(path, O_RDWR | O_CLOEXEC | flags);
    }
    if (ports)
        closedir(ports);
    return port;
}

/* Ports are announced a moment after their driver is loaded. */
static int await_port(const char *name, int flags)
{
    int port = -1;

    for (int tries = 0; tries < 500 && (port = open_port(name, flags)) < 0; tries++)
        usleep(20000);
    if (port < 0)
        fprintf(stderr, "probe: no virtio-serial port named %s\n", name);
    return port;
}

int main(void)
{
    pthread_t worker;
    sigset_t io;
    struct sched_param priority = {.sched_priority = 10};

    /* Blocked everywhere and taken by sigtimedwait: no signal of a state change is lost between a read and the wait. */
    sigemptyset(&io);
    sigaddset(&io, SIGIO);
    sigprocmask(SIG_BLOCK, &io, NULL);
    rate_port = await_port("dormouse.probe.rate", O_NONBLOCK);
    control_port = await_port("dormouse.probe.control", 0);
    if (rate_port < 0 || control_port < 0)
        return 1;
    fcntl(control_port, F_SETOWN, getpid());
    fcntl(control_port, F_SETFL, O_ASYNC);
    calibrate_ticks();
    work.report = (struct report){.magic = 0x524d5244, .version = 1, .size_bytes = sizeof(struct report)};
    if (pthread_create(&worker, NULL, worker_loop, NULL))
        return 1;
    /* After the worker was made: that one and its work thread keep the ordinary priority. */
    sched_setscheduler(0, SCHED_FIFO, &priority);
    control_loop();
}
