#pragma once
/* Options of Neighbour Discovery messages (RFC 4861 §4.6, RFC 8106 §5.1, RFC 3971 §5.3.2, RFC 4191 §2.3). */
#include "base/view.h"
#include "base/writer.h"
#include <runnel/addr.h>

enum rn_ndp_opt_type {
    RN_NDP_OPT_SOURCE_LLA = 1,
    RN_NDP_OPT_TARGET_LLA = 2,
    RN_NDP_OPT_PREFIX = 3,
    RN_NDP_OPT_REDIRECTED = 4,
    RN_NDP_OPT_MTU = 5,
    RN_NDP_OPT_NONCE = 14,
    RN_NDP_OPT_RDNSS = 25,
};

#define RN_NDP_LIFETIME_INFINITE 0xffffffffu /* RFC 4861 §4.6.2 */
#define RN_NDP_RDNSS_MAX         8u /* servers kept of one option; the others are passed over */
#define RN_NDP_NONCE_BYTES       6u /* RFC 3971 §5.3.2: at least; ours are exactly this */

struct rn_ndp_prefix_info {
    struct rn_prefix prefix;
    uint32_t valid_s;
    uint32_t preferred_s;
    bool on_link;
    bool autonomous;
};

struct rn_ndp_rdnss {
    uint32_t lifetime_s;
    uint8_t n_servers;
    struct rn_addr servers[RN_NDP_RDNSS_MAX];
};

/* One option; the union's member is chosen by type. Types not listed above carry only .body. */
struct rn_ndp_opt {
    uint8_t type;
    struct rn_view body; /* after type and length; borrowed */
    union {
        struct rn_mac lla; /* SOURCE_LLA, TARGET_LLA */
        struct rn_ndp_prefix_info prefix;
        uint32_t mtu;
        struct rn_view redirected; /* the quoted IPv6 packet */
        struct rn_view nonce;
        struct rn_ndp_rdnss rdnss;
    };
};

/* True if every option has a length of its own that is not zero and fits (RFC 4861 §6.1.2, §7.1.1, ...). */
bool rn_ndp_opts_ok(struct rn_view options);
/*
 * 1: @ret is the next option; 0: end. An option whose content is unusable (an MTU of the wrong size, a prefix longer
 * than 128 bits) is passed over as if unknown. Errors: MALFORMED (length zero or past the end).
 */
RN_MUST_USE int rn_ndp_opt_next(struct rn_reader *options, struct rn_ndp_opt *ret);

void rn_ndp_opt_lla_emit(enum rn_ndp_opt_type type, struct rn_mac lla, struct rn_writer *w);
void rn_ndp_opt_prefix_emit(const struct rn_ndp_prefix_info *info, struct rn_writer *w);
void rn_ndp_opt_mtu_emit(uint32_t mtu, struct rn_writer *w);
void rn_ndp_opt_rdnss_emit(const struct rn_ndp_rdnss *rdnss, struct rn_writer *w);
void rn_ndp_opt_nonce_emit(const uint8_t nonce[RN_NDP_NONCE_BYTES], struct rn_writer *w);
