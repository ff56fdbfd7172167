#include "io/tun_offload.h"

#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"
#include "wire/udp.h"
#include "wire/vnet.h"
#include <runnel/err.h>

/* Where the headers of a frame really are, whatever the virtio header says. */
struct layout {
    struct rn_view front;
    size_t l3_end;      /* first byte behind the fixed IP header, options included */
    size_t ip_end;      /* first byte behind the IP packet; what follows is link padding */
    size_t l4_at;       /* transport header; meaningful if proto is TCP or UDP */
    uint8_t ip_version; /* 0: not IP */
    uint8_t proto;      /* enum rn_proto; of IPv6 only when no extension header comes first */
    bool is_fragment;
};

static void locate_ipv4(struct layout *lay, struct rn_view ip, size_t at, size_t ip_len)
{
    struct rn_ipv4_hdr hdr;

    if (rn_ipv4_parse(&hdr, ip, ip_len) < 0)
        return;
    lay->ip_version = 4;
    lay->proto = hdr.proto;
    lay->l3_end = at + hdr.hdr_len;
    lay->l4_at = lay->l3_end;
    lay->ip_end = at + hdr.total_len;
    lay->is_fragment = rn_ipv4_is_fragment(&hdr);
}

static void locate_ipv6(struct layout *lay, struct rn_view ip, size_t at, size_t ip_len)
{
    struct rn_ipv6_hdr hdr;

    if (rn_ipv6_parse(&hdr, ip, ip_len) < 0)
        return;
    lay->ip_version = 6;
    lay->proto = hdr.next;
    lay->l3_end = at + RN_IPV6_HDR_BYTES;
    lay->l4_at = lay->l3_end;
    lay->ip_end = at + RN_IPV6_HDR_BYTES + hdr.payload_len;
    lay->is_fragment = hdr.next == RN_PROTO_FRAGMENT;
}

static unsigned ip_version_of(struct rn_view front, enum rn_link_type link, size_t *ret_at)
{
    struct rn_eth_hdr eth;
    struct rn_view payload;

    if (link == RN_LINK_IP) {
        *ret_at = 0;
        return front.len > 0 ? front.ptr[0] >> 4 : 0u;
    }
    if (rn_eth_parse(&eth, &payload, front) < 0)
        return 0;
    *ret_at = RN_ETH_HDR_BYTES;
    if (eth.type == RN_ETHERTYPE_IPV4)
        return 4;
    return eth.type == RN_ETHERTYPE_IPV6 ? 6 : 0;
}

static struct layout locate(const struct rn_pkt *pkt, enum rn_link_type link)
{
    struct layout lay = { .front = rn_pkt_front(pkt) };
    struct rn_view ip = lay.front;
    size_t at = 0;
    unsigned version = ip_version_of(lay.front, link, &at);

    ip.ptr += at;
    ip.len -= at;
    if (version == 4)
        locate_ipv4(&lay, ip, at, pkt->len - at);
    else if (version == 6)
        locate_ipv6(&lay, ip, at, pkt->len - at);
    return lay;
}

static bool checksum_is_where_we_see_it(const struct layout *lay, const struct rn_vnet_hdr *hdr)
{
    if (lay->is_fragment || hdr->csum_start != lay->l4_at)
        return false;
    if (lay->proto == RN_PROTO_TCP)
        return hdr->csum_offset == RN_TCP_CHECKSUM_AT;
    return lay->proto == RN_PROTO_UDP && hdr->csum_offset == RN_UDP_CHECKSUM_AT;
}

static int take_checksum(struct rn_pkt *pkt, const struct rn_vnet_hdr *hdr,
                         const struct layout *lay)
{
    size_t field_end = (size_t)hdr->csum_start + hdr->csum_offset + 2;

    /* CVE-2024-43897 and the fix "too small csum_start" of October 2024. */
    if (lay->ip_version == 0 || hdr->csum_start < lay->l3_end || field_end > pkt->len)
        return RN_E_MALFORMED;
    pkt->csum = RN_CSUM_PARTIAL;
    pkt->csum_start = hdr->csum_start;
    pkt->csum_offset = hdr->csum_offset;
    if (checksum_is_where_we_see_it(lay, hdr))
        return RN_OK;
    if (lay->is_fragment || hdr->gso != RN_VNET_GSO_NONE || !rn_pkt_complete_checksum(pkt))
        return RN_E_MALFORMED;
    return RN_OK;
}

struct gso_shape {
    enum rn_gso gso;
    size_t hdr_bytes; /* up to the payload */
    uint32_t segments_max;
};

static int shape_tcp(const struct rn_pkt *pkt, const struct layout *lay, struct gso_shape *ret)
{
    struct rn_view seg = lay->front;
    struct rn_tcp_hdr tcp;

    seg.ptr += lay->l4_at;
    seg.len -= lay->l4_at;
    if (rn_tcp_parse(&tcp, seg, pkt->len - lay->l4_at) < 0)
        return RN_E_MALFORMED;
    ret->gso = lay->ip_version == 4 ? RN_GSO_TCP4 : RN_GSO_TCP6;
    ret->hdr_bytes = lay->l4_at + tcp.hdr_len;
    ret->segments_max = RN_OFFLOAD_TCP_SEGMENTS_MAX;
    return RN_OK;
}

