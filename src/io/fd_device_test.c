/* A device over a pair of seqpacket sockets: everything a TUN queue does, without one. */
#include "io/fd_device.h"

#include "packets.h"
#include <runnel/err.h>

#include <sys/socket.h>
#include <unistd.h>

struct rig {
    struct rn_test_turn t;
    struct rn_device *dev;
    int far;
    unsigned events;
};

static void note_events(struct rn_device *dev, unsigned events)
{
    struct rig *rig = dev->owner;

    rig->events |= events;
}

static void rig_init(struct rig *rig, bool has_vnet)
{
    int ends[2];
    int room = 1 << 20;

    *rig = (struct rig){ .far = -1 };
    rn_test_turn_init(&rig->t);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
                     0);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    rig->far = ends[1];
    assert_int_equal(
        rn_fd_device_new(
            &rig->dev, &rig->t.turn,
            &(struct rn_fd_device_opts){
                .kind = "fd", .name = "test0", .fd = ends[0], .mtu = 65520, .has_vnet = has_vnet }),
        RN_OK);
    rig->dev->owner = rig;
    rig->dev->notify = note_events;
}

static void rig_fini(struct rig *rig)
{
    assert_null(rn_device_free(rig->dev));
    close(rig->far);
    rn_test_turn_fini(&rig->t);
}

static void give(struct rig *rig, size_t len)
{
    static uint8_t frame[80000];

    for (size_t i = 0; i < len; i++)
        frame[i] = (uint8_t)(i * 7);
    assert_int_equal(send(rig->far, frame, len, 0), (ssize_t)len);
}

static size_t bufs_in_use(struct rig *rig, bool big)
{
    struct rn_pool_stats stats;

    rn_pool_get_stats(rig->t.pool, &stats);
    return big ? stats.big_in_use : stats.small_in_use;
}

static void test_small_frame_never_pins_a_big_slab(void **state)
{
    struct rig rig;
    struct rn_pktq in = { 0 };

    (void)state;
    rig_init(&rig, false);
    give(&rig, 1500);
    give(&rig, 4000);
    assert_int_equal(rig.dev->ops->read_batch(rig.dev, &in, 64), 2);

    assert_int_equal(bufs_in_use(&rig, true), 1); /* the one that waits for the next frame */
    rn_pktq_free_all(&in);
    rig_fini(&rig);
}

static void test_frames_of_every_class_arrive_intact(void **state)
{
    static const uint32_t sizes[] = {
        1, 20, 2047, 2048, 2049, 8192, 8193, 9000, 40000, 65535, 69000
    };
    struct rig rig;
    struct rn_pktq in = { 0 };
    struct rn_pkt *pkt;
    static uint8_t bytes[70000];

    (void)state;
    rig_init(&rig, false);
    for (size_t i = 0; i < RN_ARRAY_LEN(sizes); i++) {
        give(&rig, sizes[i]);
        assert_int_equal(rig.dev->ops->read_batch(rig.dev, &in, 64), 1);
        pkt = rn_pktq_pop(&in);
        assert_int_equal(pkt->len, sizes[i]);
        assert_true(rn_pkt_front(pkt).len >= rn_min_u32(sizes[i], RN_PKT_PULLUP_BYTES));
        rn_pkt_copy_out(pkt, 0, bytes, pkt->len);
        for (uint32_t b = 0; b < pkt->len; b++)
            assert_int_equal(bytes[b], (uint8_t)(b * 7));
        rn_pkt_free(pkt);
    }
    rig_fini(&rig);
}

static void test_frame_larger_than_any_we_allow_is_dropped_and_counted(void **state)
{
    struct rig rig;
    struct rn_pktq in = { 0 };

    (void)state;
    rig_init(&rig, false);
    give(&rig, RN_FD_FRAME_BYTES + 1);
    give(&rig, 100);
    assert_int_equal(rig.dev->ops->read_batch(rig.dev, &in, 64), 1);

    assert_int_equal(rig.dev->drops.n[RN_DROP_TOO_BIG], 1);
    assert_int_equal(in.first->len, 100);
    rn_pktq_free_all(&in);
    rig_fini(&rig);
}

