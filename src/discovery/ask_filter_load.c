/* What rules of nf_tables load of a packet that is known, and what they write upon it. */
#include "discovery/ask_filter_nft.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#define STATUS_DNAT   (1u << 5) /* IPS_DST_NAT */
#define STATE_INVALID (1u << 0) /* NF_CT_STATE_INVALID_BIT */
#define STATE_NEW     (1u << 3) /* NF_CT_STATE_BIT(IP_CT_NEW) */
#define UNTRACKED     (1u << 6) /* NF_CT_STATE_UNTRACKED_BIT */

/* ---- registers ---- */

size_t rn_reg_index(struct rn_view reg)
{
    uint32_t n = rn_nl_be32(reg);

    if (n >= NFT_REG_1 && n <= NFT_REG_4)
        return (n - NFT_REG_1) * 4;
    return n >= NFT_REG32_00 && n <= NFT_REG32_15 ? n - NFT_REG32_00 : RN_REG_SLOTS;
}

/* What a last slot has beyond @len is zero, as the kernel makes it. */
void rn_reg_put_bits(struct rn_rule_run *r, struct rn_view reg, const uint8_t *data,
                     const uint8_t *known, size_t len)
{
    size_t at = rn_reg_index(reg);

    for (size_t i = 0; at + i < RN_REG_SLOTS && i * 4 < len; i++) {
        struct rn_reg_slot *s = &r->slots[at + i];
        size_t n = rn_min_size(len - i * 4, 4);

        *s = (struct rn_reg_slot){ .known = { 0xff, 0xff, 0xff, 0xff } };
        memcpy(s->data, data + i * 4, n);
        if (known != NULL)
            memcpy(s->known, known + i * 4, n);
    }
}

void rn_reg_put(struct rn_rule_run *r, struct rn_view reg, const void *data, size_t len)
{
    rn_reg_put_bits(r, reg, data, NULL, len);
}

void rn_reg_forget(struct rn_rule_run *r, struct rn_view reg, size_t len)
{
    size_t at = rn_reg_index(reg);

    for (size_t i = 0; at + i < RN_REG_SLOTS && i * 4 < len; i++)
        r->slots[at + i] = (struct rn_reg_slot){ .known = { 0 } };
}

void rn_reg_get_bits(const struct rn_rule_run *r, size_t at, struct rn_filter_bytes *ret,
                     size_t len)
{
    *ret = (struct rn_filter_bytes){ 0 };
    for (size_t i = 0; at + i < RN_REG_SLOTS && i * 4 < len; i++) {
        size_t n = rn_min_size(len - i * 4, 4);

        memcpy(ret->data + i * 4, r->slots[at + i].data, n);
        memcpy(ret->known + i * 4, r->slots[at + i].known, n);
    }
}

bool rn_reg_get(const struct rn_rule_run *r, size_t at, uint8_t *buf, size_t len)
{
    for (size_t i = 0; i * 4 < len; i++) {
        size_t n = rn_min_size(len - i * 4, 4);
        static const uint8_t all[] = { 0xff, 0xff, 0xff, 0xff };

        if (at + i >= RN_REG_SLOTS || memcmp(r->slots[at + i].known, all, n) != 0)
            return false;
        memcpy(buf + i * 4, r->slots[at + i].data, n);
    }
    return true;
}

void rn_rule_narrow(struct rn_rule_run *r, enum rn_fit fit)
{
    if (fit < r->fit)
        r->fit = fit;
}

void rn_rule_narrow_to(struct rn_rule_run *r, bool is_so)
{
    rn_rule_narrow(r, is_so ? RN_FIT_YES : RN_FIT_NO);
}

/* ---- what is known of the packet ---- */

static void put_name(struct rn_rule_run *r, struct rn_view reg, const struct rn_map_link *link)
{
    char name[16] = { 0 };

    if (link != NULL)
        memcpy(name, link->name, rn_min_size(strlen(link->name), sizeof(name) - 1));
    rn_reg_put(r, reg, name, sizeof(name));
}

static void put_u32(struct rn_rule_run *r, struct rn_view reg, uint32_t value)
{
    rn_reg_put(r, reg, &value, sizeof(value));
}

