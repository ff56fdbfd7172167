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

static void put_peer(struct rn_nl_msg *msg, uint8_t public_key)
{
    struct nlattr *peer = rn_nl_nest_begin(msg, 0);

    put_key(msg, WGPEER_A_PUBLIC_KEY, public_key);
    put_key(msg, WGPEER_A_PRESHARED_KEY, SECRET_BYTE);
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
        put_peer(msg, key);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secret_keys_are_overwritten_and_nothing_else_is),
        cmocka_unit_test(test_an_answer_cut_anywhere_is_scrubbed_in_its_bounds),
        cmocka_unit_test(test_a_device_told_in_two_messages_is_one),
        cmocka_unit_test(test_an_answer_for_a_link_of_another_kind_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
