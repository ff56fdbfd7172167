/* The picture as a tree for terminals: a namespace each, in it its interfaces, open and forwarded ports, routes. */
#include "discovery/draw.h"

#include "base/text.h"
#include "discovery/line.h"
#include "discovery/name.h"
#include "discovery/wireguard.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX       8u  /* of nested interfaces; a hostile dump may claim rings */
#define NAME_COLUMN_MAX 34u /* longer names push their own line only */

struct tree {
    const struct rn_draw *draw;
    struct rn_line line;
    const struct rn_map_netns *ns;
    bool *is_drawn;                   /* of each link of ns */
    size_t name_column;               /* where details start */
    char indent[4 * (DEPTH_MAX + 2)]; /* 'I' a rail, ' ' none: one for each level */
    unsigned depth;
};

static void put(struct tree *t, enum rn_style style, const char *text)
{
    rn_line_put(&t->line, style, text);
}

/* Two blanks between columns; after a padded name there are enough. */
static void gap(struct tree *t)
{
    if (t->line.n != 0 && t->line.glyphs[t->line.n - 1].glyph.bytes[0] != ' ')
        put(t, RN_STYLE_PLAIN, "  ");
}

static void dot(struct tree *t)
{
    rn_line_mark(&t->line, RN_STYLE_DIM, " · ", " - ");
}

/* The rails in front of an entry, and its own branch. */
static void rails(struct tree *t, bool is_last)
{
    for (unsigned i = 0; i < t->depth; i++) {
        if (t->indent[i] == 'I')
            rn_line_mark(&t->line, RN_STYLE_DIM, "│  ", "|  ");
        else
            put(t, RN_STYLE_DIM, "   ");
    }
    if (is_last)
        rn_line_mark(&t->line, RN_STYLE_DIM, "└─ ", "`- ");
    else
        rn_line_mark(&t->line, RN_STYLE_DIM, "├─ ", "|- ");
}

static void descend(struct tree *t, bool is_last)
{
    t->indent[t->depth++] = is_last ? ' ' : 'I';
}

static enum rn_style engine_style(enum rn_map_engine_kind kind)
{
    if (kind == RN_ENGINE_DOCKER)
        return RN_STYLE_DOCKER;
    return kind == RN_ENGINE_PODMAN ? RN_STYLE_PODMAN : RN_STYLE_OTHER_ENGINE;
}

static void put_addr(struct tree *t, enum rn_style style, struct rn_addr a)
{
    char buf[RN_ADDR_TEXT_BYTES];

    put(t, style, rn_addr_print(a, buf));
}

static void put_number(struct tree *t, enum rn_style style, uint64_t v)
{
    char buf[24];
    struct rn_text text = rn_text_of(buf, sizeof(buf));

    rn_text_u64(&text, v);
    put(t, style, buf);
}

/* ---- interfaces ---- */

static size_t index_of(const struct tree *t, const struct rn_map_link *link)
{
    for (size_t i = 0; i < t->ns->n_links; i++) {
        if (t->ns->links[i] == link)
            return i;
    }
    return SIZE_MAX;
}

/* What hangs below a link in the same namespace: its ports, and what stands on it and is nobody's port. */
static bool is_child(const struct rn_map_link *link, const struct rn_map_link *parent)
{
    if (link->netns != parent->netns || link == parent)
        return false;
    return link->master == parent || (link->master == NULL && link->lower == parent);
}

static bool is_top(const struct rn_map_link *link)
{
    return !(link->master != NULL && link->master->netns == link->netns) &&
           !(link->lower != NULL && link->lower->netns == link->netns);
}

static void put_elsewhere(struct tree *t, const char *relation, const struct rn_map_link *other)
{
    char name[RN_NAME_BYTES];

    put(t, RN_STYLE_DIM, relation);
    put(t, RN_STYLE_NAME, other->name);
    if (other->netns != t->ns) {
        put(t, RN_STYLE_DIM, " in ");
        put(t, RN_STYLE_PLAIN, rn_name_netns_short(t->draw->map, other->netns, name));
    }
}

