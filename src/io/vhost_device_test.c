#include "packets.h"
#include "vhost_front.h"
#include "wire/eth.h"
#include <runnel/err.h>
#include <runnel/vhost.h>

#include "dev/device.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/un.h>

struct rig {
    struct rn_test_turn t;
    struct rn_device *dev;
    struct vhost_front *front;
    unsigned heard; /* all events so far */
    unsigned n_writable;
};

static void listen_to(struct rn_device *dev, unsigned events)
{
    struct rig *r = dev->owner;

    r->heard |= events;
    r->n_writable += (events & RN_DEV_WRITABLE) != 0;
}

/* A device and a front-end that has said nothing yet. */
static void rig_init_silent(struct rig *r, const struct rn_vhost_opts *opts)
{
    int fds[2];

    memset(r, 0, sizeof(*r));
    rn_test_turn_init(&r->t);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(rn_vhost_from_fd(&r->dev, &r->t.turn, fds[0], opts), RN_OK);
    r->dev->owner = r;
    r->dev->notify = listen_to;
    r->front = front_new_silent(r->dev, fds[1]);
}

static void rig_init(struct rig *r, uint64_t features)
{
    rig_init_silent(r, &(struct rn_vhost_opts){ 0 });
    front_negotiate(r->front, features);
    front_start(r->front);
    front_step(r->dev); /* the first kick of a ring that had waiting buffers */
}

static void rig_fini(struct rig *r)
{
    rn_device_free(r->dev);
    if (r->front != NULL)
        rn_device_free(&r->front->dev);
    rn_test_turn_fini(&r->t);
}

static struct rn_vhost_info info_of(const struct rn_device *dev)
{
    struct rn_vhost_info info;

    rn_vhost_get_info(dev, &info);
    return info;
}

static struct rn_pkt *framed(struct rn_pkt *pkt)
{
    const struct rn_eth_hdr eth = { .src = { { 2, 0, 0, 0, 0, 1 } },
                                    .dst = { { 2, 0, 0, 0, 0, 2 } },
                                    .type = RN_ETHERTYPE_IPV4 };

    rn_eth_emit(&eth, rn_pkt_push(pkt, RN_ETH_HDR_BYTES));
    return pkt;
}

static int give(struct rn_device *dev, struct rn_pkt *pkt)
{
    struct rn_pktq q = { 0 };
    int n;

    rn_pktq_push(&q, pkt);
    n = dev->ops->write_batch(dev, &q);
    rn_pktq_free_all(&q);
    return n;
}

static int give_numbers(struct rig *r, struct rn_device *dev, uint32_t from, uint32_t n)
{
    struct rn_pktq q = { 0 };
    int sent;

    for (uint32_t i = 0; i < n; i++)
        rn_pktq_push(&q, framed(rn_test_udp4(r->t.pool, from + i, 4 + (from + i) % 1400)));
    sent = dev->ops->write_batch(dev, &q);
    rn_pktq_free_all(&q);
    return sent;
}

static int read_all(struct rn_device *dev)
{
    struct rn_pktq q = { 0 };
    int total = 0;
    int n;

    while ((n = dev->ops->read_batch(dev, &q, 64)) > 0)
        total += n;
    rn_pktq_free_all(&q);
    return total;
}

static bool is_ready(const struct rn_device *dev)
{
    struct pollfd fd = { .fd = dev->ops->poll_fd(dev), .events = POLLIN };

    return poll(&fd, 1, 0) > 0;
}

/* How often a bell was rung since it was last asked. */
static uint64_t rung(int fd)
{
    eventfd_t n = 0;

    return eventfd_read(fd, &n) == 0 ? n : 0;
}

/* --- packets ------------------------------------------------------------------------------------------------------ */
static void test_super_packets_pass_as_they_are_both_ways(void **state)
{
    struct rn_pktq q = { 0 };
    struct rig r;
    (void)state;
    rig_init(&r, FRONT_ALL);

    for (unsigned way = 0; way < 2; way++) {
        struct rn_device *from = way == 0 ? r.dev : &r.front->dev;
        struct rn_device *to = way == 0 ? &r.front->dev : r.dev;
        struct rn_pkt *pkt;

        assert_int_equal(give(from, framed(rn_test_tcp4(r.t.pool, 60000, 1400))), 1);
        assert_int_equal(to->ops->read_batch(to, &q, 64), 1);
        pkt = rn_pktq_pop(&q);
        assert_int_equal(pkt->len, 14 + 40 + 60000);
        assert_int_equal(pkt->gso, RN_GSO_TCP4);
        assert_int_equal(pkt->gso_size, 1400);
        assert_int_equal(pkt->csum, RN_CSUM_PARTIAL);
        assert_int_equal(pkt->csum_start, 34);
        rn_pkt_free(pkt);
    }
    rig_fini(&r);
}