static int shape_of(const struct rn_pkt *pkt, const struct rn_vnet_hdr *hdr,
                    const struct layout *lay, struct gso_shape *ret)
{
    if (hdr->gso == RN_VNET_GSO_TCP4 && lay->ip_version == 4 && lay->proto == RN_PROTO_TCP)
        return shape_tcp(pkt, lay, ret);
    if (hdr->gso == RN_VNET_GSO_TCP6 && lay->ip_version == 6 && lay->proto == RN_PROTO_TCP)
        return shape_tcp(pkt, lay, ret);
    if (hdr->gso != RN_VNET_GSO_UDP_L4 || lay->proto != RN_PROTO_UDP)
        return RN_E_MALFORMED;
    *ret = (struct gso_shape){ RN_GSO_UDP, lay->l4_at + RN_UDP_HDR_BYTES,
                               RN_OFFLOAD_UDP_SEGMENTS_MAX };
    return RN_OK;
}

static int take_gso(struct rn_pkt *pkt, const struct rn_vnet_hdr *hdr, const struct layout *lay)
{
    struct gso_shape shape;
    size_t payload;

    if (pkt->csum != RN_CSUM_PARTIAL || lay->is_fragment || lay->ip_end != pkt->len ||
        shape_of(pkt, hdr, lay, &shape) < 0 || shape.hdr_bytes > pkt->len)
        return RN_E_MALFORMED;
    payload = pkt->len - shape.hdr_bytes;
    if (payload <= hdr->gso_size)
        return RN_OK; /* one segment: an ordinary packet */
    if (payload > (size_t)hdr->gso_size * shape.segments_max)
        return RN_E_MALFORMED;
    pkt->gso = (uint8_t)shape.gso;
    pkt->gso_size = hdr->gso_size;
    pkt->gso_hdr = rn_sat_u16(shape.hdr_bytes);
    if (hdr->gso_ecn)
        pkt->flags |= RN_PKT_GSO_ECN;
    return RN_OK;
}

/* What nearly every packet of one segment is: TCP right behind an IPv4 header without options, its checksum left to us. */
static bool is_plain(struct rn_view ip, const uint8_t *vnet)
{
    const uint8_t *p = ip.ptr;

    return vnet[0] == RN_VNET_NEEDS_CSUM && vnet[1] == RN_VNET_GSO_NONE &&
           rn_get_le16(vnet + 6) == RN_IPV4_HDR_BYTES &&
           rn_get_le16(vnet + 8) == RN_TCP_CHECKSUM_AT &&
           ip.len >= RN_IPV4_HDR_BYTES + RN_TCP_HDR_BYTES && p[0] == 0x45 &&
           rn_get_be16(p + 2) == ip.len && (rn_get_be16(p + 6) & 0x3fff) == 0 &&
           p[9] == RN_PROTO_TCP;
}

static int take_any(struct rn_pkt *pkt, const uint8_t *vnet, enum rn_link_type link)
{
    struct rn_vnet_hdr hdr;
    struct layout lay;
    int err = rn_vnet_parse(&hdr, rn_view_of(vnet, RN_VNET_HDR_BYTES));

    if (err < 0)
        return err;
    if (hdr.flags & RN_VNET_DATA_VALID)
        pkt->csum = RN_CSUM_VALID;
    if ((hdr.flags & RN_VNET_NEEDS_CSUM) == 0 && hdr.gso == RN_VNET_GSO_NONE)
        return RN_OK;
    lay = locate(pkt, link);
    if ((hdr.flags & RN_VNET_NEEDS_CSUM) != 0) {
        err = take_checksum(pkt, &hdr, &lay);
        if (err < 0)
            return err;
    }
    return hdr.gso == RN_VNET_GSO_NONE ? RN_OK : take_gso(pkt, &hdr, &lay);
}

int rn_offload_rx(struct rn_pkt *pkt, const uint8_t *vnet, enum rn_link_type link)
{
    if (link != RN_LINK_IP || !is_plain(rn_pkt_front(pkt), vnet))
        return take_any(pkt, vnet, link);
    pkt->csum = RN_CSUM_PARTIAL;
    pkt->csum_start = RN_IPV4_HDR_BYTES;
    pkt->csum_offset = RN_TCP_CHECKSUM_AT;
    return RN_OK;
}

void rn_offload_tx(const struct rn_pkt *pkt, uint8_t *ret_vnet)
{
    static const uint8_t types[] = {
        [RN_GSO_NONE] = RN_VNET_GSO_NONE,
        [RN_GSO_TCP4] = RN_VNET_GSO_TCP4,
        [RN_GSO_TCP6] = RN_VNET_GSO_TCP6,
        [RN_GSO_UDP] = RN_VNET_GSO_UDP_L4,
    };
    struct rn_vnet_hdr hdr = { 0 };

    if (pkt->csum == RN_CSUM_PARTIAL) {
        hdr.flags = RN_VNET_NEEDS_CSUM;
        hdr.csum_start = pkt->csum_start;
        hdr.csum_offset = pkt->csum_offset;
    } else if (pkt->csum == RN_CSUM_VALID) {
        hdr.flags = RN_VNET_DATA_VALID;
    }
    if (pkt->gso != RN_GSO_NONE) {
        hdr.gso = types[pkt->gso];
        hdr.gso_ecn = (pkt->flags & RN_PKT_GSO_ECN) != 0;
        hdr.gso_size = pkt->gso_size;
        hdr.hdr_len = pkt->gso_hdr;
    }
    rn_vnet_emit(&hdr, ret_vnet, RN_VNET_HDR_BYTES);
}
