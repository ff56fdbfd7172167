#pragma once
/* The machine drawn in map_fixture.h, namespace by namespace. */
#include "map_fixture.h"

static inline struct rn_map_container *fx_container(struct rn_map *map, const char *name,
                                                    enum rn_map_engine_kind kind,
                                                    struct rn_map_engine *engine)
{
    struct rn_map_container *c = rn_model_add_container(map);
    char id[65];

    memset(id, 'c', 64);
    id[64] = '\0';
    memcpy(id, name, strlen(name));
    c->id = rn_arena_strdup(&map->arena, id);
    c->name = name;
    c->engine_kind = kind;
    c->engine = engine;
    c->image = "docker.io/library/busybox:1.36";
    return c;
}

static inline void fx_label(struct rn_map *map, struct rn_map_container *c, const char *key,
                            const char *value)
{
    struct rn_map_label *labels =
        rn_arena_room(&map->arena, c->labels, c->n_labels, sizeof(struct rn_map_label));

    c->labels = labels;
    labels[c->n_labels++] = (struct rn_map_label){ key, value };
}

static inline void fx_hosts_atlas(struct map_fixture *f, struct rn_map_link *tun0)
{
    struct rn_map *map = f->map;
    struct rn_map_tenant *t;

    f->init = fx_process(map, f->atlas, 1, "systemd", "/sbin/init");
    f->sshd = fx_process(map, f->atlas, 812, "sshd", "sshd: /usr/sbin/sshd -D [listener]");
    f->nginx = fx_process(map, f->atlas, 850, "nginx", "nginx: master process");
    f->openvpn = fx_process(map, f->atlas, 870, "openvpn", "openvpn --config /etc/openvpn/a.conf");
    f->dockerd = fx_process(map, f->atlas, 890, "dockerd", "/usr/sbin/dockerd");
    f->proxy =
        fx_process(map, f->atlas, 895, "docker-proxy", "docker-proxy -proto tcp -host-port 8080");
    t = fx_tenant(map, f->atlas, f->init, NULL);
    t->dns = rn_arena_new(&map->arena, sizeof(*t->dns));
    *t->dns = (struct rn_map_dns){ .uts_hostname = "atlas",
                                   .etc_hostname = "atlas",
                                   .domainname = "",
                                   .nsswitch_hosts = "files dns" };
    t->dns->nameservers = rn_arena_room(&map->arena, NULL, 0, sizeof(struct rn_addr));
    t->dns->nameservers[t->dns->n_nameservers++] = fx_addr("192.0.2.53");
    t->dns->hosts = rn_arena_room(&map->arena, NULL, 0, sizeof(struct rn_map_host_entry));
    t->dns->hosts[t->dns->n_hosts++] =
        (struct rn_map_host_entry){ "localhost", fx_addr("127.0.0.1") };
    rn_model_list_process(map, &tun0->tuntap.processors, &tun0->tuntap.n_processors, f->openvpn);
}

static inline void fx_atlas_socks(struct map_fixture *f)
{
    struct rn_map *map = f->map;
    struct rn_map_sock *s = fx_listen(map, f->sshd, RN_PROTO_TCP, 22);

    s->family = RN_FAMILY_V6;
    s->is_dual = true;
    (void)fx_listen(map, f->nginx, RN_PROTO_TCP, 80);
    s = fx_listen(map, f->proxy, RN_PROTO_TCP, 8080);
    s->local = fx_addr("127.0.0.1");
    (void)fx_listen(map, f->openvpn, RN_PROTO_UDP, 1194);
    s = fx_listen(map, f->sshd, RN_PROTO_TCP, 22);
    s->state = RN_STATE_ESTABLISHED;
    s->local = fx_addr("192.0.2.10");
    s->remote = fx_addr("198.51.100.7");
    s->remote_port = 51515;
    s->inode = 31000;
    s = rn_model_add_sock(map, f->atlas);
    s->proto = RN_PROTO_UNIX;
    s->state = RN_STATE_LISTEN;
    s->type = 1;
    s->inode = 31001;
    s->path = "/run/docker.sock";
    rn_model_list_process(map, &s->owners, &s->n_owners, f->dockerd);
}

