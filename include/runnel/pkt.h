#pragma once
/* A packet as functions are shown it that look at packets: they may read it until they return, and nothing else. And which ones. */
#include <runnel/addr.h>
#include <runnel/attr.h>
#include <runnel/device.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rn_pkt;

/* All bytes, link header included where its device has one. A super-packet (with offloads) is longer than the MTU. */
RN_PUBLIC uint32_t rn_pkt_length(const struct rn_pkt *pkt);
/* Copies @len bytes at @off out; the range must lie inside the packet. */
RN_PUBLIC void rn_pkt_copy_out(const struct rn_pkt *pkt, size_t off, void *out, size_t len);

/*
 * Which packets are meant: the words of tcpdump that most use.
 *
 *     tcp port 443 or (udp and net 10.0.0.0/8) and not host 10.0.0.1
 *
 * ip, ip6, arp, tcp, udp, icmp, icmp6; host ADDR, net PREFIX, port N, portrange N-M, each with src or dst before it, and a protocol
 * before that; less N, greater N (bytes, as counted by rn_pkt_length); not (!), and (&&), or (||), parentheses. As there, `and` and
 * `or` bind alike, from left to right. The later fragments of a packet have no ports. A value: copy it as you like.
 */
#define RN_PKT_FILTER_MAX 64u

struct rn_pkt_test {
    uint8_t kind;
    uint8_t sides;
    uint32_t from, to;
    struct rn_prefix prefix;
};

/* Zero is: every packet. */
struct rn_pkt_filter {
    struct rn_pkt_test code[RN_PKT_FILTER_MAX];
    unsigned n;
};

/* An empty @text means every packet. Errors: PARSE, with the offending word in @ret_word (a view into @text; its length in @ret_len, 0
 * at the end); LIMIT (too many words, or parentheses in parentheses). */
RN_PUBLIC RN_MUST_USE int rn_pkt_filter_parse(const char *text, struct rn_pkt_filter *ret,
                                              const char **ret_word, size_t *ret_len);
/* @link is that of the device the packet is seen at. */
RN_PUBLIC bool rn_pkt_filter_matches(const struct rn_pkt_filter *filter, const struct rn_pkt *pkt,
                                     enum rn_link_type link);
