#pragma once
/*
 * Domain names (RFC 1035 §3.1): kept as their uncompressed wire bytes, shown as text with escapes. Everything RFC 9267
 * warns of is refused on reading: loops, forward and header pointers, unterminated and overlong names.
 */
#include "base/text.h"
#include "base/view.h"
#include "base/writer.h"
#include <runnel/addr.h>

#define RN_DNS_NAME_MAX_BYTES  255u /* RFC 1035 §2.3.4 */
#define RN_DNS_LABEL_MAX_BYTES 63u
#define RN_DNS_JUMPS_MAX       127u /* no name of 255 bytes needs more */
/* Every byte escaped as \DDD, dots between, NUL. */
#define RN_DNS_NAME_TEXT_BYTES 1024u

struct rn_dns_name {
    uint8_t len; /* with the root's zero byte; 0: no name at all */
    uint8_t wire[RN_DNS_NAME_MAX_BYTES];
};

/* Reads a possibly compressed name at @r, which must be reading @msg. Errors: MALFORMED. */
RN_MUST_USE int rn_dns_name_read(struct rn_dns_name *ret, struct rn_reader *r, struct rn_view msg);
/* Without compression. */
void rn_dns_name_write(const struct rn_dns_name *name, struct rn_writer *w);

/* "www.example.com", with or without a final dot; \. \\ and \DDD are understood; "." is the root. Errors: PARSE. */
RN_MUST_USE int rn_dns_name_parse(struct rn_dns_name *ret, const char *text);
/* Without the final dot, the root as "."; anything but letters, digits, - and _ is escaped, so that it is safe in a
 * terminal or a file. */
void rn_dns_name_print(struct rn_text *out, const struct rn_dns_name *name);

/* Letters compare without case (RFC 4343). */
bool rn_dns_name_eq(const struct rn_dns_name *a, const struct rn_dns_name *b);
/* True if @name is @zone or lies below it. */
bool rn_dns_name_is_under(const struct rn_dns_name *name, const struct rn_dns_name *zone);

/* 4.3.2.1.in-addr.arpa and its IPv6 sibling (RFC 1035 §3.5, RFC 3596 §2.5). */
void rn_dns_name_of_addr(struct rn_addr addr, struct rn_dns_name *ret);
/* The other way round; false if @name is no complete reverse name. */
bool rn_dns_name_to_addr(const struct rn_dns_name *name, struct rn_addr *ret);
