/* A recorded machine of three namespaces (tests/fixtures/netlink/README.md draws it), read without any privilege. */
#include "discovery/scan.h"

#include "discovery/ask_path.h"
#include "discovery/dump.h"

#include "test_alloc.h"

#include <linux/rtnetlink.h>
#include <stdio.h>

#define DUMP_BYTES_MAX (1u << 20)

static uint8_t dump_bytes[DUMP_BYTES_MAX];

static struct rn_view recorded(void)
{
    FILE *f = fopen(RN_SOURCE_DIR "/tests/fixtures/netlink/three-namespaces.dump", "rb");
    size_t n;

    assert_non_null(f);
    n = fread(dump_bytes, 1, sizeof(dump_bytes), f);
    fclose(f);
    return rn_view_of(dump_bytes, n);
}

static struct rn_map *load(void)
{
    struct rn_map *map;

    assert_int_equal(rn_scan_view(recorded(), &map), RN_OK);
    return map;
}

static struct rn_map_netns *named(const struct rn_map *map, const char *name)
{
    for (size_t i = 0; i < map->n_netns; i++) {
        if (strcmp(map->netns[i]->name, name) == 0)
            return map->netns[i];
    }
    fail();
    return NULL;
}

static struct rn_map_link *link_of(const struct rn_map *map, const char *netns, const char *name)
{
    struct rn_map_link *link = rn_model_link_by_name(named(map, netns), name);

    assert_non_null(link);
    return link;
}

static struct rn_map_sock *listener(struct rn_map_netns *ns, uint16_t port)
{
    for (size_t i = 0; i < ns->n_socks; i++) {
        if (ns->socks[i].local_port == port)
            return &ns->socks[i];
    }
    fail();
    return NULL;
}

static const struct rn_map_fwd *forwarded(const struct rn_map_netns *ns, uint16_t port)
{
    for (size_t i = 0; i < ns->n_fwds; i++) {
        if (ns->fwds[i].port_from == port)
            return &ns->fwds[i];
    }
    fail();
    return NULL;
}

static void test_the_initial_namespace_comes_first(void **state)
{
    struct rn_map *map = load();

    (void)state;
    assert_int_equal(map->n_netns, 3);
    assert_true(map->netns[0]->is_initial);
    assert_string_equal(map->netns[1]->name, "left");
    assert_string_equal(map->netns[2]->name, "right");
    assert_string_equal(map->host.os_name, "Debian GNU/Linux");
    assert_string_equal(map->host.cpus_online, "0-1");
    rn_model_free(map);
}

static void test_veth_peers_find_each_other_across_namespaces_also_with_equal_indices(void **state)
{
    struct rn_map *map = load();
    struct rn_map_link *e0 = link_of(map, "left", "e0");
    struct rn_map_link *left = link_of(map, "left", "w0");
    struct rn_map_link *right = link_of(map, "right", "w0");

    (void)state;
    assert_ptr_equal(left->peer, right);
    assert_ptr_equal(right->peer, left);
    assert_non_null(e0->peer);
    assert_string_equal(e0->peer->name, "p0");
    assert_ptr_equal(e0->peer->netns, map->netns[0]);
    assert_ptr_equal(e0->peer->peer, e0);
    rn_model_free(map);
}

static void test_a_bridge_knows_its_ports_and_its_network(void **state)
{
    struct rn_map *map = load();
    struct rn_map_link *br = rn_model_link_by_name(map->netns[0], "br0");

    (void)state;
    assert_non_null(br);
    assert_int_equal(br->kind, RN_KIND_BRIDGE);
    assert_int_equal(br->n_ports, 1);
    assert_string_equal(br->ports[0]->name, "p0");
    assert_string_equal(br->ports[0]->slave_kind, "bridge");
    assert_int_equal(br->ports[0]->port.state, 3);
    assert_string_equal(br->network, "neta");
    assert_true(br->is_network_internal);
    rn_model_free(map);
}

static void test_a_moved_vxlan_finds_its_underlay_where_it_was_made(void **state)
{
    struct rn_map *map = load();
    struct rn_map_link *vx = link_of(map, "right", "vx");

    (void)state;
    assert_ptr_equal(vx->lower, link_of(map, "left", "w0"));
    assert_int_equal(vx->tunnel.id, 42);
    assert_int_equal(vx->tunnel.dst_port, 4789);
    assert_true(rn_addr_eq(vx->tunnel.remote, rn_addr_v4(0x0a090002)));
    rn_model_free(map);
}