static inline void fx_atlas(struct map_fixture *f)
{
    struct rn_map *map = f->map;
    struct rn_map_netns *ns = fx_netns(map, 4026531840u, "");
    struct rn_map_link *tun0;
    struct rn_map_link *docker0;
    struct rn_map_link *wg0;

    f->atlas = ns;
    ns->is_initial = true;
    ns->is_current = true;
    fx_lo(map, ns);
    f->eth0 = fx_link(map, ns, 2, "eth0", RN_KIND_DEVICE);
    f->eth0->is_physical = true;
    f->eth0->driver.name = "virtio_net";
    f->eth0->driver.bus = "0000:00:03.0";
    f->eth0->driver.version = "1.0.0";
    f->eth0->driver.is_known = true;
    f->eth0->driver.speed_mbit = 10000;
    f->eth0->parent_bus = "virtio";
    f->eth0->parent_dev = "virtio1";
    (void)fx_ip(map, f->eth0, "192.0.2.10", 24);
    (void)fx_ip(map, f->eth0, "2001:db8::10", 64);
    docker0 = fx_link(map, ns, 3, "docker0", RN_KIND_BRIDGE);
    docker0->oper = RN_OPER_DOWN;
    docker0->carrier = 0;
    docker0->network = "bridge";
    (void)fx_ip(map, docker0, "172.17.0.1", 16);
    f->shop = fx_link(map, ns, 4, "br-51c512f82ba7", RN_KIND_BRIDGE);
    f->shop->network = "shop_default";
    (void)fx_ip(map, f->shop, "172.18.0.1", 16);
    f->podman0 = fx_link(map, ns, 5, "podman0", RN_KIND_BRIDGE);
    f->podman0->network = "podman";
    (void)fx_ip(map, f->podman0, "10.88.0.1", 16);
    tun0 = fx_link(map, ns, 6, "tun0", RN_KIND_TUNTAP);
    tun0->hw_type = 65534;
    tun0->hwaddr.len = 0;
    (void)fx_ip(map, tun0, "10.8.0.1", 24);
    wg0 = fx_link(map, ns, 7, "wg0", RN_KIND_WIREGUARD);
    wg0->wireguard.is_known = true;
    wg0->wireguard.listen_port = 51820;
    wg0->hwaddr.len = 0;
    (void)fx_route(map, ns, "0.0.0.0/0", "192.0.2.1", f->eth0);
    (void)fx_route(map, ns, "192.0.2.0/24", NULL, f->eth0);
    (void)fx_route(map, ns, "172.18.0.0/16", NULL, f->shop);
    (void)fx_route(map, ns, "10.88.0.0/16", NULL, f->podman0);
    (void)fx_route(map, ns, "::/0", "fe80::1", f->eth0);
    fx_hosts_atlas(f, tun0);
    fx_atlas_socks(f);
}