static void put_relations(struct tree *t, const struct rn_map_link *link)
{
    if (link->peer != NULL) {
        rn_line_mark(&t->line, RN_STYLE_DIM, " ↔ ", " <-> ");
        put_elsewhere(t, "", link->peer);
    } else if (link->kind == RN_KIND_VETH) {
        rn_line_mark(&t->line, RN_STYLE_DIM, " ↔ ", " <-> ");
        put(t, RN_STYLE_WARN, "unknown");
    }
    if (link->lower != NULL && (link->lower->netns != t->ns || link->master != NULL))
        put_elsewhere(t, " on ", link->lower);
    if (link->master != NULL && link->master->netns != t->ns)
        put_elsewhere(t, " port of ", link->master);
}

static void put_far_end(struct tree *t, const struct rn_map_link *link)
{
    bool is_tunnel =
        link->kind == RN_KIND_VXLAN || link->kind == RN_KIND_GENEVE || link->kind == RN_KIND_TUNNEL;
    uint32_t n_peers = link->kind == RN_KIND_WIREGUARD ? link->wireguard.n_peers : 0;
    struct rn_addr far = is_tunnel      ? link->tunnel.remote
                         : n_peers == 1 ? link->wireguard.peers[0].endpoint.addr
                                        : rn_addr_none();
    char key[16];

    if (!rn_addr_is_none(far) || n_peers > 1)
        rn_line_mark(&t->line, RN_STYLE_DIM, " → ", " -> ");
    if (!rn_addr_is_none(far))
        put_addr(t, RN_STYLE_ADDR, far);
    if (n_peers == 1) {
        put(t, RN_STYLE_DIM, " peer ");
        put(t, RN_STYLE_DIM, rn_wireguard_key_short(link->wireguard.peers[0].key, key));
    } else if (n_peers > 1) {
        put_number(t, RN_STYLE_PLAIN, n_peers);
        put(t, RN_STYLE_DIM, " peers");
    }
}

/* The first ones stand before what else there is to say: on a narrow terminal they are what must not be cut. */
#define FIRST_ADDRS 2u

static void put_addrs(struct tree *t, const struct rn_map_link *link, size_t from, size_t to)
{
    size_t n = 0;

    for (size_t i = 0; i < link->n_addrs; i++) {
        const struct rn_map_addr *a = &link->addrs[i];

        if (rn_addr_is_link_local(a->addr) && !rn_addr_is_v4(a->addr) && !t->draw->is_verbose)
            continue;
        if (n++ < from || n > to)
            continue;
        if (n != 1)
            gap(t);
        put_addr(t, RN_STYLE_ADDR, a->addr);
        put(t, RN_STYLE_DIM, "/");
        put_number(t, RN_STYLE_DIM, a->prefix_bits);
    }
    if (n > from && from == 0 && link->kind != RN_KIND_LOOPBACK)
        gap(t);
}

static void put_users(struct tree *t, const struct rn_map_link *link)
{
    char name[RN_NAME_BYTES];

    if (link->kind != RN_KIND_TUNTAP)
        return;
    for (size_t i = 0; i < link->tuntap.n_processors; i++) {
        gap(t);
        put(t, RN_STYLE_PLAIN, rn_name_process(link->tuntap.processors[i], name));
    }
}

static bool is_down(const struct rn_map_link *link)
{
    return link->oper == RN_OPER_DOWN || link->oper == RN_OPER_LOWER_LAYER_DOWN ||
           link->oper == RN_OPER_NOT_PRESENT;
}

static void put_link(struct tree *t, const struct rn_map_link *link)
{
    char text[RN_NAME_BYTES];

    put(t, RN_STYLE_NAME, link->name);
    rn_line_pad(&t->line, t->name_column);
    put_addrs(t, link, 0, FIRST_ADDRS);
    if (link->kind != RN_KIND_LOOPBACK)
        put(t, RN_STYLE_DIM, rn_name_kind(link, text));
    if (link->network[0] != '\0') {
        put(t, RN_STYLE_DIM, " \"");
        put(t, RN_STYLE_PLAIN, link->network);
        put(t, RN_STYLE_DIM, "\"");
    }
    if (is_down(link)) {
        put(t, RN_STYLE_PLAIN, " ");
        put(t, RN_STYLE_DOWN, rn_map_oper_text(link->oper));
    }
    put_relations(t, link);
    put_far_end(t, link);
    put_addrs(t, link, FIRST_ADDRS, SIZE_MAX);
    put_users(t, link);
    if (link->alias[0] != '\0') {
        gap(t);
        put(t, RN_STYLE_DIM, link->alias);
    }
    if (t->draw->is_verbose && link->hwaddr.len != 0 && link->kind != RN_KIND_LOOPBACK) {
        gap(t);
        put(t, RN_STYLE_DIM, rn_name_hwaddr(&link->hwaddr, text));
        put(t, RN_STYLE_DIM, "  mtu ");
        put_number(t, RN_STYLE_DIM, link->mtu);
    }
    rn_line_end(&t->line);
}

