/* Too little memory: of the pool, of the sockets, of the allocator. Streams that stand go on, others fail in peace. */
#include "base/checksum.h"
#include "stream.h"
#include "wire/ipv4.h"

static struct rn_impair_opts wire(const char *text)
{
    struct rn_impair_opts opts = { 0 };
    const char *word;
    size_t len;

    assert_int_equal(rn_impair_parse(text, &opts, &word, &len), 0);
    return opts;
}

/* --- a small pool --------------------------------------------------------------------------------------------------- */

static void test_streams_end_whole_in_a_pool_of_any_size(void **state)
{
    static const size_t sizes[] = { 192 << 10, 256 << 10, 384 << 10, 1 << 20, 4 << 20 };

    (void)state;
    for (unsigned i = 0; i < RN_ARRAY_LEN(sizes); i++) {
        struct sim_opts opts = { .impair = wire("delay=5ms,loss=1%,seed=3"),
                                 .mtu = 1500,
                                 .forth_bytes = 1 << 20,
                                 .back_bytes = 1 << 20,
                                 .pool_bytes = sizes[i],
                                 .sock_bytes = sizes[i] / 4 }; /* two ends in one pool */
        struct sim sim;

        sim_init(&sim, &opts);
        sim_run(&sim, &opts);
        sim_assert_whole(&sim);
        sim_fini(&sim);
    }
}

/* --- under attack ----------------------------------------------------------------------------------------------------- */

enum { HOSTILE = 200 };

struct attack {
    struct sim sim;
    struct rn_rand rand;
    struct rn_sock *held[HOSTILE]; /* what the application got of the hostile ones, and writes to */
    unsigned n_held;
    bool was_full; /* all memory of sockets was taken */
};

static struct rn_pkt *hostile_packet(struct attack *a, uint16_t flags, uint32_t len)
{
    static uint8_t bytes[1500];
    struct rn_ipv4_hdr ip = { .src =
                                  rn_addr_v4(0x0a000003 + (uint32_t)rn_rand_below(&a->rand, 200)),
                              .dst = a->sim.b.v4,
                              .total_len = rn_sat_u16(40 + len),
                              .ttl = 64,
                              .proto = RN_PROTO_TCP };
    struct rn_tcp_hdr tcp = { .src_port = (uint16_t)(1024 + rn_rand_below(&a->rand, 4)),
                              .dst_port = 80,
                              .seq = rn_seq_of(rn_rand_u32(&a->rand)),
                              .ack = rn_seq_of(rn_rand_u32(&a->rand)),
                              .flags = flags,
                              .hdr_len = RN_TCP_HDR_BYTES };

    rn_ipv4_emit(&ip, bytes);
    rn_tcp_emit(&tcp, bytes + 20);
    rn_put_be16(bytes + 20 + RN_TCP_CHECKSUM_AT,
                (uint16_t)~rn_checksum(bytes + 20, 20 + len,
                                       rn_checksum_pseudo(ip.src, ip.dst, ip.proto, 20 + len)));
    return rn_pkt_from_bytes(a->sim.t.pool, bytes, 40 + len);
}

/* SYNs from everywhere, and data for connections there are not. */
static void shoot(struct attack *a)
{
    struct rn_pktq in = { 0 };

    for (unsigned i = 0; i < 20; i++) {
        struct rn_pkt *pkt =
            i % 2 == 0 ? hostile_packet(a, RN_TCP_SYN, 0) : hostile_packet(a, RN_TCP_ACK, 1400);

        if (pkt != NULL)
            rn_pktq_push(&in, pkt);
    }
    rn_turn_begin(&a->sim.t.turn, a->sim.t.turn.now_ns);
    rn_nic_input(a->sim.b.nic, &in);
    rn_turn_end(&a->sim.t.turn);
}

static void hold(struct rn_sock *listener, unsigned events, void *arg)
{
    struct attack *a = arg;

    (void)events;
    while (a->n_held < HOSTILE && rn_sock_accept(listener, &a->held[a->n_held]) == 0)
        a->n_held++;
}

