#include "wire/eth.h"

#include "base/writer.h"

#include <runnel/err.h>

int rn_eth_parse(struct rn_eth_hdr *ret, struct rn_view *ret_payload, struct rn_view frame)
{
    struct rn_reader r = rn_reader_of(frame);
    struct rn_eth_hdr h;

    rn_read_bytes(&r, h.dst.b, sizeof(h.dst.b));
    rn_read_bytes(&r, h.src.b, sizeof(h.src.b));
    h.type = rn_read_be16(&r);
    if (r.short_read)
        return RN_E_MALFORMED;

    *ret = h;
    *ret_payload = r.rest;
    return RN_OK;
}

void rn_eth_emit(const struct rn_eth_hdr *hdr, uint8_t out[RN_ETH_HDR_BYTES])
{
    struct rn_writer w = rn_writer_of(out, RN_ETH_HDR_BYTES);

    rn_write_bytes(&w, hdr->dst.b, sizeof(hdr->dst.b));
    rn_write_bytes(&w, hdr->src.b, sizeof(hdr->src.b));
    rn_write_be16(&w, hdr->type);
}

bool rn_mac_is_group(struct rn_mac mac)
{
    return (mac.b[0] & 1) != 0;
}

bool rn_mac_eq(struct rn_mac a, struct rn_mac b)
{
    return memcmp(a.b, b.b, sizeof(a.b)) == 0;
}

bool rn_mac_is_zero(struct rn_mac mac)
{
    return rn_mac_eq(mac, (struct rn_mac){ { 0 } });
}

struct rn_mac rn_mac_broadcast(void)
{
    return (struct rn_mac){ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
}

struct rn_mac rn_mac_of_group(struct rn_addr group)
{
    const uint8_t *b = group.b;

    if (rn_addr_is_v4(group))
        return (struct rn_mac){ { 0x01, 0x00, 0x5e, b[13] & 0x7f, b[14], b[15] } };
    return (struct rn_mac){ { 0x33, 0x33, b[12], b[13], b[14], b[15] } };
}
