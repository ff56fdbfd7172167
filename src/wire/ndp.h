#pragma once
/*
 * Neighbour Discovery messages (RFC 4861 §4), whole ICMPv6 messages from the type byte on. Parsers check what RFC 4861
 * §6.1, §7.1 and §8.1 demand of the message itself (code, lengths, every option); hop limit 255, checksum and the
 * packet's addresses are ip/nd.c's to check.
 */
#include "base/view.h"
#include "base/writer.h"
#include <runnel/addr.h>

#define RN_NDP_HOP_LIMIT 255u /* RFC 4861 §3.1: proof that no router forwarded it */

struct rn_ndp_ns {
    struct rn_addr target;
};

struct rn_ndp_na {
    struct rn_addr target;
    bool is_router;
    bool is_solicited;
    bool may_override;
};

/* Default router preference (RFC 4191 §2.1); the reserved value is read as medium. */
enum rn_ndp_preference {
    RN_NDP_PREF_MEDIUM = 0,
    RN_NDP_PREF_HIGH = 1,
    RN_NDP_PREF_LOW = 3,
};

struct rn_ndp_ra {
    uint32_t reachable_ms; /* 0: unspecified, as the next */
    uint32_t retrans_ms;
    uint16_t lifetime_s;   /* 0: no default router */
    uint8_t hop_limit;     /* 0: unspecified */
    uint8_t preference;    /* enum rn_ndp_preference */
    bool is_managed;       /* DHCPv6 has addresses */
    bool has_other_config; /* DHCPv6 has other things */
};

struct rn_ndp_redirect {
    struct rn_addr target; /* the better first hop */
    struct rn_addr dst;
};

/* Each parser gives the options behind the message, for rn_ndp_opt_next. Errors: MALFORMED. */
RN_MUST_USE int rn_ndp_ns_parse(struct rn_ndp_ns *ret, struct rn_view *ret_options,
                                struct rn_view msg);
RN_MUST_USE int rn_ndp_na_parse(struct rn_ndp_na *ret, struct rn_view *ret_options,
                                struct rn_view msg);
RN_MUST_USE int rn_ndp_rs_parse(struct rn_view *ret_options, struct rn_view msg);
RN_MUST_USE int rn_ndp_ra_parse(struct rn_ndp_ra *ret, struct rn_view *ret_options,
                                struct rn_view msg);
RN_MUST_USE int rn_ndp_redirect_parse(struct rn_ndp_redirect *ret, struct rn_view *ret_options,
                                      struct rn_view msg);

/* Each emitter writes type, code, a zero checksum and the body; options follow by ndp_opts.h. Ask @w for overflow. */
void rn_ndp_ns_emit(const struct rn_ndp_ns *ns, struct rn_writer *w);
void rn_ndp_na_emit(const struct rn_ndp_na *na, struct rn_writer *w);
void rn_ndp_rs_emit(struct rn_writer *w);
void rn_ndp_ra_emit(const struct rn_ndp_ra *ra, struct rn_writer *w);
void rn_ndp_redirect_emit(const struct rn_ndp_redirect *rd, struct rn_writer *w);

/* ff02::1:ffXX:XXXX of @target (RFC 4291 §2.7.1). */
struct rn_addr rn_ndp_solicited_node(struct rn_addr target);
