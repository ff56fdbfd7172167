/* Rows E01-E10: what a hostile peer of a TUN, TAP or packet socket can claim in a virtio header, and bait for merging. */
#include "io/tun_offload.h"
#include "base/checksum.h"
#include "dev/gro.h"
#include "io/fd_device.h"
#include "packets.h"
#include "wire/proto.h"
#include "wire/vnet.h"
#include <runnel/err.h>
#include <runnel/shm.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAYLOAD       3000u
#define HEADERS_BYTES 40u

static struct rn_vnet_hdr honest(void)
{
    return (struct rn_vnet_hdr){ .flags = RN_VNET_NEEDS_CSUM,
                                 .gso = RN_VNET_GSO_TCP4,
                                 .gso_size = 1000,
                                 .hdr_len = 40,
                                 .csum_start = 20,
                                 .csum_offset = 16 };
}

/* The bytes of a TCP packet as a device receives them: all in slabs. */
static size_t tcp4_bytes(struct rn_test_turn *t, uint8_t *bytes, size_t payload)
{
    struct rn_pkt *pkt = rn_test_tcp4(t->pool, payload, 0);
    size_t len = pkt->len;

    rn_pkt_copy_out(pkt, 0, bytes, len);
    rn_pkt_free(pkt);
    return len;
}

/* Hands @len bytes with @claim to the offload code. Returns its verdict; @ret, if wanted, is a look at the packet. */
static int claim_of(struct rn_test_turn *t, const uint8_t *bytes, size_t len,
                    const struct rn_vnet_hdr *claim, struct rn_pkt *ret)
{
    struct rn_pkt *pkt = rn_pkt_from_bytes(t->pool, bytes, len);
    uint8_t vnet[RN_VNET_HDR_BYTES];
    int err;

    assert_non_null(pkt);
    rn_vnet_emit(claim, vnet, sizeof(vnet));
    err = rn_offload_rx(pkt, vnet, RN_LINK_IP);
    if (ret != NULL)
        memcpy(ret, pkt, sizeof(*ret));
    rn_pkt_free(pkt);
    return err;
}

static int claim(struct rn_vnet_hdr hdr)
{
    struct rn_test_turn t;
    uint8_t bytes[4096];
    size_t len;
    int err;

    rn_test_turn_init(&t);
    len = tcp4_bytes(&t, bytes, PAYLOAD);
    err = claim_of(&t, bytes, len, &hdr, NULL);
    rn_test_turn_fini(&t);
    return err;
}

static void test_E01_gso_types_that_do_not_fit_the_packet_are_refused(void **state)
{
    static const uint8_t types[] = { RN_VNET_GSO_TCP6, RN_VNET_GSO_UDP_L4, 2, 3, 6, 0x7f };
    struct rn_vnet_hdr hdr = honest();
    (void)state;

    assert_int_equal(claim(hdr), RN_OK);
    for (size_t i = 0; i < RN_ARRAY_LEN(types); i++) {
        hdr.gso = types[i];
        assert_int_equal(claim(hdr), RN_E_MALFORMED);
    }
}

static void test_E01_ecn_of_datagrams_or_of_no_segments_is_refused(void **state)
{
    struct rn_vnet_hdr hdr = honest();
    struct rn_test_turn t;
    struct rn_pkt *pkt;
    uint8_t bytes[1028];
    (void)state;
    rn_test_turn_init(&t);
    pkt = rn_test_udp4(t.pool, 1, sizeof(bytes) - 28);
    rn_pkt_copy_out(pkt, 0, bytes, sizeof(bytes));
    hdr.gso = RN_VNET_GSO_UDP_L4;
    hdr.gso_size = 500;
    hdr.csum_offset = 6;

    assert_int_equal(claim_of(&t, bytes, sizeof(bytes), &hdr, NULL), RN_OK);
    hdr.gso_ecn = true;
    assert_int_equal(claim_of(&t, bytes, sizeof(bytes), &hdr, NULL), RN_E_MALFORMED);
    hdr.gso = RN_VNET_GSO_NONE;
    assert_int_equal(claim_of(&t, bytes, sizeof(bytes), &hdr, NULL), RN_E_MALFORMED);

    rn_pkt_free(pkt);
    rn_test_turn_fini(&t);
}

static void test_E02_gso_size_of_zero_or_by_fragments_is_refused(void **state)
{
    struct rn_vnet_hdr hdr = honest();
    (void)state;

    hdr.gso_size = 0;
    assert_int_equal(claim(hdr), RN_E_MALFORMED);
    hdr.gso_size = RN_VNET_GSO_SIZE_FORBIDDEN;
    assert_int_equal(claim(hdr), RN_E_MALFORMED);
}

