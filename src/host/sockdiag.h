#pragma once
/* Open sockets by sock_diag: what to ask, and one answer as a value. */
#include "host/nl.h"
#include "host/nlattr.h"

#define RN_SOCKDIAG_ALL    0xffffffffu
#define RN_SOCKDIAG_LISTEN (1u << 10) /* 1 << TCP_LISTEN */

/* TCP of both families in one walk: the kernel's older question knows no family, and walking its table of established
 * connections is what a dump costs. @states is a mask of 1 << TCP_*. */
void rn_sockdiag_ask_tcp(struct rn_nl_msg *msg, uint32_t states);
/* @af: AF_INET, AF_INET6; @ip_proto: IPPROTO_UDP, _UDPLITE, _MPTCP ... */
void rn_sockdiag_ask_inet(struct rn_nl_msg *msg, uint8_t af, uint32_t ip_proto);
void rn_sockdiag_ask_unix(struct rn_nl_msg *msg);
void rn_sockdiag_ask_packet(struct rn_nl_msg *msg);

struct rn_sockdiag_sock {
    struct rn_addr local, remote; /* none for "any" of IPv6, 0.0.0.0 for IPv4 */
    struct rn_view path;          /* unix; a leading NUL marks the abstract kind */
    uint64_t cookie, cgroup_id;
    uint32_t inode, uid, ifindex, mark;
    uint32_t rx_queue_bytes, tx_queue_bytes;
    uint32_t peer_inode; /* unix */
    uint16_t local_port, remote_port;
    uint16_t protocol; /* packet: Ethernet protocol */
    uint8_t family;    /* RN_FAMILY_*; none for unix and packet */
    uint8_t state;     /* TCP_* */
    uint8_t type;      /* unix, packet: SOCK_* */
    uint8_t shutdown;
    bool is_v6only;
};

/* Errors: MALFORMED. */
RN_MUST_USE int rn_sockdiag_parse_inet(struct rn_view payload, struct rn_sockdiag_sock *ret);
RN_MUST_USE int rn_sockdiag_parse_unix(struct rn_view payload, struct rn_sockdiag_sock *ret);
RN_MUST_USE int rn_sockdiag_parse_packet(struct rn_view payload, struct rn_sockdiag_sock *ret);

/* Counts of one namespace from /proc/net/sockstat and sockstat6. */
struct rn_sockstat {
    uint32_t used;                                  /* of all families */
    uint32_t tcp, tcp_time_wait, udp, udplite, raw; /* both IP families */
};

/* Adds the counts of @text to @stat. */
void rn_sockstat_parse(struct rn_view text, struct rn_sockstat *stat);

/* The same by protocol, from /proc/net/protocols; what is not listed there this kernel has not loaded. */
struct rn_protocols {
    uint32_t local, packet, mptcp, ping; /* of both IP families; local: unix, streams too */
};

/* Adds the counts of @text to @p. */
void rn_protocols_parse(struct rn_view text, struct rn_protocols *p);
