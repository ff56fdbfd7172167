/* Bulk TCP: as much as goes, one way, over some connections at a time. */
#include "load.h"

#include <errno.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct stream {
    int fd;
    uint64_t received;
    uint64_t at_begin; /* what had arrived when the warm-up was over */
    bool is_broken;
};

static uint8_t chunk[CHUNK_BYTES];
static struct stream streams[STREAMS_MAX];

/* What the other side's TCP has: of what we send, only that which it acknowledged. */
static uint64_t arrived(const struct stream *stream, bool is_up)
{
    struct tcp_info info = { 0 };
    socklen_t len = sizeof(info);

    if (!is_up)
        return stream->received;
    load_must(getsockopt(stream->fd, IPPROTO_TCP, TCP_INFO, &info, &len), "TCP_INFO");
    return info.tcpi_bytes_acked;
}

static void open_streams(int epoll, const struct load_opts *opts, bool is_up)
{
    for (unsigned i = 0; i < opts->streams; i++) {
        struct epoll_event event = { .events = is_up ? EPOLLOUT : EPOLLIN,
                                     .data.ptr = &streams[i] };

        streams[i].fd = load_must(socket(AF_INET, SOCK_STREAM, 0), "socket");
        load_must(connect(streams[i].fd, (const struct sockaddr *)&opts->to, sizeof(opts->to)),
                  "connect");
        load_must(epoll_ctl(epoll, EPOLL_CTL_ADD, streams[i].fd, &event), "epoll_ctl");
    }
}

/* One call for each stream that is ready, so that each gets its turn. */
static void move(int epoll, struct stream *stream, bool is_up)
{
    ssize_t n = is_up ? send(stream->fd, chunk, sizeof(chunk), MSG_DONTWAIT)
                      : recv(stream->fd, chunk, sizeof(chunk), MSG_DONTWAIT);

    if (n > 0)
        stream->received += (uint64_t)n;
    else if (n == 0 || errno != EAGAIN) {
        stream->is_broken = true;
        load_must(epoll_ctl(epoll, EPOLL_CTL_DEL, stream->fd, NULL), "epoll_ctl");
    }
}

static void run_until(int epoll, int64_t end_ns, bool is_up)
{
    struct epoll_event events[64];

    while (load_now_ns() < end_ns) {
        int n = load_must(epoll_wait(epoll, events, 64, 100), "epoll_wait");

        for (int i = 0; i < n; i++)
            move(epoll, events[i].data.ptr, is_up);
    }
}

static void report(const struct load_opts *opts, bool is_up, double seconds)
{
    unsigned n_broken = 0;

    printf("{\"seconds\":%.6f,\"bytes\":[", seconds);
    for (unsigned i = 0; i < opts->streams; i++) {
        printf("%s%llu", i > 0 ? "," : "",
               (unsigned long long)(arrived(&streams[i], is_up) - streams[i].at_begin));
        n_broken += streams[i].is_broken;
    }
    printf("],\"broken\":%u", n_broken);
    load_print_cost();
    printf("}\n");
}

void load_bulk(const struct load_opts *opts, bool is_up)
{
    int epoll = load_must(epoll_create1(0), "epoll_create1");
    int64_t begin_ns;
    int64_t end_ns;

    if (opts->streams > STREAMS_MAX) {
        fprintf(stderr, "load_client: at most %d streams\n", STREAMS_MAX);
        exit(2);
    }
    open_streams(epoll, opts, is_up);
    run_until(epoll, load_now_ns() + (int64_t)(opts->warm_up_s * NS_PER_S), is_up);
    for (unsigned i = 0; i < opts->streams; i++)
        streams[i].at_begin = arrived(&streams[i], is_up);
    load_say_begin();
    begin_ns = load_now_ns();
    end_ns = begin_ns + (int64_t)(opts->seconds * NS_PER_S);
    run_until(epoll, end_ns, is_up);
    report(opts, is_up, (double)(load_now_ns() - begin_ns) / NS_PER_S);
}
