/* The meaning of nf_tables expressions for a packet's destination. Registers are followed symbolically: a slot knows
 * which part of the packet it holds, or which constant. */
#include "discovery/portfwd_nft.h"

#include "base/text.h"
#include "host/proc.h"

#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/rtnetlink.h>

#define LOOKUPS_MAX 8u /* within one rule; each may fork */

typedef void expr_fn(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_view *tb);

/* Registers 1-4 are 16 bytes each, 8-23 the same room in pieces of 4. */
static struct rn_nft_slot *slot_of(struct rn_nft_branch *b, struct rn_view reg)
{
    uint32_t n = rn_nl_be32(reg);

    if (n >= NFT_REG_1 && n <= NFT_REG_4)
        return &b->slots[(n - NFT_REG_1) * 4];
    if (n >= NFT_REG32_00 && n <= NFT_REG32_15)
        return &b->slots[n - NFT_REG32_00];
    return NULL;
}

static void set_slot(struct rn_nft_slot *slot, enum rn_nft_what what, size_t bytes)
{
    if (slot != NULL)
        *slot = (struct rn_nft_slot){ .what = (uint8_t)what,
                                      .bytes = rn_sat_u8(bytes),
                                      .mask_bits = UINT8_MAX };
}

/* A concatenation fills as many slots as it is long. */
static void set_const(struct rn_nft_branch *b, struct rn_view reg, struct rn_view data)
{
    struct rn_nft_slot *slot = slot_of(b, reg);
    size_t room = slot != NULL ? RN_NFT_SLOTS - (size_t)(slot - b->slots) : 0;

    for (size_t i = 0; i < room && i * 4 < data.len; i++) {
        size_t n = rn_min_size(data.len - i * 4, 4);

        slot[i] = (struct rn_nft_slot){ .what = RN_HOLDS_CONST,
                                        .bytes = rn_sat_u8(data.len - i * 4),
                                        .mask_bits = UINT8_MAX };
        memcpy(slot[i].data, data.ptr + i * 4, n);
    }
}

/* ---- loads ---- */

static void expr_meta(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_view *tb)
{
    struct rn_nft_slot *slot = slot_of(b, tb[NFTA_META_DREG]);

    (void)w;
    switch (rn_nl_be32(tb[NFTA_META_KEY])) {
    case NFT_META_L4PROTO:
        set_slot(slot, RN_HOLDS_PROTO, 1);
        break;
    case NFT_META_NFPROTO:
        set_slot(slot, RN_HOLDS_FAMILY, 1);
        break;
    case NFT_META_IIFNAME:
        set_slot(slot, RN_HOLDS_IIF, 16);
        break;
    case NFT_META_IIF:
        set_slot(slot, RN_HOLDS_IIF_INDEX, 4);
        break;
    case NFT_META_PROTOCOL:
        set_slot(slot, RN_HOLDS_ETHER_TYPE, 2);
        break;
    default:
        set_slot(slot, RN_HOLDS_UNKNOWN, 4);
        break;
    }
}

static enum rn_nft_what payload_part(const struct rn_nft_branch *b, uint32_t base, uint32_t offset)
{
    bool is_v6 = b->packet.family == RN_FAMILY_V6;

    if (base == NFT_PAYLOAD_TRANSPORT_HEADER)
        return offset == 2 ? RN_HOLDS_DPORT : RN_HOLDS_UNKNOWN;
    if (base != NFT_PAYLOAD_NETWORK_HEADER)
        return RN_HOLDS_UNKNOWN;
    if (offset == (is_v6 ? 24u : 16u)) /* destination: RFC 8200 §3, RFC 791 §3.1 */
        return RN_HOLDS_DADDR;
    if (offset == (is_v6 ? 6u : 9u)) /* next header; protocol */
        return RN_HOLDS_PROTO;
    return RN_HOLDS_UNKNOWN;
}

static uint16_t const_port(const struct rn_nft_slot *slot)
{
    return slot != NULL && slot->what == RN_HOLDS_CONST ? rn_get_be16(slot->data) : 0;
}

/* The family is of the rewritten address: in an inet table the packet's may still be open. */
static struct rn_addr const_addr(const struct rn_nft_slot *slot, bool is_v6)
{
    uint8_t bytes[16];

