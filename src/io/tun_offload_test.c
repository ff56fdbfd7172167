/* What a virtio header may claim about a frame: the table of attacks is research's E01-E06 and E10. */
#include "io/tun_offload.h"

#include "base/checksum.h"
#include "packets.h"
#include "wire/eth.h"
#include "wire/vnet.h"
#include <runnel/err.h>

#define PAYLOAD 3000u

/* A frame as a device receives it: all bytes in slabs, none in the head. */
struct frame {
    uint8_t bytes[14 + 60 + 8192];
    size_t len;
};

static struct frame tcp4_frame(void)
{
    struct frame f = { .len = 40 + PAYLOAD };
    struct rn_ipv4_hdr ip = { .src = rn_addr_v4(0x0a000001),
                              .dst = rn_addr_v4(0x0a000002),
                              .total_len = (uint16_t)f.len,
                              .ttl = 64,
                              .proto = RN_PROTO_TCP };
    struct rn_tcp_hdr tcp = { .src_port = 1, .dst_port = 2, .hdr_len = 20 };

    rn_ipv4_emit(&ip, f.bytes);
    rn_tcp_emit(&tcp, f.bytes + 20);
    return f;
}

static struct frame udp6_frame(void)
{
    struct frame f = { .len = 48 + PAYLOAD };
    const uint8_t src[16] = { 0xfd, [15] = 1 };
    struct rn_ipv6_hdr ip = { .src = rn_addr_v6(src),
                              .dst = rn_addr_v6(src),
                              .payload_len = 8 + PAYLOAD,
                              .hop_limit = 64,
                              .next = RN_PROTO_UDP };
    struct rn_udp_hdr udp = { .src_port = 1, .dst_port = 2, .len_bytes = 8 + PAYLOAD };

    rn_ipv6_emit(&ip, f.bytes);
    rn_udp_emit(&udp, f.bytes + 40);
    return f;
}

static struct rn_vnet_hdr tcp4_claim(void)
{
    return (struct rn_vnet_hdr){ .flags = RN_VNET_NEEDS_CSUM,
                                 .gso = RN_VNET_GSO_TCP4,
                                 .gso_size = 1000,
                                 .hdr_len = 40,
                                 .csum_start = 20,
                                 .csum_offset = 16 };
}

static struct rn_vnet_hdr udp6_claim(void)
{
    return (struct rn_vnet_hdr){ .flags = RN_VNET_NEEDS_CSUM,
                                 .gso = RN_VNET_GSO_UDP_L4,
                                 .gso_size = 1000,
                                 .hdr_len = 48,
                                 .csum_start = 40,
                                 .csum_offset = 6 };
}

/* Receives @f with @hdr; the packet, if wanted, is the caller's. */
static int receive(struct rn_test_turn *t, const struct frame *f, const struct rn_vnet_hdr *hdr,
                   struct rn_pkt *ret)
{
    struct rn_pkt *pkt = rn_pkt_from_bytes(t->pool, f->bytes, f->len);
    uint8_t raw[RN_VNET_HDR_BYTES];
    int err;

    assert_non_null(pkt);
    rn_vnet_emit(hdr, raw, sizeof(raw));
    err = rn_offload_rx(pkt, raw, RN_LINK_IP);
    if (ret != NULL)
        memcpy(ret, pkt, sizeof(*ret));
    rn_pkt_free(pkt);
    return err;
}

static void test_tcp_super_segment_gets_its_shape_from_the_packet_not_from_hdr_len(void **state)
{
    struct rn_test_turn t;
    struct frame f = tcp4_frame();
    struct rn_vnet_hdr claim = tcp4_claim();
    struct rn_pkt pkt;

    (void)state;
    rn_test_turn_init(&t);
    claim.hdr_len = 7; /* a hint, often wrong: E05 */
    assert_int_equal(receive(&t, &f, &claim, &pkt), RN_OK);

    assert_int_equal(pkt.gso, RN_GSO_TCP4);
    assert_int_equal(pkt.gso_hdr, 40);
    assert_int_equal(pkt.gso_size, 1000);
    assert_int_equal(pkt.csum, RN_CSUM_PARTIAL);
    assert_int_equal(pkt.csum_start, 20);
    assert_int_equal(rn_pkt_segments(&pkt), 3);
    rn_test_turn_fini(&t);
}

