#include "discovery/ask_filter.h"

#include "base/text.h"
#include "discovery/portfwd_nft.h"
#include "host/proc.h"

#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/rtnetlink.h>

#define SLOTS           20u
#define DEPTH_MAX       16u       /* jumps within jumps; the kernel's own limit */
#define KEY_BYTES_MAX   64u       /* of a set: all registers */
#define LOOKS_MAX       20000000u /* at names of chains */
#define STEPS_MAX       200000u
#define PRIORITY_DSTNAT (-100) /* NF_IP_PRI_NAT_DST */
#define RULE_TEXT_BYTES 192u
#define STATUS_DNAT     (1u << 5) /* IPS_DST_NAT */
#define STATE_NEW       (1u << 3) /* NF_CT_STATE_BIT(IP_CT_NEW) */
#define EXPR_ATTR_MAX   16u

/* Four bytes of a register. */
struct slot {
    uint8_t data[4];
    bool is_known;
};

/* What a rule, or all rules of a chain, do to the packet. */
enum outcome { GOES_ON, ACCEPTED, DROPPED, RETURNED };

struct ask {
    struct rn_arena *arena;
    const struct rn_filter_packet *packet;
    struct rn_ruleset *rules;
    const char *may_accept; /* of the base chain at hand: a rule that might have let it pass */
    const char *may_drop;   /* of any: a rule that might have stopped it */
    const char *decided;    /* the rule behind the last sure outcome */
    uint32_t n_steps, n_looks;
    bool may_be_marked;
    bool may_return; /* the last rule may have left its chain */
};

/* One rule at work. */
struct rule_run {
    struct ask *a;
    const struct rn_nft_rule *rule;
    struct slot slots[SLOTS];
    enum rn_fit fit;
    unsigned depth;
    enum outcome outcome; /* of the verdicts so far */
    bool is_over;
};

static enum outcome walk_chain(struct ask *a, const struct rn_nft_name *id, enum rn_fit fit,
                               unsigned depth);

/* ---- registers ---- */

static size_t index_of(struct rn_view reg)
{
    uint32_t n = rn_nl_be32(reg);

    if (n >= NFT_REG_1 && n <= NFT_REG_4)
        return (n - NFT_REG_1) * 4;
    return n >= NFT_REG32_00 && n <= NFT_REG32_15 ? n - NFT_REG32_00 : SLOTS;
}

static void put(struct rule_run *r, struct rn_view reg, const void *data, size_t len)
{
    size_t at = index_of(reg);

    for (size_t i = 0; at + i < SLOTS && i * 4 < len; i++) {
        r->slots[at + i] = (struct slot){ .is_known = true };
        memcpy(r->slots[at + i].data, (const uint8_t *)data + i * 4, rn_min_size(len - i * 4, 4));
    }
}

static void forget(struct rule_run *r, struct rn_view reg, size_t len)
{
    size_t at = index_of(reg);

    for (size_t i = 0; at + i < SLOTS && i * 4 < len; i++)
        r->slots[at + i] = (struct slot){ .is_known = false };
}

/* @len bytes from a register on; false if any of them is not known. */
static bool get(const struct rule_run *r, size_t at, uint8_t *buf, size_t len)
{
    for (size_t i = 0; i * 4 < len; i++) {
        if (at + i >= SLOTS || !r->slots[at + i].is_known)
            return false;
        memcpy(buf + i * 4, r->slots[at + i].data, rn_min_size(len - i * 4, 4));
    }
    return true;
}

static void narrow(struct rule_run *r, enum rn_fit fit)
{
    if (fit < r->fit)
        r->fit = fit;
}

static void narrow_to(struct rule_run *r, bool is_so)
{
    narrow(r, is_so ? RN_FIT_YES : RN_FIT_NO);
}

/* ---- what is known of the packet ---- */

static bool is_v6(const struct rule_run *r)
{
    return !rn_addr_is_v4(r->a->packet->to);
}

