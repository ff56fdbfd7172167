/* `runnel map show NIF`: everything about one interface, a line each. */
#include "discovery/draw.h"

#include "discovery/line.h"
#include "discovery/name.h"
#include "discovery/wireguard.h"

#include <inttypes.h>
#include <net/if.h>
#include <stdarg.h>

#define LABEL_COLUMN 14u

struct card {
    const struct rn_draw *draw;
    const struct rn_map_link *link;
    struct rn_line line;
};

static void label(struct card *c, const char *text)
{
    rn_line_put(&c->line, RN_STYLE_DIM, text[0] != '\0' ? text : " ");
    rn_line_pad(&c->line, LABEL_COLUMN);
}

static void row(struct card *c, const char *name, const char *value)
{
    if (value[0] == '\0')
        return;
    label(c, name);
    rn_line_put(&c->line, RN_STYLE_PLAIN, value);
    rn_line_end(&c->line);
}

__attribute__((format(printf, 3, 4))) static void row_fmt(struct card *c, const char *name,
                                                          const char *fmt, ...);

static void row_fmt(struct card *c, const char *name, const char *fmt, ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    row(c, name, text);
}

static void link_row(struct card *c, const char *name, const struct rn_map_link *other)
{
    char text[RN_NAME_BYTES];

    if (other == NULL)
        return;
    label(c, name);
    rn_line_put(&c->line, RN_STYLE_NAME, other->name);
    rn_line_put(&c->line, RN_STYLE_DIM, " in ");
    rn_line_put(&c->line, RN_STYLE_PLAIN, rn_name_netns_short(c->draw->map, other->netns, text));
    rn_line_end(&c->line);
}

static void flags_row(struct card *c)
{
    static const struct {
        unsigned flag;
        const char *text;
    } flags[] = {
        { IFF_UP, "up" },
        { IFF_RUNNING, "running" },
        { IFF_LOOPBACK, "loopback" },
        { IFF_BROADCAST, "broadcast" },
        { IFF_MULTICAST, "multicast" },
        { IFF_POINTOPOINT, "point-to-point" },
        { IFF_NOARP, "noarp" },
        { IFF_PROMISC, "promiscuous" },
        { IFF_ALLMULTI, "all-multicast" },
        { IFF_MASTER, "master" },
        { IFF_SLAVE, "slave" },
    };

    label(c, "flags");
    for (size_t i = 0; i < RN_ARRAY_LEN(flags); i++) {
        if ((c->link->flags & flags[i].flag) == 0)
            continue;
        rn_line_put(&c->line, RN_STYLE_PLAIN, flags[i].text);
        rn_line_put(&c->line, RN_STYLE_PLAIN, " ");
    }
    rn_line_end(&c->line);
}

static void addr_rows(struct card *c)
{
    for (size_t i = 0; i < c->link->n_addrs; i++) {
        const struct rn_map_addr *a = &c->link->addrs[i];
        char text[RN_ADDR_TEXT_BYTES];
        char life[48] = "";

        if (a->valid_s != RN_MAP_FOREVER)
            (void)snprintf(life, sizeof(life), "  valid %" PRIu32 " s, preferred %" PRIu32 " s",
                           a->valid_s, a->preferred_s);
        label(c, "address");
        rn_line_put(&c->line, RN_STYLE_ADDR, rn_addr_print(a->addr, text));
        (void)snprintf(text, sizeof(text), "/%u", a->prefix_bits);
        rn_line_put(&c->line, RN_STYLE_DIM, text);
        if (!rn_addr_is_none(a->peer) && !rn_addr_eq(a->peer, a->addr)) {
            rn_line_put(&c->line, RN_STYLE_DIM, " peer ");
            rn_line_put(&c->line, RN_STYLE_ADDR, rn_addr_print(a->peer, text));
        }
        rn_line_put(&c->line, RN_STYLE_DIM, life);
        rn_line_end(&c->line);
    }
}

static void driver_row(struct card *c)
{
    const struct rn_map_driver *d = &c->link->driver;

    if (!d->is_known || d->name[0] == '\0')
        return;
    label(c, "driver");
    rn_line_put(&c->line, RN_STYLE_PLAIN, d->name);
    rn_line_put(&c->line, RN_STYLE_PLAIN, " ");
    rn_line_put(&c->line, RN_STYLE_PLAIN, d->version);
    if (d->bus[0] != '\0') {
        rn_line_put(&c->line, RN_STYLE_DIM, "  at ");
        rn_line_put(&c->line, RN_STYLE_PLAIN, d->bus);
    }
    if (d->firmware[0] != '\0') {
        rn_line_put(&c->line, RN_STYLE_DIM, "  firmware ");
        rn_line_put(&c->line, RN_STYLE_PLAIN, d->firmware);
    }
    rn_line_end(&c->line);
    if (d->speed_mbit >= 0)
        row_fmt(c, "speed", "%" PRId32 " Mbit/s", d->speed_mbit);
}

