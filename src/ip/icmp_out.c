/* ICMP errors we send, for both families: may one be sent at all, from whom, how much is quoted. */
#include "ip/ip.h"

#include "base/checksum.h"
#include "wire/icmp4.h"
#include "wire/icmp6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/ipv6_ext.h"
#include "wire/quote.h"
#include "wire/udp.h"

#include <runnel/err.h>

#define QUOTE_MAX_BYTES (RN_ICMP6_ERROR_MAX_BYTES - RN_IPV6_HDR_BYTES - RN_ICMP6_HDR_BYTES)

struct type_code {
    uint8_t type;
    uint8_t code;
};

static const struct type_code kinds4[] = {
    [RN_ICMP_NET_UNREACH] = { RN_ICMP4_UNREACH, RN_ICMP4_NET },
    [RN_ICMP_HOST_UNREACH] = { RN_ICMP4_UNREACH, RN_ICMP4_HOST },
    [RN_ICMP_PROTO_UNREACH] = { RN_ICMP4_UNREACH, RN_ICMP4_PROTO },
    [RN_ICMP_PORT_UNREACH] = { RN_ICMP4_UNREACH, RN_ICMP4_PORT },
    [RN_ICMP_PROHIBITED] = { RN_ICMP4_UNREACH, RN_ICMP4_ADMIN_PROHIBITED },
    [RN_ICMP_TOO_BIG] = { RN_ICMP4_UNREACH, RN_ICMP4_FRAG_NEEDED },
    [RN_ICMP_TTL] = { RN_ICMP4_TIME_EXCEEDED, RN_ICMP4_TTL_IN_TRANSIT },
    [RN_ICMP_REASS_TIME] = { RN_ICMP4_TIME_EXCEEDED, RN_ICMP4_REASSEMBLY },
    [RN_ICMP_PARAM] = { RN_ICMP4_PARAM_PROBLEM, 0 },
};

static const struct type_code kinds6[] = {
    [RN_ICMP_NET_UNREACH] = { RN_ICMP6_UNREACH, RN_ICMP6_NO_ROUTE },
    [RN_ICMP_HOST_UNREACH] = { RN_ICMP6_UNREACH, RN_ICMP6_ADDR },
    [RN_ICMP_PROTO_UNREACH] = { RN_ICMP6_PARAM_PROBLEM, RN_ICMP6_PARAM_NEXT_HEADER },
    [RN_ICMP_PORT_UNREACH] = { RN_ICMP6_UNREACH, RN_ICMP6_PORT },
    [RN_ICMP_PROHIBITED] = { RN_ICMP6_UNREACH, RN_ICMP6_ADMIN_PROHIBITED },
    [RN_ICMP_TOO_BIG] = { RN_ICMP6_TOO_BIG, 0 },
    [RN_ICMP_TTL] = { RN_ICMP6_TIME_EXCEEDED, RN_ICMP6_HOP_LIMIT },
    [RN_ICMP_REASS_TIME] = { RN_ICMP6_TIME_EXCEEDED, RN_ICMP6_REASSEMBLY },
    [RN_ICMP_PARAM] = { RN_ICMP6_PARAM_PROBLEM, RN_ICMP6_PARAM_FIELD },
};

/* A chain of headers that is cut short is what some errors are about: then only the fixed header counts. */
static bool parse_quote6(struct rn_quote *q, struct rn_view quote)
{
    struct rn_ipv6_hdr hdr;

    if (rn_quote_parse6(q, quote) == RN_OK)
        return true;
    if (rn_ipv6_parse(&hdr, quote, RN_IPV6_HDR_BYTES + (size_t)RN_IPV6_PAYLOAD_MAX) < 0)
        return false;
    *q =
        (struct rn_quote){ .src = hdr.src,
                           .dst = hdr.dst,
                           .proto = RN_PROTO_NO_NEXT,
                           .total_len = rn_sat_u16(hdr.payload_len + (uint64_t)RN_IPV6_HDR_BYTES) };
    return true;
}

