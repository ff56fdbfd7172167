#pragma once
/* Private to cell*.c: what supervisor and keeper say to each other, and the keeper's own parts. */
#include "host/cell.h"
#include "host/userns.h"

#include <signal.h>
#include <sys/inotify.h>

enum cell_word {
    /* supervisor -> keeper */
    CELL_RELEASE,
    CELL_SIGNAL,
    CELL_KILL,
    /* keeper -> supervisor */
    CELL_READY,
    CELL_FAILED,
    CELL_EVENT,
};

/* One fixed-size message per datagram: nothing to parse. */
struct cell_msg {
    enum cell_word word;
    int value;
    struct rn_cell_event event;
    struct rn_cell_failure failure;
    struct rn_cell_report report;
};

/* A file of ours that lies over one of the host's. */
struct cell_file {
    const char *path;
    int spare; /* detached clone of our file's mount, for the day the host renames its own over it; -1 */
    dev_t dev; /* of our file */
    ino_t ino;
};

#define CELL_FILES 2u /* resolv.conf, nsswitch.conf */

struct cell_etc {
    struct cell_file files[CELL_FILES];
    int inotify; /* -1 */
};

struct keeper {
    const struct rn_cell_opts *opts;
    struct rn_userns_ids ids;
    sigset_t mask;    /* the command's */
    sigset_t ignored; /* signals the command is to ignore */
    int ctl;
    int signals; /* signalfd: SIGCHLD */
    pid_t cmd;   /* 0: not started or gone */
    bool was_released;
    bool is_empty; /* was told; the network stays until the supervisor lets go */
    struct cell_etc etc;
    struct rn_cell_report report;
    struct rn_cell_failure failure;
};

/* Runs the keeper in a fresh child; never returns. */
_Noreturn void rn_cell_keeper_main(struct keeper *k);
/* Notes where and why; returns @err. */
int rn_cell_fail(struct keeper *k, enum rn_cell_stage stage, int err, const char *detail);

/* cell_net.c: builds loopback, device, addresses, routes. @ret: the device's descriptors, owned. */
int rn_cell_build_net(struct keeper *k, struct rn_fds *ret);

/* cell_packet.c: sockets that see every frame arriving at @ifname, to be bound before the interface comes up so that they miss
 * none. @ret: owned, at least one. */
int rn_cell_open_packet(const char *ifname, struct rn_fds *ret);

/* cell_etc.c: lays our files over the host's; failures become warnings. */
void rn_cell_build_etc(struct keeper *k);
/* The host touched a watched directory: puts back what it renamed away. */
void rn_cell_mend_etc(struct cell_etc *etc);

/* cell_exec.c: in the command's process; returns only a host errno. */
int rn_cell_exec(const struct keeper *k);
