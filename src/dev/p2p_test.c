#include "dev/p2p.h"

#include "dev/pipe.h"
#include "dev/renumber.h"
#include "packets.h"
#include "wire/icmp4.h"
#include "wire/proto.h"
#include <runnel/err.h>

/* near[side] is the test's, far[side] the link's. */
struct link {
    struct rn_test_turn t;
    struct rn_p2p p2p;
    struct rn_device *near[RN_P2P_SIDES];
    struct rn_device *far[RN_P2P_SIDES];
    uint32_t next_out[RN_P2P_SIDES];
    uint32_t next_in[RN_P2P_SIDES];
};

static void plug_new(struct link *l, enum rn_p2p_side side)
{
    struct rn_device *ends[2];
    struct rn_device *old_near = l->near[side];
    struct rn_device *old_far = l->far[side];

    assert_int_equal(rn_pipe_new(ends, &l->t.turn, &(struct rn_pipe_opts){ .queue_pkts = 16 }), 0);
    l->near[side] = ends[0];
    l->far[side] = ends[1];
    assert_int_equal(rn_p2p_set(&l->p2p, side, l->far[side]), 0);
    rn_device_free(old_near);
    rn_device_free(old_far);
}

static void link_init(struct link *l)
{
    *l = (struct link){ 0 };
    rn_test_turn_init(&l->t);
    rn_p2p_init(&l->p2p, &l->t.turn);
    plug_new(l, RN_P2P_A);
    plug_new(l, RN_P2P_B);
}

static void link_fini(struct link *l)
{
    rn_p2p_fini(&l->p2p);
    for (unsigned i = 0; i < RN_P2P_SIDES; i++) {
        rn_device_free(l->near[i]);
        rn_device_free(l->far[i]);
    }
    rn_test_turn_fini(&l->t);
}

static void feed(struct link *l, enum rn_p2p_side side, unsigned n)
{
    struct rn_pktq q = { 0 };
    int taken;

    for (unsigned i = 0; i < n; i++)
        rn_pktq_push(&q, rn_test_udp4(l->t.pool, l->next_out[side] + i, 20));
    taken = l->near[side]->ops->write_batch(l->near[side], &q);
    rn_pktq_free_all(&q);
    assert_true(taken >= 0);
    l->next_out[side] += (uint32_t)taken;
}

static void collect(struct link *l, enum rn_p2p_side side)
{
    struct rn_pktq q = { 0 };
    struct rn_pkt *pkt;

    while (l->near[side]->ops->read_batch(l->near[side], &q, 64) > 0)
        continue;
    while ((pkt = rn_pktq_pop(&q)) != NULL) {
        assert_int_equal(rn_test_udp4_number(pkt), l->next_in[side]++);
        rn_pkt_free(pkt);
    }
}

static void turn(struct link *l)
{
    rn_test_turn_at(&l->t, l->t.turn.now_ns + RN_NS_PER_MS);
}

static void test_both_sides_swapped_at_every_turn_lose_nothing(void **state)
{
    struct link l;
    (void)state;
    link_init(&l);

    for (unsigned i = 0; i < 300; i++) {
        feed(&l, RN_P2P_A, 5);
        feed(&l, RN_P2P_B, 11);
        turn(&l);
        collect(&l, RN_P2P_A);
        collect(&l, RN_P2P_B);
        plug_new(&l, i % 2 == 0 ? RN_P2P_A : RN_P2P_B);
    }

    assert_int_equal(l.next_out[RN_P2P_A], 1500);
    assert_int_equal(l.next_in[RN_P2P_B], 1500);
    assert_int_equal(l.next_in[RN_P2P_A], 3300);
    assert_int_equal(rn_p2p_count(&l.p2p, RN_P2P_A), 1500);
    assert_int_equal(rn_p2p_count(&l.p2p, RN_P2P_B), 3300);
    link_fini(&l);
}

static void test_full_far_side_stops_only_its_own_direction(void **state)
{
    struct link l;
    (void)state;
    link_init(&l);

    for (unsigned i = 0; i < 10; i++) {
        feed(&l, RN_P2P_A, 16); /* nobody reads at B */
        feed(&l, RN_P2P_B, 4);
        turn(&l);
        collect(&l, RN_P2P_A);
    }
    assert_int_equal(l.next_in[RN_P2P_A], 40);
    assert_int_equal(l.next_in[RN_P2P_B], 0);
    for (unsigned i = 0; i < 10; i++) {
        collect(&l, RN_P2P_B);
        turn(&l);
    }

    assert_int_equal(l.next_in[RN_P2P_B], l.next_out[RN_P2P_A]);
    link_fini(&l);
}

static void note_side(struct rn_p2p *p2p, enum rn_p2p_side side, struct rn_device *end)
{
    (void)end;
    *(enum rn_p2p_side *)p2p->arg = side;
}

