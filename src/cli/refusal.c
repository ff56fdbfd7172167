#include "cli/refusal.h"

#include <errno.h>
#include <runnel/err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *text;
    const char *remedy;
} refusals[] = {
    [RN_REFUSAL_NONE] = { "user namespaces work", "" },
    [RN_REFUSAL_NO_USERNS] = { "this kernel has no user namespaces", "run it as root" },
    [RN_REFUSAL_MAX_USERNS] = { "sysctl user.max_user_namespaces is 0",
                                "sudo sysctl user.max_user_namespaces=15000" },
    [RN_REFUSAL_CLONE_SYSCTL] = { "sysctl kernel.unprivileged_userns_clone is 0",
                                  "sudo sysctl kernel.unprivileged_userns_clone=1" },
    [RN_REFUSAL_APPARMOR] = { "AppArmor restricts user namespaces (Ubuntu 24.04 and later)",
                              "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0" },
    [RN_REFUSAL_SECCOMP] = { "a seccomp filter refuses it, as in a default Docker container",
                             "start the container with --security-opt seccomp=unconfined --cap-add "
                             "SYS_ADMIN" },
    [RN_REFUSAL_UNKNOWN] = { "the kernel refused without saying why", "runnel doctor" },
};

long rn_refusal_read_number(const char *path, long otherwise)
{
    FILE *file = fopen(path, "re");
    long number;

    if (file == NULL)
        return otherwise;
    if (fscanf(file, "%ld", &number) != 1)
        number = otherwise;
    fclose(file);
    return number;
}

/* "Seccomp: 2" in /proc/self/status: a filter is in force. */
static bool is_filtered(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    int mode = 0;

    if (file == NULL)
        return false;
    while (fgets(line, sizeof(line), file) != NULL && sscanf(line, "Seccomp: %d", &mode) != 1)
        continue;
    fclose(file);
    return mode == 2;
}

enum rn_refusal rn_refusal_find(int err)
{
    if (err >= 0)
        return RN_REFUSAL_NONE;
    if (access("/proc/self/ns/user", F_OK) < 0)
        return RN_REFUSAL_NO_USERNS;
    if (rn_refusal_read_number("/proc/sys/user/max_user_namespaces", 1) == 0)
        return RN_REFUSAL_MAX_USERNS;
    if (rn_refusal_read_number("/proc/sys/kernel/unprivileged_userns_clone", 1) == 0)
        return RN_REFUSAL_CLONE_SYSCTL;
    if (rn_refusal_read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) == 1)
        return RN_REFUSAL_APPARMOR;
    return is_filtered() ? RN_REFUSAL_SECCOMP : RN_REFUSAL_UNKNOWN;
}

const char *rn_refusal_text(enum rn_refusal refusal)
{
    return refusals[refusal].text;
}

const char *rn_refusal_remedy(enum rn_refusal refusal)
{
    return refusals[refusal].remedy;
}

static const char *reason_text(int err)
{
    return err <= -RN_ERR_HOST_BASE ? strerror(-err - RN_ERR_HOST_BASE) : rn_err_text(err);
}

static bool is_about_namespaces(enum rn_cell_stage stage)
{
    return stage == RN_CELL_STAGE_FORK || stage == RN_CELL_STAGE_USERNS ||
           stage == RN_CELL_STAGE_MAPS || stage == RN_CELL_STAGE_NETNS ||
           stage == RN_CELL_STAGE_MOUNTNS;
}

void rn_refusal_tell(const struct rn_cell_failure *failure, FILE *to)
{
    fprintf(to, "runnel run: cannot %s", rn_cell_stage_text(failure->stage));
    if (failure->detail[0] != '\0')
        fprintf(to, " (%s)", failure->detail);
    fprintf(to, ": %s\n", reason_text(failure->err));
    if (is_about_namespaces(failure->stage)) {
        enum rn_refusal refusal = rn_refusal_find(failure->err);

        fprintf(to, "  %s\nhint: %s\n", rn_refusal_text(refusal), rn_refusal_remedy(refusal));
    } else if (failure->stage == RN_CELL_STAGE_TUN) {
        fprintf(to, "hint: sudo chmod 0666 /dev/net/tun, or leave --link at auto\n");
    } else {
        fprintf(to, "hint: runnel doctor tells what this machine allows\n");
    }
}
