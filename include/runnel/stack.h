#pragma once
/*
 * The stack: NICs, addresses, routes, neighbours and the sockets on top, as one object on one thread. It owns no
 * file descriptor, reads no clock and starts no thread: docs/embedding.md is a tour.
 */
#include <runnel/addr.h>
#include <runnel/attr.h>

struct rn_stack;
struct rn_turn;
struct rn_protos;

/* Every protocol of this library. A program that names a smaller table links less. */
extern RN_PUBLIC const struct rn_protos rn_protos_all;

/* Zero means the default named beside each member. */
struct rn_stack_opts {
    const struct rn_protos *protos; /* required, usually &rn_protos_all */
    uint8_t secret[32];       /* entropy for ISNs, cookies, hashes; required unless @is_test */
    bool is_test;             /* a fixed secret is fine */
    uint32_t icmp_rate_per_s; /* 1000; of ICMP errors, half of it to one destination */
    uint32_t icmp_burst;      /* 50 */
    uint32_t reass_max_bytes; /* 4 MiB for all fragments held */
    uint16_t
        tcp_mss_floor; /* 48, the least: no peer makes us send smaller segments (CVE-2019-11479) */
    size_t sock_max_bytes; /* for all socket queues together; default half of the pool */
    uint16_t port_first;   /* 32768: ephemeral ports, RFC 6056 */
    uint16_t port_last;    /* 60999 */
    uint8_t default_ttl;   /* 64 */
    bool
        allow_loopback_from_nic; /* accept 127/8 and ::1 from non-loopback NICs (route_localnet); false */
    bool is_forwarding;          /* route packets that are not ours; false */
};

/* Creates a stack on @turn's thread. Borrows @turn. Returns owned. Errors: NOMEM, MISSING_FIELDS. */
RN_PUBLIC RN_MUST_USE int rn_stack_new(struct rn_stack **ret, struct rn_turn *turn,
                                       const struct rn_stack_opts *opts);
/* Consumes @stack and all it owns: NICs (their devices are the caller's), routes, and every socket, which is aborted.
 * Must not be called from inside an event of this stack. Returns NULL. */
RN_PUBLIC struct rn_stack *rn_stack_free(struct rn_stack *stack);
RN_PUBLIC struct rn_turn *rn_stack_turn(const struct rn_stack *stack);