static void test_udp_super_datagram_over_ipv6_is_understood(void **state)
{
    struct rn_test_turn t;
    struct frame f = udp6_frame();
    struct rn_vnet_hdr claim = udp6_claim();
    struct rn_pkt pkt;

    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(receive(&t, &f, &claim, &pkt), RN_OK);

    assert_int_equal(pkt.gso, RN_GSO_UDP);
    assert_int_equal(pkt.gso_hdr, 48);
    rn_test_turn_fini(&t);
}

static void test_plain_and_verified_packets_need_no_parsing(void **state)
{
    struct rn_test_turn t;
    struct frame f = { .bytes = { 0xff }, .len = 1 };
    struct rn_pkt pkt;

    (void)state;
    rn_test_turn_init(&t);

    assert_int_equal(receive(&t, &f, &(struct rn_vnet_hdr){ 0 }, &pkt), RN_OK);
    assert_int_equal(pkt.csum, RN_CSUM_NONE);
    assert_int_equal(receive(&t, &f, &(struct rn_vnet_hdr){ .flags = RN_VNET_DATA_VALID }, &pkt),
                     RN_OK);
    assert_int_equal(pkt.csum, RN_CSUM_VALID);
    rn_test_turn_fini(&t);
}

static void test_super_segment_of_one_segment_is_an_ordinary_packet(void **state)
{
    struct rn_test_turn t;
    struct frame f = tcp4_frame();
    struct rn_vnet_hdr claim = tcp4_claim();
    struct rn_pkt pkt;

    (void)state;
    rn_test_turn_init(&t);
    claim.gso_size = PAYLOAD;
    assert_int_equal(receive(&t, &f, &claim, &pkt), RN_OK);

    assert_int_equal(pkt.gso, RN_GSO_NONE);
    assert_int_equal(pkt.csum, RN_CSUM_PARTIAL);
    rn_test_turn_fini(&t);
}

struct attack {
    const char *what;
    void (*mutate)(struct frame *f, struct rn_vnet_hdr *claim);
};

static void type_of_other_ip_version(struct frame *f, struct rn_vnet_hdr *claim)
{
    (void)f;
    claim->gso = RN_VNET_GSO_TCP6;
}

static void type_of_other_protocol(struct frame *f, struct rn_vnet_hdr *claim)
{
    (void)f;
    claim->gso = RN_VNET_GSO_UDP_L4;
}

static void type_unknown(struct frame *f, struct rn_vnet_hdr *claim)
{
    (void)f;
    claim->gso = 3; /* UFO, never offered by us */
}

static void size_zero(struct frame *f, struct rn_vnet_hdr *claim)
{
    (void)f;
    claim->gso_size = 0;
}

static void size_reserved(struct frame *f, struct rn_vnet_hdr *claim)
{
    (void)f;
    claim->gso_size = 0xffff;
}

static void size_one(struct frame *f, struct rn_vnet_hdr *claim)
{
    (void)f;
    claim->gso_size = 1;
}

static void checksum_inside_ip_header(struct frame *f, struct rn_vnet_hdr *claim)
{
    (void)f;
    claim->csum_start = 10;
}

static void checksum_past_the_end(struct frame *f, struct rn_vnet_hdr *claim)
{
    claim->csum_start = (uint16_t)(f->len - 17);
}

static void checksum_wraps(struct frame *f, struct rn_vnet_hdr *claim)
{
    (void)f;
    claim->csum_start = 0xffff;
    claim->csum_offset = 0xffff;
}

