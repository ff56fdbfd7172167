#pragma once
/*
 * A byte stream between two stacks over an impaired wire, under virtual time. What is written is a function of the
 * offset, so the reader checks every byte. One turn carries both stacks; time jumps from deadline to deadline.
 */
#include "dev/impair.h"
#include "ip/ip.h"
#include "tcp/conn.h"
#include "tcp/flight.h"
#include "test_net.h"

#include <runnel/err.h>
#include <stdio.h>

struct sim_opts {
    struct rn_impair_opts impair;
    uint32_t mtu;
    bool has_offload;
    uint64_t forth_bytes; /* client to server */
    uint64_t back_bytes;  /* server to client */
    uint32_t write_bytes; /* per call; 0: 64 KiB */
    const char *cc;       /* NULL default */
    int64_t ecn;          /* enum rn_tcp_ecn_choice of both ends; 0: default */
    int64_t limit_ns;     /* of virtual time; 0: 1 hour */
    int64_t start_ns;     /* when it begins */
    size_t pool_bytes;    /* of both ends and what is between them; 0: default */
    size_t sock_bytes;    /* of the sockets of one end; 0: default */
    /* Puts a device over the client's, which it consumes; NULL: none. */
    struct rn_device *(*wrap)(struct rn_device *below);
};

/* One end of the connection: writes its stream, reads the other's, shuts down when done. */
struct sim_end {
    struct rn_sock *sock;
    uint64_t to_write;
    uint64_t written;
    uint64_t to_read;
    uint64_t read;
    uint32_t write_bytes;
    uint32_t salt;
    bool is_eof;
    bool is_broken; /* a byte was wrong */
    int error;
};

struct sim {
    struct rn_test_turn t;
    struct rn_test_side a;
    struct rn_test_side b;
    struct rn_sock *listener;
    struct sim_end client;
    struct sim_end server;
    int64_t done_ns;
};

static const struct rn_protos sim_protos = {
    .l3 = { &rn_ipv4_ops, &rn_ipv6_ops },
    .l4 = { &rn_icmp4_ops, &rn_icmp6_ops, &rn_tcp_ops },
};

static inline uint8_t sim_byte(const struct sim_end *end, uint64_t at)
{
    return (uint8_t)((at >> 16) * 31 + (at >> 8) * 7 + at + end->salt);
}

static inline void sim_fill(const struct sim_end *end, uint8_t *to, uint64_t at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = sim_byte(end, at + i);
}

static inline void sim_write(struct sim_end *end)
{
    static uint8_t bytes[65536];

    while (end->written < end->to_write) {
        size_t n = rn_min_size(end->write_bytes, (size_t)(end->to_write - end->written));
        int64_t took;

        sim_fill(end, bytes, end->written, n);
        took = rn_tcp_write(end->sock, bytes, n, 0);
        if (took == RN_E_WOULD_BLOCK)
            return;
        if (took < 0) {
            end->error = (int)took;
            return;
        }
        end->written += (uint64_t)took;
    }
    if (end->to_write != UINT64_MAX)
        assert_true(rn_sock_shutdown(end->sock, RN_SHUT_WRITE) <= 0);
}

static inline void sim_check(struct sim_end *end, const uint8_t *bytes, size_t n, uint32_t salt)
{
    struct sim_end peer = { .salt = salt };

    for (size_t i = 0; i < n; i++)
        end->is_broken |= bytes[i] != sim_byte(&peer, end->read + i);
}

static inline void sim_read(struct sim_end *end, uint32_t peer_salt)
{
    static uint8_t bytes[65536];
    int64_t n;

    while ((n = rn_tcp_read(end->sock, bytes, sizeof(bytes))) > 0) {
        sim_check(end, bytes, (size_t)n, peer_salt);
        end->read += (uint64_t)n;
    }
    if (n == 0)
        end->is_eof = true;
    else if (n != RN_E_WOULD_BLOCK)
        end->error = (int)n;
}

static inline void sim_on_event(struct rn_sock *sock, unsigned events, void *arg)
{
    struct sim_end *end = arg;

    (void)sock;
    if ((events & (RN_READABLE | RN_PEER_SHUT | RN_HANGUP)) != 0)
        sim_read(end, end->salt ^ 1u);
    if ((events & RN_WRITABLE) != 0)
        sim_write(end);
    if ((events & RN_ERROR) != 0 && end->error == 0)
        end->error = rn_sock_take_error(sock);
}

static inline void sim_on_accept(struct rn_sock *listener, unsigned events, void *arg)
{
    struct sim *sim = arg;

    if ((events & RN_READABLE) == 0 || sim->server.sock != NULL)
        return;
    if (rn_sock_accept(listener, &sim->server.sock) < 0)
        return;
    rn_sock_on_event(sim->server.sock, sim_on_event, &sim->server);
}

