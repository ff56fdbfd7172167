#include "discovery/gostwire.h"
#include "discovery/name.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

char *rn_gw_nif_id(const struct rn_map_link *link, char buf[RN_GW_ID_BYTES])
{
    buf[0] = '\0';
    if (link != NULL)
        (void)snprintf(buf, RN_GW_ID_BYTES, "nif-%" PRIu64 "-%" PRIu32, link->netns->ino,
                       link->index);
    return buf;
}

char *rn_gw_container_id(const struct rn_map_process *p, char buf[RN_GW_ID_BYTES])
{
    (void)snprintf(buf, RN_GW_ID_BYTES, "cont-%" PRIu32, p->pid);
    return buf;
}

void rn_gw_addr(struct rn_json *j, const char *key, struct rn_addr a, bool is_v6)
{
    if (rn_addr_is_none(a))
        rn_json_text(j, key, is_v6 ? "::" : "0.0.0.0");
    else
        rn_json_addr(j, key, a);
}

/* kthreadd and its children serve nobody. */
bool rn_gw_is_tenant(const struct rn_map_tenant *t)
{
    return t->process != NULL && !t->process->is_kernel_thread &&
           !(t->process->pid == 2 && t->process->ppid == 0);
}

static bool is_leader(const struct rn_map_process *p, const struct rn_map_netns *ns)
{
    for (size_t i = 0; i < ns->n_tenants; i++) {
        if (ns->tenants[i].process == p)
            return true;
    }
    return false;
}

static const struct rn_map_process *leader_of(const struct rn_map_process *p)
{
    const struct rn_map_process *up = p;

    for (unsigned i = 0; p->netns != NULL && up != NULL && i < 4096; i++) {
        if (is_leader(up, p->netns))
            return up;
        up = up->parent;
    }
    return p;
}

void rn_gw_owners(struct rn_json *j, const char *key, struct rn_map_process *const *list, size_t n)
{
    char id[RN_GW_ID_BYTES];

    rn_json_open(j, key, '[');
    for (size_t i = 0; i < n; i++) {
        rn_json_open(j, NULL, '{');
        rn_json_int(j, "pid", list[i]->pid);
        rn_json_text(j, "cmdline", list[i]->cmdline);
        rn_json_text(j, "container-idref", rn_gw_container_id(leader_of(list[i]), id));
        rn_json_close(j, '}');
    }
    rn_json_close(j, ']');
}

void rn_gw_labels(struct rn_json *j, const struct rn_map_label *labels, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i + 1 == n || strcmp(labels[i].key, labels[i + 1].key) != 0)
            rn_json_text(j, labels[i].key, labels[i].value);
    }
}

/* ---- metadata ---- */

/* "0-3,8" as [[0,3],[8,8]]. */
static void cpu_ranges(struct rn_json *j, const char *key, const char *text)
{
    rn_json_open(j, key, '[');
    while (*text >= '0' && *text <= '9') {
        char *end;
        unsigned long from = strtoul(text, &end, 10);
        unsigned long to = *end == '-' ? strtoul(end + 1, &end, 10) : from;

        rn_json_open(j, NULL, '[');
        rn_json_int(j, NULL, (int64_t)from);
        rn_json_int(j, NULL, (int64_t)to);
        rn_json_close(j, ']');
        text = *end == ',' ? end + 1 : end;
    }
    rn_json_close(j, ']');
}

static const char *engine_type(enum rn_map_engine_kind kind)
{
    switch (kind) {
    case RN_ENGINE_DOCKER:
        return "docker.com";
    case RN_ENGINE_PODMAN:
        return "podman.io";
    case RN_ENGINE_CONTAINERD:
        return "containerd.io";
    case RN_ENGINE_CRIO:
        return "k8s.io/cri-api";
    case RN_ENGINE_OTHER:
    case RN_ENGINE_LXC:
    case RN_ENGINE_NSPAWN:
    case RN_ENGINE_SYSTEMD:
        break;
    }
    return rn_map_engine_text(kind);
}

