// A plugin of gcc: counts in the meter what the compiler goes through. A pass over a large function takes a thousand times
// as long as one over a small function, and reading the headers has no passes; so each pass counts for the basic blocks
// of its function, and a declaration for as many as take as long.
#include <gcc-plugin.h>
#include <plugin-version.h>
#include <tree.h>
#include <basic-block.h>
#include <function.h>

#include "meter.h"

#define BLOCKS_PER_DECLARATION 3

int plugin_is_GPL_compatible;

static struct meter *meter;
static uint64_t started;

static void count_pass(void *, void *)
{
    if (cfun && cfun->cfg)
        meter_add(meter, &started, n_basic_blocks_for_fn(cfun));
}

static void count_declaration(void *, void *)
{
    meter_add(meter, &started, BLOCKS_PER_DECLARATION);
}

int plugin_init(struct plugin_name_args *info, struct plugin_gcc_version *)
{
    meter = open_meter();
    started = meter_nanos();
    if (meter) {
        register_callback(info->base_name, PLUGIN_PASS_EXECUTION, count_pass, nullptr);
        register_callback(info->base_name, PLUGIN_FINISH_DECL, count_declaration, nullptr);
    }
    return 0;
}
