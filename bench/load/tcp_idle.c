/* Many connections on which nothing happens, or a keepalive probe a second. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { AT_A_TIME = 64, SOURCES_MAX = 16, PATIENCE_S = 60 };

struct opener {
    const struct load_opts *opts;
    struct in_addr sources[SOURCES_MAX];
    unsigned n_sources;
    int epoll;
    unsigned n_started;
    unsigned n_open;
    unsigned n_failed;
};

static void read_sources(struct opener *opener)
{
    char text[512];
    char *rest = text;
    char *word;

    if (opener->opts->sources == NULL)
        return;
    snprintf(text, sizeof(text), "%s", opener->opts->sources);
    while ((word = strsep(&rest, ",")) != NULL && opener->n_sources < SOURCES_MAX)
        if (inet_pton(AF_INET, word, &opener->sources[opener->n_sources]) == 1)
            opener->n_sources++;
}

static void set_keepalive(int fd)
{
    load_must(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){ 1 }, sizeof(int)), "SO_KEEPALIVE");
    load_must(setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){ 1 }, sizeof(int)), "TCP_KEEPIDLE");
    load_must(setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &(int){ 1 }, sizeof(int)),
              "TCP_KEEPINTVL");
}

/* Server ports and source addresses in turn: a pair of addresses has too few ports for 100 000. */
static void start_one(struct opener *opener)
{
    struct epoll_event event = { .events = EPOLLOUT | EPOLLONESHOT };
    struct sockaddr_in to = opener->opts->to;
    unsigned number = opener->n_started++;

    event.data.fd = load_must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
    to.sin_port = htons((uint16_t)(PORT_IDLE + number % N_IDLE_PORTS));
    if (opener->n_sources > 0) {
        struct sockaddr_in from = { .sin_family = AF_INET };

        from.sin_addr = opener->sources[number / N_IDLE_PORTS % opener->n_sources];
        load_must(setsockopt(event.data.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){ 1 },
                             sizeof(int)),
                  "option");
        load_must(bind(event.data.fd, (const struct sockaddr *)&from, sizeof(from)), "bind");
    }
    if (connect(event.data.fd, (const struct sockaddr *)&to, sizeof(to)) < 0 &&
        errno != EINPROGRESS) {
        opener->n_failed++;
        close(event.data.fd);
        return;
    }
    load_must(epoll_ctl(opener->epoll, EPOLL_CTL_ADD, event.data.fd, &event), "epoll_ctl");
}

static void on_connected(struct opener *opener, int fd)
{
    socklen_t len = sizeof(int);
    int error = 0;

    load_must(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), "SO_ERROR");
    if (error != 0) {
        opener->n_failed++;
        close(fd);
        return;
    }
    opener->n_open++;
    if (opener->opts->has_keepalive)
        set_keepalive(fd);
}

static void open_all(struct opener *opener)
{
    int64_t end_ns = load_now_ns() + (int64_t)PATIENCE_S * NS_PER_S;
    struct epoll_event events[AT_A_TIME];

    while (opener->n_open + opener->n_failed < opener->opts->streams && load_now_ns() < end_ns) {
        int n;

        while (opener->n_started < opener->opts->streams &&
               opener->n_started - opener->n_open - opener->n_failed < AT_A_TIME)
            start_one(opener);
        n = load_must(epoll_wait(opener->epoll, events, AT_A_TIME, 100), "epoll_wait");
        for (int i = 0; i < n; i++)
            on_connected(opener, events[i].data.fd);
    }
}

void load_idle(const struct load_opts *opts)
{
    struct opener opener = { .opts = opts };
    int64_t begin_ns = load_now_ns();
    char byte;

    read_sources(&opener);
    opener.epoll = load_must(epoll_create1(0), "epoll_create1");
    printf("begin\n");
    open_all(&opener);
    printf("{\"seconds\":%.6f,\"opened\":%u,\"failed\":%u}\n",
           (double)(load_now_ns() - begin_ns) / NS_PER_S, opener.n_open,
           opts->streams - opener.n_open);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}