static void test_closed_side_is_taken_out_and_the_other_stays(void **state)
{
    struct link l;
    enum rn_p2p_side failed = RN_P2P_SIDES;
    (void)state;
    link_init(&l);
    l.p2p.on_end_failed = note_side;
    l.p2p.arg = &failed;

    l.near[RN_P2P_B]->ops->close(l.near[RN_P2P_B]);
    turn(&l);

    assert_int_equal(failed, RN_P2P_B);
    assert_null(l.p2p.end[RN_P2P_B]);
    assert_ptr_equal(l.p2p.end[RN_P2P_A], l.far[RN_P2P_A]);
    plug_new(&l, RN_P2P_B);
    feed(&l, RN_P2P_A, 3);
    turn(&l);
    collect(&l, RN_P2P_B);
    assert_int_equal(l.next_in[RN_P2P_B], 3);
    link_fini(&l);
}

/* --- addresses ------------------------------------------------------------------------------------------------ */
static const struct rn_renumber *v4_map(struct rn_renumber *map)
{
    *map = (struct rn_renumber){ .a_own = rn_addr_v4(0x0a000001),
                                 .a_seen = rn_addr_v4(0xc0a80107),
                                 .b_own = rn_addr_v4(0x0a000001), /* the same at home */
                                 .b_seen = rn_addr_v4(0x0a000002) };
    return map;
}

static void assert_sums_are_right(struct rn_pkt *pkt, struct rn_addr src, struct rn_addr dst)
{
    struct rn_view front = rn_pkt_front(pkt);
    struct rn_ipv4_hdr ip;

    assert_int_equal(rn_ipv4_parse(&ip, front, pkt->len), RN_OK);
    assert_true(rn_addr_eq(ip.src, src));
    assert_true(rn_addr_eq(ip.dst, dst));
    assert_true(rn_ipv4_checksum_ok(front, ip.hdr_len));
    assert_int_equal(rn_pkt_checksum(pkt, 20, pkt->len - 20,
                                     rn_checksum_pseudo(src, dst, ip.proto, pkt->len - 20)),
                     0xffff);
}

static void test_two_ends_with_one_address_are_joined(void **state)
{
    struct rn_test_turn t;
    struct rn_renumber map;
    struct rn_pkt *pkt;
    (void)state;
    rn_test_turn_init(&t);
    (void)v4_map(&map);

    pkt = rn_renumber_a_to_b(&map, rn_test_udp4(t.pool, 1, 33)); /* 10.0.0.1 to 10.0.0.2 */
    assert_sums_are_right(pkt, map.a_seen, map.b_own);
    rn_pkt_free(pkt);

    pkt = rn_renumber_a_to_b(&map, rn_test_tcp4(t.pool, 100, 0));
    assert_true(rn_pkt_complete_checksum(pkt)); /* it was PARTIAL on the way */
    assert_sums_are_right(pkt, map.a_seen, map.b_own);
    rn_pkt_free(pkt);
    rn_test_turn_fini(&t);
}

static void test_there_and_back_again_is_the_same_packet(void **state)
{
    struct rn_renumber there = { .a_own = rn_addr_v4(0x0a000001),
                                 .a_seen = rn_addr_v4(0xc0a80107),
                                 .b_own = rn_addr_v4(0x01020304),
                                 .b_seen = rn_addr_v4(0x0a000002) };
    struct rn_renumber back = {
        .b_own = there.a_seen, .b_seen = there.a_own, .a_seen = there.b_own, .a_own = there.b_seen
    };
    struct rn_test_turn t;
    struct rn_pkt *pkt;
    struct rn_pkt *old;
    uint8_t was[48];
    uint8_t is[48];
    (void)state;
    rn_test_turn_init(&t);
    old = rn_test_udp4(t.pool, 5, 20);
    rn_pkt_copy_out(old, 0, was, sizeof(was));

    pkt = rn_renumber_a_to_b(&there, old);
    rn_pkt_copy_out(pkt, 0, is, sizeof(is));
    assert_memory_not_equal(was, is, sizeof(is));
    pkt = rn_renumber_b_to_a(&back, pkt);
    rn_pkt_copy_out(pkt, 0, is, sizeof(is));

    assert_memory_equal(was, is, sizeof(is));
    rn_pkt_free(pkt);
    rn_test_turn_fini(&t);
}