static void test_E03_super_packet_of_thousands_of_segments_is_refused(void **state)
{
    struct rn_vnet_hdr hdr = honest();
    (void)state;

    hdr.gso_size = 1;
    assert_int_equal(claim(hdr), RN_E_MALFORMED);
    hdr.gso_size = (PAYLOAD + RN_OFFLOAD_TCP_SEGMENTS_MAX - 1) / RN_OFFLOAD_TCP_SEGMENTS_MAX;
    assert_int_equal(claim(hdr), RN_OK);
}

static void test_E04_checksum_field_anywhere_else_is_refused(void **state)
{
    static const uint16_t where[][2] = { { 0, 16 },       { 10, 0 },     { 19, 16 },
                                         { 21, 16 },      { 20, 6 },     { 20, 18 },
                                         { 3030, 16 },    { 65535, 16 }, { 20, 65535 },
                                         { 65535, 65535 } };
    struct rn_vnet_hdr hdr = honest();
    (void)state;

    for (size_t i = 0; i < RN_ARRAY_LEN(where); i++) {
        hdr.csum_start = where[i][0];
        hdr.csum_offset = where[i][1];
        assert_int_equal(claim(hdr), RN_E_MALFORMED);
    }
}

/* Of a packet that is no super-packet the sum is made at once, wherever it is wanted: but never over or into the IP header, nor
 * beyond the end. */
static void test_E04_checksum_of_a_plain_packet_is_made_behind_its_header_only(void **state)
{
    static const uint16_t refused[][2] = { { 0, 16 },    { 10, 0 },    { 19, 16 },
                                           { 19, 0 },    { 3039, 0 },  { 3040, 0 },
                                           { 20, 3019 }, { 65535, 0 }, { 20, 65535 } };
    struct rn_vnet_hdr hdr = { .flags = RN_VNET_NEEDS_CSUM, .csum_start = 20, .csum_offset = 3018 };
    (void)state;

    assert_int_equal(claim(hdr), RN_OK);
    for (size_t i = 0; i < RN_ARRAY_LEN(refused); i++) {
        hdr.csum_start = refused[i][0];
        hdr.csum_offset = refused[i][1];
        assert_int_equal(claim(hdr), RN_E_MALFORMED);
    }
}

static void test_E05_header_length_is_a_hint_that_nobody_believes(void **state)
{
    static const uint16_t hints[] = { 0, 1, 39, 41, 3040, 65535 };
    struct rn_vnet_hdr hdr = honest();
    struct rn_test_turn t;
    struct rn_pkt pkt;
    uint8_t bytes[4096];
    size_t len;
    (void)state;
    rn_test_turn_init(&t);
    len = tcp4_bytes(&t, bytes, PAYLOAD);

    for (size_t i = 0; i < RN_ARRAY_LEN(hints); i++) {
        hdr.hdr_len = hints[i];
        assert_int_equal(claim_of(&t, bytes, len, &hdr, &pkt), RN_OK);
        assert_int_equal(pkt.gso_hdr, 40);
        assert_int_equal(rn_pkt_segments(&pkt), 3);
    }
    rn_test_turn_fini(&t);
}

static void test_E06_super_packet_without_a_checksum_to_make_is_refused(void **state)
{
    struct rn_vnet_hdr hdr = honest();
    (void)state;

    hdr.flags = 0;
    assert_int_equal(claim(hdr), RN_E_MALFORMED);
    hdr.flags = RN_VNET_DATA_VALID;
    assert_int_equal(claim(hdr), RN_E_MALFORMED);
}

/* Frames shorter than the header, and far too many of them: counted, and the turn ends. */
static void test_E07_runt_frames_are_counted_and_bounded_per_wakeup(void **state)
{
    struct rn_test_turn t;
    struct rn_fd_device_opts opts = { .kind = "fd", .name = "x", .mtu = 1500, .has_vnet = true };
    struct rn_device *dev;
    struct rn_pktq q = { 0 };
    uint8_t runt[RN_VNET_HDR_BYTES] = { 0 };
    unsigned n_sent = 0;
    unsigned n_wakeups = 0;
    int fds[2];
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    opts.fd = fds[0];
    assert_int_equal(rn_fd_device_new(&dev, &t.turn, &opts), RN_OK);
    while (n_sent < 200 && send(fds[1], runt, 1 + n_sent % sizeof(runt), MSG_DONTWAIT) > 0)
        n_sent++;

    while (dev->drops.n[RN_DROP_MALFORMED] < n_sent) {
        uint64_t had = dev->drops.n[RN_DROP_MALFORMED];

        assert_int_equal(dev->ops->read_batch(dev, &q, 64), RN_E_WOULD_BLOCK);
        assert_in_range(dev->drops.n[RN_DROP_MALFORMED] - had, 1, 64);
        n_wakeups++;
    }
    assert_true(n_wakeups >= n_sent / 64);
    assert_false(dev->is_closed);
    close(fds[1]);
    rn_device_free(dev);
    rn_test_turn_fini(&t);
}

