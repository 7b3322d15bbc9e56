// A plugin of gcc: counts the passes that the compiler makes over the functions of a program in the meter.
#include <gcc-plugin.h>
#include <plugin-version.h>

#include "meter.h"

int plugin_is_GPL_compatible;

static struct meter *meter;
static uint64_t started;

static void count(void *, void *)
{
    meter_count(meter, &started);
}

int plugin_init(struct plugin_name_args *info, struct plugin_gcc_version *)
{
    meter = open_meter();
    started = meter_nanos();
    if (meter) {
        register_callback(info->base_name, PLUGIN_PASS_EXECUTION, count, nullptr);
        register_callback(info->base_name, PLUGIN_FINISH_DECL, count, nullptr);
    }
    return 0;
}
