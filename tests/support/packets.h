#pragma once
/* Packets for tests, made by the emitters of wire/ and checked by its parsers. */
#include "base/checksum.h"
#include "base/pkt.h"
#include "fixture.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"
#include "wire/udp.h"

/* A TCP super-packet (or plain segment, @gso_size 0) with @len bytes of payload 0, 1, 2, ... and a PARTIAL checksum,
 * headers in the head as TCP builds them. */
static inline struct rn_pkt *rn_test_tcp4(struct rn_pool *pool, size_t len, uint16_t gso_size)
{
    struct rn_ipv4_hdr ip = { .src = rn_addr_v4(0x0a000001),
                              .dst = rn_addr_v4(0x0a000002),
                              .total_len = rn_sat_u16(40 + len),
                              .id = 7,
                              .ttl = 64,
                              .proto = 6,
                              .dont_fragment = true };
    struct rn_tcp_hdr tcp = { .src_port = 1000,
                              .dst_port = 80,
                              .seq = rn_seq_of(0xfffffff0u),
                              .ack = rn_seq_of(1),
                              .hdr_len = 20,
                              .flags = RN_TCP_ACK | RN_TCP_PSH | RN_TCP_CWR,
                              .window = 65535 };
    static uint8_t bytes[65536];
    struct rn_pkt *pkt = rn_pkt_new(pool);
    uint8_t *at;

    assert_non_null(pkt);
    assert_true(len <= sizeof(bytes));
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)i;
    assert_true(rn_pkt_append_copy(pkt, bytes, len));
    tcp.checksum = rn_checksum_pseudo(ip.src, ip.dst, 6, (uint32_t)(20 + len));
    at = rn_pkt_push(pkt, 20);
    rn_tcp_emit(&tcp, at);
    at = rn_pkt_push(pkt, 20);
    rn_ipv4_emit(&ip, at);
    pkt->csum = RN_CSUM_PARTIAL;
    pkt->csum_start = 20;
    pkt->csum_offset = RN_TCP_CHECKSUM_AT;
    pkt->gso = gso_size != 0 ? RN_GSO_TCP4 : RN_GSO_NONE;
    pkt->gso_size = gso_size;
    pkt->gso_hdr = 40;
    return pkt;
}

#define RN_TEST_LIES 8u

/* A super-packet whose metadata do not fit it, rows E01-E06: what a device's other end may claim in a virtio header. */
static inline struct rn_pkt *rn_test_lying_tcp4(struct rn_pool *pool, unsigned which)
{
    static const struct {
        uint8_t gso;
        uint8_t csum;
        uint16_t gso_size;
        uint16_t csum_start;
        uint16_t csum_offset;
    } lies[RN_TEST_LIES] = {
        { RN_GSO_TCP6, RN_CSUM_PARTIAL, 100, 20, 16 },
        { RN_GSO_UDP, RN_CSUM_PARTIAL, 100, 20, 16 },
        { RN_GSO_TCP4, RN_CSUM_PARTIAL, 0, 20, 16 },
        { RN_GSO_TCP4, RN_CSUM_PARTIAL, 0xffff, 20, 16 },
        { RN_GSO_TCP4, RN_CSUM_PARTIAL, 100, 19, 16 },
        { RN_GSO_TCP4, RN_CSUM_PARTIAL, 100, 20, 6 },
        { RN_GSO_TCP4, RN_CSUM_PARTIAL, 100, 65535, 65535 },
        { RN_GSO_TCP4, RN_CSUM_NONE, 100, 0, 0 },
    };
    struct rn_pkt *pkt = rn_test_tcp4(pool, 1000, 100);

    pkt->gso = lies[which].gso;
    pkt->csum = lies[which].csum;
    pkt->gso_size = lies[which].gso_size;
    pkt->csum_start = lies[which].csum_start;
    pkt->csum_offset = lies[which].csum_offset;
    return pkt;
}

/* An IPv4 UDP packet of @len payload bytes; the first four are @number, big-endian. Checksum complete. */
static inline struct rn_pkt *rn_test_udp4(struct rn_pool *pool, uint32_t number, size_t len)
{
    struct rn_ipv4_hdr ip = { .src = rn_addr_v4(0x0a000001),
                              .dst = rn_addr_v4(0x0a000002),
                              .total_len = rn_sat_u16(28 + len),
                              .ttl = 64,
                              .proto = 17 };
    uint8_t bytes[2048] = { 0 };

    assert_true(len >= 4 && len <= sizeof(bytes) - 28);
    rn_ipv4_emit(&ip, bytes);
    rn_put_be16(bytes + 20, 9);
    rn_put_be16(bytes + 22, 9);
    rn_put_be16(bytes + 24, rn_sat_u16(8 + len));
    rn_put_be32(bytes + 28, number);
    rn_put_be16(bytes + 26, (uint16_t)~rn_checksum(
                                bytes + 20, 8 + len,
                                rn_checksum_pseudo(ip.src, ip.dst, 17, (uint32_t)(8 + len))));
    return rn_pkt_from_bytes(pool, bytes, 28 + len);
}

static inline uint32_t rn_test_udp4_number(const struct rn_pkt *pkt)
{
    uint8_t bytes[4];

    rn_pkt_copy_out(pkt, 28, bytes, sizeof(bytes));
    return rn_get_be32(bytes);
}