    if (slot == NULL || slot->what != RN_HOLDS_CONST)
        return rn_addr_none();
    for (size_t i = 0; i < 4; i++)
        memcpy(bytes + i * 4, slot[is_v6 ? i : 0].data, 4);
    return rn_nl_addr(rn_view_of(bytes, is_v6 ? 16 : 4));
}

/* "ip daddr set 10.0.0.1 tcp dport set 80": a destination changed without connection tracking. */
static void write_payload(struct rn_nft_branch *b, const struct rn_view *tb)
{
    const struct rn_nft_slot *slot = slot_of(b, tb[NFTA_PAYLOAD_SREG]);
    enum rn_nft_what part =
        payload_part(b, rn_nl_be32(tb[NFTA_PAYLOAD_BASE]), rn_nl_be32(tb[NFTA_PAYLOAD_OFFSET]));

    if (part != RN_HOLDS_DADDR && part != RN_HOLDS_DPORT)
        return;
    b->is_written = true;
    if (slot == NULL || slot->what != RN_HOLDS_CONST)
        b->packet.is_conditional = true;
    if (part == RN_HOLDS_DADDR)
        b->written.addr = const_addr(slot, b->packet.family == RN_FAMILY_V6);
    else
        b->written.port_from = const_port(slot);
    b->written.port_to = b->written.port_from;
}

static void expr_payload(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_view *tb)
{
    uint32_t len = rn_nl_be32(tb[NFTA_PAYLOAD_LEN]);

    (void)w;
    if (rn_nl_has(tb[NFTA_PAYLOAD_SREG])) {
        write_payload(b, tb);
        return;
    }
    set_slot(
        slot_of(b, tb[NFTA_PAYLOAD_DREG]),
        payload_part(b, rn_nl_be32(tb[NFTA_PAYLOAD_BASE]), rn_nl_be32(tb[NFTA_PAYLOAD_OFFSET])),
        len);
}

static void expr_fib(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_view *tb)
{
    uint32_t flags = rn_nl_be32(tb[NFTA_FIB_FLAGS]);
    bool is_type = rn_nl_be32(tb[NFTA_FIB_RESULT]) == NFT_FIB_RESULT_ADDRTYPE;

    (void)w;
    set_slot(slot_of(b, tb[NFTA_FIB_DREG]),
             is_type && flags & NFTA_FIB_F_DADDR ? RN_HOLDS_DADDR_TYPE : RN_HOLDS_UNKNOWN, 4);
}

static struct rn_view data_value(struct rn_view nest)
{
    struct rn_view tb[NFTA_DATA_MAX + 1];

    rn_nlattr_table(nest, tb, NFTA_DATA_MAX);
    return tb[NFTA_DATA_VALUE];
}

static uint8_t ones(struct rn_view mask)
{
    uint8_t n = 0;

    for (size_t i = 0; i < mask.len; i++)
        n = (uint8_t)(n + __builtin_popcount(mask.ptr[i]));
    return n;
}

/* A mask on the address makes it a prefix; anything else calculated is no longer known. */
static void expr_bitwise(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_view *tb)
{
    struct rn_nft_slot *from = slot_of(b, tb[NFTA_BITWISE_SREG]);
    struct rn_nft_slot *to = slot_of(b, tb[NFTA_BITWISE_DREG]);

    (void)w;
    if (from == NULL || to == NULL)
        return;
    *to = *from;
    if (to->what == RN_HOLDS_DADDR) {
        to->mask_bits = ones(data_value(tb[NFTA_BITWISE_MASK]));
    } else if (to->what == RN_HOLDS_CT_STATE) {
        uint32_t states = rn_nl_u32(data_value(tb[NFTA_BITWISE_MASK]));

        memcpy(to->data, &states, sizeof(states));
    } else {
        to->what = RN_HOLDS_UNKNOWN;
    }
}

/* ---- comparisons ---- */

static void match_daddr(struct rn_nft_branch *b, const struct rn_nft_slot *slot, struct rn_view key)
{
    uint8_t bytes[16] = { 0 };
    size_t full = b->packet.family == RN_FAMILY_V6 ? 16 : 4;
    struct rn_prefix prefix;
    unsigned bits;

    if (key.len == 0 || key.len > full) {
        b->packet.is_conditional = true;
        return;
    }
    memcpy(bytes, key.ptr, key.len);
    bits = slot->mask_bits != UINT8_MAX ? slot->mask_bits : (unsigned)key.len * 8;
    prefix = rn_prefix_of(rn_nl_addr(rn_view_of(bytes, full)), bits);
    rn_fwd_match_daddr(&b->packet, &prefix);
}