/* What stands on this link in other namespaces, as references. */
static size_t n_guests(const struct rn_map_link *link)
{
    size_t n = 0;

    for (size_t i = 0; i < link->n_uppers; i++)
        n += link->uppers[i]->netns != link->netns;
    return n;
}

static void draw_guests(struct tree *t, const struct rn_map_link *link)
{
    size_t n = n_guests(link);
    char kind[RN_NAME_BYTES];

    for (size_t i = 0; i < link->n_uppers; i++) {
        const struct rn_map_link *upper = link->uppers[i];

        if (upper->netns == link->netns)
            continue;
        rails(t, --n == 0);
        put_elsewhere(t, "", upper);
        rn_line_pad(&t->line, t->name_column);
        put(t, RN_STYLE_DIM, rn_name_kind(upper, kind));
        rn_line_end(&t->line);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX deep, and each link once */
static void draw_link(struct tree *t, const struct rn_map_link *link, bool is_last)
{
    size_t at = index_of(t, link);
    size_t n_left = 0;

    if (at == SIZE_MAX || t->is_drawn[at])
        return;
    t->is_drawn[at] = true;
    rails(t, is_last);
    put_link(t, link);
    if (t->depth >= DEPTH_MAX)
        return;
    descend(t, is_last);
    for (size_t i = 0; i < t->ns->n_links; i++)
        n_left += is_child(t->ns->links[i], link) && !t->is_drawn[i];
    for (size_t i = 0; i < t->ns->n_links; i++) {
        if (is_child(t->ns->links[i], link) && !t->is_drawn[i])
            draw_link(t, t->ns->links[i], --n_left == 0 && n_guests(link) == 0);
    }
    draw_guests(t, link);
    t->depth--;
}

static bool is_wanted(const struct tree *t, const struct rn_map_link *link)
{
    return t->draw->select.port == 0 && rn_select_link(&t->draw->select, link);
}

/* With a filter the tree is flat: what hangs below something unwanted would be lost. */
static size_t pick_links(struct tree *t, bool *is_first)
{
    bool is_filtered = t->draw->select.kind != NULL;
    size_t n = 0;

    for (size_t i = 0; i < t->ns->n_links; i++) {
        const struct rn_map_link *link = t->ns->links[i];

        is_first[i] = is_wanted(t, link) && (is_filtered || is_top(link));
        n += is_first[i];
    }
    return n;
}

static void draw_links(struct tree *t, bool has_more)
{
    bool *is_first = calloc(t->ns->n_links + 1, sizeof(*is_first));
    size_t n = is_first != NULL ? pick_links(t, is_first) : 0;

    if (t->draw->select.kind != NULL) /* nothing below, since all wanted are at the top */
        memset(t->is_drawn, 0, t->ns->n_links);
    for (size_t i = 0; is_first != NULL && i < t->ns->n_links; i++) {
        if (!is_first[i])
            continue;
        n--;
        if (t->draw->select.kind != NULL) {
            rails(t, n == 0 && !has_more);
            put_link(t, t->ns->links[i]);
            t->is_drawn[i] = true;
        } else {
            draw_link(t, t->ns->links[i], n == 0 && !has_more);
        }
    }
    for (size_t i = 0; t->draw->select.kind == NULL && i < t->ns->n_links; i++) {
        if (is_wanted(t, t->ns->links[i])) /* only rings are left */
            draw_link(t, t->ns->links[i], false);
    }
    free(is_first);
}

static void measure(struct tree *t)
{
    enum rn_charset charset = t->draw->charset;

    t->name_column = 0;
    for (size_t i = 0; i < t->ns->n_links; i++) {
        const struct rn_map_link *link = t->ns->links[i];
        size_t columns = rn_text_columns(link->name, charset) + (is_top(link) ? 3 : 6);

        if (is_wanted(t, link) && columns > t->name_column && columns <= NAME_COLUMN_MAX)
            t->name_column = columns;
    }
    if (t->name_column < 12)
        t->name_column = 12;
    t->name_column += 2;
}

/* ---- ports ---- */

/* @at: where a reader expects them. */
static void put_owners(struct tree *t, struct rn_map_process *const *owners, size_t n,
                       const struct rn_map_netns *at)
{
    char name[RN_NAME_BYTES];

    for (size_t i = 0; i < n && i < 3; i++) {
        put(t, RN_STYLE_PLAIN, i == 0 ? " " : ", ");
        put(t, RN_STYLE_PLAIN, rn_name_process(owners[i], name));
        if (owners[i]->netns != at && owners[i]->netns != NULL) {
            put(t, RN_STYLE_DIM, " in ");
            put(t, RN_STYLE_PLAIN, rn_name_netns_short(t->draw->map, owners[i]->netns, name));
        }
    }
    if (n > 3) {
        put(t, RN_STYLE_DIM, " +");
        put_number(t, RN_STYLE_DIM, n - 3);
    }
}

/* "[::]:" for IPv6 alone; nothing for any address of both families or of IPv4. */
static void put_local(struct tree *t, const struct rn_map_sock *s)
{
    if (!rn_addr_is_any(s->local)) {
        bool is_v6 = !rn_addr_is_v4(s->local);

        put(t, RN_STYLE_ADDR, is_v6 ? "[" : "");
        put_addr(t, RN_STYLE_ADDR, s->local);
        put(t, RN_STYLE_ADDR, is_v6 ? "]:" : ":");
    } else if (s->family == RN_FAMILY_V6 && !s->is_dual) {
        put(t, RN_STYLE_ADDR, "[::]:");
    }
}

/* What an engine serves on a container's own loopback, as Docker its resolver, says nothing of who can reach whom. */
static bool is_furniture(const struct tree *t, const struct rn_map_sock *s)
{
    size_t n_own = 0;

    for (size_t i = 0; i < s->n_owners; i++)
        n_own += s->owners[i]->netns == t->ns;
    return !t->draw->is_verbose && t->draw->select.port == 0 && rn_addr_is_loopback(s->local) &&
           s->n_owners != 0 && n_own == 0;
}

static bool is_shown_sock(const struct tree *t, const struct rn_map_sock *s)
{
    return !is_furniture(t, s) && rn_sock_is_listening(s) && s->proto != RN_PROTO_UNIX &&
           t->draw->select.kind == NULL && rn_select_sock(&t->draw->select, s);
}

static size_t n_listening(const struct tree *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->ns->n_socks; i++)
        n += is_shown_sock(t, &t->ns->socks[i]);
    return n;
}

/* A pair of sockets, one per family, is one line to a reader. */
static bool is_twin(const struct rn_map_sock *a, const struct rn_map_sock *b)
{
    return a->proto == b->proto && a->local_port == b->local_port && rn_sock_is_listening(a) &&
           rn_sock_is_listening(b) && rn_addr_is_any(a->local) && rn_addr_is_any(b->local) &&
           a->n_owners == 1 && b->n_owners == 1 && a->owners[0] == b->owners[0] &&
           a->family != b->family;
}

static void draw_listeners(struct tree *t, bool is_last)
{
    size_t n = n_listening(t);

    rails(t, is_last);
    put(t, RN_STYLE_TITLE, "listens");
    rn_line_end(&t->line);
    descend(t, is_last);
    for (size_t i = 0; i < t->ns->n_socks; i++) {
        const struct rn_map_sock *s = &t->ns->socks[i];
        bool has_twin;

        if (!is_shown_sock(t, s))
            continue;
        has_twin = i + 1 < t->ns->n_socks && is_twin(s, &t->ns->socks[i + 1]);
        n -= has_twin ? 2 : 1;
        rails(t, n == 0);
        if (!has_twin)
            put_local(t, s);
        put_number(t, RN_STYLE_ADDR, s->local_port);
        put(t, RN_STYLE_DIM, "/");
        put(t, RN_STYLE_DIM, rn_map_proto_text(s->proto));
        rn_line_pad(&t->line, t->name_column - 1);
        put_owners(t, s->owners, s->n_owners, t->ns);
        if (s->n_owners == 0)
            put(t, RN_STYLE_WARN, " owner unknown");
        rn_line_end(&t->line);
        i += has_twin;
    }
    t->depth--;
}

static void put_port_range(struct tree *t, uint16_t from, uint16_t to)
{
    if (from == 0 && (to == 0 || to == UINT16_MAX)) {
        put(t, RN_STYLE_ADDR, "*");
        return;
    }
    put_number(t, RN_STYLE_ADDR, from);
    if (to > from) {
        put(t, RN_STYLE_ADDR, "-");
        put_number(t, RN_STYLE_ADDR, to);
    }
}

static void put_forward_to(struct tree *t, const struct rn_map_fwd *fwd)
{
    char name[RN_NAME_BYTES];
    bool is_v6 = !rn_addr_is_none(fwd->to) && !rn_addr_is_v4(fwd->to);

    rn_line_mark(&t->line, RN_STYLE_DIM, " → ", " -> ");
    if (fwd->to_netns != NULL) {
        put(t, RN_STYLE_PLAIN, rn_name_netns_short(t->draw->map, fwd->to_netns, name));
        put(t, RN_STYLE_PLAIN, " ");
    }
    if (!rn_addr_is_none(fwd->to)) {
        put(t, RN_STYLE_ADDR, is_v6 ? "[" : "");
        put_addr(t, RN_STYLE_ADDR, fwd->to);
        put(t, RN_STYLE_ADDR, is_v6 ? "]:" : ":");
    }
    if (fwd->to_port_from != 0)
        put_port_range(t, fwd->to_port_from, fwd->to_port_to);
    else
        put_port_range(t, fwd->port_from, fwd->port_to);
    put_owners(t, fwd->owners, fwd->n_owners, fwd->to_netns != NULL ? fwd->to_netns : t->ns);
    if (fwd->to_netns == NULL && fwd->why[0] != '\0') {
        gap(t);
        put(t, RN_STYLE_WARN, fwd->why);
    } else if (fwd->to_netns != NULL && fwd->n_owners == 0) {
        gap(t);
        put(t, RN_STYLE_WARN, "nobody listens");
    }
}

static void draw_forward(struct tree *t, const struct rn_map_fwd *fwd)
{
    bool is_v6 = fwd->family == RN_FAMILY_V6;
    char buf[RN_PREFIX_TEXT_BYTES];

    if (fwd->addr.bits == (is_v6 ? 128 : 32)) {
        put(t, RN_STYLE_ADDR, is_v6 ? "[" : "");
        put_addr(t, RN_STYLE_ADDR, fwd->addr.addr);
        put(t, RN_STYLE_ADDR, is_v6 ? "]:" : ":");
    } else if (fwd->addr.bits != 0) {
        put(t, RN_STYLE_ADDR, rn_prefix_print(&fwd->addr, buf));
        put(t, RN_STYLE_DIM, " port ");
    } else if (is_v6) {
        put(t, RN_STYLE_ADDR, "[::]:");
    }
    put_port_range(t, fwd->port_from, fwd->port_to);
    put(t, RN_STYLE_DIM, "/");
    put(t, RN_STYLE_DIM, rn_name_ip_proto(fwd->ip_proto));
    put_forward_to(t, fwd);
    if (fwd->is_conditional) {
        gap(t);
        put(t, RN_STYLE_WARN, "on a condition: ");
    }
    if (fwd->is_conditional || t->draw->is_verbose) {
        gap(t);
        put(t, RN_STYLE_DIM, fwd->rule);
    }
    rn_line_end(&t->line);
}

static bool is_shown_fwd(const struct tree *t, const struct rn_map_fwd *fwd)
{
    bool is_inner = fwd->addr.bits != 0 && rn_addr_is_loopback(fwd->addr.addr) &&
                    fwd->to_netns == t->ns && !t->draw->is_verbose && t->draw->select.port == 0;

    return !is_inner && rn_select_fwd(&t->draw->select, fwd);
}

static size_t n_forwards(const struct tree *t)
{
    size_t n = 0;

    for (size_t i = 0; t->draw->select.kind == NULL && i < t->ns->n_fwds; i++)
        n += is_shown_fwd(t, &t->ns->fwds[i]);
    return n;
}

static void draw_forwards(struct tree *t, bool is_last)
{
    size_t n = n_forwards(t);

    rails(t, is_last);
    put(t, RN_STYLE_TITLE, "forwards");
    rn_line_end(&t->line);
    descend(t, is_last);
    for (size_t i = 0; i < t->ns->n_fwds; i++) {
        if (!is_shown_fwd(t, &t->ns->fwds[i]))
            continue;
        rails(t, --n == 0);
        draw_forward(t, &t->ns->fwds[i]);
    }
    t->depth--;
}

/* ---- routes ---- */

/* Those a reader looks for: ways out, and detours. What follows from the addresses is left to --verbose and JSON. */
static bool is_shown_route(const struct tree *t, const struct rn_map_route *r)
{
    if (t->draw->select.kind != NULL || t->draw->select.port != 0)
        return false;
    if (t->draw->is_verbose)
        return true;
    if (r->table == 255 || r->type == 2 || r->type == 3 || r->type == 4 || r->type == 5)
        return false;
    return !rn_addr_is_none(r->gateway) || r->n_hops != 0 || r->type != 1 ||
           (r->table != 254 && r->link != NULL);
}

static size_t n_routes(const struct tree *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->ns->n_routes; i++)
        n += is_shown_route(t, &t->ns->routes[i]);
    return n;
}

