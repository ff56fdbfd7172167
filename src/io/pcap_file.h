#pragma once
/*
 * Writes a capture (pcapng) to an open descriptor: a file, or a pipe to a running Wireshark. Blocks are gathered and written
 * whole at most every 100 ms. A reader that is too slow, or a full disk, costs records, which are counted, and never time.
 */
#include "dev/device.h"
#include "dev/sniffer.h"
#include "io/loop.h"
#include <runnel/attr.h>

struct rn_pcap_out;

struct rn_pcap_out_stats {
    uint64_t written; /* packets */
    uint64_t lost;    /* packets that found no room */
    int err; /* the first failure of the descriptor (rn_err); recording has ended; else 0 */
};

#define RN_PCAP_OUT_INTERFACES_MAX 8u

/* Takes @fd over on success. @app is "name version". Returns owned. Errors: NOMEM. */
RN_MUST_USE int rn_pcap_out_new(struct rn_pcap_out **ret, struct rn_loop *loop, int fd,
                                const char *app);
/* Writes what is gathered, closes. Consumes @out (may be NULL). Returns NULL. */
struct rn_pcap_out *rn_pcap_out_free(struct rn_pcap_out *out);
/* Declares an interface; returns a sink for dev/sniffer.h, valid as long as @out. Errors: LIMIT. */
RN_MUST_USE int rn_pcap_out_interface(struct rn_pcap_out *out, const char *name,
                                      enum rn_link_type link, struct rn_sniff_sink *ret);
void rn_pcap_out_get_stats(const struct rn_pcap_out *out, struct rn_pcap_out_stats *ret);
