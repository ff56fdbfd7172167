/* The public face of a map: handles and plain values over the model. */
#include "discovery/ask_path.h"
#include "discovery/ask_wire.h"
#include "discovery/draw.h"
#include "discovery/name.h"
#include "discovery/scan.h"

#include <runnel/map.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int rn_map_discover(struct rn_map **ret)
{
    return rn_scan(&(struct rn_scan_options){ .from_fd = -1, .save_fd = -1 }, ret);
}

int rn_map_read(int fd, struct rn_map **ret)
{
    return rn_scan(&(struct rn_scan_options){ .from_fd = fd, .save_fd = -1 }, ret);
}

void rn_map_free(struct rn_map *map)
{
    rn_model_free(map);
}

int rn_map_draw(const struct rn_map *map, const char *form, int fd)
{
    static const struct {
        const char *name;
        void (*draw)(const struct rn_draw *draw, struct rn_out *out);
    } forms[] = { { "tree", rn_draw_tree },
                  { "json", rn_draw_json },
                  { "gostwire", rn_draw_gostwire },
                  { "dot", rn_draw_dot },
                  { "svg", rn_draw_svg } };
    const struct rn_draw draw = { .map = map };
    struct rn_out out = { 0 };
    FILE *file;
    int copy;
    int err;

    for (size_t i = 0; i < RN_ARRAY_LEN(forms); i++) {
        if (strcmp(forms[i].name, form) != 0)
            continue;
        copy = dup(fd);
        file = copy >= 0 ? fdopen(copy, "w") : NULL;
        if (file == NULL) {
            if (copy >= 0)
                (void)close(copy);
            return RN_E_NOMEM;
        }
        out.file = file;
        forms[i].draw(&draw, &out);
        err = rn_out_flush(&out);
        rn_out_free(&out);
        (void)fclose(file);
        return err;
    }
    return RN_E_NOT_FOUND;
}

size_t rn_map_n_gaps(const struct rn_map *map)
{
    return map->n_unreadable;
}

void rn_map_gap_at(const struct rn_map *map, size_t at, struct rn_map_gap *ret)
{
    static const struct rn_map_unreadable none = { "", "", "", "", NULL };
    const struct rn_map_unreadable *u = at < map->n_unreadable ? &map->unreadable[at] : &none;

    *ret = (struct rn_map_gap){ u->what, u->id, u->why, u->needs, u->netns };
}

/* ---- namespaces ---- */

size_t rn_map_n_netns(const struct rn_map *map)
{
    return map->n_netns;
}

struct rn_map_netns *rn_map_netns_at(const struct rn_map *map, size_t at)
{
    return at < map->n_netns ? map->netns[at] : NULL;
}

struct rn_map_netns *rn_map_netns_by_process(const struct rn_map *map, uint32_t pid)
{
    const struct rn_map_process *p = rn_model_process(map, pid);

    return p != NULL ? p->netns : NULL;
}

struct rn_map_netns *rn_map_netns_by_container(const struct rn_map *map, const char *name)
{
    struct rn_map_netns *found = NULL;

    for (size_t i = 0; i < map->n_containers; i++) {
        const struct rn_map_container *c = map->containers[i];

        if (c->netns == NULL ||
            (strcmp(c->name, name) != 0 && strncmp(c->id, name, strlen(name)) != 0))
            continue;
        if (found != NULL && found != c->netns)
            return NULL;
        found = c->netns;
    }
    return found;
}

void rn_map_netns_get(const struct rn_map_netns *netns, struct rn_map_netns_info *ret)
{
    *ret = (struct rn_map_netns_info){ .dev = netns->dev,
                                       .ino = netns->ino,
                                       .cookie = netns->cookie,
                                       .name = netns->name,
                                       .path = netns->n_refs != 0 ? netns->refs[0].path : "",
                                       .n_processes = netns->n_processes,
                                       .is_initial = netns->is_initial,
                                       .is_current = netns->is_current,
                                       .is_entered = netns->is_entered,
                                       .n_links = netns->n_links,
                                       .n_routes = netns->n_routes,
                                       .n_sockets = netns->n_socks,
                                       .n_forwards = netns->n_fwds,
                                       .n_tenants = netns->n_tenants };
}