static bool parse_quote(struct rn_quote *q, struct rn_view quote)
{
    if (quote.len == 0)
        return false;
    return quote.ptr[0] >> 4 == 4 ? rn_quote_parse4(q, quote) == RN_OK : parse_quote6(q, quote);
}

static bool is_broadcast_of_ours(const struct rn_stack *stack, struct rn_addr addr)
{
    struct rn_list *it;

    rn_list_for_each (it, &stack->nics) {
        if (rn_nic_is_broadcast(rn_list_entry(it, struct rn_nic, link), addr))
            return true;
    }
    return rn_addr_is_broadcast(addr);
}

static bool is_icmp_error(const struct rn_quote *q)
{
    if (q->proto == RN_PROTO_ICMP4)
        return !q->has_transport || rn_icmp4_is_error(q->icmp_type);
    if (q->proto == RN_PROTO_ICMP6)
        return !q->has_transport || rn_icmp6_is_error(q->icmp_type);
    return false;
}

/* RFC 4443 §2.4 e.3: these two are told even of packets to a group. */
static bool may_be_about_group(const struct rn_icmp_out *out, const struct rn_quote *q)
{
    return !rn_addr_is_v4(q->dst) &&
           (out->kind == RN_ICMP_TOO_BIG ||
            (out->kind == RN_ICMP_PARAM && out->param_code == RN_ICMP6_PARAM_OPTION));
}

/* RFC 1122 §3.2.2, RFC 4443 §2.4 e. */
static bool may_answer(const struct rn_stack *stack, const struct rn_icmp_out *out,
                       const struct rn_quote *q)
{
    bool to_group = rn_addr_is_multicast(q->dst) || is_broadcast_of_ours(stack, q->dst);

    if (rn_addr_is_any(q->src) || rn_addr_is_multicast(q->src) || rn_addr_is_broadcast(q->src))
        return false;
    if (rn_addr_is_loopback(q->src) && !rn_ip_is_local(stack, q->src, 0))
        return false;
    if (q->is_later_fragment || is_icmp_error(q))
        return false;
    return !to_group || may_be_about_group(out, q);
}

/* Where the walk of extension headers ended: the pointer of "unrecognized next header" (RFC 4443 §3.4). */
static uint32_t next_header_pointer(struct rn_view quote)
{
    struct rn_reader r = rn_reader_of(quote);
    struct rn_ipv6_ext_iter it;
    struct rn_ipv6_ext ext;
    struct rn_ipv6_hdr hdr;
    uint32_t pointer = 6;

    if (rn_ipv6_parse(&hdr, quote, RN_IPV6_HDR_BYTES + (size_t)RN_IPV6_PAYLOAD_MAX) < 0)
        return 0;
    (void)rn_read_view(&r, RN_IPV6_HDR_BYTES);
    it = rn_ipv6_ext_iter_of(hdr.next, r.rest);
    while (rn_ipv6_ext_next(&it, &ext) > 0)
        pointer = RN_IPV6_HDR_BYTES + (uint32_t)ext.at;
    return pointer;
}

static void emit_header4(const struct rn_icmp_out *out, uint8_t *at)
{
    struct rn_icmp4_hdr hdr = { .type = kinds4[out->kind].type, .code = kinds4[out->kind].code };

    if (out->kind == RN_ICMP_TOO_BIG)
        hdr.mtu = rn_sat_u16(out->arg);
    if (out->kind == RN_ICMP_PARAM)
        hdr.pointer = rn_sat_u8(out->arg);
    rn_icmp4_emit(&hdr, at);
}

static void emit_header6(const struct rn_icmp_out *out, struct rn_view quote, uint8_t *at)
{
    struct rn_icmp6_hdr hdr = { .type = kinds6[out->kind].type, .code = kinds6[out->kind].code };

    if (out->kind == RN_ICMP_TOO_BIG)
        hdr.mtu = out->arg;
    if (out->kind == RN_ICMP_PROTO_UNREACH)
        hdr.pointer = next_header_pointer(quote);
    if (out->kind == RN_ICMP_PARAM) {
        hdr.code = out->param_code;
        hdr.pointer = out->arg;
    }
    rn_icmp6_emit(&hdr, at);
}

