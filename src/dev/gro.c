#include "dev/gro.h"

#include "base/checksum.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/proto.h"
#include "wire/tcp.h"
#include "wire/udp.h"

/* Packets looked at together; what comes later is merged among itself. */
#define WINDOW_PKTS 64u
#define ITEMS_MAX   16u /* of more flows at once little would merge */
#define HDR_MAX     (RN_ETH_HDR_BYTES + RN_IPV6_HDR_BYTES + RN_TCP_HDR_MAX_BYTES)
/* Largest super-packet behind the link header, and most datagrams in one: Linux's UDP_MAX_SEGMENTS. */
#define TOTAL_MAX        65535u
#define UDP_SEGMENTS_MAX 64u
#define COPIED_MAX_BYTES 256u

/* What is different in every packet of a flow is zero in .hdr, so that the same bytes mean: may be one super-packet. */
struct shape {
    uint8_t hdr[HDR_MAX];
    size_t hdr_len;
    size_t l3_at;
    size_t l4_at;
    struct rn_addr src;
    struct rn_addr dst;
    uint32_t payload;
    uint32_t seq;     /* TCP */
    uint32_t ip_rest; /* IPv4: the sum of what is zero in the header */
    uint16_t ip_id;
    bool is_v4;
    bool is_tcp;
    bool is_push;
    bool is_candidate; /* else only hdr_len and addresses may be missing: see .has_ports */
    bool has_ports; /* TCP or UDP of no matter what kind: it ends what came before it in its flow */
};

enum id_rule { ID_UNKNOWN, ID_FIXED, ID_COUNTS };

/* A packet that others may join. */
struct item {
    struct rn_pkt *pkt; /* NULL: nobody may join any more */
    struct shape shape; /* of the first packet in order of position */
    unsigned at;        /* place in the window */
    unsigned n;         /* packets in it */
    uint32_t payload;   /* of all of them */
    enum id_rule id_rule;
    bool is_verified;
    bool is_ended; /* PSH or a short packet: nothing may follow */
    bool is_push;
};

struct window {
    struct rn_pkt *pkts[WINDOW_PKTS]; /* NULL: merged into another */
    struct item items[ITEMS_MAX];
    unsigned n_pkts;
    unsigned n_items;
};

/* --- looking -------------------------------------------------------------------------------------------------- */
static bool look_at_tcp(struct shape *s, size_t have)
{
    uint8_t *tcp = s->hdr + s->l4_at;
    uint16_t flags;

    if (have < s->l4_at + RN_TCP_HDR_BYTES)
        return false;
    s->has_ports = true;
    s->is_tcp = true;
    s->hdr_len = s->l4_at + (size_t)(tcp[12] >> 4) * 4;
    if (s->hdr_len < s->l4_at + RN_TCP_HDR_BYTES || s->hdr_len > have)
        return false;
    flags = rn_get_be16(tcp + 12) & 0x0fff; /* with the reserved bits, which must be zero */
    if ((flags & ~(unsigned)RN_TCP_PSH) != RN_TCP_ACK)
        return false;
    s->is_push = (flags & RN_TCP_PSH) != 0;
    s->seq = rn_get_be32(tcp + 4);
    rn_put_be32(tcp + 4, 0);
    tcp[13] &= (uint8_t)~RN_TCP_PSH;
    rn_put_be16(tcp + RN_TCP_CHECKSUM_AT, 0);
    return true;
}

static bool look_at_udp(struct shape *s, size_t have, uint32_t l4_len)
{
    uint8_t *udp = s->hdr + s->l4_at;

    if (have < s->l4_at + RN_UDP_HDR_BYTES)
        return false;
    s->has_ports = true;
    s->hdr_len = s->l4_at + RN_UDP_HDR_BYTES;
    /* No checksum: nothing to verify, and the super-packet would get one. */
    if (rn_get_be16(udp + 4) != l4_len || rn_get_be16(udp + RN_UDP_CHECKSUM_AT) == 0)
        return false;
    rn_put_be16(udp + 4, 0);
    rn_put_be16(udp + RN_UDP_CHECKSUM_AT, 0);
    return true;
}

