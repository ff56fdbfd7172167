#include "discovery/layout_box.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define NEST_MAX          4u  /* levels of interfaces within interfaces */
#define NOTES_MAX         6u  /* forwarded ports shown in a box; the rest is counted */
#define COLLAPSE_FROM     40u /* namespaces on the paper, from which on... */
#define HUB_CABLES        4u  /* that make a hub of a network */
#define COLLAPSE_GROUP_AT 9u  /* ...groups of as many become one box */

static struct rn_lay_row *add_row(struct rn_lay *lay, struct rn_lay_box *box)
{
    struct rn_lay_row *grown =
        rn_arena_room(&lay->out->arena, box->rows, box->n_rows, sizeof(*grown));

    if (grown == NULL)
        return NULL;
    box->rows = grown;
    grown[box->n_rows] = (struct rn_lay_row){ .name = "", .detail = "" };
    return &grown[box->n_rows++];
}

static void add_note(struct rn_lay *lay, struct rn_lay_box *box, const char *text, bool is_warning)
{
    struct rn_lay_row *row = add_row(lay, box);

    if (row == NULL)
        return;
    row->detail = rn_arena_strdup(&lay->out->arena, text);
    row->is_warning = is_warning;
}

static enum rn_ink ink_of(const struct rn_map_netns *ns)
{
    if (ns->is_initial)
        return RN_INK_HOST;
    if (!ns->is_entered)
        return RN_INK_CLOSED;
    switch (rn_netns_engine(ns)) {
    case RN_ENGINE_DOCKER:
        return RN_INK_DOCKER;
    case RN_ENGINE_PODMAN:
        return RN_INK_PODMAN;
    case RN_ENGINE_CONTAINERD:
    case RN_ENGINE_CRIO:
    case RN_ENGINE_LXC:
    case RN_ENGINE_NSPAWN:
    case RN_ENGINE_SYSTEMD:
        return RN_INK_ENGINE;
    case RN_ENGINE_OTHER:
        break;
    }
    if (ns->name[0] != '\0')
        return RN_INK_NAMED;
    return ns->n_tenants != 0 ? RN_INK_PROCESS : RN_INK_EMPTY;
}

/* ---- rows of interfaces ---- */

static void put_addrs(struct rn_text *t, const struct rn_map_link *link)
{
    size_t n = 0;

    for (size_t i = 0; i < link->n_addrs; i++) {
        const struct rn_map_addr *a = &link->addrs[i];

        if (rn_addr_is_link_local(a->addr) && !rn_addr_is_v4(a->addr))
            continue;
        if (n++ < 2) {
            rn_text_str(t, t->len != 0 ? "  " : "");
            rn_text_addr(t, a->addr);
            rn_text_char(t, '/');
            rn_text_u64(t, a->prefix_bits);
        }
    }
    if (n > 2) {
        rn_text_str(t, " +");
        rn_text_u64(t, n - 2);
    }
}

static const char *link_detail(struct rn_lay *lay, const struct rn_map_link *link)
{
    char kind[RN_NAME_BYTES];
    char buf[512];
    struct rn_text t = rn_text_of(buf, sizeof(buf));
    bool is_plain = link->kind == RN_KIND_VETH && link->peer != NULL;

    if (link->network[0] != '\0') {
        rn_text_char(&t, '"');
        rn_text_str(&t, link->network);
        rn_text_char(&t, '"');
    } else if (!is_plain) {
        rn_text_str(&t, rn_name_kind(link, kind));
    }
    if (link->oper == RN_OPER_DOWN || link->oper == RN_OPER_LOWER_LAYER_DOWN)
        rn_text_str(&t, t.len != 0 ? " (down)" : "(down)");
    put_addrs(&t, link);
    if (link->kind == RN_KIND_TUNTAP && link->tuntap.n_processors != 0) {
        rn_text_str(&t, "  ");
        rn_text_str(&t, rn_name_process(link->tuntap.processors[0], kind));
    }
    if (link->lower != NULL && link->lower->netns == link->netns && link->master != NULL) {
        rn_text_str(&t, "  on ");
        rn_text_str(&t, link->lower->name);
    }
    return rn_arena_strdup(&lay->out->arena, buf);
}

static bool is_below(const struct rn_map_link *link, const struct rn_map_link *parent)
{
    if (link == parent || link->netns != parent->netns)
        return false;
    return link->master == parent || (link->master == NULL && link->lower == parent);
}

