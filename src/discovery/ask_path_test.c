/* Ways through the hand-built machine: see its drawing in tests/support/map_fixture.h. */
#include "discovery/ask_path.h"

#include "golden.h"
#include "map_fixture_parts.h"

#include "discovery/draw.h"

#include <net/if.h>

static void find(const struct map_fixture *f, const char *from, const char *to, struct rn_path *ret)
{
    const char *const from_to[] = { from, to };
    struct rn_path_query query;
    const char *what;

    assert_int_equal(rn_path_parse(f->map, from_to, &query, &what), 0);
    assert_int_equal(rn_path_find(ret, f->map, &query), 0);
}

static void check_end(const char *from, const char *to, const char *why)
{
    struct map_fixture f;
    struct rn_path path;

    map_fixture_init(&f);
    find(&f, from, to, &path);
    assert_string_equal(path.why, why);
    assert_true(path.is_reached ==
                    (strstr(why, "listens here") != NULL && strstr(why, "nobody") == NULL) ||
                strcmp(why, "the address is here") == 0);
    rn_path_free(&path);
    map_fixture_fini(&f);
}

static void test_a_container_is_reached_through_its_bridge(void **state)
{
    struct map_fixture f;
    struct rn_path path;

    (void)state;
    map_fixture_init(&f);
    find(&f, NULL, "172.18.0.2:80", &path);

    assert_true(path.is_reached);
    assert_ptr_equal(path.netns, f.web);
    assert_ptr_equal(path.process, f.httpd);
    assert_string_equal(path.lines[0].text,
                        "172.18.0.0/16 dev br-51c512f82ba7, table main, rule 32766");
    assert_string_equal(path.lines[1].text, "br-51c512f82ba7 -> veth1a -> eth0 in sidecar, web");
    rn_path_free(&path);
    map_fixture_fini(&f);
}

static void test_containers_of_one_bridge_reach_each_other(void **state)
{
    struct map_fixture f;
    struct rn_path path;

    (void)state;
    map_fixture_init(&f);
    find(&f, "web", "172.18.0.3", &path);

    assert_true(path.is_reached);
    assert_ptr_equal(path.netns, f.db);
    assert_string_equal(path.lines[1].text, "eth0 -> veth1a in atlas -> veth2a -> eth0 in db");
    rn_path_free(&path);
    map_fixture_fini(&f);
}

static void test_a_published_port_is_followed_through_nat(void **state)
{
    struct map_fixture f;
    struct rn_path path;

    (void)state;
    map_fixture_init(&f);
    find(&f, NULL, "127.0.0.1:8080", &path);

    assert_true(path.is_reached);
    assert_ptr_equal(path.process, f.httpd);
    assert_int_equal(path.lines[0].step, RN_PATH_NAT);
    assert_string_equal(path.lines[0].text,
                        "127.0.0.1:8080 becomes 172.18.0.2:80 by ip nat DOCKER handle 12");
    rn_path_free(&path);
    map_fixture_fini(&f);
}

static void test_a_way_crosses_three_networks(void **state)
{
    (void)state;
    check_end("green", "10.88.0.5:53/udp", "named(9100) listens here on port 53");
    check_end("green", "10.1.0.1", "the address is here");
    check_end("blue", "db", "the address is here");
}

static void test_a_closed_port_is_not_reached(void **state)
{
    (void)state;
    check_end(NULL, "172.18.0.2:81", "nobody listens here on port 81/tcp");
    check_end(NULL, "172.18.0.2:80/udp", "nobody listens here on port 80/udp");
    check_end(NULL, "172.18.0.3:5432", "nobody listens here on port 5432/tcp"); /* IPv6 only */
}

static void test_unknown_hops_end_the_way(void **state)
{
    (void)state;
    check_end(NULL, "8.8.8.8", "cannot tell: it leaves what is known through eth0");
    check_end("web", "172.18.0.77", "cannot tell: nobody known has 172.18.0.77 on that wire");
    check_end("4026532999", "10.0.0.1", "cannot tell: this network could not be read");
    check_end("4026532600", "10.0.0.1", "no route leads there");
    check_end("green", "10.66.0.5", "the route to 10.66.0.0/16 is blackhole");
}

