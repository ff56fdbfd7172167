#pragma once
/*
 * The stack as a POSIX program knows it: descriptors, sockaddr, errno, Linux's option names and struct tcp_info, over the
 * public socket API. Nothing here sleeps: a call that would is asked again by face_step() until it is done, so both
 * the script runner (one thread, virtual time) and the packetdrill adapter (which parks a thread) can wait in their way.
 */
#include "world.h"

#include <runnel/sock.h>

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define FACE_FDS_MAX 1024

struct face_watch { /* one fd of an epoll set */
    bool is_used;
    int fd;
    uint32_t events;
    uint64_t data;
    unsigned told; /* conditions told already, for EPOLLET */
};

#define FACE_WATCHES_MAX 16

struct face_fd {
    bool is_used;
    bool is_epoll;
    bool is_connecting; /* a connect() in progress has not been reported yet */
    bool is_stream;
    int domain;
    int flags;            /* O_NONBLOCK */
    bool is_deferred;     /* connect() has left the SYN to the first write */
    bool is_fastopen_off; /* sendto(MSG_FASTOPEN) is refused: as Linux with tcp_fastopen=0 */
    int notsent_lowat;    /* as set; a default from elsewhere reads back as 0 */
    int64_t rcvtimeo_ns;
    int64_t sndtimeo_ns;
    unsigned n_edges; /* events seen, for EPOLLET */
    struct rn_sock *sock;
    struct face_watch watches[FACE_WATCHES_MAX]; /* epoll */
};

struct face {
    struct world *world;
    struct face_fd *fds; /* [FACE_FDS_MAX] */
    /* Where descriptor numbers come from: NULL: the least free one from 3 on. */
    int (*new_fd)(void);
    void (*free_fd)(int fd);
};

void face_init(struct face *face, struct world *world);
/* Closes every socket as exit(2) would. */
void face_fini(struct face *face);
/* NULL: not ours. */
struct face_fd *face_fd(struct face *face, int fd);

/* --- calls that never wait: result >= 0 or -errno --------------------------------------------------------------- */
int face_socket(struct face *face, int domain, int type, int proto);
int face_bind(struct face *face, int fd, const struct sockaddr *addr, socklen_t len);
int face_listen(struct face *face, int fd, int backlog);
int face_shutdown(struct face *face, int fd, int how);
int face_close(struct face *face, int fd);
int face_fcntl(struct face *face, int fd, int cmd, int arg);
int face_ioctl(struct face *face, int fd, unsigned long request, int *arg);
int face_name(struct face *face, int fd, bool is_peer, struct sockaddr *ret, socklen_t *ret_len);
int face_epoll_create(struct face *face);
int face_epoll_ctl(struct face *face, int epfd, int op, int fd, const struct epoll_event *event);
/* face_opts.c */
int face_setsockopt(struct face *face, int fd, int level, int name, const void *value,
                    socklen_t len);
int face_getsockopt(struct face *face, int fd, int level, int name, void *value, socklen_t *len);

/* --- calls that may wait ---------------------------------------------------------------------------------------- */
enum face_kind {
    FACE_ACCEPT,
    FACE_CONNECT,
    FACE_READ,
    FACE_WRITE,
    FACE_POLL,
    FACE_EPOLL_WAIT,
};

struct face_call {
    enum face_kind kind;
    int fd;
    int flags; /* MSG_... */
    const struct iovec *iov;
    int n_iov;
    const struct sockaddr *addr; /* CONNECT; WRITE with a destination */
    socklen_t addr_len;
    struct sockaddr *ret_addr; /* ACCEPT: may be NULL */
    socklen_t *ret_addr_len;
    struct pollfd *polls;
    nfds_t n_polls;
    struct epoll_event *events;
    int max_events;
    int timeout_ms; /* POLL, EPOLL_WAIT: -1 for ever */
    /* progress, zero at first */
    bool is_started;
    bool is_connecting; /* WRITE: its SYN is out */
    int64_t deadline_ns;
    size_t done;
    /* outcome: >= 0 or -errno */
    int64_t result;
};

/* Goes on with the call as far as it can. false: it waits. */
bool face_step(struct face *face, struct face_call *call);

/* sockaddr <-> endpoint. Errors: -errno. */
int face_endpoint(const struct sockaddr *addr, socklen_t len, struct rn_endpoint *ret);
void face_sockaddr(const struct rn_endpoint *e, int domain, struct sockaddr *ret,
                   socklen_t *ret_len);