static bool is_top(const struct rn_map_link *link)
{
    return !(link->master != NULL && link->master->netns == link->netns) &&
           !(link->lower != NULL && link->lower->netns == link->netns && link->master == NULL);
}

static bool is_placed(const struct rn_lay_box *box, const struct rn_map_link *link)
{
    for (size_t i = 0; i < box->n_rows; i++) {
        if (box->rows[i].link == link)
            return true;
    }
    return false;
}

static bool is_shown(const struct rn_lay *lay, const struct rn_map_link *link)
{
    return link->kind != RN_KIND_LOOPBACK && rn_select_link(&lay->draw->select, link);
}

/* NOLINTNEXTLINE(misc-no-recursion): NEST_MAX deep */
static void add_link(struct rn_lay *lay, struct rn_lay_box *box, const struct rn_map_link *link,
                     unsigned indent)
{
    struct rn_lay_row *row = add_row(lay, box);
    size_t at = box->n_rows - 1;

    if (row == NULL)
        return;
    row->link = link;
    row->name = link->name;
    row->detail = link_detail(lay, link);
    row->indent = indent;
    for (size_t i = 0; i < link->netns->n_links && indent < NEST_MAX; i++) {
        const struct rn_map_link *child = link->netns->links[i];

        if (is_below(child, link) && is_shown(lay, child) && !is_placed(box, child))
            add_link(lay, box, child, indent + 1);
    }
    box->rows[at].n_inside = box->n_rows - at - 1;
    box->rows[at].opens_bridge = link->kind == RN_KIND_BRIDGE || box->rows[at].n_inside != 0;
}

static void add_links(struct rn_lay *lay, struct rn_lay_box *box)
{
    const struct rn_map_netns *ns = box->ns;

    for (size_t i = 0; i < ns->n_links; i++) {
        if (is_top(ns->links[i]) && is_shown(lay, ns->links[i]))
            add_link(lay, box, ns->links[i], 0);
    }
    for (size_t i = 0; i < ns->n_links; i++) { /* below something that is not shown, or in a ring */
        if (is_shown(lay, ns->links[i]) && !is_placed(box, ns->links[i]))
            add_link(lay, box, ns->links[i], 0);
    }
}

/* ---- notes ---- */

static void add_listeners(struct rn_lay *lay, struct rn_lay_box *box)
{
    char buf[512];
    struct rn_text t = rn_text_of(buf, sizeof(buf));
    const struct rn_map_sock *last = NULL;

    for (size_t i = 0; i < box->ns->n_socks && !t.cut; i++) {
        const struct rn_map_sock *s = &box->ns->socks[i];

        if (!rn_sock_is_listening(s) || s->local_port == 0 || rn_addr_is_loopback(s->local) ||
            !rn_select_sock(&lay->draw->select, s))
            continue;
        if (last != NULL && last->local_port == s->local_port && last->proto == s->proto)
            continue;
        rn_text_str(&t, last == NULL ? "listens " : " ");
        rn_text_u64(&t, s->local_port);
        if (s->proto != RN_PROTO_TCP) {
            rn_text_char(&t, '/');
            rn_text_str(&t, rn_map_proto_text(s->proto));
        }
        last = s;
    }
    if (last != NULL)
        add_note(lay, box, buf, false);
}

static void add_forward(struct rn_lay *lay, struct rn_lay_box *box, const struct rn_map_fwd *fwd)
{
    char name[RN_NAME_BYTES];
    char buf[512];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    rn_text_str(&t, "port ");
    if (fwd->addr.bits != 0) {
        rn_text_addr(&t, fwd->addr.addr);
        rn_text_char(&t, ' ');
    }
    rn_text_u64(&t, fwd->port_from);
    if (fwd->port_to > fwd->port_from) {
        rn_text_char(&t, '-');
        rn_text_u64(&t, fwd->port_to);
    }
    rn_text_char(&t, '/');
    rn_text_str(&t, rn_name_ip_proto(fwd->ip_proto));
    rn_text_str(&t, " → ");
    if (fwd->to_netns != NULL) {
        rn_text_str(&t, rn_name_netns_short(lay->draw->map, fwd->to_netns, name));
        rn_text_char(&t, ' ');
    } else if (!rn_addr_is_none(fwd->to)) {
        rn_text_addr(&t, fwd->to);
        rn_text_char(&t, ' ');
    }
    rn_text_u64(&t, fwd->to_port_from != 0 ? fwd->to_port_from : fwd->port_from);
    add_note(lay, box, buf, fwd->to_netns == NULL);
}