/* The checksum of a TCP packet behind Ethernet and IPv4 without options is right. */
static void assert_tcp_sum(const struct rn_pkt *pkt)
{
    struct rn_addr src = rn_addr_v4(0x0a000001);
    struct rn_addr dst = rn_addr_v4(0x0a000002);
    uint32_t sum = rn_checksum_pseudo(src, dst, 6, pkt->len - 34);

    assert_int_equal(rn_pkt_checksum(pkt, 34, pkt->len - 34, sum), 0xffff);
}

static void test_what_the_guest_did_not_agree_to_is_made_here(void **state)
{
    static const uint64_t partly[] = { 0, RN_VIRTIO_VERSION_1, RN_VIRTIO_MRG_RXBUF,
                                       RN_VIRTIO_VERSION_1 | RN_VIRTIO_GUEST_CSUM };
    (void)state;

    for (size_t i = 0; i < RN_ARRAY_LEN(partly); i++) {
        struct rn_pktq q = { 0 };
        struct rn_pkt *pkt;
        struct rig r;

        rig_init(&r, partly[i]);
        assert_true(give(r.dev, framed(rn_test_tcp4(r.t.pool, 3000, 1400))) > 0);

        assert_int_equal(read_all(r.dev), 0);
        assert_int_equal(r.front->dev.ops->read_batch(&r.front->dev, &q, 64), 3);
        while ((pkt = rn_pktq_pop(&q)) != NULL) {
            assert_true(pkt->len <= 14 + 40 + 1400);
            assert_int_equal(pkt->csum == RN_CSUM_PARTIAL, (partly[i] & RN_VIRTIO_GUEST_CSUM) != 0);
            if (pkt->csum == RN_CSUM_PARTIAL)
                assert_true(rn_pkt_complete_checksum(pkt));
            assert_tcp_sum(pkt);
            rn_pkt_free(pkt);
        }
        rig_fini(&r);
    }
}

static void test_super_packet_with_cwr_is_cut_for_a_guest_without_ecn(void **state)
{
    struct rn_pktq q = { 0 };
    struct rn_pkt *pkt;
    struct rig r;
    (void)state;
    rig_init(&r, FRONT_ALL & ~RN_VIRTIO_GUEST_ECN);
    pkt = framed(rn_test_tcp4(r.t.pool, 3000, 1400));
    pkt->flags |= RN_PKT_GSO_ECN;

    assert_true(give(r.dev, pkt) > 0);

    assert_int_equal(r.front->dev.ops->read_batch(&r.front->dev, &q, 64), 3);
    rn_pktq_free_all(&q);
    rig_fini(&r);
}

static void test_offloads_that_were_not_agreed_on_are_refused_from_the_guest(void **state)
{
    static const uint64_t lacks[] = { RN_VIRTIO_CSUM, RN_VIRTIO_HOST_TSO4, RN_VIRTIO_HOST_ECN };
    (void)state;

    for (size_t i = 0; i < RN_ARRAY_LEN(lacks); i++) {
        struct rn_pkt *pkt;
        struct rig r;

        rig_init(&r, FRONT_ALL & ~lacks[i]);
        pkt = framed(rn_test_tcp4(r.t.pool, 3000, 1400));
        pkt->flags |= RN_PKT_GSO_ECN;
        assert_int_equal(give(&r.front->dev, pkt), 1);

        assert_int_equal(read_all(r.dev), 0);
        assert_int_equal(r.dev->drops.n[RN_DROP_MALFORMED], 1);
        assert_false(r.dev->is_closed);
        rig_fini(&r);
    }
}

static void test_device_without_offloads_offers_none(void **state)
{
    struct rig r;
    (void)state;
    rig_init_silent(&r, &(struct rn_vhost_opts){ .without_offloads = true });
    front_negotiate(r.front, UINT64_MAX);

    assert_int_equal(r.front->features & (RN_VIRTIO_CSUM | RN_VIRTIO_GUEST_CSUM |
                                          RN_VIRTIO_GUEST_TSO4 | RN_VIRTIO_HOST_USO),
                     0);
    assert_int_equal(r.dev->caps, 0);
    rig_fini(&r);
}