static void test_macvlan_stands_on_its_lower_link_and_keeps_its_alias(void **state)
{
    struct rn_map *map = load();
    struct rn_map_link *mv = link_of(map, "left", "mv");

    (void)state;
    assert_string_equal(mv->lower->name, "w0");
    assert_int_equal(mv->macvlan.mode, 4);
    assert_string_equal(mv->alias, "a \"quoted\" <b>");
    assert_int_equal(mv->lower->n_uppers, 2); /* and the vxlan in the other namespace */
    rn_model_free(map);
}

static void test_addresses_hang_on_their_links_with_lifetimes(void **state)
{
    struct rn_map *map = load();
    struct rn_map_link *w0 = link_of(map, "left", "w0");

    (void)state;
    assert_int_equal(w0->n_addrs, 3);
    assert_true(rn_addr_eq(w0->addrs[0].addr, rn_addr_v4(0x0a090001)));
    assert_int_equal(w0->addrs[0].valid_s, RN_MAP_FOREVER);
    assert_in_range(w0->addrs[1].valid_s, 990, 1000);
    assert_in_range(w0->addrs[1].preferred_s, 490, 500);
    rn_model_free(map);
}

static const struct rn_map_route *route_to(const struct rn_map_netns *ns, uint32_t net)
{
    for (size_t i = 0; i < ns->n_routes; i++) {
        if (rn_addr_eq(ns->routes[i].dst.addr, rn_addr_v4(net)))
            return &ns->routes[i];
    }
    fail();
    return NULL;
}

static void test_routes_of_all_tables_and_types_are_there(void **state)
{
    struct rn_map *map = load();
    struct rn_map_netns *left = named(map, "left");

    (void)state;
    assert_int_equal(route_to(left, 0x0a420000)->n_hops, 2);
    assert_int_equal(route_to(left, 0x0a420000)->hops[0].weight, 2);
    assert_int_equal(route_to(left, 0x0a430000)->type, RTN_BLACKHOLE);
    assert_int_equal(route_to(left, 0x0a440000)->table, 100);
    assert_int_equal(route_to(left, 0x0a450000)->nexthop_id, 5);
    assert_int_equal(left->n_nexthops, 1);
    assert_string_equal(left->nexthops[0].hop.link->name, "w0");
    rn_model_free(map);
}

static void test_policy_rules_and_neighbours_are_there(void **state)
{
    struct rn_map *map = load();
    struct rn_map_netns *left = named(map, "left");
    const struct rn_map_rule *ours = NULL;
    bool has_neigh = false;

    (void)state;
    for (size_t i = 0; i < left->n_rules; i++) {
        if (left->rules[i].table == 100)
            ours = &left->rules[i];
    }
    assert_non_null(ours);
    assert_int_equal(ours->fwmark, 7);
    assert_int_equal(ours->src.bits, 32);
    for (size_t i = 0; i < left->n_neighs; i++)
        has_neigh |= rn_addr_eq(left->neighs[i].addr, rn_addr_v4(0x0a090009));
    assert_true(has_neigh);
    assert_true(left->n_fdb != 0);
    rn_model_free(map);
}

static void test_only_a_socket_that_is_not_v6only_takes_ipv4(void **state)
{
    struct rn_map *map = load();
    struct rn_map_netns *left = named(map, "left");

    (void)state;
    assert_true(listener(left, 8080)->is_dual);
    assert_false(listener(left, 8081)->is_dual);
    assert_true(listener(left, 8081)->is_v6only);
    rn_model_free(map);
}

static void test_sockets_are_owned_by_a_process_of_another_namespace(void **state)
{
    struct rn_map *map = load();
    struct rn_map_sock *s = listener(named(map, "left"), 80);

    (void)state;
    assert_int_equal(s->state, RN_STATE_LISTEN);
    assert_int_equal(s->n_owners, 1);
    assert_string_equal(s->owners[0]->comm, "ser) ver");
    assert_ptr_equal(s->owners[0]->netns, map->netns[0]);
    rn_model_free(map);
}

static void test_raw_packet_and_abstract_unix_sockets_are_seen(void **state)
{
    struct rn_map *map = load();
    struct rn_map_netns *left = named(map, "left");
    unsigned seen = 0;

    (void)state;
    for (size_t i = 0; i < left->n_socks; i++) {
        seen |= left->socks[i].proto == RN_PROTO_RAW ? 1 : 0;
        seen |= left->socks[i].proto == RN_PROTO_PACKET ? 2 : 0;
        seen |= strcmp(left->socks[i].path, "@abstract") == 0 ? 4 : 0;
    }
    assert_int_equal(seen, 7);
    rn_model_free(map);
}

