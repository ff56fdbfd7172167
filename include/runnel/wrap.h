#pragma once
/*
 * Devices over a device: each looks like the one below it, owns it (freeing the outer one frees all), and adds one thing. Each
 * lives on the turn of the device below. They may be stacked in any order:
 *
 *     rn_tun_open(&tun, turn, &opts);
 *     rn_qdisc_new(&queue, tun, &(struct rn_qdisc_opts){ .kind = RN_QDISC_FQ_CODEL, .rate_bytes_per_s = 1250000 });
 *     rn_sniffer_new(&dev, queue, &sink);
 *     rn_nic_new(&nic, stack, dev, &nic_opts);
 */
#include <runnel/addr.h>
#include <runnel/device.h>
#include <runnel/pkt.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- look on ------------------------------------------------------------------------------------------------------ */
/* A device that shows every packet of the one below it to a sink, both ways, and changes nothing. */
struct rn_sniff_sink {
    /* Const data only; @is_out: towards the device below. The packet is as the device gives or gets it (super-packets,
     * PARTIAL checksums). */
    void (*packet)(void *arg, const struct rn_pkt *pkt, bool is_out, int64_t now_ns);
    void *arg;
};

/* Consumes @below on success: freed with the sniffer. Returns owned. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_sniffer_new(struct rn_device **ret, struct rn_device *below,
                                         const struct rn_sniff_sink *sink);

struct rn_pcap_out;

struct rn_pcap_out_stats {
    uint64_t written;     /* packets */
    uint64_t lost;        /* packets that found no room */
    uint64_t passed_over; /* packets that the filter does not want */
    int err; /* the first failure of the descriptor (rn_err); recording has ended; else 0 */
};

#define RN_PCAP_OUT_INTERFACES_MAX 8u

/* Zero is: pcapng, all bytes of every packet. */
struct rn_pcap_out_opts {
    const char *app;                    /* "name version", for the file's head; NULL: none */
    const struct rn_pkt_filter *filter; /* NULL: every packet; copied */
    uint32_t snap_bytes;                /* kept of a packet at most; 0: all */
    /* The old format, pcap: one interface without a name, packets without direction. */
    bool is_classic;
};

/*
 * A capture to an open descriptor: a file, or a pipe to a running Wireshark. Blocks are gathered and written whole at most
 * every 100 ms. A reader that is too slow, or a full disk, costs records, which are counted, and never time. Takes @fd over on
 * success. Returns owned. Errors: NOMEM.
 */
RN_PUBLIC RN_MUST_USE int rn_pcap_out_new(struct rn_pcap_out **ret, struct rn_loop *loop, int fd,
                                          const struct rn_pcap_out_opts *opts);
/* Writes what is gathered, closes. Consumes @out (may be NULL). Returns NULL. */
RN_PUBLIC struct rn_pcap_out *rn_pcap_out_free(struct rn_pcap_out *out);
/* Declares an interface; returns a sink for rn_sniffer_new, valid as long as @out. Errors: LIMIT (more than
 * RN_PCAP_OUT_INTERFACES_MAX, of the old format more than one). */
RN_PUBLIC RN_MUST_USE int rn_pcap_out_interface(struct rn_pcap_out *out, const char *name,
                                                enum rn_link_type link, struct rn_sniff_sink *ret);
RN_PUBLIC void rn_pcap_out_get_stats(const struct rn_pcap_out *out, struct rn_pcap_out_stats *ret);

/* Told after every operation of the device below, with what it returned, errors included. Either may be NULL. */
struct rn_told {
    void (*on_read)(void *arg, int result);
    void (*on_write)(void *arg, int result);
    void *arg;
};

/* Consumes @below on success: freed with it. Returns owned. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_told_new(struct rn_device **ret, struct rn_device *below,
                                      const struct rn_told *told);

/* --- make worse, make wait -------------------------------------------------------------------------------------- */
/*
 * A bad link: loss, delay, jitter, reordering, duplication, corruption and a rate, each seeded, applied to wire packets:
 * super-packets are cut first, so that loss is per MTU-sized packet as on a real wire. A device over another; the inward and
 * the outward direction have parameters of their own. Same seed, same packets, same times: same fate.
 */
struct rn_impair_dir {
    uint32_t loss_ppm;      /* chance of losing a packet while the link is good */
    uint32_t burst_ppm;     /* chance of entering a bad spell (Gilbert-Elliott); 0: no spells */
    uint32_t burst_end_ppm; /* chance of leaving it, per packet; required with burst_ppm */
    uint32_t
        reorder_ppm; /* chance that a packet skips the delay (or, without delay, waits behind the next ones) */
    uint32_t dup_ppm;
    uint32_t corrupt_ppm; /* flips one bit */
    int64_t delay_ns;     /* one way */
    int64_t jitter_ns;    /* uniform, added or taken; never reorders by itself */
    uint64_t rate_bps;    /* bits per second of wire packets; 0: unlimited */
    uint32_t
        queue_pkts; /* waiting for the rate or the delay; beyond it packets are dropped; 0: 10000 */
};

struct rn_impair_opts {
    struct rn_impair_dir in;  /* from the device below to the reader */
    struct rn_impair_dir out; /* from the writer to the device below */
    uint64_t seed;
};

struct rn_impair_stats {
    uint64_t passed, lost, duplicated, reordered, corrupted, queue_full;
};

