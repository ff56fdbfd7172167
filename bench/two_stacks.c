/*
 * M6: two stacks in one process on one thread, joined by a pipe; no kernel in between. Wire packets no larger than the MTU,
 * checksums made and verified, unless --gso. Prints Gbit/s and connections per second of the one core that does both ends.
 */
#include "dev/pipe.h"
#include "io/alloc.h"
#include "io/clock.h"

#include <getopt.h>
#include <runnel/err.h>
#include <runnel/nic.h>
#include <runnel/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 65536u
#define PORT        80
#define FLOWS_MAX   1000u

struct flow {
    struct rn_sock *client;
    struct rn_sock *server;
    uint64_t received;
};

struct bench {
    struct rn_pool *pool;
    struct rn_turn turn;
    struct rn_stack *stacks[2];
    struct rn_device *ends[2];
    struct rn_sock *listener;
    struct flow flows[FLOWS_MAX];
    unsigned n_flows;
    unsigned n_accepted;
    unsigned mtu;
    bool has_gso;
    bool is_zero_copy;
    double seconds;
    uint64_t received;
    uint64_t opened; /* connections made and closed again, in --connections */
    bool is_connections;
};

static uint8_t payload[CHUNK_BYTES];

static void must(int err, const char *what)
{
    if (err >= 0)
        return;
    fprintf(stderr, "two_stacks: %s: %s\n", what, rn_err_text(err));
    exit(1);
}

static struct rn_addr addr_of(unsigned which)
{
    return rn_addr_v4(0x0a000001 + which);
}

static void on_server(struct rn_sock *sock, unsigned events, void *arg)
{
    const struct bench *b = arg;
    int64_t n;
    (void)events;

    do {
        if (b->is_zero_copy)
            n = rn_tcp_write_ref(sock, (struct rn_slice){ payload, sizeof(payload) }, NULL, NULL);
        else
            n = rn_tcp_write(sock, payload, sizeof(payload), 0);
    } while (n > 0);
}

static void on_client(struct rn_sock *sock, unsigned events, void *arg)
{
    struct bench *b = arg;
    static uint8_t sink[CHUNK_BYTES];
    struct rn_slice views[32];
    int64_t n;
    (void)events;

    if (!b->is_zero_copy) {
        while ((n = rn_tcp_read(sock, sink, sizeof(sink))) > 0)
            b->received += (uint64_t)n;
        return;
    }
    while ((n = rn_tcp_peek_views(sock, views, 32)) > 0) {
        size_t len = 0;

        for (int64_t i = 0; i < n; i++)
            len += views[i].len;
        rn_tcp_consume(sock, len);
        b->received += len;
    }
}

static void on_listener(struct rn_sock *sock, unsigned events, void *arg)
{
    struct bench *b = arg;
    struct rn_sock *server;
    (void)events;

    while (rn_sock_accept(sock, &server) >= 0) {
        if (b->is_connections) {
            rn_sock_close(server);
            continue;
        }
        b->flows[b->n_accepted++].server = server;
        rn_sock_on_event(server, on_server, b);
    }
}

static void connect_one(struct bench *b);

/* --connections: the server closes at once; when the end of stream arrives, close and make the next. */
static void on_short(struct rn_sock *sock, unsigned events, void *arg)
{
    struct bench *b = arg;
    uint8_t byte;
    (void)events;

    if (rn_tcp_read(sock, &byte, 1) == RN_E_WOULD_BLOCK)
        return;
    rn_sock_close(sock);
    b->opened++;
    connect_one(b);
}

static void connect_one(struct bench *b)
{
    struct rn_endpoint at = { .addr = addr_of(1), .port = PORT };
    struct rn_sock *sock;
    int err;

    must(rn_tcp_new(&sock, b->stacks[0]), "socket");
    rn_sock_on_event(sock, b->is_connections ? on_short : on_client, b);
    err = rn_sock_connect(sock, &at);
    if (err < 0 && err != RN_E_CONNECT_STARTED)
        must(err, "connect");
}

static void build(struct bench *b)
{
    static const uint8_t seed[16] = "runnel bench";
    struct rn_pipe_opts pipe = { .mtu = b->mtu, .has_offload = b->has_gso, .queue_pkts = 512 };
    struct rn_stack_opts opts = { .protos = &rn_protos_all, .is_test = true };
    struct rn_endpoint at = { .addr = addr_of(1), .port = PORT };
    struct rn_nic *nic;

    must(rn_pool_new(&b->pool, rn_alloc_libc(), NULL), "pool");
    rn_turn_init(&b->turn, b->pool, seed, rn_clock_now_ns());
    must(rn_pipe_new(b->ends, &b->turn, &pipe), "pipe");
    for (unsigned i = 0; i < 2; i++) {
        must(rn_stack_new(&b->stacks[i], &b->turn, &opts), "stack");
        must(rn_nic_new(&nic, b->stacks[i], b->ends[i],
                        &(struct rn_nic_opts){ .flags = RN_NIC_NO_DAD }),
             "NIC");
        must(rn_nic_start(nic), "NIC");
        must(rn_nic_add_addr(nic, addr_of(i), 24), "address");
    }
    must(rn_tcp_new(&b->listener, b->stacks[1]), "socket");
    must(rn_sock_bind(b->listener, &at), "bind");
    must(rn_sock_listen(b->listener, 1024), "listen");
    rn_sock_on_event(b->listener, on_listener, b);
}

static void run(struct bench *b)
{
    int64_t start_ns = rn_clock_now_ns();
    int64_t end_ns = start_ns + (int64_t)(b->seconds * 1e9);
    int64_t now_ns = start_ns;
    double took_s;

    for (unsigned i = 0; i < b->n_flows; i++)
        connect_one(b);
    while (now_ns < end_ns) {
        rn_turn_begin(&b->turn, now_ns);
        rn_turn_end(&b->turn);
        now_ns = rn_clock_now_ns();
    }
    took_s = (double)(now_ns - start_ns) / 1e9;
    if (b->is_connections)
        printf("%u at a time: %.0f connections/s\n", b->n_flows, (double)b->opened / took_s);
    else
        printf("MTU %u, %u flows%s%s: %.2f Gbit/s\n", b->mtu, b->n_flows, b->has_gso ? ", GSO" : "",
               b->is_zero_copy ? ", zero-copy" : "", (double)b->received * 8 / took_s / 1e9);
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "mtu", 1, NULL, 'm' },
                                             { "flows", 1, NULL, 'f' },
                                             { "gso", 0, NULL, 'g' },
                                             { "zero-copy", 0, NULL, 'z' },
                                             { "seconds", 1, NULL, 's' },
                                             { "connections", 0, NULL, 'c' },
                                             { 0 } };
    static struct bench b = { .mtu = 1500, .n_flows = 1, .seconds = 2 };
    int opt;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (opt == 'm')
            b.mtu = (unsigned)strtoul(optarg, NULL, 10);
        else if (opt == 'f')
            b.n_flows = (unsigned)strtoul(optarg, NULL, 10);
        else if (opt == 'g')
            b.has_gso = true;
        else if (opt == 'z')
            b.is_zero_copy = true;
        else if (opt == 's')
            b.seconds = strtod(optarg, NULL);
        else if (opt == 'c')
            b.is_connections = true;
        else
            return 2;
    }
    if (b.n_flows > FLOWS_MAX)
        b.n_flows = FLOWS_MAX;
    build(&b);
    run(&b);
    return 0;
}