static uint8_t family_of(uint8_t nfproto)
{
    return nfproto == NFPROTO_IPV6 ? RN_FAMILY_V6 : RN_FAMILY_V4;
}

static void match_iif_index(struct rn_nft_branch *b, uint32_t index)
{
    const struct rn_map_link *link = rn_model_link(b->netns, index);

    if (link != NULL)
        rn_fwd_match_iif(&b->packet, rn_view_of(link->name, strlen(link->name) + 1), false);
    else
        b->packet.is_conditional = true;
}

static void match_eq(struct rn_nft_branch *b, const struct rn_nft_slot *slot, struct rn_view key)
{
    switch (slot->what) {
    case RN_HOLDS_PROTO:
        rn_fwd_match_proto(&b->packet, rn_nl_u8(key));
        break;
    case RN_HOLDS_FAMILY:
        rn_fwd_match_family(&b->packet, family_of(rn_nl_u8(key)));
        break;
    case RN_HOLDS_DADDR:
        match_daddr(b, slot, key);
        break;
    case RN_HOLDS_DPORT:
        rn_fwd_match_ports(&b->packet, rn_nl_be16(key), rn_nl_be16(key));
        break;
    case RN_HOLDS_IIF:
        rn_fwd_match_iif(&b->packet, key, false);
        break;
    case RN_HOLDS_IIF_INDEX:
        match_iif_index(b, rn_nl_u32(key));
        break;
    case RN_HOLDS_ETHER_TYPE:
        rn_fwd_match_family(&b->packet,
                            rn_nl_be16(key) == ETH_P_IPV6 ? RN_FAMILY_V6 : RN_FAMILY_V4);
        break;
    case RN_HOLDS_DADDR_TYPE:
        /* "To an address of mine": what a published port without address means. Others are no way in. */
        if (rn_nl_u32(key) != RTN_LOCAL)
            b->packet.is_conditional = true;
        break;
    default:
        b->packet.is_conditional = true;
        break;
    }
}

/* The length of the prefix whose first and last address these are; UINT8_MAX if there is none. */
static uint8_t prefix_of_range(struct rn_view from, struct rn_view to)
{
    unsigned bits = 0;

    while (bits < from.len * 8 &&
           ((from.ptr[bits / 8] ^ to.ptr[bits / 8]) & (0x80u >> (bits % 8))) == 0)
        bits++;
    for (unsigned i = bits; i < from.len * 8; i++) {
        uint8_t bit = (uint8_t)(0x80u >> (i % 8));

        if ((from.ptr[i / 8] & bit) != 0 || (to.ptr[i / 8] & bit) == 0)
            return UINT8_MAX;
    }
    return (uint8_t)bits;
}

static void match_daddr_range(struct rn_nft_branch *b, struct rn_view from, struct rn_view to)
{
    struct rn_nft_slot prefix = { .what = RN_HOLDS_DADDR };

    prefix.mask_bits = prefix_of_range(from, to);
    if (prefix.mask_bits != UINT8_MAX)
        match_daddr(b, &prefix, from);
    else
        b->packet.is_conditional = true;
}

static void match_range(struct rn_nft_branch *b, const struct rn_nft_slot *slot,
                        struct rn_view from, struct rn_view to)
{
    if (slot->what == RN_HOLDS_DADDR && from.len == to.len && from.len != 0)
        match_daddr_range(b, from, to);
    else if (slot->what == RN_HOLDS_DPORT)
        rn_fwd_match_ports(&b->packet, rn_nl_be16(from), rn_nl_be16(to));
    else if (from.len == to.len && from.len != 0 && memcmp(from.ptr, to.ptr, from.len) == 0)
        match_eq(b, slot, from);
    else
        b->packet.is_conditional = true;
}

