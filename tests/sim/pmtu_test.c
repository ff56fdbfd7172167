/*
 * Paths that swallow what is too long for them and say nothing. The size that fits is found, by each connection for
 * itself, and the stack hears of it only when nothing else explains the losses.
 */
#include "stream.h"

#include "dev/stacked.h"
#include "ip/pmtu.h"

#include <cmocka.h>

#define HDR_BYTES (20 + RN_TCP_HDR_BYTES)

static uint32_t hole_bytes; /* longer packets vanish; 0: none do */

struct hole {
    struct rn_stacked base;
};

static int hole_read(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct rn_stacked *self = rn_container_of(dev, struct rn_stacked, dev);

    return self->below->ops->read_batch(self->below, in, max);
}

static int hole_write(struct rn_device *dev, struct rn_pktq *out)
{
    struct rn_stacked *self = rn_container_of(dev, struct rn_stacked, dev);
    struct rn_pktq through = { 0 };
    int n = (int)out->n_pkts;
    struct rn_pkt *pkt;

    while ((pkt = rn_pktq_pop(out)) != NULL) {
        if (hole_bytes != 0 && rn_pkt_wire_len(pkt) > hole_bytes)
            rn_pkt_drop(pkt, RN_DROP_IMPAIRED);
        else
            rn_pktq_push(&through, pkt);
    }
    (void)self->below->ops->write_batch(self->below, &through);
    rn_pktq_drop_all(&through, RN_DROP_QUEUE_FULL);
    return n;
}

static void hole_destroy(struct rn_device *dev)
{
    struct hole *hole = rn_container_of(dev, struct hole, base.dev);
    const struct rn_alloc *alloc = rn_turn_alloc(dev->turn);

    rn_stacked_fini(&hole->base);
    rn_alloc_free(alloc, hole, sizeof(*hole));
}

static const struct rn_device_ops hole_ops = {
    .kind = "hole",
    .read_batch = hole_read,
    .write_batch = hole_write,
    .close = rn_stacked_close,
    .destroy = hole_destroy,
};

static struct rn_device *with_hole(struct rn_device *below)
{
    struct hole *hole = rn_alloc_new(rn_turn_alloc(below->turn), sizeof(*hole));

    assert_non_null(hole);
    rn_stacked_init(&hole->base, below, &hole_ops);
    return &hole->base.dev;
}

static void begin(struct sim *sim, struct sim_opts *opts, const char *impair)
{
    const char *word;
    size_t len;

    *opts = (struct sim_opts){ .mtu = 1500, .forth_bytes = UINT64_MAX, .wrap = with_hole };
    assert_int_equal(rn_impair_parse(impair, &opts->impair, &word, &len), 0);
    opts->impair.seed = opts->impair.seed == 0 ? 1 : opts->impair.seed;
    sim_init(sim, opts);
}

static void run_until(struct sim *sim, struct sim_opts *opts, int64_t seconds)
{
    opts->limit_ns = seconds * RN_NS_PER_S;
    sim_run(sim, opts);
    rn_test_turn_at(&sim->t, opts->limit_ns);
}

static void stop(struct sim *sim)
{
    sim->client.sock = rn_sock_abort(sim->client.sock);
    hole_bytes = 0;
    sim_fini(sim);
}

static uint32_t known_mtu(const struct sim *sim)
{
    return rn_pmtu_find(sim->a.stack, sim->b.v4);
}

static uint16_t mss_of(const struct rn_sock *sock)
{
    return rn_container_of(sock, const struct rn_tcp, sock)->snd.mss;
}

/* --- holes ------------------------------------------------------------------------------------------------------------ */

static void test_size_of_a_hole_is_found_and_told_to_the_stack(void **state)
{
    static const uint32_t holes[] = { 1280, 1300, 1400, 1492, 576 };

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(holes); i++) {
        struct sim_opts opts;
        struct sim sim;

        begin(&sim, &opts, "delay=10ms,rate=20mbit");
        hole_bytes = holes[i];

        run_until(&sim, &opts, 60);

        print_message("a hole above %u: %u found after a minute\n", holes[i], known_mtu(&sim));
        assert_in_range(known_mtu(&sim), holes[i] - 32, holes[i]);
        assert_true(sim.server.read > 50000000);
        assert_false(sim.server.is_broken);
        stop(&sim);
    }
}

/* The stack knows: nobody else has to find out by timeouts. */
static void test_next_connection_begins_with_what_fits(void **state)
{
    struct sim_opts opts;
    struct sim sim;
    struct rn_endpoint to;
    struct rn_sock *next;

    (void)state;
    begin(&sim, &opts, "delay=10ms,rate=20mbit");
    hole_bytes = 1400;
    run_until(&sim, &opts, 60);
    to = (struct rn_endpoint){ .addr = sim.b.v4, .port = 80 };
    assert_int_equal(rn_tcp_new(&next, sim.a.stack), 0);
    assert_int_equal(rn_sock_connect(next, &to), RN_E_CONNECT_STARTED);

    run_until(&sim, &opts, 61);

    assert_true(mss_of(next) + HDR_BYTES + RN_TCP_TS_BYTES <= 1400);
    rn_sock_abort(next);
    stop(&sim);
}

static void test_hole_that_closes_is_forgotten(void **state)
{
    struct sim_opts opts;
    struct sim sim;
    uint16_t full;

    (void)state;
    begin(&sim, &opts, "delay=10ms,rate=2mbit");
    run_until(&sim, &opts, 5);
    full = mss_of(sim.client.sock);
    hole_bytes = 1300;
    run_until(&sim, &opts, 60);
    assert_true(mss_of(sim.client.sock) < full);
    hole_bytes = 0;

    run_until(&sim, &opts, 1400);

    assert_int_equal(mss_of(sim.client.sock), full);
    stop(&sim);
}

/* --- no holes --------------------------------------------------------------------------------------------------------- */

/* Three timeouts in a row are then nothing special; who took them for a hole must not make others believe it. */
static void test_heavy_loss_is_not_taken_for_a_hole(void **state)
{
    static const unsigned losses[] = { 10, 20, 30, 40 };
    unsigned n_small = 0;

    (void)state;
    for (unsigned i = 0; i < 4 * 40; i++) {
        struct sim_opts opts;
        struct sim sim;
        char text[64];

        snprintf(text, sizeof(text), "delay=5ms,loss=%u%%,seed=%u", losses[i % 4], i + 1);
        begin(&sim, &opts, text);

        run_until(&sim, &opts, 120);

        assert_int_equal(known_mtu(&sim), UINT32_MAX);
        n_small += mss_of(sim.client.sock) < 1400;
        assert_false(sim.server.is_broken);
        stop(&sim);
    }
    print_message(
        "after two minutes of 10 to 40 %% loss %u of 160 connections send small segments\n",
        n_small);
    assert_true(n_small < 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size_of_a_hole_is_found_and_told_to_the_stack),
        cmocka_unit_test(test_next_connection_begins_with_what_fits),
        cmocka_unit_test(test_hole_that_closes_is_forgotten),
        cmocka_unit_test(test_heavy_loss_is_not_taken_for_a_hole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
