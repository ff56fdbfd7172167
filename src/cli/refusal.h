#pragma once
/* Why this machine refuses a cell, in words, with the command that mends it. Used by `run` and `doctor`. */
#include "host/cell.h"

#include <stdio.h>

/* The layer that stands in the way of user namespaces. */
enum rn_refusal {
    RN_REFUSAL_NONE,
    RN_REFUSAL_NO_USERNS,    /* the kernel has none */
    RN_REFUSAL_MAX_USERNS,   /* user.max_user_namespaces is 0 */
    RN_REFUSAL_CLONE_SYSCTL, /* kernel.unprivileged_userns_clone is 0 */
    RN_REFUSAL_APPARMOR,     /* kernel.apparmor_restrict_unprivileged_userns is 1 */
    RN_REFUSAL_SECCOMP,      /* a filter, as default Docker has */
    RN_REFUSAL_UNKNOWN,
};

/* Looks at the machine; @err is what unshare said (0: not tried). */
enum rn_refusal rn_refusal_find(int err);
/* Static text: what it is, and the command that mends it ("" if there is none). */
const char *rn_refusal_text(enum rn_refusal refusal);
const char *rn_refusal_remedy(enum rn_refusal refusal);
/* A number from a file in /proc; @otherwise if it cannot be read. */
long rn_refusal_read_number(const char *path, long otherwise);
/* Tells @failure with a hint. */
void rn_refusal_tell(const struct rn_cell_failure *failure, FILE *to);
