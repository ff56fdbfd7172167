/* WireGuard's answers, as messages made after uapi/linux/wireguard.h: the kernel at hand may have none to record. */
#include "discovery/wireguard.h"

#include "discovery/load.h"
#include "host/nl.h"

#include "test_alloc.h"

#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <string.h>

#define KEY_BYTES   32
#define SECRET_BYTE 0x5e /* of which secret keys are made here, and nothing else */

static void put_key(struct rn_nl_msg *msg, unsigned type, uint8_t fill)
{
    uint8_t key[KEY_BYTES];

    memset(key, fill, sizeof(key));
    rn_nl_put(msg, type, key, sizeof(key));
}

/* Of every peer's addresses one goes into each message. */
static void put_allowed(struct rn_nl_msg *msg, uint8_t net, uint8_t bits)
{
    const uint8_t addr[] = { 10, net, 0, 0 };
    struct nlattr *list = rn_nl_nest_begin(msg, WGPEER_A_ALLOWEDIPS);
    struct nlattr *one = rn_nl_nest_begin(msg, 0);

    rn_nl_put(msg, WGALLOWEDIP_A_CIDR_MASK, &bits, 1);
    rn_nl_put_u16(msg, WGALLOWEDIP_A_FAMILY, 2);
    rn_nl_put(msg, WGALLOWEDIP_A_IPADDR, addr, sizeof(addr));
    rn_nl_nest_end(msg, one);
    rn_nl_nest_end(msg, list);
}

static void put_peer(struct rn_nl_msg *msg, uint8_t public_key, bool is_first)
{
    struct nlattr *peer = rn_nl_nest_begin(msg, 0);

    put_key(msg, WGPEER_A_PUBLIC_KEY, public_key);
    put_key(msg, WGPEER_A_PRESHARED_KEY, SECRET_BYTE);
    put_allowed(msg, is_first ? public_key : (uint8_t)(public_key + 100), 16);
    rn_nl_nest_end(msg, peer);
}

/* A device's message with peers of the keys @from to @to; only its first tells of the device itself. */
static void make_answer(struct rn_nl_msg *msg, bool is_first, uint8_t from, uint8_t to)
{
    struct genlmsghdr *genl = rn_nl_msg_begin(msg, 30, 0, sizeof(*genl));
    struct nlattr *peers;

    genl->cmd = WG_CMD_GET_DEVICE;
    rn_nl_put_u32(msg, WGDEVICE_A_IFINDEX, 7);
    if (is_first) {
        put_key(msg, WGDEVICE_A_PRIVATE_KEY, SECRET_BYTE);
        put_key(msg, WGDEVICE_A_PUBLIC_KEY, 0x77);
        rn_nl_put_u16(msg, WGDEVICE_A_LISTEN_PORT, 51820);
        rn_nl_put_u32(msg, WGDEVICE_A_FWMARK, 9);
    }
    peers = rn_nl_nest_begin(msg, WGDEVICE_A_PEERS);
    for (uint8_t key = from; key <= to; key++)
        put_peer(msg, key, is_first);
    rn_nl_nest_end(msg, peers);
}

static void test_secret_keys_are_overwritten_and_nothing_else_is(void **state)
{
    struct rn_nl_msg msg;
    struct rn_nl_msg before;

    (void)state;
    make_answer(&msg, true, 1, 3);
    before = msg;
    rn_wireguard_scrub(msg.bytes, msg.head.nlmsg_len);

    assert_null(memchr(msg.bytes, SECRET_BYTE, msg.head.nlmsg_len));
    for (uint32_t i = 0; i < msg.head.nlmsg_len; i++)
        assert_true(msg.bytes[i] == before.bytes[i] || before.bytes[i] == SECRET_BYTE);
}

static void test_an_answer_cut_anywhere_is_scrubbed_in_its_bounds(void **state)
{
    struct rn_nl_msg msg;

    (void)state;
    for (uint32_t len = 0; len < 300; len++) {
        uint8_t *exact = test_malloc(len + 1); /* a sanitizer sees what is read beyond it */

        make_answer(&msg, true, 1, 3);
        memcpy(exact, msg.bytes, len);
        rn_wireguard_scrub(exact, len);
        test_free(exact);
    }
}

