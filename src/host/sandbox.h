#pragma once
/*
 * Takes everything away from the calling process but what it holds in its hands: for whoever parses packets. Afterwards there is
 * no file system, no capability, no other user's id, no way to gain any, and no system call but the listed ones
 * (seccomp.h). The network namespace is kept: the worker's host sockets are opened in it.
 */
#include "host/seccomp.h"

struct rn_sandbox_opts {
    const int *keep_fds; /* descriptors above 2 that stay open, in any order */
    unsigned n_keep_fds;
    enum rn_seccomp_mode seccomp;
    /* Optional: starts threads, when all rights are gone and only the filter, which knows no call that makes a thread, is still to
     * come. It comes over all of them; until this process has returned from rn_sandbox_apply they must do nothing. */
    int (*start_threads)(void *arg);
    void *arg;
};

/* What this kernel lacks; the sandbox stands without it. */
enum rn_sandbox_missing {
    RN_SANDBOX_NO_LANDLOCK = 1 << 0,
    RN_SANDBOX_NO_MDWE =
        1 << 1, /* "memory deny write-exec", Linux 6.3; seccomp forbids PROT_EXEC anyway */
};

struct rn_sandbox_report {
    const char *step; /* static text: what failed, "" after success */
    unsigned missing; /* enum rn_sandbox_missing */
};

/*
 * Call when all descriptors are open, memory for a start is allocated, while there is one thread, before the first packet
 * is read. By root the process becomes nobody (65534) first; else it moves into a user namespace of its own. Any failure leaves
 * the process half stripped: it must exit. Errors: host.
 */
RN_MUST_USE int rn_sandbox_apply(const struct rn_sandbox_opts *opts, struct rn_sandbox_report *ret);
