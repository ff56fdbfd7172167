#pragma once
/* Whether the kernel holds a process back: the freezers of both control group hierarchies. */
#include "base/view.h"

#define RN_FREEZER_PATH_BYTES 512u
#define RN_FREEZER_LAST_BYTES 1024u

struct rn_freezer {
    int v1_fd; /* where the hierarchies are mounted; < 0: not there */
    int v2_fd;
    size_t last_len;
    uint8_t last
        [RN_FREEZER_LAST_BYTES]; /* neighbours in /proc share their groups more often than not */
    bool last_says;
};

void rn_freezer_init(struct rn_freezer *f);
void rn_freezer_fini(struct rn_freezer *f);
/* @cgroup is the content of /proc/<pid>/cgroup. What cannot be read is not frozen. */
bool rn_freezer_holds(struct rn_freezer *f, struct rn_view cgroup);
