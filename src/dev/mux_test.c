#include "dev/mux.h"

#include "dev/chan.h"
#include "packets.h"
#include <runnel/err.h>

#define N_MEMBERS 3u

struct bench {
    struct rn_test_turn t;
    struct rn_device *mux;
    struct rn_device *member[N_MEMBERS];
    struct rn_device *failed;
};

static void note_failed(void *arg, struct rn_device *member)
{
    ((struct bench *)arg)->failed = member;
}

static void bench_init(struct bench *b, struct rn_mux_opts opts)
{
    *b = (struct bench){ 0 };
    rn_test_turn_init(&b->t);
    opts.on_member_failed = note_failed;
    opts.arg = b;
    assert_int_equal(rn_mux_new(&b->mux, &b->t.turn, &opts), 0);
    for (unsigned i = 0; i < N_MEMBERS; i++) {
        struct rn_chan_opts co = { .mtu = 1400 + i, .queue_pkts = 8 };

        assert_int_equal(rn_chan_new(&b->member[i], &b->t.turn, &co), 0);
        assert_int_equal(rn_mux_add(b->mux, b->member[i]), 0);
    }
}

static void bench_fini(struct bench *b)
{
    rn_device_free(b->mux);
    for (unsigned i = 0; i < N_MEMBERS; i++)
        rn_device_free(b->member[i]);
    rn_test_turn_fini(&b->t);
}

/* A datagram from 10.0.0.@src to 10.0.0.@dst. */
static struct rn_pkt *datagram(struct bench *b, unsigned src, unsigned dst)
{
    struct rn_pkt *pkt = rn_test_udp4(b->t.pool, src, 20);
    uint8_t *ip = rn_pkt_own_front(pkt, 28);

    ip[15] = (uint8_t)src;
    ip[19] = (uint8_t)dst;
    return pkt;
}

static void write_to(struct bench *b, unsigned dst, unsigned n)
{
    struct rn_pktq q = { 0 };

    for (unsigned i = 0; i < n; i++)
        rn_pktq_push(&q, datagram(b, 99, dst));
    assert_int_equal(b->mux->ops->write_batch(b->mux, &q), n);
}

/* Lets @src be heard behind @member. */
static void hear(struct bench *b, unsigned member, unsigned src)
{
    struct rn_pktq q = { 0 };

    rn_pktq_push(&q, datagram(b, src, 99));
    assert_int_equal(rn_chan_inject(b->member[member], &q), 1);
    assert_int_equal(b->mux->ops->read_batch(b->mux, &q, 64), 1);
    rn_pktq_free_all(&q);
}

static unsigned arrived(struct bench *b, unsigned member)
{
    struct rn_pktq q = { 0 };
    unsigned n = rn_chan_drain(b->member[member], &q, 1000);

    rn_pktq_free_all(&q);
    return n;
}

static void test_longest_prefix_chooses_and_default_gets_the_rest(void **state)
{
    struct bench b;
    struct rn_prefix wide;
    struct rn_prefix narrow;
    (void)state;
    bench_init(&b, (struct rn_mux_opts){ 0 });
    assert_int_equal(rn_prefix_parse("10.0.0.0/24", &wide), 0);
    assert_int_equal(rn_prefix_parse("10.0.0.128/25", &narrow), 0);

    write_to(&b, 7, 1);
    assert_int_equal(b.mux->drops.n[RN_DROP_NO_ROUTE], 1);
    assert_int_equal(rn_mux_set_default(b.mux, b.member[2]), 0);
    write_to(&b, 7, 1);
    assert_int_equal(arrived(&b, 2), 1);
    assert_int_equal(rn_mux_set_prefix(b.mux, wide, b.member[0]), 0);
    assert_int_equal(rn_mux_set_prefix(b.mux, narrow, b.member[1]), 0);
    write_to(&b, 7, 2);
    write_to(&b, 200, 3);

    assert_int_equal(arrived(&b, 0), 2);
    assert_int_equal(arrived(&b, 1), 3);
    bench_fini(&b);
}

static void test_answers_go_where_the_question_came_from(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b, (struct rn_mux_opts){ 0 });
    hear(&b, 0, 1);
    hear(&b, 1, 2);

    write_to(&b, 1, 1);
    write_to(&b, 2, 2);
    hear(&b, 2, 1); /* it moved */
    write_to(&b, 1, 4);

    assert_int_equal(arrived(&b, 0), 1);
    assert_int_equal(arrived(&b, 1), 2);
    assert_int_equal(arrived(&b, 2), 4);
    bench_fini(&b);
}

