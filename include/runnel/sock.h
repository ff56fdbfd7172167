#pragma once
/*
 * What every socket has: a stack, an event function, names, options, an error. A socket lives on its stack's thread;
 * nothing here blocks. Events are queued while packets are processed and fired at the end of the turn: inside the
 * function everything is allowed, closing the socket included.
 */
#include <runnel/stack.h>

struct rn_sock;

enum rn_event {
    RN_READABLE = 1 << 0,  /* data, a datagram, end of stream, or a connection to accept */
    RN_WRITABLE = 1 << 1,  /* send room after a short write; connected */
    RN_PEER_SHUT = 1 << 2, /* the peer sent FIN: no more data will come after what is queued */
    RN_ERROR = 1 << 3,     /* rn_sock_take_error() has something */
    RN_HANGUP =
        1 << 4, /* both directions are over; after it no event comes but those of accept queues */
    RN_DRAINED =
        1
        << 5, /* TCP: all written data was acknowledged (only when asked for by RN_SO_WANT_DRAINED) */
};

typedef void rn_sock_event_fn(struct rn_sock *sock, unsigned events, void *arg);

/* Edge-triggered: each condition is told once when it becomes true (and once at registration if it is true already).
 * NULL @fn: none. */
RN_PUBLIC void rn_sock_on_event(struct rn_sock *sock, rn_sock_event_fn *fn, void *arg);
/* The conditions that are true now (enum rn_event). */
RN_PUBLIC unsigned rn_sock_readiness(const struct rn_sock *sock);
RN_PUBLIC struct rn_stack *rn_sock_stack(const struct rn_sock *sock);

/* Local name; zero address and port pick any. Errors: PORT_IN_USE, BAD_LOCAL_ADDR, ALREADY_BOUND, NO_PORT. */
RN_PUBLIC RN_MUST_USE int rn_sock_bind(struct rn_sock *sock, const struct rn_endpoint *local);
/* TCP: CONNECT_STARTED (< 0, the usual answer), then RN_WRITABLE or RN_ERROR; called again it answers ALREADY_CONNECTING
 * until then, once what became of it (0 or the error), and ALREADY_CONNECTED ever after. Datagrams: fixes the peer, 0.
 * Errors: NET_UNREACH, ALREADY_CONNECTED, ALREADY_CONNECTING, NO_PORT, BAD_STATE, ADDR_FAMILY. */
RN_PUBLIC RN_MUST_USE int rn_sock_connect(struct rn_sock *sock, const struct rn_endpoint *remote);
/* Readies @sock for a write and says whether one would be taken now, but sends nothing: an unbound datagram socket gets its
 * port (as its first send would give it), the way to @to (NULL: the connected peer; datagrams only) is found and kept. 0, or
 * what the write would answer: WOULD_BLOCK (RN_WRITABLE tells when to try again), NOT_CONNECTED, CLOSED_FOR_SEND,
 * DEST_REQUIRED, ADDR_FAMILY, NET_UNREACH, NOT_PERMITTED; a pending error, which stays pending; ALREADY_CONNECTED (TCP
 * with @to). */
RN_PUBLIC RN_MUST_USE int rn_sock_preflight(struct rn_sock *sock, const struct rn_endpoint *to);
/* TCP only. @backlog: accepted connections that may wait; half-open ones have a limit of their own. Again: changes the
 * backlog. Errors: BAD_STATE, PORT_IN_USE, NOT_SUPPORTED. */
RN_PUBLIC RN_MUST_USE int rn_sock_listen(struct rn_sock *sock, unsigned backlog);
/* Returns owned an established connection. Errors: WOULD_BLOCK, BAD_STATE. */
RN_PUBLIC RN_MUST_USE int rn_sock_accept(struct rn_sock *sock, struct rn_sock **ret);

enum rn_shut { RN_SHUT_READ = 1, RN_SHUT_WRITE = 2, RN_SHUT_BOTH = 3 };

/* TCP's reading half: reads end the stream instead of waiting; what still comes can be read (as on Linux).
 * Errors: NOT_CONNECTED. Idempotent. */
RN_PUBLIC RN_MUST_USE int rn_sock_shutdown(struct rn_sock *sock, enum rn_shut how);
/* Consumes @sock (NULL is legal): TCP goes on in the background until its data and FIN are acknowledged (or sends RST
 * when unread data was thrown away, RFC 2525 §2.17). No event fires after this. Returns NULL. */
RN_PUBLIC struct rn_sock *rn_sock_close(struct rn_sock *sock);
/* Consumes @sock: TCP sends RST and forgets. Returns NULL. */
RN_PUBLIC struct rn_sock *rn_sock_abort(struct rn_sock *sock);

/* Zero members when not bound or connected. */
RN_PUBLIC struct rn_endpoint rn_sock_local(const struct rn_sock *sock);
RN_PUBLIC struct rn_endpoint rn_sock_remote(const struct rn_sock *sock);
/* Reads and clears the pending error (SO_ERROR): 0 or an rn_err. */
RN_PUBLIC int rn_sock_take_error(struct rn_sock *sock);

/*
 * Options carry one int64; times are in ns. One name, one unit, one effect each; a socket that has no such thing says
 * NO_PROTO_OPTION, a value out of range is BAD_OPTION.
 */
