#pragma once
/* Ending everything that descends from the calling process. */
#include <runnel/attr.h>
#include <sys/types.h>

struct rn_spared {
    pid_t pid[4];
    unsigned n;
};

/*
 * Kills every child of this process but the spared, and those that become its children thereby (it must be a subreaper),
 * until none is left; reaps them all. Only own children are signalled: their pids cannot be recycled before we reap. Returns how
 * many ended.
 */
unsigned rn_kill_children(const struct rn_spared *spared);