static void checksum_elsewhere_in_tcp(struct frame *f, struct rn_vnet_hdr *claim)
{
    (void)f;
    claim->csum_offset = 6;
}

static void no_checksum_wanted(struct frame *f, struct rn_vnet_hdr *claim)
{
    (void)f;
    claim->flags = 0;
}

static void fragment(struct frame *f, struct rn_vnet_hdr *claim)
{
    (void)claim;
    f->bytes[6] |= 0x20; /* more fragments */
}

static void tcp_header_longer_than_packet(struct frame *f, struct rn_vnet_hdr *claim)
{
    struct rn_ipv4_hdr ip;

    (void)claim;
    assert_int_equal(rn_ipv4_parse(&ip, rn_view_of(f->bytes, f->len), f->len), 0);
    f->len = 44;
    ip.total_len = 44;
    rn_ipv4_emit(&ip, f->bytes);
    f->bytes[32] = 0xf0;
}

static void padding_behind_the_packet(struct frame *f, struct rn_vnet_hdr *claim)
{
    (void)claim;
    f->len += 100;
}

static void not_ip(struct frame *f, struct rn_vnet_hdr *claim)
{
    (void)claim;
    f->bytes[0] = 0x25;
}

static void cut_header(struct frame *f, struct rn_vnet_hdr *claim)
{
    (void)claim;
    f->len = 19;
}

static void test_header_that_does_not_fit_its_frame_is_malformed(void **state)
{
    static const struct attack attacks[] = {
        { "type of the other IP version", type_of_other_ip_version },
        { "type of another protocol", type_of_other_protocol },
        { "unknown type", type_unknown },
        { "size 0", size_zero },
        { "size 0xffff", size_reserved },
        { "3000 segments", size_one },
        { "checksum starts in the IP header", checksum_inside_ip_header },
        { "checksum past the end", checksum_past_the_end },
        { "checksum offsets wrap", checksum_wraps },
        { "checksum not where TCP has it", checksum_elsewhere_in_tcp },
        { "segments without checksum", no_checksum_wanted },
        { "a fragment", fragment },
        { "TCP header longer than the packet", tcp_header_longer_than_packet },
        { "padding behind a super-segment", padding_behind_the_packet },
        { "not IP", not_ip },
        { "cut in the IP header", cut_header },
    };
    struct rn_test_turn t;

    (void)state;
    rn_test_turn_init(&t);
    for (size_t i = 0; i < RN_ARRAY_LEN(attacks); i++) {
        struct frame f = tcp4_frame();
        struct rn_vnet_hdr claim = tcp4_claim();

        attacks[i].mutate(&f, &claim);
        if (receive(&t, &f, &claim, NULL) != RN_E_MALFORMED)
            fail_msg("accepted: %s", attacks[i].what);
    }
    rn_test_turn_fini(&t);
}

static void test_no_truncation_of_a_frame_is_misread(void **state)
{
    struct rn_test_turn t;
    struct frame f = udp6_frame();
    const struct rn_vnet_hdr claim = udp6_claim();
    size_t full = f.len;

    (void)state;
    rn_test_turn_init(&t);
    for (f.len = 1; f.len < full; f.len++)
        assert_int_equal(receive(&t, &f, &claim, NULL), RN_E_MALFORMED);
    rn_test_turn_fini(&t);
}

