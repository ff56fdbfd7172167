#pragma once
/*
 * The supervisor of `run`: starts the worker, feeds it, starts the command in its cell, stands in for it towards terminal,
 * signals and status, follows the host's resolv.conf, and ends everything when any part of the three is gone.
 */
#include "cli/worker.h"

struct rn_supervisor;

struct rn_supervisor_opts {
    const struct rn_run_opts *opts; /* borrows, all of them */
    const struct rn_run_plan *plan;
    char *const *argv; /* the command */
};

/* Runs the command to its end. Complaints are on stderr. Returns the exit status of `runnel run`. */
int rn_run_supervise(const struct rn_supervisor_opts *opts);
