#include "cli/net_totals.h"

#include <inttypes.h>
#include <runnel/stats.h>
#include <stdio.h>

static void tell_gates(const struct rn_net_totals *t)
{
    struct rn_gate_tcp_stats tcp = { 0 };
    struct rn_gate_udp_stats udp = { 0 };

    for (unsigned i = 0; i < t->n_parts; i++) {
        struct rn_gate_tcp_stats more;
        struct rn_gate_udp_stats more_udp;

        rn_gate_tcp_get_stats(t->parts[i].tcp, &more);
        tcp.opened += more.opened;
        tcp.refused += more.refused;
        tcp.reset += more.reset;
        tcp.bytes_up += more.bytes_up;
        tcp.bytes_down += more.bytes_down;
        rn_gate_udp_get_stats(t->parts[i].udp, &more_udp);
        udp.up += more_udp.up;
        udp.down += more_udp.down;
        udp.refused += more_udp.refused + more_udp.over_limit;
    }
    fprintf(stderr,
            "runnel: tcp: %" PRIu64 " connections, %" PRIu64 " refused, %" PRIu64 " reset; %" PRIu64
            " bytes up, %" PRIu64 " down\n",
            tcp.opened, tcp.refused, tcp.reset, tcp.bytes_up, tcp.bytes_down);
    fprintf(stderr, "runnel: udp: %" PRIu64 " sent up, %" PRIu64 " down; %" PRIu64 " refused\n",
            udp.up, udp.down, udp.refused);
}

static void tell_workers(const struct rn_net_totals *t)
{
    fprintf(stderr, "runnel: workers: %u; %" PRIu64 " packets came by another's queue\n",
            t->n_parts, t->handed_over);
    for (unsigned i = 0; i < t->n_parts; i++) {
        struct rn_gate_tcp_stats tcp;

        rn_gate_tcp_get_stats(t->parts[i].tcp, &tcp);
        fprintf(stderr, "runnel: worker %u: tcp: %" PRIu64 " connections\n", i, tcp.opened);
    }
}

/* The @index-th of one kind of counter, of all stacks. */
static struct rn_stat sum(const struct rn_net_totals *t,
                          struct rn_stat (*at)(const struct rn_stack *, size_t), size_t index)
{
    struct rn_stat all = at(t->parts[0].stack, index);

    for (unsigned i = 1; i < t->n_parts; i++)
        all.value += at(t->parts[i].stack, index).value;
    return all;
}

static void tell_drops(const struct rn_net_totals *t)
{
    for (size_t i = 0; i < rn_drops_count(); i++) {
        struct rn_stat drop = sum(t, rn_drops_at, i);

        if (drop.value != 0)
            fprintf(stderr, "runnel: dropped %" PRIu64 ": %s\n", drop.value, drop.text);
    }
}

static void tell_counters(const struct rn_net_totals *t)
{
    for (size_t i = 0; i < rn_stats_count(); i++) {
        struct rn_stat stat = sum(t, rn_stats_at, i);

        if (stat.value != 0)
            fprintf(stderr, "runnel: %s.%s %" PRIu64 "\n", stat.group, stat.name, stat.value);
    }
}

void rn_net_totals_tell(const struct rn_net_totals *totals)
{
    if (totals->verbose == 0)
        return;
    tell_gates(totals);
    if (totals->n_parts > 1)
        tell_workers(totals);
    tell_drops(totals);
    if (totals->verbose > 1)
        tell_counters(totals);
}
