#include "dev/gro.h"

#include "base/rand.h"
#include "dev/gso.h"
#include "packets.h"
#include "wire/proto.h"
#include <runnel/err.h>

#define PACKET_MAX 2048u

/* A wire packet of the vectors: addresses and ports by number, as wireguard-go's tests have them. */
struct spec {
    char kind[5]; /* "tcp4", "tcp6", "udp4", "udp6" */
    unsigned dst; /* the flow: 10.0.0.@dst or fd00::@dst */
    uint32_t seq; /* TCP */
    uint16_t flags;
    bool is_bad;     /* wrong checksum */
    uint8_t mutated; /* byte of the IP header that gets @xor before checksums are made; 0 none */
    uint8_t xor ;
    size_t payload; /* 0: 100 */
    uint16_t id;
};

#define A RN_TCP_ACK
#define P (RN_TCP_ACK | RN_TCP_PSH)
#define EOL                                                                                        \
    {                                                                                              \
        .kind = ""                                                                                 \
    }

static size_t build(uint8_t *bytes, const struct spec *s)
{
    const uint8_t six[2][16] = { { 0xfd, [15] = 1 }, { 0xfd, [15] = (uint8_t)s->dst } };
    bool is_v4 = s->kind[3] == '4';
    bool is_tcp = s->kind[0] == 't';
    struct rn_addr src = is_v4 ? rn_addr_v4(0x0a000001) : rn_addr_v6(six[0]);
    struct rn_addr dst = is_v4 ? rn_addr_v4(0x0a000000 + s->dst) : rn_addr_v6(six[1]);
    size_t payload = s->payload != 0 ? s->payload : 100;
    size_t l3 = is_v4 ? 20 : 40;
    size_t l4_len = (is_tcp ? 20 : 8) + payload;
    uint8_t proto = is_tcp ? RN_PROTO_TCP : RN_PROTO_UDP;
    uint8_t *l4 = bytes + l3;
    uint8_t *sum = l4 + (is_tcp ? RN_TCP_CHECKSUM_AT : RN_UDP_CHECKSUM_AT);

    for (size_t i = 0; i < l3 + l4_len; i++)
        bytes[i] = (uint8_t)(s->seq + i);
    if (is_v4)
        rn_ipv4_emit(&(struct rn_ipv4_hdr){ .src = src,
                                            .dst = dst,
                                            .ttl = 64,
                                            .proto = proto,
                                            .id = s->id,
                                            .total_len = (uint16_t)(l3 + l4_len) },
                     bytes);
    else
        rn_ipv6_emit(&(struct rn_ipv6_hdr){ .src = src,
                                            .dst = dst,
                                            .hop_limit = 64,
                                            .next = proto,
                                            .payload_len = (uint16_t)l4_len },
                     bytes);
    if (s->mutated != 0 || s->xor != 0)
        bytes[s->mutated] ^= s->xor ;
    if (is_v4) {
        rn_put_be16(bytes + 10, 0);
        rn_put_be16(bytes + 10, (uint16_t)~rn_checksum(bytes, 20, 0));
    }
    if (is_tcp)
        rn_tcp_emit(&(struct rn_tcp_hdr){ .src_port = 1,
                                          .dst_port = 2,
                                          .hdr_len = 20,
                                          .seq = rn_seq_of(s->seq),
                                          .ack = rn_seq_of(1),
                                          .flags = s->flags,
                                          .window = 3000 },
                    l4);
    else
        rn_udp_emit(
            &(struct rn_udp_hdr){ .src_port = 1, .dst_port = 2, .len_bytes = (uint16_t)l4_len },
            l4);
    rn_put_be16(sum, 0);
    rn_put_be16(sum, rn_udp_checksum_field(rn_checksum(
                         l4, l4_len, rn_checksum_pseudo(src, dst, proto, (uint32_t)l4_len))));
    if (s->is_bad)
        sum[0] ^= 1;
    return l3 + l4_len;
}

