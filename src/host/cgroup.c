#include "host/cgroup.h"

#include "host/proc.h"

#define HASH_CHARS 64u

struct pattern {
    const char *prefix; /* of a path component */
    const char *suffix;
    enum rn_cgroup_kind kind;
    bool is_hash; /* between them stand 64 hex digits */
};

/* As the engines' two cgroup drivers (cgroupfs, systemd) name things. Innermost component first, first match wins. */
static const struct pattern patterns[] = {
    { "docker-", ".scope", RN_CGROUP_DOCKER, true },
    { "libpod-", ".scope", RN_CGROUP_PODMAN, true },
    { "libpod-", "", RN_CGROUP_PODMAN, true },
    { "cri-containerd-", ".scope", RN_CGROUP_CONTAINERD, true },
    { "nerdctl-", ".scope", RN_CGROUP_CONTAINERD, true },
    { "crio-", ".scope", RN_CGROUP_CRIO, true },
    { "crio-", "", RN_CGROUP_CRIO, true },
    { "lxc.payload.", "", RN_CGROUP_LXC, false },
    { "machine-", ".scope", RN_CGROUP_NSPAWN, false },
};

static bool ends(struct rn_view v, const char *suffix)
{
    size_t len = strlen(suffix);

    return v.len >= len && (len == 0 || memcmp(v.ptr + v.len - len, suffix, len) == 0);
}

static bool is_hash(struct rn_view v)
{
    if (v.len != HASH_CHARS)
        return false;
    for (size_t i = 0; i < v.len; i++) {
        uint8_t c = v.ptr[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    return true;
}

static bool matches(const struct pattern *p, struct rn_view part, struct rn_cgroup_id *ret)
{
    size_t before = strlen(p->prefix);
    size_t after = strlen(p->suffix);
    struct rn_view middle;

    if (!rn_view_starts(part, p->prefix) || part.len <= before + after || !ends(part, p->suffix))
        return false;
    middle = rn_view_of(part.ptr + before, part.len - before - after);
    if (p->is_hash && !is_hash(middle))
        return false;
    *ret = (struct rn_cgroup_id){ .kind = p->kind, .id = middle, .is_hash = p->is_hash };
    return true;
}

/* A bare hash is named by what stands above it: /docker/<id>, /kubepods/.../<id>, /default/<id> of containerd. */
static enum rn_cgroup_kind kind_above(struct rn_view above)
{
    struct rn_view rest = above;

    while (rest.len != 0) {
        if (rn_view_starts(rest, "/docker"))
            return RN_CGROUP_DOCKER;
        if (rn_view_starts(rest, "/kubepods") || rn_view_starts(rest, "/default"))
            return RN_CGROUP_CONTAINERD;
        rest = rn_view_of(rest.ptr + 1, rest.len - 1);
    }
    return RN_CGROUP_OTHER;
}

static bool split_last(struct rn_view *path, struct rn_view *ret_part)
{
    size_t end = path->len;
    size_t start;

    while (end != 0 && path->ptr[end - 1] == '/')
        end--;
    start = end;
    while (start != 0 && path->ptr[start - 1] != '/')
        start--;
    if (start == end)
        return false;
    *ret_part = rn_view_of(path->ptr + start, end - start);
    path->len = start != 0 ? start - 1 : 0;
    return true;
}

/* podman puts the containers of a pod below a group of the pod: its id alone, or machine-libpod_pod_<id>.slice. */
static struct rn_view pod_above(struct rn_view above)
{
    struct rn_view part = { NULL, 0 };
    static const char before[] = "machine-libpod_pod_";

    if (!split_last(&above, &part))
        return part;
    if (rn_view_starts(part, before) && ends(part, ".slice"))
        part = rn_view_of(part.ptr + sizeof(before) - 1, part.len - (sizeof(before) - 1) - 6);
    return is_hash(part) ? part : rn_view_of(NULL, 0);
}

static bool identify_part(struct rn_view above, struct rn_view part, struct rn_cgroup_id *ret)
{
    for (size_t i = 0; i < RN_ARRAY_LEN(patterns); i++) {
        if (!matches(&patterns[i], part, ret))
            continue;
        if (ret->kind == RN_CGROUP_PODMAN)
            ret->pod = pod_above(above);
        return true;
    }
    if (ends(above, "/libpod_parent"))
        return false; /* a pod of podman: only its monitors are there */
    if (is_hash(part)) {
        *ret = (struct rn_cgroup_id){ .kind = kind_above(above), .id = part, .is_hash = true };
        return true;
    }
    if (ends(above, "/lxc")) {
        *ret = (struct rn_cgroup_id){ .kind = RN_CGROUP_LXC, .id = part };
        return true;
    }
    return false;
}

bool rn_cgroup_identify(struct rn_view path, struct rn_cgroup_id *ret)
{
    struct rn_view unit = { NULL, 0 };
    struct rn_view part;

    while (split_last(&path, &part)) {
        if (identify_part(path, part, ret))
            return true;
        if (unit.len == 0 && ends(part, ".service"))
            unit = part;
    }
    if (unit.len == 0)
        return false;
    *ret = (struct rn_cgroup_id){ .kind = RN_CGROUP_UNIT, .id = unit };
    return true;
}
