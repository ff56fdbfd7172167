/*
 * M6: two stacks in one process on one thread, joined by a pipe; no kernel in between. Wire packets no larger than the MTU,
 * checksums made and verified, unless --gso. Prints Gbit/s, or connections opened and closed per second, and the processor
 * time of the one core that does both ends, as JSON.
 *
 * usage: two_stacks [--mtu N] [--flows N] [--zero-copy] [--gso] [--connections] [--seconds S | --work N]
 *                   [--warm-up S]
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
#include <time.h>

#define CHUNK_BYTES 65536u
#define PORT        80
#define FLOWS_MAX   1000u
#define N_PAIRS     16u

/* What passes in a turn of virtual time, and how many turns bring windows to their full size. */
enum { VIRTUAL_TURN_NS = 20000, WARM_UP_TURNS = 64 };

/* A connection as its client sees it. */
struct flow {
    struct bench *bench;
    unsigned pair; /* of addresses */
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
    unsigned mtu;
    bool has_gso;
    bool is_zero_copy;
    double warm_up_s;
    double seconds;
    int64_t buffer_bytes; /* of each socket and direction; 0: as the stack tunes it */
    uint64_t work;        /* bytes or connections; 0: by time */
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

/* Of end 0 (the clients) or 1: one of some, since a pair of addresses has ports for 64 000 connections, and those of
 * the last minute are in TIME-WAIT. */
static struct rn_addr addr_of(unsigned end, unsigned pair)
{
    return rn_addr_v4(0x0a000001 + (end << 8) + pair);
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

static void count(struct flow *flow, size_t len)
{
    flow->received += len;
    flow->bench->received += len;
}

static void on_client(struct rn_sock *sock, unsigned events, void *arg)
{
    struct flow *flow = arg;
    struct bench *b = flow->bench;
    static uint8_t sink[CHUNK_BYTES];
    struct rn_slice views[32];
    int64_t n;
    (void)events;

    if (!b->is_zero_copy) {
        while ((n = rn_tcp_read(sock, sink, sizeof(sink))) > 0)
            count(flow, (size_t)n);
        return;
    }
    while ((n = rn_tcp_peek_views(sock, views, 32)) > 0) {
        size_t len = 0;

        for (int64_t i = 0; i < n; i++)
            len += views[i].len;
        rn_tcp_consume(sock, len);
        count(flow, len);
    }
}

static void set_buffers(const struct bench *b, struct rn_sock *sock)
{
    if (b->buffer_bytes == 0)
        return;
    must(rn_sock_set_opt(sock, RN_SO_SNDBUF, b->buffer_bytes), "send buffer");
    must(rn_sock_set_opt(sock, RN_SO_RCVBUF, b->buffer_bytes), "receive buffer");
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
        set_buffers(b, server);
        rn_sock_on_event(server, on_server, b);
    }
}

static void connect_one(struct bench *b, struct flow *flow);

/* --connections: the server closes at once; when the end of stream arrives, close and make the next. */
static void on_short(struct rn_sock *sock, unsigned events, void *arg)
{
    struct flow *flow = arg;
    uint8_t byte;
    (void)events;

    if (rn_tcp_read(sock, &byte, 1) == RN_E_WOULD_BLOCK)
        return;
    rn_sock_close(sock);
    flow->bench->opened++;
    connect_one(flow->bench, flow);
}

static void connect_one(struct bench *b, struct flow *flow)
{
    unsigned pair = flow->pair++ % N_PAIRS;
    struct rn_endpoint from = { .addr = addr_of(0, pair) };
    struct rn_endpoint at = { .addr = addr_of(1, pair), .port = PORT };
    struct rn_sock *sock;
    int err;

    flow->bench = b;
    must(rn_tcp_new(&sock, b->stacks[0]), "socket");
    rn_sock_on_event(sock, b->is_connections ? on_short : on_client, flow);
    set_buffers(b, sock);
    must(rn_sock_bind(sock, &from), "bind");
    err = rn_sock_connect(sock, &at);
    if (err < 0 && err != RN_E_CONNECT_STARTED)
        must(err, "connect");
}

static void build(struct bench *b)
{
    static const uint8_t seed[16] = "runnel bench";
    struct rn_pipe_opts pipe = { .mtu = b->mtu, .has_offload = b->has_gso, .queue_pkts = 512 };
    struct rn_stack_opts opts = { .protos = &rn_protos_all, .is_test = true };
    struct rn_endpoint at = { .port = PORT };
    struct rn_nic *nic;

    must(rn_pool_new(&b->pool, rn_alloc_libc(), NULL), "pool");
    rn_turn_init(&b->turn, b->pool, seed, b->work > 0 ? 1 : rn_clock_now_ns());
    must(rn_pipe_new(b->ends, &b->turn, &pipe), "pipe");
    for (unsigned i = 0; i < 2; i++) {
        must(rn_stack_new(&b->stacks[i], &b->turn, &opts), "stack");
        must(rn_nic_new(&nic, b->stacks[i], b->ends[i],
                        &(struct rn_nic_opts){ .flags = RN_NIC_NO_DAD }),
             "NIC");
        must(rn_nic_start(nic), "NIC");
        for (unsigned pair = 0; pair < N_PAIRS; pair++)
            must(rn_nic_add_addr(nic, addr_of(i, pair), 16), "address");
    }
    must(rn_tcp_new(&b->listener, b->stacks[1]), "socket");
    must(rn_sock_bind(b->listener, &at), "bind");
    must(rn_sock_listen(b->listener, 1024), "listen");
    rn_sock_on_event(b->listener, on_listener, b);
}

static double cpu_seconds(void)
{
    struct timespec spent;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return (double)spent.tv_sec + (double)spent.tv_nsec / 1e9;
}

static void run_for(struct bench *b, double seconds)
{
    int64_t now_ns = rn_clock_now_ns();
    int64_t end_ns = now_ns + (int64_t)(seconds * 1e9);

    while (now_ns < end_ns) {
        rn_turn_begin(&b->turn, now_ns);
        rn_turn_end(&b->turn);
        now_ns = rn_clock_now_ns();
    }
}

/* Jain's index of what the flows got: 1 when all got the same. */
static double fairness(const struct bench *b)
{
    double sum = 0;
    double squares = 0;

    for (unsigned i = 0; i < b->n_flows; i++) {
        double share = (double)b->flows[i].received;

        sum += share;
        squares += share * share;
    }
    return squares > 0 ? sum * sum / (b->n_flows * squares) : 0;
}

static void forget_warm_up(struct bench *b)
{
    b->received = 0;
    b->opened = 0;
    for (unsigned i = 0; i < b->n_flows; i++)
        b->flows[i].received = 0;
}

/* Callgrind counts this function (bench/icount.py): a fixed amount of work in virtual time, so that the same instructions
 * run every time. */
__attribute__((noinline)) static void measured_work(struct bench *b, int64_t now_ns)
{
    while (b->received + b->opened < b->work) {
        now_ns += VIRTUAL_TURN_NS;
        rn_turn_begin(&b->turn, now_ns);
        rn_turn_end(&b->turn);
    }
}

static void run_work(struct bench *b)
{
    int64_t now_ns = 1;

    for (unsigned i = 0; i < b->n_flows; i++)
        connect_one(b, &b->flows[i]);
    for (unsigned turn = 0; turn < WARM_UP_TURNS; turn++) {
        now_ns += VIRTUAL_TURN_NS;
        rn_turn_begin(&b->turn, now_ns);
        rn_turn_end(&b->turn);
    }
    forget_warm_up(b);
    measured_work(b, now_ns);
    printf("{\"work\":%llu}\n", (unsigned long long)(b->received + b->opened));
}

static void run(struct bench *b)
{
    double began_s;
    double cpu_s;
    double took_s;

    for (unsigned i = 0; i < b->n_flows; i++)
        connect_one(b, &b->flows[i]);
    run_for(b, b->warm_up_s);
    forget_warm_up(b);
    began_s = (double)rn_clock_now_ns() / 1e9;
    cpu_s = cpu_seconds();
    run_for(b, b->seconds);
    took_s = (double)rn_clock_now_ns() / 1e9 - began_s;
    cpu_s = cpu_seconds() - cpu_s;
    printf("{\"seconds\":%.6f,\"cpu_s\":%.6f", took_s, cpu_s);
    if (b->is_connections)
        printf(",\"per_s\":%.0f}\n", (double)b->opened / took_s);
    else
        printf(",\"gbit_per_s\":%.3f,\"jain\":%.3f}\n", (double)b->received * 8 / took_s / 1e9,
               fairness(b));
}

static void take_option(struct bench *b, int option)
{
    if (option == 'm')
        b->mtu = (unsigned)strtoul(optarg, NULL, 10);
    else if (option == 'f')
        b->n_flows = (unsigned)strtoul(optarg, NULL, 10);
    else if (option == 'g')
        b->has_gso = true;
    else if (option == 'z')
        b->is_zero_copy = true;
    else if (option == 's')
        b->seconds = strtod(optarg, NULL);
    else if (option == 'w')
        b->warm_up_s = strtod(optarg, NULL);
    else if (option == 'n')
        b->work = strtoull(optarg, NULL, 10);
    else if (option == 'b')
        b->buffer_bytes = (int64_t)strtoull(optarg, NULL, 10);
    else if (option == 'c')
        b->is_connections = true;
    else
        exit(2);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "mtu", 1, NULL, 'm' },         { "flows", 1, NULL, 'f' },
        { "gso", 0, NULL, 'g' },         { "zero-copy", 0, NULL, 'z' },
        { "seconds", 1, NULL, 's' },     { "warm-up", 1, NULL, 'w' },
        { "connections", 0, NULL, 'c' }, { "work", 1, NULL, 'n' },
        { "buffer", 1, NULL, 'b' },      { 0 }
    };
    static struct bench b = { .mtu = 1500, .n_flows = 1, .seconds = 2, .warm_up_s = 0.3 };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
        take_option(&b, option);
    if (b.n_flows > FLOWS_MAX)
        b.n_flows = FLOWS_MAX;
    build(&b);
    if (b.work > 0)
        run_work(&b);
    else
        run(&b);
    return 0;
}
