#pragma once
/*
 * The part every socket shares: embedded first in struct rn_tcp, rn_udp, ... Readiness is collected while packets are
 * processed and fired once per turn by the ready task.
 */
#include "base/turn.h"
#include "stack/demux.h"
#include "stack/ports.h"
#include "stack/stack.h"
#include <runnel/sock.h>

struct rn_sock;

struct rn_sock_ops {
    const char *name;
    uint8_t proto;
    int (*bind)(struct rn_sock *sock, const struct rn_endpoint *local);
    int (*connect)(struct rn_sock *sock, const struct rn_endpoint *remote);
    int (*listen)(struct rn_sock *sock, unsigned backlog);     /* NULL: NOT_SUPPORTED */
    int (*accept)(struct rn_sock *sock, struct rn_sock **ret); /* NULL: NOT_SUPPORTED */
    int (*shutdown)(struct rn_sock *sock, enum rn_shut how);
    void (*close)(struct rn_sock *sock); /* consumes */
    void (*abort)(struct rn_sock *sock); /* consumes */
    int (*preflight)(struct rn_sock *sock, const struct rn_endpoint *to);
    unsigned (*readiness)(const struct rn_sock *sock);
    int (*set_opt)(struct rn_sock *sock, enum rn_sock_opt opt,
                   int64_t value); /* after the common ones */
    int (*get_opt)(const struct rn_sock *sock, enum rn_sock_opt opt, int64_t *ret);
};

enum rn_sock_flag {
    RN_SOCK_REUSEADDR = 1 << 0,
    RN_SOCK_REUSEPORT = 1 << 1,
    RN_SOCK_V6ONLY = 1 << 2,
    RN_SOCK_BROADCAST = 1 << 3,
    RN_SOCK_ORPHAN = 1 << 5, /* closed by the application; lives on by itself */
    RN_SOCK_BOUND = 1 << 6,
    RN_SOCK_SPOOFED = 1 << 7, /* made by a forwarder: its local address need not be ours */
};

struct rn_sock {
    const struct rn_sock_ops *ops;
    struct rn_stack *stack; /* borrows */
    rn_sock_event_fn *on_event;
    void *event_arg;
    struct rn_task ready;       /* EVENT phase, CATCH_UP or REFILL */
    struct rn_demux_node demux; /* key.local is the local name, key.remote the peer */
    struct rn_port_claim
        *claim;      /* owned; NULL for accepted connections, which share their listener's port */
    int16_t error;   /* pending SO_ERROR */
    uint16_t events; /* collected for the next firing */
    uint8_t flags;   /* enum rn_sock_flag */
    uint8_t ttl;     /* 0: the stack's */
    uint8_t tos;
    uint8_t pmtud; /* enum rn_pmtud */
};

void rn_sock_init(struct rn_sock *sock, struct rn_stack *stack, const struct rn_sock_ops *ops);
/* Leaves demux, releases the port, unschedules events. */
void rn_sock_fini(struct rn_sock *sock);
/* Collects @events; they fire in this turn's EVENT phase (or the next turn's). No-op for orphans. */
void rn_sock_ready(struct rn_sock *sock, unsigned events);
/* As rn_sock_ready, for events that came before there was a handler: they fire after all others, in the same round. */
void rn_sock_catch_up(struct rn_sock *sock, unsigned events);
/* There is room again for who was stopped: RN_WRITABLE, once all else is done. */
void rn_sock_refill(struct rn_sock *sock);
/* Records @err as pending error and collects RN_ERROR. The first error wins. */
void rn_sock_set_error(struct rn_sock *sock, int err);
/* Common options; PROTO-specific ones answer NO_PROTO_OPTION here. */
RN_MUST_USE int rn_sock_set_common_opt(struct rn_sock *sock, enum rn_sock_opt opt, int64_t value);
RN_MUST_USE int rn_sock_get_common_opt(const struct rn_sock *sock, enum rn_sock_opt opt,
                                       int64_t *ret);
/* Reserves @local with the socket's flags and makes it the local half of the demux key; listing the node is the caller's.
 * With port 0 the claim is made but none is taken yet. Errors as rn_sock_bind. */
RN_MUST_USE int rn_sock_claim(struct rn_sock *sock, const struct rn_endpoint *local,
                              unsigned extra_flags);
/* The same with an ephemeral port: for a bind to port 0 (@remote NULL: free of everybody), or a connect without a bind (the
 * tuple is free; RFC 6056). */
RN_MUST_USE int rn_sock_claim_any(struct rn_sock *sock, const struct rn_endpoint *local,
                                  const struct rn_endpoint *remote);
/* The conversation stands: of all that talk from one port to different remotes, one holds the claim for the others. */
void rn_sock_share_claim(struct rn_sock *sock);
/* ready.c's part of rn_sock_init. */
void rn_sock_ready_init(struct rn_sock *sock);
