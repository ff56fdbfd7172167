#include "discovery/select.h"

#include "discovery/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_PREFIX_MIN 4u /* characters of an id that are worth calling a prefix */

static bool container_is(const struct rn_map_container *c, const char *text)
{
    return strcmp(c->name, text) == 0 || strcmp(c->project, text) == 0 ||
           strcmp(c->pod, text) == 0 || strcmp(c->service, text) == 0 ||
           (strlen(text) >= ID_PREFIX_MIN && strncmp(c->id, text, strlen(text)) == 0);
}

static bool has_container(const struct rn_map_netns *ns, const char *text)
{
    for (size_t i = 0; i < ns->n_tenants; i++) {
        if (ns->tenants[i].container != NULL && container_is(ns->tenants[i].container, text))
            return true;
    }
    return false;
}

static bool has_ref(const struct rn_map_netns *ns, const char *path)
{
    for (size_t i = 0; i < ns->n_refs; i++) {
        if (strcmp(ns->refs[i].path, path) == 0)
            return true;
    }
    return false;
}

/* "4026531840" and "net:[4026531840]". 0: neither. */
static uint64_t number_of(const char *text)
{
    char *end;
    uint64_t v;

    if (strncmp(text, "net:[", 5) == 0)
        text += 5;
    if (*text < '0' || *text > '9')
        return 0;
    v = strtoull(text, &end, 10);
    return *end == '\0' || strcmp(end, "]") == 0 ? v : 0;
}

/* "sshd(812)", as drawings name it. */
static bool has_tenant(const struct rn_map_netns *ns, const char *text)
{
    char name[RN_NAME_BYTES];

    for (size_t i = 0; i < ns->n_tenants; i++) {
        if (ns->tenants[i].process != NULL &&
            strcmp(rn_name_process(ns->tenants[i].process, name), text) == 0)
            return true;
    }
    return false;
}

/* How well @text names @ns: 0 not at all; what is exact beats what is only similar. */
static unsigned fit(const struct rn_map *map, const struct rn_map_netns *ns, const char *text)
{
    char title[RN_NAME_BYTES];
    uint64_t number = number_of(text);
    const struct rn_map_process *p = NULL;

    if (strcmp(text, "self") == 0 || strcmp(text, "here") == 0)
        return ns->is_current ? 4 : 0;
    if (strcmp(text, "host") == 0 && ns->is_initial)
        return 4;
    if (number != 0 && ns->ino == number)
        return 4;
    if (number != 0 && number <= UINT32_MAX)
        p = rn_model_process(map, (uint32_t)number);
    if (p != NULL)
        return p->netns == ns ? 3 : 0;
    if (has_ref(ns, text) || strcmp(ns->name, text) == 0)
        return 3;
    if (has_container(ns, text) || has_tenant(ns, text))
        return 2;
    return strcmp(rn_name_netns(map, ns, title), text) == 0 ||
                   strcmp(rn_name_netns_short(map, ns, title), text) == 0
               ? 1
               : 0;
}

struct rn_map_netns *rn_select_find(const struct rn_map *map, const char *text, size_t *ret_n)
{
    struct rn_map_netns *found = NULL;
    unsigned best = 0;
    size_t n = 0;

    for (size_t i = 0; i < map->n_netns; i++) {
        unsigned f = text[0] != '\0' ? fit(map, map->netns[i], text) : 0;

        if (f > best) {
            best = f;
            found = map->netns[i];
            n = 1;
        } else if (f == best && f != 0) {
            n++;
        }
    }
    if (ret_n != NULL)
        *ret_n = n;
    return n == 1 ? found : NULL;
}

static struct rn_map_netns *current(const struct rn_map *map)
{
    for (size_t i = 0; i < map->n_netns; i++) {
        if (map->netns[i]->is_current)
            return map->netns[i];
    }
    return map->n_netns != 0 ? map->netns[0] : NULL;
}

struct rn_map_link *rn_select_find_link(const struct rn_map *map, const char *text)
{
    const char *at = strrchr(text, '@');
    struct rn_map_netns *ns = at != NULL ? rn_select_find(map, at + 1, NULL) : current(map);
    char name[64];

    if (ns == NULL || (at != NULL && (size_t)(at - text) >= sizeof(name)))
        return NULL;
    (void)snprintf(name, sizeof(name), "%.*s", at != NULL ? (int)(at - text) : (int)strlen(text),
                   text);
    return rn_model_link_by_name(ns, name);
}

static uint8_t ip_proto_of(const struct rn_map_sock *s)
{
    static const uint8_t numbers[RN_PROTO_N] = {
        [RN_PROTO_TCP] = 6,    [RN_PROTO_MPTCP] = 6,     [RN_PROTO_UDP] = 17,
        [RN_PROTO_SCTP] = 132, [RN_PROTO_UDPLITE] = 136, [RN_PROTO_UNIX] = 0
    };

    return s->proto < RN_PROTO_N ? numbers[s->proto] : 0;
}

bool rn_select_sock(const struct rn_select *sel, const struct rn_map_sock *s)
{
    uint8_t ip_proto = ip_proto_of(s);

    if (sel->port == 0)
        return true;
    return ip_proto != 0 && (s->local_port == sel->port || s->remote_port == sel->port) &&
           (sel->ip_proto == 0 || sel->ip_proto == ip_proto);
}

bool rn_select_fwd(const struct rn_select *sel, const struct rn_map_fwd *fwd)
{
    uint16_t to = fwd->to_port_from != 0 ? fwd->to_port_from : fwd->port_from;

    if (sel->port == 0)
        return true;
    if (sel->ip_proto != 0 && fwd->ip_proto != 0 && fwd->ip_proto != sel->ip_proto)
        return false;
    return (sel->port >= fwd->port_from && sel->port <= fwd->port_to) || sel->port == to;
}

bool rn_select_link(const struct rn_select *sel, const struct rn_map_link *link)
{
    char kind[RN_NAME_BYTES];

    return sel->kind == NULL || strcmp(rn_map_kind_text(link->kind), sel->kind) == 0 ||
           strcmp(link->kind_name, sel->kind) == 0 ||
           strcmp(rn_name_kind(link, kind), sel->kind) == 0;
}

static bool has_link(const struct rn_select *sel, const struct rn_map_netns *ns)
{
    for (size_t i = 0; i < ns->n_links; i++) {
        if (rn_select_link(sel, ns->links[i]))
            return true;
    }
    return false;
}

static bool has_port(const struct rn_select *sel, const struct rn_map_netns *ns)
{
    for (size_t i = 0; i < ns->n_socks; i++) {
        if (rn_select_sock(sel, &ns->socks[i]))
            return true;
    }
    for (size_t i = 0; i < ns->n_fwds; i++) {
        if (rn_select_fwd(sel, &ns->fwds[i]))
            return true;
    }
    return false;
}

bool rn_select_netns(const struct rn_select *sel, const struct rn_map *map,
                     const struct rn_map_netns *ns)
{
    if (sel->netns != NULL && fit(map, ns, sel->netns) == 0)
        return false;
    if (sel->container != NULL && !has_container(ns, sel->container))
        return false;
    if (sel->kind != NULL && !has_link(sel, ns))
        return false;
    return sel->port == 0 || has_port(sel, ns);
}
