/* Containers as their runtimes were told to make them: OCI configurations, which say who is privileged and, in their
 * annotations, names and pods; and networks that are files. A configuration names only what lives below the process
 * that watches it, so that a false one can invent nothing but a name for its own. */
#include "discovery/engine_names.h"

#include "discovery/phases.h"
#include "host/proc.h"

#define DEPTH_MAX 64u /* of processes below a shim */

/* ---- the configuration ---- */

/* Every device allowed and nothing masked: what engines make of --privileged, and of nothing less. */
bool rn_oci_is_privileged(const json_t *config)
{
    const json_t *linux_part = json_object_get(config, "linux");
    const json_t *devices = json_object_get(json_object_get(linux_part, "resources"), "devices");
    bool allows_all = false;
    size_t i;
    json_t *v;

    if (json_array_size(json_object_get(linux_part, "maskedPaths")) != 0)
        return false;
    json_array_foreach(devices, i, v)
    {
        const char *type = json_string_value(json_object_get(v, "type"));

        allows_all |= json_is_true(json_object_get(v, "allow")) &&
                      json_object_get(v, "major") == NULL &&
                      (type == NULL || strcmp(type, "a") == 0);
    }
    return allows_all;
}

static const char *annotation(struct rn_load *l, const json_t *config, const char *key)
{
    const char *s = json_string_value(json_object_get(json_object_get(config, "annotations"), key));

    return s != NULL ? rn_arena_strdup(&l->map->arena, s) : "";
}

static const char *first_of(struct rn_load *l, const json_t *config, const char *const keys[3])
{
    const char *s = "";

    for (unsigned i = 0; i < 3 && s[0] == '\0' && keys[i] != NULL; i++)
        s = annotation(l, config, keys[i]);
    return s;
}

/* "namespace/name", as Kubernetes writes it. */
static const char *pod_of(struct rn_load *l, const json_t *config)
{
    static const char *const names[] = { "io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name",
                                         NULL };
    static const char *const spaces[] = { "io.kubernetes.cri.sandbox-namespace",
                                          "io.kubernetes.pod.namespace", NULL };
    const char *name = first_of(l, config, names);
    const char *ns = first_of(l, config, spaces);

    return name[0] != '\0' && ns[0] != '\0' ? rn_arena_join(&l->map->arena, ns, "/", name) : name;
}

/* ---- whose it is ---- */

static bool is_below(const struct rn_map_process *p, uint32_t pid)
{
    for (unsigned i = 0; p != NULL && i < DEPTH_MAX; i++, p = p->parent) {
        if (p->pid == pid)
            return true;
    }
    return false;
}

/* root's helpers, or whose it is: of a pod's containers one shim tells all, and it may be another pod's. */
static bool may_name(const struct rn_map_container *c, const struct rn_fact_blob *blob)
{
    return blob->uid == 0 || is_below(c->process, blob->pid);
}

/* A container whose control group has a name of its user's choosing: it is what lives below its shim. */
static struct rn_map_container *claim(struct rn_load *l, const struct rn_fact_blob *blob,
                                      const char *id)
{
    struct rn_map_container *c = NULL;

    for (size_t i = 0; i < l->map->n_processes; i++) {
        struct rn_map_process *p = l->map->processes[i];

        if (p->container != NULL || p->pid == blob->pid || !is_below(p->parent, blob->pid))
            continue;
        if (c == NULL) {
            c = rn_model_add_container(l->map);
            if (c == NULL)
                return NULL;
            c->id = id;
            c->name = id;
            c->process =
                p; /* pids ascend, and a shim's first child is the container's first process */
            c->netns = p->netns;
        }
        p->container = c;
    }
    return c;
}

/* ---- containers ---- */

static bool is_plain_namespace(struct rn_view ns)
{
    return ns.len == 0 || rn_view_is(ns, "default") || rn_view_is(ns, "moby") ||
           rn_view_is(ns, "k8s.io");
}

static void name_it(struct rn_load *l, struct rn_map_container *c, struct rn_view ns,
                    const json_t *config)
{
    static const char *const keys[] = { "nerdctl/name", "io.kubernetes.cri.container-name",
                                        "io.kubernetes.container.name" };
    const char *name = first_of(l, config, keys);

    if (name[0] != '\0')
        c->name = name;
    else if (rn_view_is(ns, "k8s.io") && c->pod[0] != '\0')
        c->name = "pause"; /* the process that holds a pod's namespaces has no name of its own */
    if (!is_plain_namespace(ns))
        c->name = rn_arena_join(&l->map->arena, rn_load_str(l, ns), "/", c->name);
}

static void read_bundle(struct rn_load *l, const struct rn_fact_blob *blob)
{
    const char *slash = strrchr(blob->path, '/');
    const char *id = slash != NULL ? slash + 1 : blob->path;
    struct rn_view ns = rn_view_of(blob->path, slash != NULL ? (size_t)(slash - blob->path) : 0);
    json_t *config = json_loadb((const char *)blob->bytes.ptr, blob->bytes.len, 0, NULL);
    struct rn_map_container *c = config != NULL ? rn_model_container_by_id(l->map, id) : NULL;

    if (config != NULL && c == NULL)
        c = claim(l, blob, id);
    if (c != NULL && c->process != NULL && may_name(c, blob)) {
        if (c->engine_kind == RN_ENGINE_OTHER)
            c->engine_kind =
                rn_view_is(ns, "moby") ? RN_ENGINE_DOCKER : (enum rn_map_engine_kind)blob->kind;
        c->is_privileged = rn_oci_is_privileged(config);
        c->is_rootless = blob->uid != 0;
        c->uid = blob->uid;
        c->pod = c->pod[0] != '\0' ? c->pod : pod_of(l, config);
        name_it(l, c, ns, config);
    }
    json_decref(config);
}

void rn_engine_bundles(struct rn_load *l)
{
    for (size_t i = 0; i < l->n_engines; i++) {
        if (l->engines[i].table == RN_ASK_BUNDLE)
            read_bundle(l, &l->engines[i]);
    }
    for (size_t i = 0; i < l->map->n_containers; i++) {
        struct rn_map_container *c = l->map->containers[i];

        c->is_paused |= c->process != NULL && c->process->is_frozen;
    }
}

/* ---- networks of CNI: nerdctl's, and whoever else's ---- */

void rn_engine_cni(struct rn_load *l, const struct rn_fact_blob *blob, const json_t *doc)
{
    const struct rn_map_process *p = rn_model_process(l->map, blob->pid);
    const char *name = json_string_value(json_object_get(doc, "name"));
    size_t i;
    json_t *plugin;

    json_array_foreach(json_object_get(doc, "plugins"), i, plugin)
    {
        const char *type = json_string_value(json_object_get(plugin, "type"));
        const char *key = type != NULL && strcmp(type, "macvlan") == 0 ? "master" : "bridge";
        const char *of = json_string_value(json_object_get(plugin, key));
        struct rn_map_link *link = of != NULL && p != NULL && p->netns != NULL
                                       ? rn_model_link_by_name(p->netns, of)
                                       : NULL;

        if (link != NULL && name != NULL && link->network[0] == '\0')
            link->network = rn_arena_strdup(&l->map->arena, name);
    }
}