char *rn_map_display_name(const struct rn_map *map, const struct rn_map_netns *netns, char *buf,
                          size_t cap)
{
    char name[RN_NAME_BYTES];
    struct rn_glyphs g = rn_glyphs_of(rn_name_netns(map, netns, name), RN_CHARSET_UTF8);
    struct rn_glyph glyph;
    size_t n = 0;

    while (rn_glyphs_next(&g, &glyph) && n + glyph.len < cap) {
        memcpy(buf + n, glyph.bytes, glyph.len);
        n += glyph.len;
    }
    if (cap > 0)
        buf[n] = '\0';
    return buf;
}

bool rn_map_tenant_at(const struct rn_map_netns *netns, size_t at, struct rn_map_tenant_info *ret)
{
    const struct rn_map_tenant *t;
    const struct rn_map_container *c;

    if (at >= netns->n_tenants)
        return false;
    t = &netns->tenants[at];
    c = t->container;
    *ret = (struct rn_map_tenant_info){
        .pid = t->process != NULL ? t->process->pid : 0,
        .process = t->process != NULL ? t->process->comm : "",
        .container = c != NULL ? c->name : "",
        .engine = c != NULL ? rn_map_engine_text(c->engine_kind) : "",
        .project = c != NULL ? c->project : "",
        .service = c != NULL ? c->service : "",
        .pod = c != NULL ? c->pod : "",
        .cap_bounding = t->process != NULL ? t->process->cap_bounding : 0,
    };
    return true;
}

/* ---- interfaces ---- */

struct rn_map_link *rn_map_link_at(const struct rn_map_netns *netns, size_t at)
{
    return at < netns->n_links ? netns->links[at] : NULL;
}

struct rn_map_link *rn_map_link_by_name(const struct rn_map_netns *netns, const char *name)
{
    return rn_model_link_by_name(netns, name);
}

static uint32_t id_of(const struct rn_map_link *link)
{
    if (link->kind == RN_KIND_VLAN)
        return link->vlan.id;
    return link->kind == RN_KIND_VXLAN || link->kind == RN_KIND_GENEVE ? link->tunnel.id : 0;
}

void rn_map_link_get(const struct rn_map_link *link, struct rn_map_link_info *ret)
{
    *ret = (struct rn_map_link_info){ .netns = link->netns,
                                      .name = link->name,
                                      .alias = link->alias,
                                      .kind = rn_map_kind_text(link->kind),
                                      .operstate = rn_map_oper_text(link->oper),
                                      .driver = link->driver.name,
                                      .bus = link->driver.bus,
                                      .network = link->network,
                                      .index = link->index,
                                      .flags = link->flags,
                                      .mtu = link->mtu,
                                      .hwaddr_len = link->hwaddr.len,
                                      .is_physical = link->is_physical,
                                      .is_promiscuous = link->promiscuity != 0,
                                      .peer = link->peer,
                                      .master = link->master,
                                      .lower = link->lower,
                                      .pf = link->pf,
                                      .n_addrs = link->n_addrs,
                                      .n_ports = link->n_ports,
                                      .n_uppers = link->n_uppers,
                                      .id = id_of(link) };
    memcpy(ret->hwaddr, link->hwaddr.b, sizeof(ret->hwaddr));
}

bool rn_map_link_addr(const struct rn_map_link *link, size_t at, struct rn_map_addr_info *ret)
{
    if (at >= link->n_addrs)
        return false;
    *ret = (struct rn_map_addr_info){ .addr = link->addrs[at].addr,
                                      .prefix_bits = link->addrs[at].prefix_bits,
                                      .scope = link->addrs[at].scope,
                                      .valid_s = link->addrs[at].valid_s,
                                      .preferred_s = link->addrs[at].preferred_s };
    return true;
}

struct rn_map_link *rn_map_link_port(const struct rn_map_link *link, size_t at)
{
    return at < link->n_ports ? link->ports[at] : NULL;
}

struct rn_map_link *rn_map_link_upper(const struct rn_map_link *link, size_t at)
{
    return at < link->n_uppers ? link->uppers[at] : NULL;
}