static void test_read_stops_at_the_batch_and_goes_on_later(void **state)
{
    struct rig rig;
    struct rn_pktq in = { 0 };

    (void)state;
    rig_init(&rig, false);
    for (int i = 0; i < 5; i++)
        give(&rig, 100);
    assert_int_equal(rig.dev->ops->read_batch(rig.dev, &in, 3), 3);
    assert_int_equal(rig.dev->ops->read_batch(rig.dev, &in, 3), 2);
    assert_int_equal(rig.dev->ops->read_batch(rig.dev, &in, 3), RN_E_WOULD_BLOCK);
    rn_pktq_free_all(&in);
    rig_fini(&rig);
}

static int read_in_a_turn(struct rig *rig, unsigned max)
{
    struct rn_pktq in = { 0 };
    int n;

    rn_turn_begin(&rig->t.turn, rig->t.turn.now_ns + 1);
    n = rig->dev->ops->read_batch(rig->dev, &in, max);
    rn_pktq_free_all(&in);
    rn_turn_end(&rig->t.turn);
    return n;
}

static void test_bulk_after_lone_frames_is_read_in_batches_at_once(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, false);
    rig.dev->is_level_driven = true;
    for (unsigned i = 0; i < 20; i++) {
        give(&rig, 40);
        assert_int_equal(read_in_a_turn(&rig, 64), 1);
    }

    for (unsigned i = 0; i < 6; i++)
        give(&rig, 30000);

    assert_int_equal(read_in_a_turn(&rig, 3), 3); /* the end is not reached */
    assert_int_equal(read_in_a_turn(&rig, 3), 3);
    rig_fini(&rig);
}

static void test_short_virtio_header_is_malformed(void **state)
{
    struct rig rig;
    struct rn_pktq in = { 0 };

    (void)state;
    rig_init(&rig, true);
    give(&rig, 9);
    give(&rig, 10);
    assert_int_equal(rig.dev->ops->read_batch(rig.dev, &in, 64), RN_E_WOULD_BLOCK);

    assert_int_equal(rig.dev->drops.n[RN_DROP_MALFORMED], 2);
    rig_fini(&rig);
}

static void test_memory_shortage_loses_the_frame_not_the_device(void **state)
{
    struct rig rig;
    struct rn_pktq in = { 0 };

    (void)state;
    rig_init(&rig, false);
    rig.t.alloc.fail_at = 1;
    rig.t.alloc.fail_forever = true;
    for (int i = 0; i < 300; i++) {
        give(&rig, 60000);
        (void)rig.dev->ops->read_batch(rig.dev, &in, 64);
    }
    assert_true(rig.dev->drops.n[RN_DROP_NOMEM] > 0);
    rn_pktq_free_all(&in);
    rig.t.alloc.fail_at = 0;
    give(&rig, 60000);

    assert_int_equal(rig.dev->ops->read_batch(rig.dev, &in, 64), 1);
    rn_pktq_free_all(&in);
    rig_fini(&rig);
}

static void test_full_descriptor_keeps_the_packet_in_the_queue(void **state)
{
    struct rig rig;
    struct rn_pktq out = { 0 };
    uint8_t frame[2000];
    int sent;

    (void)state;
    rig_init(&rig, false);
    for (unsigned i = 0; i < 2000; i++)
        rn_pktq_push(&out, rn_test_udp4(rig.t.pool, i, 1000));
    sent = rig.dev->ops->write_batch(rig.dev, &out);
    assert_true(sent > 0 && sent < 2000);
    assert_int_equal(out.n_pkts, 2000 - sent);
    while (recv(rig.far, frame, sizeof(frame), 0) > 0)
        continue;

    /* Nothing lost, nothing out of order. */
    assert_int_equal(rn_test_udp4_number(out.first), sent);
    assert_true(rig.dev->ops->write_batch(rig.dev, &out) > 0);
    rn_pktq_free_all(&out);
    rig_fini(&rig);
}

