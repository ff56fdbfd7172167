#pragma once
/* A policy rule as rtnetlink tells it: one RTM_NEWRULE as a value. */
#include "host/nl.h"
#include "host/nlattr.h"

struct rn_rtnl_rule {
    struct rn_prefix src, dst; /* zero bits: any */
    struct rn_view iif, oif;   /* empty: any */
    uint32_t priority, table, fwmark, fwmask, goto_priority, flags;
    uint32_t uid_from, uid_to;
    uint32_t suppress_prefix_bits; /* UINT32_MAX: not set */
    uint32_t suppress_group;       /* of interfaces; has_suppress_group */
    uint64_t tun_id;               /* of the tunnel it came through; 0: any */
    uint16_t sport_from, sport_to, dport_from, dport_to;
    uint8_t family; /* 4 or 6 */
    uint8_t action; /* FR_ACT_* */
    uint8_t tos, ip_proto, protocol, l3mdev;
    bool has_uid_range, has_suppress_group;
    bool is_inverted;
};

/* Errors: MALFORMED, ADDR_FAMILY. */
RN_MUST_USE int rn_rtnl_rule_parse(struct rn_view payload, struct rn_rtnl_rule *ret);