static void put_hw_type(struct rn_rule_run *r, struct rn_view reg, const struct rn_map_link *link)
{
    if (link != NULL)
        rn_reg_put(r, reg, &link->hw_type, sizeof(link->hw_type));
    else
        rn_reg_forget(r, reg, sizeof(uint16_t));
}

static uint8_t family_of(const struct rn_filter_run *a)
{
    const struct rn_filter_packet *p = a->packet;

    if (p->layer == RN_FILTER_IP || a->is_inet)
        return rn_addr_is_v4(p->to) ? NFPROTO_IPV4 : NFPROTO_IPV6;
    if (p->layer == RN_FILTER_ARP)
        return NFPROTO_ARP;
    return p->layer == RN_FILTER_BRIDGE ? NFPROTO_BRIDGE : NFPROTO_NETDEV;
}

static void put_ether_type(struct rn_rule_run *r, struct rn_view reg)
{
    uint16_t type = rn_filter_ether_type(r->a->packet);
    const uint8_t bytes[] = { (uint8_t)(type >> 8), (uint8_t)type };

    if (r->a->packet->is_tagged)
        rn_reg_forget(r, reg, sizeof(bytes));
    else
        rn_reg_put(r, reg, bytes, sizeof(bytes));
}

/* Of what is neither IP nor has a protocol above it, the kernel breaks off the rule. */
static void put_ip_proto(struct rn_rule_run *r, struct rn_view reg)
{
    uint8_t ip_proto = rn_filter_ip_proto(r->a->packet);

    if (r->a->packet->is_tagged)
        rn_reg_forget(r, reg, 1);
    else if (ip_proto == 0)
        rn_rule_narrow(r, RN_FIT_NO);
    else
        rn_reg_put(r, reg, &ip_proto, 1);
}

static void put_bridge_name(struct rn_rule_run *r, struct rn_view reg,
                            const struct rn_map_link *port)
{
    if (r->a->packet->layer == RN_FILTER_BRIDGE)
        put_name(r, reg, port != NULL ? port->master : NULL);
    else
        rn_reg_forget(r, reg, RN_REG_VALUE_MAX);
}

static void put_mark(struct rn_rule_run *r, struct rn_view reg, uint32_t mark, bool is_unknown)
{
    if (is_unknown)
        rn_reg_forget(r, reg, sizeof(mark));
    else
        put_u32(r, reg, mark);
}

static void load_meta_of_link(struct rn_rule_run *r, uint32_t key, struct rn_view reg)
{
    const struct rn_filter_packet *p = r->a->packet;

    switch (key) {
    case NFT_META_IIF:
        put_u32(r, reg, p->iif != NULL ? p->iif->index : 0);
        break;
    case NFT_META_OIF:
        put_u32(r, reg, p->oif != NULL ? p->oif->index : 0);
        break;
    case NFT_META_IIFTYPE: /* the kernel looks at the packet's device, which at egress is the way out */
        put_hw_type(r, reg, p->layer == RN_FILTER_EGRESS ? p->oif : p->iif);
        break;
    case NFT_META_OIFTYPE:
        put_hw_type(r, reg, p->oif);
        break;
    case NFT_META_BRI_IIFNAME:
        put_bridge_name(r, reg, p->iif);
        break;
    case NFT_META_BRI_OIFNAME:
        put_bridge_name(r, reg, p->oif);
        break;
    default:
        rn_reg_forget(r, reg, RN_REG_VALUE_MAX);
        break;
    }
}

static void load_meta(struct rn_rule_run *r, const struct rn_view *tb)
{
    const struct rn_filter_packet *p = r->a->packet;
    struct rn_view reg = tb[NFTA_META_DREG];
    const uint8_t family = family_of(r->a);
    uint32_t key = rn_nl_be32(tb[NFTA_META_KEY]);

    switch (key) {
    case NFT_META_L4PROTO:
        put_ip_proto(r, reg);
        break;
    case NFT_META_NFPROTO:
        rn_reg_put(r, reg, &family, 1);
        break;
    case NFT_META_PROTOCOL:
        put_ether_type(r, reg);
        break;
    case NFT_META_IIFNAME:
        put_name(r, reg, p->iif);
        break;
    case NFT_META_OIFNAME:
        put_name(r, reg, p->oif);
        break;
    case NFT_META_MARK:
        put_mark(r, reg, r->a->marks.mark, r->a->marks.is_mark_unknown);
        break;
    default:
        load_meta_of_link(r, key, reg);
        break;
    }
}

