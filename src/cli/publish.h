#pragma once
/* --publish: which host ports lead to which ports of the command. */
#include <runnel/addr.h>
#include <runnel/attr.h>
#include <stdbool.h>

#define RN_PUBLISH_MAX 64u /* rules; each may be a range */

/* [ADDR:]HOST[-END]:PORT[-END][/tcp|udp] */
struct rn_publish {
    struct rn_addr addr;
    bool has_addr; /* false: 127.0.0.1 and ::1 (:: itself is the zero address) */
    uint16_t host_first, host_last;
    uint16_t port_first; /* inside; the range is as long as the host's */
    bool is_udp;
};

/* IPv6 addresses in brackets. Errors: PARSE, with a sentence that says what is wrong in @ret_why (static text). */
RN_MUST_USE int rn_publish_parse(const char *text, struct rn_publish *ret, const char **ret_why);
/* "127.0.0.1:8080 -> port 80/tcp" into @buf; returns @buf. */
char *rn_publish_print(const struct rn_publish *p, char *buf, size_t cap);