static inline void fx_shop(struct map_fixture *f, struct rn_map_engine *docker)
{
    struct rn_map *map = f->map;
    struct rn_map_link *outer = fx_link(map, f->atlas, 11, "veth1a", RN_KIND_VETH);
    struct rn_map_link *inner;
    struct rn_map_container *c = fx_container(map, "web", RN_ENGINE_DOCKER, docker);
    struct rn_map_sock *s;

    f->web = fx_netns(map, 4026532392u, "");
    fx_lo(map, f->web);
    inner = fx_link(map, f->web, 5, "eth0", RN_KIND_VETH);
    fx_peers(outer, inner);
    fx_port(map, outer, f->shop);
    (void)fx_ip(map, inner, "172.18.0.2", 16);
    (void)fx_route(map, f->web, "0.0.0.0/0", "172.18.0.1", inner);
    (void)fx_route(map, f->web, "172.18.0.0/16", NULL, inner);
    f->httpd = fx_process(map, f->web, 8450, "httpd", "/bin/httpd -f -p 80 -h /www");
    c->project = "shop";
    c->service = "web";
    fx_label(map, c, "com.docker.compose.project", "shop");
    fx_label(map, c, "com.docker.compose.service", "web");
    (void)fx_tenant(map, f->web, f->httpd, c);
    (void)fx_listen(map, f->httpd, RN_PROTO_TCP, 80);
    c = fx_container(map, "sidecar", RN_ENGINE_DOCKER, docker);
    c->is_paused = true;
    c->is_privileged = true;
    (void)fx_tenant(map, f->web, fx_process(map, f->web, 8460, "sleep", "/bin/sleep inf"), c);

    f->db = fx_netns(map, 4026532400u, "");
    fx_lo(map, f->db);
    outer = fx_link(map, f->atlas, 12, "veth2a", RN_KIND_VETH);
    inner = fx_link(map, f->db, 6, "eth0", RN_KIND_VETH);
    fx_peers(outer, inner);
    fx_port(map, outer, f->shop);
    (void)fx_ip(map, inner, "172.18.0.3", 16);
    (void)fx_route(map, f->db, "0.0.0.0/0", "172.18.0.1", inner);
    (void)fx_route(map, f->db, "172.18.0.0/16", NULL, inner);
    f->postgres = fx_process(map, f->db, 8500, "postgres", "postgres -D /data");
    c = fx_container(map, "db", RN_ENGINE_DOCKER, docker);
    c->project = "shop";
    c->service = "db";
    (void)fx_tenant(map, f->db, f->postgres, c);
    s = fx_listen(map, f->postgres, RN_PROTO_TCP, 5432);
    s->family = RN_FAMILY_V6;
    s->is_v6only = true;
}

static inline void fx_pod(struct map_fixture *f, struct rn_map_engine *podman)
{
    struct rn_map *map = f->map;
    struct rn_map_link *outer = fx_link(map, f->atlas, 13, "veth3a", RN_KIND_VETH);
    struct rn_map_link *inner;
    struct rn_map_container *c = fx_container(map, "dns", RN_ENGINE_PODMAN, podman);

    f->dns = fx_netns(map, 4026532410u, "");
    fx_lo(map, f->dns);
    inner = fx_link(map, f->dns, 2, "eth0", RN_KIND_VETH);
    fx_peers(outer, inner);
    fx_port(map, outer, f->podman0);
    (void)fx_ip(map, inner, "10.88.0.5", 16);
    (void)fx_route(map, f->dns, "0.0.0.0/0", "10.88.0.1", inner);
    (void)fx_route(map, f->dns, "10.88.0.0/16", NULL, inner);
    f->named = fx_process(map, f->dns, 9100, "named", "named -g");
    c->pod = "names";
    (void)fx_tenant(map, f->dns, f->named, c);
    (void)fx_listen(map, f->named, RN_PROTO_UDP, 53);
}

