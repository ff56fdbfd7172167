#include "dev/device.h"
#include "io/loop.h"
#include "packets.h"
#include <runnel/err.h>
#include <runnel/unix.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LARGE_BYTES 60000u

struct rig {
    struct rn_test_turn t;
    struct rn_device *dev;
    int far; /* the other end, as QEMU would have it; -1 */
};

static void rig_init(struct rig *r)
{
    int fds[2];

    rn_test_turn_init(&r->t);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(
        rn_unix_stream_from_fd(&r->dev, &r->t.turn, fds[0], &(struct rn_unix_opts){ 0 }), RN_OK);
    r->far = fds[1];
}

static void rig_fini(struct rig *r)
{
    rn_device_free(r->dev);
    if (r->far >= 0)
        close(r->far);
    rn_test_turn_fini(&r->t);
}

static void test_every_frame_is_preceded_by_its_length_big_endian(void **state)
{
    struct rn_pktq q = { 0 };
    uint8_t bytes[100];
    struct rig r;
    (void)state;
    rig_init(&r);

    rn_pktq_push(&q, rn_test_udp4(r.t.pool, 7, 20));
    assert_int_equal(r.dev->ops->write_batch(r.dev, &q), 1);

    assert_int_equal(recv(r.far, bytes, sizeof(bytes), 0), 4 + 48);
    assert_int_equal(rn_get_be32(bytes), 48);
    assert_int_equal(rn_get_be32(bytes + 4 + 28), 7);
    rig_fini(&r);
}

static void test_frames_that_come_byte_by_byte_are_whole_all_the_same(void **state)
{
    static const uint8_t stream[] = { 0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 1, 'd' };
    struct rn_pktq q = { 0 };
    struct rig r;
    (void)state;
    rig_init(&r);

    for (size_t i = 0; i < sizeof(stream); i++) {
        assert_int_equal(send(r.far, stream + i, 1, 0), 1);
        assert_int_equal(r.dev->ops->read_batch(r.dev, &q, 64),
                         i == 6 || i == 11 ? 1 : RN_E_WOULD_BLOCK);
    }

    assert_int_equal(q.first->len, 3);
    assert_int_equal(q.last->len, 1);
    rn_pktq_free_all(&q);
    rig_fini(&r);
}

static void test_length_that_no_frame_has_ends_the_connection(void **state)
{
    static const uint8_t largest[] = { 0, 1, 0x10, 1 };
    struct rn_pktq q = { 0 };
    struct rig r;
    (void)state;
    rig_init(&r);

    assert_int_equal(send(r.far, largest, sizeof(largest), 0), 4);
    assert_int_equal(r.dev->ops->read_batch(r.dev, &q, 64), RN_E_CANCELLED);

    assert_true(r.dev->is_closed);
    assert_int_equal(r.dev->drops.n[RN_DROP_TOO_BIG], 1);
    rig_fini(&r);
}

static void test_frames_without_bytes_are_counted_and_cost_no_more_than_others(void **state)
{
    static const uint8_t nothing[4000];
    struct rn_pktq q = { 0 };
    struct rig r;
    (void)state;
    rig_init(&r);

    assert_int_equal(send(r.far, nothing, sizeof(nothing), 0), sizeof(nothing));
    assert_int_equal(r.dev->ops->read_batch(r.dev, &q, 64), 0);

    assert_int_equal(r.dev->drops.n[RN_DROP_MALFORMED], 64);
    rig_fini(&r);
}

static size_t drain(int fd, uint8_t *to, size_t cap)
{
    size_t total = 0;
    ssize_t n;

    while ((n = recv(fd, to + total, cap - total, MSG_DONTWAIT)) > 0)
        total += (size_t)n;
    return total;
}

/* The socket takes a part of a packet: the rest follows before anything else, whatever is offered then. */
static void test_packet_that_was_begun_is_finished_first(void **state)
{
    static uint8_t bytes[4 << 20];
    struct rn_pktq q = { 0 };
    size_t have = 0;
    size_t at = 0;
    uint32_t next = 0;
    struct rig r;
    int n;
    (void)state;
    rig_init(&r);
    for (uint32_t i = 0; i < 1000; i++)
        rn_pktq_push(&q, rn_test_udp4(r.t.pool, i, 1400));

    n = r.dev->ops->write_batch(r.dev, &q);
    assert_in_range(n, 1, 999);
    while (!rn_pktq_is_empty(&q)) {
        have += drain(r.far, bytes + have, sizeof(bytes) - have);
        assert_true(r.dev->ops->write_batch(r.dev, &q) >= 0);
    }
    have += drain(r.far, bytes + have, sizeof(bytes) - have);
    rn_pktq_push(&q, rn_test_udp4(r.t.pool, 1000, 1400));
    assert_int_equal(r.dev->ops->write_batch(r.dev, &q), 1);
    have += drain(r.far, bytes + have, sizeof(bytes) - have);

    for (; at < have; at += 4 + 1428) {
        assert_int_equal(rn_get_be32(bytes + at), 1428);
        assert_int_equal(rn_get_be32(bytes + at + 4 + 28), next++);
    }
    assert_int_equal(next, 1001);
    rig_fini(&r);
}

