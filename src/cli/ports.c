#include "cli/ports.h"

#include "cli/holder.h"
#include "outnet/native_fd.h"

#include <errno.h>
#include <netinet/in.h>
#include <runnel/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG         4096
#define FIRST_USER_PORT 1024u

static void complain(const struct rn_endpoint *at, bool is_udp, int host_errno)
{
    char where[RN_ENDPOINT_TEXT_BYTES];
    char holder[128];

    fprintf(stderr, "runnel run: cannot publish %s/%s: %s", rn_endpoint_print(at, where),
            is_udp ? "udp" : "tcp", strerror(host_errno));
    if (host_errno == EADDRINUSE && rn_holder_of(at, is_udp, holder, sizeof(holder)))
        fprintf(stderr, " (held by %s)", holder);
    fputc('\n', stderr);
    if (host_errno == EADDRINUSE)
        fprintf(stderr, "hint: choose another host port, as in -p %u:...\n",
                at->port < 60000 ? at->port + 1u : 8080u);
    else if (host_errno == EACCES && at->port < FIRST_USER_PORT)
        fprintf(
            stderr,
            "hint: ports below %u need root, or: sysctl net.ipv4.ip_unprivileged_port_start=%u\n",
            FIRST_USER_PORT, at->port);
}

static void set_one(int fd, int level, int name)
{
    int one = 1;

    (void)setsockopt(fd, level, name, &one, sizeof(one));
}

/* Returns the socket or -errno. */
static int bind_one(const struct rn_endpoint *at, bool is_udp)
{
    struct rn_native_addr name = rn_native_addr_of(at);
    int fd = socket(name.sa.sa_family,
                    (is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int host_errno;

    if (fd < 0)
        return -errno;
    if (!is_udp)
        set_one(fd, SOL_SOCKET, SO_REUSEADDR);
    if (name.sa.sa_family == AF_INET6)
        set_one(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    if (bind(fd, &name.sa, name.len) == 0 && (is_udp || listen(fd, BACKLOG) == 0))
        return fd;
    host_errno = errno;
    close(fd);
    return -host_errno;
}

/* One rule on one address: a socket for each port of the range. */
static int bind_rule(const struct rn_publish *rule, struct rn_addr addr, struct rn_ports_set *set)
{
    struct rn_ports_bound *bound = NULL;
    unsigned port = rule->host_first;

    for (; port <= rule->host_last; port++) {
        struct rn_endpoint at = { .addr = addr, .port = (uint16_t)port };
        unsigned index = port - rule->host_first;
        int fd;

        if (index % RN_FDPASS_MAX == 0) {
            if (set->n == RN_PORTS_BOUND_MAX) {
                fprintf(stderr, "runnel run: --publish: more than %u blocks of %u ports\n",
                        RN_PORTS_BOUND_MAX, RN_FDPASS_MAX);
                return RN_E_LIMIT;
            }
            bound = &set->bound[set->n++];
            *bound = (struct rn_ports_bound){ .order = { .first = at,
                                                         .port_first =
                                                             (uint16_t)(rule->port_first + index),
                                                         .is_udp = rule->is_udp } };
        }
        fd = bind_one(&at, rule->is_udp);
        if (fd < 0) {
            complain(&at, rule->is_udp, -fd);
            return rn_err_from_errno(-fd);
        }
        bound->fds.fd[bound->fds.n++] = fd;
    }
    return RN_OK;
}

/* Without IPv6 on the host, ::1 cannot be bound; then 127.0.0.1 has to do. */
static bool host_has_loopback6(void)
{
    static const uint8_t loopback6[16] = { [15] = 1 };
    struct rn_endpoint at = { .addr = rn_addr_v6(loopback6) };
    int fd = bind_one(&at, true);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

int rn_ports_bind(const struct rn_run_plan *plan, struct rn_ports_set *ret)
{
    static const uint8_t loopback6[16] = { [15] = 1 };
    int err = RN_OK;

    ret->n = 0;
    for (unsigned i = 0; i < plan->n_publish && err >= 0; i++) {
        const struct rn_publish *rule = &plan->publish[i];

        if (rule->has_addr) {
            err = bind_rule(rule, rule->addr, ret);
            continue;
        }
        if (plan->has_v4)
            err = bind_rule(rule, rn_addr_v4(0x7f000001), ret);
        if (err >= 0 && plan->has_v6 && host_has_loopback6())
            err = bind_rule(rule, rn_addr_v6(loopback6), ret);
    }
    if (err < 0)
        rn_ports_close(ret);
    return err < 0 ? err : RN_OK;
}

void rn_ports_close(struct rn_ports_set *set)
{
    for (unsigned i = 0; i < set->n; i++)
        rn_fds_close(&set->bound[i].fds);
    set->n = 0;
}