void rn_filter_set_u32(uint32_t *value, bool *is_unknown, uint32_t to, enum rn_fit fit)
{
    *is_unknown = fit != RN_FIT_YES && (*is_unknown || *value != to);
    *value = to;
}

/* What a statement writes upon the packet, of a register. */
static void set_mark(struct rn_rule_run *r, struct rn_view reg, uint32_t *mark, bool *is_unknown)
{
    uint8_t buf[sizeof(uint32_t)];
    uint32_t to;

    if (!rn_reg_get(r, rn_reg_index(reg), buf, sizeof(buf))) {
        *is_unknown = true;
        return;
    }
    memcpy(&to, buf, sizeof(to));
    rn_filter_set_u32(mark, is_unknown, to, r->fit);
}

void rn_rule_meta(struct rn_rule_run *r, const struct rn_view *tb)
{
    struct rn_filter_marks *m = &r->a->marks;

    if (!rn_nl_has(tb[NFTA_META_SREG]))
        load_meta(r, tb);
    else if (rn_nl_be32(tb[NFTA_META_KEY]) == NFT_META_MARK)
        set_mark(r, tb[NFTA_META_SREG], &m->mark, &m->is_mark_unknown);
}

void rn_rule_payload(struct rn_rule_run *r, const struct rn_view *tb)
{
    static const enum rn_filter_base bases[] = { RN_BASE_LINK, RN_BASE_NETWORK, RN_BASE_TRANSPORT };
    struct rn_filter_bytes b;
    uint32_t base = rn_nl_be32(tb[NFTA_PAYLOAD_BASE]);
    uint32_t at = rn_nl_be32(tb[NFTA_PAYLOAD_OFFSET]);
    uint32_t len = rn_nl_be32(tb[NFTA_PAYLOAD_LEN]);

    if (rn_nl_has(tb[NFTA_PAYLOAD_SREG]))
        return;
    rn_reg_forget(r, tb[NFTA_PAYLOAD_DREG], RN_REG_VALUE_MAX);
    if (base >= RN_ARRAY_LEN(bases) || len > RN_FILTER_BYTES || at > RN_FILTER_BYTES - len)
        return;
    rn_filter_bytes_of(r->a->packet, bases[base], &b);
    rn_reg_put_bits(r, tb[NFTA_PAYLOAD_DREG], b.data + at, b.known + at, len);
}

static void load_ct_state(struct rn_rule_run *r, struct rn_view reg)
{
    bool is_ip = r->a->packet->layer == RN_FILTER_IP || r->a->packet->layer == RN_FILTER_BRIDGE;

    if (rn_filter_is_untracked_yet(r->a))
        put_u32(r, reg, STATE_INVALID);
    else if (!is_ip || r->a->marks.tracking == RN_FILTER_TRACKING_UNKNOWN)
        rn_reg_forget(r, reg, sizeof(uint32_t));
    else
        put_u32(r, reg, r->a->marks.tracking == RN_FILTER_NEW ? STATE_NEW : UNTRACKED);
}

/* Before connections are tracked, and of packets that are not, there is nothing to ask but the state. */
static bool is_tracked(const struct rn_filter_run *a)
{
    return a->packet->layer == RN_FILTER_IP && a->marks.tracking == RN_FILTER_NEW &&
           !rn_filter_is_untracked_yet(a);
}

/* "ct original ip daddr": where it was going at first. */
static void load_ct_original(struct rn_rule_run *r, uint32_t key, struct rn_view reg)
{
    const struct rn_filter_packet *p = r->a->packet;
    const uint8_t port[] = { (uint8_t)(p->first_port >> 8), (uint8_t)p->first_port };
    bool is_v4 = rn_addr_is_v4(p->first_to);

    rn_reg_forget(r, reg, RN_REG_VALUE_MAX);
    if (key == NFT_CT_PROTO_DST)
        rn_reg_put(r, reg, port, sizeof(port));
    else if (key == NFT_CT_DST || key == (is_v4 ? NFT_CT_DST_IP : NFT_CT_DST_IP6))
        rn_reg_put(r, reg, is_v4 ? p->first_to.b + 12 : p->first_to.b, is_v4 ? 4 : 16);
}