enum rn_sock_opt {
    RN_SO_REUSEADDR = 1, /* bool */
    RN_SO_REUSEPORT,     /* bool: several sockets share a port; flows are spread by hash */
    RN_SO_BROADCAST,     /* bool */
    RN_SO_KEEPALIVE,     /* bool */
    RN_SO_LINGER_NS, /* -1 off (default); 0: close sends RST; else what is unfinished then is reset */
    RN_SO_SNDBUF,    /* bytes; sets and fixes, as Linux (auto-tuning stops) */
    RN_SO_RCVBUF,    /* bytes; sets and fixes */
    RN_SO_RCVLOWAT,         /* bytes readable before RN_READABLE */
    RN_SO_BIND_NIC,         /* NIC id, 0 none */
    RN_SO_WANT_DRAINED,     /* bool: report RN_DRAINED */
    RN_SO_INQ,              /* read only: bytes (next datagram's) waiting */
    RN_SO_OUTQ,             /* read only: bytes not yet acknowledged or sent */
    RN_IP_TTL,              /* 1..255, unicast, both families */
    RN_IP_TOS,              /* 0..255: DS field; TCP keeps the ECN bits to itself */
    RN_IP_MTU_DISCOVER,     /* enum rn_pmtud */
    RN_IPV6_V6ONLY,         /* bool, before bind; default false: v4 arrives as v4 */
    RN_UDP_NO_CHECKSUM,     /* bool, IPv4 only */
    RN_TCP_NODELAY = 100,   /* bool */
    RN_TCP_CORK,            /* bool */
    RN_TCP_QUICKACK,        /* bool */
    RN_TCP_MAXSEG,          /* bytes, 88..65495; unset: by the path, 61440 at most */
    RN_TCP_KEEPIDLE_NS,     /* default 2 h */
    RN_TCP_KEEPINTVL_NS,    /* default 75 s */
    RN_TCP_KEEPCNT,         /* default 9 */
    RN_TCP_USER_TIMEOUT_NS, /* 0 off; RFC 5482 */
    RN_TCP_LINGER2_NS,      /* FIN-WAIT-2 of an orphan: default 60 s */
    RN_TCP_SYNCNT,          /* default 6 */
    RN_TCP_DEFER_ACCEPT_NS, /* listener: wait this long for data before accept */
    RN_TCP_WINDOW_CLAMP,    /* bytes, 0 none */
    RN_TCP_NOTSENT_LOWAT, /* bytes that may wait to be sent, 0 no limit: writes take no more; RN_WRITABLE at half of it */
    RN_TCP_FASTOPEN, /* listener: most connections that may be used before their handshake is done
                        (RFC 7413); 0 off (default) */
    RN_TCP_MAX_PACING_RATE, /* bytes/s, -1 none */
    RN_TCP_TIMEWAIT_NS,     /* default 60 s */
    RN_TCP_ECN,             /* enum rn_tcp_ecn_choice, before connect or listen */
    /* bool, default true, before connect or listen (then BAD_STATE): offer the option, or grant it to who offers. Read
     * later they say what was agreed on. */
    RN_TCP_TIMESTAMPS, /* RFC 7323 §3 */
    RN_TCP_SACK,       /* RFC 2018 */
    RN_TCP_WSCALE,     /* RFC 7323 §2 */
    /* bool, before connect: if a cookie of the destination is known connect answers 0 at once, and the first bytes written
     * leave in the SYN; else it asks for one. RFC 7413 */
    RN_TCP_FASTOPEN_CONNECT,
    /* bool, before connect or listen: Fast Open without cookies, for networks whose addresses cannot be forged */
    RN_TCP_FASTOPEN_NO_COOKIE,
    RN_TCP_BURST_SEGS,  /* 1..64, default 2: least segments of a burst, however slow the path */
    RN_TCP_RCVBUF_MOST, /* bytes, default 6 MiB: what auto-tuning may make of the receive buffer; the window scale follows it */
};

/* RN_TCP_ECN (RFC 3168), numbered as Linux's tcp_ecn. Who asks for Accurate ECN (RFC 9768), which counts marks instead of
 * telling of one a round trip, is content with RFC 3168's if the peer knows no better, and so is who grants it. */
enum rn_tcp_ecn_choice {
    RN_TCP_ECN_OFF,                /* not asked for, not granted */
    RN_TCP_ECN_ASK,                /* connect() asks for it, and it is granted to who asks */
    RN_TCP_ECN_GRANT,              /* granted to who asks; the default */
    RN_TCP_ECN_ACCURATE_ASK,       /* connect() asks for the accurate one, and either is granted */
    RN_TCP_ECN_ACCURATE_GRANT_ASK, /* connect() asks for RFC 3168's, and either is granted */
    RN_TCP_ECN_ACCURATE_GRANT,     /* not asked for, either is granted */
};

enum rn_pmtud { RN_PMTUD_DONT, RN_PMTUD_WANT, RN_PMTUD_DO, RN_PMTUD_PROBE };

RN_PUBLIC RN_MUST_USE int rn_sock_set_opt(struct rn_sock *sock, enum rn_sock_opt opt,
                                          int64_t value);
RN_PUBLIC RN_MUST_USE int rn_sock_get_opt(const struct rn_sock *sock, enum rn_sock_opt opt,
                                          int64_t *ret);