/* The other process of a shared memory says what it likes. */
static void test_E01_to_E06_hold_for_a_neighbour_in_shared_memory_too(void **state)
{
    const struct rn_shm_opts opts = { .has_offload = true };
    struct rn_device *ours;
    struct rn_device *theirs;
    struct rn_pktq q = { 0 };
    struct rn_test_turn t;
    int fds[RN_SHM_FDS];
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(rn_shm_new(&ours, &t.turn, &opts), RN_OK);
    rn_shm_fds(ours, fds);
    for (unsigned i = 0; i < RN_SHM_FDS; i++)
        fds[i] = dup(fds[i]);
    assert_int_equal(rn_shm_from_fds(&theirs, &t.turn, fds, &opts), RN_OK);
    for (unsigned i = 0; i < RN_TEST_LIES; i++)
        rn_pktq_push(&q, rn_test_lying_tcp4(t.pool, i));
    rn_pktq_push(&q, rn_test_tcp4(t.pool, 1000, 100));
    assert_int_equal(theirs->ops->write_batch(theirs, &q), RN_TEST_LIES + 1);

    assert_int_equal(ours->ops->read_batch(ours, &q, 64), 1);

    assert_int_equal(ours->drops.n[RN_DROP_MALFORMED], RN_TEST_LIES);
    assert_int_equal(rn_pkt_segments(q.first), 10);
    rn_pktq_free_all(&q);
    rn_device_free(ours);
    rn_device_free(theirs);
    rn_test_turn_fini(&t);
}

/* Segment @i of a stream that would merge, with one byte of a header changed; or, behind the headers, one that the sum is over. */
static struct rn_pkt *bait(struct rn_test_turn *t, unsigned i, unsigned at, uint8_t xor)
{
    uint8_t bytes[256];
    size_t len = tcp4_bytes(t, bytes, 100);
    uint8_t *tcp = bytes + 20;
    struct rn_addr src = rn_addr_v4(0x0a000001);
    struct rn_addr dst = rn_addr_v4(0x0a000002);

    rn_put_be32(tcp + 4, 1 + 100 * i);
    tcp[13] = RN_TCP_ACK;
    if (at < HEADERS_BYTES)
        bytes[at] ^= xor;
    rn_put_be16(bytes + 10, 0);
    rn_put_be16(bytes + 10, (uint16_t)~rn_checksum(bytes, 20, 0));
    rn_put_be16(tcp + 16, 0);
    rn_put_be16(tcp + 16,
                (uint16_t)~rn_checksum(tcp, len - 20,
                                       rn_checksum_pseudo(src, dst, 6, (uint32_t)(len - 20))));
    if (at >= HEADERS_BYTES)
        bytes[at] ^= xor;
    return rn_pkt_from_bytes(t->pool, bytes, len);
}

static unsigned merged_with_bait(unsigned at, uint8_t xor)
{
    struct rn_test_turn t;
    struct rn_pktq q = { 0 };
    unsigned left;

    rn_test_turn_init(&t);
    rn_pktq_push(&q, bait(&t, 0, 0, 0));
    rn_pktq_push(&q, bait(&t, 1, at, xor));
    rn_gro_merge(&q, RN_LINK_IP, RN_GRO_TCP | RN_GRO_UDP);
    left = q.n_pkts;
    rn_pktq_free_all(&q);
    rn_test_turn_fini(&t);
    return left;
}

/* Its property over random trains, GSO(GRO(x)) == x, is in src/dev/gro_test.c. */
static void test_E08_segments_that_differ_in_any_header_field_are_not_merged(void **state)
{
    static const struct {
        unsigned at;
        uint8_t xor ;
    } fields[] = {
        { 1, 0x04 },  { 1, 0x01 },  { 6, 0x40 },  { 8, 0x01 },  /* DS field, ECN, DF, TTL */
        { 21, 0x01 }, { 23, 0x01 }, { 28, 0x01 }, { 32, 0x01 }, /* ports, ACK number, AE */
        { 33, 0x01 }, { 33, 0x02 }, { 33, 0x04 }, { 33, 0x20 }, /* FIN, SYN, RST, URG */
        { 33, 0x40 }, { 33, 0x80 }, { 34, 0x01 }, { 38, 0x01 }, /* ECE, CWR, window, urgent */
    };
    (void)state;

    assert_int_equal(merged_with_bait(0, 0), 1);
    for (size_t i = 0; i < RN_ARRAY_LEN(fields); i++)
        assert_int_equal(merged_with_bait(fields[i].at, fields[i].xor), 2);
}

