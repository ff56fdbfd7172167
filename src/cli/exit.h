#pragma once
/* Exit codes (DESIGN, "Promises to users"): one place that turns an error into a status. */

enum rn_exit {
    RN_EXIT_OK = 0,
    RN_EXIT_ERROR = 1,
    RN_EXIT_USAGE = 2,
    RN_EXIT_PRIVILEGE = 3,
    RN_EXIT_UNSUPPORTED = 4,
    RN_EXIT_CONFLICT = 5,
    RN_EXIT_RUN_FAILED = 125, /* `run`: runnel itself failed, as env(1) and timeout(1) do */
    RN_EXIT_NOT_EXECUTABLE = 126,
    RN_EXIT_NOT_FOUND = 127,
};

/* What `run` returns for CMD: its status, or 128 + signal. @wait_status as waitpid(2) gives it. */
int rn_exit_of_wait(int wait_status);
/* @err is an rn_err or host errno. */
int rn_exit_of_err(int err);
