#pragma once
/* Notices when the host's resolv.conf changes: written, renamed over, or a symlink whose target does either. */
#include "cli/plan.h"

struct rn_resolv_watch {
    int fd;                               /* inotify; -1: nothing can be watched */
    struct rn_addr seen[RN_PLAN_DNS_MAX]; /* what was read last */
    unsigned n_seen;
};

void rn_resolv_watch_open(struct rn_resolv_watch *watch);
void rn_resolv_watch_close(struct rn_resolv_watch *watch);
/* After fd became readable. true: the nameservers are new and in @ret (dns, n_dns, search). */
bool rn_resolv_watch_read(struct rn_resolv_watch *watch, struct rn_host_view *ret);
