#pragma once
/*
 * Ethernet devices over UNIX sockets, as virtual machines speak them: QEMU's `-netdev stream` and `-netdev dgram`, passt's socket,
 * and whoever else frames packets that way. The other side is a wire: complete checksums, no super-packets; runnel merges and
 * cuts on this side.
 */
#include <runnel/addr.h>
#include <runnel/device.h>

#include <stdint.h>

struct rn_turn;

/* All but mac may be zero. */
struct rn_unix_opts {
    const char *name; /* NULL: "unix" */
    uint32_t mtu;     /* 0: 1500 */
    struct rn_mac mac;
    bool is_ip; /* IP packets without link header: two programs of ours, not QEMU */
};

/* Connects to the stream socket @path, on which the other side listens (`-netdev stream,server=on,addr.type=unix,addr.path=...`).
 * Every frame is preceded by its length, four bytes, big-endian. A frame larger than any (69 632 bytes) ends the connection: behind
 * it there is no telling frames apart. Returns owned. Errors: NOMEM, BAD_OPTION (path too long), host. */
RN_PUBLIC RN_MUST_USE int rn_unix_stream_open(struct rn_device **ret, struct rn_turn *turn,
                                              const char *path, const struct rn_unix_opts *opts);
/* The same over a connected stream socket, say one that was accepted. Takes @fd over on success only. Errors: also BAD_OPTION (no
 * stream). */
RN_PUBLIC RN_MUST_USE int rn_unix_stream_from_fd(struct rn_device **ret, struct rn_turn *turn,
                                                 int fd, const struct rn_unix_opts *opts);

/* Binds a datagram socket to @local, which must not exist, and sends to @remote, which must
 * (`-netdev dgram,local.type=unix,local.path=REMOTE,remote.type=unix,remote.path=LOCAL`). One frame is one datagram. @local is
 * not removed. Returns owned. Errors: NOMEM, BAD_OPTION (path too long), host. */
RN_PUBLIC RN_MUST_USE int rn_unix_dgram_open(struct rn_device **ret, struct rn_turn *turn,
                                             const char *local, const char *remote,
                                             const struct rn_unix_opts *opts);
/* The same over a connected datagram or seqpacket socket, or whatever gives a whole frame for each read. Takes @fd over on success
 * only. Errors: also BAD_OPTION (a stream). */
RN_PUBLIC RN_MUST_USE int rn_unix_dgram_from_fd(struct rn_device **ret, struct rn_turn *turn,
                                                int fd, const struct rn_unix_opts *opts);
