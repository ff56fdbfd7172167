/* Attack list A: fragments. Each datagram is an echo request, so that a whole one shows itself by its reply. */
#include "attack.h"
#include "wire/ipv6_ext.h"

#include <runnel/err.h>

#define DATA_BYTES 192u /* of the echo request, ICMP header included */

struct rig {
    struct rn_test_host h;
    uint8_t data[DATA_BYTES];
};

static void init(struct rig *r)
{
    attack_init(&r->h);
    (void)rn_test_echo(r->data, RN_TEST_PEER4, RN_TEST_US4, DATA_BYTES - 8);
}

struct piece {
    uint16_t id;
    uint32_t off;
    size_t len;
    bool more;
};

static void feed_from(struct rig *r, const struct piece *p, struct rn_addr src, const void *bytes)
{
    struct rn_ipv4_hdr ip = { .src = src,
                              .dst = RN_TEST_US4,
                              .proto = RN_PROTO_ICMP4,
                              .id = p->id,
                              .frag_off_bytes = (uint16_t)p->off,
                              .more_fragments = p->more };
    uint8_t pkt[2048];

    rn_test_host_feed(&r->h, pkt, rn_test_ip4(pkt, &ip, bytes, p->len));
}

/* A piece of the echo request; beyond its end, zeros. */
static void feed(struct rig *r, struct piece p)
{
    uint8_t bytes[1500] = { 0 };
    size_t have = p.off < DATA_BYTES ? rn_min_size(p.len, DATA_BYTES - p.off) : 0;

    memcpy(bytes, r->data + rn_min_size(p.off, DATA_BYTES), have);
    feed_from(r, &p, RN_TEST_PEER4, bytes);
}

static uint64_t n_answered(const struct rig *r)
{
    return r->h.stack->stats.icmp_out_echo_reply;
}

/* All pieces of a good datagram, after which its reply must have left. */
static void feed_good(struct rig *r, uint16_t id)
{
    uint64_t before = n_answered(r);

    feed(r, (struct piece){ id, 0, 64, true });
    feed(r, (struct piece){ id, 128, 64, false });
    feed(r, (struct piece){ id, 64, 64, true });
    assert_int_equal(n_answered(r), before + 1);
    rn_pktq_free_all(&r->h.out);
}

static void test_A05_datagram_beyond_65535_bytes_is_refused(void **state)
{
    struct rig r;

    (void)state;
    init(&r);

    feed(&r, (struct piece){ 1, 65528, 16, false });

    assert_int_equal(rn_test_host_drops(&r.h, RN_DROP_MALFORMED), 1);
    assert_int_equal(r.h.stack->reass_bytes, 0);
    feed_good(&r, 2);
    rn_test_host_fini(&r.h);
}

static void test_A05_two_different_ends_kill_the_datagram(void **state)
{
    struct rig r;

    (void)state;
    init(&r);

    feed(&r, (struct piece){ 1, 128, 64, false });
    feed(&r, (struct piece){ 1, 64, 8, false }); /* shrinks the total */
    feed(&r, (struct piece){ 1, 0, 64, true });
    feed(&r, (struct piece){ 1, 64, 64, true });
    feed(&r, (struct piece){ 3, 128, 64, false });
    feed(&r, (struct piece){ 3, 200, 8, true }); /* beyond the end */
    feed(&r, (struct piece){ 3, 0, 64, true });
    feed(&r, (struct piece){ 3, 64, 64, true });

    assert_int_equal(n_answered(&r), 0);
    feed_good(&r, 2);
    rn_test_host_fini(&r.h);
}

static void test_A06_overlap_kills_the_datagram_in_either_order(void **state)
{
    static const struct piece first[] = {
        { 1, 0, 64, true }, { 2, 56, 64, true }, { 3, 0, 128, true }, { 4, 64, 32, true }
    };
    static const struct piece second[] = {
        { 1, 56, 64, true }, { 2, 0, 64, true }, { 3, 64, 32, true }, { 4, 0, 128, true }
    };
    struct rig r;

    (void)state;
    init(&r);

    for (size_t i = 0; i < RN_ARRAY_LEN(first); i++) {
        feed(&r, first[i]);
        feed(&r, second[i]);
        /* What would complete it comes too late, for it is dead. */
        feed(&r, (struct piece){ first[i].id, 0, 64, true });
        feed(&r, (struct piece){ first[i].id, 64, 64, true });
        feed(&r, (struct piece){ first[i].id, 128, 64, false });
    }
    assert_int_equal(n_answered(&r), 0);
    assert_int_equal(r.h.stack->stats.ip_reass_failed, RN_ARRAY_LEN(first));
    feed_good(&r, 9);
    rn_test_host_fini(&r.h);
}

