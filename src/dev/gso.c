#include "dev/gso.h"

#include "base/checksum.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/proto.h"
#include "wire/tcp.h"
#include "wire/udp.h"
#include <runnel/err.h>

/* What every segment of one super-packet shares, learned once from its headers. */
struct cut {
    struct rn_pkt *pkt;
    struct rn_pktq *out;
    uint8_t hdr[RN_PKT_HEAD_BYTES]; /* link, network and transport header of the super-packet */
    size_t link_len;
    size_t l4_off; /* from packet start */
    size_t hdr_len;
    bool is_v4;
    bool is_tcp;
    uint8_t proto;
    struct rn_addr src, dst;
    uint32_t seq;
    uint16_t tcp_flags;
    uint16_t ip_id;
    uint32_t ip_sum;     /* of what all headers share: IPv4 */
    uint32_t pseudo_sum; /* without the length */
    uint32_t l4_sum;     /* with the transport header */
    bool is_completed;   /* segments get their checksums, too */
    bool has_fixed_id;
    unsigned n_frag; /* cursor into the payload */
    uint32_t frag_at;
};

/* Sums of the headers without what differs from segment to segment, which is added in each: their bytes are fresh, and to
 * read them back at once in other widths than they were written in costs more than all the rest. */
static void sum_shared(struct cut *c)
{
    uint8_t *l3 = c->hdr + c->link_len;
    uint8_t *l4 = c->hdr + c->l4_off;

    if (c->is_v4) {
        rn_put_be16(l3 + 2, 0);
        rn_put_be16(l3 + 4, 0);
        rn_put_be16(l3 + 10, 0);
        c->ip_sum = rn_checksum(l3, c->l4_off - c->link_len, 0);
    }
    if (c->is_tcp) {
        rn_put_be32(l4 + 4, 0);
        rn_put_be16(l4 + 12, 0);
        rn_put_be16(l4 + RN_TCP_CHECKSUM_AT, 0);
    } else {
        rn_put_be16(l4 + 4, 0);
        rn_put_be16(l4 + RN_UDP_CHECKSUM_AT, 0);
    }
    c->pseudo_sum = rn_checksum_pseudo(c->src, c->dst, c->proto, 0);
    c->l4_sum = rn_checksum(l4, c->hdr_len - c->l4_off, c->pseudo_sum);
}

static bool learn_transport(struct cut *c)
{
    c->is_tcp = c->pkt->gso != RN_GSO_UDP;
    c->proto = c->is_tcp ? RN_PROTO_TCP : RN_PROTO_UDP;
    if (c->is_tcp ? c->hdr_len < c->l4_off + RN_TCP_HDR_BYTES
                  : c->hdr_len != c->l4_off + RN_UDP_HDR_BYTES)
        return false;
    if (c->is_tcp) {
        c->seq = rn_get_be32(c->hdr + c->l4_off + 4);
        c->tcp_flags = rn_get_be16(c->hdr + c->l4_off + 12);
    }
    sum_shared(c);
    return true;
}

static bool learn(struct cut *c)
{
    struct rn_view l3 = { c->hdr + c->link_len, c->hdr_len - c->link_len };
    struct rn_ipv4_hdr v4;
    struct rn_ipv6_hdr v6;

    c->l4_off = c->pkt->csum_start;
    if (l3.len == 0 || c->l4_off <= c->link_len || c->l4_off >= c->hdr_len)
        return false;
    c->is_v4 = l3.ptr[0] >> 4 == 4;
    if (c->is_v4) {
        if (rn_ipv4_parse(&v4, l3, c->pkt->len - c->link_len) < 0 ||
            c->link_len + v4.hdr_len != c->l4_off)
            return false;
        c->src = v4.src;
        c->dst = v4.dst;
        c->ip_id = v4.id;
        c->has_fixed_id = (c->pkt->flags & RN_PKT_GSO_FIXED_ID) != 0;
    } else {
        if (rn_ipv6_parse(&v6, l3, c->pkt->len - c->link_len) < 0)
            return false;
        c->src = v6.src;
        c->dst = v6.dst;
    }
    return learn_transport(c);
}