static void test_a_container_is_named_by_its_engine_and_is_a_tenant(void **state)
{
    struct rn_map *map = load();
    struct rn_map_netns *ns = map->netns[0];

    (void)state;
    assert_int_equal(map->n_containers, 1);
    assert_string_equal(map->containers[0]->name, "web");
    assert_string_equal(map->containers[0]->project, "shop");
    assert_int_equal(map->containers[0]->engine_kind, RN_ENGINE_DOCKER);
    assert_string_equal(map->engines[0]->version, "20.10.24");
    assert_int_equal(ns->n_tenants, 2);
    assert_int_equal(ns->tenants[0].process->pid, 1);
    assert_ptr_equal(ns->tenants[1].container, map->containers[0]);
    rn_model_free(map);
}

static void test_name_resolution_is_read_as_the_resolver_reads_it(void **state)
{
    struct rn_map *map = load();
    const struct rn_map_dns *dns = map->netns[0]->tenants[0].dns;

    (void)state;
    assert_non_null(dns);
    assert_string_equal(dns->uts_hostname, "example");
    assert_int_equal(dns->n_hosts, 3); /* both addresses of localhost are kept */
    assert_int_equal(dns->n_nameservers, 2);
    assert_int_equal(dns->n_search, 2);
    assert_string_equal(dns->search[0], "a.example");
    assert_int_equal(dns->n_options, 2);
    assert_string_equal(dns->nsswitch_hosts, "files dns");
    /* The other tenant sees the same files, under its own host name. */
    assert_string_equal(map->netns[0]->tenants[1].dns->uts_hostname, "web");
    assert_int_equal(map->netns[0]->tenants[1].dns->n_hosts, 3);
    rn_model_free(map);
}

static void test_capabilities_of_a_tenant_are_known(void **state)
{
    struct rn_map *map = load();
    const struct rn_map_process *p = map->netns[0]->tenants[0].process;

    (void)state;
    assert_true(p->has_status);
    assert_true(p->cap_bounding == 0xa80425fb);
    assert_string_equal(p->affinity, "0-1");
    rn_model_free(map);
}

static void test_ports_are_forwarded_by_every_dialect(void **state)
{
    static const struct {
        uint16_t port, to_port;
        enum rn_map_fwd_origin origin;
    } cases[] = {
        { 28080, 80, RN_FWD_IPTABLES }, /* docker's chain */
        { 7777, 81, RN_FWD_LEGACY },    /* iptables-legacy */
        { 8000, 80, RN_FWD_NFT },       /* native */
        { 1001, 80, RN_FWD_NFT },       /* by a map */
        { 443, 6443, RN_FWD_NFT },      /* by verdict maps, as kube-proxy does */
    };
    struct rn_map *map = load();

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(cases); i++) {
        const struct rn_map_fwd *f = forwarded(map->netns[0], cases[i].port);

        assert_int_equal(f->origin, cases[i].origin);
        assert_int_equal(f->to_port_from, cases[i].to_port);
        assert_non_null(f->to_link);
        assert_string_equal(f->to_link->name, "e0");
    }
    assert_int_equal(forwarded(map->netns[0], 2000)->port_to, 2010); /* an interval of a set */
    assert_int_equal(forwarded(map->netns[0], 3000)->port_to, 3000);
    assert_true(rn_addr_is_none(forwarded(map->netns[0], 53)->to)); /* redirect */
    assert_true(forwarded(map->netns[0], 443)->is_conditional);     /* balanced: one of several */
    assert_string_equal(forwarded(map->netns[0], 7777)->iif, "eth*");
    assert_string_equal(forwarded(map->netns[0], 8000)->comment, "native");
    rn_model_free(map);
}

static void test_a_forwarded_port_knows_who_serves_it_or_why_not(void **state)
{
    struct rn_map *map = load();

    (void)state;
    assert_int_equal(forwarded(map->netns[0], 8000)->n_owners, 1);
    assert_int_equal(forwarded(map->netns[0], 443)->n_owners, 0);
    assert_null(forwarded(map->netns[0], 8443)->to_netns);
    assert_string_equal(forwarded(map->netns[0], 8443)->why, "no route leads there");
    rn_model_free(map);
}

/* Returns owned: rn_path_free(). */
static struct rn_path way(const struct rn_map *map, struct rn_map_netns *from, uint32_t to)
{
    const struct rn_path_query query = { .from = from, .to = rn_addr_v4(to) };
    struct rn_path path;

    assert_int_equal(rn_path_find(&path, map, &query), RN_OK);
    return path;
}