static struct rn_pkt *packet(struct rn_test_turn *t, const struct spec *s)
{
    uint8_t bytes[PACKET_MAX];
    size_t len = build(bytes, s);
    struct rn_pkt *pkt = rn_pkt_from_bytes(t->pool, bytes, len);

    assert_non_null(pkt);
    return pkt;
}

/* --- wireguard-go's vectors (tun/offload_linux_test.go, Test_handleGRO): which packets are left, and how long ------- */
struct vector {
    const char *name;
    unsigned what;
    struct spec in[12];
    int left[12]; /* index of the packet whose place it has; -1 ends */
    uint32_t len[12];
};

#define BOTH (RN_GRO_TCP | RN_GRO_UDP)
#define MUTATED_PAIRS(at, bit)                                                                     \
    {                                                                                              \
        { "tcp4", 2, 1, A }, { "tcp4", 2, 101, A, .mutated = (at), .xor = (bit) }, { "udp4", 2 },  \
            { "udp4", 2, .mutated = (at), .xor = (bit) }, EOL                                      \
    }
#define FOUR_LEFT .left = { 0, 1, 2, 3, -1 }, .len = { 140, 140, 128, 128 }

static const struct vector vectors[] = {
    { "multiple protocols and flows",
      BOTH,
      { { "tcp4", 2, 1, A },
        { "udp4", 2 },
        { "udp4", 3 },
        { "tcp4", 2, 101, A },
        { "tcp4", 3, 201, A },
        { "tcp6", 2, 1, A },
        { "tcp6", 2, 101, A },
        { "tcp6", 3, 201, A },
        { "udp4", 2 },
        { "udp6", 2 },
        { "udp6", 2 },
        EOL },
      .left = { 0, 1, 2, 4, 5, 7, 9, -1 },
      .len = { 240, 228, 128, 140, 260, 160, 248 } },
    { "multiple protocols and flows, no UDP",
      RN_GRO_TCP,
      { { "tcp4", 2, 1, A },
        { "udp4", 2 },
        { "udp4", 3 },
        { "tcp4", 2, 101, A },
        { "tcp4", 3, 201, A },
        { "tcp6", 2, 1, A },
        { "tcp6", 2, 101, A },
        { "tcp6", 3, 201, A },
        { "udp4", 2 },
        { "udp6", 2 },
        { "udp6", 2 },
        EOL },
      .left = { 0, 1, 2, 4, 5, 7, 8, 9, 10, -1 },
      .len = { 240, 128, 128, 140, 260, 160, 128, 148, 148 } },
    { "PSH interleaved",
      BOTH,
      { { "tcp4", 2, 1, A },
        { "tcp4", 2, 101, P },
        { "tcp4", 2, 201, A },
        { "tcp4", 2, 301, A },
        { "tcp6", 2, 1, A },
        { "tcp6", 2, 101, P },
        { "tcp6", 2, 201, A },
        { "tcp6", 2, 301, A },
        EOL },
      .left = { 0, 2, 4, 6, -1 },
      .len = { 240, 240, 260, 260 } },
    { "first packet has a bad checksum",
      BOTH,
      { { "tcp4", 2, 1, A, .is_bad = true },
        { "tcp4", 2, 101, A },
        { "tcp4", 2, 201, A },
        { "udp4", 2, .is_bad = true },
        { "udp4", 2 },
        { "udp4", 2 },
        EOL },
      .left = { 0, 1, 3, 4, -1 },
      .len = { 140, 240, 128, 228 } },
    { "out of order",
      BOTH,
      { { "tcp4", 2, 101, A }, { "tcp4", 2, 1, A }, { "tcp4", 2, 201, A }, EOL },
      .left = { 0, -1 },
      .len = { 340 } },
    { "unequal TTL", BOTH, MUTATED_PAIRS(8, 1), FOUR_LEFT },
    { "unequal ToS", BOTH, MUTATED_PAIRS(1, 1), FOUR_LEFT },
    { "unequal more fragments", BOTH, MUTATED_PAIRS(6, 0x20), FOUR_LEFT },
    { "unequal don't fragment", BOTH, MUTATED_PAIRS(6, 0x40), FOUR_LEFT },
    { "unequal hop limit",
      BOTH,
      { { "tcp6", 2, 1, A },
        { "tcp6", 2, 101, A, .mutated = 7, .xor = 1 },
        { "udp6", 2 },
        { "udp6", 2, .mutated = 7, .xor = 1 },
        EOL },
      .left = { 0, 1, 2, 3, -1 },
      .len = { 160, 160, 148, 148 } },
    { "unequal traffic class",
      BOTH,
      { { "tcp6", 2, 1, A },
        { "tcp6", 2, 101, A, .mutated = 0, .xor = 1 },
        { "udp6", 2 },
        { "udp6", 2, .mutated = 0, .xor = 1 },
        EOL },
      .left = { 0, 1, 2, 3, -1 },
      .len = { 160, 160, 148, 148 } },
};