static inline void fx_hand_made(struct map_fixture *f)
{
    struct rn_map *map = f->map;
    struct rn_map_link *a = fx_link(map, f->atlas, 14, "veth4a", RN_KIND_VETH);
    struct rn_map_link *up0;
    struct rn_map_link *br9;
    struct rn_map_link *x9a;
    struct rn_map_link *x9b;
    struct rn_map_link *mv0;

    f->blue = fx_netns(map, 4026532500u, "blue");
    fx_lo(map, f->blue);
    up0 = fx_link(map, f->blue, 2, "up0", RN_KIND_VETH);
    br9 = fx_link(map, f->blue, 3, "br9", RN_KIND_BRIDGE);
    x9a = fx_link(map, f->blue, 4, "x9a", RN_KIND_VETH);
    mv0 = fx_link(map, f->blue, 5, "mv0", RN_KIND_MACVLAN);
    mv0->macvlan.mode = 4;
    fx_lower(map, mv0, f->eth0);
    (void)fx_ip(map, mv0, "192.0.2.77", 24);
    fx_peers(a, up0);
    (void)fx_ip(map, a, "10.1.0.1", 24);
    (void)fx_ip(map, up0, "10.1.0.2", 24);
    fx_port(map, x9a, br9);
    (void)fx_ip(map, br9, "10.9.0.1", 24);
    (void)fx_route(map, f->atlas, "10.1.0.0/24", NULL, a);
    (void)fx_route(map, f->atlas, "10.9.0.0/24", "10.1.0.2", a);
    (void)fx_route(map, f->atlas, "203.0.113.0/24", "10.1.0.2", a);
    (void)fx_route(map, f->blue, "0.0.0.0/0", "10.1.0.1", up0);
    (void)fx_route(map, f->blue, "10.1.0.0/24", NULL, up0);
    (void)fx_route(map, f->blue, "10.9.0.0/24", NULL, br9);
    (void)fx_route(map, f->blue, "203.0.113.0/24", "10.9.0.2", br9);
    f->green = fx_netns(map, 4026532510u, "green");
    fx_lo(map, f->green);
    x9b = fx_link(map, f->green, 2, "x9b", RN_KIND_VETH);
    fx_peers(x9a, x9b);
    (void)fx_ip(map, x9b, "10.9.0.2", 24);
    (void)fx_route(map, f->green, "10.9.0.0/24", NULL, x9b);
    (void)fx_route(map, f->green, "0.0.0.0/0", "10.9.0.1", x9b);
    fx_route(map, f->green, "10.66.0.0/16", NULL, NULL)->type = 6;
}

static inline void fx_overlay(struct map_fixture *f)
{
    struct rn_map *map = f->map;
    struct rn_map_link *br = fx_link(map, f->atlas, 20, "brmesh", RN_KIND_BRIDGE);
    struct rn_map_link *vx = fx_link(map, f->atlas, 21, "vx100", RN_KIND_VXLAN);

    vx->tunnel.id = 100;
    vx->tunnel.dst_port = 4789;
    vx->tunnel.remote = fx_addr("198.51.100.20");
    vx->tunnel.local = fx_addr("192.0.2.10");
    vx->tunnel.lower_index = 2;
    fx_lower(map, vx, f->eth0);
    fx_port(map, vx, br);
}

static inline void fx_forwards(struct map_fixture *f)
{
    struct rn_map *map = f->map;
    struct rn_map_fwd *fwd = rn_model_add_fwd(map, f->atlas);

    fwd->family = RN_FAMILY_V4;
    fwd->ip_proto = 6;
    fwd->addr = fx_prefix("127.0.0.1/32");
    fwd->port_from = fwd->port_to = 8080;
    fwd->to = fx_addr("172.18.0.2");
    fwd->to_port_from = fwd->to_port_to = 80;
    fwd->hooks = 1 | 8;
    fwd->origin = RN_FWD_IPTABLES;
    fwd->rule = "ip nat DOCKER handle 12";
    fwd->to_netns = f->web;
    fwd->to_link = f->web->links[1];
    rn_model_list_process(map, &fwd->owners, &fwd->n_owners, f->httpd);
    fwd = rn_model_add_fwd(map, f->atlas);
    fwd->family = RN_FAMILY_V4;
    fwd->addr.is_v4 = 1;
    fwd->ip_proto = 17;
    fwd->port_from = fwd->port_to = 8053;
    fwd->to = fx_addr("10.88.0.5");
    fwd->to_port_from = fwd->to_port_to = 53;
    fwd->hooks = 1 | 8;
    fwd->origin = RN_FWD_IPTABLES;
    fwd->rule = "ip nat NETAVARK-DN-1 handle 3";
    fwd->to_netns = f->dns;
    fwd->to_link = f->dns->links[1];
    rn_model_list_process(map, &fwd->owners, &fwd->n_owners, f->named);
    fwd = rn_model_add_fwd(map, f->atlas);
    fwd->family = RN_FAMILY_V4;
    fwd->addr.is_v4 = 1;
    fwd->ip_proto = 6;
    fwd->port_from = 9000;
    fwd->port_to = 9010;
    fwd->to = fx_addr("10.66.0.5");
    fwd->hooks = 1 | 8;
    fwd->origin = RN_FWD_NFT;
    fwd->rule = "ip gate in handle 4";
    fwd->why = "no namespace on this machine has 10.66.0.5";
}

