/* What container engines call things: names, labels, projects, pods, networks. Only what cgroups have already shown to
 * exist is named, so that a false engine can invent nothing. */
#include "discovery/engine_names.h"

#include "discovery/phases.h"
#include "host/proc.h"

#define LABELS_MAX 256u

static const char *text_of(struct rn_load *l, const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    return json_is_string(v) ? rn_arena_strdup(&l->map->arena, json_string_value(v)) : "";
}

static void read_labels(struct rn_load *l, json_t *object, struct rn_map_label **list, size_t *n)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        struct rn_map_label *grown;

        if (*n == LABELS_MAX || !json_is_string(value))
            continue;
        grown = rn_arena_room(&l->map->arena, *list, *n, sizeof(*grown));
        if (grown == NULL)
            return;
        *list = grown;
        grown[*n].key = rn_arena_strdup(&l->map->arena, key);
        grown[(*n)++].value = rn_arena_strdup(&l->map->arena, json_string_value(value));
    }
}

static struct rn_map_engine *engine_of(struct rn_load *l, const struct rn_fact_blob *blob)
{
    for (size_t i = 0; i < l->map->n_engines; i++) {
        if (l->map->engines[i]->pid == blob->pid)
            return l->map->engines[i];
    }
    return NULL;
}

static struct rn_map_engine *add_engine(struct rn_load *l, const struct rn_fact_blob *blob)
{
    struct rn_map_engine *e = engine_of(l, blob);

    if (e != NULL)
        return e;
    e = rn_model_add_engine(l->map);
    if (e == NULL)
        return NULL;
    e->kind = (enum rn_map_engine_kind)blob->kind;
    e->pid = blob->pid;
    e->uid = blob->uid;
    e->api_path = blob->path;
    return e;
}

/* ---- containers ---- */

/* Docker: Names ["/web"]; podman: Names ["web"]. A name with more slashes is a link of another container. */
static const char *name_of(struct rn_load *l, const json_t *c)
{
    const json_t *names = json_object_get(c, "Names");
    size_t i;
    json_t *v;

    json_array_foreach(names, i, v)
    {
        const char *s = json_string_value(v);

        if (s != NULL && s[0] == '/')
            s++;
        if (s != NULL && s[0] != '\0' && strchr(s, '/') == NULL)
            return rn_arena_strdup(&l->map->arena, s);
    }
    return "";
}

static const char *label(const struct rn_map_container *c, const char *key)
{
    for (size_t i = 0; i < c->n_labels; i++) {
        if (strcmp(c->labels[i].key, key) == 0)
            return c->labels[i].value;
    }
    return "";
}

static const char *or_else(const char *s, const char *other)
{
    return s[0] != '\0' ? s : other;
}

static void name_container(struct rn_load *l, struct rn_map_engine *engine, const json_t *doc)
{
    const char *id = json_string_value(json_object_get(doc, "Id"));
    struct rn_map_container *c = id != NULL ? rn_model_container_by_id(l->map, id) : NULL;

    if (c == NULL || c->engine != NULL)
        return;
    c->engine = engine;
    c->engine_kind = engine->kind;
    c->uid = engine->uid;
    c->is_rootless = engine->uid != 0;
    c->name = or_else(name_of(l, doc), c->name);
    c->image = text_of(l, doc, "Image");
    c->labels = NULL; /* what the engine says replaces what files said */
    c->n_labels = 0;
    c->is_paused |= strcmp(text_of(l, doc, "State"), "paused") == 0;
    read_labels(l, json_object_get(doc, "Labels"), &c->labels, &c->n_labels);
    c->project =
        or_else(label(c, "com.docker.compose.project"), label(c, "io.podman.compose.project"));
    c->service = label(c, "com.docker.compose.service");
    c->pod =
        or_else(or_else(text_of(l, doc, "PodName"), label(c, "io.kubernetes.pod.name")), c->pod);
}

/* ---- networks ---- */

static struct rn_map_netns *netns_of_engine(struct rn_load *l, const struct rn_map_engine *e)
{
    struct rn_map_process *p = rn_model_process(l->map, e->pid);

    return p != NULL ? p->netns : NULL;
}

/* The link a network is made of: its bridge, or the link its macvlans stand on. */
static struct rn_map_link *link_of_network(struct rn_map_netns *ns, const json_t *doc)
{
    const json_t *options = json_object_get(doc, "Options");
    const char *name = json_string_value(json_object_get(doc, "network_interface"));
    const char *id = json_string_value(json_object_get(doc, "Id"));
    char bridge[16] = "br-";