static void put_hop(struct tree *t, struct rn_addr gateway, const struct rn_map_link *link)
{
    if (!rn_addr_is_none(gateway)) {
        put(t, RN_STYLE_DIM, " via ");
        put_addr(t, RN_STYLE_ADDR, gateway);
    }
    if (link != NULL) {
        put(t, RN_STYLE_DIM, " dev ");
        put(t, RN_STYLE_NAME, link->name);
    }
}

static void draw_route(struct tree *t, const struct rn_map_route *r)
{
    char buf[RN_PREFIX_TEXT_BYTES];

    if (r->type != 1) {
        put(t, RN_STYLE_WARN, rn_name_route_type(r->type));
        put(t, RN_STYLE_PLAIN, " ");
    }
    if (r->dst.bits == 0)
        put(t, RN_STYLE_PLAIN, r->family == RN_FAMILY_V6 ? "default (IPv6)" : "default");
    else
        put(t, RN_STYLE_ADDR, rn_prefix_print(&r->dst, buf));
    put_hop(t, r->gateway, r->link);
    for (size_t i = 0; i < r->n_hops; i++) {
        rn_line_mark(&t->line, RN_STYLE_DIM, i == 0 ? ": " : " ·", i == 0 ? ": " : " ,");
        put_hop(t, r->hops[i].gateway, r->hops[i].link);
    }
    if (r->table != 254) {
        put(t, RN_STYLE_DIM, " table ");
        put_number(t, RN_STYLE_DIM, r->table);
    }
    if (r->priority != 0 && t->draw->is_verbose) {
        put(t, RN_STYLE_DIM, " priority ");
        put_number(t, RN_STYLE_DIM, r->priority);
    }
    rn_line_end(&t->line);
}

