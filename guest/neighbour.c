/* A process beside the work loop, on the same CPU, that wakes up now and then, as those of a real guest do.
 *
 * QEMU's emulation (TCG) keeps a table of translated addresses for each vCPU, and chooses its size anew only when the
 * guest changes from one process to another. A guest in which the work loop ran alone would do that by chance: its rate
 * was seen to jump between levels a factor of 1.6 apart, and to stay on one for twenty seconds. */
#define _GNU_SOURCE
#include "probe.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NAP_MICROS 20000

/* Before the first thread is made and the first port is opened: the neighbour has none of them. */
bool start_neighbour(void)
{
    cpu_set_t last_cpu;
    pid_t pid = fork();

    if (pid != 0)
        return pid > 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    CPU_ZERO(&last_cpu);
    CPU_SET((int)sysconf(_SC_NPROCESSORS_ONLN) - 1, &last_cpu);
    sched_setaffinity(0, sizeof(last_cpu), &last_cpu);
    for (;;)
        usleep(NAP_MICROS);
}