static void test_a_circle_of_routes_ends(void **state)
{
    (void)state;
    check_end(NULL, "203.0.113.9", "cannot tell: it goes round in a circle");
}

/* A macvlan's frames go out on the wire: the host cannot be reached through the link it stands on. */
static void test_a_macvlan_does_not_reach_the_link_it_stands_on(void **state)
{
    (void)state;
    check_end("mv0@blue", "10.1.0.2", "the address is here");
    check_end(NULL, "192.0.2.77", "cannot tell: it leaves what is known through eth0");
}

static void test_siblings_of_a_macvlan_reach_each_other(void **state)
{
    struct map_fixture f;
    struct rn_path path;
    struct rn_map_link *mv1;

    (void)state;
    map_fixture_init(&f);
    mv1 = fx_link(f.map, f.hidden, 2, "mv1", RN_KIND_MACVLAN);
    mv1->macvlan.mode = 4;
    fx_lower(f.map, mv1, f.eth0);
    (void)fx_ip(f.map, mv1, "192.0.2.78", 24);
    (void)fx_route(f.map, f.hidden, "192.0.2.0/24", NULL, mv1);
    rn_model_sort(f.map);
    find(&f, "4026532600", "192.0.2.77", &path);

    assert_true(path.is_reached);
    assert_ptr_equal(path.netns, f.blue);
    rn_path_free(&path);
    map_fixture_fini(&f);
}

static void test_both_ends_of_a_vxlan_on_this_machine_are_joined(void **state)
{
    struct map_fixture f;
    struct rn_path path;
    struct rn_map_link *far;
    struct rn_map_link *mesh;

    (void)state;
    map_fixture_init(&f);
    mesh = rn_model_link_by_name(f.atlas, "brmesh");
    (void)fx_ip(f.map, mesh, "10.7.0.1", 24);
    (void)fx_route(f.map, f.atlas, "10.7.0.0/24", NULL, mesh);
    far = fx_link(f.map, f.hidden, 2, "vxfar", RN_KIND_VXLAN);
    far->tunnel.id = 100;
    far->tunnel.dst_port = 4789;
    far->tunnel.local = fx_addr("198.51.100.20");
    (void)fx_ip(f.map, far, "10.7.0.2", 24);
    rn_model_sort(f.map);
    find(&f, NULL, "10.7.0.2", &path);

    assert_true(path.is_reached);
    assert_ptr_equal(path.netns, f.hidden);
    rn_path_free(&path);
    map_fixture_fini(&f);
}

/* ---- WireGuard, between the host and the container web ---- */

static struct rn_map_wg_peer *fx_wg_peer(struct map_fixture *f, struct rn_map_link *link,
                                         uint8_t key, const char *allowed)
{
    struct rn_map_wireguard *wg = &link->wireguard;

    wg->peers = rn_arena_new(&f->map->arena, sizeof(*wg->peers));
    wg->n_peers = 1;
    memset(wg->peers[0].key, key, RN_WG_KEY_BYTES);
    wg->peers[0].endpoint.addr = rn_addr_none();
    wg->peers[0].allowed = rn_arena_new(&f->map->arena, sizeof(struct rn_prefix));
    wg->peers[0].allowed[0] = fx_prefix(allowed);
    wg->peers[0].n_allowed = 1;
    return &wg->peers[0];
}

static struct rn_map_link *fx_wg(struct map_fixture *f, struct rn_map_netns *ns, uint8_t key,
                                 const char *addr)
{
    struct rn_map_link *link = fx_link(f->map, ns, 90, "wg9", RN_KIND_WIREGUARD);
    struct rn_map_sock *s = rn_model_add_sock(f->map, ns);

    link->flags |= IFF_NOARP;
    link->wireguard.is_known = true;
    link->wireguard.listen_port = (uint16_t)(51820 + key);
    memset(link->wireguard.key, key, RN_WG_KEY_BYTES);
    s->proto = RN_PROTO_UDP; /* the kernel's own */
    s->family = RN_FAMILY_V4;
    s->state = RN_STATE_CLOSE;
    s->local = fx_addr("0.0.0.0");
    s->local_port = link->wireguard.listen_port;
    (void)fx_ip(f->map, link, addr, 24);
    (void)fx_route(f->map, ns, "10.77.0.0/24", NULL, link);
    return link;
}