static void test_an_address_behind_a_bridge_and_a_router_is_found(void **state)
{
    struct rn_map *map = load();
    const struct {
        struct rn_map_netns *from;
        uint32_t to;
        const struct rn_map_link *link; /* NULL: not reached */
        const char *why;
    } cases[] = {
        { map->netns[0], 0xac1e0002, link_of(map, "left", "e0"), "the address is here" },
        { named(map, "left"), 0x0a090002, link_of(map, "right", "w0"), "the address is here" },
        { named(map, "left"), 0x7f00000b, link_of(map, "left", "lo"), "the address is here" },
        { named(map, "left"), 0x0a430001, NULL, "the route to 10.67.0.0/16 is blackhole" },
    };

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(cases); i++) {
        struct rn_path path = way(map, cases[i].from, cases[i].to);

        assert_ptr_equal(path.link, cases[i].link);
        assert_string_equal(path.why, cases[i].why);
        rn_path_free(&path);
    }
    rn_model_free(map);
}

static void test_routes_that_lead_in_a_circle_end(void **state)
{
    struct rn_map *map = load();
    struct rn_map_netns *left = named(map, "left");
    struct rn_map_netns *right = named(map, "right");
    struct rn_path path;

    (void)state;
    for (size_t i = 0; i < 2; i++) { /* each sends everything to the other */
        struct rn_map_netns *ns = i == 0 ? left : right;
        struct rn_map_route *r = rn_model_add_route(map, ns);

        r->family = RN_FAMILY_V4;
        r->dst = rn_prefix_of(rn_addr_v4(0), 0);
        r->table = 254;
        r->type = RTN_UNICAST;
        r->gateway = rn_addr_v4(i == 0 ? 0x0a090002 : 0x0a090001);
        r->link = rn_model_link_by_name(ns, "w0");
    }
    path = way(map, left, 0x08080808);
    assert_false(path.is_reached);
    assert_string_equal(path.why, "cannot tell: it goes round in a circle");
    rn_path_free(&path);
    rn_model_free(map);
}

/* Every cut gives a picture that says it is not whole, or a clean refusal. */
static void test_a_cut_dump_gives_a_picture_that_says_so(void **state)
{
    struct rn_view whole = recorded();
    struct rn_map *map;

    (void)state;
    for (size_t len = 0; len < whole.len; len += len < 4096 ? 1 : 97) {
        int err = rn_scan_view(rn_view_of(whole.ptr, len), &map);

        if (len < RN_DUMP_HEADER_BYTES) {
            assert_int_equal(err, RN_E_VERSION);
            continue;
        }
        assert_int_equal(err, RN_OK);
        assert_true(map->n_unreadable != 0);
        rn_model_free(map);
    }
}

static void test_a_dump_of_another_byte_order_is_refused(void **state)
{
    struct rn_view whole = recorded();
    struct rn_map *map;

    (void)state;
    dump_bytes[RN_DUMP_HEADER_BYTES - 1] ^= 5;
    assert_int_equal(rn_scan_view(whole, &map), RN_E_VERSION);
}

static void test_what_could_not_be_read_is_kept(void **state)
{
    struct rn_map *map = load();

    (void)state;
    assert_int_equal(map->n_unreadable, 1);
    assert_string_equal(map->unreadable[0].what, "process");
    assert_string_equal(map->unreadable[0].needs, "CAP_SYS_PTRACE");
    rn_model_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_initial_namespace_comes_first),
        cmocka_unit_test(test_veth_peers_find_each_other_across_namespaces_also_with_equal_indices),
        cmocka_unit_test(test_a_bridge_knows_its_ports_and_its_network),
        cmocka_unit_test(test_a_moved_vxlan_finds_its_underlay_where_it_was_made),
        cmocka_unit_test(test_macvlan_stands_on_its_lower_link_and_keeps_its_alias),
        cmocka_unit_test(test_addresses_hang_on_their_links_with_lifetimes),
        cmocka_unit_test(test_routes_of_all_tables_and_types_are_there),
        cmocka_unit_test(test_policy_rules_and_neighbours_are_there),
        cmocka_unit_test(test_only_a_socket_that_is_not_v6only_takes_ipv4),
        cmocka_unit_test(test_sockets_are_owned_by_a_process_of_another_namespace),
        cmocka_unit_test(test_raw_packet_and_abstract_unix_sockets_are_seen),
        cmocka_unit_test(test_a_container_is_named_by_its_engine_and_is_a_tenant),
        cmocka_unit_test(test_name_resolution_is_read_as_the_resolver_reads_it),
        cmocka_unit_test(test_capabilities_of_a_tenant_are_known),
        cmocka_unit_test(test_ports_are_forwarded_by_every_dialect),
        cmocka_unit_test(test_a_forwarded_port_knows_who_serves_it_or_why_not),
        cmocka_unit_test(test_an_address_behind_a_bridge_and_a_router_is_found),
        cmocka_unit_test(test_routes_that_lead_in_a_circle_end),
        cmocka_unit_test(test_a_cut_dump_gives_a_picture_that_says_so),
        cmocka_unit_test(test_a_dump_of_another_byte_order_is_refused),
        cmocka_unit_test(test_what_could_not_be_read_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
