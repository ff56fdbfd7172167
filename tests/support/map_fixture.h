#pragma once
/*
 * One machine with everything a drawing must cope with, built by hand: no root, no kernel.
 *
 *   atlas (initial)   lo  eth0 192.0.2.10 2001:db8::10   docker0 (empty)   br-51c512f82ba7 "shop_default" 172.18.0.1
 *                     podman0 10.88.0.1   veth1a veth2a (ports of br-51c…)   veth3a (of podman0)   veth4a 10.1.0.1
 *                     vx100 (on eth0, port of brmesh)   tun0 (openvpn)   wg0
 *   web + sidecar     docker, project shop: eth0 172.18.0.2 = veth1a      forwarded: 127.0.0.1:8080 -> :80
 *   db                docker, project shop: eth0 172.18.0.3 = veth2a      listens on 5432
 *   dns               podman, pod names: eth0 10.88.0.5 = veth3a          forwarded: *:8053/udp -> :53
 *   blue              /run/netns/blue, nobody in it: up0 10.1.0.2 = veth4a, br9 10.9.0.1 with port x9a, mv0 on atlas/eth0
 *   green             /run/netns/green: x9b 10.9.0.2 = blue/x9a; routes into a blackhole and back to blue: a loop
 *   hidden            held by a descriptor of helper(900)
 *   hostile           names that fight back
 *   4026532999        may not be entered
 */
#include "discovery/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct map_fixture {
    struct rn_map *map;
    struct rn_map_netns *atlas, *web, *db, *dns, *blue, *green, *hidden, *hostile, *closed;
    struct rn_map_link *eth0, *shop, *podman0;
    struct rn_map_process *init, *dockerd, *sshd, *nginx, *httpd, *postgres, *named, *proxy,
        *openvpn;
};

static inline struct rn_addr fx_addr(const char *text)
{
    struct rn_addr a = { 0 };

    if (rn_addr_parse(text, &a) < 0)
        abort();
    return a;
}

static inline struct rn_prefix fx_prefix(const char *text)
{
    struct rn_prefix p = { 0 };

    if (rn_prefix_parse(text, &p) < 0)
        abort();
    return p;
}

static inline struct rn_map_netns *fx_netns(struct rn_map *map, uint64_t ino, const char *name)
{
    struct rn_map_netns *ns = rn_model_add_netns(map, 4, ino);

    ns->name = name;
    ns->is_entered = true;
    ns->cookie = ino - 4026530000u;
    ns->owner_uid = 0;
    ns->userns_ino = 4026531837u;
    if (name[0] != '\0') {
        struct rn_map_ref *ref = rn_model_add_ref(map, ns);
        char path[64];

        (void)snprintf(path, sizeof(path), "/run/netns/%s", name);
        ref->found_by = RN_FOUND_BIND;
        ref->path = rn_arena_strdup(&map->arena, path);
    }
    return ns;
}

static inline struct rn_map_link *fx_link(struct rn_map *map, struct rn_map_netns *ns,
                                          uint32_t index, const char *name, enum rn_map_kind kind)
{
    struct rn_map_link *link = rn_model_add_link(map, ns);

    link->index = index;
    link->name = name;
    link->kind = kind;
    link->kind_name = kind <= RN_KIND_LOOPBACK ? "" : rn_map_kind_text(kind);
    if (kind == RN_KIND_TUNTAP)
        link->kind_name = "tun";
    link->flags = 0x1 | 0x40 | (kind == RN_KIND_LOOPBACK ? 0x8u : 0x2u | 0x1000u);
    link->oper = kind == RN_KIND_LOOPBACK ? RN_OPER_UNKNOWN : RN_OPER_UP;
    link->carrier = 1;
    link->mtu = kind == RN_KIND_LOOPBACK ? 65536 : 1500;
    link->qdisc = kind == RN_KIND_DEVICE ? "fq_codel" : "noqueue";
    link->n_tx_queues = 1;
    link->n_rx_queues = 1;
    link->hw_type = kind == RN_KIND_LOOPBACK ? 772 : 1;
    link->hwaddr.len = 6;
    if (kind != RN_KIND_LOOPBACK) {
        link->hwaddr.b[0] = 2;
        link->hwaddr.b[4] = (uint8_t)(ns->ino & 0xff);
        link->hwaddr.b[5] = (uint8_t)index;
    }
    link->stats.rx_bytes = 1000u * index;
    link->stats.rx_packets = 10u * index;
    return link;
}

static inline struct rn_map_addr *fx_ip(struct rn_map *map, struct rn_map_link *link,
                                        const char *text, uint8_t bits)
{
    struct rn_map_addr *a = rn_model_add_addr(map, link->netns);

    a->link = link;
    a->link_index = link->index;
    a->addr = fx_addr(text);
    a->prefix_bits = bits;
    a->flags = 0x80;
    a->scope = link->kind == RN_KIND_LOOPBACK ? 254 : 0;
    return a;
}

