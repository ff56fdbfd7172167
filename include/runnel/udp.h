#pragma once
/* UDP (RFC 768) and ping (ICMP echo) sockets, and the UDP forwarder. */
#include <runnel/sock.h>
#include <runnel/tcp.h>

/* What comes with a datagram. */
struct rn_dgram {
    struct rn_endpoint from;
    struct rn_endpoint to; /* the destination it was sent to */
    uint16_t
        segment_bytes; /* 0: one datagram; else the buffer holds equal datagrams of this size, last may be shorter */
    uint8_t ttl;
    uint8_t tos;
    int64_t time_ns; /* arrival, in the turn's time */
    size_t full_len; /* its real length; larger than what was copied: it was cut */
};

/* How to send one; zero members mean the socket's own. */
struct rn_dgram_opts {
    struct rn_endpoint to;  /* required unless connected */
    struct rn_addr source;  /* must be ours, or the NIC spoofing */
    uint16_t source_port;   /* only with RN_NIC_SPOOFING: answers of a gate */
    uint16_t segment_bytes; /* UDP_SEGMENT: cut into datagrams of this size */
    uint8_t ttl;
    uint8_t tos;
    bool has_tos;
};

/* Returns owned. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_udp_new(struct rn_sock **ret, struct rn_stack *stack);
/* Echo socket of @family: the local port is the echo identifier. Messages are the echo's data with its 8-byte header:
 * type 8/128 out, 0/129 in; sequence is the caller's, identifier and checksum are ours. Returns owned. */
RN_PUBLIC RN_MUST_USE int rn_ping_new(struct rn_sock **ret, struct rn_stack *stack,
                                      enum rn_family family);

/* All or nothing. Returns the bytes sent, WOULD_BLOCK (queue full), MSG_TOO_LONG, DEST_REQUIRED, NET_UNREACH,
 * HOST_UNREACH, NOT_PERMITTED (broadcast), CONN_REFUSED (pending error of a connected socket, told once). */
RN_PUBLIC RN_MUST_USE int64_t rn_dgram_send(struct rn_sock *sock, struct rn_slice bytes,
                                            const struct rn_dgram_opts *opts);
/* Takes the next datagram; @ret_from may be NULL. Returns bytes copied (>= 0), WOULD_BLOCK, or a pending error. */
RN_PUBLIC RN_MUST_USE int64_t rn_dgram_recv(struct rn_sock *sock, void *to, size_t max,
                                            struct rn_dgram *ret_dgram);

/* Forwarder: sees every datagram that no socket takes. */
struct rn_udp_forwarder;
struct rn_udp_request; /* valid only inside the function, unless accepted */

typedef void rn_udp_forward_fn(struct rn_udp_request *req, void *arg);

/* One per stack. Without one, or when the function neither accepts nor ignores, the sender gets port unreachable.
 * Returns owned. Errors: EXISTS, NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_udp_forwarder_new(struct rn_udp_forwarder **ret,
                                               struct rn_stack *stack, rn_udp_forward_fn *fn,
                                               void *arg);
RN_PUBLIC struct rn_udp_forwarder *rn_udp_forwarder_free(struct rn_udp_forwarder *fwd);
RN_PUBLIC struct rn_endpoint rn_udp_request_local(const struct rn_udp_request *req);
RN_PUBLIC struct rn_endpoint rn_udp_request_remote(const struct rn_udp_request *req);
/* A socket bound to the asked-for address and connected to the sender; the datagram is its first. Returns owned. */
RN_PUBLIC RN_MUST_USE int rn_udp_request_accept(struct rn_udp_request *req, struct rn_sock **ret);
/* Drops the datagram without an answer. */
RN_PUBLIC void rn_udp_request_ignore(struct rn_udp_request *req);
