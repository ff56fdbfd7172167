#include "dev/gso.h"

#include "packets.h"
#include <runnel/err.h>

#define PAYLOAD  3000u
#define MSS      1000u
#define DATAGRAM 2001u

static void test_super_packet_becomes_segments_of_gso_size(void **state)
{
    struct rn_test_turn t;
    struct rn_pktq out = { 0 };
    struct rn_pkt *seg;
    uint32_t at = 0;
    (void)state;
    rn_test_turn_init(&t);

    assert_int_equal(rn_gso_cut(rn_test_tcp4(t.pool, PAYLOAD - 1, MSS), 0, &out), 3);

    for (unsigned i = 0; (seg = rn_pktq_pop(&out)) != NULL; i++) {
        struct rn_view front = rn_pkt_front(seg);
        struct rn_ipv4_hdr ip;
        struct rn_tcp_hdr tcp;
        uint8_t payload[MSS];
        uint32_t len = seg->len - 40;

        assert_int_equal(rn_ipv4_parse(&ip, front, seg->len), RN_OK);
        assert_true(rn_ipv4_checksum_ok(front, 20));
        assert_int_equal(ip.total_len, seg->len);
        assert_int_equal(ip.id, 7 + i);
        assert_int_equal(
            rn_tcp_parse(&tcp, rn_view_of(front.ptr + 20, front.len - 20), seg->len - 20), RN_OK);
        assert_int_equal(tcp.seq.v, 0xfffffff0u + at);
        assert_int_equal((tcp.flags & RN_TCP_PSH) != 0, i == 2);
        assert_int_equal((tcp.flags & RN_TCP_CWR) != 0, i == 0);
        assert_int_equal(len, i == 2 ? MSS - 1 : MSS);
        rn_pkt_copy_out(seg, 40, payload, len);
        for (uint32_t k = 0; k < len; k++)
            assert_int_equal(payload[k], (uint8_t)(at + k));
        assert_true(rn_pkt_complete_checksum(seg));
        assert_int_equal(rn_pkt_checksum(seg, 20, seg->len - 20,
                                         rn_checksum_pseudo(ip.src, ip.dst, 6, seg->len - 20)),
                         0xffff);
        at += len;
        rn_pkt_free(seg);
    }
    assert_int_equal(at, PAYLOAD - 1);
    rn_test_turn_fini(&t);
}

static void test_segments_refer_to_the_payload_and_copy_nothing(void **state)
{
    struct rn_test_turn t;
    struct rn_pktq out = { 0 };
    struct rn_pool_stats before;
    struct rn_pool_stats after;
    struct rn_pkt *pkt;
    (void)state;
    rn_test_turn_init(&t);
    pkt = rn_test_tcp4(t.pool, PAYLOAD, MSS);
    rn_pool_get_stats(t.pool, &before);

    assert_int_equal(rn_gso_cut(pkt, 0, &out), 3);

    rn_pool_get_stats(t.pool, &after);
    assert_int_equal(after.small_in_use + after.big_in_use,
                     before.small_in_use + before.big_in_use);
    rn_pktq_free_all(&out);
    rn_test_turn_fini(&t);
}

/* Frees @seg. */
static void check_complete(struct rn_pkt *seg)
{
    struct rn_view front = rn_pkt_front(seg);
    uint32_t l4_len = seg->len - 20;
    struct rn_ipv4_hdr ip;

    assert_int_not_equal(seg->csum, RN_CSUM_PARTIAL);
    assert_int_equal(rn_ipv4_parse(&ip, front, seg->len), RN_OK);
    assert_true(rn_ipv4_checksum_ok(front, 20));
    assert_int_equal(
        rn_pkt_checksum(seg, 20, l4_len, rn_checksum_pseudo(ip.src, ip.dst, ip.proto, l4_len)),
        0xffff);
    rn_pkt_free(seg);
}

static struct rn_pkt *udp_super(struct rn_pool *pool, uint16_t gso_size)
{
    struct rn_pkt *pkt = rn_test_udp4(pool, 1, DATAGRAM);

    pkt->csum = RN_CSUM_PARTIAL;
    pkt->csum_start = 20;
    pkt->csum_offset = RN_UDP_CHECKSUM_AT;
    pkt->gso = RN_GSO_UDP;
    pkt->gso_size = gso_size;
    pkt->gso_hdr = 28;
    return pkt;
}

static void test_device_without_offload_gets_complete_checksums(void **state)
{
    struct rn_device plain = { .link_type = RN_LINK_IP };

    (void)state;
    for (uint16_t size = 300; size < 1300; size += 77) {
        struct rn_test_turn t;
        struct rn_pktq out = { 0 };
        struct rn_pkt *seg;

        rn_test_turn_init(&t);
        assert_int_equal(rn_gso_conform(&plain, rn_test_tcp4(t.pool, PAYLOAD, size), &out),
                         (PAYLOAD + size - 1) / size);
        assert_int_equal(rn_gso_conform(&plain, udp_super(t.pool, size), &out),
                         (DATAGRAM + size - 1) / size);
        while ((seg = rn_pktq_pop(&out)) != NULL)
            check_complete(seg);
        rn_test_turn_fini(&t);
    }
}

static void test_device_with_offload_gets_the_packet_untouched(void **state)
{
    struct rn_test_turn t;
    struct rn_device able = { .caps = RN_DEV_TX_CSUM | RN_DEV_TSO4, .gso_max_bytes = 65535 };
    struct rn_pktq out = { 0 };
    struct rn_pkt *pkt;
    (void)state;
    rn_test_turn_init(&t);
    pkt = rn_test_tcp4(t.pool, PAYLOAD, MSS);

    assert_int_equal(rn_gso_conform(&able, pkt, &out), 1);

    assert_ptr_equal(out.first, pkt);
    assert_int_equal(pkt->gso, RN_GSO_TCP4);
    rn_pktq_free_all(&out);
    rn_test_turn_fini(&t);
}

static void test_lying_metadata_is_a_counted_drop(void **state)
{
    static const struct {
        uint16_t gso_hdr, gso_size, csum_start;
    } lies[] = { { 40, 0, 20 },   { 10, MSS, 20 }, { 200, MSS, 20 }, { 40, MSS, 0 },
                 { 40, MSS, 40 }, { 40, MSS, 24 }, { 30, MSS, 20 } };
    struct rn_test_turn t;
    (void)state;
    rn_test_turn_init(&t);

    for (size_t i = 0; i < RN_ARRAY_LEN(lies); i++) {
        struct rn_drop_account account = { 0 };
        struct rn_pktq out = { 0 };
        struct rn_pkt *pkt = rn_test_tcp4(t.pool, PAYLOAD, MSS);

        pkt->account = &account;
        pkt->gso_hdr = lies[i].gso_hdr;
        pkt->gso_size = lies[i].gso_size;
        pkt->csum_start = lies[i].csum_start;
        assert_int_equal(rn_gso_cut(pkt, 0, &out), RN_E_MALFORMED);
        assert_int_equal(account.n[RN_DROP_MALFORMED], 1);
        assert_true(rn_pktq_is_empty(&out));
    }
    rn_test_turn_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_super_packet_becomes_segments_of_gso_size),
        cmocka_unit_test(test_segments_refer_to_the_payload_and_copy_nothing),
        cmocka_unit_test(test_device_without_offload_gets_complete_checksums),
        cmocka_unit_test(test_device_with_offload_gets_the_packet_untouched),
        cmocka_unit_test(test_lying_metadata_is_a_counted_drop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
