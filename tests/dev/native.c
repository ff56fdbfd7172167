/* The promises of promises.h, of the devices that only a kernel makes; the wire is the kernel's other end of them. */
#include "io/fd_device.h"
#include "io/packet_device.h"
#include "native_ns.h"
#include "promises.h"

#include <runnel/linkwatch.h>
#include <runnel/loop.h>
#include <runnel/tun.h>
#include <runnel/xdp.h>

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
    assert_int_equal(rn_fd_device_new(&r->far, r->turn, &opts), RN_OK);
    r->is_native = true;
}

static bool open_tuntap(struct rig *r, struct rn_tun_opts opts)
{
    int err;

    opts.name = opts.is_tap ? "tap9" : "tun9";
    opts.mtu = MTU;
    err = rn_tun_open(&r->dev, r->turn, &opts);
    if (err < 0) {
        print_message("  skipped: " RN_TUN_PATH "%s: %s\n", opts.has_io_uring ? " by io_uring" : "",
                      strerror(-err - RN_ERR_HOST_BASE));
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

static bool open_tun_by_uring(struct rig *r)
{
    return open_tuntap(r, (struct rn_tun_opts){ .has_io_uring = true });
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
        assert_int_equal(rn_packet_ring_open(&r->dev, r->turn, &opts), RN_OK);
    else
        assert_int_equal(rn_packet_open(&r->dev, r->turn, &opts), RN_OK);
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

/* The device is `va`; what the test sends by `vb` is complete as it stands. */
static bool open_xdp_as(struct rig *r, bool is_generic)
{
    const struct rn_xdp_opts opts = { .name = "va",
                                      .is_promiscuous = true,
                                      .is_generic = is_generic };
    int err;

    native_veth(MTU);
    r->forget = native_forget;
    err = rn_xdp_open(&r->dev, r->turn, &opts);
    if (err < 0) {
        print_message("  skipped: AF_XDP: %s\n", strerror(-err - RN_ERR_HOST_BASE));
        return false;
    }
    open_far(r, "vb");
    return true;
}

static bool open_xdp(struct rig *r)
{
    return open_xdp_as(r, false);
}

static bool open_generic_xdp(struct rig *r)
{
    return open_xdp_as(r, true);
}

static const struct subject subjects[] = {
    { "tun", open_tun },
    { "tun without offloads", open_plain_tun },
    { "tun by io_uring", open_tun_by_uring },
    { "tun, one of several queues", open_queue },
    { "tap", open_tap },
    { "packet", open_packet },
    { "packet without offloads", open_plain_packet },
    { "packet, sockets one after the other", open_group },
    { "packet, one of a fanout", open_fanout },
    { "packet ring", open_ring },
    { "xdp", open_xdp },
    { "xdp, generic", open_generic_xdp },
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

/* 190 datagrams of ten bytes in one: more than Linux cuts (UDP_MAX_SEGMENTS), so the write fails with EINVAL. */
static struct rn_pkt *too_many_datagrams(struct rig *r)
{
    uint16_t link = r->dev->link_type == RN_LINK_ETHERNET ? 14 : 0;
    struct rn_pkt *pkt = rig_packet(r, 5, 1300);
    uint8_t more[600] = { 0 };
    uint16_t pseudo = rn_checksum_pseudo(rn_addr_v4(0x0a000001), rn_addr_v4(0x0a000002),
                                         RN_PROTO_UDP, 1900 + RN_UDP_HDR_BYTES);
    uint8_t *ip = rn_pkt_own_front(pkt, link + 28u) + link;

    assert_true(rn_pkt_append_copy(pkt, more, sizeof(more)));
    rn_put_be16(ip + 2, 28 + 1900);
    rn_put_be16(ip + 10, 0);
    rn_put_be16(ip + 10, (uint16_t)~rn_checksum(ip, 20, 0));
    rn_put_be16(ip + 24, 8 + 1900);
    rn_put_be16(ip + 26, pseudo);
    pkt->csum = RN_CSUM_PARTIAL;
    pkt->csum_start = link + 20;
    pkt->csum_offset = RN_UDP_CHECKSUM_AT;
    pkt->gso = RN_GSO_UDP;
    pkt->gso_size = 10;
    pkt->gso_hdr = link + 28;
    return pkt;
}

static void what_the_kernel_refuses_is_cut_and_sent_again(bool (*open)(struct rig *r))
{
    unsigned n_segments = 0;
    unsigned n_others = 0;
    struct rn_pktq q = { 0 };
    struct rn_pkt *pkt;
    uint32_t link;
    struct rig r;

    rig_init(&r);
    if (!open(&r))
        skip();
    rig_watch(&r);
    link = r.dev->link_type == RN_LINK_ETHERNET ? 14 : 0;

    rn_pktq_push(&q, too_many_datagrams(&r));
    rn_pktq_push(&q, rig_packet(&r, 6, 20));
    assert_int_equal(r.dev->ops->write_batch(r.dev, &q), 191);
    while (q.n_pkts < 191)
        assert_true(rig_read(&r, r.far, &q, 64) > 0);

    while ((pkt = rn_pktq_pop(&q)) != NULL) {
        bool is_segment = rig_number(&r, pkt) != 6;

        n_segments += is_segment && pkt->len == link + 38u;
        n_others += !is_segment;
        rn_pkt_free(pkt);
    }
    assert_int_equal(n_segments, 190);
    assert_int_equal(n_others, 1);
    rig_fini(&r);
}

static void test_super_packet_that_a_tun_refuses_is_cut_and_sent_again(void **state)
{
    (void)state;
    what_the_kernel_refuses_is_cut_and_sent_again(open_tun);
}

static void test_super_packet_that_a_tun_refuses_by_io_uring_is_cut_and_sent_again(void **state)
{
    (void)state;
    what_the_kernel_refuses_is_cut_and_sent_again(open_tun_by_uring);
}

static void test_super_packet_that_a_packet_socket_refuses_is_cut_and_sent_again(void **state)
{
    (void)state;
    what_the_kernel_refuses_is_cut_and_sent_again(open_packet);
}

static void test_name_longer_than_any_is_refused_and_not_cut_short(void **state)
{
    const struct rn_tun_opts opts = { .name = "tun-of-16-bytes." };
    struct rn_device *dev = NULL;
    struct rig r;
    (void)state;
    rig_init(&r);

    assert_int_equal(rn_tun_open(&dev, r.turn, &opts), RN_E_BAD_OPTION);

    assert_null(dev);
    rig_fini(&r);
}

/* Rows E01-E06 the other way round: what we would claim falsely is refused by the kernel, counted, and nobody is the worse for it. */
static void lies_are_counted_and_the_truth_goes_on(bool (*open)(struct rig *r))
{
    struct rn_pktq q = { 0 };
    uint64_t dropped = 0;
    struct rig r;

    rig_init(&r);
    if (!open(&r))
        skip();
    rig_watch(&r);
    for (unsigned i = 0; i < RN_TEST_LIES; i++) {
        struct rn_pkt *pkt = rn_test_lying_tcp4(r.turn->pool, i);

        if (r.dev->link_type == RN_LINK_ETHERNET)
            (void)memset(rn_pkt_push(pkt, 14), 2, 14); /* of no protocol anybody knows */
        rn_pktq_push(&q, pkt);
    }
    rn_pktq_push(&q, rig_packet(&r, 77, 20));
    while (!rn_pktq_is_empty(&q))
        assert_true(r.dev->ops->write_batch(r.dev, &q) > 0);

    while (rig_read(&r, r.far, &q, 64) > 0)
        continue;
    assert_int_equal(rig_number(&r, q.last), 77);
    for (unsigned i = 0; i < RN_DROP_COUNT; i++)
        dropped += r.dev->drops.n[i] + rn_pool_drops(r.turn->pool)->n[i];
    assert_true(dropped > 0);
    assert_false(r.dev->is_closed);
    rn_pktq_free_all(&q);
    rig_fini(&r);
}

static void test_E01_to_E06_lies_to_a_tun_are_counted_and_the_truth_goes_on(void **state)
{
    (void)state;
    lies_are_counted_and_the_truth_goes_on(open_tun);
}

static void test_E01_to_E06_lies_to_a_packet_socket_are_counted_and_the_truth_goes_on(void **state)
{
    (void)state;
    lies_are_counted_and_the_truth_goes_on(open_packet);
}

/* Row E07: a TUN whose link is down answers EIO to whatever is written, and has nothing to read. */
static void link_that_is_down_is_not_asked_for_ever(bool (*open)(struct rig *r))
{
    struct rn_pktq q = { 0 };
    uint64_t dropped = 0;
    struct rig r;

    rig_init(&r);
    if (!open(&r))
        skip();
    rig_watch(&r);
    native_down(r.dev->name);

    assert_int_equal(r.dev->ops->read_batch(r.dev, &q, 64), RN_E_WOULD_BLOCK);
    rn_pktq_push(&q, rig_packet(&r, 1, 20));
    assert_int_equal(r.dev->ops->write_batch(r.dev, &q), 1);
    for (unsigned i = 0; i < RN_DROP_COUNT; i++)
        dropped += r.dev->drops.n[i];
    assert_int_equal(dropped, 1);
    assert_false(r.dev->is_closed);

    native_up(r.dev->name, MTU);
    rn_test_turn_at(&r.t, 1);
    rn_pktq_push(&q, rig_packet(&r, 2, 20));
    assert_int_equal(r.dev->ops->write_batch(r.dev, &q), 1);
    while (rig_read(&r, r.far, &q, 64) > 0)
        continue;
    assert_int_equal(rig_number(&r, q.last), 2);
    rn_pktq_free_all(&q);
    rig_fini(&r);
}

static void test_E07_tun_whose_link_is_down_is_not_asked_for_ever(void **state)
{
    (void)state;
    link_that_is_down_is_not_asked_for_ever(open_tun);
}

static void test_E07_tun_by_io_uring_whose_link_is_down_is_not_asked_for_ever(void **state)
{
    (void)state;
    link_that_is_down_is_not_asked_for_ever(open_tun_by_uring);
}

static void test_offloads_can_be_left_out_one_by_one(void **state)
{
    static const struct {
        struct rn_tun_opts opts;
        uint32_t without;
    } cases[] = {
        { { .without_tso4 = true }, RN_DEV_TSO4 },
        { { .without_tso6 = true }, RN_DEV_TSO6 },
        { { .without_uso = true }, RN_DEV_USO | RN_DEV_TRAINS },
        { { .without_tso4 = true, .without_tso6 = true }, RN_DEV_TSO4 | RN_DEV_TSO6 },
        { { .without_tso_ecn = true }, 0 },
        { { .without_offloads = true }, ~0u },
    };
    uint32_t whole;
    struct rig r;
    (void)state;
    rig_init(&r);
    if (!open_tun(&r))
        skip();
    whole = r.dev->caps;
    rig_fini(&r);

    for (size_t i = 0; i < RN_ARRAY_LEN(cases); i++) {
        rig_init(&r);
        assert_true(open_tuntap(&r, cases[i].opts));
        assert_int_equal(r.dev->caps, whole & ~cases[i].without);
        rig_fini(&r);
    }
}

/* --- what people do to an interface --------------------------------------------------------------------------- */
struct watched {
    struct rn_loop *loop;
    struct rn_device *dev;
    struct rn_link_watch *watch;
    unsigned events;
};

static void note_events(struct rn_device *dev, unsigned events)
{
    ((struct watched *)dev->owner)->events |= events;
}

static bool watched_init(struct watched *w)
{
    const struct rn_tun_opts opts = { .name = "tun9", .mtu = MTU };

    *w = (struct watched){ 0 };
    assert_int_equal(rn_loop_new(&w->loop, NULL), RN_OK);
    if (rn_tun_open(&w->dev, rn_loop_turn(w->loop), &opts) < 0)
        return false;
    native_up("tun9", MTU);
    w->dev->owner = w;
    w->dev->notify = note_events;
    assert_int_equal(rn_link_watch_new(&w->watch, w->loop, w->dev), RN_OK);
    return true;
}

static void watched_fini(struct watched *w)
{
    rn_link_watch_free(w->watch);
    rn_device_free(w->dev);
    rn_loop_free(w->loop);
    native_forget();
}

/* Runs the loop until all of @wanted was told, for a second at most. */
static unsigned told(struct watched *w, unsigned wanted)
{
    unsigned events;

    for (unsigned i = 0; i < 100 && (w->events & wanted) != wanted; i++)
        assert_true(rn_loop_step(w->loop, 10 * RN_NS_PER_MS) >= 0);
    events = w->events;
    w->events = 0;
    return events;
}

static void test_device_follows_its_interface(void **state)
{
    struct watched w;
    (void)state;
    if (!watched_init(&w))
        skip();

    native_up("tun9", 1300);
    assert_int_equal(told(&w, RN_DEV_MTU_CHANGED), RN_DEV_MTU_CHANGED);
    assert_int_equal(w.dev->mtu, 1300);
    native_lower("tun9");
    assert_int_equal(told(&w, RN_DEV_LINK_DOWN), RN_DEV_LINK_DOWN);
    native_rename("tun9", "blue");
    assert_int_equal(told(&w, RN_DEV_RENAMED), RN_DEV_RENAMED);
    assert_string_equal(w.dev->name, "blue");
    native_up("blue", 1300);
    assert_int_equal(told(&w, RN_DEV_LINK_UP), RN_DEV_LINK_UP);
    watched_fini(&w);
}

static void test_device_follows_its_interface_into_another_namespace(void **state)
{
    struct watched w;
    int home;
    int there;
    (void)state;
    if (!watched_init(&w))
        skip();
    home = native_open();
    native_forget();
    there = native_open();
    native_return(home);

    native_move("tun9", there);
    assert_int_equal(told(&w, RN_DEV_LINK_DOWN), RN_DEV_LINK_DOWN);
    native_return(there);
    native_rename("tun9", "red");
    native_up("red", 1200);
    native_return(home);

    assert_true((told(&w, RN_DEV_RENAMED | RN_DEV_MTU_CHANGED | RN_DEV_LINK_UP) & RN_DEV_LINK_UP) !=
                0);
    assert_string_equal(w.dev->name, "red");
    assert_int_equal(w.dev->mtu, 1200);
    close(home);
    close(there);
    watched_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_device_follows_its_interface),
        cmocka_unit_test(test_device_follows_its_interface_into_another_namespace),
        cmocka_unit_test(test_name_longer_than_any_is_refused_and_not_cut_short),
        cmocka_unit_test(test_super_packet_that_a_tun_refuses_is_cut_and_sent_again),
        cmocka_unit_test(test_super_packet_that_a_tun_refuses_by_io_uring_is_cut_and_sent_again),
        cmocka_unit_test(test_super_packet_that_a_packet_socket_refuses_is_cut_and_sent_again),
        cmocka_unit_test(test_E01_to_E06_lies_to_a_tun_are_counted_and_the_truth_goes_on),
        cmocka_unit_test(test_E01_to_E06_lies_to_a_packet_socket_are_counted_and_the_truth_goes_on),
        cmocka_unit_test(test_E07_tun_whose_link_is_down_is_not_asked_for_ever),
        cmocka_unit_test(test_E07_tun_by_io_uring_whose_link_is_down_is_not_asked_for_ever),
        cmocka_unit_test(test_offloads_can_be_left_out_one_by_one),
        cmocka_unit_test(test_order_holds_over_sockets_that_are_filled_one_after_the_other),
    };

    if (!native_enter())
        return 77; /* skipped, to meson */
    return prove_all(subjects, RN_ARRAY_LEN(subjects)) +
           prove_blocking(subjects, RN_ARRAY_LEN(subjects)) +
           cmocka_run_group_tests(tests, NULL, NULL);
}