/* What a network does with its own loopback addresses is nobody else's business. */
static bool is_shown_forward(const struct rn_lay *lay, const struct rn_map_fwd *fwd)
{
    bool is_inner =
        fwd->addr.bits != 0 && rn_addr_is_loopback(fwd->addr.addr) && fwd->to_netns == fwd->netns;

    return !is_inner && rn_select_fwd(&lay->draw->select, fwd);
}

/* A port that is published for both families reads the same twice. */
static bool is_said(const struct rn_lay_box *box, size_t from)
{
    for (size_t i = from; i + 1 < box->n_rows; i++) {
        if (strcmp(box->rows[i].detail, box->rows[box->n_rows - 1].detail) == 0)
            return true;
    }
    return false;
}

static void add_forwards(struct rn_lay *lay, struct rn_lay_box *box)
{
    size_t first = box->n_rows;
    size_t n = 0;
    char buf[64];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    for (size_t i = 0; i < box->ns->n_fwds; i++) {
        if (!is_shown_forward(lay, &box->ns->fwds[i]) || n++ >= NOTES_MAX)
            continue;
        add_forward(lay, box, &box->ns->fwds[i]);
        if (is_said(box, first)) {
            box->n_rows--;
            n--;
        }
    }
    if (n <= NOTES_MAX)
        return;
    rn_text_str(&t, "and ");
    rn_text_u64(&t, n - NOTES_MAX);
    rn_text_str(&t, " more forwarded ports");
    add_note(lay, box, buf, false);
}

static void add_unreadable(struct rn_lay *lay, struct rn_lay_box *box)
{
    for (size_t i = 0; i < lay->draw->map->n_unreadable; i++) {
        const struct rn_map_unreadable *u = &lay->draw->map->unreadable[i];
        char buf[512];

        if (u->netns != box->ns)
            continue;
        (void)snprintf(buf, sizeof(buf), "%s: %s%s%s", u->what, u->why,
                       u->needs[0] != '\0' ? ", needs " : "", u->needs);
        add_note(lay, box, buf, true);
    }
}

/* ---- boxes ---- */

static struct rn_lay_box *add_box(struct rn_lay *lay, const struct rn_map_netns *ns)
{
    struct rn_lay_box *grown =
        rn_arena_room(&lay->out->arena, lay->boxes, lay->n_boxes, sizeof(*grown));
    char text[RN_NAME_BYTES];

    if (grown == NULL)
        return NULL;
    lay->boxes = grown;
    grown[lay->n_boxes] = (struct rn_lay_box){
        .ns = ns,
        .ink = ink_of(ns),
        .group = rn_arena_strdup(&lay->out->arena, rn_name_group(ns, text)),
        .title = "",
        .sub = "",
    };
    return &grown[lay->n_boxes++];
}

/* Without registry and folder. */
static const char *short_image(const char *image)
{
    const char *slash = strrchr(image, '/');

    return slash != NULL ? slash + 1 : image;
}

static const char *sub_text(struct rn_lay *lay, const struct rn_map_netns *ns)
{
    char name[RN_NAME_BYTES];
    char buf[512];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    for (size_t i = 0; i < ns->n_tenants && t.len == 0; i++) {
        if (ns->tenants[i].container != NULL)
            rn_text_str(&t, short_image(ns->tenants[i].container->image));
    }
    if (t.len == 0)
        rn_text_str(&t, rn_name_holder(lay->draw->map, ns, name));
    if (t.len == 0 && ns->n_processes != 0) {
        rn_text_u64(&t, ns->n_processes);
        rn_text_str(&t, ns->n_processes == 1 ? " process" : " processes");
    }
    rn_text_str(&t, t.len != 0 ? " · net:[" : "net:[");
    rn_text_u64(&t, ns->ino);
    rn_text_char(&t, ']');
    return rn_arena_strdup(&lay->out->arena, buf);
}