static inline struct rn_map_route *fx_route(struct rn_map *map, struct rn_map_netns *ns,
                                            const char *dst, const char *via,
                                            struct rn_map_link *link)
{
    struct rn_map_route *r = rn_model_add_route(map, ns);

    r->dst = fx_prefix(dst);
    r->family = r->dst.is_v4 ? RN_FAMILY_V4 : RN_FAMILY_V6;
    r->gateway = via != NULL ? fx_addr(via) : rn_addr_none();
    r->link = link;
    r->link_index = link != NULL ? link->index : 0;
    r->table = 254;
    r->type = 1;
    r->protocol = via != NULL ? 4 : 2;
    r->scope = via != NULL ? 0 : 253;
    return r;
}

/* The rules every namespace is born with. */
static inline void fx_rules(struct rn_map *map, struct rn_map_netns *ns)
{
    static const uint32_t tables[] = { 255, 254, 253 };
    static const uint32_t priorities[] = { 0, 32766, 32767 };

    for (unsigned i = 0; i < 5; i++) {
        struct rn_map_rule *rule = rn_model_add_rule(map, ns);

        rule->family = i < 3 ? RN_FAMILY_V4 : RN_FAMILY_V6;
        rule->table = tables[i % 3];
        rule->priority = priorities[i % 3];
        rule->action = 1;
        rule->src.is_v4 = i < 3;
        rule->dst.is_v4 = i < 3;
    }
}

static inline void fx_lo(struct rn_map *map, struct rn_map_netns *ns)
{
    struct rn_map_link *lo = fx_link(map, ns, 1, "lo", RN_KIND_LOOPBACK);

    (void)fx_ip(map, lo, "127.0.0.1", 8);
    (void)fx_ip(map, lo, "::1", 128);
    fx_rules(map, ns);
}

static inline void fx_peers(struct rn_map_link *a, struct rn_map_link *b)
{
    a->peer = b;
    b->peer = a;
    a->link_index = b->index;
    b->link_index = a->index;
    a->link_nsid = a->netns == b->netns ? RN_MAP_NO_NSID : 1;
    b->link_nsid = a->netns == b->netns ? RN_MAP_NO_NSID : 0;
}

static inline void fx_port(struct rn_map *map, struct rn_map_link *port, struct rn_map_link *master)
{
    port->master = master;
    port->master_index = master->index;
    port->slave_kind = rn_map_kind_text(master->kind);
    port->port.state = 3;
    port->port.cost = 2;
    rn_model_list_link(map, &master->ports, &master->n_ports, port);
}

static inline void fx_lower(struct rn_map *map, struct rn_map_link *upper,
                            struct rn_map_link *lower)
{
    upper->lower = lower;
    upper->link_index = lower->index;
    upper->link_nsid = upper->netns == lower->netns ? RN_MAP_NO_NSID : 0;
    rn_model_list_link(map, &lower->uppers, &lower->n_uppers, upper);
}

static inline struct rn_map_process *fx_process(struct rn_map *map, struct rn_map_netns *ns,
                                                uint32_t pid, const char *comm, const char *cmdline)
{
    struct rn_map_process *p = rn_model_add_process(map, pid);

    p->comm = comm;
    p->cmdline = cmdline;
    p->ppid = pid == 1 ? 0 : 1;
    p->netns = ns;
    p->start_ticks = 100u + pid;
    p->cgroup = "/system.slice";
    p->pidns_ino = 4026531836u;
    p->mntns_ino = 4026531841u;
    p->utsns_ino = 4026531838u;
    p->userns_ino = 4026531837u;
    p->cap_bounding = 0x1ffffffffffu;
    p->affinity = "0-1";
    p->has_status = true;
    ns->n_processes++;
    return p;
}

static inline struct rn_map_tenant *fx_tenant(struct rn_map *map, struct rn_map_netns *ns,
                                              struct rn_map_process *p, struct rn_map_container *c)
{
    struct rn_map_tenant *t = rn_model_add_tenant(map, ns);
    struct rn_map_ref *ref = rn_model_add_ref(map, ns);
    char path[32];

    t->process = p;
    t->container = c;
    (void)snprintf(path, sizeof(path), "/proc/%u/ns/net", p->pid);
    ref->found_by = RN_FOUND_PROCESS;
    ref->pid = p->pid;
    ref->path = rn_arena_strdup(&map->arena, path);
    if (c != NULL) {
        c->process = p;
        c->netns = ns;
        p->container = c;
    }
    return t;
}

static inline struct rn_map_sock *fx_listen(struct rn_map *map, struct rn_map_process *owner,
                                            enum rn_map_proto proto, uint16_t port)
{
    struct rn_map_sock *s = rn_model_add_sock(map, owner->netns);

    s->family = RN_FAMILY_V4;
    s->proto = (uint8_t)proto;
    s->state = proto == RN_PROTO_TCP ? RN_STATE_LISTEN : RN_STATE_CLOSE;
    s->local_port = port;
    s->inode = 20000u + port;
    rn_model_list_process(map, &s->owners, &s->n_owners, owner);
    return s;
}