struct tunnel {
    struct map_fixture f;
    struct rn_map_wg_peer *there; /* as the host knows it */
    struct rn_map_wg_peer *back;  /* as the container knows the host */
};

static void tunnel_init(struct tunnel *t)
{
    map_fixture_init(&t->f);
    t->there = fx_wg_peer(&t->f, fx_wg(&t->f, t->f.atlas, 1, "10.77.0.1"), 2, "10.77.0.2/32");
    t->back = fx_wg_peer(&t->f, fx_wg(&t->f, t->f.web, 2, "10.77.0.2"), 1, "10.77.0.1/32");
    t->there->endpoint = (struct rn_endpoint){ .addr = fx_addr("172.18.0.2"), .port = 51822 };
    rn_model_sort(t->f.map);
}

static void check_tunnel(struct tunnel *t, const char *to, const char *why)
{
    struct rn_path path;

    find(&t->f, NULL, to, &path);
    assert_string_equal(path.why, why);
    rn_path_free(&path);
}

static void test_a_wireguard_is_followed_to_its_far_end(void **state)
{
    struct tunnel t;
    struct rn_path path;

    (void)state;
    tunnel_init(&t);
    find(&t.f, NULL, "10.77.0.2:80", &path);

    assert_true(path.is_reached);
    assert_ptr_equal(path.netns, t.f.web);
    assert_string_equal(path.lines[0].text, "10.77.0.0/24 dev wg9, table main, rule 32766");
    assert_string_equal(path.lines[1].text,
                        "wg9: peer AgICAgIC... for 10.77.0.2/32, at 172.18.0.2:51822");
    assert_string_equal(path.lines[3].text, "br-51c512f82ba7 -> veth1a -> eth0 in sidecar, web");
    assert_string_equal(path.lines[5].text, "wg9 -> wg9 in sidecar, web");
    rn_path_free(&path);
    map_fixture_fini(&t.f);
}

static void test_a_wireguard_says_why_it_takes_nothing(void **state)
{
    struct tunnel t;

    (void)state;
    tunnel_init(&t);
    check_tunnel(&t, "10.77.0.3", "no peer of wg9 is for that address");
    t.back->allowed[0] = fx_prefix("10.77.0.7/32");
    check_tunnel(&t, "10.77.0.2", "wg9 at the far end does not take that source from this peer");
    t.there->endpoint.port = 51999;
    check_tunnel(&t, "10.77.0.2", "the packets of wg9: nobody listens here on port 51999/udp");
    t.there->endpoint.addr = rn_addr_none();
    check_tunnel(&t, "10.77.0.2", "where the peer of wg9 is is not known: it has not called yet");
    map_fixture_fini(&t.f);
}

static void test_where_a_wireguard_leads_is_not_guessed(void **state)
{
    struct tunnel t;
    struct rn_map_link *far;

    (void)state;
    tunnel_init(&t);
    far = rn_model_link_by_name(t.f.web, "wg9");
    far->wireguard.key[0] = 7; /* another one's */
    check_tunnel(&t, "10.77.0.2",
                 "cannot tell: the packets of wg9: a socket whose owner is unknown listens here on "
                 "port 51822");
    t.there->endpoint.addr = fx_addr("198.51.100.9");
    check_tunnel(&t, "10.77.0.2",
                 "cannot tell: the packets of wg9: it leaves what is known through eth0");
    t.there->endpoint.addr = fx_addr("10.77.0.2"); /* the tunnel through itself */
    check_tunnel(&t, "10.77.0.2",
                 "cannot tell: the packets of wg9: the packets of wg9: the packets of wg9: the "
                 "packets of wg9: too many tunnels within tunnels");
    rn_model_link_by_name(t.f.atlas, "wg9")->wireguard.is_known = false;
    check_tunnel(&t, "10.77.0.2", "cannot tell: the peers of wg9 could not be read");
    map_fixture_fini(&t.f);
}

