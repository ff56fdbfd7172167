/* Kinds of links that the recording kernel lacks, as messages made after uapi/linux/if_link.h. */
#include "discovery/load.h"
#include "discovery/phases.h"

#include "base/writer.h"
#include "host/nl.h"

#include "test_alloc.h"

#include <linux/ethtool.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

struct machine {
    struct rn_map *map;
    struct rn_load load;
};

static void begin(struct machine *m)
{
    assert_int_equal(rn_model_new(&m->map), RN_OK);
    rn_load_init(&m->load, m->map);
    m->load.current = rn_model_add_netns(m->map, 4, 1000);
}

static void end(struct machine *m)
{
    rn_model_free(m->map);
}

struct link_plan {
    uint32_t index;
    const char *name, *kind, *slave_kind;
    uint32_t link, master;
    void (*data)(struct rn_nl_msg *msg);
};

static struct rn_map_link *add(struct machine *m, const struct link_plan *p)
{
    struct rn_nl_msg msg;
    struct ifinfomsg *ifi = rn_nl_msg_begin(&msg, RTM_NEWLINK, 0, sizeof(*ifi));
    struct nlattr *info;
    struct nlattr *data;

    ifi->ifi_index = (int)p->index;
    ifi->ifi_type = ARPHRD_ETHER;
    rn_nl_put_str(&msg, IFLA_IFNAME, p->name);
    if (p->link != 0)
        rn_nl_put_u32(&msg, IFLA_LINK, p->link);
    if (p->master != 0)
        rn_nl_put_u32(&msg, IFLA_MASTER, p->master);
    info = rn_nl_nest_begin(&msg, IFLA_LINKINFO);
    if (p->kind != NULL)
        rn_nl_put_str(&msg, IFLA_INFO_KIND, p->kind);
    if (p->slave_kind != NULL)
        rn_nl_put_str(&msg, IFLA_INFO_SLAVE_KIND, p->slave_kind);
    if (p->data != NULL) {
        data = rn_nl_nest_begin(&msg, IFLA_INFO_DATA);
        p->data(&msg);
        rn_nl_nest_end(&msg, data);
    }
    rn_nl_nest_end(&msg, info);
    rn_load_link(&m->load, rn_view_of(msg.bytes + NLMSG_HDRLEN, msg.head.nlmsg_len - NLMSG_HDRLEN));
    return m->load.current->links[m->load.current->n_links - 1];
}

static void put_vlan(struct rn_nl_msg *msg)
{
    const uint16_t proto_be = 0xa888; /* 0x88a8 in the wire's order */

    rn_nl_put_u16(msg, IFLA_VLAN_ID, 7);
    rn_nl_put_u16(msg, IFLA_VLAN_PROTOCOL, proto_be);
}

static void test_a_vlan_has_an_id_and_stands_on_a_link_also_when_it_is_a_port(void **state)
{
    struct machine m;
    struct rn_map_link *vlan;

    (void)state;
    begin(&m);
    add(&m, &(struct link_plan){ .index = 2, .name = "eth0" });
    add(&m, &(struct link_plan){ .index = 3, .name = "br0", .kind = "bridge" });
    vlan = add(&m, &(struct link_plan){ .index = 4,
                                        .name = "eth0.7",
                                        .kind = "vlan",
                                        .link = 2,
                                        .master = 3,
                                        .slave_kind = "bridge",
                                        .data = put_vlan });
    rn_join(&m.load);

    assert_int_equal(vlan->kind, RN_KIND_VLAN);
    assert_int_equal(vlan->vlan.id, 7);
    assert_int_equal(vlan->vlan.protocol, 0x88a8);
    assert_string_equal(vlan->lower->name, "eth0");
    assert_string_equal(vlan->master->name, "br0");
    end(&m);
}

static void put_bond(struct rn_nl_msg *msg)
{
    rn_nl_put_u8(msg, IFLA_BOND_MODE, 4);
    rn_nl_put_u32(msg, IFLA_BOND_MIIMON, 100);
    rn_nl_put_u32(msg, IFLA_BOND_ACTIVE_SLAVE, 3);
}

static void test_a_bond_is_the_master_of_its_ports(void **state)
{
    struct machine m;
    struct rn_map_link *bond;

    (void)state;
    begin(&m);
    bond = add(
        &m, &(struct link_plan){ .index = 2, .name = "bond0", .kind = "bond", .data = put_bond });
    add(&m, &(struct link_plan){ .index = 3, .name = "eth0", .master = 2, .slave_kind = "bond" });
    add(&m, &(struct link_plan){ .index = 4, .name = "eth1", .master = 2, .slave_kind = "bond" });
    rn_join(&m.load);

    assert_int_equal(bond->bond.mode, 4);
    assert_int_equal(bond->bond.miimon_ms, 100);
    assert_int_equal(bond->bond.active_slave, 3);
    assert_int_equal(bond->n_ports, 2);
    end(&m);
}