/* Packets are told apart by their time, which merging leaves alone. */
static void test_golden_vectors(void **state)
{
    (void)state;

    for (size_t i = 0; i < RN_ARRAY_LEN(vectors); i++) {
        const struct vector *v = &vectors[i];
        struct rn_test_turn t;
        struct rn_pktq q = { 0 };
        struct rn_pkt *pkt;
        rn_test_turn_init(&t);
        for (int k = 0; v->in[k].kind[0] != '\0'; k++)
            rn_pktq_push(&q, packet(&t, &v->in[k]));

        rn_gro_merge(&q, RN_LINK_IP, v->what);

        print_message("%s\n", v->name);
        for (int k = 0; v->left[k] >= 0; k++) {
            pkt = rn_pktq_pop(&q);
            assert_non_null(pkt);
            assert_int_equal(pkt->len, v->len[k]);
            if (pkt->gso != RN_GSO_NONE) {
                assert_int_equal(pkt->gso_size, 100);
                assert_int_equal(pkt->csum, RN_CSUM_PARTIAL);
            }
            rn_pkt_free(pkt);
        }
        assert_true(rn_pktq_is_empty(&q));
        rn_test_turn_fini(&t);
    }
}

/* --- wireguard-go's candidates (Test_packetIsGROCandidate): fourteen packets, and whether a twin joins them --------- */
static void cut_short(uint8_t *bytes, size_t *len, size_t to)
{
    (void)bytes;
    *len = to;
}

struct candidate {
    const char *kind;
    size_t len; /* cut to; 0: whole */
    unsigned what;
    uint8_t at;
    uint8_t xor ;
    bool is_one;
};

static const struct candidate candidates[] = {
    { "tcp4", 0, BOTH, 0, 0, true },       { "tcp6", 0, BOTH, 0, 0, true },
    { "udp4", 0, BOTH, 0, 0, true },       { "udp4", 0, RN_GRO_TCP, 0, 0, false },
    { "udp6", 0, BOTH, 0, 0, true },       { "udp6", 0, RN_GRO_TCP, 0, 0, false },
    { "udp4", 27, BOTH, 0, 0, false },     /* too short */
    { "udp6", 47, BOTH, 0, 0, false },     /* too short */
    { "tcp4", 39, BOTH, 0, 0, false },     /* too short */
    { "tcp6", 59, BOTH, 0, 0, false },     /* too short */
    { "tcp4", 0, BOTH, 0, 0x40, false },   /* IP version 0 */
    { "tcp4", 0, BOTH, 0, 0x03, false },   /* header of 6 words */
    { "tcp4", 0, BOTH, 9, 6 ^ 1, false },  /* ICMP */
    { "tcp6", 0, BOTH, 6, 6 ^ 58, false }, /* ICMPv6 */
};