static void test_routes_go_by_prefix_then_priority(void **state)
{
    struct map_fixture f;
    struct rn_path path;
    struct rn_map_route *r;

    (void)state;
    map_fixture_init(&f);
    fx_route(f.map, f.atlas, "172.18.0.2/32", NULL, NULL)->type = 7;
    f.atlas->routes[f.atlas->n_routes - 1].priority = 50;
    r = fx_route(f.map, f.atlas, "172.18.0.2/32", NULL, f.shop);
    r->priority = 10;
    rn_model_sort(f.map);
    find(&f, NULL, "172.18.0.2", &path);

    assert_true(path.is_reached);
    assert_string_equal(path.lines[0].text,
                        "172.18.0.2/32 dev br-51c512f82ba7, table main priority 10, rule 32766");
    rn_path_free(&path);
    map_fixture_fini(&f);
}

static void test_rules_lead_to_other_tables_and_doubts_are_told(void **state)
{
    struct map_fixture f;
    struct rn_path path;
    struct rn_map_rule *rule;

    (void)state;
    map_fixture_init(&f);
    fx_route(f.map, f.atlas, "172.18.0.0/16", NULL, NULL)->type = 6;
    f.atlas->routes[f.atlas->n_routes - 1].table = 100;
    rule = rn_model_add_rule(f.map, f.atlas);
    rule->family = RN_FAMILY_V4;
    rule->priority = 100;
    rule->table = 100;
    rule->action = 1;
    rn_model_sort(f.map);
    find(&f, NULL, "172.18.0.2", &path);
    assert_string_equal(path.why, "the route to 172.18.0.0/16 is blackhole");
    rn_path_free(&path);

    for (size_t i = 0; i < f.atlas->n_rules; i++) {
        if (f.atlas->rules[i].priority == 100)
            f.atlas->rules[i].ip_proto = 6;
    }
    find(&f, NULL, "172.18.0.2", &path); /* no port: the protocol is not known */
    assert_string_equal(path.why, "cannot tell: rule 100 asks for what is not known here");
    rn_path_free(&path);
    map_fixture_fini(&f);
}

static void test_what_comes_in_through_a_vrf_goes_by_its_table(void **state)
{
    struct map_fixture f;
    struct rn_path path;
    struct rn_map_rule *rule;
    struct rn_map_route *route;
    struct rn_map_link *vrf;

    (void)state;
    map_fixture_init(&f);
    vrf = fx_link(f.map, f.blue, 99, "red", RN_KIND_VRF);
    vrf->vrf_table = 900;
    rn_model_link_by_name(f.blue, "up0")->master = vrf;
    route = fx_route(f.map, f.blue, "203.0.113.0/24", NULL, NULL);
    route->type = 6; /* RTN_BLACKHOLE */
    route->table = 900;
    rule = rn_model_add_rule(f.map, f.blue);
    rule->family = RN_FAMILY_V4;
    rule->priority = 1000;
    rule->l3mdev = 1;
    rule->action = 1;
    rn_model_sort(f.map);
    find(&f, NULL, "203.0.113.9", &path);
    assert_string_equal(path.why, "the route to 203.0.113.0/24 is blackhole");
    rn_path_free(&path);

    find(&f, "blue", "203.0.113.9", &path); /* from there: not through the VRF */
    assert_string_not_equal(path.why, "the route to 203.0.113.0/24 is blackhole");
    rn_path_free(&path);
    map_fixture_fini(&f);
}