static void match_inequality(struct rn_nft_branch *b, const struct rn_nft_slot *slot, uint32_t op,
                             uint16_t port)
{
    if (slot->what != RN_HOLDS_DPORT) {
        b->packet.is_conditional = true;
        return;
    }
    if (op == NFT_CMP_LT && port != 0)
        rn_fwd_match_ports(&b->packet, 0, (uint16_t)(port - 1));
    else if (op == NFT_CMP_LTE)
        rn_fwd_match_ports(&b->packet, 0, port);
    else if (op == NFT_CMP_GT && port != UINT16_MAX)
        rn_fwd_match_ports(&b->packet, (uint16_t)(port + 1), UINT16_MAX);
    else if (op == NFT_CMP_GTE)
        rn_fwd_match_ports(&b->packet, port, UINT16_MAX);
    else
        b->packet.is_conditional = true;
}

/* "ct state & (new | ...) != 0" */
static bool lets_new_through(const struct rn_nft_slot *slot, struct rn_view key)
{
    const uint32_t is_new = 1u << 3; /* NF_CT_STATE_BIT(IP_CT_NEW) */
    uint32_t states;

    memcpy(&states, slot->data, sizeof(states));
    return rn_nl_u32(key) == 0 && (states & is_new) != 0;
}

static void expr_cmp(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_view *tb)
{
    const struct rn_nft_slot *slot = slot_of(b, tb[NFTA_CMP_SREG]);
    struct rn_view key = data_value(tb[NFTA_CMP_DATA]);
    uint32_t op = rn_nl_be32(tb[NFTA_CMP_OP]);

    (void)w;
    if (slot == NULL)
        return;
    if (op == NFT_CMP_EQ)
        match_eq(b, slot, key);
    else if (op == NFT_CMP_NEQ && slot->what == RN_HOLDS_IIF)
        rn_fwd_match_iif(&b->packet, key, true);
    else if (op == NFT_CMP_NEQ && slot->what == RN_HOLDS_CT_STATE && lets_new_through(slot, key))
        return;
    else if (op == NFT_CMP_NEQ)
        b->packet.is_conditional = true;
    else
        match_inequality(b, slot, op, rn_nl_be16(key));
}

static void expr_range(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_view *tb)
{
    const struct rn_nft_slot *slot = slot_of(b, tb[NFTA_RANGE_SREG]);

    (void)w;
    if (slot == NULL)
        return;
    if (rn_nl_be32(tb[NFTA_RANGE_OP]) == NFT_RANGE_EQ)
        match_range(b, slot, data_value(tb[NFTA_RANGE_FROM_DATA]),
                    data_value(tb[NFTA_RANGE_TO_DATA]));
    else
        b->packet.is_conditional = true;
}

static void expr_match(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_view *tb)
{
    (void)w;
    b->is_xt = true;
    rn_fwd_xt_match(&b->packet, rn_nl_str(tb[NFTA_MATCH_NAME]), tb[NFTA_MATCH_INFO]);
}

/* ---- ends of a rule ---- */

static bool is_narrow(const struct rn_fwd_packet *p)
{
    return p->daddr.bits != 0 || p->port_from != 0 || p->port_to != UINT16_MAX ||
           p->ip_proto != 0 || p->iif[0] != '\0' || p->is_conditional;
}

static void take_verdict(struct rn_nft_walk *w, struct rn_nft_branch *b, int32_t code,
                         struct rn_view chain)
{
    struct rn_nft_name id = { b->rule->id.family, b->rule->id.table, chain };

    if (code == NFT_JUMP || code == NFT_GOTO)
        rn_nft_walk_chain(w, &id, &b->packet, b->depth + 1);
    if (code != NFT_JUMP && code != NFT_CONTINUE)
        b->is_final = !is_narrow(&b->packet);
}

static void expr_immediate(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_view *tb)
{
    struct rn_view data[NFTA_DATA_MAX + 1];
    struct rn_view verdict[NFTA_VERDICT_MAX + 1];

    rn_nlattr_table(tb[NFTA_IMMEDIATE_DATA], data, NFTA_DATA_MAX);
    if (!rn_nl_has(data[NFTA_DATA_VERDICT])) {
        set_const(b, tb[NFTA_IMMEDIATE_DREG], data[NFTA_DATA_VALUE]);
        return;
    }
    rn_nlattr_table(data[NFTA_DATA_VERDICT], verdict, NFTA_VERDICT_MAX);
    take_verdict(w, b, (int32_t)rn_nl_be32(verdict[NFTA_VERDICT_CODE]),
                 rn_nl_str(verdict[NFTA_VERDICT_CHAIN]));
}

