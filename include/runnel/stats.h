#pragma once
/* Counters of a stack, by name: for tools that print all of them and need not know which there are. */
#include <runnel/nic.h>

struct rn_stat {
    const char *group; /* "tcp" */
    const char *name;  /* "in_segs" */
    const char *text;  /* "segments received" */
    uint64_t value;
};

/* How many there are; their order never changes while the library does not. */
RN_PUBLIC size_t rn_stats_count(void);
/* The counter at @index, which is below rn_stats_count(). */
RN_PUBLIC struct rn_stat rn_stats_at(const struct rn_stack *stack, size_t index);
/* By "group.name". Errors: NOT_FOUND. */
RN_PUBLIC RN_MUST_USE int rn_stats_get(const struct rn_stack *stack, const char *name,
                                       uint64_t *ret);

/* Packets a stack dropped, by reason: group "drop". No packet is lost that is not counted here (or at its device). */
RN_PUBLIC size_t rn_drops_count(void);
RN_PUBLIC struct rn_stat rn_drops_at(const struct rn_stack *stack, size_t index);

/* Of one NIC. Packets as on the wire, bytes with link headers. */
struct rn_nic_counts {
    uint64_t rx_pkts;
    uint64_t rx_bytes;
    uint64_t tx_pkts;
    uint64_t tx_bytes;
};

RN_PUBLIC void rn_nic_get_counts(const struct rn_nic *nic, struct rn_nic_counts *ret);