static void load_ct(struct rn_rule_run *r, const struct rn_view *tb)
{
    const bool asks_original =
        rn_nl_has(tb[NFTA_CT_DIRECTION]) && rn_nl_u8(tb[NFTA_CT_DIRECTION]) == 0;
    const uint8_t original = 0; /* IP_CT_DIR_ORIGINAL */
    const uint8_t family = family_of(r->a);
    struct rn_view reg = tb[NFTA_CT_DREG];
    uint32_t key = rn_nl_be32(tb[NFTA_CT_KEY]);

    if (key == NFT_CT_STATE)
        load_ct_state(r, reg);
    else if (!is_tracked(r->a))
        rn_reg_forget(r, reg, RN_REG_VALUE_MAX);
    else if (asks_original)
        load_ct_original(r, key, reg);
    else if (key == NFT_CT_STATUS)
        put_u32(r, reg, r->a->packet->is_rewritten ? STATUS_DNAT : 0);
    else if (key == NFT_CT_DIRECTION)
        rn_reg_put(r, reg, &original, 1);
    else if (key == NFT_CT_L3PROTOCOL)
        rn_reg_put(r, reg, &family, 1);
    else if (key == NFT_CT_PROTOCOL)
        rn_reg_put(r, reg, &r->a->packet->ip_proto, 1);
    else if (key == NFT_CT_MARK)
        put_mark(r, reg, r->a->marks.ct_mark, r->a->marks.is_ct_mark_unknown);
    else
        rn_reg_forget(r, reg, RN_REG_VALUE_MAX);
}

void rn_rule_ct(struct rn_rule_run *r, const struct rn_view *tb)
{
    struct rn_filter_marks *m = &r->a->marks;

    if (!rn_nl_has(tb[NFTA_CT_SREG]))
        load_ct(r, tb);
    else if (rn_nl_be32(tb[NFTA_CT_KEY]) == NFT_CT_MARK)
        set_mark(r, tb[NFTA_CT_SREG], &m->ct_mark, &m->is_ct_mark_unknown);
}

/* "fib saddr . iif oif": the interface of the way back, zero if it is another. */
static void load_way_back(struct rn_rule_run *r, const struct rn_view *tb)
{
    const struct rn_filter_packet *p = r->a->packet;
    uint32_t result = rn_nl_be32(tb[NFTA_FIB_RESULT]);
    enum rn_fit fit = rn_filter_way_back(p);

    if (fit == RN_FIT_MAYBE || result == NFT_FIB_RESULT_ADDRTYPE || p->iif == NULL)
        rn_reg_forget(r, tb[NFTA_FIB_DREG], RN_REG_VALUE_MAX);
    else if (rn_nl_be32(tb[NFTA_FIB_FLAGS]) & NFTA_FIB_F_PRESENT)
        put_u32(r, tb[NFTA_FIB_DREG], fit == RN_FIT_YES);
    else if (result == NFT_FIB_RESULT_OIFNAME)
        put_name(r, tb[NFTA_FIB_DREG], fit == RN_FIT_YES ? p->iif : NULL);
    else
        put_u32(r, tb[NFTA_FIB_DREG], fit == RN_FIT_YES ? p->iif->index : 0);
}

void rn_rule_fib(struct rn_rule_run *r, const struct rn_view *tb)
{
    const struct rn_filter_packet *p = r->a->packet;
    uint32_t flags = rn_nl_be32(tb[NFTA_FIB_FLAGS]);
    bool is_dst = flags == NFTA_FIB_F_DADDR;
    bool is_type = rn_nl_be32(tb[NFTA_FIB_RESULT]) == NFT_FIB_RESULT_ADDRTYPE;
    uint32_t type = rn_filter_addr_type(p->netns, is_dst ? p->to : p->from);

    if ((flags & ~(uint32_t)NFTA_FIB_F_PRESENT) == (NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF))
        load_way_back(r, tb);
    else if (is_type && (is_dst || flags == NFTA_FIB_F_SADDR) && type != 0)
        put_u32(r, tb[NFTA_FIB_DREG], type);
    else
        rn_reg_forget(r, tb[NFTA_FIB_DREG], RN_REG_VALUE_MAX);
}
