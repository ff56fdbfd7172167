/* The tables of iptables-legacy for a packet that is known. */
#include "discovery/ask_filter_run.h"

#include "base/text.h"
#include "host/proc.h"

#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

struct walk {
    struct rn_filter_run *run;
    const struct rn_xt_layout *at;
    struct rn_view info; /* struct ipt_getinfo */
    struct rn_view entries;
    size_t base;   /* where the hook's chain begins */
    size_t policy; /* its last rule */
};

/* One rule at work. */
struct entry {
    struct rn_view bytes;
    size_t offset;
    size_t chain; /* where its chain begins */
    unsigned depth;
};

static bool walk_of(struct rn_view table, const struct rn_filter_packet *p, struct walk *ret)
{
    size_t hook = (size_t)p->hook * sizeof(unsigned);

    if (table.len < sizeof(struct ipt_getinfo))
        return false;
    *ret = (struct walk){ .at = rn_xt_layout_of((uint8_t)rn_addr_family(p->to)) };
    ret->info = rn_view_of(table.ptr, sizeof(struct ipt_getinfo));
    ret->entries = rn_view_of(table.ptr + ret->info.len, table.len - ret->info.len);
    ret->base = rn_nl_u32_at(ret->info, offsetof(struct ipt_getinfo, hook_entry) + hook);
    ret->policy = rn_nl_u32_at(ret->info, offsetof(struct ipt_getinfo, underflow) + hook);
    return rn_nl_u32_at(ret->info, offsetof(struct ipt_getinfo, valid_hooks)) >> p->hook & 1;
}

static struct rn_view table_name(const struct walk *w)
{
    return rn_nl_str(rn_view_of(w->info.ptr, XT_TABLE_MAXNAMELEN));
}

bool rn_filter_legacy_hooks(struct rn_view table, const struct rn_filter_packet *p,
                            int32_t *ret_priority)
{
    static const struct {
        const char *name;
        int32_t priority; /* NF_IP_PRI_* */
    } tables[] = { { "raw", -300 }, { "mangle", -150 }, { "filter", 0 }, { "security", 50 } };
    struct walk w;

    if (p->layer != RN_FILTER_IP || !walk_of(table, p, &w))
        return false;
    for (size_t i = 0; i < RN_ARRAY_LEN(tables); i++) {
        if (rn_view_is(table_name(&w), tables[i].name)) {
            *ret_priority = tables[i].priority;
            return true;
        }
    }
    return false;
}

/* ---- names of rules, as `iptables -L --line-numbers` counts them ---- */

/* A chain of the user's begins behind an entry that bears its name: in place of a target, "ERROR". */
static struct rn_view chain_name(const struct walk *w, size_t chain)
{
    static const char *const hooks[] = { "PREROUTING", "INPUT", "FORWARD", "OUTPUT",
                                         "POSTROUTING" };
    const char *hook = hooks[w->run->packet->hook];
    struct rn_view name = rn_view_of(hook, strlen(hook));
    struct rn_view e;
    struct rn_xt_ext target;

    for (size_t at = 0; chain != w->base && rn_xt_entry_at(w->at, w->entries, at, &e);
         at += e.len) {
        if (at + e.len == chain && rn_xt_target(w->at, e, &target))
            name = rn_nl_str(target.info);
    }
    return name;
}

static const char *rule_text(const struct walk *w, const struct entry *entry)
{
    bool is_v4 = w->at->family == RN_FAMILY_V4;
    struct rn_view name = chain_name(w, entry->chain);
    struct rn_view table = table_name(w);
    char buf[RN_FILTER_TEXT_BYTES];
    struct rn_text t = rn_text_of(buf, sizeof(buf));
    struct rn_view e;
    unsigned line = 1;

    for (size_t at = entry->chain; at < entry->offset && rn_xt_entry_at(w->at, w->entries, at, &e);
         at += e.len)
        line++;
    rn_text_str(&t, entry->offset == w->policy ? "the policy of " : "");
    rn_text_str(&t, is_v4 ? "iptables-legacy " : "ip6tables-legacy ");
    rn_text_strn(&t, (const char *)table.ptr, table.len);
    rn_text_char(&t, ' ');
    rn_text_strn(&t, (const char *)name.ptr, name.len);
    if (entry->offset != w->policy) {
        rn_text_str(&t, " rule ");
        rn_text_u64(&t, line);
    }
    return rn_arena_strdup(w->run->arena, buf);
}