/* nft's comments are in the rule's user data: type, length, text (type 0 is the comment). */
static void take_user_comment(struct rn_nft_branch *b)
{
    struct rn_reader r = rn_reader_of(b->rule->userdata);
    struct rn_text t = rn_text_of(b->packet.comment, sizeof(b->packet.comment));

    while (r.rest.len != 0 && !r.short_read) {
        uint8_t type = rn_read_u8(&r);
        struct rn_view v = rn_nl_str(rn_read_view(&r, rn_read_u8(&r)));

        if (type == 0)
            rn_text_strn(&t, (const char *)v.ptr, v.len);
    }
}

static const char *family_name(uint8_t nfproto)
{
    switch (nfproto) {
    case NFPROTO_IPV4:
        return "ip ";
    case NFPROTO_IPV6:
        return "ip6 ";
    case NFPROTO_INET:
        return "inet ";
    case NFPROTO_NETDEV:
        return "netdev ";
    default:
        return "";
    }
}

static void emit(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_fwd_target *to)
{
    char text[RN_FWD_RULE_BYTES];
    struct rn_text t = rn_text_of(text, sizeof(text));
    const struct rn_nft_name *id = &b->rule->id;

    rn_text_str(&t, family_name(id->family));
    rn_text_strn(&t, (const char *)id->table.ptr, id->table.len);
    rn_text_char(&t, ' ');
    rn_text_strn(&t, (const char *)id->name.ptr, id->name.len);
    rn_text_str(&t, " handle ");
    rn_text_u64(&t, b->rule->handle);
    if (b->packet.comment[0] == '\0')
        take_user_comment(b);
    w->run.origin = b->is_xt ? RN_FWD_IPTABLES : RN_FWD_NFT;
    rn_fwd_emit(&w->run, &b->packet, to, text);
}

static void expr_target(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_view *tb)
{
    struct rn_fwd_target to;

    b->is_xt = true;
    if (rn_fwd_xt_target(rn_nl_str(tb[NFTA_TARGET_NAME]), rn_nl_be32(tb[NFTA_TARGET_REV]),
                         tb[NFTA_TARGET_INFO], &b->packet, &to) == RN_FWD_XT_DNAT)
        emit(w, b, &to);
}

static void expr_nat(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_view *tb)
{
    bool is_v6 = rn_nl_be32(tb[NFTA_NAT_FAMILY]) == NFPROTO_IPV6;
    struct rn_nft_slot *addr = slot_of(b, tb[NFTA_NAT_REG_ADDR_MIN]);
    struct rn_fwd_target to = { 0 };

    if (rn_nl_be32(tb[NFTA_NAT_TYPE]) != NFT_NAT_DNAT)
        return;
    to.addr = const_addr(addr, is_v6);
    to.last = const_addr(slot_of(b, tb[NFTA_NAT_REG_ADDR_MAX]), is_v6);
    to.is_mapped = rn_nl_be32(tb[NFTA_NAT_FLAGS]) & NF_NAT_RANGE_NETMAP;
    if (to.is_mapped)
        to.last = rn_addr_none();
    to.port_from = const_port(slot_of(b, tb[NFTA_NAT_REG_PROTO_MIN]));
    to.port_to = rn_nl_has(tb[NFTA_NAT_REG_PROTO_MAX])
                     ? const_port(slot_of(b, tb[NFTA_NAT_REG_PROTO_MAX]))
                     : to.port_from;
    if (addr != NULL && addr->what != RN_HOLDS_CONST)
        b->packet.is_conditional = true; /* calculated: the rule's text is all there is to say */
    rn_fwd_match_family(&b->packet, is_v6 ? RN_FAMILY_V6 : RN_FAMILY_V4);
    emit(w, b, &to);
}

static void expr_redir(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_view *tb)
{
    struct rn_fwd_target to = { 0 };

    to.port_from = const_port(slot_of(b, tb[NFTA_REDIR_REG_PROTO_MIN]));
    to.port_to = rn_nl_has(tb[NFTA_REDIR_REG_PROTO_MAX])
                     ? const_port(slot_of(b, tb[NFTA_REDIR_REG_PROTO_MAX]))
                     : to.port_from;
    emit(w, b, &to);
}