/* ---- routes, sockets, forwarded ports ---- */

bool rn_map_route_at(const struct rn_map_netns *netns, size_t at, struct rn_map_route_info *ret)
{
    const struct rn_map_route *r;

    if (at >= netns->n_routes)
        return false;
    r = &netns->routes[at];
    *ret = (struct rn_map_route_info){ .dst = r->dst,
                                       .gateway = r->gateway,
                                       .link = r->n_hops == 0 ? r->link : NULL,
                                       .type = rn_name_route_type(r->type),
                                       .table = r->table,
                                       .priority = r->priority,
                                       .pref = r->pref };
    return true;
}

bool rn_map_socket_at(const struct rn_map_netns *netns, size_t at, struct rn_map_socket_info *ret)
{
    const struct rn_map_sock *s;

    if (at >= netns->n_socks)
        return false;
    s = &netns->socks[at];
    *ret = (struct rn_map_socket_info){ .proto = rn_map_proto_text(s->proto),
                                        .state = rn_map_state_text(s->state),
                                        .local = s->local,
                                        .remote = s->remote,
                                        .local_port = s->local_port,
                                        .remote_port = s->remote_port,
                                        .family = s->family,
                                        .is_listening = rn_sock_is_listening(s),
                                        .takes_v4 = s->is_dual,
                                        .pid = s->n_owners != 0 ? s->owners[0]->pid : 0,
                                        .n_owners = s->n_owners };
    return true;
}

bool rn_map_forward_at(const struct rn_map_netns *netns, size_t at, struct rn_map_forward_info *ret)
{
    const struct rn_map_fwd *f;

    if (at >= netns->n_fwds)
        return false;
    f = &netns->fwds[at];
    *ret = (struct rn_map_forward_info){ .addr = f->addr,
                                         .to = f->to,
                                         .port_from = f->port_from,
                                         .port_to = f->port_to,
                                         .to_port_from = f->to_port_from,
                                         .to_port_to = f->to_port_to,
                                         .ip_proto = f->ip_proto,
                                         .to_netns = f->to_netns,
                                         .to_link = f->to_link,
                                         .pid = f->n_owners != 0 ? f->owners[0]->pid : 0,
                                         .rule = f->rule,
                                         .why = f->why };
    return true;
}

/* ---- questions ---- */

struct rn_map_link *rn_map_link_with_addr(const struct rn_map_netns *netns, struct rn_addr addr)
{
    return rn_model_link_with_addr(netns, addr);
}

struct rn_map_link *rn_map_link_in_bridged_network(const struct rn_map *map,
                                                   struct rn_map_link *bridge, struct rn_addr addr)
{
    struct rn_arena arena = { 0 };
    struct rn_wire_trail trail = rn_wire_follow(&arena, map, bridge, addr);

    rn_arena_free(&arena);
    return trail.answers;
}

struct rn_map_netns *rn_map_locate(const struct rn_map *map, struct rn_map_netns *from,
                                   struct rn_addr addr, struct rn_map_link **ret_link)
{
    const struct rn_path_query query = { .from = from, .to = addr };
    struct rn_map_netns *netns = NULL;
    struct rn_path path;

    if (rn_path_find(&path, map, &query) == RN_OK && path.is_reached) {
        netns = path.netns;
        *ret_link = path.link;
    }
    rn_path_free(&path);
    return netns;
}

char *rn_map_addr_explode(struct rn_addr addr, char buf[RN_MAP_EXPLODED_BYTES])
{
    size_t n = 0;

    if (rn_addr_is_v4(addr)) {
        (void)snprintf(buf, RN_MAP_EXPLODED_BYTES, "%03u.%03u.%03u.%03u", addr.b[12], addr.b[13],
                       addr.b[14], addr.b[15]);
        return buf;
    }
    for (unsigned i = 0; i < 16; i += 2)
        n += (size_t)snprintf(buf + n, RN_MAP_EXPLODED_BYTES - n, "%s%02x%02x", i != 0 ? ":" : "",
                              addr.b[i], addr.b[i + 1]);
    return buf;
}
