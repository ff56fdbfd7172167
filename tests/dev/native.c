/* The promises of promises.h, of the devices that only a kernel makes; the wire is the kernel's other end of them. */
#include "io/fd_device.h"
#include "io/packet_device.h"
#include "native_ns.h"
#include "promises.h"

#include <runnel/tun.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUE_BYTES (64 << 20)

/* The kernel's side of @ifname: what arrives there, and what is sent from there. */
static void open_far(struct rig *r, const char *ifname)
{
    struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
    struct rn_fd_device_opts opts = {
        .kind = "wire", .name = ifname, .mtu = MTU, .link_type = r->dev->link_type
    };
    int bytes = QUEUE_BYTES;
    int one = 1;

    opts.fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    at.sll_ifindex = (int)if_nametoindex(ifname);
    assert_int_equal(bind(opts.fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(setsockopt(opts.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)), 0);
    assert_int_equal(setsockopt(opts.fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)), 0);
    assert_int_equal(rn_fd_device_new(&r->far, &r->t.turn, &opts), RN_OK);
    r->is_native = true;
}

static bool open_tuntap(struct rig *r, struct rn_tun_opts opts)
{
    int err;

    opts.name = opts.is_tap ? "tap9" : "tun9";
    opts.mtu = MTU;
    err = rn_tun_open(&r->dev, &r->t.turn, &opts);
    if (err < 0) {
        print_message("  skipped: " RN_TUN_PATH ": %s\n", strerror(-err - RN_ERR_HOST_BASE));
        return false;
    }
    native_up(opts.name, MTU);
    open_far(r, opts.name);
    return true;
}

static bool open_tun(struct rig *r)
{
    return open_tuntap(r, (struct rn_tun_opts){ 0 });
}

static bool open_plain_tun(struct rig *r)
{
    return open_tuntap(r, (struct rn_tun_opts){ .without_offloads = true });
}

static bool open_queue(struct rig *r)
{
    return open_tuntap(r, (struct rn_tun_opts){ .is_multi_queue = true });
}

static bool open_tap(struct rig *r)
{
    return open_tuntap(r, (struct rn_tun_opts){ .is_tap = true });
}

static bool open_on_veth(struct rig *r, bool is_ring, struct rn_packet_opts opts)
{
    opts.name = "va";
    opts.is_promiscuous = true;
    native_veth(MTU);
    r->forget = native_forget;
    if (is_ring)
        assert_int_equal(rn_packet_ring_open(&r->dev, &r->t.turn, &opts), RN_OK);
    else
        assert_int_equal(rn_packet_open(&r->dev, &r->t.turn, &opts), RN_OK);
    open_far(r, "vb");
    return true;
}

static bool open_packet(struct rig *r)
{
    return open_on_veth(r, false, (struct rn_packet_opts){ 0 });
}

static bool open_plain_packet(struct rig *r)
{
    return open_on_veth(r, false, (struct rn_packet_opts){ .without_offloads = true });
}

static bool open_group(struct rig *r)
{
    return open_on_veth(r, false,
                        (struct rn_packet_opts){ .n_sockets = 4, .queue_bytes = 32 << 10 });
}

static bool open_fanout(struct rig *r)
{
    return open_on_veth(r, false, (struct rn_packet_opts){ .fanout_group = 7 });
}

static bool open_ring(struct rig *r)
{
    return open_on_veth(r, true, (struct rn_packet_opts){ 0 });
}

static const struct subject subjects[] = {
    { "tun", open_tun },
    { "tun without offloads", open_plain_tun },
    { "tun, one of several queues", open_queue },
    { "tap", open_tap },
    { "packet", open_packet },
    { "packet without offloads", open_plain_packet },
    { "packet, sockets one after the other", open_group },
    { "packet, one of a fanout", open_fanout },
    { "packet ring", open_ring },
};

/* --- of one device's own ------------------------------------------------------------------------------------- */
static void give_numbered(struct rig *r, uint32_t from, uint32_t n)
{
    struct rn_pktq q = { 0 };

    for (uint32_t i = 0; i < n; i++)
        rn_pktq_push(&q, rig_packet(r, from + i, 1000));
    assert_int_equal(r->far->ops->write_batch(r->far, &q), n);
}

/* More than three of the four sockets hold together is given while nobody reads, again and again. */
static void test_order_holds_over_sockets_that_are_filled_one_after_the_other(void **state)
{
    struct rn_pktq got = { 0 };
    struct rn_pkt *pkt;
    uint32_t next = 0;
    struct rig r;
    (void)state;
    rig_init(&r);
    assert_true(open_group(&r));
    rig_watch(&r);

    for (uint32_t round = 0; round < 50; round++) {
        give_numbered(&r, round * 40, 40);
        while (rig_read(&r, r.dev, &got, 7) > 0)
            continue;
        while ((pkt = rn_pktq_pop(&got)) != NULL) {
            assert_int_equal(rig_number(&r, pkt), next++);
            rn_pkt_free(pkt);
        }
    }

    assert_int_equal(next, 2000);
    assert_int_equal(rn_packet_lost(r.dev), 0);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_holds_over_sockets_that_are_filled_one_after_the_other),
    };

    if (!native_enter())
        return 77; /* skipped, to meson */
    return prove_all(subjects, RN_ARRAY_LEN(subjects)) + cmocka_run_group_tests(tests, NULL, NULL);
}
