/* What is text: control groups, files of tenants, tables of /proc/net, engines' answers. */
#include "discovery/redact.h"

#include "base/text.h"
#include "discovery/engine_names.h"
#include "host/cgroup.h"
#include "host/proc.h"

#include <jansson.h>
#include <stdlib.h>

static const struct {
    const char *before, *after;
} cgroup_forms[] = {
    [RN_CGROUP_OTHER] = { "0::/", "" },
    [RN_CGROUP_DOCKER] = { "0::/docker/", "" },
    [RN_CGROUP_PODMAN] = { "0::/libpod-", "" },
    [RN_CGROUP_CONTAINERD] = { "0::/default/", "" },
    [RN_CGROUP_CRIO] = { "0::/crio-", "" },
    [RN_CGROUP_LXC] = { "0::/lxc.payload.", "" },
    [RN_CGROUP_NSPAWN] = { "0::/machine-", ".scope" },
    [RN_CGROUP_UNIT] = { "0::/", ".service" },
};

/* Nothing of the path stays but what kind of thing it names. */
void rn_redact_cgroup(struct rn_redact *r, struct rn_view text)
{
    struct rn_cgroup_id id;
    char word[RN_REDACT_ID_BYTES];
    char path[256];
    struct rn_text t = rn_text_of(path, sizeof(path));

    if (!rn_cgroup_identify(rn_proc_cgroup_path(text), &id)) {
        rn_dump_str(&r->out, "0::/");
        return;
    }
    if (id.pod.len != 0) {
        rn_text_str(&t, "0::/libpod_parent/");
        rn_text_str(&t, rn_redact_id(r, id.pod, word));
        rn_text_str(&t, "/libpod-");
    } else {
        rn_text_str(&t, cgroup_forms[id.kind].before);
    }
    rn_text_str(&t, id.is_hash ? rn_redact_id(r, id.id, word) : rn_redact_name(r, id.id, word));
    rn_text_str(&t, cgroup_forms[id.kind].after);
    rn_dump_str(&r->out, path);
}

/* ---- files ---- */

static void put_str(struct rn_redact *r, const char *s)
{
    rn_dump_bytes(&r->out, rn_view_of(s, strlen(s)));
}

static void put_word(struct rn_redact *r, struct rn_view word)
{
    char text[RN_ADDR_TEXT_BYTES];
    char name[RN_REDACT_NAME_BYTES];
    struct rn_text t = rn_text_of(text, sizeof(text));
    struct rn_addr a;

    rn_text_strn(&t, (const char *)word.ptr, word.len);
    if (!t.cut && rn_addr_parse(text, &a) == RN_OK)
        put_str(r, rn_addr_print(rn_redact_addr(r, a), text));
    else
        put_str(r, rn_redact_name(r, word, name));
}

/* @n_kept words stay: keywords. Comments go. */
static void put_line(struct rn_redact *r, struct rn_view line, unsigned n_kept)
{
    struct rn_view word;

    while (rn_text_next_word(&line, &word) && word.ptr[0] != '#' && word.ptr[0] != ';') {
        if (n_kept != 0)
            rn_dump_bytes(&r->out, word);
        else
            put_word(r, word);
        n_kept -= n_kept != 0;
        put_str(r, " ");
    }
    put_str(r, "\n");
}

static bool is_keyword(struct rn_view line)
{
    return rn_view_starts(line, "nameserver") || rn_view_starts(line, "search") ||
           rn_view_starts(line, "domain") || rn_view_starts(line, "sortlist");
}

static void put_lines(struct rn_redact *r, enum rn_dump_file which, struct rn_view text)
{
    struct rn_view line;

    while (rn_text_next_line(&text, &line)) {
        if (which == RN_FILE_HOSTS)
            put_line(r, line, 0);
        else if (which == RN_FILE_RESOLV_CONF && is_keyword(line))
            put_line(r, line, 1);
        else if ((which == RN_FILE_RESOLV_CONF && rn_view_starts(line, "options")) ||
                 (which == RN_FILE_NSSWITCH && rn_view_starts(line, "hosts:")))
            put_line(r, line, UINT16_MAX);
    }
}