static inline void sim_side_init(struct rn_test_side *side, struct rn_turn *turn,
                                 const struct sim_opts *sim_opts, uint8_t number)
{
    struct rn_test_net_opts opts = { .protos = &sim_protos,
                                     .stack = { .sock_max_bytes = sim_opts->sock_bytes } };

    rn_test_side_init(side, turn, &opts, number);
}

static inline void sim_open(struct sim *sim, const struct sim_opts *opts)
{
    struct rn_endpoint to = { .addr = sim->b.v4, .port = 80 };
    struct rn_endpoint any = { .port = 80 };

    assert_int_equal(rn_tcp_new(&sim->listener, sim->b.stack), 0);
    assert_int_equal(rn_sock_bind(sim->listener, &any), 0);
    if (opts->ecn != 0)
        assert_int_equal(rn_sock_set_opt(sim->listener, RN_TCP_ECN, opts->ecn), 0);
    assert_int_equal(rn_sock_listen(sim->listener, 8), 0);
    rn_sock_on_event(sim->listener, sim_on_accept, sim);
    assert_int_equal(rn_tcp_new(&sim->client.sock, sim->a.stack), 0);
    if (opts->cc != NULL)
        assert_int_equal(rn_tcp_set_congestion(sim->client.sock, opts->cc), 0);
    if (opts->ecn != 0)
        assert_int_equal(rn_sock_set_opt(sim->client.sock, RN_TCP_ECN, opts->ecn), 0);
    rn_sock_on_event(sim->client.sock, sim_on_event, &sim->client);
    assert_int_equal(rn_sock_connect(sim->client.sock, &to), RN_E_CONNECT_STARTED);
}

static inline void sim_init(struct sim *sim, const struct sim_opts *opts)
{
    uint32_t write_bytes = opts->write_bytes == 0 ? 65536 : opts->write_bytes;
    struct rn_pipe_opts po = { .mtu = opts->mtu, .has_offload = opts->has_offload };
    struct rn_device *ends[2];

    *sim = (struct sim){ 0 };
    rn_test_turn_init_within(&sim->t, opts->pool_bytes);
    rn_test_turn_at(&sim->t, opts->start_ns);
    assert_int_equal(rn_pipe_new(ends, &sim->t.turn, &po), 0);
    sim->a.device = ends[0];
    sim->b.device = ends[1];
    if (opts->impair.seed != 0)
        assert_int_equal(rn_impair_new(&sim->a.device, ends[0], &opts->impair), 0);
    if (opts->wrap != NULL)
        sim->a.device = opts->wrap(sim->a.device);
    sim_side_init(&sim->a, &sim->t.turn, opts, 1);
    sim_side_init(&sim->b, &sim->t.turn, opts, 2);
    sim->client = (struct sim_end){ .to_write = opts->forth_bytes,
                                    .to_read = opts->back_bytes,
                                    .write_bytes = write_bytes,
                                    .salt = 4 };
    sim->server = (struct sim_end){ .to_write = opts->back_bytes,
                                    .to_read = opts->forth_bytes,
                                    .write_bytes = write_bytes,
                                    .salt = 5 };
    sim_open(sim, opts);
}

static inline bool sim_is_over(const struct sim *sim)
{
    return (sim->client.is_eof && sim->server.is_eof) || sim->client.error != 0 ||
           sim->server.error != 0;
}

/* Runs until both streams have ended, or nothing can happen any more, or time is up. */
static inline void sim_run(struct sim *sim, const struct sim_opts *opts)
{
    int64_t limit_ns = opts->limit_ns != 0 ? opts->limit_ns : 3600 * RN_NS_PER_S;
    int64_t next_ns = sim->t.turn.now_ns;

    while (!sim_is_over(sim) && next_ns <= limit_ns) {
        rn_test_turn_at(&sim->t, next_ns);
        next_ns = rn_turn_deadline_ns(&sim->t.turn);
    }
    sim->done_ns = sim->t.turn.now_ns;
}

/* Both streams arrived whole, byte for byte. */
static inline void sim_assert_whole(const struct sim *sim)
{
    assert_int_equal(sim->client.error, 0);
    assert_int_equal(sim->server.error, 0);
    assert_false(sim->client.is_broken);
    assert_false(sim->server.is_broken);
    assert_int_equal(sim->server.read, sim->client.to_write);
    assert_int_equal(sim->client.read, sim->server.to_write);
    assert_true(sim->client.is_eof);
    assert_true(sim->server.is_eof);
}

static inline void sim_fini(struct sim *sim)
{
    if (sim->client.sock != NULL)
        sim->client.sock = rn_sock_close(sim->client.sock);
    if (sim->server.sock != NULL)
        sim->server.sock = rn_sock_close(sim->server.sock);
    sim->listener = rn_sock_close(sim->listener);
    rn_test_turn_settle(&sim->t, 10 * RN_NS_PER_S);
    rn_test_side_fini(&sim->a);
    rn_test_side_fini(&sim->b);
    rn_test_turn_fini(&sim->t);
}
