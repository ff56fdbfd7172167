#include "wire/quote.h"

#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/ipv6_ext.h"

#include <runnel/err.h>

static void read_transport(struct rn_quote *q, struct rn_view bytes)
{
    struct rn_reader r = rn_reader_of(bytes);

    q->transport = bytes;
    if (q->is_later_fragment)
        return;

    switch (q->proto) {
    case RN_PROTO_TCP:
        q->src_port = rn_read_be16(&r);
        q->dst_port = rn_read_be16(&r);
        q->tcp_seq = rn_seq_of(rn_read_be32(&r));
        break;
    case RN_PROTO_UDP:
        q->src_port = rn_read_be16(&r);
        q->dst_port = rn_read_be16(&r);
        (void)rn_read_be32(&r); /* length and checksum */
        break;
    case RN_PROTO_ICMP4:
    case RN_PROTO_ICMP6:
        q->icmp_type = rn_read_u8(&r);
        (void)rn_read_u8(&r);   /* code */
        (void)rn_read_be16(&r); /* checksum */
        q->src_port = rn_read_be16(&r);
        q->dst_port = rn_read_be16(&r);
        break;
    default:
        return;
    }
    q->has_transport = !r.short_read;
}

int rn_quote_parse4(struct rn_quote *ret, struct rn_view packet)
{
    struct rn_quote q = { 0 };
    struct rn_ipv4_hdr ip;
    struct rn_reader r = rn_reader_of(packet);
    /* A quote is shorter than the packet it quotes, so the claimed total length is not held against it. */
    int err = rn_ipv4_parse(&ip, packet, RN_IPV4_TOTAL_MAX);

    if (err < 0)
        return err;
    (void)rn_read_view(&r, ip.hdr_len);
    q.src = ip.src;
    q.dst = ip.dst;
    q.proto = ip.proto;
    q.total_len = ip.total_len;
    q.is_later_fragment = ip.frag_off_bytes != 0;
    read_transport(&q, r.rest);
    *ret = q;
    return RN_OK;
}

int rn_quote_parse6(struct rn_quote *ret, struct rn_view packet)
{
    struct rn_quote q = { 0 };
    struct rn_ipv6_hdr ip;
    struct rn_ipv6_ext_iter it;
    struct rn_ipv6_ext ext;
    struct rn_reader r = rn_reader_of(packet);
    int err = rn_ipv6_parse(&ip, packet, RN_IPV6_HDR_BYTES + (size_t)RN_IPV6_PAYLOAD_MAX);

    if (err < 0)
        return err;
    (void)rn_read_view(&r, RN_IPV6_HDR_BYTES);
    it = rn_ipv6_ext_iter_of(ip.next, r.rest);
    do {
        err = rn_ipv6_ext_next(&it, &ext);
    } while (err > 0);
    if (err < 0)
        return err;

    q.src = ip.src;
    q.dst = ip.dst;
    q.proto = it.next;
    q.total_len = rn_sat_u16((uint32_t)ip.payload_len + RN_IPV6_HDR_BYTES);
    q.is_later_fragment = it.is_later_fragment;
    read_transport(&q, it.rest.rest);
    *ret = q;
    return RN_OK;
}