static enum rn_outcome decide(const struct walk *w, const struct entry *e, enum rn_outcome outcome,
                              enum rn_fit fit)
{
    if (outcome == RN_RETURNED) /* no rule needs to be named */
        return rn_filter_decide(w->run, outcome, fit, "") ? RN_RETURNED : RN_GOES_ON;
    return rn_filter_decide(w->run, outcome, fit, rule_text(w, e)) ? outcome : RN_GOES_ON;
}

/* ---- what a rule asks of every packet ---- */

static enum rn_fit fits_addr(const struct walk *w, struct rn_view e, const size_t at[2],
                             struct rn_addr addr)
{
    size_t len = w->at->family == RN_FAMILY_V4 ? 4 : 16;
    const uint8_t *mine = w->at->family == RN_FAMILY_V4 ? addr.b + 12 : addr.b;
    bool asks = false;

    for (size_t i = 0; i < len; i++)
        asks |= e.ptr[at[1] + i] != 0;
    if (!asks)
        return RN_FIT_YES;
    if (rn_addr_is_none(addr))
        return RN_FIT_MAYBE;
    for (size_t i = 0; i < len; i++) {
        if ((mine[i] & e.ptr[at[1] + i]) != e.ptr[at[0] + i])
            return RN_FIT_NO;
    }
    return RN_FIT_YES;
}

/* "eth+" masks three bytes, "eth0" its NUL as well; at a hook without that interface the name is empty. */
static enum rn_fit fits_name(struct rn_view e, size_t at, size_t mask_at,
                             const struct rn_map_link *link)
{
    uint8_t name[IFNAMSIZ] = { 0 };

    if (link != NULL)
        memcpy(name, link->name, rn_min_size(strlen(link->name), sizeof(name) - 1));
    for (size_t i = 0; i < sizeof(name); i++) {
        if ((name[i] ^ e.ptr[at + i]) & e.ptr[mask_at + i])
            return RN_FIT_NO;
    }
    return RN_FIT_YES;
}

static void narrow(enum rn_fit *fit, enum rn_fit one, bool is_inverted)
{
    if (is_inverted && one != RN_FIT_MAYBE)
        one = one == RN_FIT_YES ? RN_FIT_NO : RN_FIT_YES;
    if (one < *fit)
        *fit = one;
}

static enum rn_fit fits_header(const struct walk *w, struct rn_view e)
{
    const struct rn_filter_packet *p = w->run->packet;
    const struct rn_xt_layout *at = w->at;
    uint8_t inv = rn_nl_u8_at(e, at->inv_at);
    uint16_t proto = rn_nl_u16_at(e, at->proto_at);
    enum rn_fit fit = RN_FIT_YES;

    narrow(&fit, fits_addr(w, e, (const size_t[]){ at->src_at, at->src_mask_at }, p->from),
           inv & IPT_INV_SRCIP);
    narrow(&fit, fits_addr(w, e, (const size_t[]){ at->dst_at, at->dst_mask_at }, p->to),
           inv & IPT_INV_DSTIP);
    narrow(&fit, fits_name(e, at->iif_at, at->iif_mask_at, p->iif), inv & IPT_INV_VIA_IN);
    narrow(&fit, fits_name(e, at->oif_at, at->oif_mask_at, p->oif), inv & IPT_INV_VIA_OUT);
    if (proto != 0)
        narrow(&fit, proto == p->ip_proto ? RN_FIT_YES : RN_FIT_NO, inv & IPT_INV_PROTO);
    if (at->family == RN_FAMILY_V4 && rn_nl_u8_at(e, at->flags_at) & IPT_F_FRAG)
        narrow(&fit, RN_FIT_NO, inv & IPT_INV_FRAG);
    return fit;
}

static enum rn_fit fits(const struct walk *w, struct rn_view e)
{
    enum rn_fit fit = fits_header(w, e);
    struct rn_view rest = rn_xt_matches(w->at, e);
    struct rn_xt_ext match;

    while (fit != RN_FIT_NO && rn_xt_ext_next(&rest, &match))
        narrow(&fit, rn_filter_xt_match(w->run, &match), false);
    return fit;
}

/* ---- walking ---- */

static enum rn_outcome walk_chain(struct walk *w, size_t chain, enum rn_fit fit, unsigned depth);

static bool is_goto(const struct walk *w, struct rn_view e)
{
    return rn_nl_u8_at(e, w->at->flags_at) & w->at->goto_flag;
}