/* The host itself says what its ports and protocols refuse, and what it could not parse or rejoin; of the way a router
 * speaks. */
static bool host_speaks(enum rn_icmp_kind kind)
{
    return kind == RN_ICMP_PORT_UNREACH || kind == RN_ICMP_PROTO_UNREACH ||
           kind == RN_ICMP_REASS_TIME || kind == RN_ICMP_PARAM;
}

/* Ours when there is one, else the quoted destination: a gate's answers look as that host's would. */
static int find_way(struct rn_stack *stack, struct rn_flow *flow, struct rn_ip_out *ip,
                    const struct rn_quote *q)
{
    struct rn_addr src = rn_addr_none();
    int err = rn_flow_find(stack, flow, ip, &src);

    if (err == RN_E_BAD_LOCAL_ADDR && rn_addr_is_none(ip->src) && !rn_addr_is_multicast(q->dst)) {
        ip->src = q->dst;
        err = rn_flow_find(stack, flow, ip, &src);
    }
    if (err == RN_OK)
        ip->src = src;
    return err;
}

static struct rn_pkt *build(struct rn_stack *stack, const struct rn_icmp_out *out,
                            const struct rn_ip_out *ip, struct rn_view quote)
{
    struct rn_pkt *pkt = rn_pkt_new(stack->turn->pool);
    uint8_t *at;
    uint32_t sum = 0;

    if (pkt == NULL)
        return NULL;
    if (!rn_pkt_append_copy(pkt, quote.ptr, quote.len)) {
        rn_pkt_free(pkt);
        return NULL;
    }
    at = rn_pkt_push(pkt, RN_ICMP4_HDR_BYTES);
    if (ip->proto == RN_PROTO_ICMP4) {
        emit_header4(out, at);
    } else {
        emit_header6(out, quote, at);
        sum = rn_checksum_pseudo(ip->src, ip->dst, ip->proto, pkt->len);
    }
    rn_put_be16(at + RN_ICMP4_CHECKSUM_AT, (uint16_t)~rn_pkt_checksum(pkt, 0, pkt->len, sum));
    return pkt;
}

/* No more than the packet had, and than an error may be (RFC 1812 §4.3.2.3, RFC 4443 §2.4 c). */
static struct rn_view cut_quote(struct rn_view quote, const struct rn_quote *q)
{
    size_t max = rn_addr_is_v4(q->dst)
                     ? RN_ICMP4_ERROR_MAX_BYTES - RN_IPV4_HDR_BYTES - RN_ICMP4_HDR_BYTES
                     : QUOTE_MAX_BYTES;

    quote.len = rn_min_size(quote.len, rn_min_size(max, q->total_len));
    return quote;
}

static bool may_send_now(struct rn_stack *stack, struct rn_addr dst)
{
    return rn_icmp_limit_take(&stack->icmp_limit, &stack->turn->rand, dst, stack->turn->now_ns);
}

void rn_icmp_send(struct rn_stack *stack, const struct rn_icmp_out *out, struct rn_view quote)
{
    struct rn_ip_out ip = { .nic = out->nic, .is_spoofed = true, .src = out->from };
    struct rn_flow flow = { 0 };
    struct rn_quote q;
    struct rn_pkt *pkt;

    if (!parse_quote(&q, quote) || !may_answer(stack, out, &q))
        return;
    ip.dst = q.src;
    ip.proto = rn_addr_is_v4(q.src) ? RN_PROTO_ICMP4 : RN_PROTO_ICMP6;
    if (rn_addr_is_none(ip.src) && host_speaks(out->kind) && !rn_addr_is_multicast(q.dst) &&
        !rn_addr_is_broadcast(q.dst))
        ip.src = q.dst;
    if (find_way(stack, &flow, &ip, &q) < 0)
        return;
    if (!flow.is_local && !may_send_now(stack, ip.dst)) {
        stack->stats.icmp_out_limited++;
        rn_flow_release(&flow);
        return;
    }
    pkt = build(stack, out, &ip, cut_quote(quote, &q));
    if (pkt != NULL) {
        stack->stats.icmp_out_errors++;
        (void)rn_ip_output(stack, &flow, &ip, pkt);
    }
    rn_flow_release(&flow);
}

