/*
 * Trains of packets through merging and cutting again: GSO(GRO(x)) == x, as a set, for any x (row E08). A record is a kind, a
 * length of payload, a field to change and how; or so many bytes that are a packet as they stand.
 */
#include "base/checksum.h"
#include "dev/gro.h"
#include "dev/gso.h"
#include "fuzz.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"
#include "wire/udp.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TRAIN = 64, PACKET_MAX = 512, HDR_MAX = 60, POOL_MAX_BYTES = 32 << 20 };

struct wire {
    uint8_t bytes[PACKET_MAX];
    size_t len;
    bool was_seen;
};

/* Where the train's two flows are. */
struct flow {
    uint32_t seq;
    uint16_t id;
};

static const uint8_t addr6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };

static size_t put_ip(uint8_t *out, bool is_v4, uint8_t proto, const struct flow *flow)
{
    struct rn_ipv4_hdr v4 = { .src = rn_addr_v4(0x0a000001),
                              .dst = rn_addr_v4(0x0a000002),
                              .id = flow->id,
                              .ttl = 64,
                              .proto = proto,
                              .dont_fragment = true };
    struct rn_ipv6_hdr v6 = { .next = proto, .hop_limit = 64 };

    if (is_v4) {
        rn_ipv4_emit(&v4, out);
        return RN_IPV4_HDR_BYTES;
    }
    memcpy(v6.src.b, addr6, sizeof(addr6));
    memcpy(v6.dst.b, addr6, sizeof(addr6));
    rn_ipv6_emit(&v6, out);
    return RN_IPV6_HDR_BYTES;
}

static size_t put_transport(uint8_t *out, uint8_t proto, const struct flow *flow, size_t payload)
{
    struct rn_tcp_hdr tcp = { .src_port = 1000,
                              .dst_port = 80,
                              .seq = rn_seq_of(flow->seq),
                              .ack = rn_seq_of(1),
                              .hdr_len = RN_TCP_HDR_BYTES,
                              .flags = RN_TCP_ACK,
                              .window = 512 };
    struct rn_udp_hdr udp = { .src_port = 1000, .dst_port = 80 };

    if (proto == RN_PROTO_TCP) {
        rn_tcp_emit(&tcp, out);
        return RN_TCP_HDR_BYTES;
    }
    udp.len_bytes = rn_sat_u16(RN_UDP_HDR_BYTES + payload);
    rn_udp_emit(&udp, out);
    return RN_UDP_HDR_BYTES;
}

/* Lengths and checksums as they must be, or nothing would be merged. */
static void set_right(struct wire *w, bool is_v4, uint8_t proto)
{
    size_t l4 = is_v4 ? RN_IPV4_HDR_BYTES : RN_IPV6_HDR_BYTES;
    size_t field = l4 + (proto == RN_PROTO_TCP ? RN_TCP_CHECKSUM_AT : RN_UDP_CHECKSUM_AT);
    size_t addrs_at = is_v4 ? 12 : 8;
    uint32_t sum;

    rn_put_be16(w->bytes + (is_v4 ? 2 : 4), rn_sat_u16(is_v4 ? w->len : w->len - l4));
    if (is_v4) {
        rn_put_be16(w->bytes + 10, 0);
        rn_put_be16(w->bytes + 10, (uint16_t)~rn_checksum(w->bytes, RN_IPV4_HDR_BYTES, 0));
    }
    rn_put_be16(w->bytes + field, 0);
    sum = rn_checksum(w->bytes + addrs_at, l4 - addrs_at, (uint32_t)(proto + w->len - l4));
    sum = rn_checksum(w->bytes + l4, w->len - l4, sum);
    rn_put_be16(w->bytes + field, rn_pkt_checksum_field((uint16_t)sum, (uint16_t)(field - l4)));
}

static void build(struct wire *w, uint8_t kind, struct rn_reader *r, struct flow *flow)
{
    bool is_v4 = (kind & 1) == 0;
    uint8_t proto = (kind & 2) == 0 ? RN_PROTO_TCP : RN_PROTO_UDP;
    size_t payload = rn_read_u8(r);
    uint8_t at = rn_read_u8(r);
    uint8_t change = rn_read_u8(r);

    w->len = put_ip(w->bytes, is_v4, proto, flow);
    w->len += put_transport(w->bytes + w->len, proto, flow, payload);
    memset(w->bytes + w->len, kind, payload);
    w->len += payload;
    w->bytes[at % HDR_MAX] ^= change;
    if ((kind & 4) == 0)
        set_right(w, is_v4, proto);
    if ((kind & 8) == 0)
        flow->seq += (uint32_t)payload;
    if ((kind & 16) == 0)
        flow->id++;
}

static void build_raw(struct wire *w, struct rn_reader *r)
{
    struct rn_view bytes = rn_read_view(r, 1 + rn_read_u8(r));

    memcpy(w->bytes, bytes.ptr, bytes.len);
    w->len = bytes.len;
}

static void mark_seen(struct wire *sent, unsigned n, const struct rn_pkt *pkt)
{
    uint8_t bytes[PACKET_MAX];

    must(pkt->len <= sizeof(bytes));
    rn_pkt_copy_out(pkt, 0, bytes, pkt->len);
    for (unsigned i = 0; i < n; i++) {
        if (!sent[i].was_seen && sent[i].len == pkt->len &&
            memcmp(sent[i].bytes, bytes, pkt->len) == 0) {
            sent[i].was_seen = true;
            return;
        }
    }
    abort(); /* a packet that nobody sent */
}

static void run(struct rn_pool *pool, struct rn_reader *r)
{
    static struct wire sent[TRAIN];
    struct rn_device plain = { .link_type = RN_LINK_IP };
    struct flow flows[2] = { { .seq = 1 }, { .seq = 0xffffff00u } };
    struct rn_pktq q = { 0 };
    struct rn_pktq again = { 0 };
    struct rn_pkt *pkt;
    unsigned n = 0;

    while (n < TRAIN && r->rest.len > 0) {
        uint8_t kind = rn_read_u8(r);

        sent[n] = (struct wire){ .len = 0 };
        if ((kind & 0x80) != 0)
            build_raw(&sent[n], r);
        else
            build(&sent[n], kind, r, &flows[(kind & 0x40) != 0]);
        if (sent[n].len == 0)
            continue;
        pkt = rn_pkt_from_bytes(pool, sent[n].bytes, sent[n].len);
        must(pkt != NULL);
        rn_pktq_push(&q, pkt);
        n++;
    }
    rn_gro_merge(&q, RN_LINK_IP, RN_GRO_TCP | RN_GRO_UDP);
    while ((pkt = rn_pktq_pop(&q)) != NULL)
        must(rn_gso_conform(&plain, pkt, &again) > 0);
    must(again.n_pkts == n);
    while ((pkt = rn_pktq_pop(&again)) != NULL) {
        mark_seen(sent, n, pkt);
        rn_pkt_free(pkt);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rn_reader r = rn_reader_of(rn_view_of(data, size));
    struct rn_pool *pool;

    must(rn_pool_new(&pool, &fuzz_heap, &(struct rn_pool_limits){ .max_bytes = POOL_MAX_BYTES }) >=
         0);
    run(pool, &r);
    rn_pool_free(pool);
    return 0;
}