/* Taken in by a local socket, though it was for somebody else: a transparent proxy. */
static void expr_tproxy(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_view *tb)
{
    bool is_v6 = rn_nl_be32(tb[NFTA_TPROXY_FAMILY]) == NFPROTO_IPV6;
    struct rn_fwd_target to = { 0 };

    to.addr = const_addr(slot_of(b, tb[NFTA_TPROXY_REG_ADDR]), is_v6);
    to.port_from = const_port(slot_of(b, tb[NFTA_TPROXY_REG_PORT]));
    to.port_to = to.port_from;
    emit(w, b, &to);
}

/* It may have written into any register, and no longer do they hold what they held. */
static void expr_unknown(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_view *tb)
{
    (void)w;
    (void)tb;
    b->packet.is_conditional = true;
    for (size_t i = 0; i < RN_NFT_SLOTS; i++)
        b->slots[i].what = RN_HOLDS_UNKNOWN;
}

/* Every packet that nat chains see begins a connection: "new" says nothing there. Mangling sees all. */
static void expr_ct(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_view *tb)
{
    bool is_state = rn_nl_be32(tb[NFTA_CT_KEY]) == NFT_CT_STATE;
    struct rn_nft_slot *slot = slot_of(b, tb[NFTA_CT_DREG]);

    (void)w;
    set_slot(slot, is_state ? RN_HOLDS_CT_STATE : RN_HOLDS_UNKNOWN, 4);
}

static void expr_harmless(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_view *tb)
{
    (void)w;
    (void)b;
    (void)tb;
}

/* A choice by chance: which element of a map it leads to, nobody knows before. */
static void expr_numgen(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_view *tb)
{
    (void)w;
    set_slot(slot_of(b, tb[NFTA_NG_DREG]), RN_HOLDS_UNKNOWN, 4);
}

static void expr_hash(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_view *tb)
{
    (void)w;
    set_slot(slot_of(b, tb[NFTA_HASH_DREG]), RN_HOLDS_UNKNOWN, 4);
}

static const struct {
    const char *name;
    expr_fn *fn;
} exprs_known[] = {
    { "meta", expr_meta },        { "payload", expr_payload }, { "cmp", expr_cmp },
    { "bitwise", expr_bitwise },  { "range", expr_range },     { "immediate", expr_immediate },
    { "nat", expr_nat },          { "redir", expr_redir },     { "fib", expr_fib },
    { "match", expr_match },      { "target", expr_target },   { "counter", expr_harmless },
    { "log", expr_harmless },     { "ct", expr_ct },           { "numgen", expr_numgen },
    { "hash", expr_hash },        { "tproxy", expr_tproxy },   { "masq", expr_harmless },
    { "notrack", expr_harmless }, { "last", expr_harmless },
};

#define EXPR_ATTR_MAX 16u

static void run_one(struct rn_nft_walk *w, struct rn_nft_branch *b, struct rn_view name,
                    struct rn_view data)
{
    struct rn_view tb[EXPR_ATTR_MAX + 1];

    rn_nlattr_table(data, tb, EXPR_ATTR_MAX);
    for (size_t i = 0; i < RN_ARRAY_LEN(exprs_known); i++) {
        if (rn_view_is(name, exprs_known[i].name)) {
            exprs_known[i].fn(w, b, tb);
            return;
        }
    }
    expr_unknown(w, b, tb);
}

/* ---- sets: one branch per element ---- */

/* Fields of a concatenated key each fill whole slots, as the registers they were loaded into do. */
static void match_key(struct rn_nft_branch *b, const struct rn_nft_slot *slot, struct rn_view from,
                      struct rn_view to)
{
    size_t at = 0;

    while (at < from.len) {
        const struct rn_nft_slot *s = slot + at / 4;
        size_t bytes = s->bytes != 0 ? s->bytes : 4;
        size_t step = (bytes + 3u) & ~(size_t)3u;
        struct rn_view lo = rn_view_of(from.ptr + at, rn_min_size(bytes, from.len - at));

        if (at / 4 >= 16)
            return;
        if (to.len == from.len)
            match_range(b, s, lo, rn_view_of(to.ptr + at, lo.len));
        else
            match_eq(b, s, lo);
        at += step;
    }
}