void rn_icmp_answer(struct rn_nic *nic, const struct rn_pkt *pkt, const struct rn_icmp_out *out)
{
    struct rn_icmp_out say = *out;
    uint8_t quote[QUOTE_MAX_BYTES];
    const uint8_t *hdr = rn_pkt_pulled(pkt, pkt->l3_len);
    size_t hdr_len = rn_min_size(pkt->l3_len, sizeof(quote));
    size_t len = rn_min_size(pkt->len, sizeof(quote) - hdr_len);

    if ((pkt->flags & RN_PKT_BROADCAST) != 0 || (hdr_len != 0 && hdr == NULL))
        return;
    if (hdr_len != 0)
        memcpy(quote, hdr, hdr_len);
    rn_pkt_copy_out(pkt, 0, quote + hdr_len, len);
    /* Only a link-local sender needs to be told by the way it came; others have a route. */
    if (say.nic == 0 && (nic->flags & RN_NIC_PROMISCUOUS) == 0 &&
        hdr_len + len >= RN_IPV6_HDR_BYTES && quote[0] >> 4 == 6 && quote[8] == 0xfe &&
        (quote[9] & 0xc0) == 0x80)
        say.nic = nic->id;
    rn_icmp_send(nic->stack, &say, rn_view_of(quote, hdr_len + len));
}

void rn_icmp_send_error(struct rn_nic *nic, const struct rn_pkt *pkt, enum rn_icmp_kind kind,
                        uint32_t arg)
{
    struct rn_icmp_out out = { .kind = kind, .arg = arg };

    rn_icmp_answer(nic, pkt, &out);
}

void rn_icmp_send_error_about(struct rn_stack *stack, uint16_t nic, struct rn_view quote,
                              enum rn_icmp_kind kind)
{
    struct rn_icmp_out out = { .kind = kind, .nic = nic };

    rn_icmp_send(stack, &out, quote);
}

static size_t quote_ip(const struct rn_endpoint *src, const struct rn_endpoint *dst, uint8_t proto,
                       uint8_t *at)
{
    if (rn_addr_is_v4(src->addr)) {
        struct rn_ipv4_hdr hdr = { .src = src->addr,
                                   .dst = dst->addr,
                                   .ttl = 64,
                                   .proto = proto,
                                   .total_len = RN_IPV4_HDR_BYTES + RN_UDP_HDR_BYTES };

        rn_ipv4_emit(&hdr, at);
        return RN_IPV4_HDR_BYTES;
    }
    struct rn_ipv6_hdr hdr = { .src = src->addr,
                               .dst = dst->addr,
                               .hop_limit = 64,
                               .next = proto,
                               .payload_len = RN_UDP_HDR_BYTES };

    rn_ipv6_emit(&hdr, at);
    return RN_IPV6_HDR_BYTES;
}

size_t rn_ip_quote_make(const struct rn_endpoint *src, const struct rn_endpoint *dst, uint8_t proto,
                        uint8_t ret[RN_IP_QUOTE_BYTES])
{
    size_t at = quote_ip(src, dst, proto, ret);

    if (proto == RN_PROTO_ICMP4 || proto == RN_PROTO_ICMP6) {
        ret[at] = proto == RN_PROTO_ICMP4 ? (uint8_t)RN_ICMP4_ECHO : (uint8_t)RN_ICMP6_ECHO;
        memset(ret + at + 1, 0, 3);
        rn_put_be16(ret + at + 4, src->port);
        rn_put_be16(ret + at + 6, dst->port);
    } else {
        struct rn_udp_hdr udp = { src->port, dst->port, RN_UDP_HDR_BYTES, 0 };

        rn_udp_emit(&udp, ret + at);
    }
    return at + RN_UDP_HDR_BYTES;
}
