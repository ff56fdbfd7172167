#pragma once
/*
 * A cell: one command and all it starts, inside fresh user (unless root), network and mount namespaces whose only way
 * out is a packet device that we hold.
 *
 * Processes. rn_cell_spawn forks a *keeper*, which becomes the first process inside, builds the network, hands the device's
 * descriptor out and waits. rn_cell_release lets it fork and exec the command. The keeper is parent of the command and
 * "subreaper" of whatever gets orphaned inside, so it knows when the last process has ended: then the network goes.
 *
 * Life. No pid namespace is used (pids stay what they are outside), so killing is by descent. Each of the two watches the other:
 *   - the supervisor dies, even by SIGKILL: the keeper reads the end of their socket, kills all its children until it
 *     has none (orphans become its children, so nobody slips out by forking), and exits;
 *   - the keeper dies: what was inside becomes children of the supervisor, which is made a subreaper too, and
 *     rn_cell_next kills them.
 * The keeper renames itself to "rn-cell", so that `pkill runnel` leaves one of the two to do its duty; it sits in the
 * terminal's foreground group but ignores what a terminal sends. Parent-death signals alone would not do: they reach
 * children only, not grandchildren, and are forgotten by set-id programs.
 */
#include <runnel/addr.h>
#include <runnel/attr.h>

#include "host/fdpass.h"

#include <stdbool.h>
#include <sys/types.h>

struct rn_cell;

/* How packets leave the cell. */
enum rn_cell_rung {
    RN_CELL_AUTO, /* TUN, and if that is refused VETH */
    RN_CELL_TUN,  /* IP packets by a queue of /dev/net/tun, opened inside */
    RN_CELL_VETH, /* Ethernet by AF_PACKET sockets on the far end of a veth pair, in a second, empty namespace */
};

#define RN_CELL_STUBS_MAX   8u
#define RN_CELL_SOCKETS_MAX 16u

struct rn_cell_net {
    enum rn_cell_rung rung;
    const char *ifname; /* as seen inside; NULL: "tun0" or "eth0" */
    uint32_t mtu;       /* 68..65535; below 1280 there is no IPv6 */
    unsigned
        n_queues; /* of a TUN: so many descriptors; 0: 1. A veth has as many sockets as it needs */
    /* Each family: none leaves it out. The gateway is on the link; the default route leads to it if .has_default. */
    struct rn_addr addr4;
    struct rn_addr gateway4;
    struct rn_addr addr6;
    struct rn_addr gateway6;
    /* IPv4 loopback addresses, such as systemd-resolved's 127.0.0.53, that lead to the gateway instead of to the cell itself. */
    struct rn_addr stubs[RN_CELL_STUBS_MAX];
    unsigned n_stubs;
    uint8_t bits4;
    uint8_t bits6;
    bool has_default4;
    bool has_default6;
};

struct rn_cell_opts {
    struct rn_cell_net net;
    bool has_userns; /* rootless way; required unless effective uid is 0 */
    bool
        maps_root; /* with has_userns: the command is root inside and keeps all capabilities over its own namespaces */
    const char *resolv_conf; /* text of /etc/resolv.conf inside; NULL: the host's is seen */
    char *const *argv;       /* argv[0] is looked up in PATH of envp's process, as execvp does */
    char *const *envp;       /* NULL: ours */
};

/* Where building failed; a verb phrase for people is rn_cell_stage_text. */
enum rn_cell_stage {
    RN_CELL_STAGE_NONE,
    RN_CELL_STAGE_FORK,
    RN_CELL_STAGE_USERNS,
    RN_CELL_STAGE_MAPS,
    RN_CELL_STAGE_NETNS,
    RN_CELL_STAGE_MOUNTNS,
    RN_CELL_STAGE_TUN,
    RN_CELL_STAGE_VETH,
    RN_CELL_STAGE_PACKET,
    RN_CELL_STAGE_LINK,
    RN_CELL_STAGE_ADDR,
    RN_CELL_STAGE_ROUTE,
    RN_CELL_STAGE_KEEPER, /* the keeper vanished or hung */
    RN_CELL_STAGE_COUNT
};

struct rn_cell_failure {
    enum rn_cell_stage stage;
    int err;         /* rn_err */
    char detail[96]; /* what it failed on: a path, an interface, an address; may be "" */
};