static void fill_box(struct rn_lay *lay, struct rn_lay_box *box)
{
    char text[RN_NAME_BYTES];

    box->title = rn_arena_strdup(&lay->out->arena, rn_name_netns(lay->draw->map, box->ns, text));
    box->sub = sub_text(lay, box->ns);
    add_links(lay, box);
    if (lay->draw->select.kind == NULL) {
        add_listeners(lay, box);
        add_forwards(lay, box);
    }
    add_unreadable(lay, box);
    if (box->n_rows == 0 && box->ns->is_entered)
        add_note(lay, box, "nothing but lo", false);
}

/* One row per namespace: its name and first address. */
static void add_member(struct rn_lay *lay, struct rn_lay_box *box, const struct rn_map_netns *ns)
{
    struct rn_lay_row *row = add_row(lay, box);
    char text[RN_NAME_BYTES];
    char buf[512];
    struct rn_text t = rn_text_of(buf, sizeof(buf));

    if (row == NULL)
        return;
    row->ns = ns;
    row->name = rn_arena_strdup(&lay->out->arena, rn_name_netns(lay->draw->map, ns, text));
    for (size_t i = 0; i < ns->n_links && t.len == 0; i++) {
        if (ns->links[i]->kind != RN_KIND_LOOPBACK)
            put_addrs(&t, ns->links[i]);
    }
    row->detail = rn_arena_strdup(&lay->out->arena, buf);
    box->n_members++;
}

static void fill_collapsed(struct rn_lay *lay, struct rn_lay_box *box,
                           struct rn_map_netns *const *members, size_t n)
{
    char buf[64];

    for (size_t i = 0; i < n; i++)
        add_member(lay, box, members[i]);
    (void)snprintf(buf, sizeof(buf), "%zu networks", n);
    box->title = rn_arena_strdup(&lay->out->arena, buf);
    box->sub = "a line each: name, addresses";
}

/* ---- groups ---- */

struct entry {
    struct rn_map_netns *ns;
    const char *group;
    enum rn_ink ink;
    size_t at; /* in the model's order */
};

static int cmp_entry(const void *pa, const void *pb)
{
    const struct entry *a = pa;
    const struct entry *b = pb;
    int by_group = strcmp(a->group, b->group);

    if (a->ink != b->ink)
        return a->ink < b->ink ? -1 : 1;
    if (by_group != 0)
        return by_group;
    return a->at < b->at ? -1 : a->at > b->at;
}

static struct entry *gather(struct rn_lay *lay, size_t *ret_n)
{
    const struct rn_map *map = lay->draw->map;
    struct entry *entries = rn_arena_new(&lay->out->arena, (map->n_netns + 1) * sizeof(*entries));
    size_t n = 0;

    for (size_t i = 0; entries != NULL && i < map->n_netns; i++) {
        char text[RN_NAME_BYTES];

        if (!rn_select_netns(&lay->draw->select, map, map->netns[i]))
            continue;
        entries[n].ns = map->netns[i];
        entries[n].ink = ink_of(map->netns[i]);
        entries[n].group = rn_arena_strdup(&lay->out->arena, rn_name_group(map->netns[i], text));
        entries[n].at = i;
        n++;
    }
    if (n > 1)
        qsort(entries, n, sizeof(*entries), cmp_entry);
    *ret_n = n;
    return entries;
}

static void add_block(struct rn_lay *lay, const struct entry *entries, size_t n, bool is_collapsed)
{
    struct rn_lay_block *grown =
        rn_arena_room(&lay->out->arena, lay->blocks, lay->n_blocks, sizeof(*grown));
    struct rn_map_netns **members = rn_arena_new(&lay->out->arena, n * sizeof(*members));

    if (grown == NULL || members == NULL)
        return;
    lay->blocks = grown;
    grown[lay->n_blocks++] = (struct rn_lay_block){ .group = entries[0].group,
                                                    .ink = entries[0].ink,
                                                    .first_box = lay->n_boxes };
    for (size_t i = 0; i < n; i++)
        members[i] = entries[i].ns;
    for (size_t i = 0; i < (is_collapsed ? 1 : n); i++) {
        struct rn_lay_box *box = add_box(lay, entries[i].ns);

        if (box == NULL)
            return;
        if (is_collapsed)
            fill_collapsed(lay, box, members, n);
        else
            fill_box(lay, box);
        grown[lay->n_blocks - 1].n_boxes++;
    }
}