static void test_fourteen_candidates(void **state)
{
    (void)state;

    for (size_t i = 0; i < RN_ARRAY_LEN(candidates); i++) {
        const struct candidate *c = &candidates[i];
        struct rn_test_turn t;
        struct rn_pktq q = { 0 };
        rn_test_turn_init(&t);
        for (uint32_t k = 0; k < 2; k++) {
            struct spec s = { .dst = 2, .seq = 1 + 100 * k, .flags = A };
            uint8_t bytes[PACKET_MAX];
            size_t len;

            memcpy(s.kind, c->kind, 4);
            len = build(bytes, &s);
            bytes[c->at] ^= c->xor ;
            if (c->len != 0)
                cut_short(bytes, &len, c->len);
            rn_pktq_push(&q, rn_pkt_from_bytes(t.pool, bytes, len));
        }

        rn_gro_merge(&q, RN_LINK_IP, c->what);

        assert_int_equal(q.n_pkts, c->is_one ? 1 : 2);
        rn_pktq_free_all(&q);
        rn_test_turn_fini(&t);
    }
}

/* Test_udpPacketsCanCoalesce: equal joins equal, a shorter one ends, a longer one and whatever follows a shorter one do not. */
static void test_datagrams_join_while_they_are_equal(void **state)
{
    static const struct {
        size_t payload[3];
        unsigned n_left;
    } rows[] = { { { 100, 100, 100 }, 1 },
                 { { 100, 100, 50 }, 1 },
                 { { 100, 50, 100 }, 2 },
                 { { 50, 100, 100 }, 2 } };
    (void)state;

    for (size_t i = 0; i < RN_ARRAY_LEN(rows); i++) {
        struct rn_test_turn t;
        struct rn_pktq q = { 0 };
        rn_test_turn_init(&t);
        for (unsigned k = 0; k < 3; k++)
            rn_pktq_push(&q,
                         packet(&t, &(struct spec){ "udp4", 2, .payload = rows[i].payload[k] }));

        rn_gro_merge(&q, RN_LINK_IP, BOTH);

        assert_int_equal(q.n_pkts, rows[i].n_left);
        rn_pktq_free_all(&q);
        rn_test_turn_fini(&t);
    }
}

static void test_fin_is_not_overtaken_by_data_behind_it(void **state)
{
    struct rn_test_turn t;
    struct rn_pktq q = { 0 };
    (void)state;
    rn_test_turn_init(&t);
    rn_pktq_push(&q, packet(&t, &(struct spec){ "tcp4", 2, 1, A }));
    rn_pktq_push(&q, packet(&t, &(struct spec){ "tcp4", 2, 101, A | RN_TCP_FIN }));
    rn_pktq_push(&q, packet(&t, &(struct spec){ "tcp4", 2, 101, A }));

    rn_gro_merge(&q, RN_LINK_IP, BOTH);

    assert_int_equal(q.n_pkts, 3);
    rn_pktq_free_all(&q);
    rn_test_turn_fini(&t);
}

/* --- E08: GSO(GRO(x)) == x ------------------------------------------------------------------------------------- */
struct wire {
    uint8_t bytes[PACKET_MAX];
    size_t len;
    bool was_seen;
};

#define TRAIN 64u

static struct spec random_spec(struct rn_rand *r, uint32_t *seq, uint16_t *id)
{
    static const char *const kinds[] = { "tcp4", "tcp6", "udp4", "udp6" };
    struct spec s = {
        .dst = (unsigned)(2 + rn_rand_below(r, 2)), .flags = A, .seq = *seq, .payload = 100
    };

    memcpy(s.kind, kinds[rn_rand_below(r, 8) == 0 ? rn_rand_below(r, 4) : rn_rand_below(r, 2) * 2],
           4);
    s.payload = rn_rand_below(r, 8) == 0 ? 1 + rn_rand_below(r, 150) : 100;
    s.id = *id;
    if (rn_rand_below(r, 10) == 0)
        s.flags = P;
    if (rn_rand_below(r, 30) == 0)
        s.flags = A | (uint16_t)(1u << rn_rand_below(r, 8));
    if (rn_rand_below(r, 20) == 0) {
        s.mutated = (uint8_t)rn_rand_below(r, 20);
        s.xor = (uint8_t)(1u << rn_rand_below(r, 8));
    }
    s.is_bad = rn_rand_below(r, 40) == 0;
    if (rn_rand_below(r, 15) != 0)
        *seq += (uint32_t)s.payload;
    if (rn_rand_below(r, 12) == 0)
        *seq -= 200;
    if (rn_rand_below(r, 3) != 0)
        *id = (uint16_t)(*id + 1);
    return s;
}