/* Consumes @below on success: freed with the impairment. Returns owned. Errors: NOMEM, BAD_OPTION. */
RN_PUBLIC RN_MUST_USE int rn_impair_new(struct rn_device **ret, struct rn_device *below,
                                        const struct rn_impair_opts *opts);
RN_PUBLIC void rn_impair_get_stats(const struct rn_device *dev, struct rn_impair_stats *ret_in,
                                   struct rn_impair_stats *ret_out);
/* "loss=1%,delay=20ms,jitter=5ms,rate=10mbit,reorder=5%,dup=1%,corrupt=0.1%,burst=..,seed=7"; a word may be preceded by
 * "in:" or "out:", else it holds for both directions. Errors: PARSE, with the offending word in @ret_word (a view into
 * @text; its length in @ret_len). */
RN_PUBLIC RN_MUST_USE int rn_impair_parse(const char *text, struct rn_impair_opts *ret,
                                          const char **ret_word, size_t *ret_len);

/*
 * A queue in front of a device: what the device below refuses, or a rate holds back, waits here in the order of a discipline.
 * It takes everything it is given and drops, counted, what is too much.
 */
enum rn_qdisc_kind {
    RN_QDISC_FIFO,
    RN_QDISC_FQ_CODEL, /* RFC 8290: fair between flows, short queues by CoDel (RFC 8289), ECN */
};

/* Zero is a FIFO of 1000 packets without a rate. */
struct rn_qdisc_opts {
    enum rn_qdisc_kind kind;
    uint32_t limit_pkts;       /* 0: 1000, of FQ_CODEL 10240 (RFC 8290 §5.2.3) */
    uint64_t rate_bytes_per_s; /* token bucket; 0: as fast as the device below */
    uint32_t
        burst_bytes;     /* 0: 64 KiB; at least a packet of the MTU. Larger super-packets are cut */
    int64_t target_ns;   /* FQ_CODEL: 0: 5 ms (RFC 8289 §4.4) */
    int64_t interval_ns; /* FQ_CODEL: 0: 100 ms (RFC 8289 §4.3) */
    uint32_t quantum_bytes; /* FQ_CODEL: 0: 1514 (RFC 8290 §5.2.4) */
};

struct rn_qdisc_stats {
    uint64_t n_sent;
    uint64_t n_over_limit; /* dropped: queue full */
    uint64_t n_codel;      /* dropped by CoDel */
    uint64_t n_marked;     /* ECN CE instead of a drop */
    uint32_t backlog_pkts;
};

/* Consumes @below on success. Returns owned. Errors: NOMEM, BAD_OPTION. */
RN_PUBLIC RN_MUST_USE int rn_qdisc_new(struct rn_device **ret, struct rn_device *below,
                                       const struct rn_qdisc_opts *opts);
RN_PUBLIC void rn_qdisc_get_stats(const struct rn_device *dev, struct rn_qdisc_stats *ret);

/* --- keep out, take away -------------------------------------------------------------------------------------- */
/* What a rule knows of a packet: addresses, protocol, ports, and where the headers are. */
struct rn_pkt_flow {
    struct rn_addr src;
    struct rn_addr dst;
    uint16_t src_port; /* of TCP and UDP; of ICMP echo: the identifier, in both */
    uint16_t dst_port;
    uint16_t l3_at; /* network header, from packet start */
    uint16_t l4_at; /* what follows it and its extension headers */
    uint16_t tcp_flags;
    uint8_t proto;     /* enum rn_proto */
    uint8_t icmp_type; /* of ICMP and ICMPv6 */
    bool is_v4;
    bool is_fragment;       /* of any kind */
    bool is_later_fragment; /* holds no transport header */
    bool has_transport;     /* ports, flags and type above are true */
};

/*
 * A stateful wall over a device: what is written leaves, and opens the way back for its answers; what arrives passes only as such an
 * answer, as an ICMP error about one, or when a rule of the caller lets it in. ARP and neighbour discovery always pass.
 */
struct rn_firewall_opts {
    /* NULL: everything may leave. false: dropped. */
    bool (*may_leave)(void *arg, const struct rn_pkt_flow *flow);
    /* Of what is no answer. NULL: nothing may enter. What enters opens the way for its answers too. */
    bool (*may_enter)(void *arg, const struct rn_pkt_flow *flow);
    void *arg;
    uint32_t
        flows_max; /* conversations remembered; beyond it the one idle longest is forgotten; 0: 4096 */
};

/* Consumes @below on success. Returns owned. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_firewall_new(struct rn_device **ret, struct rn_device *below,
                                          const struct rn_firewall_opts *opts);
/* Conversations remembered now. */
RN_PUBLIC uint32_t rn_firewall_flows(const struct rn_device *dev);

/*
 * A face of a device that can be taken away without touching the device: shut (reads find nothing, writes are refused, so nothing is
 * lost and whoever uses it waits), opened again, closed and freed, while the device behind lives on in other hands.
 */
/* Borrows @behind, whose events it takes until it is freed; it starts open. Faces may be stacked. Returns owned. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_detached_new(struct rn_device **ret, struct rn_device *behind);
/* Tells RN_DEV_LINK_DOWN; a no-op when shut or closed. */
RN_PUBLIC void rn_detached_shut(struct rn_device *dev);
/* Tells RN_DEV_LINK_UP and what may have been missed: READABLE, WRITABLE. A no-op when open or closed. */
RN_PUBLIC void rn_detached_open(struct rn_device *dev);
