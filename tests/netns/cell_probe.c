/*
 * Runs a command in a cell and tells what happens, one word and number a line on stderr. For cell.py.
 *
 *     cell_probe tun|veth|auto plain|userns|root RESOLV_CONF_TEXT COMMAND...
 */
#include "host/cell.h"
#include <runnel/err.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = { "started", "exec-failed", "stopped", "continued",
                                     "exited",  "empty",       "lost" };

static enum rn_cell_rung rung_of(const char *name)
{
    if (strcmp(name, "auto") == 0)
        return RN_CELL_AUTO;
    return strcmp(name, "tun") == 0 ? RN_CELL_TUN : RN_CELL_VETH;
}

static struct rn_addr addr(const char *text)
{
    struct rn_addr a;

    if (rn_addr_parse(text, &a) < 0)
        abort();
    return a;
}

static int follow(struct rn_cell *cell)
{
    struct rn_cell_event event;

    while (rn_cell_wait(cell, -1, &event) >= 0)
        fprintf(stderr, "%s %d\n", words[event.kind], event.value);
    rn_cell_free(cell);
    return 0;
}

int main(int argc, char **argv)
{
    struct rn_cell_opts opts = { .net = { .mtu = 65520,
                                          .bits4 = 30,
                                          .bits6 = 64,
                                          .has_default4 = true,
                                          .has_default6 = true } };
    struct rn_cell_failure failure;
    struct rn_cell *cell;

    if (argc < 5)
        return 2;
    opts.net.rung = rung_of(argv[1]);
    opts.net.addr4 = addr("10.99.0.2");
    opts.net.gateway4 = addr("10.99.0.1");
    opts.net.addr6 = addr("fd00:99::2");
    opts.net.gateway6 = addr("fd00:99::1");
    opts.has_userns = strcmp(argv[2], "plain") != 0;
    opts.maps_root = strcmp(argv[2], "root") == 0;
    opts.resolv_conf = argv[3];
    opts.argv = argv + 4;
    if (rn_cell_spawn(&cell, &opts, &failure) < 0) {
        fprintf(stderr, "refused cannot %s %s: %d\n", rn_cell_stage_text(failure.stage),
                failure.detail, failure.err);
        return 125;
    }
    fprintf(stderr, "rung %d\nkeeper %d\nwarnings %u\n", (int)rn_cell_report(cell)->rung,
            (int)rn_cell_keeper(cell), rn_cell_report(cell)->warnings);
    if (rn_cell_release(cell) < 0)
        return 125;
    fclose(stdout); /* the command's alone from now on */
    return follow(cell);
}
