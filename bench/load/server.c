/*
 * usage: load_server [COUNTS]
 *
 * The far end of every measurement, on the kernel's sockets: the ports of load.h. What the UDP sink receives is counted in
 * the file COUNTS (struct load_counts). Says "ready".
 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, DGRAM_MAX = 2048, BACKLOG = 4096, SOCKET_BUFFER_BYTES = 8 << 20 };

struct endpoint;
typedef void ready_fn(struct endpoint *endpoint, unsigned events);

struct endpoint {
    int fd;
    ready_fn *on_ready;
    ready_fn *child; /* of a listener: what its connections do */
};

static int epoll;
static struct load_counts *counts;
static uint8_t chunk[CHUNK_BYTES];

static struct endpoint *watch(int fd, unsigned events, ready_fn *on_ready)
{
    struct endpoint *endpoint = calloc(1, sizeof(*endpoint));
    struct epoll_event event = { .events = events, .data.ptr = endpoint };

    load_must(endpoint != NULL ? 0 : -1, "calloc");
    endpoint->fd = fd;
    endpoint->on_ready = on_ready;
    load_must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    return endpoint;
}

static void end(struct endpoint *endpoint)
{
    close(endpoint->fd);
    free(endpoint);
}

static void sink(struct endpoint *endpoint, unsigned events)
{
    ssize_t n = recv(endpoint->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
    (void)events;

    if (n == 0 || (n < 0 && errno != EAGAIN))
        end(endpoint);
}

static void source(struct endpoint *endpoint, unsigned events)
{
    if ((events & (EPOLLHUP | EPOLLERR)) != 0 ||
        (send(endpoint->fd, chunk, sizeof(chunk), MSG_DONTWAIT) < 0 && errno != EAGAIN))
        end(endpoint);
}

static void echo(struct endpoint *endpoint, unsigned events)
{
    ssize_t n = recv(endpoint->fd, chunk, 1024, MSG_DONTWAIT);
    (void)events;

    if (n > 0)
        n = send(endpoint->fd, chunk, (size_t)n, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        end(endpoint);
}

static void accept_all(struct endpoint *listener, unsigned events)
{
    int fd;
    (void)events;

    while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
        watch(fd, listener->child == source ? EPOLLOUT : EPOLLIN, listener->child);
    }
}

static int bound(int type, unsigned port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int fd = load_must(socket(AF_INET, type | SOCK_NONBLOCK, 0), "socket");

    load_must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)), "SO_REUSEADDR");
    load_must(bind(fd, (const struct sockaddr *)&at, sizeof(at)), "bind");
    return fd;
}

static void listen_on(unsigned port, ready_fn *child)
{
    int fd = bound(SOCK_STREAM, port);

    load_must(listen(fd, BACKLOG), "listen");
    watch(fd, EPOLLIN, accept_all)->child = child;
}

static void udp_echo(struct endpoint *endpoint, unsigned events)
{
    static uint8_t bytes[BATCH][DGRAM_MAX];
    static struct sockaddr_in from[BATCH];
    struct iovec views[BATCH];
    struct mmsghdr msgs[BATCH] = { 0 };
    int n;
    (void)events;

    for (unsigned i = 0; i < BATCH; i++) {
        views[i] = (struct iovec){ bytes[i], DGRAM_MAX };
        msgs[i].msg_hdr = (struct msghdr){ &from[i], sizeof(from[i]), &views[i], 1, NULL, 0, 0 };
    }
    n = recvmmsg(endpoint->fd, msgs, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++)
        views[i].iov_len = msgs[i].msg_len;
    if (n > 0)
        (void)!sendmmsg(endpoint->fd, msgs, (unsigned)n, MSG_DONTWAIT);
}

/* The size of the datagrams that came as one (UDP_GRO), or of the one. */
static size_t segment_bytes(struct msghdr *msg, size_t n)
{
    struct cmsghdr *part = CMSG_FIRSTHDR(msg);
    int size;

    if (part == NULL || part->cmsg_level != IPPROTO_UDP || part->cmsg_type != UDP_GRO)
        return n;
    memcpy(&size, CMSG_DATA(part), sizeof(size));
    return (size_t)size;
}

static void udp_sink(struct endpoint *endpoint, unsigned events)
{
    uint8_t control[CMSG_SPACE(sizeof(int))];
    (void)events;

    for (unsigned i = 0; i < BATCH; i++) {
        struct iovec view = { chunk, sizeof(chunk) };
        struct msghdr msg = { .msg_iov = &view,
                              .msg_iovlen = 1,
                              .msg_control = control,
                              .msg_controllen = sizeof(control) };
        ssize_t n = recvmsg(endpoint->fd, &msg, MSG_DONTWAIT);
        size_t size;

        if (n <= 0)
            return;
        size = segment_bytes(&msg, (size_t)n);
        counts->datagrams += ((size_t)n + size - 1) / size;
        counts->bytes += (size_t)n;
    }
}

static void open_udp(void)
{
    int fd = bound(SOCK_DGRAM, PORT_UDP_SINK);

    load_must(setsockopt(fd, IPPROTO_UDP, UDP_GRO, &(int){ 1 }, sizeof(int)), "UDP_GRO");
    /* SO_RCVBUFFORCE needs root over the network; without it the system's limit stays */
    (void)!setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){ SOCKET_BUFFER_BYTES }, sizeof(int));
    watch(fd, EPOLLIN, udp_sink);
    watch(bound(SOCK_DGRAM, PORT_UDP_ECHO), EPOLLIN, udp_echo);
}

static void map_counts(const char *path)
{
    int fd = load_must(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644), path);

    load_must(ftruncate(fd, sizeof(*counts)), path);
    counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    load_must(counts != MAP_FAILED ? 0 : -1, "mmap");
    close(fd);
}

int main(int argc, char **argv)
{
    static struct load_counts uncounted;
    struct epoll_event events[64];

    signal(SIGPIPE, SIG_IGN);
    load_raise_limits();
    counts = &uncounted;
    if (argc > 1)
        map_counts(argv[1]);
    epoll = load_must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    listen_on(PORT_SINK, sink);
    listen_on(PORT_SOURCE, source);
    listen_on(PORT_ECHO, echo);
    for (unsigned i = 0; i < N_IDLE_PORTS; i++)
        listen_on(PORT_IDLE + i, sink);
    open_udp();
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        int n = load_must(epoll_wait(epoll, events, 64, -1), "epoll_wait");

        for (int i = 0; i < n; i++) {
            struct endpoint *endpoint = events[i].data.ptr;

            endpoint->on_ready(endpoint, events[i].events);
        }
    }
}
