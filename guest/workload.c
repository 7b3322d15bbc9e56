/* The workloads of the benchmarks' Debian: scripts that bring the guest to a state, then go on, and whose programs count
 * what they do in a meter that this reports in the place of the work loop's counts. Only the worker runs this. */
#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "paper/meter.h"

#define SCRIPTS "/usr/lib/dormouse/workloads"

static struct meter *meter;

/* Has real-time priority, as the control thread: what is measured may not delay its measure. */
static void *report_loop(void *unused)
{
    struct sched_param priority = {.sched_priority = 10};
    struct timespec next;

    pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority);
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (;;) {
        uint64_t counts[METER_BUCKETS];

        for (int i = 0; i < METER_BUCKETS; i++)
            counts[i] = __atomic_load_n(&meter->counts[i], __ATOMIC_RELAXED);
        report_counts(counts, __atomic_exchange_n(&meter->nanos_max, 0, __ATOMIC_RELAXED));
        clock_gettime(CLOCK_MONOTONIC, &next); /* After a stall there is one late report, not a burst of them. */
        next.tv_nsec += REPORT_NANOS;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
    return unused;
}

static bool make_meter(char *answer)
{
    int file = open(METER_FILE, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool made = file >= 0 && !fchmod(file, 0666) && !ftruncate(file, METER_BYTES);

    if (file >= 0)
        close(file);
    meter = made ? open_meter() : NULL;
    if (!meter)
        fail(answer, METER_FILE);
    return meter;
}

/* Starts the script; returns what it says from then on, or -1. Its signals are as they were before the probe's. */
static int start_script(const char *name)
{
    char path[LINE_BYTES_MAX];
    int words[2];
    sigset_t none;

    if (pipe2(words, O_CLOEXEC))
        return -1;
    snprintf(path, sizeof(path), SCRIPTS "/%s", name);
    pid_t pid = fork();
    if (pid == 0) {
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        setsid();
        dup2(words[1], 1);
        execl(path, path, NULL);
        _exit(127);
    }
    close(words[1]);
    if (pid < 0)
        close(words[0]);
    return pid < 0 ? -1 : words[0];
}

/* Waits until the script is ready, with the name of what its meter counts, or has ended. */
void run_workload(char **argument, char *answer)
{
    char unit[64] = "";
    pthread_t reports;

    stop_work();
    if (meter || strspn(argument[0], "abcdefghijklmnopqrstuvwxyz-") != strlen(argument[0])) {
        answer_with(answer, "error workload '%.40s': no such name, or another one runs", argument[0]);
        return;
    }
    if (!make_meter(answer))
        return;
    int words = start_script(argument[0]);
    FILE *in = words < 0 ? NULL : fdopen(words, "r");
    bool ready = in && fscanf(in, "ready %63s", unit) == 1;
    if (in)
        fclose(in);
    if (!ready)
        answer_with(answer, "error workload '%.40s': ended, or is not there; /run/workload.log says why", argument[0]);
    else if (pthread_create(&reports, NULL, report_loop, NULL))
        fail(answer, "thread");
    else
        answer_with(answer, "ok meter=%s", unit);
}
