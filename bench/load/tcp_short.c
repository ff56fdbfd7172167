/* Small exchanges: one byte there and back on one connection, and connections made for one byte each. */
#include "load.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SAMPLES_MAX = 4 << 20, PORT_FIRST = 10000, PORT_LAST = 64000, SLOTS_MAX = 256 };

struct samples {
    uint64_t *ns;
    size_t n;
};

static void add_sample(struct samples *samples, int64_t ns)
{
    if (samples->n < SAMPLES_MAX)
        samples->ns[samples->n++] = (uint64_t)ns;
}

static struct samples make_samples(void)
{
    struct samples samples = { .ns = calloc(SAMPLES_MAX, sizeof(uint64_t)) };

    load_must(samples.ns != NULL ? 0 : -1, "calloc");
    return samples;
}

static void report(struct samples *samples, double seconds, unsigned n_errors)
{
    printf("{\"seconds\":%.6f,\"operations\":%zu,\"errors\":%u", seconds, samples->n, n_errors);
    load_print_cost();
    load_print_percentiles(samples->ns, samples->n);
    printf("}\n");
}

void load_round_trips(const struct load_opts *opts)
{
    int fd = load_must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    struct samples samples = make_samples();
    int64_t begin_ns = load_now_ns() + (int64_t)(opts->warm_up_s * NS_PER_S);
    int64_t end_ns = begin_ns + (int64_t)(opts->seconds * NS_PER_S);
    int64_t now_ns = load_now_ns();
    bool has_begun = false;
    uint8_t byte = 0;

    load_must(connect(fd, (const struct sockaddr *)&opts->to, sizeof(opts->to)), "connect");
    load_must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)), "TCP_NODELAY");
    while (now_ns < end_ns) {
        int64_t then_ns = now_ns;

        if (send(fd, &byte, 1, 0) != 1 || recv(fd, &byte, 1, 0) != 1)
            load_must(-1, "round trip");
        now_ns = load_now_ns();
        if (has_begun) {
            add_sample(&samples, now_ns - then_ns);
        } else if (now_ns >= begin_ns) {
            has_begun = true;
            load_say_begin();
            begin_ns = now_ns = load_now_ns();
        }
    }
    report(&samples, (double)(now_ns - begin_ns) / NS_PER_S, 0);
}

/* A place for one connection at a time. */
struct slot {
    int fd;
    int64_t since_ns;
    bool is_asked; /* the byte was sent */
};

struct caller {
    const struct load_opts *opts;
    int epoll;
    uint16_t port;     /* the source port before the next: ports are taken in turn, */
    unsigned n_errors; /* or the kernel's search among those in TIME-WAIT would be measured */
    struct samples samples;
};

static void take_port(struct caller *caller, int fd)
{
    struct sockaddr_in local = { .sin_family = AF_INET };

    load_must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)), "SO_REUSEADDR");
    do {
        caller->port = caller->port < PORT_LAST ? (uint16_t)(caller->port + 1) : PORT_FIRST;
        local.sin_port = htons(caller->port);
    } while (bind(fd, (const struct sockaddr *)&local, sizeof(local)) < 0);
}

/* The source port may still be known to somebody on the way: then the next one. */
static void call(struct caller *caller, struct slot *slot)
{
    struct epoll_event event = { .events = EPOLLOUT, .data.ptr = slot };

    for (;;) {
        slot->fd = load_must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
        take_port(caller, slot->fd);
        slot->since_ns = load_now_ns();
        slot->is_asked = false;
        if (connect(slot->fd, (const struct sockaddr *)&caller->opts->to,
                    sizeof(caller->opts->to)) == 0 ||
            errno == EINPROGRESS)
            break;
        if (errno != EADDRNOTAVAIL)
            load_must(-1, "connect");
        close(slot->fd);
    }
    load_must(epoll_ctl(caller->epoll, EPOLL_CTL_ADD, slot->fd, &event), "epoll_ctl");
}

static void hang_up(struct caller *caller, struct slot *slot, bool is_good)
{
    close(slot->fd);
    if (is_good)
        add_sample(&caller->samples, load_now_ns() - slot->since_ns);
    else
        caller->n_errors++;
    call(caller, slot);
}

static void on_ready(struct caller *caller, struct slot *slot)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = slot };
    uint8_t byte = 0;

    if (slot->is_asked) {
        hang_up(caller, slot, recv(slot->fd, &byte, 1, 0) == 1);
        return;
    }
    if (send(slot->fd, &byte, 1, 0) != 1) {
        hang_up(caller, slot, false);
        return;
    }
    slot->is_asked = true;
    load_must(epoll_ctl(caller->epoll, EPOLL_CTL_MOD, slot->fd, &event), "epoll_ctl");
}

static void call_until(struct caller *caller, int64_t end_ns)
{
    struct epoll_event events[64];

    while (load_now_ns() < end_ns) {
        int n = load_must(epoll_wait(caller->epoll, events, 64, 100), "epoll_wait");

        for (int i = 0; i < n; i++)
            on_ready(caller, events[i].data.ptr);
    }
}

void load_connections(const struct load_opts *opts)
{
    struct caller caller = { .opts = opts, .port = PORT_FIRST, .samples = make_samples() };
    static struct slot slots[SLOTS_MAX];
    int64_t begin_ns;

    caller.epoll = load_must(epoll_create1(0), "epoll_create1");
    for (unsigned i = 0; i < opts->streams && i < SLOTS_MAX; i++)
        call(&caller, &slots[i]);
    call_until(&caller, load_now_ns() + (int64_t)(opts->warm_up_s * NS_PER_S));
    caller.samples.n = 0;
    caller.n_errors = 0;
    load_say_begin();
    begin_ns = load_now_ns();
    call_until(&caller, begin_ns + (int64_t)(opts->seconds * NS_PER_S));
    report(&caller.samples, (double)(load_now_ns() - begin_ns) / NS_PER_S, caller.n_errors);
}