static void put_gre(struct rn_nl_msg *msg)
{
    rn_nl_put_u32(msg, IFLA_GRE_LINK, 2);
    rn_nl_put_addr(msg, IFLA_GRE_LOCAL, rn_addr_v4(0x0a000001));
    rn_nl_put_addr(msg, IFLA_GRE_REMOTE, rn_addr_v4(0x0a000002));
    rn_nl_put_u8(msg, IFLA_GRE_TTL, 64);
}

static void put_ipip(struct rn_nl_msg *msg)
{
    rn_nl_put_u32(msg, IFLA_IPTUN_LINK, 2);
    rn_nl_put_addr(msg, IFLA_IPTUN_REMOTE, rn_addr_v4(0x0a000003));
}

static void test_tunnels_know_their_ends_though_each_kind_numbers_them_differently(void **state)
{
    struct machine m;
    struct rn_map_link *gre;
    struct rn_map_link *ipip;

    (void)state;
    begin(&m);
    add(&m, &(struct link_plan){ .index = 2, .name = "eth0" });
    gre = add(&m,
              &(struct link_plan){ .index = 3, .name = "gre1", .kind = "gretap", .data = put_gre });
    ipip = add(&m,
               &(struct link_plan){ .index = 4, .name = "tun4", .kind = "ipip", .data = put_ipip });
    rn_join(&m.load);

    assert_int_equal(gre->kind, RN_KIND_TUNNEL);
    assert_string_equal(gre->kind_name, "gretap");
    assert_true(rn_addr_eq(gre->tunnel.remote, rn_addr_v4(0x0a000002)));
    assert_int_equal(gre->tunnel.ttl, 64);
    assert_string_equal(gre->lower->name, "eth0");
    assert_true(rn_addr_eq(ipip->tunnel.remote, rn_addr_v4(0x0a000003)));
    assert_string_equal(ipip->lower->name, "eth0");
    end(&m);
}

static void put_ipvlan(struct rn_nl_msg *msg)
{
    rn_nl_put_u16(msg, IFLA_IPVLAN_MODE, 2);
    rn_nl_put_u16(msg, IFLA_IPVLAN_FLAGS, 1);
}

static void put_vrf(struct rn_nl_msg *msg)
{
    rn_nl_put_u32(msg, IFLA_VRF_TABLE, 42);
}

static void put_geneve(struct rn_nl_msg *msg)
{
    rn_nl_put_u32(msg, IFLA_GENEVE_ID, 99);
    rn_nl_put_addr(msg, IFLA_GENEVE_REMOTE, rn_addr_v4(0x0a000009));
}

static void test_ipvlan_vrf_and_geneve_keep_what_makes_them(void **state)
{
    struct machine m;
    struct rn_map_link *link;

    (void)state;
    begin(&m);
    link = add(
        &m, &(struct link_plan){ .index = 2, .name = "ipv", .kind = "ipvlan", .data = put_ipvlan });
    assert_int_equal(link->ipvlan.mode, 2);
    assert_int_equal(link->ipvlan.flags, 1);
    link =
        add(&m, &(struct link_plan){ .index = 3, .name = "red", .kind = "vrf", .data = put_vrf });
    assert_int_equal(link->vrf_table, 42);
    link = add(
        &m, &(struct link_plan){ .index = 4, .name = "gnv", .kind = "geneve", .data = put_geneve });
    assert_int_equal(link->tunnel.id, 99);
    assert_true(rn_addr_eq(link->tunnel.remote, rn_addr_v4(0x0a000009)));
    end(&m);
}

static void test_a_kind_nobody_knows_keeps_its_name(void **state)
{
    struct machine m;
    struct rn_map_link *link;

    (void)state;
    begin(&m);
    link = add(&m, &(struct link_plan){ .index = 2, .name = "q0", .kind = "quantum" });
    assert_int_equal(link->kind, RN_KIND_OTHER);
    assert_string_equal(link->kind_name, "quantum");
    assert_false(link->is_physical);
    end(&m);
}

static void test_a_veth_of_an_old_kernel_without_its_link_has_a_peer_of_equal_index(void **state)
{
    struct machine m;
    struct rn_nl_msg msg;
    struct ifinfomsg *ifi = rn_nl_msg_begin(&msg, RTM_NEWLINK, 0, sizeof(*ifi));
    struct nlattr *info;

    (void)state;
    begin(&m);
    ifi->ifi_index = 5;
    rn_nl_put_u32(&msg, IFLA_LINK_NETNSID, 3);
    info = rn_nl_nest_begin(&msg, IFLA_LINKINFO);
    rn_nl_put_str(&msg, IFLA_INFO_KIND, "veth");
    rn_nl_nest_end(&msg, info);
    rn_load_link(&m.load, rn_view_of(msg.bytes + NLMSG_HDRLEN, msg.head.nlmsg_len - NLMSG_HDRLEN));

    assert_int_equal(m.load.current->links[0]->link_index, 5);
    assert_int_equal(m.load.current->links[0]->link_nsid, 3);
    end(&m);
}

static void load(struct machine *m, enum rn_dump_type type, const struct rn_writer *w)
{
    const struct rn_dump_frame frame = { .type = (uint16_t)type,
                                         .payload = rn_view_of(w->start, w->len) };

    rn_load_frame(&m->load, &frame);
}

