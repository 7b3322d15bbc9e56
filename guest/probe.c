/* The probe: runs in the guest, measures there how fast the guest is, and proves that its memory and files are intact.
 *
 * It speaks over two virtio-serial ports, described in README.md. Three threads:
 *   control  answers the commands; has real-time priority, so the work loop on the same CPU cannot delay a ping
 *   worker   carries out the commands that take long, one after the other
 *   work     the closed, unpaced loop whose rate is the measure of the guest's health; pinned to the last CPU */
#define _GNU_SOURCE
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <time.h>
#include <unistd.h>

#include "pattern.h"

#define ARGUMENTS_MAX 6
#define QUEUE_LENGTH 16

struct command {
    const char *verb;
    int arguments; /* after the verb */
    bool quick;    /* answered by the control thread; all others by the worker */
    void (*run)(char **argument, char *answer);
};

static int control_port;

/* ---- commands ---- */

static void run_ping(char **argument, char *answer)
{
    answer_with(answer, "ok %s", argument[0]);
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
    {"sync", 0, false, run_sync},       {"poweroff", 0, false, run_poweroff}, {"sample", 4, false, run_sample},
    {"workload", 1, false, run_workload},
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
    if (!start_neighbour())
        return 1;
    int rate_port = await_port("dormouse.probe.rate", O_NONBLOCK);
    control_port = await_port("dormouse.probe.control", 0);
    if (rate_port < 0 || control_port < 0)
        return 1;
    fcntl(control_port, F_SETOWN, getpid());
    fcntl(control_port, F_SETFL, O_ASYNC);
    calibrate_ticks();
    open_rate_reports(rate_port);
    if (pthread_create(&worker, NULL, worker_loop, NULL))
        return 1;
    /* After the worker was made: that one and its work thread keep the ordinary priority. */
    sched_setscheduler(0, SCHED_FIFO, &priority);
    control_loop();
}