static void test_frame_larger_than_all_buffers_is_dropped_and_the_next_one_goes(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r, FRONT_ALL & ~RN_VIRTIO_MRG_RXBUF);

    assert_int_equal(give(r.dev, framed(rn_test_tcp4(r.t.pool, 4000, 0))), 1);
    assert_int_equal(give_numbers(&r, r.dev, 7, 1), 1);

    assert_int_equal(r.dev->drops.n[RN_DROP_TOO_BIG], 1);
    assert_int_equal(read_all(&r.front->dev), 1);
    rig_fini(&r);
}

/* --- bells -------------------------------------------------------------------------------------------------------- */
static void test_poll_descriptor_is_ready_as_long_as_something_is_left(void **state)
{
    struct rn_pktq q = { 0 };
    struct rig r;
    (void)state;
    rig_init(&r, FRONT_ALL);
    assert_false(is_ready(r.dev));

    give_numbers(&r, &r.front->dev, 0, 3);
    assert_true(is_ready(r.dev));
    assert_int_equal(r.dev->ops->read_batch(r.dev, &q, 1), 1);
    assert_true(is_ready(r.dev));
    assert_int_equal(r.dev->ops->read_batch(r.dev, &q, 2), 2);
    assert_true(is_ready(r.dev)); /* it did not see the end */
    assert_int_equal(r.dev->ops->read_batch(r.dev, &q, 1), RN_E_WOULD_BLOCK);
    assert_false(is_ready(r.dev));
    rn_pktq_free_all(&q);
    rig_fini(&r);
}

static void test_only_a_side_that_waits_is_told(void **state)
{
    static const uint64_t ways[] = { RN_VIRTIO_VERSION_1,
                                     RN_VIRTIO_VERSION_1 | RN_VIRTIO_EVENT_IDX };
    (void)state;

    for (size_t i = 0; i < RN_ARRAY_LEN(ways); i++) {
        struct rn_pktq q = { 0 };
        struct rig r;
        int kick;

        rig_init(&r, ways[i]);
        kick = r.front->rings[RN_VHOST_TX].kick;
        (void)rung(kick);
        give_numbers(&r, &r.front->dev, 0, 1);
        assert_int_equal(rung(kick), 1);
        /* Nobody has looked yet, or one who will look again. */
        give_numbers(&r, &r.front->dev, 0, 1);
        assert_int_equal(rung(kick), i == 0 ? 1 : 0);
        assert_int_equal(r.dev->ops->read_batch(r.dev, &q, 1), 1);
        assert_int_equal(r.dev->ops->read_batch(r.dev, &q, 1), 1);
        rn_pktq_free_all(&q);
        assert_int_equal(read_all(r.dev), 0);
        give_numbers(&r, &r.front->dev, 0, 1);
        assert_int_equal(rung(kick), 1);
        rig_fini(&r);
    }
}

static void test_guest_that_wants_no_interrupts_gets_none(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r, RN_VIRTIO_VERSION_1);
    (void)rung(r.front->call);

    give_numbers(&r, r.dev, 0, 5);
    assert_int_equal(rung(r.front->call), 1); /* one for a batch */
    atomic_store(front_word(r.front->rings[RN_VHOST_RX].avail, 0), 1);
    give_numbers(&r, r.dev, 0, 5);
    assert_int_equal(rung(r.front->call), 0);
    rig_fini(&r);
}

static void test_who_found_no_room_is_told_once_of_it(void **state)
{
    uint32_t sent = 0;
    struct rig r;
    int n;
    (void)state;
    rig_init(&r, FRONT_ALL);
    while ((n = give_numbers(&r, r.dev, sent, 50)) == 50)
        sent += 50;
    r.n_writable = 0;
    assert_false(is_ready(r.dev));

    assert_int_equal(read_all(&r.front->dev), sent + (uint32_t)n);

    assert_true(is_ready(r.dev));
    assert_int_equal(read_all(r.dev), 0);
    assert_int_equal(read_all(r.dev), 0);
    assert_int_equal(r.n_writable, 1);
    assert_int_equal(give_numbers(&r, r.dev, 0, 50), 50);
    rig_fini(&r);
}

