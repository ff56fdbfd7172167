/* The question as the user typed it. */
#include "discovery/ask_path.h"
#include "discovery/select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rn_addr first_addr(const struct rn_map_netns *ns)
{
    for (size_t i = 0; i < ns->n_addrs; i++) {
        const struct rn_map_addr *a = &ns->addrs[i];

        if (a->link != NULL && a->link->kind != RN_KIND_LOOPBACK && !rn_addr_is_link_local(a->addr))
            return a->addr;
    }
    return rn_addr_none();
}

/* Splits "host:port" off; an IPv6 address without brackets has no port. Returns the port, 0 for none, -1 for nonsense. */
static long split_port(char *text)
{
    char *colon = strrchr(text, ':');
    char *bracket = strrchr(text, ']');
    char *rest;
    long port = 0;

    if (colon != NULL && colon > bracket && (bracket != NULL || strchr(text, ':') == colon)) {
        port = strtol(colon + 1, &rest, 10);
        if (*rest != '\0' || colon[1] < '0' || colon[1] > '9' || port < 1 || port > UINT16_MAX)
            return -1;
        *colon = '\0';
    }
    if (bracket != NULL && text[0] == '[') {
        *bracket = '\0';
        memmove(text, text + 1, strlen(text));
    }
    return port;
}

static int parse_to(const struct rn_map *map, const char *to, struct rn_path_query *ret)
{
    char text[256];
    char *slash;
    long port;
    struct rn_map_netns *ns;

    if (strlen(to) >= sizeof(text))
        return RN_E_PARSE;
    (void)snprintf(text, sizeof(text), "%s", to);
    slash = strrchr(text, '/');
    ret->ip_proto = slash != NULL && strcmp(slash, "/udp") == 0 ? 17 : 6;
    if (slash != NULL && strcmp(slash, "/udp") != 0 && strcmp(slash, "/tcp") != 0)
        return RN_E_PARSE;
    if (slash != NULL)
        *slash = '\0';
    port = split_port(text);
    if (port < 0)
        return RN_E_PARSE;
    ret->port = (uint16_t)port;
    if (port == 0)
        ret->ip_proto = 0;
    if (rn_addr_parse(text, &ret->to) == RN_OK)
        return RN_OK;
    ns = rn_select_find(map, text, NULL);
    if (ns == NULL)
        return RN_E_NOT_FOUND;
    ret->to = first_addr(ns);
    return rn_addr_is_none(ret->to) ? RN_E_NOT_FOUND : RN_OK;
}

int rn_path_parse(const struct rn_map *map, const char *const from_to[2], struct rn_path_query *ret,
                  const char **ret_what)
{
    struct rn_path_query query = { 0 };
    const char *from = from_to[0] != NULL ? from_to[0] : "self";
    int err;

    *ret_what = from;
    query.from = rn_select_find(map, from, NULL);
    if (query.from == NULL) {
        query.oif = strchr(from, '@') != NULL ? rn_select_find_link(map, from) : NULL;
        if (query.oif == NULL)
            return RN_E_NOT_FOUND;
        query.from = query.oif->netns;
    }
    *ret_what = from_to[1];
    err = parse_to(map, from_to[1], &query);
    if (err < 0)
        return err;
    query.asks_filters = map->has_filters && query.port != 0;
    *ret = query;
    return RN_OK;
}