/* Options, fragments and link padding: not of a bulk transfer. Returns the protocol, 0 if it is nothing for us. */
static uint8_t look_at_ipv4(struct shape *s, size_t have, uint32_t len)
{
    uint8_t *ip = s->hdr + s->l3_at;

    if (have < s->l3_at + RN_IPV4_HDR_BYTES || ip[0] != 0x45 || rn_get_be16(ip + 2) != len ||
        (rn_get_be16(ip + 6) & 0x3fff) != 0)
        return 0;
    s->is_v4 = true;
    s->l4_at = s->l3_at + RN_IPV4_HDR_BYTES;
    s->src = rn_addr_v4(rn_get_be32(ip + 12));
    s->dst = rn_addr_v4(rn_get_be32(ip + 16));
    s->ip_id = rn_get_be16(ip + 4);
    s->ip_rest = len + s->ip_id + rn_get_be16(ip + 10);
    rn_put_be32(ip + 2, (uint32_t)0); /* total length and identification */
    rn_put_be16(ip + 10, 0);
    return ip[9];
}

static uint8_t look_at_ipv6(struct shape *s, size_t have, uint32_t len)
{
    uint8_t *ip = s->hdr + s->l3_at;

    if (have < s->l3_at + RN_IPV6_HDR_BYTES ||
        rn_get_be16(ip + 4) + (uint32_t)RN_IPV6_HDR_BYTES != len)
        return 0;
    s->l4_at = s->l3_at + RN_IPV6_HDR_BYTES;
    s->src = rn_addr_v6(ip + 8);
    s->dst = rn_addr_v6(ip + 24);
    rn_put_be16(ip + 4, 0);
    return ip[6];
}

static bool has_good_header(const struct shape *s)
{
    return !s->is_v4 || rn_checksum(s->hdr + s->l3_at, RN_IPV4_HDR_BYTES, s->ip_rest) == 0xffff;
}

static void look(const struct rn_pkt *pkt, enum rn_link_type link, unsigned what, struct shape *s)
{
    size_t have = rn_min_size(pkt->len, sizeof(s->hdr));
    uint32_t l3_len;
    uint8_t proto;

    s->l3_at = link == RN_LINK_ETHERNET ? RN_ETH_HDR_BYTES : 0;
    s->is_v4 = s->is_tcp = s->is_push = s->is_candidate = s->has_ports = false;
    if (have <= s->l3_at || pkt->gso != RN_GSO_NONE)
        return;
    rn_pkt_copy_out(pkt, 0, s->hdr, have);
    l3_len = pkt->len - (uint32_t)s->l3_at;
    if (s->hdr[s->l3_at] >> 4 == 4)
        proto = look_at_ipv4(s, have, l3_len);
    else
        proto = s->hdr[s->l3_at] >> 4 == 6 ? look_at_ipv6(s, have, l3_len) : 0;
    if (proto == RN_PROTO_TCP)
        s->is_candidate = (what & RN_GRO_TCP) != 0 && look_at_tcp(s, have);
    else if (proto == RN_PROTO_UDP)
        s->is_candidate =
            (what & RN_GRO_UDP) != 0 && look_at_udp(s, have, pkt->len - (uint32_t)s->l4_at);
    if (!s->is_candidate)
        return;
    s->payload = pkt->len - (uint32_t)s->hdr_len;
    s->is_candidate = s->payload != 0 && has_good_header(s);
}

static bool is_same_flow(const struct shape *a, const struct shape *b)
{
    return a->is_tcp == b->is_tcp && a->l4_at == b->l4_at && rn_addr_eq(a->src, b->src) &&
           rn_addr_eq(a->dst, b->dst) &&
           memcmp(a->hdr + a->l4_at, b->hdr + b->l4_at, 4) == 0; /* ports */
}