/* --- the protocol ------------------------------------------------------------------------------------------------- */
static void test_messages_may_come_in_pieces(void **state)
{
    const uint32_t hdr[3] = { RN_VHOST_GET_FEATURES, RN_VHOST_VERSION, 8 };
    uint8_t bytes[20] = { 0 };
    uint64_t features = 0;
    struct rig r;
    (void)state;
    rig_init_silent(&r, &(struct rn_vhost_opts){ 0 });
    memcpy(bytes, hdr, sizeof(hdr));

    for (size_t i = 0; i < sizeof(bytes); i++) {
        assert_false(front_answer(r.front->fd, &features, sizeof(features)));
        assert_int_equal(send(r.front->fd, bytes + i, 1, 0), 1);
        front_step(r.dev);
    }

    assert_true(front_answer(r.front->fd, &features, sizeof(features)));
    assert_true((features & RN_VIRTIO_VERSION_1) != 0);
    rig_fini(&r);
}

static void test_who_asks_is_told_whether_it_worked(void **state)
{
    uint32_t hdr[3] = { RN_VHOST_SET_OWNER, RN_VHOST_VERSION | RN_VHOST_NEEDS_REPLY, 0 };
    uint64_t verdict = 7;
    struct rig r;
    (void)state;
    rig_init(&r, FRONT_ALL);

    front_send_with(r.front->fd, hdr, NULL, 0, NULL, 0);
    front_step(r.dev);
    assert_true(front_answer(r.front->fd, &verdict, sizeof(verdict)));
    assert_int_equal(verdict, 0);
    hdr[0] = 24; /* GET_CONFIG, that was not offered */
    front_send_with(r.front->fd, hdr, NULL, 0, NULL, 0);
    front_step(r.dev);
    assert_true(front_answer(r.front->fd, &verdict, sizeof(verdict)));
    assert_int_equal(verdict, 1);
    assert_true(info_of(r.dev).is_up);
    rig_fini(&r);
}

static void test_stopped_ring_tells_where_it_was_and_goes_on_from_there(void **state)
{
    const uint32_t rx[2] = { RN_VHOST_RX, 0 };
    uint32_t answer[2] = { 9, 9 };
    struct rig r;
    (void)state;
    rig_init(&r, FRONT_ALL);
    assert_true((r.heard & RN_DEV_LINK_UP) != 0);
    assert_int_equal(give_numbers(&r, r.dev, 0, 5), 5);
    assert_int_equal(read_all(&r.front->dev), 5);

    front_send(r.front->fd, RN_VHOST_GET_VRING_BASE, rx, sizeof(rx));
    front_step(r.dev);
    assert_true(front_answer(r.front->fd, answer, sizeof(answer)));
    assert_int_equal(answer[0], RN_VHOST_RX);
    assert_int_equal(answer[1], 5);
    assert_true((r.heard & RN_DEV_LINK_DOWN) != 0);
    assert_int_equal(give_numbers(&r, r.dev, 0, 2), 2); /* no cable */
    assert_int_equal(r.dev->drops.n[RN_DROP_NIC_DOWN], 2);

    r.front->rings[RN_VHOST_RX].avail_at = 5; /* the base that is told */
    front_start_ring(r.front, RN_VHOST_RX);
    r.front->rings[RN_VHOST_RX].avail_at = FRONT_RING_SIZE + 5;
    front_step(r.dev);
    assert_true(info_of(r.dev).is_up);
    assert_int_equal(give_numbers(&r, r.dev, 0, 200), 200);
    assert_int_equal(read_all(&r.front->dev), 200);
    rig_fini(&r);
}

static void test_disabled_ring_takes_what_is_sent_and_nothing_happens(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r, FRONT_ALL);
    front_send_state(r.front->fd, RN_VHOST_SET_VRING_ENABLE, RN_VHOST_TX, 0);
    front_step(r.dev);

    give_numbers(&r, &r.front->dev, 0, 3);
    assert_int_equal(read_all(r.dev), 0);
    assert_int_equal(r.dev->drops.n[RN_DROP_NIC_DOWN], 3);

    front_send_state(r.front->fd, RN_VHOST_SET_VRING_ENABLE, RN_VHOST_TX, 1);
    give_numbers(&r, &r.front->dev, 0, 3);
    assert_int_equal(read_all(r.dev), 3);
    rig_fini(&r);
}

static void test_rings_go_on_when_the_memory_is_told_anew(void **state)
{
    struct rn_vhost_claim claims[2];
    struct rig r;
    (void)state;
    rig_init(&r, FRONT_ALL);
    give_numbers(&r, &r.front->dev, 0, 3);
    front_claims(claims);

    front_send_memory(r.front->fd, r.front->mem_fd, claims, 2);

    assert_int_equal(read_all(r.dev), 3);
    assert_int_equal(give_numbers(&r, r.dev, 0, 3), 3);
    assert_int_equal(read_all(&r.front->dev), 3);
    rig_fini(&r);
}