void rn_redact_file(struct rn_redact *r, enum rn_dump_file which, struct rn_view text)
{
    char name[RN_REDACT_NAME_BYTES];
    struct rn_view line;

    if (which == RN_FILE_STATUS || which == RN_FILE_SAME_AS) {
        rn_dump_bytes(&r->out, text); /* numbers, and the program's name */
    } else if (which == RN_FILE_CMDLINE) {
        rn_dump_bytes(&r->out, rn_redact_cmdline(text));
    } else if (which == RN_FILE_UTS_HOSTNAME || which == RN_FILE_HOSTNAME ||
               which == RN_FILE_DOMAINNAME) {
        if (rn_text_next_line(&text, &line) && rn_text_next_word(&line, &text))
            put_str(r, rn_redact_name(r, text, name));
    } else {
        put_lines(r, which, text);
    }
}

/* ---- /proc/net/raw and its like ---- */

static void put_hex_endpoint(struct rn_redact *r, struct rn_view word)
{
    uint8_t bytes[16];
    char text[40];
    struct rn_text t = rn_text_of(text, sizeof(text));
    const uint8_t *colon = memchr(word.ptr, ':', word.len);
    size_t digits = colon != NULL ? (size_t)(colon - word.ptr) : 0;
    size_t len = digits / 2;

    if ((len != 4 && len != 16) || digits % 8 != 0)
        return;
    for (size_t i = 0; i < len; i += 4) { /* words in the machine's order */
        uint64_t n = 0;
        uint32_t w;

        if (!rn_text_number(rn_view_of(word.ptr + i * 2, 8), 16, &n))
            return;
        w = (uint32_t)n;
        memcpy(bytes + i, &w, sizeof(w));
    }
    rn_redact_addr_bytes(r, bytes, len, (unsigned)len * 8);
    for (size_t i = 0; i < len; i += 4) {
        uint32_t w;

        memcpy(&w, bytes + i, sizeof(w));
        rn_text_hex(&t, w, 8);
    }
    put_str(r, text);
    rn_dump_bytes(&r->out, rn_view_of(colon, word.len - digits));
}

void rn_redact_procnet(struct rn_redact *r, struct rn_view text)
{
    struct rn_view line;
    struct rn_view word;
    bool is_heading = true;

    while (rn_text_next_line(&text, &line)) {
        for (unsigned i = 0; rn_text_next_word(&line, &word); i++) {
            if (!is_heading && (i == 1 || i == 2))
                put_hex_endpoint(r, word);
            else
                rn_dump_bytes(&r->out, word);
            put_str(r, " ");
        }
        put_str(r, "\n");
        is_heading = false;
    }
}

/* ---- engines: what engine_names.c reads, and nothing else ---- */

static void set_name(const struct rn_redact *r, json_t *to, const char *key, const char *value)
{
    char name[RN_REDACT_NAME_BYTES];

    if (value != NULL && value[0] != '\0')
        json_object_set_new(to, key,
                            json_string(rn_redact_name(r, rn_view_of(value, strlen(value)), name)));
}

static const char *get(const json_t *from, const char *key)
{
    return json_string_value(json_object_get(from, key));
}

static void set_id(const struct rn_redact *r, json_t *to, const char *id)
{
    char text[RN_REDACT_ID_BYTES];

    if (id != NULL)
        json_object_set_new(to, "Id",
                            json_string(rn_redact_id(r, rn_view_of(id, strlen(id)), text)));
}

static json_t *labels_of(const struct rn_redact *r, const json_t *from)
{
    static const char *const keys[] = { "com.docker.compose.project", "com.docker.compose.service",
                                        "io.podman.compose.project", "io.kubernetes.pod.name" };
    json_t *to = json_object();

    for (size_t i = 0; i < RN_ARRAY_LEN(keys); i++)
        set_name(r, to, keys[i], get(from, keys[i]));
    return to;
}

static json_t *container_of(const struct rn_redact *r, const json_t *from)
{
    const char *name = json_string_value(json_array_get(json_object_get(from, "Names"), 0));
    json_t *to = json_object();
    json_t *names = json_array();
    char word[RN_REDACT_NAME_BYTES];

    if (name != NULL && name[0] == '/')
        name++;
    if (name != NULL && name[0] != '\0')
        json_array_append_new(names,
                              json_string(rn_redact_name(r, rn_view_of(name, strlen(name)), word)));
    set_id(r, to, get(from, "Id"));
    json_object_set_new(to, "Names", names);
    set_name(r, to, "Image", get(from, "Image"));
    set_name(r, to, "PodName", get(from, "PodName"));
    if (get(from, "State") != NULL && strcmp(get(from, "State"), "paused") == 0)
        json_object_set_new(to, "State", json_string("paused"));
    json_object_set_new(to, "Labels", labels_of(r, json_object_get(from, "Labels")));
    return to;
}