static void draw_routes(struct tree *t, bool is_last)
{
    size_t n = n_routes(t);

    rails(t, is_last);
    put(t, RN_STYLE_TITLE, "routes");
    rn_line_end(&t->line);
    descend(t, is_last);
    for (size_t i = 0; i < t->ns->n_routes; i++) {
        if (!is_shown_route(t, &t->ns->routes[i]))
            continue;
        rails(t, --n == 0);
        draw_route(t, &t->ns->routes[i]);
    }
    t->depth--;
}

/* ---- namespaces ---- */

static void put_unreadable(struct tree *t, const struct rn_map_unreadable *u)
{
    put(t, RN_STYLE_WARN, "cannot read ");
    put(t, RN_STYLE_PLAIN, u->what);
    if (u->id[0] != '\0' && u->netns == NULL) {
        put(t, RN_STYLE_PLAIN, " ");
        put(t, RN_STYLE_PLAIN, u->id);
    }
    put(t, RN_STYLE_DIM, ": ");
    put(t, RN_STYLE_PLAIN, u->why);
    if (u->needs[0] != '\0') {
        put(t, RN_STYLE_DIM, ", needs ");
        put(t, RN_STYLE_PLAIN, u->needs);
    }
    rn_line_end(&t->line);
}

static size_t n_unreadable(const struct tree *t, const struct rn_map_netns *ns)
{
    size_t n = 0;

    for (size_t i = 0; i < t->draw->map->n_unreadable; i++)
        n += t->draw->map->unreadable[i].netns == ns;
    return n;
}