/* A's network answers B's packet with an error: the packet it quotes must be the one that B sent. */
static void test_packet_quoted_by_an_error_is_renumbered_too(void **state)
{
    struct rn_test_turn t;
    struct rn_renumber map;
    uint8_t bytes[20 + 8 + 28] = { 0 };
    struct rn_ipv4_hdr outer = { .src = rn_addr_v4(0x0a000001),
                                 .dst = rn_addr_v4(0x0a000002),
                                 .total_len = sizeof(bytes),
                                 .ttl = 64,
                                 .proto = RN_PROTO_ICMP4 };
    struct rn_ipv4_hdr inner = { .src = rn_addr_v4(0x0a000002),
                                 .dst = rn_addr_v4(0x0a000001),
                                 .total_len = 1500,
                                 .ttl = 63,
                                 .proto = RN_PROTO_UDP };
    struct rn_icmp4_hdr icmp = { .type = RN_ICMP4_UNREACH, .code = RN_ICMP4_PORT };
    struct rn_pkt *pkt;
    (void)state;
    rn_test_turn_init(&t);
    (void)v4_map(&map);
    rn_ipv4_emit(&outer, bytes);
    rn_icmp4_emit(&icmp, bytes + 20);
    rn_ipv4_emit(&inner, bytes + 28);
    rn_put_be16(bytes + 22, (uint16_t)~rn_checksum(bytes + 20, 36, 0));

    pkt = rn_renumber_a_to_b(&map, rn_pkt_from_bytes(t.pool, bytes, sizeof(bytes)));

    rn_pkt_copy_out(pkt, 0, bytes, sizeof(bytes));
    assert_int_equal(rn_ipv4_parse(&inner, rn_view_of(bytes + 28, 28), 1500), RN_OK);
    assert_true(rn_addr_eq(inner.src, map.b_own));
    assert_true(rn_addr_eq(inner.dst, map.a_seen));
    assert_true(rn_ipv4_checksum_ok(rn_view_of(bytes, 20), 20));
    assert_true(rn_ipv4_checksum_ok(rn_view_of(bytes + 28, 20), 20));
    assert_int_equal(rn_checksum(bytes + 20, 36, 0), 0xffff);
    rn_pkt_free(pkt);
    rn_test_turn_fini(&t);
}

static void test_no_truncation_is_read_past_its_end(void **state)
{
    struct rn_test_turn t;
    struct rn_renumber map;
    uint8_t bytes[48];
    struct rn_pkt *pkt;
    (void)state;
    rn_test_turn_init(&t);
    (void)v4_map(&map);
    pkt = rn_test_udp4(t.pool, 1, 20);
    rn_pkt_copy_out(pkt, 0, bytes, sizeof(bytes));
    rn_pkt_free(pkt);

    for (size_t len = 1; len < sizeof(bytes); len++) {
        pkt = rn_renumber_a_to_b(&map, rn_pkt_from_bytes(t.pool, bytes, len));
        assert_true(len >= 20 || pkt == NULL);
        rn_pkt_free(pkt);
    }
    rn_test_turn_fini(&t);
}

struct told {
    unsigned n;
    struct rn_p2p *freed;
};

static void free_it(void *arg, struct rn_p2p *p2p, enum rn_p2p_side side, struct rn_device *end)
{
    struct told *told = arg;
    (void)end;

    assert_int_equal(side, RN_P2P_A);
    told->n++;
    told->freed = rn_p2p_free(p2p);
}

static void test_link_may_be_freed_by_who_is_told_of_its_end(void **state)
{
    struct told told = { 0 };
    struct rn_p2p_opts opts = { .on_end_failed = free_it, .arg = &told };
    struct rn_device *ends[RN_P2P_SIDES][2];
    struct rn_test_turn t;
    struct rn_p2p *p2p;
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(rn_p2p_new(&p2p, &t.turn, &opts), 0);
    for (unsigned i = 0; i < RN_P2P_SIDES; i++) {
        assert_int_equal(rn_pipe_open(ends[i], &t.turn, 0), 0);
        assert_int_equal(rn_p2p_set(p2p, i, ends[i][0]), 0);
    }

    rn_device_close(ends[RN_P2P_A][1]);
    rn_test_turn_at(&t, 1);

    assert_int_equal(told.n, 1);
    assert_null(told.freed);
    for (unsigned i = 0; i < 2 * RN_P2P_SIDES; i++)
        rn_device_free(ends[i / 2][i % 2]);
    rn_test_turn_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_sides_swapped_at_every_turn_lose_nothing),
        cmocka_unit_test(test_full_far_side_stops_only_its_own_direction),
        cmocka_unit_test(test_closed_side_is_taken_out_and_the_other_stays),
        cmocka_unit_test(test_two_ends_with_one_address_are_joined),
        cmocka_unit_test(test_there_and_back_again_is_the_same_packet),
        cmocka_unit_test(test_packet_quoted_by_an_error_is_renumbered_too),
        cmocka_unit_test(test_no_truncation_is_read_past_its_end),
        cmocka_unit_test(test_link_may_be_freed_by_who_is_told_of_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