static void test_without_offload_the_checksum_is_made_at_the_write(void **state)
{
    struct rig rig;
    struct rn_pktq out = { 0 };
    uint8_t frame[2000];
    ssize_t n;

    (void)state;
    rig_init(&rig, false);
    rn_pktq_push(&out, rn_test_tcp4(rig.t.pool, 1001, 0));
    assert_int_equal(rig.dev->ops->write_batch(rig.dev, &out), 1);
    n = recv(rig.far, frame, sizeof(frame), 0);

    assert_int_equal(n, 1041);
    assert_int_equal(
        rn_checksum(frame + 20, 1021,
                    rn_checksum_pseudo(rn_addr_v4(0x0a000001), rn_addr_v4(0x0a000002), 6, 1021)),
        0xffff);
    rig_fini(&rig);
}

static void test_with_offload_the_header_asks_for_checksum_and_segments(void **state)
{
    struct rig rig;
    struct rn_pktq out = { 0 };
    struct rn_vnet_hdr hdr;
    static uint8_t frame[70000];

    (void)state;
    rig_init(&rig, true);
    rn_pktq_push(&out, rn_test_tcp4(rig.t.pool, 60000, 1460));
    assert_int_equal(rig.dev->ops->write_batch(rig.dev, &out), 1);

    assert_int_equal(recv(rig.far, frame, sizeof(frame), 0), RN_VNET_HDR_BYTES + 40 + 60000);
    assert_int_equal(rn_vnet_parse(&hdr, rn_view_of(frame, RN_VNET_HDR_BYTES)), RN_OK);
    assert_int_equal(hdr.flags, RN_VNET_NEEDS_CSUM);
    assert_int_equal(hdr.gso, RN_VNET_GSO_TCP4);
    assert_int_equal(hdr.gso_size, 1460);
    assert_int_equal(hdr.hdr_len, 40);
    assert_int_equal(hdr.csum_start, 20);
    rig_fini(&rig);
}

static void test_end_of_the_peer_closes_the_device_once(void **state)
{
    struct rig rig;
    struct rn_pktq q = { 0 };

    (void)state;
    rig_init(&rig, false);
    close(rig.far);
    rig.far = -1;
    assert_int_equal(rig.dev->ops->read_batch(rig.dev, &q, 64), RN_E_CANCELLED);

    assert_int_equal(rig.events, RN_DEV_CLOSED);
    rig.events = 0;
    rig.dev->ops->close(rig.dev);
    assert_int_equal(rig.events, 0);
    rn_pktq_push(&q, rn_test_udp4(rig.t.pool, 1, 100));
    assert_int_equal(rig.dev->ops->write_batch(rig.dev, &q), RN_E_CANCELLED);
    rn_pktq_free_all(&q);
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_frame_never_pins_a_big_slab),
        cmocka_unit_test(test_frames_of_every_class_arrive_intact),
        cmocka_unit_test(test_frame_larger_than_any_we_allow_is_dropped_and_counted),
        cmocka_unit_test(test_read_stops_at_the_batch_and_goes_on_later),
        cmocka_unit_test(test_bulk_after_lone_frames_is_read_in_batches_at_once),
        cmocka_unit_test(test_short_virtio_header_is_malformed),
        cmocka_unit_test(test_memory_shortage_loses_the_frame_not_the_device),
        cmocka_unit_test(test_full_descriptor_keeps_the_packet_in_the_queue),
        cmocka_unit_test(test_without_offload_the_checksum_is_made_at_the_write),
        cmocka_unit_test(test_with_offload_the_header_asks_for_checksum_and_segments),
        cmocka_unit_test(test_end_of_the_peer_closes_the_device_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