/* The kernel takes a large frame in parts. Nobody writes again: a question of which a half was sent is never answered. */
static void test_rest_of_the_last_frame_follows_as_soon_as_there_is_room(void **state)
{
    static uint8_t bytes[4 << 20];
    struct rn_device_watch *watch;
    struct rn_pktq q = { 0 };
    struct rn_loop *loop;
    struct rn_device *dev;
    size_t have = 0;
    size_t n = 0;
    int fds[2];
    (void)state;
    assert_int_equal(rn_loop_new(&loop, &(struct rn_loop_opts){ 0 }), RN_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(
        rn_unix_stream_from_fd(&dev, rn_loop_turn(loop), fds[0], &(struct rn_unix_opts){ 0 }),
        RN_OK);
    assert_int_equal(rn_device_watch_new(&watch, loop, dev), RN_OK);

    for (; !rn_device_is_holding(dev); n++) {
        assert_true(n < 1000);
        rn_pktq_push(&q, rn_pkt_from_bytes(rn_loop_turn(loop)->pool, bytes, LARGE_BYTES));
        assert_int_equal(dev->ops->write_batch(dev, &q), 1);
    }
    have = drain(fds[1], bytes, sizeof(bytes));
    assert_true(have < n * (4 + LARGE_BYTES));
    assert_true(rn_loop_step(loop, 0) >= 0);
    have += drain(fds[1], bytes + have, sizeof(bytes) - have);

    assert_int_equal(have, n * (4 + LARGE_BYTES));
    assert_false(rn_device_is_holding(dev));
    rn_device_watch_free(watch);
    rn_device_free(dev);
    close(fds[1]);
    rn_loop_free(loop);
}

static void test_end_of_the_peer_closes_after_the_last_frame(void **state)
{
    static const uint8_t stream[] = { 0, 0, 0, 1, 'a', 0, 0, 0, 9, 'b' };
    struct rn_pktq q = { 0 };
    struct rig r;
    (void)state;
    rig_init(&r);

    assert_int_equal(send(r.far, stream, sizeof(stream), 0), sizeof(stream));
    close(r.far);
    r.far = -1;
    assert_int_equal(r.dev->ops->read_batch(r.dev, &q, 64), 1);
    assert_int_equal(r.dev->ops->read_batch(r.dev, &q, 64), RN_E_CANCELLED);
    rn_pktq_free_all(&q);
    rig_fini(&r);
}

static void test_paths_lead_to_each_other(void **state)
{
    const struct rn_unix_opts opts = { .is_ip = true };
    char dir[] = "/tmp/rn-unix-XXXXXX";
    char path[2][64];
    char too_long[200];
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    struct rn_pktq q = { 0 };
    struct rn_device *dev;
    struct rn_test_turn t;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    (void)state;
    rn_test_turn_init(&t);
    assert_non_null(mkdtemp(dir));
    for (unsigned i = 0; i < 2; i++)
        snprintf(path[i], sizeof(path[i]), "%s/%u", dir, i);
    memset(too_long, 'x', sizeof(too_long) - 1);
    too_long[sizeof(too_long) - 1] = '\0';
    memcpy(at.sun_path, path[1], sizeof(path[1]));
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);

    assert_int_equal(rn_unix_dgram_open(&dev, &t.turn, path[0], path[1], &opts), RN_OK);
    rn_pktq_push(&q, rn_test_udp4(t.pool, 3, 20));
    assert_int_equal(dev->ops->write_batch(dev, &q), 1);
    assert_int_equal(recv(fd, too_long, sizeof(too_long) - 1, MSG_TRUNC), 48);
    rn_device_free(dev);
    memset(too_long, 'x', sizeof(too_long) - 1);
    assert_int_equal(rn_unix_stream_open(&dev, &t.turn, too_long, &opts), RN_E_BAD_OPTION);
    assert_true(rn_unix_stream_open(&dev, &t.turn, dir, &opts) < -RN_ERR_HOST_BASE);

    close(fd);
    unlink(path[0]);
    unlink(path[1]);
    rmdir(dir);
    rn_test_turn_fini(&t);
}

static void test_socket_of_the_other_kind_is_refused_and_left_alone(void **state)
{
    const struct rn_unix_opts opts = { 0 };
    struct rn_test_turn t;
    struct rn_device *dev;
    int fds[2];
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);

    assert_int_equal(rn_unix_dgram_from_fd(&dev, &t.turn, fds[0], &opts), RN_E_BAD_OPTION);
    assert_int_equal(rn_unix_stream_from_fd(&dev, &t.turn, -1, &opts), rn_err_from_errno(EBADF));
    assert_int_equal(rn_unix_dgram_from_fd(&dev, &t.turn, -1, &opts), rn_err_from_errno(EBADF));

    assert_int_equal(close(fds[0]), 0);
    close(fds[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(rn_unix_stream_from_fd(&dev, &t.turn, fds[0], &opts), RN_E_BAD_OPTION);
    assert_int_equal(close(fds[0]), 0);
    close(fds[1]);
    rn_test_turn_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_frame_is_preceded_by_its_length_big_endian),
        cmocka_unit_test(test_frames_that_come_byte_by_byte_are_whole_all_the_same),
        cmocka_unit_test(test_length_that_no_frame_has_ends_the_connection),
        cmocka_unit_test(test_frames_without_bytes_are_counted_and_cost_no_more_than_others),
        cmocka_unit_test(test_packet_that_was_begun_is_finished_first),
        cmocka_unit_test(test_rest_of_the_last_frame_follows_as_soon_as_there_is_room),
        cmocka_unit_test(test_end_of_the_peer_closes_after_the_last_frame),
        cmocka_unit_test(test_paths_lead_to_each_other),
        cmocka_unit_test(test_socket_of_the_other_kind_is_refused_and_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
