/* The rules of nf_tables for a packet that is known: its expressions, as far as they ask what is known. */
#include "discovery/ask_filter_nft.h"

#include "base/text.h"
#include "host/proc.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>

#define KEY_BYTES_MAX 64u       /* of a set: all registers */
#define LOOKS_MAX     20000000u /* at names of chains */
#define EXPR_ATTR_MAX 16u

static enum rn_outcome walk_chain(struct rn_filter_run *a, const struct rn_nft_name *id,
                                  enum rn_fit fit, unsigned depth);

/* ---- comparing ---- */

static struct rn_view data_value(struct rn_view nest)
{
    struct rn_view tb[NFTA_DATA_MAX + 1];

    rn_nlattr_table(nest, tb, NFTA_DATA_MAX);
    return tb[NFTA_DATA_VALUE];
}

/* What is masked away is known, even of what is not. */
static void calculate(struct rn_rule_run *r, const struct rn_view *tb)
{
    struct rn_view mask = data_value(tb[NFTA_BITWISE_MASK]);
    struct rn_view xor = data_value(tb[NFTA_BITWISE_XOR]);
    size_t len = rn_nl_be32(tb[NFTA_BITWISE_LEN]);
    struct rn_filter_bytes b;

    if (rn_nl_be32(tb[NFTA_BITWISE_OP]) != NFT_BITWISE_BOOL || len > RN_REG_VALUE_MAX ||
        mask.len < len || xor.len < len) {
        rn_reg_forget(r, tb[NFTA_BITWISE_DREG], RN_REG_VALUE_MAX);
        return;
    }
    rn_reg_get_bits(r, rn_reg_index(tb[NFTA_BITWISE_SREG]), &b, len);
    for (size_t i = 0; i < len; i++) {
        b.data[i] = (b.data[i] & mask.ptr[i]) ^ xor.ptr[i];
        b.known[i] |= (uint8_t)~mask.ptr[i];
    }
    rn_reg_put_bits(r, tb[NFTA_BITWISE_DREG], b.data, b.known, len);
}

