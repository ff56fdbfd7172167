#pragma once
/*
 * The system-call filter of the worker: an allow-list made at build time (tools/gen-seccomp.py) from the comments
 * "syscalls: ..." beside the calls, with the arguments checked of those that could do more than we need.
 */
#include <runnel/attr.h>

/* What becomes of a call that is not listed. */
enum rn_seccomp_mode {
    RN_SECCOMP_KILL, /* the process dies by SIGSYS */
    RN_SECCOMP_TRAP, /* it names the call on stderr first; for tests that prove the list */
    RN_SECCOMP_LOG,  /* the kernel's log gets a line, the call is made; for finding all at once */
};

/* Filters all threads of the process, for good. no_new_privs must be set. Errors: host. */
RN_MUST_USE int rn_seccomp_apply(enum rn_seccomp_mode mode);