    if (name == NULL)
        name = json_string_value(json_object_get(options, "com.docker.network.bridge.name"));
    if (name == NULL)
        name = json_string_value(json_object_get(options, "parent"));
    if (name == NULL && id != NULL && strlen(id) >= 12) {
        memcpy(bridge + 3, id, 12);
        bridge[15] = '\0';
        name = bridge;
    }
    return name != NULL ? rn_model_link_by_name(ns, name) : NULL;
}

/* Options are texts, whatever they mean. */
static bool text_says_true(const json_t *v)
{
    const char *s = json_string_value(v);

    return s != NULL && strcmp(s, "true") == 0;
}

static void name_network(struct rn_load *l, const struct rn_map_engine *engine, const json_t *doc)
{
    struct rn_map_netns *ns = netns_of_engine(l, engine);
    struct rn_map_link *link = ns != NULL ? link_of_network(ns, doc) : NULL;

    if (link == NULL || link->network[0] != '\0')
        return;
    link->network = or_else(text_of(l, doc, "Name"), text_of(l, doc, "name"));
    link->is_network_default = text_says_true(json_object_get(
        json_object_get(doc, "Options"), "com.docker.network.bridge.default_bridge"));
    link->is_network_internal = json_is_true(json_object_get(doc, "Internal")) ||
                                json_is_true(json_object_get(doc, "internal"));
    read_labels(l, json_object_get(doc, "Labels"), &link->labels, &link->n_labels);
    read_labels(l, json_object_get(doc, "labels"), &link->labels, &link->n_labels);
}

/* ---- answers ---- */

/* Networks of engines that were not asked: no engine is made of them. */
static void read_file(struct rn_load *l, const struct rn_fact_blob *blob)
{
    json_t *doc = json_loadb((const char *)blob->bytes.ptr, blob->bytes.len, 0, NULL);
    const struct rn_map_engine at = { .pid = blob->pid };

    if (doc != NULL && blob->table == RN_ASK_CNI)
        rn_engine_cni(l, blob, doc);
    else if (doc != NULL && blob->table == RN_ASK_NETWORK)
        name_network(l, &at, doc);
    json_decref(doc);
}

static bool is_file(const struct rn_fact_blob *blob)
{
    return blob->table == RN_ASK_BUNDLE || blob->table == RN_ASK_CNI ||
           blob->table == RN_ASK_NETWORK;
}

static void read_answer(struct rn_load *l, const struct rn_fact_blob *blob)
{
    json_t *doc = json_loadb((const char *)blob->bytes.ptr, blob->bytes.len, 0, NULL);
    struct rn_map_engine *engine = doc != NULL ? add_engine(l, blob) : NULL;
    size_t i;
    json_t *v;

    if (engine != NULL && blob->table == RN_ASK_VERSION)
        engine->version = text_of(l, doc, "Version");
    json_array_foreach(engine != NULL ? doc : NULL, i, v)
    {
        if (blob->table == RN_ASK_CONTAINERS)
            name_container(l, engine, v);
        else if (blob->table == RN_ASK_NETWORKS)
            name_network(l, engine, v);
    }
    if (doc == NULL)
        rn_model_note(l->map, (struct rn_map_unreadable){ .what = "engine",
                                                          .id = blob->path,
                                                          .why = "its answer is no JSON" });
    json_decref(doc);
}

/* Podman needs no service; but every container has a monitor whose arguments name it: conmon -c ID ... -n NAME. */
static void read_conmon(struct rn_load *l, const struct rn_map_process *p)
{
    struct rn_view rest = rn_view_of(p->cmdline, strlen(p->cmdline));
    const char *id = "";
    const char *name = "";
    struct rn_map_container *c;
    struct rn_view word;

    while (rn_text_next_word(&rest, &word)) {
        bool is_id = rn_view_is(word, "-c");

        if (!is_id && !rn_view_is(word, "-n"))
            continue;
        if (!rn_text_next_word(&rest, &word))
            break;
        if (is_id)
            id = rn_load_str(l, word);
        else
            name = rn_load_str(l, word);
    }
    c = rn_model_container_by_id(l->map, id);
    if (c == NULL || c->engine != NULL || name[0] == '\0')
        return;
    c->name = name;
    if (c->engine_kind == RN_ENGINE_OTHER)
        c->engine_kind = RN_ENGINE_PODMAN;
}

void rn_engine_names(struct rn_load *l)
{
    for (size_t i = 0; i < l->n_engines; i++) {
        if (!is_file(&l->engines[i]))
            read_answer(l, &l->engines[i]);
    }
    for (size_t i = 0; i < l->n_engines; i++) {
        if (is_file(&l->engines[i]))
            read_file(l, &l->engines[i]);
    }
    for (size_t i = 0; i < l->map->n_processes; i++) {
        if (strcmp(l->map->processes[i]->comm, "conmon") == 0)
            read_conmon(l, l->map->processes[i]);
    }
}