static void draw_unreadable(struct tree *t)
{
    size_t n = n_unreadable(t, t->ns);

    for (size_t i = 0; i < t->draw->map->n_unreadable; i++) {
        if (t->draw->map->unreadable[i].netns != t->ns)
            continue;
        rails(t, --n == 0);
        put_unreadable(t, &t->draw->map->unreadable[i]);
    }
}

static void put_state(struct tree *t, const char *state, size_t n, size_t n_all)
{
    if (n == 0)
        return;
    if (n != n_all) {
        put_number(t, RN_STYLE_WARN, n);
        put(t, RN_STYLE_WARN, " ");
    }
    put(t, RN_STYLE_WARN, state);
    dot(t);
}

/* What one should know of containers before wondering why they do not answer, or why they may do so much. */
static void put_states(struct tree *t)
{
    size_t n = 0;
    size_t n_paused = 0;
    size_t n_privileged = 0;

    for (size_t i = 0; i < t->ns->n_tenants; i++) {
        const struct rn_map_container *c = t->ns->tenants[i].container;

        n += c != NULL;
        n_paused += c != NULL && c->is_paused;
        n_privileged += c != NULL && c->is_privileged;
    }
    put_state(t, "paused", n_paused, n);
    put_state(t, "privileged", n_privileged, n);
}

