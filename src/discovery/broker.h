#pragma once
/*
 * The broker: the part of a scan that holds privilege. It walks /proc, enters namespaces, asks the kernel and copies
 * answers into the dump; it interprets only what it needs to go on (inodes, pids, its own counters). Single-threaded,
 * its own process; whatever may block or strand a process in a foreign namespace happens in a supervised child.
 */
#include "discovery/arena.h"
#include "discovery/dump.h"
#include "discovery/model.h"
#include "host/freezer.h"

#include <stdatomic.h>
#include <sys/types.h>

#define RN_BROKER_TOTAL_MS 10000 /* then what is left is noted, not read */
#define RN_BROKER_STUCK_MS 250
#define RN_BROKER_REFS_MAX                                                                         \
    8u /* kept per namespace; one is needed, others replace it when it vanishes */
#define RN_BROKER_ITEMS_MAX 65536u

/* A way to open a namespace. */
struct rn_found_ref {
    enum rn_map_found_by found_by;
    uint32_t pid;
    uint32_t id;      /* fd or thread */
    uint32_t mntns;   /* index into broker.mntns, for RN_FOUND_BIND */
    const char *path; /* RN_FOUND_BIND */
};

struct rn_found_netns {
    uint64_t ino;
    struct rn_found_ref *refs;
    size_t n_refs;
};

/* A mount namespace, reached through a process in it or through a bind mount seen in another. */
struct rn_found_mntns {
    uint64_t ino;
    uint32_t pid;          /* 0: no process */
    int fd;                /* open until the scan ends; 0: none, and .path leads there */
    uint32_t parent_mntns; /* where .path is, if there is no process */
    const char *path;
};

/* Programs that know of containers without being asked. */
enum rn_helper {
    RN_HELPER_NONE,
    RN_HELPER_SHIM,    /* containerd-shim */
    RN_HELPER_MONITOR, /* conmon */
    RN_HELPER_CNI,     /* containerd: its networks are files */
};

struct rn_found_process {
    uint32_t pid, ppid;
    uint64_t net_ino, mnt_ino, uts_ino;
    uint8_t engine; /* enum rn_map_engine_kind by the program's name; RN_ENGINE_OTHER: none */
    uint8_t helper; /* enum rn_helper */
    bool is_kernel_thread;
};

/* Inodes of a process's other namespaces; 0: not readable. */
struct rn_found_inos {
    uint64_t mnt, uts, pid, user;
};

struct rn_found_sock {
    uint64_t ino;
    uint32_t pid, fd;
};

/* A link that knows its other half by an index in the namespace that .seq numbers .nsid. */
struct rn_far_link {
    uint32_t seq;
    int32_t nsid;
    uint32_t index;
    uint32_t peer;   /* 0 with .index 0: a number that no link uses */
    uint32_t target; /* seq + 1 of the namespace meant; 0: not known */
    bool is_pair;    /* of a kind whose halves point at each other */
};

#define RN_FAR_LINKS_MAX 262144u

struct rn_far_table {
    _Atomic uint32_t n;
    uint32_t n_asked;
    bool is_full;
    struct rn_far_link links[RN_FAR_LINKS_MAX];
};

struct rn_far_links { /* of one namespace, by number and index */
    struct rn_far_link *links;
    size_t n;
};

/* Shared between a supervisor and one child. */
struct rn_progress {
    _Atomic uint32_t item;  /* that is being done */
    _Atomic uint32_t done;  /* all before it are written out */
    _Atomic uint32_t end;   /* of the items it has taken */
    _Atomic uint32_t beat;  /* grows with every datagram, so that large is not taken for stuck */
    _Atomic uint32_t state; /* enum rn_progress_state */
};

#define RN_LANES 2u /* children that work at once, at most */

/* Shared between a supervisor and all its children. */
struct rn_watch {
    _Atomic uint32_t next; /* item that nobody has taken */
    struct rn_progress lanes[RN_LANES];
};

/* What only one child does at a time. */
enum rn_turn {
    RN_TURN_WRITE, /* into the dump: may take as long as its reader likes */
    RN_TURN_LINKS, /* into the table of far links */
};

struct rn_broker_options {
    bool is_argv0_only; /* keep arguments out of the dump */
    bool wants_filters; /* also rules that only let pass or stop, and who forwards */
};

struct rn_broker {
    struct rn_broker_options options;
    struct rn_arena arena;
    struct rn_dump_writer out;
    struct rn_watch *watch;       /* shared memory */
    struct rn_progress *progress; /* of the child that we are, in .watch */
    int turn_fd;                  /* locks of whose turn it is; 0 or less: nobody else is there */
    int64_t started_ms;
    bool has_nft;      /* asking for nf_tables loads no module */
    bool counts_mptcp; /* /proc/net/protocols does: Linux 6.2 */
    int proc_fd;
    int net_fd; /* /proc/self/net of the child that visits, whatever namespace it is in; -1 elsewhere */
    struct rn_freezer freezer;
    uint64_t nsfs_dev;
    uint64_t self_net_ino, self_mnt_ino, self_user_ino;
    struct rn_found_inos kernel_inos; /* all kernel threads share kthreadd's */
    uint64_t caps;                    /* effective */
    struct rn_found_netns *netns;
    size_t n_netns;
    uint32_t *netns_slots; /* open addressing by inode; index + 1 */
    size_t n_netns_slots;
    struct rn_found_mntns *mntns;
    size_t n_mntns;
    struct rn_found_process *processes;
    size_t n_processes;
    struct rn_found_sock *socks;
    size_t n_socks;
    _Atomic uint32_t *known_socks; /* shared memory, see known_socks.c */
    size_t n_known_slots;
    struct rn_far_table *far; /* shared memory, see far_links.c; NULL: there was none to have */
    struct rn_far_link *met;  /* by the visit under way, not yet in .far */
    uint32_t n_met;
    uint32_t n_met_max;
    uint32_t n_ns_refused;  /* processes whose namespaces could not be read */
    uint32_t n_fds_refused; /* ... whose descriptors could not be read */
};