/* Of an interval the element behind is the end, exclusive; an end is the next number of the same width. */
static bool interval_end(const struct rn_ruleset_set *set, size_t i, uint8_t buf[16],
                         struct rn_view *ret)
{
    const struct rn_nft_elem *e = &set->elems[i];
    const struct rn_nft_elem *next = i + 1 < set->n_elems ? &set->elems[i + 1] : NULL;
    size_t len = e->key.len;

    if (len == 0 || len > 16)
        return false;
    if (next == NULL || next->key.len != len) {
        memset(buf, 0xff, len);
    } else {
        memcpy(buf, next->key.ptr, len);
        for (size_t k = len; k-- != 0 && buf[k]-- == 0;)
            ;
    }
    *ret = rn_view_of(buf, len);
    return true;
}

static void run_element(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_view *tb,
                        const struct rn_nft_elem *e)
{
    if (e->has_verdict) {
        take_verdict(w, b, e->verdict, e->chain);
        b->is_final = false; /* only for this key */
        return;
    }
    if (rn_nl_has(tb[NFTA_LOOKUP_DREG]))
        set_const(b, tb[NFTA_LOOKUP_DREG], e->data);
}

/* True: not forked, go on with the rest of the rule; else the branches did.
 * NOLINTNEXTLINE(misc-no-recursion): LOOKUPS_MAX deep, and rn_fwd_step() counts every branch */
static bool run_lookup(struct rn_nft_walk *w, struct rn_nft_branch *b, const struct rn_view *tb,
                       struct rn_view rest)
{
    struct rn_nft_name id = { b->rule->id.family, b->rule->id.table,
                              rn_nl_str(tb[NFTA_LOOKUP_SET]) };
    struct rn_ruleset_set *set = rn_ruleset_find_set(w->rules, &id);
    const struct rn_nft_slot *slot = slot_of(b, tb[NFTA_LOOKUP_SREG]);
    size_t slot_index = slot != NULL ? (size_t)(slot - b->slots) : 0;

    if (set == NULL || slot == NULL || b->n_lookups == LOOKUPS_MAX ||
        rn_nl_be32(tb[NFTA_LOOKUP_FLAGS]) & NFT_LOOKUP_F_INV) {
        b->packet.is_conditional = true;
        return true;
    }
    for (size_t i = 0; i < set->n_elems && rn_fwd_step(&w->run); i++) {
        const struct rn_nft_elem *e = &set->elems[i];
        struct rn_nft_branch branch = *b;
        struct rn_view end = e->key_end;
        uint8_t buf[16];

        if (e->flags & NFT_SET_ELEM_INTERVAL_END)
            continue;
        if (set->set.flags & NFT_SET_INTERVAL && end.len == 0 && !interval_end(set, i, buf, &end))
            end.len = 0;
        branch.n_lookups++;
        match_key(&branch, &branch.slots[slot_index], e->key, end);
        if (branch.packet.is_dead)
            continue;
        run_element(w, &branch, tb, e);
        if (!e->has_verdict)
            rn_nft_expr_run(w, &branch, rest);
    }
    return false;
}

/* NOLINTNEXTLINE(misc-no-recursion): see run_lookup() */
void rn_nft_expr_run(struct rn_nft_walk *w, struct rn_nft_branch *b, struct rn_view exprs)
{
    struct rn_nlattr item;

    while (!b->packet.is_dead && !b->is_final && rn_nlattr_next(&exprs, &item)) {
        struct rn_view tb[NFTA_EXPR_MAX + 1];
        struct rn_view name;

        rn_nlattr_table(item.value, tb, NFTA_EXPR_MAX);
        name = rn_nl_str(tb[NFTA_EXPR_NAME]);
        if (rn_view_is(name, "lookup")) {
            struct rn_view lookup[NFTA_LOOKUP_MAX + 1];

            rn_nlattr_table(tb[NFTA_EXPR_DATA], lookup, NFTA_LOOKUP_MAX);
            if (!run_lookup(w, b, lookup, exprs))
                return;
            continue;
        }
        run_one(w, b, name, tb[NFTA_EXPR_DATA]);
    }
    if (b->is_written)
        emit(w, b, &b->written);
}
