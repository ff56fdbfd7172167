#pragma once
/*
 * One stack whose wire the test holds: packets are put in as bytes and taken out as packets. 10.0.0.1/24 and fd00::1/64.
 */
#include "base/checksum.h"
#include "fixture.h"
#include "stack/nic.h"
#include "stack/stack.h"
#include "wire/icmp4.h"
#include "wire/icmp6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/udp.h"

struct rn_test_host {
    struct rn_test_turn t;
    struct rn_device device; /* never read or written: the test is the other end */
    struct rn_stack *stack;
    struct rn_nic *nic;
    struct rn_pktq out; /* what rn_test_host_feed and _run collected */
};

struct rn_test_host_opts {
    const struct rn_protos *protos;
    enum rn_link_type link_type;
    uint32_t mtu; /* 0: 1500 */
    uint32_t nic_flags;
    struct rn_stack_opts stack;
};

#define RN_TEST_US4   rn_addr_v4(0x0a000001)
#define RN_TEST_PEER4 rn_addr_v4(0x0a000002)

static inline struct rn_addr rn_test_addr6(uint8_t last)
{
    static const uint8_t bytes[16] = { 0xfd };
    struct rn_addr a = rn_addr_v6(bytes);

    a.b[15] = last;
    return a;
}

#define RN_TEST_US6   rn_test_addr6(1)
#define RN_TEST_PEER6 rn_test_addr6(2)

static inline void rn_test_host_init(struct rn_test_host *h, const struct rn_test_host_opts *opts)
{
    struct rn_stack_opts so = opts->stack;
    struct rn_nic_opts no = { .flags = opts->nic_flags };

    memset(h, 0, sizeof(*h));
    rn_test_turn_init(&h->t);
    h->device.turn = &h->t.turn;
    h->device.link_type = opts->link_type;
    h->device.mtu = opts->mtu != 0 ? opts->mtu : 1500;
    h->device.mac = (struct rn_mac){ { 2, 0, 0, 0, 0, 1 } };
    so.protos = opts->protos;
    so.is_test = true;
    assert_int_equal(rn_stack_new(&h->stack, &h->t.turn, &so), 0);
    assert_int_equal(rn_nic_new(&h->nic, h->stack, &h->device, &no), 0);
    assert_int_equal(rn_nic_add_addr(h->nic, RN_TEST_US4, 24), 0);
    assert_int_equal(rn_nic_add_addr(h->nic, RN_TEST_US6, 64), 0);
}

static inline void rn_test_host_fini(struct rn_test_host *h)
{
    rn_pktq_free_all(&h->out);
    h->stack = rn_stack_free(h->stack);
    rn_test_turn_fini(&h->t);
}

/* Lets time pass; what left lies in h->out. */
static inline void rn_test_host_run(struct rn_test_host *h, int64_t ns)
{
    rn_test_turn_run(&h->t, ns);
    (void)rn_nic_take_output(h->nic, &h->out, SIZE_MAX);
}

/* Consumes @pkt: it arrives, in a turn of its own. */
static inline void rn_test_host_feed_pkt(struct rn_test_host *h, struct rn_pkt *pkt)
{
    struct rn_pktq in = { 0 };

    rn_pktq_push(&in, pkt);
    rn_turn_begin(&h->t.turn, h->t.turn.now_ns);
    rn_nic_input(h->nic, &in);
    rn_turn_end(&h->t.turn);
    (void)rn_nic_take_output(h->nic, &h->out, SIZE_MAX);
}

static inline void rn_test_host_feed(struct rn_test_host *h, const void *bytes, size_t len)
{
    struct rn_pkt *pkt = rn_pkt_from_bytes(h->t.pool, bytes, len);

    assert_non_null(pkt);
    rn_test_host_feed_pkt(h, pkt);
}

/* The next packet that left, copied out; its length, 0 if there is none. */
static inline size_t rn_test_host_next(struct rn_test_host *h, uint8_t *bytes, size_t max)
{
    struct rn_pkt *pkt = rn_pktq_pop(&h->out);
    size_t len = pkt != NULL ? pkt->len : 0;

    assert_true(len <= max);
    if (pkt != NULL)
        rn_pkt_copy_out(pkt, 0, bytes, len);
    rn_pkt_free(pkt);
    return len;
}

static inline uint64_t rn_test_host_drops(const struct rn_test_host *h, enum rn_drop why)
{
    return h->stack->drops.n[why];
}

/* Writes an IPv4 packet; @hdr->total_len 0 means the true one. Returns its length. */
static inline size_t rn_test_ip4(uint8_t *out, const struct rn_ipv4_hdr *hdr, const void *payload,
                                 size_t len)
{
    struct rn_ipv4_hdr h = *hdr;

    if (h.total_len == 0)
        h.total_len = rn_sat_u16(RN_IPV4_HDR_BYTES + len);
    if (h.ttl == 0)
        h.ttl = 64;
    rn_ipv4_emit(&h, out);
    memcpy(out + RN_IPV4_HDR_BYTES, payload, len);
    return RN_IPV4_HDR_BYTES + len;
}

static inline size_t rn_test_ip6(uint8_t *out, const struct rn_ipv6_hdr *hdr, const void *payload,
                                 size_t len)
{
    struct rn_ipv6_hdr h = *hdr;

    if (h.payload_len == 0)
        h.payload_len = rn_sat_u16(len);
    if (h.hop_limit == 0)
        h.hop_limit = 64;
    rn_ipv6_emit(&h, out);
    memcpy(out + RN_IPV6_HDR_BYTES, payload, len);
    return RN_IPV6_HDR_BYTES + len;
}

/* An echo request with @len bytes of data 0, 1, 2, ...; checksum for the family. Returns its length. */
static inline size_t rn_test_echo(uint8_t *out, struct rn_addr src, struct rn_addr dst, size_t len)
{
    bool is_v4 = rn_addr_is_v4(dst);
    uint32_t sum = 0;

    memset(out, 0, 8);
    out[0] = is_v4 ? (uint8_t)RN_ICMP4_ECHO : (uint8_t)RN_ICMP6_ECHO;
    rn_put_be16(out + 4, 77);
    rn_put_be16(out + 6, 1);
    for (size_t i = 0; i < len; i++)
        out[8 + i] = (uint8_t)i;
    if (!is_v4)
        sum = rn_checksum_pseudo(src, dst, RN_PROTO_ICMP6, (uint32_t)(8 + len));
    rn_put_be16(out + 2, (uint16_t)~rn_checksum(out, 8 + len, sum));
    return 8 + len;
}

static inline size_t rn_test_udp(uint8_t *out, const struct rn_endpoint *src,
                                 const struct rn_endpoint *dst, size_t len)
{
    struct rn_udp_hdr hdr = { src->port, dst->port, rn_sat_u16(8 + len), 0 };
    uint16_t sum = rn_checksum_pseudo(src->addr, dst->addr, RN_PROTO_UDP, (uint32_t)(8 + len));

    rn_udp_emit(&hdr, out);
    for (size_t i = 0; i < len; i++)
        out[8 + i] = (uint8_t)i;
    rn_put_be16(out + 6, rn_udp_checksum_field(rn_checksum(out, 8 + len, sum)));
    return 8 + len;
}
