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
    struct rn_reader r = rn_reader_of(hdr);
    struct rn_vnet_hdr h;
    uint8_t gso;

    h.flags = rn_read_u8(&r);
    gso = rn_read_u8(&r);
    h.hdr_len = rn_read_le16(&r);
    h.gso_size = rn_read_le16(&r);
    h.csum_start = rn_read_le16(&r);
    h.csum_offset = rn_read_le16(&r);
    h.num_buffers = hdr.len == RN_VNET_HDR_MRG_BYTES ? rn_read_le16(&r) : 0;
    h.gso = (uint8_t)(gso & ~RN_VNET_GSO_ECN);
    h.gso_ecn = (gso & RN_VNET_GSO_ECN) != 0;
    if (r.short_read || r.rest.len != 0 || !gso_ok(&h))
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
