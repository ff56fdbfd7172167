#include "cli/net_totals.h"

#include <inttypes.h>
#include <runnel/stats.h>
#include <stdio.h>

static void tell_gates(const struct rn_net_totals *t)
{
    struct rn_gate_tcp_stats tcp;
    struct rn_gate_udp_stats udp;

    rn_gate_tcp_get_stats(t->tcp, &tcp);
    rn_gate_udp_get_stats(t->udp, &udp);
    fprintf(stderr,
            "runnel: tcp: %" PRIu64 " connections, %" PRIu64 " refused, %" PRIu64 " reset; %" PRIu64
            " bytes up, %" PRIu64 " down\n",
            tcp.opened, tcp.refused, tcp.reset, tcp.bytes_up, tcp.bytes_down);
    fprintf(stderr, "runnel: udp: %" PRIu64 " sent up, %" PRIu64 " down; %" PRIu64 " refused\n",
            udp.up, udp.down, udp.refused + udp.over_limit);
}

static void tell_drops(const struct rn_stack *stack)
{
    for (size_t i = 0; i < rn_drops_count(); i++) {
        struct rn_stat drop = rn_drops_at(stack, i);

        if (drop.value != 0)
            fprintf(stderr, "runnel: dropped %" PRIu64 ": %s\n", drop.value, drop.text);
    }
}

static void tell_counters(const struct rn_stack *stack)
{
    for (size_t i = 0; i < rn_stats_count(); i++) {
        struct rn_stat stat = rn_stats_at(stack, i);

        if (stat.value != 0)
            fprintf(stderr, "runnel: %s.%s %" PRIu64 "\n", stat.group, stat.name, stat.value);
    }
}

void rn_net_totals_tell(const struct rn_net_totals *totals)
{
    if (totals->verbose == 0)
        return;
    tell_gates(totals);
    tell_drops(totals->stack);
    if (totals->verbose > 1)
        tell_counters(totals->stack);
}