static bool is_same_header(const struct shape *a, const struct shape *b)
{
    return a->hdr_len == b->hdr_len && memcmp(a->hdr, b->hdr, a->hdr_len) == 0;
}

static bool has_good_checksum(struct rn_pkt *pkt, const struct shape *s)
{
    uint32_t l4_len = pkt->len - (uint32_t)s->l4_at;
    uint8_t proto = s->is_tcp ? RN_PROTO_TCP : RN_PROTO_UDP;

    if (pkt->csum != RN_CSUM_NONE)
        return true;
    if (rn_pkt_checksum(pkt, s->l4_at, l4_len, rn_checksum_pseudo(s->src, s->dst, proto, l4_len)) !=
        0xffff)
        return false;
    pkt->csum = RN_CSUM_VALID; /* nobody needs to look again */
    return true;
}

/* --- joining -------------------------------------------------------------------------------------------------- */
/* Appends the payload of @tail, which begins at @skip, by reference. false: no room; @host is as before. */
static bool append_payload(struct rn_pkt *host, const struct rn_pkt *tail, size_t skip)
{
    uint32_t had = host->len;

    if (tail->head_len > skip)
        return false; /* payload in a head cannot be referred to */
    skip -= tail->head_len;
    for (unsigned i = 0; i < tail->n_frags; i++) {
        const struct rn_frag *frag = &tail->frags[i];
        uint32_t pass = rn_min_u32((uint32_t)skip, frag->len);

        skip -= pass;
        if (pass != frag->len &&
            !rn_pkt_append_ref(host, frag->buf, frag->off + pass, frag->len - pass)) {
            rn_pkt_trim(host, had);
            return false;
        }
    }
    return true;
}

/* Where so little is copied a reference would cost more, and a packet holds few of them. */
static bool copy_payload(struct rn_pkt *host, const struct rn_pkt *tail, size_t skip)
{
    uint8_t bytes[COPIED_MAX_BYTES];
    size_t len = tail->len - skip;

    rn_pkt_copy_out(tail, skip, bytes, len);
    return rn_pkt_append_copy(host, bytes, len);
}

static bool join_payload(struct rn_pkt *host, const struct rn_pkt *tail, const struct shape *s)
{
    if (!s->is_tcp && s->payload <= COPIED_MAX_BYTES)
        return copy_payload(host, tail, s->hdr_len);
    return append_payload(host, tail, s->hdr_len);
}

static bool has_room(const struct item *item, const struct shape *s)
{
    uint32_t headers = (uint32_t)(s->hdr_len - s->l3_at);

    if (!s->is_tcp && item->n >= UDP_SEGMENTS_MAX)
        return false;
    return item->payload + s->payload <= TOTAL_MAX - headers;
}

/* Segments get numbers that count up, or all the same one: what the first two do, the others must. */
static bool id_fits(const struct item *item, uint16_t first, uint16_t id, unsigned distance,
                    enum id_rule *ret_rule)
{
    *ret_rule = item->id_rule;
    if (!item->shape.is_v4)
        return true;
    if (item->id_rule != ID_COUNTS && id == first) {
        *ret_rule = ID_FIXED;
        return true;
    }
    if (item->id_rule != ID_FIXED && id == (uint16_t)(first + distance)) {
        *ret_rule = ID_COUNTS;
        return true;
    }
    return false;
}

static void count_in(struct item *item, const struct shape *s, enum id_rule rule)
{
    item->n++;
    item->payload += s->payload;
    item->id_rule = rule;
}

/* @s follows the item: an equal packet, or a shorter last one. */
static bool follow(struct item *item, struct rn_pkt *pkt, const struct shape *s)
{
    enum id_rule rule;

    if (item->is_ended || s->payload > item->shape.payload || !has_room(item, s) ||
        !id_fits(item, item->shape.ip_id, s->ip_id, item->n, &rule) ||
        !join_payload(item->pkt, pkt, s))
        return false;
    count_in(item, s, rule);
    item->is_ended = s->is_push || s->payload < item->shape.payload;
    item->is_push = s->is_push;
    rn_pkt_free(pkt);
    return true;
}

