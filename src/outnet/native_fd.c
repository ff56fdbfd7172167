#include "outnet/native_fd.h"

#include <errno.h>
#include <sys/resource.h>

#define FD_RESERVE 64

struct rn_native_addr rn_native_addr_of(const struct rn_endpoint *e)
{
    struct rn_native_addr a = { .any = { 0 } };

    if (rn_addr_is_v4(e->addr)) {
        a.in4.sin_family = AF_INET;
        a.in4.sin_port = htons(e->port);
        a.in4.sin_addr.s_addr = htonl(rn_addr_to_v4(e->addr));
        a.len = sizeof(a.in4);
        return a;
    }
    a.in6.sin6_family = AF_INET6;
    a.in6.sin6_port = htons(e->port);
    a.in6.sin6_scope_id = e->nic;
    memcpy(&a.in6.sin6_addr, e->addr.b, sizeof(e->addr.b));
    a.len = sizeof(a.in6);
    return a;
}

struct rn_endpoint rn_native_endpoint_of(const struct sockaddr *sa)
{
    struct rn_endpoint e = { 0 };
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;

    if (sa->sa_family == AF_INET) {
        memcpy(&in4, sa, sizeof(in4));
        e.addr = rn_addr_v4(ntohl(in4.sin_addr.s_addr));
        e.port = ntohs(in4.sin_port);
    } else if (sa->sa_family == AF_INET6) {
        memcpy(&in6, sa, sizeof(in6));
        e.addr = rn_addr_v6(in6.sin6_addr.s6_addr);
        e.port = ntohs(in6.sin6_port);
        e.nic = rn_sat_u16(in6.sin6_scope_id);
    }
    return e;
}

struct rn_endpoint rn_native_name(int fd)
{
    struct rn_native_addr a = { .any = { 0 } };
    socklen_t len = sizeof(a.any);

    if (getsockname(fd, &a.sa, &len) < 0) /* syscalls: getsockname */
        return (struct rn_endpoint){ 0 };
    return rn_native_endpoint_of(&a.sa);
}

struct rn_endpoint rn_native_peer(int fd)
{
    struct rn_native_addr a = { .any = { 0 } };
    socklen_t len = sizeof(a.any);

    if (getpeername(fd, &a.sa, &len) < 0) /* syscalls: getpeername */
        return (struct rn_endpoint){ 0 };
    return rn_native_endpoint_of(&a.sa);
}

int rn_native_err(int host_errno)
{
    static const struct {
        int host;
        int err;
    } names[] = {
        { EAGAIN, RN_E_WOULD_BLOCK },
        { ECONNREFUSED, RN_E_CONN_REFUSED },
        { ECONNRESET, RN_E_CONN_RESET },
        { ENETUNREACH, RN_E_NET_UNREACH },
        { EHOSTUNREACH, RN_E_HOST_UNREACH },
        { ETIMEDOUT, RN_E_TIMED_OUT },
        { EPIPE, RN_E_CLOSED_FOR_SEND },
        { EMSGSIZE, RN_E_MSG_TOO_LONG },
        { EHOSTDOWN, RN_E_HOST_DOWN },
        { ENOBUFS, RN_E_WOULD_BLOCK },
        { EAFNOSUPPORT, RN_E_NET_UNREACH },
        { EADDRNOTAVAIL, RN_E_NET_UNREACH },
        { EACCES, RN_E_NOT_PERMITTED },
        { EPERM, RN_E_NOT_PERMITTED },
        { ENOMEM, RN_E_NOMEM },
        { EMFILE, RN_E_LIMIT },
        { ENFILE, RN_E_LIMIT },
    };

    for (size_t i = 0; i < RN_ARRAY_LEN(names); i++) {
        if (names[i].host == host_errno)
            return names[i].err;
    }
    return rn_err_from_errno(host_errno);
}

int rn_native_socket(const struct rn_native *net, int family, int type, int proto)
{
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, proto); /* syscalls: socket */

    if (fd < 0)
        return -errno;
    if (net->opts.mark != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_MARK, &net->opts.mark, sizeof(net->opts.mark));
    return fd;
}

bool rn_native_is_full(const struct rn_native *net)
{
    return net->n_fds >= net->max_fds;
}

size_t rn_native_fd_limit(size_t wish)
{
    struct rlimit limit;
    size_t max = 1024;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) /* syscalls: prlimit64 */
        max = limit.rlim_cur > FD_RESERVE ? (size_t)limit.rlim_cur - FD_RESERVE : 1;
    return wish != 0 ? rn_min_size(wish, max) : max;
}

size_t rn_native_iov(struct iovec iov[RN_NATIVE_IOV_MAX], const struct rn_slice *views, unsigned n)
{
    size_t used = 0;

    for (unsigned i = 0; i < n && used < RN_NATIVE_IOV_MAX; i++) {
        iov[used].iov_base = (void *)(uintptr_t)views[i].ptr; /* sendmsg only reads it */
        iov[used].iov_len = views[i].len;
        used++;
    }
    return used;
}
