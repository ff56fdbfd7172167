#pragma once
/* Policy rules over rtnetlink: add, remove, and read one RTM_NEWRULE into a value. */
#include "host/nl.h"
#include "host/nlattr.h"

struct rn_rtnl_rule {
    struct rn_prefix src, dst; /* zero bits: any */
    struct rn_view iif, oif;   /* empty: any */
    uint32_t priority, table, fwmark, fwmask, goto_priority, flags;
    uint32_t uid_from, uid_to;
    uint32_t suppress_prefix_bits; /* UINT32_MAX: not set */
    uint16_t sport_from, sport_to, dport_from, dport_to;
    uint8_t family; /* 4 or 6 */
    uint8_t action; /* FR_ACT_* */
    uint8_t tos, ip_proto, protocol, l3mdev;
    bool has_uid_range;
    bool is_inverted;
};

/* What rn_rtnl_rule_add() writes; zero means "not part of the rule". */
struct rn_rule_plan {
    struct rn_prefix src, dst;
    const char *iif, *oif; /* NULL: any */
    uint32_t priority, table, fwmark, fwmask;
    uint32_t uid_from, uid_to;
    uint32_t suppress_prefix_bits_plus_1; /* `suppress_prefixlength N` as N + 1 */
    uint8_t family;                       /* 4 or 6 */
    uint8_t action;                       /* 0: to table */
    bool has_uid_range;
    bool is_inverted;
};

/* Errors: host EEXIST, ENOENT ... */
RN_MUST_USE int rn_rtnl_rule_add(struct rn_nl *nl, const struct rn_rule_plan *plan);
RN_MUST_USE int rn_rtnl_rule_del(struct rn_nl *nl, const struct rn_rule_plan *plan);

/* Errors: MALFORMED, ADDR_FAMILY. */
RN_MUST_USE int rn_rtnl_rule_parse(struct rn_view payload, struct rn_rtnl_rule *ret);

typedef int rn_rtnl_rule_fn(const struct rn_rtnl_rule *rule, void *arg);
RN_MUST_USE int rn_rtnl_rule_dump(struct rn_nl *nl, rn_rtnl_rule_fn *fn, void *arg);
