#pragma once
/* What UDP and ping sockets share: names, a queue of datagrams, the way out. The protocol adds its header and reads it. */
#include "base/pktq.h"
#include "ip/ip.h"
#include "sock/sock.h"
#include <runnel/udp.h>

/* As TCP's, and more than Linux's 212 KiB: a super-packet of 64 KiB counts as the slab it holds. */
#define RN_DGRAM_RCVBUF  (1u << 20)
#define RN_DGRAM_BUF_MIN 4096
#define RN_DGRAM_BUF_MAX (64u << 20)

struct rn_dgram_sock;

/* A datagram on its way out, all questions answered but the protocol's. */
struct rn_dgram_out {
    struct rn_ip_out ip;
    uint16_t src_port;
    uint16_t dst_port;
    uint16_t segment_bytes;
};

struct rn_dgram_ops {
    struct rn_sock_ops sock;
    uint16_t max_bytes; /* of a message */
    uint16_t hdr_bytes; /* pushed by .emit */
    /* Writes the transport header in front of @pkt, which is the message. Errors: MALFORMED, NO_BUFFER; never consumes. */
    int (*emit)(struct rn_dgram_sock *d, struct rn_pkt *pkt, const struct rn_dgram_out *out);
};

struct rn_dgram_sock {
    struct rn_sock sock;
    const struct rn_dgram_ops *ops;
    struct rn_list link; /* of the protocol's sockets, for teardown */
    struct rn_pktq
        rx; /* each starts at what the application reads; its note lies in the packet's unused headroom */
    uint32_t rx_bytes; /* true bytes charged for .rx */
    uint32_t rcvbuf;
    struct rn_flow flow; /* towards .flow_dst */
    struct rn_addr flow_dst;
    struct rn_task writable; /* parked at the NIC after WOULD_BLOCK */
    uint8_t family;          /* enum rn_family; ping: its only one; UDP: none */
    bool is_shut_read;
    bool is_shut_write;
    bool no_checksum;
};

static inline struct rn_dgram_sock *rn_dgram_of(struct rn_sock *sock)
{
    return rn_container_of(sock, struct rn_dgram_sock, sock);
}

/* What recv will tell, kept in the headroom that a received packet has no other use for. */
struct rn_dgram_note {
    struct rn_endpoint from;
    struct rn_endpoint to;
};

/* False: the packet has no room for it (headers that somebody built in the head, nearly filling it). */
RN_MUST_USE bool rn_dgram_note_put(struct rn_pkt *pkt, const struct rn_dgram_note *note);
struct rn_dgram_note rn_dgram_note_get(const struct rn_pkt *pkt);

/* Returns owned, listed in @list. Errors: NOMEM. */
RN_MUST_USE int rn_dgram_new(struct rn_dgram_sock **ret, struct rn_stack *stack,
                             const struct rn_dgram_ops *ops, struct rn_list *list);
/* Consumes @pkt, which starts at what the application reads and has its note: queued, or dropped when the queue is full. */
void rn_dgram_enqueue(struct rn_dgram_sock *d, struct rn_pkt *pkt);
/* An ICMP error about something @d sent. */
void rn_dgram_error(struct rn_dgram_sock *d, const struct rn_icmp_err *err);
/* Aborts every socket of @list. */
void rn_dgram_abort_all(struct rn_list *list);

/* rn_sock_ops of all datagram sockets. */
int rn_dgram_bind(struct rn_sock *sock, const struct rn_endpoint *local);
int rn_dgram_connect(struct rn_sock *sock, const struct rn_endpoint *remote);
int rn_dgram_shutdown(struct rn_sock *sock, enum rn_shut how);
void rn_dgram_close(struct rn_sock *sock);
int rn_dgram_preflight(struct rn_sock *sock, const struct rn_endpoint *to);
unsigned rn_dgram_readiness(const struct rn_sock *sock);
int rn_dgram_set_opt(struct rn_sock *sock, enum rn_sock_opt opt, int64_t value);
int rn_dgram_get_opt(const struct rn_sock *sock, enum rn_sock_opt opt, int64_t *ret);
