/* The picture for programs: runnel.map/1, described by share/runnel.map-1.schema.json. Within 1, members are only added. */
#include "discovery/draw_json.h"

#include "base/text.h"
#include "discovery/draw.h"
#include "discovery/name.h"

char *rn_json_netns_id(const struct rn_map *map, const struct rn_map_netns *ns,
                       char buf[RN_JSON_ID_BYTES])
{
    struct rn_text t = rn_text_of(buf, RN_JSON_ID_BYTES);

    rn_text_str(&t, "net-");
    if (ns->ino != 0) {
        rn_text_u64(&t, ns->ino);
        return buf;
    }
    for (size_t i = 0; i < map->n_netns; i++) {
        if (map->netns[i] == ns) {
            rn_text_char(&t, '#');
            rn_text_u64(&t, i);
        }
    }
    return buf;
}

void rn_json_link_ref(struct rn_json *j, const char *key, const struct rn_map *map,
                      const struct rn_map_link *link)
{
    char id[RN_JSON_ID_BYTES];

    if (link == NULL) {
        rn_json_null(j, key);
        return;
    }
    rn_json_open(j, key, '{');
    rn_json_text(j, "netns", rn_json_netns_id(map, link->netns, id));
    rn_json_int(j, "index", link->index);
    rn_json_text(j, "name", link->name);
    rn_json_close(j, '}');
}

void rn_json_pids(struct rn_json *j, const char *key, struct rn_map_process *const *list, size_t n)
{
    rn_json_open(j, key, '[');
    for (size_t i = 0; i < n; i++)
        rn_json_int(j, NULL, list[i]->pid);
    rn_json_close(j, ']');
}

/* Labels are a list, since keys are somebody else's and may come twice. */
void rn_json_labels(struct rn_json *j, const char *key, const struct rn_map_label *labels, size_t n)
{
    rn_json_open(j, key, '[');
    for (size_t i = 0; i < n; i++) {
        rn_json_open(j, NULL, '{');
        rn_json_text(j, "key", labels[i].key);
        rn_json_text(j, "value", labels[i].value);
        rn_json_close(j, '}');
    }
    rn_json_close(j, ']');
}

static void host(struct rn_json *j, const struct rn_map *map)
{
    const struct rn_map_host *h = &map->host;

    rn_json_open(j, "host", '{');
    rn_json_text(j, "hostname", h->hostname);
    rn_json_text(j, "os_name", h->os_name);
    rn_json_text(j, "os_version", h->os_version);
    rn_json_text(j, "kernel", h->kernel);
    rn_json_text(j, "cpus_online", h->cpus_online);
    rn_json_u64(j, "taken_unix_s", h->taken_unix_s);
    rn_json_int(j, "scanner_uid", h->scanner_uid);
    rn_json_hex(j, "scanner_caps", h->scanner_caps);
    rn_json_close(j, '}');
}

static void refs(struct rn_json *j, const struct rn_map_netns *ns)
{
    rn_json_open(j, "refs", '[');
    for (size_t i = 0; i < ns->n_refs; i++) {
        const struct rn_map_ref *ref = &ns->refs[i];

        rn_json_open(j, NULL, '{');
        rn_json_text(j, "found_by", rn_map_found_by_text(ref->found_by));
        rn_json_text(j, "path", ref->path);
        rn_json_int(j, "pid", ref->pid);
        rn_json_int(j, "fd", ref->fd);
        rn_json_u64(j, "mntns_id", ref->mntns_id);
        rn_json_close(j, '}');
    }
    rn_json_close(j, ']');
}

static void tenants(struct rn_json *j, const struct rn_map_netns *ns)
{
    rn_json_open(j, "tenants", '[');
    for (size_t i = 0; i < ns->n_tenants; i++) {
        const struct rn_map_tenant *t = &ns->tenants[i];

        rn_json_open(j, NULL, '{');
        if (t->process != NULL)
            rn_json_int(j, "pid", t->process->pid);
        else
            rn_json_null(j, "pid");
        if (t->container != NULL)
            rn_json_text(j, "container", t->container->id);
        else
            rn_json_null(j, "container");
        rn_json_dns(j, "dns", t->dns);
        rn_json_close(j, '}');
    }
    rn_json_close(j, ']');
}

static void nsids(struct rn_json *j, const struct rn_map *map, const struct rn_map_netns *ns)
{
    char id[RN_JSON_ID_BYTES];

    rn_json_open(j, "nsids", '[');
    for (size_t i = 0; i < ns->n_nsids; i++) {
        rn_json_open(j, NULL, '{');
        rn_json_int(j, "nsid", ns->nsids[i].nsid);
        if (ns->nsids[i].netns != NULL)
            rn_json_text(j, "netns", rn_json_netns_id(map, ns->nsids[i].netns, id));
        else
            rn_json_null(j, "netns");
        rn_json_close(j, '}');
    }
    rn_json_close(j, ']');
}

static void contents(struct rn_json *j, const struct rn_draw *draw, const struct rn_map_netns *ns)
{
    rn_json_open(j, "links", '[');
    for (size_t i = 0; i < ns->n_links; i++) {
        if (rn_select_link(&draw->select, ns->links[i]))
            rn_json_link(j, draw->map, ns->links[i]);
    }
    rn_json_close(j, ']');
    rn_json_routing(j, draw->map, ns);
    rn_json_open(j, "sockets", '[');
    for (size_t i = 0; i < ns->n_socks; i++) {
        if (rn_select_sock(&draw->select, &ns->socks[i]))
            rn_json_sock(j, &ns->socks[i]);
    }
    rn_json_close(j, ']');
    rn_json_open(j, "forwards", '[');
    for (size_t i = 0; i < ns->n_fwds; i++) {
        if (rn_select_fwd(&draw->select, &ns->fwds[i]))
            rn_json_fwd(j, draw->map, &ns->fwds[i]);
    }
    rn_json_close(j, ']');
}

