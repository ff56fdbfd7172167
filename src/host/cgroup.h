#pragma once
/* What a cgroup's path tells of who made it. Pure. */
#include "base/view.h"

enum rn_cgroup_kind {
    RN_CGROUP_OTHER,
    RN_CGROUP_DOCKER,
    RN_CGROUP_PODMAN,
    RN_CGROUP_CONTAINERD, /* also Kubernetes by containerd, nerdctl */
    RN_CGROUP_CRIO,
    RN_CGROUP_LXC,
    RN_CGROUP_NSPAWN, /* systemd-machined */
    RN_CGROUP_UNIT,   /* a systemd service */
};

struct rn_cgroup_id {
    enum rn_cgroup_kind kind;
    struct rn_view id;  /* borrows the path: container id, machine or unit name */
    bool is_hash;       /* 64 hex digits */
    struct rn_view pod; /* podman: the pod's id; empty: in none, or not told here */
};

/* False for a path of no container and no service. */
bool rn_cgroup_identify(struct rn_view path, struct rn_cgroup_id *ret);
