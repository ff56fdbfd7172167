#pragma once
/*
 * struct rn_net: a network that can be dialled. Readiness for data, completions for dial and lookup: a dial and a lookup
 * finish later, through their done function in the turn's EVENT phase, never inside the call; each can be cancelled.
 * Connections read straight into our buffers and write from borrowed slices, and tell readiness by edges.
 *
 * Knows nothing of stacks: gates (gate_*.c) join a stack's forwarders to a net.
 */
#include "base/buf.h"
#include "base/turn.h"
#include <runnel/addr.h>
#include <runnel/err.h>
#include <runnel/sock.h>
#include <runnel/tcp.h>

struct rn_net;
struct rn_net_conn;
struct rn_net_dgram;

/* --- a byte stream ------------------------------------------------------------------------------------------ */
struct rn_net_span {
    uint8_t *ptr;
    size_t len;
};

struct rn_net_conn_ops {
    /* Bytes read (> 0), 0 at the end of the stream, WOULD_BLOCK (RN_READABLE follows), CONN_RESET, host errors. */
    int64_t (*readv)(struct rn_net_conn *conn, const struct rn_net_span *to, unsigned n);
    /* Bytes taken (> 0), WOULD_BLOCK (RN_WRITABLE follows), CLOSED_FOR_SEND, CONN_RESET, host errors. */
    int64_t (*writev)(struct rn_net_conn *conn, const struct rn_slice *views, unsigned n);
    /* Half-close: the peer sees the end of our data. */
    void (*shut_write)(struct rn_net_conn *conn);
    /* Consumes: an orderly end, or a reset. */
    void (*close)(struct rn_net_conn *conn);
    void (*abort)(struct rn_net_conn *conn);
};

/* Embedded first in each kind's own struct. */
struct rn_net_conn {
    const struct rn_net_conn_ops *ops;
    /* RN_READABLE, RN_WRITABLE, RN_PEER_SHUT, RN_ERROR, RN_HANGUP; each edge once, in the EVENT phase. A new connection may
     * be written; what can be read of it is told. */
    void (*on_event)(struct rn_net_conn *conn, unsigned events);
    void *owner;
    struct rn_endpoint remote;
    /* RN_PEER_SHUT or RN_ERROR was seen: its edge is spent, so a short read does not mean that there is nothing more. */
    bool is_ending;
};

/* --- dial --------------------------------------------------------------------------------------------------- */
/* Embedded in the caller's session; owned by the caller, who keeps it until done or cancelled. */
struct rn_net_dial {
    struct rn_endpoint to;
    struct rn_endpoint client; /* on whose behalf: rules look at it; may be zero */
    /* @err 0: @conn is owned by the receiver; else NULL. The dial is over when this is called. */
    void (*done)(struct rn_net_dial *dial, int err, struct rn_net_conn *conn);
    void *pending;                /* the net's own, NULL when not in progress */
    const struct rn_net_ops *ops; /* whose; set by rn_net_dial_start */
    struct rn_task task;          /* for nets that answer in the same turn */
    int err;                      /* ditto */
};

/* --- datagrams ---------------------------------------------------------------------------------------------- */
struct rn_net_msg {
    struct rn_endpoint peer; /* to, or from */
    uint16_t segment_bytes;  /* 0: one datagram; else equal ones, the last may be shorter */
    uint8_t tos;
    uint8_t ttl; /* send: 0 the default */
    bool dont_fragment;
    bool was_cut; /* recv: longer than the room */
};

/* What the network said of a datagram we sent (IP_RECVERR): the inner sender hears of it. */
struct rn_net_dgram_err {
    struct rn_endpoint peer; /* whom it was sent to */
    enum rn_net_dgram_why {
        RN_NET_PORT,
        RN_NET_HOST,
        RN_NET_NET,
        RN_NET_PROHIBITED,
        RN_NET_TOO_BIG,
        RN_NET_TTL
    } why;
    uint32_t mtu;            /* TOO_BIG */
    struct rn_addr offender; /* who said it; none: this host */
};

/* A place for one datagram, and what came into it. */
struct rn_net_dgram_in {
    struct rn_net_span room[2]; /* filled in order; either may be empty */
    struct rn_net_msg msg;
    size_t len;
};

struct rn_net_dgram_ops {
    /* All or nothing. Bytes sent, WOULD_BLOCK, MSG_TOO_LONG (ask take_error for the MTU), NET_UNREACH, HOST_UNREACH. */
    int64_t (*send)(struct rn_net_dgram *dgram, const struct rn_slice *views, unsigned n,
                    const struct rn_net_msg *msg);
    /* Bytes received (0 is an empty datagram), WOULD_BLOCK. */
    int64_t (*recv)(struct rn_net_dgram *dgram, struct rn_net_span to, struct rn_net_msg *ret);
    /* Fills the first of @n places. Returns how many, fewer than @n when there are no more or an error waits; WOULD_BLOCK.
     * Only UDP has it. */
    int (*recv_many)(struct rn_net_dgram *dgram, struct rn_net_dgram_in *in, unsigned n);
    /* Errors: WOULD_BLOCK when there is none. */
    int (*take_error)(struct rn_net_dgram *dgram, struct rn_net_dgram_err *ret);
    void (*close)(struct rn_net_dgram *dgram); /* consumes */
};

struct rn_net_dgram {
    const struct rn_net_dgram_ops *ops;
    void (*on_event)(struct rn_net_dgram *dgram, unsigned events);
    void *owner;
};

enum rn_net_dgram_kind { RN_NET_UDP, RN_NET_ECHO /* messages as rn_ping_new */ };

/* --- names -------------------------------------------------------------------------------------------------- */
#define RN_NET_LOOKUP_MAX 16

struct rn_net_lookup {
    char name[256];
    enum rn_family family; /* RN_FAMILY_NONE: both */
    void (*done)(struct rn_net_lookup *lookup, int err);
    struct rn_addr addrs[RN_NET_LOOKUP_MAX];
    unsigned n_addrs;
    void *pending;
    const struct rn_net_ops *ops;
    struct rn_task task;
    int err;
};

/* --- the net ------------------------------------------------------------------------------------------------ */
struct rn_net_ops {
    const char *kind; /* "native", "reject", ... */
    /* Errors (nothing was started, done will not be called): NOMEM, LIMIT (file descriptors). */
    int (*dial)(struct rn_net *net, struct rn_net_dial *dial);
    void (*dial_cancel)(struct rn_net_dial *dial);
    /* @family and, for UDP, a wished local port (0: any). Errors: NET_UNREACH, NOT_PERMITTED, LIMIT, NOMEM, host. */
    int (*open_dgram)(struct rn_net *net, struct rn_net_dgram **ret, enum rn_net_dgram_kind kind,
                      const struct rn_endpoint *local);
    int (*lookup)(struct rn_net *net, struct rn_net_lookup *lookup); /* NULL: NOT_SUPPORTED */
    void (*lookup_cancel)(struct rn_net_lookup *lookup);
    void (*destroy)(struct rn_net *net); /* consumes; dials and connections must be over */
};

struct rn_net {
    const struct rn_net_ops *ops;
    struct rn_turn *turn; /* borrows */
};

/* Starts @dial. Errors as rn_net_ops.dial. */
RN_MUST_USE int rn_net_dial_start(struct rn_net *net, struct rn_net_dial *dial);
/* A no-op when it is not in progress; done is not called. */
void rn_net_dial_cancel(struct rn_net_dial *dial);
/* Consumes @net, which may be NULL. Returns NULL. */
struct rn_net *rn_net_free(struct rn_net *net);