static void netns(struct rn_json *j, const struct rn_draw *draw, const struct rn_map_netns *ns)
{
    char text[RN_NAME_BYTES];

    rn_json_open(j, NULL, '{');
    rn_json_text(j, "id", rn_json_netns_id(draw->map, ns, text));
    rn_json_text(j, "title", rn_name_netns(draw->map, ns, text));
    rn_json_text(j, "name", ns->name);
    rn_json_u64(j, "inode", ns->ino);
    rn_json_u64(j, "device", ns->dev);
    rn_json_u64(j, "cookie", ns->cookie);
    rn_json_u64(j, "userns", ns->userns_ino);
    if (ns->owner_uid == UINT32_MAX)
        rn_json_null(j, "owner_uid");
    else
        rn_json_int(j, "owner_uid", ns->owner_uid);
    rn_json_bool(j, "initial", ns->is_initial);
    rn_json_bool(j, "current", ns->is_current);
    rn_json_bool(j, "entered", ns->is_entered);
    rn_json_int(j, "processes", ns->n_processes);
    refs(j, ns);
    tenants(j, ns);
    nsids(j, draw->map, ns);
    contents(j, draw, ns);
    rn_json_close(j, '}');
}

static void container(struct rn_json *j, const struct rn_map *map, const struct rn_map_container *c)
{
    char id[RN_JSON_ID_BYTES];

    rn_json_open(j, NULL, '{');
    rn_json_text(j, "id", c->id);
    rn_json_text(j, "name", c->name);
    rn_json_text(j, "engine", rn_map_engine_text(c->engine_kind));
    rn_json_text(j, "engine_api", c->engine != NULL ? c->engine->api_path : "");
    rn_json_text(j, "image", c->image);
    rn_json_text(j, "project", c->project);
    rn_json_text(j, "service", c->service);
    rn_json_text(j, "pod", c->pod);
    rn_json_labels(j, "labels", c->labels, c->n_labels);
    if (c->process != NULL)
        rn_json_int(j, "pid", c->process->pid);
    else
        rn_json_null(j, "pid");
    if (c->netns != NULL)
        rn_json_text(j, "netns", rn_json_netns_id(map, c->netns, id));
    else
        rn_json_null(j, "netns");
    rn_json_int(j, "uid", c->uid);
    rn_json_bool(j, "paused", c->is_paused);
    rn_json_bool(j, "privileged", c->is_privileged);
    rn_json_bool(j, "rootless", c->is_rootless);
    rn_json_close(j, '}');
}

static void engines(struct rn_json *j, const struct rn_map *map)
{
    rn_json_open(j, "engines", '[');
    for (size_t i = 0; i < map->n_engines; i++) {
        const struct rn_map_engine *e = map->engines[i];

        rn_json_open(j, NULL, '{');
        rn_json_text(j, "kind", rn_map_engine_text(e->kind));
        rn_json_text(j, "id", e->id);
        rn_json_text(j, "version", e->version);
        rn_json_text(j, "api", e->api_path);
        rn_json_int(j, "pid", e->pid);
        rn_json_int(j, "uid", e->uid);
        rn_json_close(j, '}');
    }
    rn_json_close(j, ']');
}

static void unreadable(struct rn_json *j, const struct rn_map *map)
{
    char id[RN_JSON_ID_BYTES];

    rn_json_open(j, "unreadable", '[');
    for (size_t i = 0; i < map->n_unreadable; i++) {
        const struct rn_map_unreadable *u = &map->unreadable[i];

        rn_json_open(j, NULL, '{');
        rn_json_text(j, "what", u->what);
        rn_json_text(j, "id", u->id);
        rn_json_text(j, "why", u->why);
        rn_json_text(j, "needs", u->needs);
        if (u->netns != NULL)
            rn_json_text(j, "netns", rn_json_netns_id(map, u->netns, id));
        else
            rn_json_null(j, "netns");
        rn_json_close(j, '}');
    }
    rn_json_close(j, ']');
}

void rn_draw_json(const struct rn_draw *draw, struct rn_out *out)
{
    struct rn_json j = { .out = out, .is_pretty = draw->is_pretty };
    const struct rn_map *map = draw->map;

    rn_json_open(&j, NULL, '{');
    rn_json_text(&j, "schema", "runnel.map/1");
    host(&j, map);
    rn_json_bool(&j, "initial_guessed", map->is_initial_guessed);
    rn_json_bool(&j, "redacted", map->is_redacted);
    rn_json_open(&j, "namespaces", '[');
    for (size_t i = 0; i < map->n_netns; i++) {
        if (rn_select_netns(&draw->select, map, map->netns[i]))
            netns(&j, draw, map->netns[i]);
    }
    rn_json_close(&j, ']');
    rn_json_open(&j, "containers", '[');
    for (size_t i = 0; i < map->n_containers; i++)
        container(&j, map, map->containers[i]);
    rn_json_close(&j, ']');
    engines(&j, map);
    rn_json_open(&j, "processes", '[');
    for (size_t i = 0; i < map->n_processes; i++)
        rn_json_process(&j, map, map->processes[i]);
    rn_json_close(&j, ']');
    unreadable(&j, map);
    rn_json_close(&j, '}');
    rn_out_char(out, '\n');
}
