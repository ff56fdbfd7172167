/*
 * usage: tcp_flood [SECONDS]
 *
 * 100 000 SYNs a second from random sources into a listener, in real time, while a flow runs and new clients connect. Two
 * stacks and all the rest share one thread. Prints what a SYN costs, what the flow keeps at full and at half speed, and
 * how the new clients fare.
 */
#include "base/checksum.h"
#include "io/clock.h"
#include "stream.h"
#include "wire/ipv4.h"

enum { SYNS_PER_S = 100000, COST_SYNS = 1000000, BATCH = 50, PROBES_MAX = 10000 };

struct probe {
    struct rn_sock *sock;
    double began;
    double took; /* 0: not connected */
};

struct flood {
    struct rn_test_net n;
    struct rn_sock *listener;
    struct rn_sock *client;
    struct rn_rand rand;
    uint64_t received;
    uint64_t allowed; /* bytes the flow may have written */
    uint64_t written;
    unsigned n_syns;
    struct probe probes[PROBES_MAX];
    unsigned n_probes;
    size_t bytes_peak;
};

static uint8_t payload[65536];

static const struct rn_protos flood_protos = {
    .l3 = { &rn_ipv4_ops, &rn_ipv6_ops },
    .l4 = { &rn_icmp4_ops, &rn_icmp6_ops, &rn_tcp_ops },
};

static double now_s(void)
{
    return (double)rn_clock_now_ns() * 1e-9;
}

/* --- the flow ------------------------------------------------------------------------------------------------------- */

static void on_server(struct rn_sock *sock, unsigned events, void *arg)
{
    struct flood *f = arg;
    int64_t n;

    (void)events;
    while ((n = rn_tcp_read(sock, payload, sizeof(payload))) > 0)
        f->received += (uint64_t)n;
    if (n != RN_E_WOULD_BLOCK)
        rn_sock_close(sock);
}

static void write_some(struct flood *f)
{
    while (f->client != NULL && f->written < f->allowed) {
        int64_t n = rn_tcp_write(f->client, payload, sizeof(payload), 0);

        if (n <= 0)
            return;
        f->written += (uint64_t)n;
    }
}

static void on_client(struct rn_sock *sock, unsigned events, void *arg)
{
    (void)sock;
    if ((events & RN_WRITABLE) != 0)
        write_some(arg);
}

static void on_accept(struct rn_sock *listener, unsigned events, void *arg)
{
    struct rn_sock *sock;

    (void)events;
    while (rn_sock_accept(listener, &sock) == RN_OK)
        rn_sock_on_event(sock, on_server, arg);
}

/* --- the flood ------------------------------------------------------------------------------------------------------ */

static struct rn_pkt *syn(struct flood *f)
{
    uint8_t bytes[60] = { 0 };
    struct rn_tcp_opts opts = { .has_mss = true,
                                .mss = 1460,
                                .sack_ok = true,
                                .has_ts = true,
                                .ts_val = 1,
                                .has_wscale = true };
    struct rn_tcp_hdr tcp = { .src_port = (uint16_t)(1024 + rn_rand_below(&f->rand, 60000)),
                              .dst_port = 80,
                              .seq = rn_seq_of(rn_rand_u32(&f->rand)),
                              .flags = RN_TCP_SYN,
                              .window = 65535,
                              .hdr_len = 40 };
    struct rn_ipv4_hdr ip = { .src = rn_addr_v4(0x0b000000u | (rn_rand_u32(&f->rand) >> 8)),
                              .dst = f->n.b.v4,
                              .total_len = sizeof(bytes),
                              .ttl = 64,
                              .proto = RN_PROTO_TCP };
    struct rn_writer w = rn_writer_of(bytes + 40, 20);

    rn_ipv4_emit(&ip, bytes);
    rn_tcp_emit(&tcp, bytes + 20);
    rn_tcp_opts_emit(&opts, &w);
    rn_put_be16(
        bytes + 20 + RN_TCP_CHECKSUM_AT,
        (uint16_t)~rn_checksum(bytes + 20, 40, rn_checksum_pseudo(ip.src, ip.dst, ip.proto, 40)));
    return rn_pkt_from_bytes(f->n.t.pool, bytes, sizeof(bytes));
}

static void shoot(struct flood *f, unsigned n_syns)
{
    struct rn_pktq in = { 0 };

    for (unsigned i = 0; i < n_syns; i++) {
        struct rn_pkt *pkt = syn(f);

        if (pkt != NULL)
            rn_pktq_push(&in, pkt);
    }
    f->n_syns += n_syns;
    rn_nic_input(f->n.b.nic, &in);
}

/* --- new clients ------------------------------------------------------------------------------------------------------ */

static void on_probe(struct rn_sock *sock, unsigned events, void *arg)
{
    struct probe *probe = arg;

    if ((events & RN_WRITABLE) != 0 && probe->took == 0)
        probe->took = now_s() - probe->began;
    probe->sock = rn_sock_abort(sock);
}