uint8_t rn_filter_addr_type(const struct rn_map_netns *netns, struct rn_addr addr)
{
    if (rn_addr_is_none(addr) || rn_addr_is_multicast(addr) || rn_addr_is_broadcast(addr))
        return 0;
    if (rn_addr_is_loopback(addr) || rn_model_link_with_addr(netns, addr) != NULL)
        return RTN_LOCAL;
    return RTN_UNICAST;
}

static void put_name(struct rule_run *r, struct rn_view reg, const struct rn_map_link *link)
{
    char name[16] = { 0 };

    if (link != NULL)
        memcpy(name, link->name, rn_min_size(strlen(link->name), sizeof(name) - 1));
    put(r, reg, name, sizeof(name));
}

static void put_index(struct rule_run *r, struct rn_view reg, const struct rn_map_link *link)
{
    uint32_t index = link != NULL ? link->index : 0;

    put(r, reg, &index, sizeof(index));
}

static void load_meta(struct rule_run *r, const struct rn_view *tb)
{
    const struct rn_filter_packet *p = r->a->packet;
    struct rn_view reg = tb[NFTA_META_DREG];
    const uint8_t family = is_v6(r) ? NFPROTO_IPV6 : NFPROTO_IPV4;
    const uint8_t ether_type[] = { is_v6(r) ? 0x86 : 0x08, is_v6(r) ? 0xdd : 0x00 };
    const uint32_t no_mark = 0;
    uint32_t key = rn_nl_be32(tb[NFTA_META_KEY]);

    if (rn_nl_has(tb[NFTA_META_SREG])) {
        r->a->may_be_marked |= key == NFT_META_MARK;
        return;
    }
    if (key == NFT_META_L4PROTO)
        put(r, reg, &p->ip_proto, 1);
    else if (key == NFT_META_NFPROTO)
        put(r, reg, &family, 1);
    else if (key == NFT_META_PROTOCOL)
        put(r, reg, ether_type, 2);
    else if (key == NFT_META_IIFNAME)
        put_name(r, reg, p->iif);
    else if (key == NFT_META_OIFNAME)
        put_name(r, reg, p->oif);
    else if (key == NFT_META_IIF)
        put_index(r, reg, p->iif);
    else if (key == NFT_META_OIF)
        put_index(r, reg, p->oif);
    else if (key == NFT_META_MARK && !r->a->may_be_marked)
        put(r, reg, &no_mark, sizeof(no_mark));
    else
        forget(r, reg, 16);
}

static void put_addr_part(struct rule_run *r, const struct rn_view *tb, struct rn_addr a)
{
    size_t len = rn_min_size(rn_nl_be32(tb[NFTA_PAYLOAD_LEN]), is_v6(r) ? 16 : 4);

    if (rn_addr_is_none(a))
        forget(r, tb[NFTA_PAYLOAD_DREG], 16);
    else
        put(r, tb[NFTA_PAYLOAD_DREG], is_v6(r) ? a.b : a.b + 12, len);
}

/* RFC 791 §3.1, RFC 8200 §3: protocol, source, destination. */
static void load_network(struct rule_run *r, const struct rn_view *tb)
{
    const struct rn_filter_packet *p = r->a->packet;
    uint32_t at = rn_nl_be32(tb[NFTA_PAYLOAD_OFFSET]);

    if (at == (is_v6(r) ? 24u : 16u))
        put_addr_part(r, tb, p->to);
    else if (at == (is_v6(r) ? 8u : 12u))
        put_addr_part(r, tb, p->from);
    else if (at == (is_v6(r) ? 6u : 9u) && rn_nl_be32(tb[NFTA_PAYLOAD_LEN]) == 1)
        put(r, tb[NFTA_PAYLOAD_DREG], &p->ip_proto, 1);
    else
        forget(r, tb[NFTA_PAYLOAD_DREG], 16);
}