static void test_A06_exact_duplicate_is_ignored(void **state)
{
    struct rig r;

    (void)state;
    init(&r);

    feed(&r, (struct piece){ 1, 0, 64, true });
    feed(&r, (struct piece){ 1, 0, 64, true });
    feed(&r, (struct piece){ 1, 128, 64, false });
    feed(&r, (struct piece){ 1, 128, 64, false });
    feed(&r, (struct piece){ 1, 64, 64, true });

    assert_int_equal(n_answered(&r), 1);
    assert_int_equal(rn_test_host_drops(&r.h, RN_DROP_REASS_DUPLICATE), 2);
    rn_test_host_fini(&r.h);
}

static void test_A09_lengths_no_fragment_may_have_are_dropped(void **state)
{
    struct rig r;

    (void)state;
    init(&r);

    feed(&r, (struct piece){ 1, 0, 60, true });
    feed(&r, (struct piece){ 1, 0, 0, true });
    feed(&r, (struct piece){ 1, 64, 0, false });

    assert_int_equal(rn_test_host_drops(&r.h, RN_DROP_MALFORMED), 3);
    assert_int_equal(r.h.stack->reass_bytes, 0);
    rn_test_host_fini(&r.h);
}

static void test_A10_flood_stays_within_the_budget_and_a_good_datagram_passes(void **state)
{
    struct rig r;
    struct rn_rand rand;
    uint8_t bytes[8] = { 0 };
    size_t peak = 0;

    (void)state;
    init(&r);
    rn_rand_init_u64(&rand, 10);

    for (unsigned i = 0; i < 30000; i++) {
        struct piece p = { (uint16_t)rn_rand_u32(&rand),
                           8 * (1 + (uint32_t)rn_rand_below(&rand, 1000)), 8, true };

        feed_from(&r, &p, rn_addr_v4(0x0a000002 + (uint32_t)rn_rand_below(&rand, 200)), bytes);
        peak = rn_max_u64(peak, r.h.stack->reass_bytes);
    }
    assert_true(peak <= r.h.stack->opts.reass_max_bytes);
    feed_good(&r, 77);

    rn_test_host_run(&r.h, 31 * RN_NS_PER_S);
    assert_int_equal(r.h.stack->reass_bytes, 0);
    rn_test_host_fini(&r.h);
}

static void test_A10_one_source_gets_a_quarter_at_most(void **state)
{
    struct rig r;
    uint8_t bytes[8] = { 0 };

    (void)state;
    init(&r);

    for (unsigned i = 0; i < 10000; i++) {
        struct piece p = { (uint16_t)i, 8, 8, true };

        feed_from(&r, &p, rn_addr_v4(0x0a000063), bytes);
    }
    assert_true(r.h.stack->reass_bytes <= r.h.stack->opts.reass_max_bytes / 4);
    assert_true(rn_test_host_drops(&r.h, RN_DROP_REASS_LIMIT) > 0);
    rn_test_host_fini(&r.h);
}

static void test_A10_datagram_in_too_many_pieces_is_given_up(void **state)
{
    struct rig r;

    (void)state;
    init(&r);

    for (unsigned i = 0; i < 80; i++)
        feed(&r, (struct piece){ 1, 16 * i, 8, true });

    assert_int_equal(r.h.stack->stats.ip_reass_failed, 1);
    assert_true(r.h.stack->reass_bytes < 4096);
    rn_test_host_fini(&r.h);
}

static void test_A10_time_out_tells_only_who_sent_the_first_fragment(void **state)
{
    struct rig r;

    (void)state;
    init(&r);
    feed(&r, (struct piece){ 1, 64, 64, true });
    feed(&r, (struct piece){ 2, 0, 64, true });

    rn_test_host_run(&r.h, 31 * RN_NS_PER_S);

    assert_int_equal(r.h.out.n_pkts, 1);
    attack_expect_icmp(&r.h, RN_ICMP4_TIME_EXCEEDED, RN_ICMP4_REASSEMBLY);
    assert_int_equal(rn_test_host_drops(&r.h, RN_DROP_REASS_TIMEOUT), 2);
    rn_test_host_fini(&r.h);
}