static inline void fx_odd_ones(struct map_fixture *f)
{
    struct rn_map *map = f->map;
    struct rn_map_ref *ref;
    struct rn_map_link *evil;
    struct rn_map_process *p;

    f->hidden = fx_netns(map, 4026532600u, "");
    fx_lo(map, f->hidden);
    (void)fx_process(map, f->atlas, 900, "helper", "/usr/bin/helper");
    ref = rn_model_add_ref(map, f->hidden);
    ref->found_by = RN_FOUND_FD;
    ref->pid = 900;
    ref->fd = 7;
    ref->path = "/proc/900/fd/7";
    f->hostile = fx_netns(map, 4026532700u, "");
    fx_lo(map, f->hostile);
    evil = fx_link(map, f->hostile, 2, "e\x1b[31m\"<&>", RN_KIND_DUMMY);
    evil->alias = "\xe2\x80\xae gnp.exe </script>\n";
    p = fx_process(map, f->hostile, 9900, ") R 1\n\xff\xe5\xae\xb6", "sh -c \x1b]0;pwned\x07");
    (void)fx_tenant(map, f->hostile, p, NULL);
    f->closed = rn_model_add_netns(map, 4, 4026532999u);
    ref = rn_model_add_ref(map, f->closed);
    ref->found_by = RN_FOUND_PROCESS;
    ref->pid = 9950;
    ref->path = "/proc/9950/ns/net";
    rn_model_note(map,
                  (struct rn_map_unreadable){ "netns", "4026532999", "permission denied",
                                              "CAP_SYS_ADMIN in its user namespace", f->closed });
    rn_model_note(map, (struct rn_map_unreadable){ "nft", "4026532600", "permission denied",
                                                   "CAP_NET_ADMIN", f->hidden });
}

static inline struct rn_map_engine *fx_engine(struct rn_map *map, enum rn_map_engine_kind kind,
                                              uint32_t pid)
{
    struct rn_map_engine *e = rn_model_add_engine(map);

    e->kind = kind;
    e->pid = pid;
    e->id = kind == RN_ENGINE_DOCKER ? "5f0e" : "";
    e->version = kind == RN_ENGINE_DOCKER ? "20.10.24" : "4.3.1";
    e->api_path =
        kind == RN_ENGINE_DOCKER ? "unix:///run/docker.sock" : "unix:///run/podman/podman.sock";
    return e;
}

static inline void map_fixture_init(struct map_fixture *f)
{
    struct rn_map *map = NULL;

    *f = (struct map_fixture){ 0 };
    if (rn_model_new(&map) < 0)
        abort();
    f->map = map;
    map->host = (struct rn_map_host){ .hostname = "atlas",
                                      .os_name = "Debian GNU/Linux",
                                      .os_version = "12 (bookworm)",
                                      .kernel = "6.18.44",
                                      .cpus_online = "0-1",
                                      .taken_unix_s = 1700000000,
                                      .scanner_caps = 0x1ffffffffffu };
    fx_atlas(f);
    fx_shop(f, fx_engine(map, RN_ENGINE_DOCKER, 890));
    fx_pod(f, fx_engine(map, RN_ENGINE_PODMAN, 0));
    fx_hand_made(f);
    fx_overlay(f);
    fx_forwards(f);
    fx_odd_ones(f);
    rn_model_sort(map);
}

static inline void map_fixture_fini(struct map_fixture *f)
{
    rn_model_free(f->map);
}