/* Docker names a bridge after the network's id; that name is replaced as a name, so it is told. */
static json_t *network_of(const struct rn_redact *r, const json_t *from)
{
    const json_t *options = json_object_get(from, "Options");
    const char *id = get(from, "Id");
    const char *link = get(from, "network_interface");
    char bridge[16];
    struct rn_text t = rn_text_of(bridge, sizeof(bridge));
    json_t *to = json_object();

    if (link == NULL)
        link = get(options, "com.docker.network.bridge.name");
    if (link == NULL)
        link = get(options, "parent");
    if (link == NULL && id != NULL && strlen(id) >= 12) {
        rn_text_str(&t, "br-");
        rn_text_strn(&t, id, 12);
        link = bridge;
    }
    set_name(r, to, "network_interface", link);
    set_name(r, to, "Name", get(from, "Name") != NULL ? get(from, "Name") : get(from, "name"));
    if (get(options, "com.docker.network.bridge.default_bridge") != NULL)
        json_object_set_new(to, "Options",
                            json_pack("{s:s}", "com.docker.network.bridge.default_bridge", "true"));
    json_object_set_new(to, "Internal",
                        json_boolean(json_is_true(json_object_get(from, "Internal")) ||
                                     json_is_true(json_object_get(from, "internal"))));
    return to;
}

static json_t *version_of(const json_t *from)
{
    json_t *to = json_object();

    json_object_set(to, "Version", json_object_get(from, "Version"));
    return to;
}

/* Who is privileged, and names; of all else nothing, the environment least of all. */
static json_t *bundle_of(const struct rn_redact *r, const json_t *from)
{
    static const char *const keys[] = { "nerdctl/name",
                                        "io.kubernetes.cri.container-name",
                                        "io.kubernetes.container.name",
                                        "io.kubernetes.cri.sandbox-name",
                                        "io.kubernetes.cri.sandbox-namespace",
                                        "io.kubernetes.pod.name",
                                        "io.kubernetes.pod.namespace" };
    const json_t *annotations = json_object_get(from, "annotations");
    json_t *told = json_object();

    for (size_t i = 0; i < RN_ARRAY_LEN(keys); i++)
        set_name(r, told, keys[i], get(annotations, keys[i]));
    return json_pack("{s:o, s:{s:{s:[{s:b}]}}}", "annotations", told, "linux", "resources",
                     "devices", "allow", rn_oci_is_privileged(from));
}

static json_t *cni_of(const struct rn_redact *r, const json_t *from)
{
    json_t *to = json_object();
    json_t *plugins = json_array();
    size_t i;
    json_t *v;

    set_name(r, to, "name", get(from, "name"));
    json_array_foreach(json_object_get(from, "plugins"), i, v)
    {
        json_t *plugin = json_object();

        if (get(v, "type") != NULL && strcmp(get(v, "type"), "macvlan") == 0)
            json_object_set_new(plugin, "type", json_string("macvlan"));
        set_name(r, plugin, "bridge", get(v, "bridge"));
        set_name(r, plugin, "master", get(v, "master"));
        json_array_append_new(plugins, plugin);
    }
    json_object_set_new(to, "plugins", plugins);
    return to;
}

static json_t *document_of(const struct rn_redact *r, enum rn_dump_ask which, const json_t *from)
{
    switch (which) {
    case RN_ASK_VERSION:
        return version_of(from);
    case RN_ASK_BUNDLE:
        return bundle_of(r, from);
    case RN_ASK_CNI:
        return cni_of(r, from);
    case RN_ASK_NETWORK:
        return network_of(r, from);
    case RN_ASK_CONTAINERS:
    case RN_ASK_NETWORKS:
    case RN_ASK_PODS:
    default:
        return json_array();
    }
}

void rn_redact_engine(struct rn_redact *r, enum rn_dump_ask which, struct rn_view json)
{
    json_t *from = json_loadb((const char *)json.ptr, json.len, 0, NULL);
    json_t *to = document_of(r, which, from);
    char *text;
    json_t *v;
    size_t i;

    json_array_foreach(json_is_array(to) ? from : NULL, i, v)
    {
        if (which == RN_ASK_CONTAINERS)
            json_array_append_new(to, container_of(r, v));
        else if (which == RN_ASK_NETWORKS)
            json_array_append_new(to, network_of(r, v));
    }
    text = json_dumps(to, JSON_COMPACT);
    if (text != NULL)
        put_str(r, text);
    free(text);
    json_decref(to);
    json_decref(from);
}
