/* The names of the host's constants that scripts use. */
#include "script.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* <linux/sockios.h>: as the terminal ioctls of the same numbers */
enum { SIOCINQ = 0x541b, SIOCOUTQ = 0x5411 };

struct symbol {
    const char *name;
    int64_t value;
};

#define S(name)                                                                                    \
    {                                                                                              \
#name, (int64_t)(name)                                                                     \
    }

static const struct symbol symbols[] = {
    S(AF_INET),
    S(AF_INET6),
    S(AF_UNSPEC),
    { "PF_INET", AF_INET },
    { "PF_INET6", AF_INET6 },
    S(SOCK_STREAM),
    S(SOCK_DGRAM),
    S(SOCK_NONBLOCK),
    S(SOCK_CLOEXEC),
    S(IPPROTO_TCP),
    S(IPPROTO_UDP),
    S(IPPROTO_IP),
    S(IPPROTO_IPV6),
    S(IPPROTO_ICMP),
    S(SOL_SOCKET),
    { "SOL_TCP", IPPROTO_TCP },
    { "SOL_IP", IPPROTO_IP },
    { "SOL_IPV6", IPPROTO_IPV6 },
    S(SO_REUSEADDR),
    S(SO_REUSEPORT),
    S(SO_MAX_PACING_RATE),
    S(SO_SNDBUF),
    S(SO_RCVBUF),
    S(SO_ERROR),
    S(SO_KEEPALIVE),
    S(SO_LINGER),
    S(SO_TYPE),
    S(SO_RCVLOWAT),
    S(SO_RCVTIMEO),
    S(SO_SNDTIMEO),
    S(SO_MARK),
    S(SO_ACCEPTCONN),
    S(SO_PROTOCOL),
    S(SO_DOMAIN),
    S(SO_OOBINLINE),
    S(TCP_NODELAY),
    S(TCP_CORK),
    S(TCP_MAXSEG),
    S(TCP_KEEPIDLE),
    S(TCP_KEEPINTVL),
    S(TCP_KEEPCNT),
    S(TCP_SYNCNT),
    S(TCP_LINGER2),
    S(TCP_DEFER_ACCEPT),
    S(TCP_WINDOW_CLAMP),
    S(TCP_INFO),
    S(TCP_QUICKACK),
    S(TCP_CONGESTION),
    S(TCP_USER_TIMEOUT),
    S(TCP_FASTOPEN),
    S(TCP_NOTSENT_LOWAT),
    S(TCP_CC_INFO),
    S(TCP_FASTOPEN_CONNECT),
    S(TCP_FASTOPEN_NO_COOKIE),
    S(TCP_FASTOPEN_KEY),
    S(IP_TOS),
    S(IP_TTL),
    S(IP_MTU_DISCOVER),
    S(IP_PMTUDISC_DO),
    S(IP_PMTUDISC_DONT),
    S(IP_PMTUDISC_WANT),
    S(IP_PMTUDISC_PROBE),
    S(IP_RECVERR),
    S(IPV6_V6ONLY),
    S(IPV6_TCLASS),
    S(IPV6_UNICAST_HOPS),
    S(O_RDWR),
    S(O_NONBLOCK),
    S(F_GETFL),
    S(F_SETFL),
    S(SHUT_RD),
    S(SHUT_WR),
    S(SHUT_RDWR),
    S(MSG_PEEK),
    S(MSG_DONTWAIT),
    S(MSG_TRUNC),
    S(MSG_WAITALL),
    S(MSG_MORE),
    S(MSG_NOSIGNAL),
    S(MSG_EOR),
    S(MSG_OOB),
    S(MSG_FASTOPEN),
    S(MSG_ERRQUEUE),
    S(POLLIN),
    S(POLLOUT),
    S(POLLPRI),
    S(POLLERR),
    S(POLLHUP),
    S(POLLNVAL),
    { "POLLRDHUP", 0x2000 },
    { "POLLRDNORM", 0x40 },
    { "POLLWRNORM", 0x100 },
    S(EPOLLIN),
    S(EPOLLOUT),
    S(EPOLLRDHUP),
    S(EPOLLHUP),
    S(EPOLLERR),
    S(EPOLLET),
    S(EPOLLONESHOT),
    S(EPOLL_CTL_ADD),
    S(EPOLL_CTL_MOD),
    S(EPOLL_CTL_DEL),
    { "RN_TCP_ECN", FACE_TCP_ECN },
    { "RN_TCP_TIMESTAMPS", FACE_TCP_TIMESTAMPS },
    { "RN_TCP_SACK", FACE_TCP_SACK },
    { "RN_TCP_WSCALE", FACE_TCP_WSCALE },
    { "RN_TCP_RCVBUF_MOST", FACE_TCP_RCVBUF_MOST },
    { "RN_TCP_BURST_SEGS", FACE_TCP_BURST_SEGS },
    { "FIONREAD", SIOCINQ },
    S(SIOCINQ),
    S(SIOCOUTQ),
};

static const struct symbol errnos[] = {
    S(EPERM),
    S(ENOENT),
    S(EINTR),
    S(EBADF),
    S(EAGAIN),
    S(ENOMEM),
    S(EACCES),
    S(EFAULT),
    S(EEXIST),
    S(EINVAL),
    S(EMFILE),
    S(ENOTTY),
    S(EPIPE),
    S(EDEADLK),
    S(ENOSYS),
    S(EPROTO),
    S(EOVERFLOW),
    S(ENOTSOCK),
    S(EDESTADDRREQ),
    S(EMSGSIZE),
    S(ENOPROTOOPT),
    S(EPROTONOSUPPORT),
    S(EOPNOTSUPP),
    S(EAFNOSUPPORT),
    S(EADDRINUSE),
    S(EADDRNOTAVAIL),
    S(ENETDOWN),
    S(ENETUNREACH),
    S(ENETRESET),
    S(ECONNABORTED),
    S(ECONNRESET),
    S(ENOBUFS),
    S(EISCONN),
    S(ENOTCONN),
    S(ESHUTDOWN),
    S(ETIMEDOUT),
    S(ECONNREFUSED),
    S(EHOSTDOWN),
    S(EHOSTUNREACH),
    S(EALREADY),
    S(EINPROGRESS),
    S(ECANCELED),
    { "EWOULDBLOCK", EAGAIN },
    { "ENOTSUPP", 524 },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool find(const struct symbol *table, size_t n, const char *name, size_t len, int64_t *ret)
{
    for (size_t i = 0; i < n; i++) {
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0) {
            *ret = table[i].value;
            return true;
        }
    }
    return false;
}

bool symbol_find(const char *name, size_t len, int64_t *ret)
{
    return find(symbols, COUNT(symbols), name, len, ret) ||
           find(errnos, COUNT(errnos), name, len, ret);
}

const char *errno_name(int err_no)
{
    for (size_t i = 0; i < COUNT(errnos); i++) {
        if (errnos[i].value == err_no)
            return errnos[i].name;
    }
    return "E?";
}
