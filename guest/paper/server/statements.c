/* Loaded into pgbench: counts its statements in the meter. */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "meter.h"

static struct meter *meter;
static __thread uint64_t started;

/* libpq's: sends one statement of a transaction. */
int PQsendQuery(void *connection, const char *statement)
{
    static int (*real)(void *, const char *);

    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "PQsendQuery");
        meter = open_meter();
    }
    if (!started)
        started = meter_nanos();
    meter_count(meter, &started);
    return real(connection, statement);
}
