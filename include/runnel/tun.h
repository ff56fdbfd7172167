#pragma once
/*
 * Native TUN and TAP. Opened with IFF_VNET_HDR, so that the kernel hands over and takes whole super-segments of up to
 * 64 KiB with the checksum left out; what this kernel cannot do is found by asking, and only that is given up.
 */
#include <runnel/addr.h>
#include <runnel/device.h>

struct rn_turn;

/* Zero is: a TUN, the kernel chooses the name, all offloads. */
struct rn_tun_opts {
    const char *name; /* "tun0", "tun%d"; NULL: "tun%d"; ignored when adopting */
    uint32_t mtu;     /* 0: ask the link (only possible in its own network namespace) */
    /* How many packets of the kernel's may wait for us; what finds no room is lost. 0: RN_TUN_QUEUE_PKTS, but a persistent
     * link keeps what it has. Ignored when adopting. */
    uint32_t queue_pkts;
    struct rn_mac mac;   /* TAP: of the NIC behind this device, not of the kernel's end */
    bool is_tap;         /* ignored when adopting */
    bool is_multi_queue; /* every open of the same name is one more queue; ignored when adopting */
    bool has_io_uring; /* drive it by io_uring (Linux 6.7) rather than by system calls of its own */
    bool without_offloads; /* no super-segments, no missing checksums */
    /* Single ones, where a kernel or whoever reads the captures has trouble with them: super-segments of TCP over IPv4, over
     * IPv6, those with ECN's CWR, and super-datagrams of UDP. */
    bool without_tso4, without_tso6, without_tso_ecn, without_uso;
};

/* A thousand senders that begin at once, ten segments each (RFC 6928), lose nothing to the queue; the 500 of a new link lose
 * them every fourth packet. What it costs: a sender that heeds no loss makes the others wait for as many packets. */
#define RN_TUN_QUEUE_PKTS 10000u

/* The name of the device file, for messages. */
#define RN_TUN_PATH "/dev/net/tun"

/* Opens one queue in the present network namespace. Returns owned. Errors: NOMEM, BAD_OPTION (a name of more than
 * 15 bytes), host (EACCES of RN_TUN_PATH, EPERM without CAP_NET_ADMIN, EBUSY when the name is taken, ENOENT). */
RN_PUBLIC RN_MUST_USE int rn_tun_open(struct rn_device **ret, struct rn_turn *turn,
                                      const struct rn_tun_opts *opts);
/* Adopts a configured queue (after TUNSETIFF, with IFF_NO_PI) whose interface may live in another namespace: name it and give
 * mtu. Takes @fd over on success only. Returns owned. Errors: NOMEM, NOT_SUPPORTED (has packet information), host. */
RN_PUBLIC RN_MUST_USE int rn_tun_from_fd(struct rn_device **ret, struct rn_turn *turn, int fd,
                                         const struct rn_tun_opts *opts);