/* One bit that is known to differ is enough. */
static bool differs(const struct rn_filter_bytes *b, struct rn_view key)
{
    for (size_t i = 0; i < key.len; i++) {
        if ((b->data[i] ^ key.ptr[i]) & b->known[i])
            return true;
    }
    return false;
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

static void compare(struct rn_rule_run *r, const struct rn_view *tb)
{
    struct rn_view key = data_value(tb[NFTA_CMP_DATA]);
    uint32_t op = rn_nl_be32(tb[NFTA_CMP_OP]);
    size_t at = rn_reg_index(tb[NFTA_CMP_SREG]);
    struct rn_filter_bytes b;
    uint8_t buf[RN_REG_VALUE_MAX];

    if (key.len == 0 || key.len > RN_REG_VALUE_MAX) {
        rn_rule_narrow(r, RN_FIT_MAYBE);
        return;
    }
    rn_reg_get_bits(r, at, &b, key.len);
    if (rn_reg_get(r, at, buf, key.len))
        rn_rule_narrow_to(r, holds(op, memcmp(buf, key.ptr, key.len)));
    else if ((op == NFT_CMP_EQ || op == NFT_CMP_NEQ) && differs(&b, key))
        rn_rule_narrow_to(r, op == NFT_CMP_NEQ);
    else
        rn_rule_narrow(r, RN_FIT_MAYBE);
}

static bool is_between(const uint8_t *v, struct rn_view from, struct rn_view to)
{
    return memcmp(v, from.ptr, from.len) >= 0 && memcmp(v, to.ptr, from.len) <= 0;
}

static void compare_range(struct rn_rule_run *r, const struct rn_view *tb)
{
    struct rn_view from = data_value(tb[NFTA_RANGE_FROM_DATA]);
    struct rn_view to = data_value(tb[NFTA_RANGE_TO_DATA]);
    uint8_t buf[RN_REG_SLOTS * 4];
    bool is_inverted = rn_nl_be32(tb[NFTA_RANGE_OP]) == NFT_RANGE_NEQ;

    if (from.len == 0 || from.len > RN_REG_VALUE_MAX || to.len != from.len ||
        !rn_reg_get(r, rn_reg_index(tb[NFTA_RANGE_SREG]), buf, from.len))
        rn_rule_narrow(r, RN_FIT_MAYBE);
    else
        rn_rule_narrow_to(r, is_between(buf, from, to) != is_inverted);
}

/* ---- verdicts ---- */

static const char *family_name(uint8_t family)
{
    switch (family) {
    case NFPROTO_IPV4:
        return "ip";
    case NFPROTO_IPV6:
        return "ip6";
    case NFPROTO_ARP:
        return "arp";
    case NFPROTO_BRIDGE:
        return "bridge";
    case NFPROTO_NETDEV:
        return "netdev";
    default:
        return "inet";
    }
}

static const char *rule_text(struct rn_filter_run *a, const struct rn_nft_name *id, uint64_t handle)
{
    char buf[RN_FILTER_TEXT_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    rn_text_str(&t, handle == 0 ? "the policy of " : "");
    rn_text_str(&t, family_name(id->family));
    rn_text_char(&t, ' ');
    rn_text_strn(&t, (const char *)id->table.ptr, id->table.len);
    rn_text_char(&t, ' ');
    rn_text_strn(&t, (const char *)id->name.ptr, id->name.len);
    if (handle != 0) {
        rn_text_str(&t, " handle ");
        rn_text_u64(&t, handle);
    }
    return rn_arena_strdup(a->arena, buf);
}

/* A verdict that holds for sure ends the rule; after one that may hold, the rule goes on without it. */
static void decide(struct rn_rule_run *r, enum rn_outcome outcome, enum rn_fit fit)
{
    if (!rn_filter_decide(r->a, outcome, fit, rule_text(r->a, &r->rule->id, r->rule->handle)))
        return;
    r->outcome = outcome;
    r->is_over = true;
}

/* NOLINTNEXTLINE(misc-no-recursion): RN_FILTER_DEPTH_MAX deep, the kernel's own limit of jumps */
static void take_verdict(struct rn_rule_run *r, int32_t code, struct rn_view chain, enum rn_fit fit)
{
    struct rn_nft_name id = { r->rule->id.family, r->rule->id.table, chain };
    enum rn_outcome outcome;

    switch (code) {
    case NFT_JUMP:
    case NFT_GOTO:
        outcome = walk_chain(r->a, &id, fit, r->depth + 1);
        r->a->may_return = fit != RN_FIT_YES && code == NFT_GOTO;
        r->is_over = fit == RN_FIT_YES && (outcome != RN_GOES_ON || code == NFT_GOTO);
        r->outcome = r->is_over && outcome == RN_GOES_ON ? RN_RETURNED : outcome;
        break;
    case NFT_RETURN:
        decide(r, RN_RETURNED, fit);
        break;
    case NF_ACCEPT:
        decide(r, RN_ACCEPTED, fit);
        break;
    case NF_DROP:
        decide(r, RN_DROPPED, fit);
        break;
    case NFT_CONTINUE:
        break;
    default: /* to a program, which does as it likes */
        decide(r, RN_DROPPED, RN_FIT_MAYBE);
        decide(r, RN_ACCEPTED, RN_FIT_MAYBE);
        break;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): see take_verdict() */
static void take_immediate(struct rn_rule_run *r, const struct rn_view *tb)
{
    struct rn_view data[NFTA_DATA_MAX + 1];
    struct rn_view verdict[NFTA_VERDICT_MAX + 1];

    rn_nlattr_table(tb[NFTA_IMMEDIATE_DATA], data, NFTA_DATA_MAX);
    if (!rn_nl_has(data[NFTA_DATA_VERDICT])) {
        rn_reg_put(r, tb[NFTA_IMMEDIATE_DREG], data[NFTA_DATA_VALUE].ptr,
                   data[NFTA_DATA_VALUE].len);
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
static void take_element(struct rn_rule_run *r, const struct rn_view *tb,
                         const struct rn_nft_elem *e)
{
    if (e->has_verdict)
        take_verdict(r, e->verdict, e->chain, r->fit);
    else if (rn_nl_has(tb[NFTA_LOOKUP_DREG]))
        rn_reg_put(r, tb[NFTA_LOOKUP_DREG], e->data.ptr, e->data.len);
}

/* What the key is, is not known: any element may be meant.
 * NOLINTNEXTLINE(misc-no-recursion): see take_verdict() */
static void take_any_element(struct rn_rule_run *r, const struct rn_view *tb,
                             const struct rn_ruleset_set *set)
{
    rn_rule_narrow(r, RN_FIT_MAYBE);
    for (size_t i = 0; set != NULL && i < set->n_elems && r->a->n_steps++ < RN_FILTER_STEPS_MAX;
         i++) {
        if (set->elems[i].has_verdict)
            take_element(r, tb, &set->elems[i]);
    }
    if (rn_nl_has(tb[NFTA_LOOKUP_DREG]))
        rn_reg_forget(r, tb[NFTA_LOOKUP_DREG], RN_REG_VALUE_MAX);
}

/* NOLINTNEXTLINE(misc-no-recursion): see take_verdict() */
static void look_up(struct rn_rule_run *r, const struct rn_view *tb)
{
    struct rn_nft_name id = { r->rule->id.family, r->rule->id.table,
                              rn_nl_str(tb[NFTA_LOOKUP_SET]) };
    const struct rn_ruleset_set *set = rn_ruleset_find_set(r->a->rules, &id);
    bool is_inverted = rn_nl_be32(tb[NFTA_LOOKUP_FLAGS]) & NFT_LOOKUP_F_INV;
    uint8_t key[RN_REG_SLOTS * 4] = { 0 };

    if (set == NULL || set->set.key_len == 0 || set->set.key_len > KEY_BYTES_MAX ||
        !rn_reg_get(r, rn_reg_index(tb[NFTA_LOOKUP_SREG]), key, set->set.key_len)) {
        take_any_element(r, tb, set);
        return;
    }
    for (size_t i = 0; i < set->n_elems && r->a->n_steps++ < RN_FILTER_STEPS_MAX; i++) {
        if (!is_element(set, i, key))
            continue;
        if (is_inverted)
            rn_rule_narrow(r, RN_FIT_NO);
        else
            take_element(r, tb, &set->elems[i]);
        return;
    }
    rn_rule_narrow_to(r, is_inverted);
}

/* ---- rules ---- */

static void take_target(struct rn_rule_run *r, const struct rn_view *tb)
{
    const struct rn_xt_ext target = { rn_nl_str(tb[NFTA_TARGET_NAME]),
                                      rn_nl_be32(tb[NFTA_TARGET_REV]), tb[NFTA_TARGET_INFO] };
    enum rn_xt_does does = rn_filter_xt_target(r->a, &target, r->fit);

    if (does == RN_XT_DROPS)
        decide(r, RN_DROPPED, r->fit);
    if (does == RN_XT_WHO_KNOWS) {
        decide(r, RN_DROPPED, RN_FIT_MAYBE);
        decide(r, RN_ACCEPTED, RN_FIT_MAYBE);
    }
}

static void take_match(struct rn_rule_run *r, const struct rn_view *tb)
{
    const struct rn_xt_ext match = { rn_nl_str(tb[NFTA_MATCH_NAME]), rn_nl_be32(tb[NFTA_MATCH_REV]),
                                     tb[NFTA_MATCH_INFO] };

    rn_rule_narrow(r, rn_filter_xt_match(r->a, &match));
}

static void take_notrack(struct rn_rule_run *r)
{
    enum rn_filter_tracking *tracking = &r->a->marks.tracking;

    if (*tracking != RN_FILTER_UNTRACKED)
        *tracking = r->fit == RN_FIT_YES ? RN_FILTER_UNTRACKED : RN_FILTER_TRACKING_UNKNOWN;
}

static bool is_statement(struct rn_view name)
{
    static const char *const names[] = { "counter", "log",  "last",  "objref",
                                         "nat",     "masq", "redir", "flow_offload" };

    for (size_t i = 0; i < RN_ARRAY_LEN(names); i++) {
        if (rn_view_is(name, names[i]))
            return true;
    }
    return false;
}

/* It may match, and it may have written into any register. */
static void take_unknown(struct rn_rule_run *r)
{
    rn_rule_narrow(r, RN_FIT_MAYBE);
    for (size_t i = 0; i < RN_REG_SLOTS; i++)
        r->slots[i] = (struct rn_reg_slot){ .known = { 0 } };
}

/* NOLINTNEXTLINE(misc-no-recursion): see take_verdict() */
static void run_expr(struct rn_rule_run *r, struct rn_view name, struct rn_view data)
{
    struct rn_view tb[EXPR_ATTR_MAX + 1];

    rn_nlattr_table(data, tb, EXPR_ATTR_MAX);
    if (rn_view_is(name, "meta"))
        rn_rule_meta(r, tb);
    else if (rn_view_is(name, "payload"))
        rn_rule_payload(r, tb);
    else if (rn_view_is(name, "ct"))
        rn_rule_ct(r, tb);
    else if (rn_view_is(name, "fib"))
        rn_rule_fib(r, tb);
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
        decide(r, RN_DROPPED, r->fit);
    else if (rn_view_is(name, "queue"))
        take_verdict(r, NF_QUEUE, rn_view_of(NULL, 0), r->fit);
    else if (rn_view_is(name, "notrack"))
        take_notrack(r);
    else if (rn_view_is(name, "match"))
        take_match(r, tb);
    else if (rn_view_is(name, "target"))
        take_target(r, tb);
    else if (!is_statement(name))
        take_unknown(r);
}

/* NOLINTNEXTLINE(misc-no-recursion): see take_verdict() */
static enum rn_outcome run_rule(struct rn_filter_run *a, const struct rn_nft_rule *rule,
                                enum rn_fit fit, unsigned depth)
{
    struct rn_rule_run r = { .a = a, .rule = rule, .fit = fit, .depth = depth };
    struct rn_view exprs = rule->exprs;
    struct rn_nlattr item;

    while (r.fit != RN_FIT_NO && !r.is_over && rn_nlattr_next(&exprs, &item)) {
        struct rn_view tb[NFTA_EXPR_MAX + 1];

        rn_nlattr_table(item.value, tb, NFTA_EXPR_MAX);
        run_expr(&r, rn_nl_str(tb[NFTA_EXPR_NAME]), tb[NFTA_EXPR_DATA]);
    }
    return r.is_over ? r.outcome : RN_GOES_ON;
}

/* Sure outcomes only; what may happen is remembered on the way.
 * NOLINTNEXTLINE(misc-no-recursion): RN_FILTER_DEPTH_MAX deep */
static enum rn_outcome walk_chain(struct rn_filter_run *a, const struct rn_nft_name *id,
                                  enum rn_fit fit, unsigned depth)
{
    if (depth > RN_FILTER_DEPTH_MAX)
        return RN_GOES_ON;
    for (size_t i = 0; i < a->rules->n_rules; i++) {
        enum rn_outcome outcome;

        if (a->n_looks++ < LOOKS_MAX && !rn_nft_name_eq(&a->rules->rules[i].id, id))
            continue;
        if (a->n_looks >= LOOKS_MAX || a->n_steps++ >= RN_FILTER_STEPS_MAX) {
            a->may_drop = "one of too many rules";
            return RN_GOES_ON;
        }
        a->may_return = false;
        outcome = run_rule(a, &a->rules->rules[i], fit, depth);
        if (a->may_return)
            fit = RN_FIT_MAYBE; /* for all rules behind this one */
        if (outcome == RN_RETURNED)
            return RN_GOES_ON;
        if (outcome != RN_GOES_ON)
            return outcome;
    }
    a->may_return = false;
    return RN_GOES_ON;
}

enum rn_outcome rn_filter_nft_ask(struct rn_filter_run *run, const struct rn_nft_chain *chain)
{
    enum rn_outcome outcome = walk_chain(run, &chain->id, RN_FIT_YES, 0);

    if (outcome == RN_GOES_ON && chain->is_drop_policy) {
        run->decided = rule_text(run, &chain->id, 0);
        return RN_DROPPED;
    }
    return outcome;
}