/* What could not be had but does not hinder. */
enum rn_cell_warning {
    RN_CELL_WARN_PING = 1 << 0,     /* ping sockets are closed to the command */
    RN_CELL_WARN_PORTS = 1 << 1,    /* ports below 1024 are closed to the command */
    RN_CELL_WARN_RESOLV = 1 << 2,   /* /etc/resolv.conf could not be replaced */
    RN_CELL_WARN_NSSWITCH = 1 << 3, /* "hosts: files dns" could not be enforced */
    RN_CELL_WARN_DAEMONS = 1 << 4,  /* sockets of systemd-resolved or nscd could not be hidden */
    RN_CELL_WARN_STUBS = 1 << 5,    /* 127.0.0.53 and its like do not lead to the gateway */
};

/* What was built. */
struct rn_cell_report {
    enum rn_cell_rung rung;
    int tun_err;             /* AUTO that fell to VETH: why TUN was refused (rn_err); else 0 */
    unsigned warnings;       /* enum rn_cell_warning */
    char ifname[16];         /* inside */
    struct rn_mac inner_mac; /* VETH: of the interface inside */
    struct rn_mac far_mac;   /* VETH: of the far end; the stack's own NIC must have another */
};

enum rn_cell_event_kind {
    RN_CELL_STARTED,     /* the command runs; value: its pid */
    RN_CELL_EXEC_FAILED, /* it could not be executed; value: rn_err (exit 127 if ENOENT, else 126) */
    RN_CELL_STOPPED,     /* the command was stopped; value: the signal */
    RN_CELL_CONTINUED,
    RN_CELL_EXITED, /* the command ended; value: its wait status (WIFEXITED ...) */
    RN_CELL_EMPTY, /* the last process inside ended; the network stays until rn_cell_free; nothing follows */
    RN_CELL_LOST, /* the keeper was killed, and so is now all that was inside; nothing follows */
};

struct rn_cell_event {
    enum rn_cell_event_kind kind;
    int value;
};

/*
 * Builds the cell and waits until it stands (10 s at most). The command's signal mask and ignored signals are what they are
 * now: call before changing them. Makes the calling process a subreaper. Must be called while single-threaded. On
 * success returns owned. On failure tells why in @ret_failure and leaves nothing behind.
 */
RN_MUST_USE int rn_cell_spawn(struct rn_cell **ret, const struct rn_cell_opts *opts,
                              struct rn_cell_failure *ret_failure);
/* Kills everything inside, waits for the keeper, frees. Consumes @cell (may be NULL). Returns NULL. */
struct rn_cell *rn_cell_free(struct rn_cell *cell);

const struct rn_cell_report *rn_cell_report(const struct rn_cell *cell);
/* Hands the device's descriptors over: the TUN queues, or AF_PACKET sockets as io/packet_device.h adopts them. Owned by the caller; NOT_FOUND
 * the second time. */
RN_MUST_USE int rn_cell_take_device(struct rn_cell *cell, struct rn_fds *ret);
pid_t rn_cell_keeper(const struct rn_cell *cell);
/* A child of ours that is not inside (the worker) and must survive what RN_CELL_LOST does. At most 4. */
void rn_cell_spare(struct rn_cell *cell, pid_t pid);

/* Starts the command. Follow by rn_cell_next until STARTED or EXEC_FAILED. Errors: host (EPIPE: the keeper is dead). */
RN_MUST_USE int rn_cell_release(struct rn_cell *cell);
/* Poll this for reading, then call rn_cell_next until WOULD_BLOCK. */
int rn_cell_fd(const struct rn_cell *cell);
/* The next event; never blocks. Errors: WOULD_BLOCK, CANCELLED after EMPTY or LOST. */
RN_MUST_USE int rn_cell_next(struct rn_cell *cell, struct rn_cell_event *ret);
/* The same, waiting for at most @timeout_ms (-1: for ever). Errors: TIMED_OUT, CANCELLED. */
RN_MUST_USE int rn_cell_wait(struct rn_cell *cell, int timeout_ms, struct rn_cell_event *ret);
/* Sends @sig to the command, if it still runs. By way of its parent, so never to a recycled pid. */
RN_MUST_USE int rn_cell_signal(struct rn_cell *cell, int sig);
/* Kills everything inside; EMPTY follows. */
RN_MUST_USE int rn_cell_kill(struct rn_cell *cell);

/* "create a user namespace": fits "cannot %s". */
const char *rn_cell_stage_text(enum rn_cell_stage stage);