/* Clients that connect and then neither read nor say that they do not: what is written to them stays here. */
static void connect_hostile(struct attack *a, struct rn_sock **socks)
{
    struct rn_endpoint to = { .addr = a->sim.b.v4, .port = 81 };

    for (unsigned i = 0; i < HOSTILE; i++) {
        assert_int_equal(rn_tcp_new(&socks[i], a->sim.a.stack), 0);
        assert_int_equal(rn_sock_set_opt(socks[i], RN_SO_RCVBUF, 2048), 0);
        assert_int_equal(rn_sock_connect(socks[i], &to), RN_E_CONNECT_STARTED);
    }
    rn_test_turn_run(&a->sim.t, RN_NS_PER_S);
}

static void write_to_all(struct attack *a)
{
    static const uint8_t bytes[32768];

    for (unsigned i = 0; i < a->n_held; i++)
        (void)!rn_tcp_write(a->held[i], bytes, sizeof(bytes), 0);
    a->was_full |= rn_stack_pressure(a->sim.b.stack) == RN_PRESSURE_FULL;
}

static void test_a_stream_goes_on_while_others_hold_all_memory_and_more_knock(void **state)
{
    static struct rn_sock *hostile[HOSTILE];
    static struct attack a;
    struct sim_opts opts = { .impair = wire("delay=5ms,rate=20mbit,queue=100,seed=3"),
                             .mtu = 1500,
                             .forth_bytes = 8 << 20,
                             .back_bytes = 8 << 20,
                             .pool_bytes = 6 << 20,
                             .sock_bytes = 2 << 20 };
    struct rn_endpoint any = { .port = 81 };
    struct rn_sock *trap;
    int64_t next_ns = 0;

    (void)state;
    sim_init(&a.sim, &opts);
    rn_rand_init_u64(&a.rand, 5);
    assert_int_equal(rn_tcp_new(&trap, a.sim.b.stack), 0);
    assert_int_equal(rn_sock_bind(trap, &any), 0);
    assert_int_equal(rn_sock_listen(trap, HOSTILE), 0);
    rn_sock_on_event(trap, hold, &a);
    connect_hostile(&a, hostile);

    while (!sim_is_over(&a.sim) && next_ns <= 600 * RN_NS_PER_S) {
        rn_test_turn_at(&a.sim.t, next_ns);
        write_to_all(&a);
        shoot(&a);
        next_ns = rn_turn_deadline_ns(&a.sim.t.turn);
    }
    assert_true(a.was_full);
    sim_assert_whole(&a.sim);

    for (unsigned i = 0; i < HOSTILE; i++)
        rn_sock_abort(hostile[i]);
    for (unsigned i = 0; i < a.n_held; i++)
        rn_sock_close(a.held[i]);
    rn_sock_close(trap);
    rn_test_turn_settle(&a.sim.t, 300 * RN_NS_PER_S);
    assert_int_equal(a.sim.b.stack->sock_bytes, 0);
    sim_fini(&a.sim);
}

/* --- an allocator that fails ---------------------------------------------------------------------------------------------- */

/* Each n-th allocation of a whole life fails. The stream ends whole, or ends with an error; it never hangs, and what was
 * read is what was written. */
static void live_with_failures(uint64_t every)
{
    struct sim_opts opts = { .impair = wire("delay=2ms,loss=2%,reorder=5%,seed=9"),
                             .mtu = 1500,
                             .forth_bytes = 200000,
                             .back_bytes = 200000,
                             .limit_ns = 600 * RN_NS_PER_S };
    struct sim sim;

    sim_init(&sim, &opts);
    sim.t.alloc.fail_every = every;
    sim_run(&sim, &opts);
    sim.t.alloc.fail_every = 0;

    assert_false(sim.client.is_broken || sim.server.is_broken);
    if (!sim_is_over(&sim)) /* the listener's side may never have got its connection */
        assert_int_equal(sim.server.read + sim.client.read, 0);
    sim_fini(&sim);
}

static void test_each_nth_allocation_may_fail_for_a_whole_life(void **state)
{
    static const uint64_t every[] = { 2, 3, 4, 5, 7, 8, 11, 13, 16, 23, 50, 101 };

    (void)state;
    for (unsigned i = 0; i < RN_ARRAY_LEN(every); i++)
        live_with_failures(every[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_end_whole_in_a_pool_of_any_size),
        cmocka_unit_test(test_a_stream_goes_on_while_others_hold_all_memory_and_more_knock),
        cmocka_unit_test(test_each_nth_allocation_may_fail_for_a_whole_life),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