/* Appends @len bytes of payload from the cursor on, by reference. */
static bool take_payload(struct cut *c, struct rn_pkt *seg, uint32_t len)
{
    while (len != 0) {
        const struct rn_frag *frag = &c->pkt->frags[c->n_frag];
        uint32_t part = rn_min_u32(len, frag->len - c->frag_at);

        if (part != 0 && !rn_pkt_append_ref(seg, frag->buf, frag->off + c->frag_at, part))
            return false;
        c->frag_at += part;
        len -= part;
        if (c->frag_at == frag->len) {
            c->n_frag++;
            c->frag_at = 0;
        }
    }
    return true;
}

/* Payload may begin in the head (small sends keep a few bytes there) or inside frags[0] behind the headers. */
static bool find_payload(struct cut *c)
{
    const struct rn_pkt *pkt = c->pkt;
    size_t skip = c->hdr_len;

    if (pkt->head_len > skip)
        return false;
    skip -= pkt->head_len;
    while (c->n_frag < pkt->n_frags && skip >= pkt->frags[c->n_frag].len && skip != 0) {
        skip -= pkt->frags[c->n_frag].len;
        c->n_frag++;
    }
    c->frag_at = (uint32_t)skip;
    return c->n_frag < pkt->n_frags;
}

static uint16_t folded(uint32_t sum)
{
    return rn_checksum(NULL, 0, sum);
}

static void fix_network_header(const struct cut *c, uint8_t *l3, uint32_t len, unsigned index)
{
    uint16_t id = (uint16_t)(c->ip_id + (c->has_fixed_id ? 0 : index));

    if (!c->is_v4) {
        rn_put_be16(l3 + 4, rn_sat_u16(len - RN_IPV6_HDR_BYTES));
        return;
    }
    len = rn_sat_u16(len);
    rn_put_be16(l3 + 2, (uint16_t)len);
    rn_put_be16(l3 + 4, id);
    rn_put_be16(l3 + 10, (uint16_t)~folded(c->ip_sum + len + id));
}

/* FIN and PSH belong to the last segment; CWR to the first when the sender uses ECN (RFC 3168 §6.1.2). */
static uint16_t flags_of(const struct cut *c, unsigned index, bool is_last)
{
    uint16_t flags = c->tcp_flags;

    if (!is_last)
        flags &= (uint16_t) ~(RN_TCP_FIN | RN_TCP_PSH);
    if (index != 0)
        flags &= (uint16_t)~RN_TCP_CWR;
    return flags;
}

/* All but the checksum. Returns the sum of what it wrote. */
static uint32_t fix_transport_header(const struct cut *c, uint8_t *l4, uint16_t l4_len,
                                     unsigned index, bool is_last)
{
    uint32_t seq = c->seq + index * (uint32_t)c->pkt->gso_size;
    uint16_t flags = flags_of(c, index, is_last);

    if (!c->is_tcp) {
        rn_put_be16(l4 + 4, l4_len);
        return l4_len;
    }
    rn_put_be32(l4 + 4, seq);
    rn_put_be16(l4 + 12, flags);
    return (seq >> 16) + (seq & 0xffff) + flags;
}

static void fix_headers(const struct cut *c, struct rn_pkt *seg, unsigned index, bool is_last)
{
    uint8_t *hdr = seg->head + seg->head_off;
    uint8_t *l4 = hdr + c->l4_off;
    uint16_t l4_len = rn_sat_u16(seg->len - c->l4_off);
    uint32_t sum;

    memcpy(hdr, c->hdr, c->hdr_len);
    fix_network_header(c, hdr + c->link_len, seg->len - (uint32_t)c->link_len, index);
    sum = fix_transport_header(c, l4, l4_len, index, is_last);
    seg->csum_start = rn_sat_u16(c->l4_off);
    seg->csum_offset = c->is_tcp ? RN_TCP_CHECKSUM_AT : RN_UDP_CHECKSUM_AT;
    if (c->is_completed) {
        sum = rn_pkt_checksum(seg, c->hdr_len, seg->len - c->hdr_len, c->l4_sum + sum + l4_len);
        sum = rn_pkt_checksum_field((uint16_t)sum, seg->csum_offset);
    } else {
        seg->csum = RN_CSUM_PARTIAL;
        sum = folded(c->pseudo_sum + l4_len);
    }
    rn_put_be16(l4 + seg->csum_offset, (uint16_t)sum);
}

