#pragma once
/* What TCP and datagram sockets of the native net share: addresses as the kernel wants them, errors, the fd budget. */
#include "outnet/native.h"
#include "outnet/native_crowd.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define RN_NATIVE_IOV_MAX 64

struct rn_native {
    struct rn_net net;
    struct rn_loop *loop; /* borrows */
    struct rn_net_native_opts opts;
    size_t n_fds;
    size_t max_fds;
    struct rn_native_crowd crowd;
};

struct rn_native_addr {
    union {
        struct sockaddr sa;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
        struct sockaddr_storage any;
    };
    socklen_t len;
};

/* AF_INET for v4, AF_INET6 else; the NIC of @e is the scope of a link-local address. */
struct rn_native_addr rn_native_addr_of(const struct rn_endpoint *e);
struct rn_endpoint rn_native_endpoint_of(const struct sockaddr *sa);
/* getsockname, getpeername; zero when the kernel refuses. */
struct rn_endpoint rn_native_name(int fd);
struct rn_endpoint rn_native_peer(int fd);
/* rn_err where the core has a name for @host_errno, else the host error itself. */
int rn_native_err(int host_errno);
/* Non-blocking, close-on-exec, marked. Returns the fd or -errno. */
int rn_native_socket(const struct rn_native *net, int family, int type, int proto);
bool rn_native_is_full(const struct rn_native *net);
/* RLIMIT_NOFILE less a reserve, at most @wish unless that is 0. */
size_t rn_native_fd_limit(size_t wish);
/* Returns how many iovecs were filled. */
size_t rn_native_iov(struct iovec iov[RN_NATIVE_IOV_MAX], const struct rn_slice *views, unsigned n);

/* native_dgram.c */
int rn_native_open_dgram(struct rn_net *net, struct rn_net_dgram **ret, enum rn_net_dgram_kind kind,
                         const struct rn_endpoint *local);