/* Runs a whole scan, writing the stream into @out_fd (borrows). Call it in a process made for it. */
RN_MUST_USE int rn_broker_run(int out_fd, const struct rn_broker_options *options);

/* ---- the phases ---- */
/* Writes NETNS and REF frames from @first on. */
void rn_tell_netns(struct rn_broker *b, size_t first);
void rn_find_processes(struct rn_broker *b);
void rn_find_mntns(struct rn_broker *b);
void rn_find_binds(struct rn_broker *b);
void rn_find_hidden(struct rn_broker *b);
/* Visits the namespaces from @first on. */
void rn_read_all_netns(struct rn_broker *b, size_t first);
void rn_read_nsids(struct rn_broker *b);
void rn_read_files(struct rn_broker *b);
void rn_read_bundles(struct rn_broker *b);
void rn_ask_engines(struct rn_broker *b);

/* ---- what they share ---- */

/* Sockets that a visit has listed. Call it when all descriptors are known. */
void rn_known_socks_init(struct rn_broker *b);
void rn_known_socks_fini(struct rn_broker *b);
void rn_known_socks_add(struct rn_broker *b, uint32_t ino);
bool rn_known_socks_has(const struct rn_broker *b, uint64_t ino);

/* Links that lead elsewhere. Those that a visit meets are its own until it shares them. */
void rn_far_links_init(struct rn_broker *b);
void rn_far_links_fini(struct rn_broker *b);
void rn_far_links_add(struct rn_broker *b, const struct rn_far_link *link);
/* How many are met; going back to an earlier count forgets what came later. */
uint32_t rn_far_links_count(const struct rn_broker *b);
void rn_far_links_rewind(struct rn_broker *b, uint32_t count);
void rn_far_links_share(struct rn_broker *b);
/* By namespace, number, index: from then on rn_far_links_of() finds them. */
void rn_far_links_sort(struct rn_broker *b);
struct rn_far_links rn_far_links_of(const struct rn_broker *b, uint32_t seq);

/* The namespace @ino, added if it is new. NULL without memory. */
struct rn_found_netns *rn_found_netns(struct rn_broker *b, uint64_t ino);
/* Adds a way to reach it, up to RN_BROKER_REFS_MAX. */
void rn_found_add_ref(struct rn_broker *b, uint64_t ino, const struct rn_found_ref *ref);
/* Returns owned a descriptor of the namespace, verified to be it. Errors: NOT_FOUND, host. */
RN_MUST_USE int rn_found_open(struct rn_broker *b, const struct rn_found_netns *ns);
/* Returns owned a descriptor of @path in the mount namespace @mntns. */
RN_MUST_USE int rn_mntns_open_path(struct rn_broker *b, uint32_t mntns, const char *path);

/* Whether nf_tables may be asked without changing the machine. */
bool rn_nft_is_present(struct rn_broker *b);

/* Runs @fn(b, i) for i in [first, end) in a child, or in two that take turns from .split_from items on. An item that makes no progress for @stuck_ms, or dies, is reported
 * to @on_lost in its place by a new child, which goes on behind it. Items write into b->out; each is written out whole or
 * not at all, so those that were not yet written when a child was lost are done again. */
struct rn_supervised {
    void (*item)(struct rn_broker *b, size_t i);
    void (*on_lost)(struct rn_broker *b, size_t i, bool is_stuck);
    size_t first, end;
    int stuck_ms;
    size_t
        split_from; /* so many items are worth a second child; 0: they have to follow each other */
};
void rn_supervise(struct rn_broker *b, const struct rn_supervised *job);
/* Waits for the end of the child @pid and reaps it. One that @is_killed and does not die, since a file system of somebody's
 * own making keeps it, is left behind: it ends when that answers. @pidfd may be -1. */
void rn_reap(pid_t pid, int pidfd, bool is_killed, int *ret_status);
/* Called by an item whenever something arrived. */
void rn_progress_beat(struct rn_broker *b);
/* Writes what the items have gathered so far. */
void rn_progress_flush(struct rn_broker *b);
/* Whoever dies in its turn ends it. */
void rn_take_turn(struct rn_broker *b, enum rn_turn what);
void rn_end_turn(struct rn_broker *b, enum rn_turn what);

/* Runs @fn(arg) in a child that shares memory and descriptors, but not namespaces, root and directory; returns what
 * @fn returned. Signals aside, nothing @fn does to its own process outlives it. */
RN_MUST_USE int rn_run_aside(int (*fn)(void *arg), void *arg);

/* Whether the scan has taken as long as it may. */
bool rn_broker_is_late(const struct rn_broker *b);
bool rn_broker_has_cap(const struct rn_broker *b, unsigned cap);
