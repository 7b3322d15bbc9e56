/* What the parts of the probe share. Each command writes its answer, which is "ok" when it is called, into LINE_BYTES_MAX
 * bytes. */
#ifndef DORMOUSE_PROBE_H
#define DORMOUSE_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#define DISK "/mnt"
#define LINE_BYTES_MAX 512
#define MEBIBYTES_MAX (1024 * 1024ULL)
#define REPORT_NANOS 10000000ULL

/* answer.c: texts, numbers, clocks, memory */
void answer_with(char *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fail(char *answer, const char *what);
bool parse_number(const char *text, uint64_t max, uint64_t *value, char *answer);
uint64_t monotonic_nanos(void);
void calibrate_ticks(void);
uint64_t ticks_to_nanos(uint64_t ticks);
uint64_t nanos_to_ticks(uint64_t nanos);
uint64_t memory_available_kib(void);
void *allocate(uint64_t mebibytes, char *answer);

/* How long touches of pages took: bucket i counts those of 2^i to 2^(i+1) - 1 ns. */
struct touches {
    uint64_t counts[32], nanos_max, start_nanos;
};
void add_touch(struct touches *touches, uint64_t ticks);
void answer_touches(char *answer, const struct touches *touches);

/* work.c: the work loop */
void open_rate_reports(int port);
void stop_work(void);
void run_work(char **argument, char *answer);
void report_counts(const uint64_t *counts, uint64_t nanos_max);

/* workload.c: what runs in the benchmarks' Debian */
void run_workload(char **argument, char *answer);

/* neighbour.c: another process on the CPU of the work loop */
bool start_neighbour(void);

/* memory.c */
void run_fill(char **argument, char *answer);
void run_verify(char **argument, char *answer);
void run_free(char **argument, char *answer);
void run_touch(char **argument, char *answer);
void run_sample(char **argument, char *answer);

/* files.c */
void run_read(char **argument, char *answer);
void run_readsome(char **argument, char *answer);
void run_write(char **argument, char *answer);
void run_check(char **argument, char *answer);
void run_sync(char **argument, char *answer);
void run_dropcaches(char **argument, char *answer);

#endif
