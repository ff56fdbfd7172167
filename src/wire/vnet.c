#include "wire/vnet.h"

#include "base/writer.h"

#include <runnel/err.h>

static bool gso_ok(const struct rn_vnet_hdr *h)
{
    bool is_tcp = h->gso == RN_VNET_GSO_TCP4 || h->gso == RN_VNET_GSO_TCP6;

    if (h->gso_ecn && !is_tcp)
        return false;
    if (h->gso == RN_VNET_GSO_NONE)
        return true;
    if (h->gso_size == 0 || h->gso_size == RN_VNET_GSO_SIZE_FORBIDDEN)
        return false;
    return is_tcp || h->gso == RN_VNET_GSO_UDP_L4;
}

int rn_vnet_parse(struct rn_vnet_hdr *ret, struct rn_view hdr)
{
    const uint8_t *p = hdr.ptr;
    struct rn_vnet_hdr h;

    if (hdr.len != RN_VNET_HDR_BYTES && hdr.len != RN_VNET_HDR_MRG_BYTES)
        return RN_E_MALFORMED;
    h.flags = p[0];
    h.gso = (uint8_t)(p[1] & ~RN_VNET_GSO_ECN);
    h.gso_ecn = (p[1] & RN_VNET_GSO_ECN) != 0;
    h.hdr_len = rn_get_le16(p + 2);
    h.gso_size = rn_get_le16(p + 4);
    h.csum_start = rn_get_le16(p + 6);
    h.csum_offset = rn_get_le16(p + 8);
    h.num_buffers = hdr.len == RN_VNET_HDR_MRG_BYTES ? rn_get_le16(p + 10) : 0;
    if (!gso_ok(&h))
        return RN_E_MALFORMED;

    *ret = h;
    return RN_OK;
}

void rn_vnet_emit(const struct rn_vnet_hdr *hdr, uint8_t *out, size_t len)
{
    struct rn_writer w = rn_writer_of(out, len);

    rn_write_u8(&w, hdr->flags);
    rn_write_u8(&w, hdr->gso_ecn ? hdr->gso | RN_VNET_GSO_ECN : hdr->gso);
    rn_write_le16(&w, hdr->hdr_len);
    rn_write_le16(&w, hdr->gso_size);
    rn_write_le16(&w, hdr->csum_start);
    rn_write_le16(&w, hdr->csum_offset);
    if (len == RN_VNET_HDR_MRG_BYTES)
        rn_write_le16(&w, hdr->num_buffers);
}