static void test_device_of_one_connection_closes_with_it(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r, FRONT_ALL);

    rn_device_free(&r.front->dev);
    r.front = NULL;

    assert_true(is_ready(r.dev));
    assert_int_equal(read_all(r.dev), 0);
    assert_true(r.dev->is_closed);
    assert_null(info_of(r.dev).error);
    rig_fini(&r);
}

static int connect_to(const char *path)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un to = { .sun_family = AF_UNIX };

    strncpy(to.sun_path, path, sizeof(to.sun_path) - 1);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void test_listener_serves_one_front_end_after_another(void **state)
{
    char dir[] = "/tmp/rn-vhost-XXXXXX";
    char path[64];
    struct rn_device *again;
    struct rig r = { 0 };
    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/net.sock", dir);
    rn_test_turn_init(&r.t);
    assert_int_equal(rn_vhost_listen(&r.dev, &r.t.turn, path, &(struct rn_vhost_opts){ 0 }), RN_OK);
    assert_int_equal(rn_vhost_listen(&again, &r.t.turn, path, &(struct rn_vhost_opts){ 0 }),
                     rn_err_from_errno(EADDRINUSE));
    assert_int_equal(give_numbers(&r, r.dev, 0, 2), 2); /* no cable yet */

    for (uint32_t i = 1; i <= 3; i++) {
        struct vhost_front *front = front_new_silent(r.dev, connect_to(path));
        int waits = connect_to(path); /* a second one must not keep us awake */

        assert_true(is_ready(r.dev));
        front_step(r.dev);
        assert_false(is_ready(r.dev));
        front_negotiate(front, FRONT_ALL);
        front_start(front);
        assert_true(info_of(r.dev).is_up);
        assert_int_equal(info_of(r.dev).n_fronts, 2 * i - 1);
        give_numbers(&r, &front->dev, 0, 3);
        assert_int_equal(read_all(r.dev), 3);
        if (i == 2) /* it says something wrong */
            front_send(front->fd, 99, NULL, 0);
        else
            shutdown(front->fd, SHUT_RDWR);
        front_step(r.dev);
        if (i == 2)
            assert_string_equal(info_of(r.dev).error, "request that nothing was offered for");
        close(waits);
        front_step(r.dev);
        front_step(r.dev);
        assert_false(info_of(r.dev).is_connected);
        assert_false(r.dev->is_closed);
        rn_device_free(&front->dev);
    }
    rig_fini(&r);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(rmdir(dir), 0);
}