struct machine {
    struct rn_map *map;
    struct rn_load load;
};

static struct rn_map_link *begin(struct machine *m, enum rn_map_kind kind)
{
    struct rn_map_link *link;

    assert_int_equal(rn_model_new(&m->map), RN_OK);
    rn_load_init(&m->load, m->map);
    m->load.current = rn_model_add_netns(m->map, 4, 1000);
    link = rn_model_add_link(m->map, m->load.current);
    link->index = 7;
    link->kind = kind;
    return link;
}

static void load(struct machine *m, const struct rn_nl_msg *msg)
{
    rn_load_wireguard(&m->load,
                      rn_view_of(msg->bytes + NLMSG_HDRLEN, msg->head.nlmsg_len - NLMSG_HDRLEN));
}

static void test_a_device_told_in_two_messages_is_one(void **state)
{
    struct rn_nl_msg msg;
    struct machine m;
    struct rn_map_link *link;

    (void)state;
    link = begin(&m, RN_KIND_WIREGUARD);
    make_answer(&msg, true, 1, 3);
    load(&m, &msg);
    make_answer(&msg, false, 3, 5); /* goes on with the third peer */
    load(&m, &msg);

    assert_true(link->wireguard.is_known);
    assert_int_equal(link->wireguard.listen_port, 51820);
    assert_int_equal(link->wireguard.fwmark, 9);
    assert_int_equal(link->wireguard.n_peers, 5);
    assert_int_equal(link->wireguard.key[31], 0x77);
    assert_int_equal(link->wireguard.peers[2].n_allowed, 2); /* one in either message */
    assert_int_equal(link->wireguard.peers[2].allowed[1].addr.b[13], 103);
    assert_int_equal(link->wireguard.peers[2].allowed[1].bits, 16);
    assert_int_equal(link->wireguard.peers[4].n_allowed, 1);
    rn_model_free(m.map);
}

static void test_an_answer_for_a_link_of_another_kind_changes_nothing(void **state)
{
    struct rn_nl_msg msg;
    struct machine m;
    struct rn_map_link *link;

    (void)state;
    link = begin(&m, RN_KIND_BRIDGE);
    make_answer(&msg, true, 1, 3);
    load(&m, &msg);

    assert_int_equal(link->bridge.root_id, 0);
    assert_int_equal(link->bridge.ageing_s, 0);
    rn_model_free(m.map);
}

static void test_an_answer_cut_anywhere_is_loaded_in_its_bounds(void **state)
{
    struct rn_nl_msg msg;
    struct machine m;

    (void)state;
    (void)begin(&m, RN_KIND_WIREGUARD);
    make_answer(&msg, true, 1, 3);
    for (uint32_t len = 0; len < msg.head.nlmsg_len - NLMSG_HDRLEN; len++) {
        uint8_t *exact = test_malloc(len + 1);

        memcpy(exact, msg.bytes + NLMSG_HDRLEN, len);
        rn_load_wireguard(&m.load, rn_view_of(exact, len));
        test_free(exact);
    }
    rn_model_free(m.map);
}

/* RFC 4648 §10's way of checking: what another program makes of the same bytes. */
static void test_keys_are_written_as_wg_writes_them(void **state)
{
    uint8_t key[RN_WG_KEY_BYTES];
    char text[48];

    (void)state;
    for (uint8_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)(i * 8);

    assert_string_equal(rn_wireguard_key_text(key, text),
                        "AAgQGCAoMDhASFBYYGhweICIkJigqLC4wMjQ2ODo8Pg=");
    assert_string_equal(rn_wireguard_key_short(key, text), "AAgQGCAo...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secret_keys_are_overwritten_and_nothing_else_is),
        cmocka_unit_test(test_an_answer_cut_anywhere_is_scrubbed_in_its_bounds),
        cmocka_unit_test(test_a_device_told_in_two_messages_is_one),
        cmocka_unit_test(test_an_answer_cut_anywhere_is_loaded_in_its_bounds),
        cmocka_unit_test(test_keys_are_written_as_wg_writes_them),
        cmocka_unit_test(test_an_answer_for_a_link_of_another_kind_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
