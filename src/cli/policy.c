#include "cli/policy.h"

#include "outnet/gate_tcp.h"
#include "outnet/gate_udp.h"
#include "outnet/native_fd.h"
#include "wire/dns.h"

#include <unistd.h>

bool rn_policy_is_gateway(const struct rn_policy *policy, struct rn_addr addr)
{
    if (rn_addr_is_none(addr))
        return false;
    return rn_addr_eq(addr, policy->gateway4) || rn_addr_eq(addr, policy->gateway6);
}

bool rn_policy_is_resolver(const struct rn_policy *policy, const struct rn_endpoint *to)
{
    uint32_t v4 = rn_addr_to_v4(to->addr);

    if (to->port != RN_DNS_PORT)
        return false;
    return rn_policy_is_gateway(policy, to->addr) || v4 == RN_STUB_RESOLVER ||
           v4 == RN_STUB_RESOLVER2 || rn_resolver_is_server(policy->resolver, to->addr);
}

/* The address this host would use to reach the world: no packet is sent by connecting a datagram socket. */
static struct rn_addr host_addr(bool is_v4)
{
    /* Documentation prefixes: nobody's, so the default route answers (RFC 5737, RFC 3849). */
    static const uint8_t world6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
    struct rn_endpoint world = { .addr = is_v4 ? rn_addr_v4(0xc0000201) : rn_addr_v6(world6),
                                 .port = 9 };
    struct rn_native_addr to = rn_native_addr_of(&world);
    int fd = socket(to.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0); /* syscalls: socket */
    struct rn_addr own = rn_addr_none();

    if (fd < 0)
        return own;
    if (connect(fd, &to.sa, to.len) == 0) /* syscalls: connect */
        own = rn_native_name(fd).addr;
    close(fd); /* syscalls: close */
    return own;
}

static int map_gateway(const struct rn_policy *policy, struct rn_endpoint *to)
{
    bool is_v4 = rn_addr_is_v4(to->addr);
    static const uint8_t loopback6[16] = { [15] = 1 };

    if (policy->host_loopback) {
        to->addr = is_v4 ? rn_addr_v4(0x7f000001) : rn_addr_v6(loopback6);
        return RN_OK;
    }
    to->addr = host_addr(is_v4);
    return rn_addr_is_none(to->addr) || rn_addr_is_loopback(to->addr) ? RN_E_CONN_REFUSED : RN_OK;
}

int rn_policy_map(void *arg, struct rn_endpoint *to)
{
    const struct rn_policy *policy = arg;

    if (rn_policy_is_gateway(policy, to->addr))
        return map_gateway(policy, to);
    if (rn_addr_is_loopback(to->addr) || rn_addr_is_any(to->addr))
        return policy->host_loopback ? RN_OK : RN_E_NOT_PERMITTED;
    return RN_OK;
}

struct rn_endpoint rn_policy_peer(void *arg, const struct rn_endpoint *peer)
{
    const struct rn_policy *policy = arg;
    bool is_v4 = rn_addr_is_v4(peer->addr);
    struct rn_endpoint seen = { .addr = peer->addr, .port = peer->port };

    if (rn_addr_is_loopback(peer->addr) || rn_addr_is_link_local(peer->addr) ||
        rn_prefix_contains(is_v4 ? &policy->inner4 : &policy->inner6, peer->addr))
        seen.addr = is_v4 ? policy->gateway4 : policy->gateway6;
    return seen;
}

int rn_policy_tcp(void *arg, struct rn_endpoint *to)
{
    int err;

    if (rn_policy_is_resolver(arg, to))
        return RN_GATE_TCP_DNS;
    err = rn_policy_map(arg, to);
    return err < 0 ? err : RN_GATE_TCP_OUT;
}

int rn_policy_udp(void *arg, struct rn_endpoint *to)
{
    int err;

    if (rn_policy_is_resolver(arg, to))
        return RN_GATE_UDP_RESOLVER;
    err = rn_policy_map(arg, to);
    return err < 0 ? err : RN_GATE_UDP_OUT;
}