static void tell_netns(struct machine *m, uint32_t seq)
{
    uint8_t bytes[20];
    struct rn_writer w = rn_writer_of(bytes, sizeof(bytes));

    rn_write_be32(&w, seq);
    rn_write_be64(&w, 4);
    rn_write_be64(&w, 2000 + seq);
    load(m, RN_DUMP_NETNS, &w);
}

static void tell_nsid(struct machine *m, uint32_t seq, uint32_t nsid, uint32_t of)
{
    uint8_t bytes[12];
    struct rn_writer w = rn_writer_of(bytes, sizeof(bytes));

    rn_write_be32(&w, seq);
    rn_write_be32(&w, nsid);
    rn_write_be32(&w, of);
    load(m, RN_DUMP_NSID, &w);
}

static void test_a_number_means_a_namespace_where_it_was_given_and_nonsense_means_none(void **state)
{
    struct machine m;
    struct rn_map_netns *first;

    (void)state;
    begin(&m);
    tell_netns(&m, 0);
    tell_netns(&m, 1);
    tell_nsid(&m, 0, 7, 1);
    tell_nsid(&m, 0, 0xffffffff, 1); /* no number is negative */
    tell_nsid(&m, 5, 7, 1);
    tell_nsid(&m, 0, 8, 5);
    rn_join(&m.load);

    first = m.load.by_seq[0];
    assert_int_equal(first->n_nsids, 1);
    assert_int_equal(first->nsids[0].nsid, 7);
    assert_ptr_equal(first->nsids[0].netns, m.load.by_seq[1]);
    assert_int_equal(m.load.by_seq[1]->n_nsids, 0);
    assert_int_equal(m.load.n_malformed, 2);
    end(&m);
}

static void tell_driver(struct machine *m, uint32_t index, const char *bus, const char *pf_bus)
{
    struct ethtool_drvinfo info = { .driver = "card" };
    uint8_t bytes[512];
    struct rn_writer w = rn_writer_of(bytes, sizeof(bytes));

    memcpy(info.bus_info, bus, strlen(bus));
    rn_write_be32(&w, index);
    rn_write_be16(&w, sizeof(info));
    rn_write_bytes(&w, &info, sizeof(info));
    rn_write_be32(&w, 10000);
    rn_write_u8(&w, 1);
    rn_write_u8(&w, pf_bus[0] != '\0' ? RN_SRIOV_VF : RN_SRIOV_PF);
    rn_write_be16(&w, (uint16_t)strlen(pf_bus));
    rn_write_bytes(&w, pf_bus, strlen(pf_bus));
    rn_load_driver(&m->load, rn_view_of(bytes, w.len));
}

static void test_a_virtual_function_finds_its_physical_one_by_bus_address(void **state)
{
    struct machine m;
    struct rn_map_link *pf;
    struct rn_map_link *vf;

    (void)state;
    begin(&m);
    pf = add(&m, &(struct link_plan){ .index = 2, .name = "ens1" });
    vf = add(&m, &(struct link_plan){ .index = 3, .name = "ens1v0" });
    tell_driver(&m, 2, "0000:01:00.0", "");
    tell_driver(&m, 3, "0000:01:10.0", "0000:01:00.0");
    rn_join(&m.load);

    assert_int_equal(pf->sriov, RN_SRIOV_PF);
    assert_ptr_equal(vf->pf, pf);
    assert_int_equal(pf->driver.speed_mbit, 10000);
    assert_string_equal(pf->driver.name, "card");
    end(&m);
}

/* Gostwire shows such loops as they are; ours must not follow them for ever. */
static void test_links_that_name_themselves_or_each_other_do_not_hang(void **state)
{
    struct machine m;
    struct rn_map_link *a;

    (void)state;
    begin(&m);
    a = add(&m,
            &(struct link_plan){ .index = 2, .name = "a", .kind = "vlan", .link = 2, .master = 2 });
    add(&m, &(struct link_plan){ .index = 3, .name = "b", .kind = "bridge", .master = 4 });
    add(&m, &(struct link_plan){ .index = 4, .name = "c", .kind = "bridge", .master = 3 });
    rn_join(&m.load);
    rn_model_sort(m.map);

    assert_null(a->lower);
    assert_null(a->master);
    end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_vlan_has_an_id_and_stands_on_a_link_also_when_it_is_a_port),
        cmocka_unit_test(test_a_bond_is_the_master_of_its_ports),
        cmocka_unit_test(test_tunnels_know_their_ends_though_each_kind_numbers_them_differently),
        cmocka_unit_test(test_ipvlan_vrf_and_geneve_keep_what_makes_them),
        cmocka_unit_test(test_a_kind_nobody_knows_keeps_its_name),
        cmocka_unit_test(test_a_veth_of_an_old_kernel_without_its_link_has_a_peer_of_equal_index),
        cmocka_unit_test(
            test_a_number_means_a_namespace_where_it_was_given_and_nonsense_means_none),
        cmocka_unit_test(test_a_virtual_function_finds_its_physical_one_by_bus_address),
        cmocka_unit_test(test_links_that_name_themselves_or_each_other_do_not_hang),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