/* @s precedes the item: @pkt takes its place and its payload. */
static bool precede(struct window *w, struct item *item, struct rn_pkt *pkt, const struct shape *s)
{
    enum id_rule rule;

    if (s->is_push || s->payload < item->shape.payload ||
        (s->payload > item->shape.payload && item->n > 1) || !has_room(item, s) ||
        !id_fits(item, s->ip_id, item->shape.ip_id, 1, &rule) ||
        !append_payload(pkt, item->pkt, item->shape.hdr_len))
        return false;
    item->is_ended |= s->payload > item->shape.payload;
    count_in(item, s, rule);
    rn_pkt_free(item->pkt);
    item->pkt = pkt;
    item->shape = *s;
    w->pkts[item->at] = pkt;
    return true;
}

static bool is_verified(struct item *item)
{
    if (!item->is_verified && !has_good_checksum(item->pkt, &item->shape)) {
        item->pkt = NULL; /* stays where it is, for whoever counts bad checksums */
        return false;
    }
    item->is_verified = true;
    return true;
}

/* Consumes @pkt when it returns true. */
static bool join(struct window *w, struct item *item, struct rn_pkt *pkt, const struct shape *s)
{
    bool follows;
    bool precedes;

    if (!is_same_header(&item->shape, s))
        return false;
    follows = !s->is_tcp || s->seq == item->shape.seq + item->payload;
    precedes = s->is_tcp && s->seq + s->payload == item->shape.seq;
    if ((!follows && !precedes) || !is_verified(item))
        return false;
    return follows ? follow(item, pkt, s) : precede(w, item, pkt, s);
}

/* --- the window ----------------------------------------------------------------------------------------------- */
static void close_flow(struct window *w, const struct shape *s)
{
    for (unsigned i = 0; i < w->n_items; i++) {
        if (w->items[i].pkt != NULL && is_same_flow(&w->items[i].shape, s))
            w->items[i].pkt = NULL;
    }
}

static void begin_item(struct window *w, struct rn_pkt *pkt, const struct shape *s)
{
    if (w->n_items == ITEMS_MAX)
        return;
    w->items[w->n_items++] = (struct item){ .pkt = pkt,
                                            .shape = *s,
                                            .at = w->n_pkts,
                                            .n = 1,
                                            .payload = s->payload,
                                            .is_verified = pkt->csum != RN_CSUM_NONE,
                                            .is_ended = s->is_push,
                                            .is_push = s->is_push };
}

static void keep(struct window *w, struct rn_pkt *pkt)
{
    w->pkts[w->n_pkts++] = pkt;
}

/* Newest items first. Datagrams have no numbers: only the last of a flow may grow, or they would change their order. */
static bool join_any(struct window *w, struct rn_pkt *pkt, const struct shape *s)
{
    for (unsigned i = w->n_items; i-- > 0;) {
        struct item *item = &w->items[i];

        if (item->pkt == NULL || !is_same_flow(&item->shape, s))
            continue;
        if (join(w, item, pkt, s))
            return true;
        if (!s->is_tcp)
            return false;
    }
    return false;
}

static bool flow_is_open(const struct window *w, const struct shape *s)
{
    for (unsigned i = 0; i < w->n_items; i++) {
        if (w->items[i].pkt != NULL && is_same_flow(&w->items[i].shape, s))
            return true;
    }
    return false;
}

static void add(struct window *w, struct rn_pkt *pkt, enum rn_link_type link, unsigned what)
{
    struct shape s;

    look(pkt, link, what, &s);
    if (!s.is_candidate) {
        if (s.has_ports)
            close_flow(w, &s); /* a FIN must not be overtaken */
        keep(w, pkt);
        return;
    }
    if (flow_is_open(w, &s)) {
        if (!has_good_checksum(pkt, &s)) {
            keep(w, pkt);
            return;
        }
        if (join_any(w, pkt, &s))
            return;
    }
    begin_item(w, pkt, &s);
    keep(w, pkt);
}