static void test_device_may_be_the_side_that_connects(void **state)
{
    char dir[] = "/tmp/rn-vhost-XXXXXX";
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct rig r = { 0 };
    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/net.sock", dir);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(listener, 1), 0);
    rn_test_turn_init(&r.t);

    assert_int_equal(rn_vhost_open(&r.dev, &r.t.turn, at.sun_path, &(struct rn_vhost_opts){ 0 }),
                     RN_OK);
    r.front = front_new(r.dev, accept4(listener, NULL, NULL, SOCK_CLOEXEC), FRONT_ALL);

    assert_true(info_of(r.dev).is_up);
    assert_int_equal(info_of(r.dev).features, r.front->features);
    give_numbers(&r, &r.front->dev, 0, 3);
    assert_int_equal(read_all(r.dev), 3);
    rig_fini(&r);
    close(listener);
    assert_int_equal(unlink(at.sun_path), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void test_options_that_cannot_be_are_refused(void **state)
{
    struct rn_test_turn t;
    struct rn_device *dev;
    char path[200];
    (void)state;
    rn_test_turn_init(&t);
    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';

    assert_int_equal(rn_vhost_open(&dev, &t.turn, path, &(struct rn_vhost_opts){ 0 }),
                     RN_E_BAD_OPTION);
    assert_int_equal(rn_vhost_listen(&dev, &t.turn, path, &(struct rn_vhost_opts){ 0 }),
                     RN_E_BAD_OPTION);
    assert_int_equal(rn_vhost_open(&dev, &t.turn, "/nowhere", &(struct rn_vhost_opts){ 0 }),
                     rn_err_from_errno(ENOENT));
    assert_int_equal(rn_vhost_from_fd(&dev, &t.turn, -1, &(struct rn_vhost_opts){ 0 }),
                     rn_err_from_errno(EBADF));
    assert_int_equal(rn_vhost_from_fd(&dev, &t.turn, 0, &(struct rn_vhost_opts){ .mtu = 70000 }),
                     RN_E_BAD_OPTION);
    rn_test_turn_fini(&t);
}

/* --- two threads -------------------------------------------------------------------------------------------------- */
#define ECHOES 20000u

static void wait_for(int fd)
{
    struct pollfd polled = { .fd = fd, .events = POLLIN };

    assert_true(poll(&polled, 1, 10000) > 0);
}

/* The guest of another thread: returns what it is given, sleeping in between. */
static void *echo(void *arg)
{
    struct vhost_front *front = arg;
    struct rn_test_turn t;
    struct rn_pktq q = { 0 };
    uint32_t n_left = ECHOES;

    rn_test_turn_init(&t);
    front->dev.turn = &t.turn;
    while (n_left > 0) {
        int n;

        (void)front->dev.ops->read_batch(&front->dev, &q, 64);
        n = front->dev.ops->write_batch(&front->dev, &q);
        n_left -= (uint32_t)n;
        if (n == 0) {
            wait_for(front->call);
            (void)rung(front->call);
        }
    }
    rn_test_turn_fini(&t);
    return NULL;
}

static void echo_by_a_thread(uint64_t features)
{
    struct rn_pktq q = { 0 };
    struct rn_pkt *pkt;
    uint32_t sent = 0;
    uint32_t next = 0;
    pthread_t thread;
    struct rig r;

    rig_init(&r, features);
    assert_int_equal(pthread_create(&thread, NULL, echo, r.front), 0);
    while (next < ECHOES) {
        if (sent < ECHOES && sent - next < 1000)
            sent += (uint32_t)give_numbers(&r, r.dev, sent, rn_min_u32(50, ECHOES - sent));
        if (r.dev->ops->read_batch(r.dev, &q, 64) == RN_E_WOULD_BLOCK && sent > next)
            wait_for(r.dev->ops->poll_fd(r.dev));
        while ((pkt = rn_pktq_pop(&q)) != NULL) {
            rn_pkt_pull(pkt, RN_ETH_HDR_BYTES);
            assert_int_equal(rn_test_udp4_number(pkt), next);
            assert_int_equal(pkt->len, 28 + 4 + next % 1400);
            next++;
            rn_pkt_free(pkt);
        }
    }
    pthread_join(thread, NULL);
    rig_fini(&r);
}

static void test_guest_of_another_thread_returns_every_packet_in_order(void **state)
{
    (void)state;

    echo_by_a_thread(FRONT_ALL);
    echo_by_a_thread(RN_VIRTIO_VERSION_1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_super_packets_pass_as_they_are_both_ways),
        cmocka_unit_test(test_what_the_guest_did_not_agree_to_is_made_here),
        cmocka_unit_test(test_super_packet_with_cwr_is_cut_for_a_guest_without_ecn),
        cmocka_unit_test(test_offloads_that_were_not_agreed_on_are_refused_from_the_guest),
        cmocka_unit_test(test_device_without_offloads_offers_none),
        cmocka_unit_test(test_frame_larger_than_all_buffers_is_dropped_and_the_next_one_goes),
        cmocka_unit_test(test_poll_descriptor_is_ready_as_long_as_something_is_left),
        cmocka_unit_test(test_only_a_side_that_waits_is_told),
        cmocka_unit_test(test_guest_that_wants_no_interrupts_gets_none),
        cmocka_unit_test(test_who_found_no_room_is_told_once_of_it),
        cmocka_unit_test(test_messages_may_come_in_pieces),
        cmocka_unit_test(test_who_asks_is_told_whether_it_worked),
        cmocka_unit_test(test_stopped_ring_tells_where_it_was_and_goes_on_from_there),
        cmocka_unit_test(test_disabled_ring_takes_what_is_sent_and_nothing_happens),
        cmocka_unit_test(test_rings_go_on_when_the_memory_is_told_anew),
        cmocka_unit_test(test_device_of_one_connection_closes_with_it),
        cmocka_unit_test(test_listener_serves_one_front_end_after_another),
        cmocka_unit_test(test_device_may_be_the_side_that_connects),
        cmocka_unit_test(test_options_that_cannot_be_are_refused),
        cmocka_unit_test(test_guest_of_another_thread_returns_every_packet_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