static void load_payload(struct rule_run *r, const struct rn_view *tb)
{
    const uint8_t port[] = { (uint8_t)(r->a->packet->port >> 8), (uint8_t)r->a->packet->port };
    uint32_t base = rn_nl_be32(tb[NFTA_PAYLOAD_BASE]);

    if (rn_nl_has(tb[NFTA_PAYLOAD_SREG]))
        return;
    if (base == NFT_PAYLOAD_NETWORK_HEADER)
        load_network(r, tb);
    else if (base == NFT_PAYLOAD_TRANSPORT_HEADER && rn_nl_be32(tb[NFTA_PAYLOAD_OFFSET]) == 2 &&
             rn_nl_be32(tb[NFTA_PAYLOAD_LEN]) == 2)
        put(r, tb[NFTA_PAYLOAD_DREG], port, 2);
    else
        forget(r, tb[NFTA_PAYLOAD_DREG], 16);
}

static void load_ct(struct rule_run *r, const struct rn_view *tb)
{
    const uint32_t is_new = STATE_NEW;
    const uint32_t status = r->a->packet->is_rewritten ? STATUS_DNAT : 0;
    const uint8_t original = 0; /* IP_CT_DIR_ORIGINAL */
    struct rn_view reg = tb[NFTA_CT_DREG];
    uint32_t key = rn_nl_be32(tb[NFTA_CT_KEY]);

    if (rn_nl_has(tb[NFTA_CT_SREG]))
        return;
    if (key == NFT_CT_STATE)
        put(r, reg, &is_new, sizeof(is_new));
    else if (key == NFT_CT_STATUS)
        put(r, reg, &status, sizeof(status));
    else if (key == NFT_CT_DIRECTION)
        put(r, reg, &original, 1);
    else
        forget(r, reg, 16);
}

static void load_fib(struct rule_run *r, const struct rn_view *tb)
{
    const struct rn_filter_packet *p = r->a->packet;
    uint32_t flags = rn_nl_be32(tb[NFTA_FIB_FLAGS]);
    bool is_dst = flags == NFTA_FIB_F_DADDR;
    bool is_type = rn_nl_be32(tb[NFTA_FIB_RESULT]) == NFT_FIB_RESULT_ADDRTYPE;
    uint32_t type = rn_filter_addr_type(p->netns, is_dst ? p->to : p->from);

    if (is_type && (is_dst || flags == NFTA_FIB_F_SADDR) && type != 0)
        put(r, tb[NFTA_FIB_DREG], &type, sizeof(type));
    else
        forget(r, tb[NFTA_FIB_DREG], 4);
}

/* ---- comparing ---- */

static struct rn_view data_value(struct rn_view nest)
{
    struct rn_view tb[NFTA_DATA_MAX + 1];

    rn_nlattr_table(nest, tb, NFTA_DATA_MAX);
    return tb[NFTA_DATA_VALUE];
}

static void calculate(struct rule_run *r, const struct rn_view *tb)
{
    uint8_t buf[SLOTS * 4];
    struct rn_view mask = data_value(tb[NFTA_BITWISE_MASK]);
    struct rn_view xor = data_value(tb[NFTA_BITWISE_XOR]);
    size_t len = rn_nl_be32(tb[NFTA_BITWISE_LEN]);

    if (rn_nl_be32(tb[NFTA_BITWISE_OP]) != NFT_BITWISE_BOOL || len > 16 || mask.len < len ||
        xor.len < len || !get(r, index_of(tb[NFTA_BITWISE_SREG]), buf, len)) {
        forget(r, tb[NFTA_BITWISE_DREG], 16);
        return;
    }
    for (size_t i = 0; i < len; i++)
        buf[i] = (buf[i] & mask.ptr[i]) ^ xor.ptr[i];
    put(r, tb[NFTA_BITWISE_DREG], buf, len);
}