/* --- finishing ------------------------------------------------------------------------------------------------ */
static void finish_network(const struct item *item, uint8_t *ip)
{
    uint32_t len = item->pkt->len - (uint32_t)item->shape.l3_at;

    if (!item->shape.is_v4) {
        rn_put_be16(ip + 4, rn_sat_u16(len - RN_IPV6_HDR_BYTES));
        return;
    }
    rn_put_be16(ip + 2, rn_sat_u16(len));
    rn_put_be16(ip + 10, 0);
    rn_put_be16(ip + 10, (uint16_t)~rn_checksum(ip, RN_IPV4_HDR_BYTES, 0));
}

/* Writes the headers of what @item became. false: no memory to make them ours. */
static bool finish(const struct item *item)
{
    const struct shape *s = &item->shape;
    struct rn_pkt *pkt = item->pkt;
    uint32_t l4_len = pkt->len - (uint32_t)s->l4_at;
    uint8_t *hdr = rn_pkt_own_front(pkt, s->hdr_len);
    uint16_t sum_at = s->is_tcp ? RN_TCP_CHECKSUM_AT : RN_UDP_CHECKSUM_AT;

    if (hdr == NULL)
        return false;
    finish_network(item, hdr + s->l3_at);
    if (s->is_tcp && item->is_push)
        hdr[s->l4_at + 13] |= RN_TCP_PSH;
    if (!s->is_tcp)
        rn_put_be16(hdr + s->l4_at + 4, rn_sat_u16(l4_len));
    rn_put_be16(
        hdr + s->l4_at + sum_at,
        rn_checksum_pseudo(s->src, s->dst, s->is_tcp ? RN_PROTO_TCP : RN_PROTO_UDP, l4_len));
    pkt->csum = RN_CSUM_PARTIAL;
    pkt->csum_start = rn_sat_u16(s->l4_at);
    pkt->csum_offset = sum_at;
    pkt->gso = s->is_tcp ? (s->is_v4 ? RN_GSO_TCP4 : RN_GSO_TCP6) : RN_GSO_UDP;
    pkt->gso_size = rn_sat_u16(s->payload);
    pkt->gso_hdr = rn_sat_u16(s->hdr_len);
    if (item->id_rule == ID_FIXED)
        pkt->flags |= RN_PKT_GSO_FIXED_ID;
    return true;
}

static void empty(struct window *w, struct rn_pktq *out)
{
    for (unsigned i = 0; i < w->n_items; i++) {
        struct item *item = &w->items[i];

        if (item->n == 1)
            continue;
        item->pkt = w->pkts[item->at];
        if (finish(item))
            continue;
        rn_pkt_drop(item->pkt, RN_DROP_NOMEM);
        w->pkts[item->at] = NULL;
    }
    for (unsigned i = 0; i < w->n_pkts; i++) {
        if (w->pkts[i] != NULL)
            rn_pktq_push(out, w->pkts[i]);
    }
    w->n_pkts = 0;
    w->n_items = 0;
}

/* Apart from its caller, which mostly has a packet or none: a window is large, and is zeroed where it is declared. */
static void merge(struct rn_pktq *q, enum rn_link_type link, unsigned what)
{
    struct rn_pktq out = { 0 };
    struct window w;
    struct rn_pkt *pkt;

    w.n_pkts = 0;
    w.n_items = 0;
    while ((pkt = rn_pktq_pop(q)) != NULL) {
        add(&w, pkt, link, what);
        if (w.n_pkts == WINDOW_PKTS)
            empty(&w, &out);
    }
    empty(&w, &out);
    *q = out;
}

void rn_gro_merge(struct rn_pktq *q, enum rn_link_type link, unsigned what)
{
    if (q->n_pkts > 1)
        merge(q, link, what);
}
