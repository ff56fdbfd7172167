#pragma once
/*
 * /proc/<pid> read and parsed. Everything is opened relative to a directory descriptor, so that a pid that is reused
 * between two reads cannot mix two processes: its old directory then answers ESRCH. Parsers are pure and take
 * hostile bytes: comm may hold blanks, parentheses and newlines.
 */
#include "base/view.h"

#include <runnel/attr.h>
#include <runnel/err.h>

/* Returns owned an O_PATH descriptor of <proc_fd>/<pid>, or an error. */
RN_MUST_USE int rn_proc_open(int proc_fd, uint32_t pid);
/* Reads a small file below @dir_fd; what exceeds @cap is cut. Returns its length. */
RN_MUST_USE int rn_proc_read(int dir_fd, const char *name, void *buf, size_t cap);
/* The same for a file that the kernel writes in one piece (stat, status, cgroup, cmdline, sockstat): its end is not asked
 * for. */
RN_MUST_USE int rn_proc_read_piece(int dir_fd, const char *name, void *buf, size_t cap);
/* Inode of the namespace "ns/net" ... below @dir_fd, from the link's text: nothing is opened. */
RN_MUST_USE int rn_proc_ns_ino(int dir_fd, const char *name, uint64_t *ret_ino);
/* The number in a link such as "socket:[123]", when it starts with @prefix ("socket:["). */
bool rn_proc_link_number(struct rn_view link, const char *prefix, uint64_t *ret);

/* Calls @fn for every numeric entry of the directory <dir_fd>/<name>. < 0 from @fn ends the walk with it. */
typedef int rn_proc_number_fn(uint32_t number, void *arg);
RN_MUST_USE int rn_proc_each(int dir_fd, const char *name, rn_proc_number_fn *fn, void *arg);
/* The same of the directory that @fd (borrows) has open, from where it stands. */
RN_MUST_USE int rn_proc_each_of(int fd, rn_proc_number_fn *fn, void *arg);

/* Opens @path as a process sees it, below the directory @root_fd (of /proc/<pid>/root): links, also absolute ones and
 * "..", cannot lead out of it, and only a regular file of a file system that cannot block is opened.
 * Errors: NOT_SUPPORTED (a FIFO, device, directory or foreign file system), host. Returns owned. */
RN_MUST_USE int rn_proc_open_in_root(int root_fd, const char *path);

/* A directory likewise, to be listed. */
RN_MUST_USE int rn_proc_open_dir_in_root(int root_fd, const char *path);

struct rn_proc_stat {
    struct rn_view comm; /* borrows */
    uint32_t pid, ppid;
    uint64_t start_ticks;
    uint32_t n_threads;
    uint32_t flags; /* PF_* of the kernel */
    uint32_t rt_priority;
    uint32_t policy;
    int32_t nice;
    char state;
};

#define RN_PROC_PF_KTHREAD 0x00200000u

/* Errors: MALFORMED. */
RN_MUST_USE int rn_proc_stat_parse(struct rn_view text, struct rn_proc_stat *ret);

#define RN_PROC_NSPIDS_MAX 16u

struct rn_proc_status {
    uint32_t uid, gid; /* effective */
    uint32_t real_uid;
    uint64_t cap_effective, cap_bounding;
    struct rn_view cpus; /* Cpus_allowed_list */
    uint32_t nspids[RN_PROC_NSPIDS_MAX];
    size_t n_nspids;
};

/* Absent lines leave zeros: /proc may be a stranger's. */
void rn_proc_status_parse(struct rn_view text, struct rn_proc_status *ret);

/* The path of a process's cgroup: of the v2 hierarchy unless that is "/", then of name=systemd, memory, pids. */
struct rn_view rn_proc_cgroup_path(struct rn_view text);
/* The path in the hierarchy of @controller alone, "" for v2's; empty if there is none. */
struct rn_view rn_proc_cgroup_of(struct rn_view text, const char *controller);

struct rn_mount {
    uint32_t major, minor;
    struct rn_view root; /* escaped as in the file */
    struct rn_view point;
    struct rn_view fstype;
};

/* Takes the next line off @text; false at the end. Broken lines are skipped. */
bool rn_proc_next_mount(struct rn_view *text, struct rn_mount *ret);
/* Undoes \ooo. Cut at @cap - 1 bytes; NUL-terminated. */
void rn_proc_unescape(struct rn_view v, char *buf, size_t cap);

/* Takes a line off @text, without its newline; false at the end. */
bool rn_text_next_line(struct rn_view *text, struct rn_view *ret);
/* Takes a word between blanks off @line; false at the end. */
bool rn_text_next_word(struct rn_view *line, struct rn_view *ret);
/* Decimal or, with @base 16, hex digits; false when there is anything else or too much. */
bool rn_text_number(struct rn_view word, unsigned base, uint64_t *ret);
bool rn_view_is(struct rn_view v, const char *s);
bool rn_view_starts(struct rn_view v, const char *s);