static void put_title(struct tree *t)
{
    enum rn_map_engine_kind engine = rn_netns_engine(t->ns);
    char text[RN_NAME_BYTES];

    put(t, RN_STYLE_TITLE, rn_name_netns(t->draw->map, t->ns, text));
    put(t, RN_STYLE_PLAIN, "  ");
    if (engine != RN_ENGINE_OTHER || t->ns->is_initial) {
        put(t, engine_style(engine), rn_name_group(t->ns, text));
        dot(t);
        put_states(t);
    }
    rn_name_holder(t->draw->map, t->ns, text);
    if (text[0] != '\0') {
        put(t, RN_STYLE_DIM, text);
        dot(t);
    } else if (t->ns->n_processes != 0) {
        put_number(t, RN_STYLE_DIM, t->ns->n_processes);
        put(t, RN_STYLE_DIM, t->ns->n_processes == 1 ? " process" : " processes");
        dot(t);
    }
    put(t, RN_STYLE_DIM, "net:[");
    put_number(t, RN_STYLE_DIM, t->ns->ino);
    put(t, RN_STYLE_DIM, "]");
    if (t->ns->is_current && !t->ns->is_initial) {
        dot(t);
        put(t, RN_STYLE_DIM, "you are here");
    }
    rn_line_end(&t->line);
}

static void draw_netns(struct tree *t)
{
    bool has_socks = n_listening(t) != 0;
    bool has_fwds = n_forwards(t) != 0;
    bool has_routes = n_routes(t) != 0;
    bool has_notes = n_unreadable(t, t->ns) != 0;

    put_title(t);
    measure(t);
    t->is_drawn = calloc(t->ns->n_links + 1, sizeof(*t->is_drawn));
    if (t->is_drawn == NULL) {
        t->line.out->err = RN_E_NOMEM;
        return;
    }
    draw_links(t, has_socks || has_fwds || has_routes || has_notes);
    free(t->is_drawn);
    if (has_socks)
        draw_listeners(t, !has_fwds && !has_routes && !has_notes);
    if (has_fwds)
        draw_forwards(t, !has_routes && !has_notes);
    if (has_routes)
        draw_routes(t, !has_notes);
    draw_unreadable(t);
}

void rn_draw_tree(const struct rn_draw *draw, struct rn_out *out)
{
    struct tree t = { .draw = draw,
                      .line = { .out = out,
                                .width = draw->width,
                                .charset = draw->charset,
                                .has_color = draw->has_color } };
    bool is_first = true;

    for (size_t i = 0; i < draw->map->n_netns; i++) {
        t.ns = draw->map->netns[i];
        if (!rn_select_netns(&draw->select, draw->map, t.ns))
            continue;
        if (!is_first)
            rn_line_end(&t.line);
        is_first = false;
        draw_netns(&t);
    }
    if (n_unreadable(&t, NULL) != 0) {
        t.ns = NULL;
        if (!is_first)
            rn_line_end(&t.line);
        put(&t, RN_STYLE_TITLE, "beyond this picture");
        rn_line_end(&t.line);
        draw_unreadable(&t);
    }
    rn_line_free(&t.line);
}
