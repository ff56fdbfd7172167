#include "cli/exit.h"

#include <errno.h>
#include <runnel/err.h>
#include <sys/wait.h>

#define SIGNAL_BASE 128

int rn_exit_of_wait(int wait_status)
{
    if (WIFSIGNALED(wait_status))
        return SIGNAL_BASE + WTERMSIG(wait_status);
    return WEXITSTATUS(wait_status);
}

int rn_exit_of_err(int err)
{
    if (err >= 0)
        return RN_EXIT_OK;
    switch (rn_err_to_errno(err)) {
    case EPERM:
    case EACCES:
        return RN_EXIT_PRIVILEGE;
    case EOPNOTSUPP:
    case ENOSYS:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
        return RN_EXIT_UNSUPPORTED;
    case EADDRINUSE:
    case EEXIST:
    case EBUSY:
        return RN_EXIT_CONFLICT;
    default:
        return err == RN_E_PARSE ? RN_EXIT_USAGE : RN_EXIT_ERROR;
    }
}