static void engines(struct rn_json *j, const struct rn_map *map)
{
    rn_json_open(j, "container-engines", '[');
    for (size_t i = 0; i < map->n_engines; i++) {
        rn_json_open(j, NULL, '{');
        rn_json_text(j, "id", map->engines[i]->id);
        rn_json_text(j, "type", engine_type(map->engines[i]->kind));
        rn_json_text(j, "version", map->engines[i]->version);
        rn_json_int(j, "pid", map->engines[i]->pid);
        rn_json_close(j, '}');
    }
    rn_json_close(j, ']');
}

static void metadata(struct rn_json *j, const struct rn_draw *draw)
{
    const struct rn_map *map = draw->map;
    time_t taken = (time_t)map->host.taken_unix_s;
    char stamp[32] = "";
    struct tm tm;

    if (gmtime_r(&taken, &tm) != NULL)
        (void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
    rn_json_open(j, "metadata", '{');
    rn_json_text(j, "creator", "runnel");
    rn_json_text(j, "creator-id", "runnel");
    rn_json_text(j, "creator-version", draw->version != NULL ? draw->version : "");
    rn_json_text(j, "creation-timestamp", stamp);
    rn_json_text(j, "hostname", map->host.hostname);
    rn_json_text(j, "osrel-name", map->host.os_name);
    rn_json_text(j, "osrel-version", map->host.os_version);
    rn_json_text(j, "kernel-version", map->host.kernel);
    cpu_ranges(j, "cpus", map->host.cpus_online);
    engines(j, map);
    rn_json_close(j, '}');
}

/* ---- containers: real ones, processes, and a stand-in for a namespace nobody lives in ---- */

static const char *container_type(const struct rn_map_container *c)
{
    if (c == NULL)
        return "proc";
    switch (c->engine_kind) {
    case RN_ENGINE_DOCKER:
        return "docker";
    case RN_ENGINE_PODMAN:
        return "podman";
    case RN_ENGINE_CONTAINERD:
        return "containerd";
    case RN_ENGINE_CRIO:
        return "CRI";
    case RN_ENGINE_OTHER: /* the page knows no others, and draws a process well */
    case RN_ENGINE_LXC:
    case RN_ENGINE_NSPAWN:
    case RN_ENGINE_SYSTEMD:
        break;
    }
    return "proc";
}

static void type(struct rn_json *j, const char *name)
{
    static const char *const texts[][2] = {
        { "docker", "Docker" }, { "podman", "Podman" }, { "containerd", "Containerd" },
        { "CRI", "Cri" },       { "proc", "Process" },  { "bindmount", "Bind-mounted" }
    };

    rn_json_text(j, "type", name);
    for (size_t i = 0; i < RN_ARRAY_LEN(texts); i++) {
        if (strcmp(texts[i][0], name) == 0)
            rn_json_text(j, "type-text", texts[i][1]);
    }
}

static void ips(struct rn_json *j, const char *key, const struct rn_addr *list, size_t n)
{
    rn_json_open(j, key, '[');
    for (size_t i = 0; i < n; i++)
        rn_gw_addr(j, NULL, list[i], true);
    rn_json_close(j, ']');
}

static void dns(struct rn_json *j, const struct rn_map_dns *d)
{
    static const struct rn_map_dns nothing = { .uts_hostname = "",
                                               .etc_hostname = "",
                                               .domainname = "" };

    if (d == NULL)
        d = &nothing;
    rn_json_open(j, "dns", '{');
    rn_json_text(j, "uts-hostname", d->uts_hostname);
    rn_json_text(j, "etc-hostname", d->etc_hostname);
    rn_json_text(j, "domainname", d->domainname);
    ips(j, "nameservers", d->nameservers, d->n_nameservers);
    rn_json_open(j, "searchlist", '[');
    for (size_t i = 0; i < d->n_search; i++)
        rn_json_text(j, NULL, d->search[i]);
    rn_json_close(j, ']');
    rn_json_open(j, "etc-hosts", '[');
    for (size_t i = 0; i < d->n_hosts; i++) {
        rn_json_open(j, NULL, '{');
        rn_json_text(j, "name", d->hosts[i].name);
        rn_gw_addr(j, "address", d->hosts[i].addr, true);
        rn_json_close(j, '}');
    }
    rn_json_close(j, ']');
    rn_json_close(j, '}');
}

/* Pods alone are groups; Compose projects are found by the page from labels. Pods are numbered as they come. */
static size_t pod_number(const struct rn_map *map, const struct rn_map_container *pod)
{
    for (size_t i = 0; i < map->n_containers; i++) {
        if (strcmp(map->containers[i]->pod, pod->pod) == 0)
            return i;
    }
    return 0;
}

static char *group_id(const struct rn_map *map, const struct rn_map_container *c,
                      char buf[RN_GW_ID_BYTES])
{
    buf[0] = '\0';
    if (c != NULL && c->pod[0] != '\0')
        (void)snprintf(buf, RN_GW_ID_BYTES, "group-%zu", pod_number(map, c));
    return buf;
}

static void container_labels(struct rn_json *j, const struct rn_map_container *c)
{
    if (c == NULL || (c->n_labels == 0 && !c->is_privileged))
        return;
    rn_json_open(j, "labels", '{');
    rn_gw_labels(j, c->labels, c->n_labels);
    if (c->is_privileged)
        rn_json_text(j, "gostwire/container/privileged", "");
    rn_json_close(j, '}');
}

static void process_details(struct rn_json *j, const struct rn_map_process *p)
{
    char text[RN_GW_ID_BYTES];

    rn_json_int(j, "pid", p->pid);
    rn_json_int(j, "pidns", (int64_t)p->pidns_ino);
    (void)snprintf(text, sizeof(text), "pidns-%" PRIu64, p->pidns_ino);
    rn_json_text(j, "pidns-idref", text);
    (void)snprintf(text, sizeof(text), "0x%016" PRIx64, p->cap_bounding);
    rn_json_text(j, "capbnd", p->has_status ? text : "0x0");
}

static void scheduling(struct rn_json *j, const struct rn_map_process *p)
{
    if (p->affinity[0] != '\0')
        cpu_ranges(j, "affinity", p->affinity);
    if (p->policy != 0)
        rn_json_int(j, "policy", p->policy);
    if (p->rt_priority != 0)
        rn_json_int(j, "priority", p->rt_priority);
    if (p->nice != 0)
        rn_json_int(j, "nice", p->nice);
}

#define API_PATH_BYTES 160u /* a socket's path has 108 at most */

/* As it is reached from the machine's own root, whichever root the engine has. */
static const char *api_path(const struct rn_map_container *c, char buf[API_PATH_BYTES])
{
    const struct rn_map_engine *e = c != NULL ? c->engine : NULL;

    if (e == NULL || e->api_path[0] == '\0')
        return "";
    (void)snprintf(buf, API_PATH_BYTES, "unix:///proc/%" PRIu32 "/root%s", e->pid, e->api_path);
    return buf;
}

static void tenant(struct rn_json *j, const struct rn_map *map, const struct rn_map_tenant *t)
{
    const struct rn_map_container *c = t->container;
    bool is_paused = c != NULL ? c->is_paused : t->process->is_frozen;
    const char *kind = container_type(c);
    char text[RN_NAME_BYTES];
    char path[API_PATH_BYTES];

    if (strcmp(kind, "proc") == 0)
        c = NULL;
    rn_json_open(j, NULL, '{');
    rn_json_text(j, "cmdline", t->process->cmdline);
    dns(j, t->dns);
    rn_json_text(j, "group", group_id(map, c, text));
    rn_json_text(j, "id", rn_gw_container_id(t->process, text));
    rn_json_text(j, "name", rn_name_tenant(t, text));
    rn_json_text(j, "prefix", "");
    container_labels(j, c);
    rn_json_text(j, "api-path", api_path(c, path));
    process_details(j, t->process);
    rn_json_text(j, "status", is_paused ? "paused" : "running");
    type(j, kind);
    scheduling(j, t->process);
    rn_json_close(j, '}');
}

/* The page falls over a namespace without containers: one that nobody lives in gets an entry named after its reference. */
static void stand_in(struct rn_json *j, const struct rn_map_netns *ns)
{
    char id[RN_GW_ID_BYTES];
    const char *path = ns->n_refs != 0 && ns->refs[0].path[0] != '\0' ? ns->refs[0].path : ns->name;

    (void)snprintf(id, sizeof(id), "bmnt-%" PRIu64, ns->ino);
    rn_json_open(j, NULL, '{');
    rn_json_text(j, "cmdline", "");
    dns(j, NULL);
    rn_json_text(j, "group", "");
    rn_json_text(j, "id", id);
    rn_json_text(j, "name", path[0] != '\0' ? path : id);
    rn_json_text(j, "prefix", "");
    rn_json_text(j, "api-path", "");
    rn_json_int(j, "pid", 0);
    rn_json_int(j, "pidns", 0);
    rn_json_text(j, "pidns-idref", "");
    rn_json_text(j, "status", "running");
    type(j, "bindmount");
    rn_json_close(j, '}');
}

static void containers(struct rn_json *j, const struct rn_map *map, const struct rn_map_netns *ns)
{
    size_t n = 0;

    rn_json_open(j, "containers", '[');
    for (size_t i = 0; i < ns->n_tenants; i++) {
        if (!rn_gw_is_tenant(&ns->tenants[i]))
            continue;
        tenant(j, map, &ns->tenants[i]);
        n++;
    }
    if (n == 0)
        stand_in(j, ns);
    rn_json_close(j, ']');
}

static bool is_grouped(const struct rn_map_tenant *t)
{
    return rn_gw_is_tenant(t) && t->container != NULL && t->container->pod[0] != '\0' &&
           strcmp(container_type(t->container), "proc") != 0;
}

static bool is_first_of_pod(const struct rn_map_netns *ns, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (is_grouped(&ns->tenants[i]) &&
            strcmp(ns->tenants[i].container->pod, ns->tenants[at].container->pod) == 0)
            return false;
    }
    return true;
}