static size_t n_cables(const struct rn_map_netns *ns)
{
    size_t n = 0;

    for (size_t i = 0; i < ns->n_links; i++) {
        const struct rn_map_link *link = ns->links[i];

        n += link->peer != NULL && link->peer->netns != ns;
        for (size_t k = 0; k < link->n_uppers; k++)
            n += link->uppers[k]->netns != ns;
    }
    return n;
}

static size_t n_cables_between(const struct rn_map_netns *a, const struct rn_map_netns *b)
{
    size_t n = 0;

    for (size_t i = 0; i < a->n_links; i++) {
        const struct rn_map_link *link = a->links[i];

        n += link->peer != NULL && link->peer->netns == b;
        n += link->lower != NULL && link->lower->netns == b;
        for (size_t k = 0; k < link->n_uppers; k++)
            n += link->uppers[k]->netns == b;
    }
    return n;
}

/* How many cables the entry has to others of its group, whether they have their place or not. */
static size_t n_inner_cables(const struct entry *entries, size_t n, size_t at)
{
    size_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += i != at ? n_cables_between(entries[at].ns, entries[i].ns) : 0;
    return sum;
}

static void move_to(struct entry *entries, size_t to, size_t from)
{
    struct entry moved = entries[from];

    memmove(&entries[to + 1], &entries[to], (from - to) * sizeof(*entries));
    entries[to] = moved;
}

/* Within a group a hub stands first and what hangs on it behind it: short wires cross less. The rest keeps its order. */
static void order_by_cables(struct entry *entries, size_t n)
{
    size_t n_placed = 0;

    for (size_t i = 0; n_placed < n; i++) {
        if (i == n_placed) { /* nothing more hangs on those placed: a new hub */
            size_t best = i;

            for (size_t k = i; k < n; k++) {
                if (n_inner_cables(entries, n, k) > n_inner_cables(entries, n, best))
                    best = k;
            }
            move_to(entries, n_placed++, best);
        }
        for (size_t k = n_placed; k < n; k++) {
            if (n_cables_between(entries[i].ns, entries[k].ns) != 0)
                move_to(entries, n_placed++, k);
        }
    }
}

/* The place on the left is the machine's own network's, unless that has no cables and another is a hub: engines are often
 * kept in a network of their own. Moves it to the front; false if nobody deserves the place. */
static bool choose_left(struct entry *entries, size_t n)
{
    struct entry chosen;
    size_t best = 0;

    for (size_t i = 1; i < n; i++) {
        if (n_cables(entries[i].ns) > n_cables(entries[best].ns))
            best = i;
    }
    if (n > 0 && entries[0].ink == RN_INK_HOST &&
        (n_cables(entries[0].ns) != 0 || n_cables(entries[best].ns) < HUB_CABLES))
        return true;
    if (n == 0 || n_cables(entries[best].ns) < HUB_CABLES)
        return false;
    chosen = entries[best];
    memmove(&entries[1], &entries[0], best * sizeof(*entries));
    entries[0] = chosen;
    return true;
}

void rn_lay_boxes(struct rn_lay *lay)
{
    size_t n;
    struct entry *entries = gather(lay, &n);
    size_t i = 0;

    if (choose_left(entries, n)) {
        struct rn_lay_box *host = add_box(lay, entries[0].ns);

        if (host != NULL)
            fill_box(lay, host);
        lay->has_host = host != NULL;
        i = 1;
    }
    while (i < n) {
        size_t end = i + 1;
        bool is_collapsed;

        while (end < n && entries[end].ink == entries[i].ink &&
               strcmp(entries[end].group, entries[i].group) == 0)
            end++;
        is_collapsed = n >= COLLAPSE_FROM && end - i >= COLLAPSE_GROUP_AT;
        if (!is_collapsed)
            order_by_cables(&entries[i], end - i);
        add_block(lay, &entries[i], end - i, is_collapsed);
        i = end;
    }
}

struct rn_lay_row *rn_lay_find_row(struct rn_lay *lay, const struct rn_map_link *link,
                                   struct rn_lay_box **ret_box)
{
    for (size_t i = 0; i < lay->n_boxes; i++) {
        struct rn_lay_box *box = &lay->boxes[i];

        if (box->n_members == 0 && box->ns != link->netns)
            continue;
        for (size_t k = 0; k < box->n_rows; k++) {
            if (box->rows[k].link != link && box->rows[k].ns != link->netns)
                continue;
            *ret_box = box;
            return &box->rows[k];
        }
    }
    return NULL;
}