static void test_A11_header_length_is_that_of_the_first_fragment(void **state)
{
    struct rig r;
    struct rn_ipv4_hdr ip = { .src = RN_TEST_PEER4,
                              .dst = RN_TEST_US4,
                              .proto = RN_PROTO_ICMP4,
                              .id = 1,
                              .ttl = 64,
                              .total_len = 24 + 64,
                              .more_fragments = true };
    static const uint8_t nops[4] = { 1, 1, 1, 1 };
    uint8_t pkt[256];

    (void)state;
    init(&r);

    feed(&r, (struct piece){ 1, 64, 128, false });
    assert_int_equal(rn_ipv4_emit_options(&ip, rn_view_of(nops, 4), pkt, sizeof(pkt)), 24);
    memcpy(pkt + 24, r.data, 64);
    rn_test_host_feed(&r.h, pkt, 24 + 64);

    assert_int_equal(n_answered(&r), 1);
    assert_int_equal(rn_test_host_next(&r.h, pkt, sizeof(pkt)), 20 + DATA_BYTES);
    assert_memory_equal(pkt + 24, r.data + 4, DATA_BYTES - 4);
    rn_test_host_fini(&r.h);
}

static void test_A12_fragments_of_different_datagrams_never_meet(void **state)
{
    struct rig r;
    struct piece tail = { 1, 64, 128, false };

    (void)state;
    init(&r);

    feed(&r, (struct piece){ 1, 0, 64, true });
    feed_from(&r, &tail, rn_addr_v4(0x0a000003), r.data + 64); /* other source */
    tail.id = 2;
    feed_from(&r, &tail, RN_TEST_PEER4, r.data + 64); /* other identification */

    assert_int_equal(n_answered(&r), 0);
    rn_test_host_fini(&r.h);
}

static void test_A06_ipv6_overlap_kills_the_datagram(void **state)
{
    struct rig r;
    struct rn_ipv6_hdr ip = { .src = RN_TEST_PEER6, .dst = RN_TEST_US6, .next = RN_PROTO_FRAGMENT };
    static const struct rn_ipv6_frag frags[] = {
        { 0, true, 1 },
        { 56, true, 1 },
        { 64, true, 1 },
        { 128, false, 1 },
    };
    uint8_t pkt[256];

    (void)state;
    init(&r);
    (void)rn_test_echo(r.data, ip.src, ip.dst, DATA_BYTES - 8);

    for (size_t i = 0; i < RN_ARRAY_LEN(frags); i++) {
        uint8_t payload[8 + 64];

        rn_ipv6_frag_emit(&frags[i], RN_PROTO_ICMP6, payload);
        memcpy(payload + 8, r.data + frags[i].off_bytes, 64);
        rn_test_host_feed(&r.h, pkt, rn_test_ip6(pkt, &ip, payload, sizeof(payload)));
    }

    assert_int_equal(n_answered(&r), 0);
    assert_int_equal(r.h.stack->stats.ip_reass_failed, 1);
    rn_test_host_fini(&r.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_A05_datagram_beyond_65535_bytes_is_refused),
        cmocka_unit_test(test_A05_two_different_ends_kill_the_datagram),
        cmocka_unit_test(test_A06_overlap_kills_the_datagram_in_either_order),
        cmocka_unit_test(test_A06_exact_duplicate_is_ignored),
        cmocka_unit_test(test_A06_ipv6_overlap_kills_the_datagram),
        cmocka_unit_test(test_A09_lengths_no_fragment_may_have_are_dropped),
        cmocka_unit_test(test_A10_flood_stays_within_the_budget_and_a_good_datagram_passes),
        cmocka_unit_test(test_A10_one_source_gets_a_quarter_at_most),
        cmocka_unit_test(test_A10_datagram_in_too_many_pieces_is_given_up),
        cmocka_unit_test(test_A10_time_out_tells_only_who_sent_the_first_fragment),
        cmocka_unit_test(test_A11_header_length_is_that_of_the_first_fragment),
        cmocka_unit_test(test_A12_fragments_of_different_datagrams_never_meet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