static void mark_seen(struct wire *sent, const struct rn_pkt *pkt)
{
    uint8_t bytes[PACKET_MAX];

    assert_true(pkt->len <= sizeof(bytes));
    rn_pkt_copy_out(pkt, 0, bytes, pkt->len);
    for (unsigned i = 0; i < TRAIN; i++) {
        if (!sent[i].was_seen && sent[i].len == pkt->len &&
            memcmp(sent[i].bytes, bytes, pkt->len) == 0) {
            sent[i].was_seen = true;
            return;
        }
    }
    fail_msg("a packet that nobody sent came out");
}

static unsigned run_train(struct rn_test_turn *t, struct rn_rand *r)
{
    static struct wire sent[TRAIN];
    struct rn_device plain = { .link_type = RN_LINK_IP };
    struct rn_pktq q = { 0 };
    struct rn_pktq again = { 0 };
    struct rn_pkt *pkt;
    uint32_t seq = rn_rand_u32(r);
    uint16_t id = (uint16_t)rn_rand_u32(r);
    unsigned n_merged = 0;

    for (unsigned i = 0; i < TRAIN; i++) {
        struct spec s = random_spec(r, &seq, &id);

        sent[i].len = build(sent[i].bytes, &s);
        sent[i].was_seen = false;
        rn_pktq_push(&q, rn_pkt_from_bytes(t->pool, sent[i].bytes, sent[i].len));
    }
    rn_gro_merge(&q, RN_LINK_IP, BOTH);
    while ((pkt = rn_pktq_pop(&q)) != NULL) {
        n_merged += pkt->gso != RN_GSO_NONE;
        assert_true(rn_gso_conform(&plain, pkt, &again) > 0);
    }
    assert_int_equal(again.n_pkts, TRAIN);
    while ((pkt = rn_pktq_pop(&again)) != NULL) {
        mark_seen(sent, pkt);
        rn_pkt_free(pkt);
    }
    return n_merged;
}

static void test_E08_cutting_what_was_merged_gives_the_same_packets(void **state)
{
    struct rn_test_turn t;
    struct rn_rand r;
    unsigned n_merged = 0;
    (void)state;
    rn_test_turn_init(&t);
    rn_rand_init_u64(&r, 20261121);

    for (unsigned i = 0; i < 3000; i++)
        n_merged += run_train(&t, &r);

    assert_true(n_merged > 6000); /* the trains are worth merging */
    rn_test_turn_fini(&t);
}

static void test_frames_are_merged_behind_their_link_header(void **state)
{
    struct rn_test_turn t;
    struct rn_pktq q = { 0 };
    (void)state;
    rn_test_turn_init(&t);
    for (uint32_t i = 0; i < 5; i++) {
        uint8_t bytes[PACKET_MAX] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0 };
        size_t len = build(bytes + 14, &(struct spec){ "tcp4", 2, 1 + 100 * i, A });

        rn_pktq_push(&q, rn_pkt_from_bytes(t.pool, bytes, 14 + len));
    }

    rn_gro_merge(&q, RN_LINK_ETHERNET, BOTH);

    assert_int_equal(q.n_pkts, 1);
    assert_int_equal(q.first->len, 14 + 40 + 500);
    assert_int_equal(q.first->gso_hdr, 54);
    assert_int_equal(q.first->csum_start, 34);
    rn_pktq_free_all(&q);
    rn_test_turn_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_vectors),
        cmocka_unit_test(test_fourteen_candidates),
        cmocka_unit_test(test_datagrams_join_while_they_are_equal),
        cmocka_unit_test(test_fin_is_not_overtaken_by_data_behind_it),
        cmocka_unit_test(test_E08_cutting_what_was_merged_gives_the_same_packets),
        cmocka_unit_test(test_frames_are_merged_behind_their_link_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
