#include "wire/arp.h"

#include "base/writer.h"
#include "wire/eth.h"

#include <runnel/err.h>

enum { HW_ETHERNET = 1, HW_BYTES = 6, PROTO_BYTES = 4 }; /* RFC 826, "Packet format" */

int rn_arp_parse(struct rn_arp *ret, struct rn_view pkt)
{
    struct rn_reader r = rn_reader_of(pkt);
    struct rn_arp a;
    uint16_t hw_type = rn_read_be16(&r);
    uint16_t proto_type = rn_read_be16(&r);
    uint8_t hw_len = rn_read_u8(&r);
    uint8_t proto_len = rn_read_u8(&r);

    a.op = rn_read_be16(&r);
    rn_read_bytes(&r, a.sender_mac.b, sizeof(a.sender_mac.b));
    a.sender_ip = rn_read_addr4(&r);
    rn_read_bytes(&r, a.target_mac.b, sizeof(a.target_mac.b));
    a.target_ip = rn_read_addr4(&r);

    if (r.short_read || hw_type != HW_ETHERNET || proto_type != RN_ETHERTYPE_IPV4 ||
        hw_len != HW_BYTES || proto_len != PROTO_BYTES)
        return RN_E_MALFORMED;

    *ret = a;
    return RN_OK;
}

void rn_arp_emit(const struct rn_arp *arp, uint8_t out[RN_ARP_BYTES])
{
    struct rn_writer w = rn_writer_of(out, RN_ARP_BYTES);

    rn_write_be16(&w, HW_ETHERNET);
    rn_write_be16(&w, RN_ETHERTYPE_IPV4);
    rn_write_u8(&w, HW_BYTES);
    rn_write_u8(&w, PROTO_BYTES);
    rn_write_be16(&w, arp->op);
    rn_write_bytes(&w, arp->sender_mac.b, sizeof(arp->sender_mac.b));
    rn_write_addr4(&w, arp->sender_ip);
    rn_write_bytes(&w, arp->target_mac.b, sizeof(arp->target_mac.b));
    rn_write_addr4(&w, arp->target_ip);
}