static void connect_probe(struct flood *f)
{
    struct probe *probe = &f->probes[f->n_probes];
    struct rn_endpoint to = { .addr = f->n.b.v4, .port = 80 };

    if (f->n_probes == PROBES_MAX)
        return;
    f->n_probes++;
    probe->began = now_s();
    assert_int_equal(rn_tcp_new(&probe->sock, f->n.a.stack), 0);
    rn_sock_on_event(probe->sock, on_probe, probe);
    assert_int_equal(rn_sock_connect(probe->sock, &to), RN_E_CONNECT_STARTED);
}

/* --- phases ----------------------------------------------------------------------------------------------------------- */

/* Gbit/s of the flow. @gbits: of the flow at most; 0: all it can. */
static double phase(struct flood *f, double seconds, double gbits, bool is_flooded)
{
    double began = now_s();
    double next_probe = began;
    uint64_t before = f->received;
    unsigned shot = 0;
    double t;

    while ((t = now_s() - began) < seconds) {
        rn_turn_begin(&f->n.t.turn, rn_clock_now_ns());
        for (; is_flooded && shot < t * SYNS_PER_S; shot += BATCH)
            shoot(f, BATCH);
        if (is_flooded && now_s() >= next_probe) {
            connect_probe(f);
            next_probe += 0.01;
        }
        f->allowed = gbits == 0
                         ? UINT64_MAX
                         : f->written + (uint64_t)(t * gbits * 1.25e8) - (f->received - before);
        write_some(f);
        rn_turn_end(&f->n.t.turn);
    }
    return (double)(f->received - before) * 8e-9 / (now_s() - began);
}

static double cost_of_a_syn(struct flood *f)
{
    double spent = 0;

    for (unsigned i = 0; i < COST_SYNS; i += BATCH) {
        struct rn_pktq in = { 0 };
        double began;

        for (unsigned k = 0; k < BATCH; k++)
            rn_pktq_push(&in, syn(f));
        began = now_s();
        rn_turn_begin(&f->n.t.turn, rn_clock_now_ns());
        rn_nic_input(f->n.b.nic, &in);
        rn_turn_end(&f->n.t.turn);
        spent += now_s() - began;
    }
    return spent / COST_SYNS;
}

static void tell_probes(const struct flood *f)
{
    unsigned n_ok = 0;
    double worst = 0;

    for (unsigned i = 0; i < f->n_probes; i++) {
        const struct probe *p = &f->probes[i];

        n_ok += p->took > 0 && p->took < 3;
        worst = p->took > worst ? p->took : worst;
    }
    printf("new clients: %u of %u connected within 3 s, the slowest in %.1f ms\n", n_ok,
           f->n_probes, worst * 1e3);
}

static void begin(struct flood *f)
{
    struct rn_test_net_opts opts = { .protos = &flood_protos, .has_offload = true };
    struct rn_endpoint any = { .port = 80 };
    struct rn_endpoint to;

    rn_test_net_init(&f->n, &opts);
    rn_rand_init_u64(&f->rand, 1);
    to = (struct rn_endpoint){ .addr = f->n.b.v4, .port = 80 };
    assert_int_equal(rn_tcp_new(&f->listener, f->n.b.stack), 0);
    assert_int_equal(rn_sock_bind(f->listener, &any), 0);
    assert_int_equal(rn_sock_listen(f->listener, 128), 0);
    rn_sock_on_event(f->listener, on_accept, f);
    assert_int_equal(rn_tcp_new(&f->client, f->n.a.stack), 0);
    rn_sock_on_event(f->client, on_client, f);
    assert_int_equal(rn_sock_connect(f->client, &to), RN_E_CONNECT_STARTED);
}

int main(int argc, char **argv)
{
    static struct flood f;
    double seconds = argc > 1 ? atof(argv[1]) : 3;
    double quiet;
    double full;
    double half_quiet;
    double half;
    size_t before;

    begin(&f);
    (void)phase(&f, 0.5, 0, false);
    quiet = phase(&f, seconds, 0, false);
    half_quiet = phase(&f, seconds, quiet / 2, false);
    before = f.n.t.alloc.bytes_live;
    full = phase(&f, seconds, 0, true);
    half = phase(&f, seconds, quiet / 2, true);
    printf("flow unpaced: %.2f Gbit/s, under the flood %.2f: %.0f %%\n", quiet, full,
           100 * full / quiet);
    printf("flow at half speed: %.2f Gbit/s, under the flood %.2f: %.0f %%\n", half_quiet, half,
           100 * half / half_quiet);
    tell_probes(&f);
    f.allowed = 0;
    printf("a SYN costs %.0f ns\n", cost_of_a_syn(&f) * 1e9);
    printf("memory: %zu KiB before, %zu KiB after %u SYNs, peak %zu KiB\n", before >> 10,
           f.n.t.alloc.bytes_live >> 10, f.n_syns + COST_SYNS, f.n.t.alloc.bytes_peak >> 10);
    return 0;
}