/* NOLINTNEXTLINE(misc-no-recursion): RN_FILTER_DEPTH_MAX deep, the kernel's own limit of jumps */
static enum rn_outcome jump(struct walk *w, const struct entry *e, size_t to, enum rn_fit fit)
{
    bool is_final = is_goto(w, e->bytes);
    enum rn_outcome outcome;

    if (to == e->offset + e->bytes.len) /* a rule without a target */
        return RN_GOES_ON;
    outcome = walk_chain(w, to, fit, e->depth + 1);
    w->run->may_return = fit != RN_FIT_YES && is_final;
    return outcome == RN_GOES_ON && is_final && fit == RN_FIT_YES ? RN_RETURNED : outcome;
}

/* NOLINTNEXTLINE(misc-no-recursion): see jump() */
static enum rn_outcome run_standard(struct walk *w, const struct entry *e, int32_t verdict,
                                    enum rn_fit fit)
{
    if (verdict >= 0)
        return jump(w, e, (size_t)verdict, fit);
    switch (-verdict - 1) {
    case NF_DROP:
        return decide(w, e, RN_DROPPED, fit);
    case NF_ACCEPT:
        return decide(w, e, RN_ACCEPTED, fit);
    case NF_REPEAT: /* XT_RETURN */
        return decide(w, e, RN_RETURNED, fit);
    default: /* to a program, which does as it likes */
        (void)decide(w, e, RN_DROPPED, RN_FIT_MAYBE);
        return decide(w, e, RN_ACCEPTED, RN_FIT_MAYBE);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): see jump() */
static enum rn_outcome run_entry(struct walk *w, const struct entry *e,
                                 const struct rn_xt_ext *target, enum rn_fit fit)
{
    if (target->name.len == 0) /* XT_STANDARD_TARGET */
        return run_standard(w, e, rn_nl_i32(target->info), fit);
    switch (rn_filter_xt_target(w->run, target, fit)) {
    case RN_XT_DROPS:
        return decide(w, e, RN_DROPPED, fit);
    case RN_XT_WHO_KNOWS:
        (void)decide(w, e, RN_DROPPED, RN_FIT_MAYBE);
        return decide(w, e, RN_ACCEPTED, RN_FIT_MAYBE);
    case RN_XT_NOTHING:
        break;
    }
    return RN_GOES_ON;
}

/* NOLINTNEXTLINE(misc-no-recursion): RN_FILTER_DEPTH_MAX deep */
static enum rn_outcome walk_chain(struct walk *w, size_t chain, enum rn_fit fit, unsigned depth)
{
    struct entry e = { .offset = chain, .chain = chain, .depth = depth };
    struct rn_xt_ext target;

    if (depth > RN_FILTER_DEPTH_MAX)
        return RN_GOES_ON;
    for (; rn_xt_entry_at(w->at, w->entries, e.offset, &e.bytes); e.offset += e.bytes.len) {
        enum rn_outcome outcome = RN_GOES_ON;
        enum rn_fit one = fits(w, e.bytes);

        if ((depth == 0 && e.offset == w->policy) || !rn_xt_target(w->at, e.bytes, &target) ||
            rn_view_is(target.name, XT_ERROR_TARGET))
            break; /* the chain ends here */
        if (w->run->n_steps++ >= RN_FILTER_STEPS_MAX) {
            w->run->may_drop = "one of too many rules";
            break;
        }
        w->run->may_return = false;
        if (one != RN_FIT_NO)
            outcome = run_entry(w, &e, &target, one < fit ? one : fit);
        if (w->run->may_return)
            fit = RN_FIT_MAYBE; /* for all rules behind this one */
        if (outcome == RN_RETURNED)
            break;
        if (outcome != RN_GOES_ON)
            return outcome;
    }
    w->run->may_return = false;
    return RN_GOES_ON;
}

enum rn_outcome rn_filter_legacy_ask(struct rn_filter_run *run, struct rn_view table)
{
    struct entry policy = { 0 };
    struct walk w;
    struct rn_xt_ext target;
    enum rn_outcome outcome;

    if (!walk_of(table, run->packet, &w))
        return RN_GOES_ON;
    w.run = run;
    outcome = walk_chain(&w, w.base, RN_FIT_YES, 0);
    policy.chain = w.base;
    policy.offset = w.policy;
    if (outcome == RN_GOES_ON && rn_xt_entry_at(w.at, w.entries, w.policy, &policy.bytes) &&
        rn_xt_target(w.at, policy.bytes, &target) && target.name.len == 0 &&
        rn_nl_i32(target.info) == -NF_DROP - 1)
        return decide(&w, &policy, RN_DROPPED, RN_FIT_YES);
    return outcome;
}