static void test_E09_segment_with_a_bad_checksum_is_never_merged(void **state)
{
    (void)state;

    for (unsigned bad = 0; bad < 3; bad++) {
        struct rn_test_turn t;
        struct rn_pktq q = { 0 };
        unsigned at = 0;
        rn_test_turn_init(&t);
        for (unsigned i = 0; i < 3; i++) {
            rn_pktq_push(&q, bait(&t, i, 50, i == bad)); /* in the payload */
        }

        rn_gro_merge(&q, RN_LINK_IP, RN_GRO_TCP);

        for (const struct rn_pkt *pkt = q.first; pkt != NULL; pkt = pkt->next, at++)
            assert_true(pkt->gso == RN_GSO_NONE || pkt->len == 40 + 200);
        assert_true(at >= 2);
        rn_pktq_free_all(&q);
        rn_test_turn_fini(&t);
    }
}

static void test_E10_fragments_with_gso_are_refused(void **state)
{
    struct rn_vnet_hdr hdr = honest();
    struct rn_test_turn t;
    uint8_t bytes[4096];
    size_t len;
    (void)state;
    rn_test_turn_init(&t);
    len = tcp4_bytes(&t, bytes, PAYLOAD);

    rn_put_be16(bytes + 6, 0x2000);
    assert_int_equal(claim_of(&t, bytes, len, &hdr, NULL), RN_E_MALFORMED);
    rn_put_be16(bytes + 6, 185);
    assert_int_equal(claim_of(&t, bytes, len, &hdr, NULL), RN_E_MALFORMED);
    rn_test_turn_fini(&t);
}

static void test_E10_extension_header_before_tcp_with_gso_is_refused(void **state)
{
    struct rn_vnet_hdr hdr = { .flags = RN_VNET_NEEDS_CSUM,
                               .gso = RN_VNET_GSO_TCP6,
                               .gso_size = 1000,
                               .csum_start = 48,
                               .csum_offset = 16 };
    const uint8_t six[16] = { 0xfd, [15] = 1 };
    struct rn_ipv6_hdr ip = { .src = rn_addr_v6(six),
                              .dst = rn_addr_v6(six),
                              .next = RN_PROTO_DST_OPTS,
                              .hop_limit = 64,
                              .payload_len = 8 + 20 + PAYLOAD };
    uint8_t bytes[40 + 8 + 20 + PAYLOAD] = { 0 };
    struct rn_test_turn t;
    (void)state;
    rn_test_turn_init(&t);
    rn_ipv6_emit(&ip, bytes);
    bytes[40] = RN_PROTO_TCP;
    bytes[42] = 1; /* PadN of four bytes */
    bytes[43] = 4;
    rn_tcp_emit(&(struct rn_tcp_hdr){ .src_port = 1, .dst_port = 2, .hdr_len = 20 }, bytes + 48);

    assert_int_equal(claim_of(&t, bytes, sizeof(bytes), &hdr, NULL), RN_E_MALFORMED);
    rn_test_turn_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_E01_gso_types_that_do_not_fit_the_packet_are_refused),
        cmocka_unit_test(test_E01_ecn_of_datagrams_or_of_no_segments_is_refused),
        cmocka_unit_test(test_E02_gso_size_of_zero_or_by_fragments_is_refused),
        cmocka_unit_test(test_E03_super_packet_of_thousands_of_segments_is_refused),
        cmocka_unit_test(test_E04_checksum_field_anywhere_else_is_refused),
        cmocka_unit_test(test_E04_checksum_of_a_plain_packet_is_made_behind_its_header_only),
        cmocka_unit_test(test_E05_header_length_is_a_hint_that_nobody_believes),
        cmocka_unit_test(test_E06_super_packet_without_a_checksum_to_make_is_refused),
        cmocka_unit_test(test_E01_to_E06_hold_for_a_neighbour_in_shared_memory_too),
        cmocka_unit_test(test_E07_runt_frames_are_counted_and_bounded_per_wakeup),
        cmocka_unit_test(test_E08_segments_that_differ_in_any_header_field_are_not_merged),
        cmocka_unit_test(test_E09_segment_with_a_bad_checksum_is_never_merged),
        cmocka_unit_test(test_E10_fragments_with_gso_are_refused),
        cmocka_unit_test(test_E10_extension_header_before_tcp_with_gso_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
