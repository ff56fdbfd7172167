#pragma once
/* Where a destination named inside really leads: the gateway is the resolver and the host, loopback stays closed. */
#include "outnet/resolver.h"

/* systemd-resolved's stub listeners (systemd-resolved(8)): programs may carry them in their own configuration. */
#define RN_STUB_RESOLVER  0x7f000035u
#define RN_STUB_RESOLVER2 0x7f000036u

struct rn_policy {
    struct rn_addr gateway4, gateway6;
    struct rn_prefix inner4, inner6; /* the prefixes inside */
    bool host_loopback;
    const struct rn_resolver *resolver; /* borrows */
};

/* Changes @to to what the host's sockets should dial. Errors: NOT_PERMITTED (loopback), CONN_REFUSED (no such thing here),
 * NET_UNREACH (the host has no address of that family). Fits rn_gate_icmp_opts.map; @arg is the policy. */
int rn_policy_map(void *arg, struct rn_endpoint *to);
/* Is it a DNS server of ours: the gateway's port 53, the stub resolver's address, the host's nameservers? */
bool rn_policy_is_resolver(const struct rn_policy *policy, const struct rn_endpoint *to);
bool rn_policy_is_gateway(const struct rn_policy *policy, struct rn_addr addr);
/* As whom a peer of a published port appears inside: itself, or the gateway if its address cannot exist there. Fits
 * rn_gate_udp_opts.peer. */
struct rn_endpoint rn_policy_peer(void *arg, const struct rn_endpoint *peer);
/* rn_policy_map for connections: enum rn_gate_tcp_way, or an error. Fits rn_gate_tcp_opts.map. */
int rn_policy_tcp(void *arg, struct rn_endpoint *to);
/* rn_policy_map for datagrams: enum rn_gate_udp_way, or an error. Fits rn_gate_udp_opts.policy. */
int rn_policy_udp(void *arg, struct rn_endpoint *to);