static bool holds(uint32_t op, int order)
{
    switch (op) {
    case NFT_CMP_EQ:
        return order == 0;
    case NFT_CMP_NEQ:
        return order != 0;
    case NFT_CMP_LT:
        return order < 0;
    case NFT_CMP_LTE:
        return order <= 0;
    case NFT_CMP_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}

static void compare(struct rule_run *r, const struct rn_view *tb)
{
    struct rn_view key = data_value(tb[NFTA_CMP_DATA]);
    uint8_t buf[SLOTS * 4];

    if (key.len == 0 || key.len > 16 || !get(r, index_of(tb[NFTA_CMP_SREG]), buf, key.len))
        narrow(r, RN_FIT_MAYBE);
    else
        narrow_to(r, holds(rn_nl_be32(tb[NFTA_CMP_OP]), memcmp(buf, key.ptr, key.len)));
}

static bool is_between(const uint8_t *v, struct rn_view from, struct rn_view to)
{
    return memcmp(v, from.ptr, from.len) >= 0 && memcmp(v, to.ptr, from.len) <= 0;
}

static void compare_range(struct rule_run *r, const struct rn_view *tb)
{
    struct rn_view from = data_value(tb[NFTA_RANGE_FROM_DATA]);
    struct rn_view to = data_value(tb[NFTA_RANGE_TO_DATA]);
    uint8_t buf[SLOTS * 4];
    bool is_inverted = rn_nl_be32(tb[NFTA_RANGE_OP]) == NFT_RANGE_NEQ;

    if (from.len == 0 || from.len > 16 || to.len != from.len ||
        !get(r, index_of(tb[NFTA_RANGE_SREG]), buf, from.len))
        narrow(r, RN_FIT_MAYBE);
    else
        narrow_to(r, is_between(buf, from, to) != is_inverted);
}

/* ---- verdicts ---- */

static const char *rule_text(struct ask *a, const struct rn_nft_name *id, uint64_t handle)
{
    char buf[RULE_TEXT_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    rn_text_str(&t, handle == 0 ? "the policy of " : "");
    rn_text_str(&t, id->family == NFPROTO_IPV4   ? "ip "
                    : id->family == NFPROTO_IPV6 ? "ip6 "
                                                 : "inet ");
    rn_text_strn(&t, (const char *)id->table.ptr, id->table.len);
    rn_text_char(&t, ' ');
    rn_text_strn(&t, (const char *)id->name.ptr, id->name.len);
    if (handle != 0) {
        rn_text_str(&t, " handle ");
        rn_text_u64(&t, handle);
    }
    return rn_arena_strdup(a->arena, buf);
}

/* A verdict that holds for sure ends the rule; one that may hold is remembered, and the rule goes on without it. */
static void decide(struct rule_run *r, enum outcome outcome, enum rn_fit fit)
{
    const char *text = rule_text(r->a, &r->rule->id, r->rule->handle);

    if (fit == RN_FIT_YES) {
        r->outcome = outcome;
        r->is_over = true;
        r->a->decided = outcome != RETURNED ? text : r->a->decided;
    } else if (outcome == RETURNED) {
        r->a->may_return = true;
    } else if (outcome == DROPPED) {
        r->a->may_drop = r->a->may_drop != NULL ? r->a->may_drop : text;
    } else {
        r->a->may_accept = r->a->may_accept != NULL ? r->a->may_accept : text;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX deep, the kernel's own limit of jumps */
static void take_verdict(struct rule_run *r, int32_t code, struct rn_view chain, enum rn_fit fit)
{
    struct rn_nft_name id = { r->rule->id.family, r->rule->id.table, chain };
    enum outcome outcome;

    switch (code) {
    case NFT_JUMP:
    case NFT_GOTO:
        outcome = walk_chain(r->a, &id, fit, r->depth + 1);
        r->a->may_return = fit != RN_FIT_YES && code == NFT_GOTO;
        r->is_over = fit == RN_FIT_YES && (outcome != GOES_ON || code == NFT_GOTO);
        r->outcome = r->is_over && outcome == GOES_ON ? RETURNED : outcome;
        break;
    case NFT_RETURN:
        decide(r, RETURNED, fit);
        break;
    case NF_ACCEPT:
        decide(r, ACCEPTED, fit);
        break;
    case NF_DROP:
        decide(r, DROPPED, fit);
        break;
    case NFT_CONTINUE:
        break;
    default: /* to a program, which does as it likes */
        decide(r, DROPPED, RN_FIT_MAYBE);
        decide(r, ACCEPTED, RN_FIT_MAYBE);
        break;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): see take_verdict() */
static void take_immediate(struct rule_run *r, const struct rn_view *tb)
{
    struct rn_view data[NFTA_DATA_MAX + 1];
    struct rn_view verdict[NFTA_VERDICT_MAX + 1];

    rn_nlattr_table(tb[NFTA_IMMEDIATE_DATA], data, NFTA_DATA_MAX);
    if (!rn_nl_has(data[NFTA_DATA_VERDICT])) {
        put(r, tb[NFTA_IMMEDIATE_DREG], data[NFTA_DATA_VALUE].ptr, data[NFTA_DATA_VALUE].len);
        return;
    }
    rn_nlattr_table(data[NFTA_DATA_VERDICT], verdict, NFTA_VERDICT_MAX);
    take_verdict(r, (int32_t)rn_nl_be32(verdict[NFTA_VERDICT_CODE]),
                 rn_nl_str(verdict[NFTA_VERDICT_CHAIN]), r->fit);
}

/* ---- sets ---- */

static bool is_in_range(const uint8_t *key, struct rn_view from, struct rn_view to)
{
    /* Fields of a concatenation are padded to four bytes each, and each lies between its two ends. */
    for (size_t at = 0; at < from.len; at += 4) {
        size_t n = rn_min_size(from.len - at, 4);

        if (memcmp(key + at, from.ptr + at, n) < 0 || memcmp(key + at, to.ptr + at, n) > 0)
            return false;
    }
    return true;
}

static bool is_element(const struct rn_ruleset_set *set, size_t i, const uint8_t *key)
{
    const struct rn_nft_elem *e = &set->elems[i];
    const struct rn_nft_elem *next = i + 1 < set->n_elems ? &set->elems[i + 1] : NULL;
    size_t len = e->key.len;

    if (e->flags & NFT_SET_ELEM_INTERVAL_END || len == 0 || len > KEY_BYTES_MAX)
        return false;
    if (e->key_end.len == len)
        return len > 4 ? is_in_range(key, e->key, e->key_end) : is_between(key, e->key, e->key_end);
    if (!(set->set.flags & NFT_SET_INTERVAL))
        return memcmp(key, e->key.ptr, len) == 0;
    return memcmp(key, e->key.ptr, len) >= 0 &&
           (next == NULL || next->key.len != len || memcmp(key, next->key.ptr, len) < 0);
}

/* NOLINTNEXTLINE(misc-no-recursion): see take_verdict() */
static void take_element(struct rule_run *r, const struct rn_view *tb, const struct rn_nft_elem *e)
{
    if (e->has_verdict)
        take_verdict(r, e->verdict, e->chain, r->fit);
    else if (rn_nl_has(tb[NFTA_LOOKUP_DREG]))
        put(r, tb[NFTA_LOOKUP_DREG], e->data.ptr, e->data.len);
}

/* What the key is, is not known: any element may be meant.
 * NOLINTNEXTLINE(misc-no-recursion): see take_verdict() */
static void take_any_element(struct rule_run *r, const struct rn_view *tb,
                             const struct rn_ruleset_set *set)
{
    narrow(r, RN_FIT_MAYBE);
    for (size_t i = 0; set != NULL && i < set->n_elems && r->a->n_steps++ < STEPS_MAX; i++) {
        if (set->elems[i].has_verdict)
            take_element(r, tb, &set->elems[i]);
    }
    if (rn_nl_has(tb[NFTA_LOOKUP_DREG]))
        forget(r, tb[NFTA_LOOKUP_DREG], 16);
}

/* NOLINTNEXTLINE(misc-no-recursion): see take_verdict() */
static void look_up(struct rule_run *r, const struct rn_view *tb)
{
    struct rn_nft_name id = { r->rule->id.family, r->rule->id.table,
                              rn_nl_str(tb[NFTA_LOOKUP_SET]) };
    const struct rn_ruleset_set *set = rn_ruleset_find_set(r->a->rules, &id);
    bool is_inverted = rn_nl_be32(tb[NFTA_LOOKUP_FLAGS]) & NFT_LOOKUP_F_INV;
    uint8_t key[SLOTS * 4] = { 0 };

    if (set == NULL || set->set.key_len == 0 || set->set.key_len > KEY_BYTES_MAX ||
        !get(r, index_of(tb[NFTA_LOOKUP_SREG]), key, set->set.key_len)) {
        take_any_element(r, tb, set);
        return;
    }
    for (size_t i = 0; i < set->n_elems && r->a->n_steps++ < STEPS_MAX; i++) {
        if (!is_element(set, i, key))
            continue;
        if (is_inverted)
            narrow(r, RN_FIT_NO);
        else
            take_element(r, tb, &set->elems[i]);
        return;
    }
    narrow_to(r, is_inverted);
}

/* ---- rules ---- */

static void take_target(struct rule_run *r, struct rn_view name)
{
    static const char *const harmless[] = { "LOG",   "NFLOG",    "MARK",  "CONNMARK", "CHECKSUM",
                                            "CT",    "TCPMSS",   "TRACE", "DSCP",     "TOS",
                                            "AUDIT", "CLASSIFY", "SET",   "NOTRACK",  "HL" };

    r->a->may_be_marked |= rn_view_is(name, "MARK") || rn_view_is(name, "CONNMARK");
    if (rn_view_is(name, "REJECT")) {
        decide(r, DROPPED, r->fit);
        return;
    }
    for (size_t i = 0; i < RN_ARRAY_LEN(harmless); i++) {
        if (rn_view_is(name, harmless[i]))
            return;
    }
    decide(r, DROPPED, RN_FIT_MAYBE);
}

static bool is_statement(struct rn_view name)
{
    static const char *const names[] = { "counter", "log",  "notrack", "last",        "objref",
                                         "nat",     "masq", "redir",   "flow_offload" };

    for (size_t i = 0; i < RN_ARRAY_LEN(names); i++) {
        if (rn_view_is(name, names[i]))
            return true;
    }
    return false;
}

/* It may match, and it may have written into any register. */
static void take_unknown(struct rule_run *r)
{
    narrow(r, RN_FIT_MAYBE);
    for (size_t i = 0; i < SLOTS; i++)
        r->slots[i].is_known = false;
}

/* NOLINTNEXTLINE(misc-no-recursion): see take_verdict() */
static void run_expr(struct rule_run *r, struct rn_view name, struct rn_view data)
{
    struct rn_view tb[EXPR_ATTR_MAX + 1];

    rn_nlattr_table(data, tb, EXPR_ATTR_MAX);
    if (rn_view_is(name, "meta"))
        load_meta(r, tb);
    else if (rn_view_is(name, "payload"))
        load_payload(r, tb);
    else if (rn_view_is(name, "ct"))
        load_ct(r, tb);
    else if (rn_view_is(name, "fib"))
        load_fib(r, tb);
    else if (rn_view_is(name, "bitwise"))
        calculate(r, tb);
    else if (rn_view_is(name, "cmp"))
        compare(r, tb);
    else if (rn_view_is(name, "range"))
        compare_range(r, tb);
    else if (rn_view_is(name, "lookup"))
        look_up(r, tb);
    else if (rn_view_is(name, "immediate"))
        take_immediate(r, tb);
    else if (rn_view_is(name, "reject"))
        decide(r, DROPPED, r->fit);
    else if (rn_view_is(name, "queue"))
        take_verdict(r, NF_QUEUE, rn_view_of(NULL, 0), r->fit);
    else if (rn_view_is(name, "match"))
        narrow(r, rn_filter_xt_match(r->a->packet, rn_nl_str(tb[NFTA_MATCH_NAME]),
                                     tb[NFTA_MATCH_INFO]));
    else if (rn_view_is(name, "target"))
        take_target(r, rn_nl_str(tb[NFTA_TARGET_NAME]));
    else if (!is_statement(name))
        take_unknown(r);
}

/* NOLINTNEXTLINE(misc-no-recursion): see take_verdict() */
static enum outcome run_rule(struct ask *a, const struct rn_nft_rule *rule, enum rn_fit fit,
                             unsigned depth)
{
    struct rule_run r = { .a = a, .rule = rule, .fit = fit, .depth = depth };
    struct rn_view exprs = rule->exprs;
    struct rn_nlattr item;

    while (r.fit != RN_FIT_NO && !r.is_over && rn_nlattr_next(&exprs, &item)) {
        struct rn_view tb[NFTA_EXPR_MAX + 1];

        rn_nlattr_table(item.value, tb, NFTA_EXPR_MAX);
        run_expr(&r, rn_nl_str(tb[NFTA_EXPR_NAME]), tb[NFTA_EXPR_DATA]);
    }
    return r.is_over ? r.outcome : GOES_ON;
}

/* Sure outcomes only; what may happen is remembered on the way.
 * NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX deep */
static enum outcome walk_chain(struct ask *a, const struct rn_nft_name *id, enum rn_fit fit,
                               unsigned depth)
{
    if (depth > DEPTH_MAX)
        return GOES_ON;
    for (size_t i = 0; i < a->rules->n_rules; i++) {
        enum outcome outcome;

        if (a->n_looks++ < LOOKS_MAX && !rn_nft_name_eq(&a->rules->rules[i].id, id))
            continue;
        if (a->n_looks >= LOOKS_MAX || a->n_steps++ >= STEPS_MAX) {
            a->may_drop = "one of too many rules";
            return GOES_ON;
        }
        a->may_return = false;
        outcome = run_rule(a, &a->rules->rules[i], fit, depth);
        if (a->may_return)
            fit = RN_FIT_MAYBE; /* for all rules behind this one */
        if (outcome == RETURNED)
            return GOES_ON;
        if (outcome != GOES_ON)
            return outcome;
    }
    a->may_return = false;
    return GOES_ON;
}

/* ---- hooks ---- */

static bool is_asked(const struct rn_nft_chain *c, const struct rn_filter_packet *p)
{
    uint8_t family = rn_addr_is_v4(p->to) ? NFPROTO_IPV4 : NFPROTO_IPV6;

    if (!c->is_base || rn_view_is(c->type, "nat") || c->hook != (uint32_t)p->hook ||
        (c->id.family != family && c->id.family != NFPROTO_INET))
        return false;
    return p->hook != RN_FILTER_PREROUTING || p->is_before_nat == (c->priority < PRIORITY_DSTNAT);
}

/* The next chain by priority behind the one at @done; NULL: none. */
static const struct rn_nft_chain *next_chain(const struct ask *a, const struct rn_nft_chain *done)
{
    const struct rn_nft_chain *best = NULL;

    for (size_t i = 0; i < a->rules->n_chains; i++) {
        const struct rn_nft_chain *c = &a->rules->chains[i];
        bool is_behind = done == NULL || c->priority > done->priority ||
                         (c->priority == done->priority && c > done);

        if (is_asked(c, a->packet) && is_behind && (best == NULL || c->priority < best->priority))
            best = c;
    }
    return best;
}

static enum outcome ask_chain(struct ask *a, const struct rn_nft_chain *c)
{
    enum outcome outcome;

    a->may_accept = NULL;
    outcome = walk_chain(a, &c->id, RN_FIT_YES, 0);
    if (outcome == GOES_ON && c->is_drop_policy) {
        a->decided = rule_text(a, &c->id, 0);
        return DROPPED;
    }
    return outcome;
}

struct rn_filter_answer rn_filter_ask(struct rn_arena *arena, const struct rn_filter_packet *packet)
{
    struct ask a = { .arena = arena, .packet = packet, .rules = packet->netns->ruleset };
    struct rn_filter_answer answer = { .rule = "" };
    const struct rn_nft_chain *c = NULL;

    while (a.rules != NULL && (c = next_chain(&a, c)) != NULL) {
        answer.n_chains++;
        if (ask_chain(&a, c) != DROPPED)
            continue;
        answer.verdict = a.may_accept == NULL ? RN_FILTER_DROP : RN_FILTER_DOUBT;
        answer.rule = a.may_accept == NULL ? a.decided : a.may_accept;
        return answer;
    }
    answer.verdict = a.may_drop != NULL ? RN_FILTER_DOUBT : RN_FILTER_PASS;
    answer.rule = a.may_drop != NULL ? a.may_drop : a.decided != NULL ? a.decided : "";
    return answer;
}