static bool emit(struct cut *c, unsigned index, uint32_t payload, bool is_last)
{
    struct rn_pkt *seg = rn_pkt_new(c->pkt->pool);

    if (seg == NULL)
        return false;
    if (rn_pkt_push(seg, c->hdr_len) == NULL || !take_payload(c, seg, payload)) {
        rn_pkt_free(seg);
        return false;
    }
    fix_headers(c, seg, index, is_last);
    seg->account = c->pkt->account;
    seg->flags = c->pkt->flags & (uint8_t) ~(RN_PKT_GSO_ECN | RN_PKT_GSO_FIXED_ID);
    seg->ethertype = c->pkt->ethertype;
    seg->nic = c->pkt->nic;
    seg->l3_len = c->pkt->l3_len;
    seg->l4_proto = c->proto;
    seg->tos = c->pkt->tos;
    seg->ttl = c->pkt->ttl;
    seg->queue = c->pkt->queue;
    seg->flow_hash = c->pkt->flow_hash;
    seg->time_ns = c->pkt->time_ns;
    rn_pktq_push(c->out, seg);
    return true;
}

/* Consumes @pkt, as rn_gso_cut. */
static int cut(struct rn_pkt *pkt, size_t link_len, bool is_completed, struct rn_pktq *out)
{
    struct cut c = { .pkt = pkt, .out = out, .link_len = link_len, .hdr_len = pkt->gso_hdr };
    uint32_t left;
    unsigned n = 0;

    c.is_completed = is_completed;
    if (pkt->gso_size == 0 || c.hdr_len > sizeof(c.hdr) || c.hdr_len >= pkt->len ||
        c.hdr_len <= link_len)
        goto malformed;
    rn_pkt_copy_out(pkt, 0, c.hdr, c.hdr_len);
    if (!learn(&c) || !find_payload(&c))
        goto malformed;
    for (left = pkt->len - (uint32_t)c.hdr_len; left != 0; n++) {
        uint32_t payload = rn_min_u32(left, pkt->gso_size);

        left -= payload;
        if (!emit(&c, n, payload, left == 0)) {
            /* The peer sees the loss of the tail and asks again: what was cut may go. */
            rn_pkt_drop(pkt, RN_DROP_NOMEM);
            return n != 0 ? (int)n : RN_E_NOMEM;
        }
    }
    rn_pkt_free(pkt);
    return (int)n;

malformed:
    rn_pkt_drop(pkt, RN_DROP_MALFORMED);
    return RN_E_MALFORMED;
}

int rn_gso_cut(struct rn_pkt *pkt, size_t link_len, struct rn_pktq *out)
{
    if (pkt->gso != RN_GSO_NONE)
        return cut(pkt, link_len, false, out);
    rn_pktq_push(out, pkt);
    return 1;
}

bool rn_gso_is_taken(const struct rn_device *dev, const struct rn_pkt *pkt)
{
    static const uint32_t needs[] = {
        [RN_GSO_NONE] = 0,
        [RN_GSO_TCP4] = RN_DEV_TSO4,
        [RN_GSO_TCP6] = RN_DEV_TSO6,
        [RN_GSO_UDP] = RN_DEV_USO,
    };

    return (dev->caps & needs[pkt->gso]) == needs[pkt->gso] && pkt->len <= dev->gso_max_bytes;
}

static int complete(struct rn_pkt *pkt, struct rn_pktq *out)
{
    if (pkt->csum == RN_CSUM_PARTIAL && !rn_pkt_complete_checksum(pkt)) {
        rn_pkt_drop(pkt, RN_DROP_MALFORMED);
        return RN_E_MALFORMED;
    }
    rn_pktq_push(out, pkt);
    return 1;
}

int rn_gso_conform(const struct rn_device *dev, struct rn_pkt *pkt, struct rn_pktq *out)
{
    size_t link_len = dev->link_type == RN_LINK_ETHERNET ? RN_ETH_HDR_BYTES : 0;
    bool needs_sum = (dev->caps & RN_DEV_TX_CSUM) == 0;

    if (pkt->gso == RN_GSO_NONE || rn_gso_is_taken(dev, pkt)) {
        if (needs_sum)
            return complete(pkt, out);
        rn_pktq_push(out, pkt);
        return 1;
    }
    return cut(pkt, link_len, needs_sum, out);
}
