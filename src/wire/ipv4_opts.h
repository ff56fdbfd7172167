#pragma once
/* Walks IPv4 options (RFC 791 §3.1) and reads the known ones: routes, timestamps, router alert. */
#include "base/view.h"
#include "base/writer.h"

#define RN_IPV4_OPTS_MAX_BYTES 40u

enum rn_ipv4_opt_type {
    RN_IPV4_OPT_END = 0,
    RN_IPV4_OPT_NOP = 1,
    RN_IPV4_OPT_RECORD_ROUTE = 7,
    RN_IPV4_OPT_TIMESTAMP = 68,
    RN_IPV4_OPT_LOOSE_ROUTE = 131,
    RN_IPV4_OPT_STRICT_ROUTE = 137,
    RN_IPV4_OPT_ROUTER_ALERT = 148, /* RFC 2113 */
};

struct rn_ipv4_opt {
    uint8_t type;        /* never END or NOP */
    uint8_t at;          /* offset within the options, for ICMP pointers */
    struct rn_view data; /* after type and length */
};

struct rn_ipv4_opt_iter {
    struct rn_reader rest;
    uint8_t at; /* offset of .rest; on an error, of the option that is wrong */
};

/* @options is at most RN_IPV4_OPTS_MAX_BYTES long, as rn_ipv4_options gives it; more is cut. */
struct rn_ipv4_opt_iter rn_ipv4_opt_iter_of(struct rn_view options);
/* 1: @ret is the next option; 0: end. Errors: MALFORMED (length below 2 or past the end). */
RN_MUST_USE int rn_ipv4_opt_next(struct rn_ipv4_opt_iter *it, struct rn_ipv4_opt *ret);
/* Returns without effect for more than 253 bytes of data: ask @w for overflow. */
void rn_ipv4_opt_emit(const struct rn_ipv4_opt *opt, struct rn_writer *w);
/* The copied flag: the option goes into every fragment (RFC 791 §3.1). */
bool rn_ipv4_opt_is_copied(uint8_t type);

/* RECORD_ROUTE, LOOSE_ROUTE, STRICT_ROUTE. */
struct rn_ipv4_opt_route {
    uint8_t pointer;      /* as on the wire: from the option's first byte, 4 is the first slot */
    bool is_full;         /* no slot left at pointer */
    struct rn_view slots; /* four bytes each */
};

enum rn_ipv4_ts_kind { RN_IPV4_TS_ONLY = 0, RN_IPV4_TS_ADDR = 1, RN_IPV4_TS_PRESPECIFIED = 3 };

struct rn_ipv4_opt_ts {
    uint8_t pointer;  /* as on the wire: 5 is the first slot */
    uint8_t overflow; /* hosts that found no room */
    uint8_t kind;     /* enum rn_ipv4_ts_kind */
    bool is_full;
    struct rn_view slots; /* four bytes each, eight with addresses */
};

/* Errors: MALFORMED (pointer before the first slot or between slots, slots of a broken size, unknown kind). */
RN_MUST_USE int rn_ipv4_opt_route_parse(struct rn_ipv4_opt_route *ret,
                                        const struct rn_ipv4_opt *opt);
RN_MUST_USE int rn_ipv4_opt_ts_parse(struct rn_ipv4_opt_ts *ret, const struct rn_ipv4_opt *opt);
/* The value of a router alert; 0 asks every router to look (RFC 2113 §2.1). Errors: MALFORMED. */
RN_MUST_USE int rn_ipv4_opt_alert_parse(uint16_t *ret, const struct rn_ipv4_opt *opt);

void rn_ipv4_opt_route_emit(uint8_t type, const struct rn_ipv4_opt_route *route,
                            struct rn_writer *w);
void rn_ipv4_opt_ts_emit(const struct rn_ipv4_opt_ts *ts, struct rn_writer *w);
void rn_ipv4_opt_alert_emit(uint16_t value, struct rn_writer *w);
