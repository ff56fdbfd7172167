#include "wire/vlan.h"

#include "base/writer.h"

#include <runnel/err.h>

enum { ID_MASK = 0x0fff, DEI = 0x1000, PRIORITY_SHIFT = 13 }; /* IEEE 802.1Q §9.6 */

int rn_vlan_parse(struct rn_vlan_tag *ret, struct rn_view *ret_payload, struct rn_view body)
{
    struct rn_reader r = rn_reader_of(body);
    uint16_t control = rn_read_be16(&r);
    uint16_t type = rn_read_be16(&r);

    if (r.short_read)
        return RN_E_MALFORMED;

    *ret = (struct rn_vlan_tag){
        .id = control & ID_MASK,
        .type = type,
        .priority = (uint8_t)(control >> PRIORITY_SHIFT),
        .may_drop = (control & DEI) != 0,
    };
    *ret_payload = r.rest;
    return RN_OK;
}

void rn_vlan_emit(const struct rn_vlan_tag *tag, uint8_t out[RN_VLAN_TAG_BYTES])
{
    struct rn_writer w = rn_writer_of(out, RN_VLAN_TAG_BYTES);
    unsigned control = (unsigned)(tag->priority & 7) << PRIORITY_SHIFT | (tag->id & ID_MASK);

    if (tag->may_drop)
        control |= DEI;
    rn_write_be16(&w, (uint16_t)control);
    rn_write_be16(&w, tag->type);
}