static void test_equal_ways_are_not_guessed(void **state)
{
    struct map_fixture f;
    struct rn_path path;
    struct rn_map_route *r;

    (void)state;
    map_fixture_init(&f);
    r = fx_route(f.map, f.atlas, "100.64.0.0/10", NULL, NULL);
    r->hops = rn_arena_new(&f.map->arena, 2 * sizeof(*r->hops));
    r->n_hops = 2;
    r->hops[0] = (struct rn_map_hop){ .link = f.shop, .gateway = fx_addr("172.18.0.2") };
    r->hops[1] = (struct rn_map_hop){ .link = f.podman0, .gateway = fx_addr("10.88.0.5") };
    rn_model_sort(f.map);
    find(&f, NULL, "100.64.0.1", &path);

    assert_string_equal(path.why,
                        "cannot tell: which of several ways of equal cost the kernel takes");
    rn_path_free(&path);
    map_fixture_fini(&f);
}

static void test_questions_are_parsed_or_refused(void **state)
{
    static const char *const bad[] = { "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:80/sctp",
                                       "10.0.0.1:x", "nowhere",        "" };
    struct map_fixture f;
    struct rn_path_query query;
    const char *what;

    (void)state;
    map_fixture_init(&f);
    for (size_t i = 0; i < RN_ARRAY_LEN(bad); i++) {
        const char *const from_to[] = { NULL, bad[i] };

        assert_true(rn_path_parse(f.map, from_to, &query, &what) < 0);
        assert_string_equal(what, bad[i]);
    }
    assert_int_equal(
        rn_path_parse(f.map, (const char *const[]){ "8450", "[2001:db8::10]:22" }, &query, &what),
        0);
    assert_ptr_equal(query.from, f.web);
    assert_int_equal(query.port, 22);
    assert_int_equal(
        rn_path_parse(f.map, (const char *const[]){ "up0@blue", "2001:db8::10" }, &query, &what),
        0);
    assert_string_equal(query.oif->name, "up0");
    assert_int_equal(query.port, 0);
    assert_int_equal(rn_path_parse(f.map, (const char *const[]){ "nobody", "web" }, &query, &what),
                     RN_E_NOT_FOUND);
    map_fixture_fini(&f);
}

static void test_a_way_is_drawn_with_its_reasons(void **state)
{
    struct map_fixture f;
    struct rn_path path;
    struct rn_out out = { 0 };

    (void)state;
    map_fixture_init(&f);
    find(&f, "green", "127.0.0.1:80", &path);
    rn_draw_path(&(struct rn_draw){ .map = f.map }, &path, &out);
    rn_path_free(&path);
    rn_out_char(&out, '\n');
    find(&f, "green", "10.88.0.5:53/udp", &path);
    rn_draw_path(&(struct rn_draw){ .map = f.map }, &path, &out);
    rn_draw_path_json(&(struct rn_draw){ .map = f.map, .is_pretty = true }, &path, &out);
    golden_check("path.txt", out.buf);
    rn_out_free(&out);
    rn_path_free(&path);
    map_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_container_is_reached_through_its_bridge),
        cmocka_unit_test(test_containers_of_one_bridge_reach_each_other),
        cmocka_unit_test(test_a_published_port_is_followed_through_nat),
        cmocka_unit_test(test_a_way_crosses_three_networks),
        cmocka_unit_test(test_a_closed_port_is_not_reached),
        cmocka_unit_test(test_unknown_hops_end_the_way),
        cmocka_unit_test(test_a_circle_of_routes_ends),
        cmocka_unit_test(test_a_macvlan_does_not_reach_the_link_it_stands_on),
        cmocka_unit_test(test_siblings_of_a_macvlan_reach_each_other),
        cmocka_unit_test(test_both_ends_of_a_vxlan_on_this_machine_are_joined),
        cmocka_unit_test(test_a_wireguard_is_followed_to_its_far_end),
        cmocka_unit_test(test_a_wireguard_says_why_it_takes_nothing),
        cmocka_unit_test(test_where_a_wireguard_leads_is_not_guessed),
        cmocka_unit_test(test_routes_go_by_prefix_then_priority),
        cmocka_unit_test(test_rules_lead_to_other_tables_and_doubts_are_told),
        cmocka_unit_test(test_what_comes_in_through_a_vrf_goes_by_its_table),
        cmocka_unit_test(test_equal_ways_are_not_guessed),
        cmocka_unit_test(test_questions_are_parsed_or_refused),
        cmocka_unit_test(test_a_way_is_drawn_with_its_reasons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