static void groups(struct rn_json *j, const struct rn_map *map, const struct rn_map_netns *ns)
{
    char id[RN_GW_ID_BYTES];

    rn_json_open(j, "container-groups", '[');
    for (size_t i = 0; i < ns->n_tenants; i++) {
        const struct rn_map_container *c = ns->tenants[i].container;

        if (!is_grouped(&ns->tenants[i]) || !is_first_of_pod(ns, i))
            continue;
        rn_json_open(j, NULL, '{');
        rn_json_open(j, "container-idrefs", '[');
        for (size_t k = i; k < ns->n_tenants; k++) {
            if (is_grouped(&ns->tenants[k]) && strcmp(ns->tenants[k].container->pod, c->pod) == 0)
                rn_json_text(j, NULL, rn_gw_container_id(ns->tenants[k].process, id));
        }
        rn_json_close(j, ']');
        rn_json_text(j, "id", group_id(map, c, id));
        rn_json_text(j, "name", c->pod);
        rn_json_text(j, "type", "pod");
        rn_json_text(j, "type-text", "Pod");
        rn_json_close(j, '}');
    }
    rn_json_close(j, ']');
}

static void netns(struct rn_json *j, const struct rn_draw *draw, const struct rn_map_netns *ns)
{
    char id[RN_GW_ID_BYTES];

    (void)snprintf(id, sizeof(id), "netns-%" PRIu64, ns->ino);
    rn_json_open(j, NULL, '{');
    groups(j, draw->map, ns);
    containers(j, draw->map, ns);
    rn_json_text(j, "id", id);
    rn_json_int(j, "netnsid", (int64_t)ns->ino);
    rn_gw_nifs(j, ns);
    rn_gw_routes(j, ns);
    rn_gw_ports(j, draw, ns);
    rn_json_close(j, '}');
}

/* No filter applies: the page must find all that is referred to. Namespaces without an inode have no place in it. */
void rn_draw_gostwire(const struct rn_draw *draw, struct rn_out *out)
{
    struct rn_json j = { .out = out, .is_pretty = draw->is_pretty };

    rn_json_open(&j, NULL, '{');
    metadata(&j, draw);
    rn_json_open(&j, "network-namespaces", '[');
    for (size_t i = 0; i < draw->map->n_netns; i++) {
        if (draw->map->netns[i]->ino != 0)
            netns(&j, draw, draw->map->netns[i]);
    }
    rn_json_close(&j, ']');
    rn_gw_pid_namespaces(&j, draw->map);
    rn_json_close(&j, '}');
    rn_out_char(out, '\n');
}