static void test_checksum_of_a_tunnel_is_made_at_once(void **state)
{
    struct rn_test_turn t;
    struct frame f = tcp4_frame();
    struct rn_vnet_hdr claim = { .flags = RN_VNET_NEEDS_CSUM, .csum_start = 60, .csum_offset = 6 };
    struct rn_pkt *pkt;
    uint8_t raw[RN_VNET_HDR_BYTES];

    (void)state;
    rn_test_turn_init(&t);
    f.bytes[70] = 0xab;
    pkt = rn_pkt_from_bytes(t.pool, f.bytes, f.len);
    rn_vnet_emit(&claim, raw, sizeof(raw));
    assert_int_equal(rn_offload_rx(pkt, raw, RN_LINK_IP), RN_OK);

    assert_int_not_equal(pkt->csum, RN_CSUM_PARTIAL);
    /* A field that completes its range makes the range sum to all ones (RFC 1071). */
    assert_int_equal(rn_pkt_checksum(pkt, 60, pkt->len - 60, 0), 0xffff);
    rn_pkt_free(pkt);
    rn_test_turn_fini(&t);
}

static void test_what_is_sent_is_received_as_it_was(void **state)
{
    struct rn_test_turn t;
    struct rn_pkt *pkt;
    struct rn_pkt *copy;
    uint8_t raw[RN_VNET_HDR_BYTES];
    uint8_t bytes[40 + PAYLOAD];

    (void)state;
    rn_test_turn_init(&t);
    pkt = rn_test_tcp4(t.pool, PAYLOAD, 1000);
    pkt->flags |= RN_PKT_GSO_ECN;
    rn_offload_tx(pkt, raw);
    rn_pkt_copy_out(pkt, 0, bytes, sizeof(bytes));
    copy = rn_pkt_from_bytes(t.pool, bytes, sizeof(bytes));
    assert_int_equal(rn_offload_rx(copy, raw, RN_LINK_IP), RN_OK);

    assert_int_equal(copy->gso, pkt->gso);
    assert_int_equal(copy->gso_size, pkt->gso_size);
    assert_int_equal(copy->gso_hdr, pkt->gso_hdr);
    assert_int_equal(copy->csum, pkt->csum);
    assert_int_equal(copy->csum_start, pkt->csum_start);
    assert_int_equal(copy->csum_offset, pkt->csum_offset);
    assert_true((copy->flags & RN_PKT_GSO_ECN) != 0);
    rn_pkt_free(pkt);
    rn_pkt_free(copy);
    rn_test_turn_fini(&t);
}

static void test_offsets_on_ethernet_count_from_the_link_header(void **state)
{
    struct rn_test_turn t;
    struct frame ip = tcp4_frame();
    struct frame f = { .len = ip.len + 14 };
    struct rn_vnet_hdr claim = tcp4_claim();
    const struct rn_eth_hdr eth = { .type = RN_ETHERTYPE_IPV4 };
    uint8_t raw[RN_VNET_HDR_BYTES];
    struct rn_pkt *pkt;

    (void)state;
    rn_test_turn_init(&t);
    rn_eth_emit(&eth, f.bytes);
    memcpy(f.bytes + 14, ip.bytes, ip.len);
    claim.csum_start = 34;
    rn_vnet_emit(&claim, raw, sizeof(raw));
    pkt = rn_pkt_from_bytes(t.pool, f.bytes, f.len);
    assert_int_equal(rn_offload_rx(pkt, raw, RN_LINK_ETHERNET), RN_OK);

    assert_int_equal(pkt->gso_hdr, 54);
    assert_int_equal(pkt->csum_start, 34);
    rn_pkt_free(pkt);
    rn_test_turn_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp_super_segment_gets_its_shape_from_the_packet_not_from_hdr_len),
        cmocka_unit_test(test_udp_super_datagram_over_ipv6_is_understood),
        cmocka_unit_test(test_plain_and_verified_packets_need_no_parsing),
        cmocka_unit_test(test_super_segment_of_one_segment_is_an_ordinary_packet),
        cmocka_unit_test(test_header_that_does_not_fit_its_frame_is_malformed),
        cmocka_unit_test(test_no_truncation_of_a_frame_is_misread),
        cmocka_unit_test(test_checksum_of_a_tunnel_is_made_at_once),
        cmocka_unit_test(test_what_is_sent_is_received_as_it_was),
        cmocka_unit_test(test_offsets_on_ethernet_count_from_the_link_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