static void test_learned_addresses_are_bounded_and_the_oldest_goes(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b, (struct rn_mux_opts){ .learned_max = 2 });

    hear(&b, 0, 1);
    hear(&b, 0, 2);
    hear(&b, 0, 1);
    hear(&b, 0, 3);

    write_to(&b, 1, 1);
    write_to(&b, 2, 1);
    write_to(&b, 3, 1);
    assert_int_equal(arrived(&b, 0), 2);
    assert_int_equal(b.mux->drops.n[RN_DROP_NO_ROUTE], 1);
    bench_fini(&b);
}

static void test_all_members_are_read_and_a_busy_one_silences_nobody(void **state)
{
    struct bench b;
    struct rn_pktq q = { 0 };
    unsigned from[N_MEMBERS + 1] = { 0 };
    struct rn_pkt *pkt;
    (void)state;
    bench_init(&b, (struct rn_mux_opts){ 0 });
    for (unsigned i = 0; i < N_MEMBERS; i++) {
        for (unsigned k = 0; k < (i == 0 ? 8 : 1); k++)
            rn_pktq_push(&q, datagram(&b, 1 + i, 99));
        (void)rn_chan_inject(b.member[i], &q);
    }

    assert_int_equal(b.mux->ops->read_batch(b.mux, &q, 4), 3);
    while ((pkt = rn_pktq_pop(&q)) != NULL) {
        from[rn_test_udp4_number(pkt) - 1]++;
        rn_pkt_free(pkt);
    }

    for (unsigned i = 0; i < N_MEMBERS; i++)
        assert_int_equal(from[i], 1);
    bench_fini(&b);
}

static void test_slow_member_loses_its_own_packets_only(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b, (struct rn_mux_opts){ 0 });
    hear(&b, 0, 1);
    hear(&b, 1, 2);

    write_to(&b, 1, 300); /* 8 in the channel, 256 wait, the rest goes */
    write_to(&b, 2, 5);

    assert_int_equal(arrived(&b, 1), 5);
    assert_int_equal(b.mux->drops.n[RN_DROP_QUEUE_FULL], 300 - 256);
    assert_int_equal(arrived(&b, 0), 8);
    assert_int_equal(arrived(&b, 0), 8); /* room was told, and used */
    bench_fini(&b);
}

static void test_mtu_is_the_smallest_and_follows_members(void **state)
{
    struct bench b;
    (void)state;
    bench_init(&b, (struct rn_mux_opts){ 0 });

    assert_int_equal(b.mux->mtu, 1400);
    rn_mux_remove(b.mux, b.member[0]);
    assert_int_equal(b.mux->mtu, 1401);
    rn_mux_remove(b.mux, b.member[0]);
    assert_int_equal(rn_mux_add(b.mux, b.member[1]), RN_E_EXISTS);
    bench_fini(&b);
}

static void test_closed_member_is_taken_out_with_its_addresses(void **state)
{
    struct bench b;
    struct rn_pktq q = { 0 };
    (void)state;
    bench_init(&b, (struct rn_mux_opts){ 0 });
    hear(&b, 0, 1);

    b.member[0]->ops->close(b.member[0]);
    assert_int_equal(b.mux->ops->read_batch(b.mux, &q, 64), RN_E_WOULD_BLOCK);
    write_to(&b, 1, 1);

    assert_ptr_equal(b.failed, b.member[0]);
    assert_int_equal(b.mux->drops.n[RN_DROP_NO_ROUTE], 1);
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_longest_prefix_chooses_and_default_gets_the_rest),
        cmocka_unit_test(test_answers_go_where_the_question_came_from),
        cmocka_unit_test(test_learned_addresses_are_bounded_and_the_oldest_goes),
        cmocka_unit_test(test_all_members_are_read_and_a_busy_one_silences_nobody),
        cmocka_unit_test(test_slow_member_loses_its_own_packets_only),
        cmocka_unit_test(test_mtu_is_the_smallest_and_follows_members),
        cmocka_unit_test(test_closed_member_is_taken_out_with_its_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