static void tunnel_rows(struct card *c)
{
    const struct rn_map_tunnel *t = &c->link->tunnel;
    char text[RN_ADDR_TEXT_BYTES];

    if (c->link->kind != RN_KIND_VXLAN && c->link->kind != RN_KIND_GENEVE &&
        c->link->kind != RN_KIND_TUNNEL)
        return;
    row_fmt(c, "id", "%" PRIu32, t->id);
    if (!rn_addr_is_none(t->local))
        row(c, "from", rn_addr_print(t->local, text));
    if (!rn_addr_is_none(t->remote))
        row(c, "to", rn_addr_print(t->remote, text));
    if (t->dst_port != 0)
        row_fmt(c, "port", "%" PRIu16, t->dst_port);
}

static void peer_rows(struct card *c)
{
    const struct rn_map_wireguard *wg = &c->link->wireguard;
    char text[64];

    if (c->link->kind != RN_KIND_WIREGUARD || !wg->is_known)
        return;
    row(c, "public key", rn_wireguard_key_text(wg->key, text));
    row_fmt(c, "port", "%" PRIu16, wg->listen_port);
    for (uint32_t i = 0; i < wg->n_peers; i++) {
        const struct rn_map_wg_peer *p = &wg->peers[i];

        row(c, "peer", rn_wireguard_key_text(p->key, text));
        if (!rn_addr_is_none(p->endpoint.addr))
            row(c, "  at", rn_endpoint_print(&p->endpoint, text));
        for (size_t k = 0; k < p->n_allowed; k++)
            row(c, k == 0 ? "  for" : "", rn_prefix_print(&p->allowed[k], text));
        if (p->handshake_unix_s != 0 && c->draw->map->host.taken_unix_s >= p->handshake_unix_s)
            row_fmt(c, "  last heard", "%" PRIu64 " s ago",
                    c->draw->map->host.taken_unix_s - p->handshake_unix_s);
        row_fmt(c, "  received", "%" PRIu64 " bytes, sent %" PRIu64 " bytes", p->rx_bytes,
                p->tx_bytes);
    }
}

static void relation_rows(struct card *c)
{
    char text[RN_NAME_BYTES];

    link_row(c, "peer", c->link->peer);
    link_row(c, "port of", c->link->master);
    link_row(c, "stands on", c->link->lower);
    link_row(c, "function of", c->link->pf);
    for (size_t i = 0; i < c->link->n_ports; i++)
        link_row(c, i == 0 ? "ports" : "", c->link->ports[i]);
    for (size_t i = 0; i < c->link->n_uppers; i++)
        link_row(c, i == 0 ? "carries" : "", c->link->uppers[i]);
    if (c->link->kind != RN_KIND_TUNTAP)
        return;
    for (size_t i = 0; i < c->link->tuntap.n_processors; i++)
        row(c, i == 0 ? "served by" : "", rn_name_process(c->link->tuntap.processors[i], text));
}

static void counter_rows(struct card *c)
{
    const struct rn_map_stats *s = &c->link->stats;

    row_fmt(c, "received",
            "%" PRIu64 " bytes, %" PRIu64 " packets, %" PRIu64 " errors, %" PRIu64 " dropped",
            s->rx_bytes, s->rx_packets, s->rx_errors, s->rx_dropped);
    row_fmt(c, "sent",
            "%" PRIu64 " bytes, %" PRIu64 " packets, %" PRIu64 " errors, %" PRIu64 " dropped",
            s->tx_bytes, s->tx_packets, s->tx_errors, s->tx_dropped);
}

static void draw_card(struct card *c)
{
    const struct rn_map_link *link = c->link;
    char text[RN_NAME_BYTES];

    rn_line_put(&c->line, RN_STYLE_TITLE, link->name);
    rn_line_put(&c->line, RN_STYLE_DIM, " in ");
    rn_line_put(&c->line, RN_STYLE_PLAIN, rn_name_netns(c->draw->map, link->netns, text));
    rn_line_end(&c->line);
    row(c, "kind", rn_name_kind(link, text));
    row(c, "state", rn_map_oper_text(link->oper));
    row_fmt(c, "index", "%" PRIu32, link->index);
    row(c, "alias", link->alias);
    for (size_t i = 0; i < link->n_altnames; i++)
        row(c, "also", link->altnames[i]);
    row(c, "network", link->network);
    row(c, "hardware", rn_name_hwaddr(&link->hwaddr, text));
    row(c, "permanent", rn_name_hwaddr(&link->permaddr, text));
    row_fmt(c, "mtu", "%" PRIu32, link->mtu);
    row(c, "queueing", link->qdisc);
    flags_row(c);
    if (link->promiscuity != 0)
        row_fmt(c, "listeners", "%" PRIu32 " want all packets", link->promiscuity);
    driver_row(c);
    tunnel_rows(c);
    peer_rows(c);
    relation_rows(c);
    addr_rows(c);
    counter_rows(c);
}

int rn_draw_link(const struct rn_draw *draw, const char *name, struct rn_out *out)
{
    struct card c = { .draw = draw,
                      .link = rn_select_find_link(draw->map, name),
                      .line = { .out = out,
                                .width = draw->width,
                                .charset = draw->charset,
                                .has_color = draw->has_color } };

    if (c.link == NULL)
        return RN_E_NOT_FOUND;
    draw_card(&c);
    rn_line_free(&c.line);
    return RN_OK;
}
