/* As fd_device_test.c: a pair of seqpacket sockets in place of a TUN queue. */
#include "io/uring_device.h"

#include "packets.h"
#include <runnel/err.h>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAMES 200u

struct rig {
    struct rn_test_turn t;
    struct rn_device *dev;
    int far;
};

/* false: this kernel has no such io_uring. */
static bool rig_init(struct rig *rig)
{
    int room = 4 << 20;
    int ends[2];
    int err;

    rn_test_turn_init(&rig->t);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    rig->far = ends[1];
    err = rn_uring_device_new(
        &rig->dev, &rig->t.turn,
        &(struct rn_fd_device_opts){ .kind = "fd", .name = "t0", .fd = ends[0], .mtu = 65520 });
    if (err >= 0) {
        /* The first look begins the read. */
        assert_int_equal(rig->dev->ops->read_batch(rig->dev, &(struct rn_pktq){ 0 }, 1),
                         RN_E_WOULD_BLOCK);
        return true;
    }
    close(ends[0]);
    close(ends[1]);
    rn_test_turn_fini(&rig->t);
    print_message("skipped: no io_uring with repeated reads here (%s)\n", rn_err_text(err));
    return false;
}

static void rig_fini(struct rig *rig)
{
    rn_device_free(rig->dev);
    close(rig->far);
    rn_test_turn_fini(&rig->t);
}

static size_t size_of(unsigned i)
{
    return i % 7 == 6 ? 30000 : 100 + i;
}

static void give(struct rig *rig, unsigned i)
{
    static uint8_t frame[30000];

    memset(frame, (int)i, sizeof(frame));
    assert_int_equal(send(rig->far, frame, size_of(i), 0), (ssize_t)size_of(i));
}

static bool is_readable(const struct rig *rig)
{
    struct pollfd p = { .fd = rig->dev->ops->poll_fd(rig->dev), .events = POLLIN };

    return poll(&p, 1, 0) == 1;
}

static void test_frames_arrive_whole_in_order_and_more_than_are_lent(void **state)
{
    unsigned n_given = 0;
    unsigned n_got = 0;
    struct rig rig;
    (void)state;

    if (!rig_init(&rig))
        skip();
    while (n_got < FRAMES) {
        struct rn_pktq in = { 0 };
        struct rn_pkt *pkt;

        while (n_given < FRAMES && n_given < n_got + 100)
            give(&rig, n_given++);
        assert_true(is_readable(&rig));
        assert_true(rig.dev->ops->read_batch(rig.dev, &in, 10) > 0);
        assert_true(in.n_pkts <= 10);
        while ((pkt = rn_pktq_pop(&in)) != NULL) {
            uint8_t first;

            assert_int_equal(pkt->len, size_of(n_got));
            rn_pkt_copy_out(pkt, pkt->len - 1, &first, 1);
            assert_int_equal(first, n_got % 256);
            rn_pkt_free(pkt);
            n_got++;
        }
    }
    assert_int_equal(rig.dev->ops->read_batch(rig.dev, &(struct rn_pktq){ 0 }, 10),
                     RN_E_WOULD_BLOCK);
    assert_false(is_readable(&rig));
    rig_fini(&rig);
}

static void test_when_all_buffers_were_filled_the_rest_is_told_of(void **state)
{
    struct rn_pktq in = { 0 };
    struct rig rig;
    (void)state;

    if (!rig_init(&rig))
        skip();
    for (unsigned i = 0; i < 150; i++)
        give(&rig, i);
    for (unsigned n = 0; n < 150; n = in.n_pkts) {
        assert_true(is_readable(&rig));
        assert_true(rig.dev->ops->read_batch(rig.dev, &in, 64) > 0);
    }
    rn_pktq_free_all(&in);
    rig_fini(&rig);
}

/* Some fit into the registered memory, to the byte; some do not. */
static size_t written_size_of(unsigned i)
{
    static const size_t sizes[] = { 2, 255, 256, 257, 1500 };

    return sizes[i % RN_ARRAY_LEN(sizes)];
}

static void test_a_batch_is_written_in_order_while_frames_arrive(void **state)
{
    struct rn_pktq out = { 0 };
    struct rn_pktq in = { 0 };
    struct rig rig;
    (void)state;

    if (!rig_init(&rig))
        skip();
    for (unsigned i = 0; i < 100; i++) {
        uint8_t bytes[1500] = { 0x45, (uint8_t)i };

        bytes[written_size_of(i) - 1] = (uint8_t)i;
        rn_pktq_push(&out, rn_pkt_from_bytes(rig.t.pool, bytes, written_size_of(i)));
        if (i < 20)
            give(&rig, i);
    }
    assert_int_equal(rig.dev->ops->write_batch(rig.dev, &out), 100);
    assert_true(rn_pktq_is_empty(&out));

    for (unsigned i = 0; i < 100; i++) {
        uint8_t bytes[2000];

        assert_int_equal(recv(rig.far, bytes, sizeof(bytes), MSG_DONTWAIT), written_size_of(i));
        assert_int_equal(bytes[0], 0x45);
        assert_int_equal(bytes[1], i);
        assert_int_equal(bytes[written_size_of(i) - 1], i);
    }
    while (in.n_pkts < 20)
        assert_true(rig.dev->ops->read_batch(rig.dev, &in, 64) > 0);
    rn_pktq_free_all(&in);
    rig_fini(&rig);
}

static void test_the_end_of_the_peer_closes_it(void **state)
{
    struct rn_pktq in = { 0 };
    struct rig rig;
    (void)state;

    if (!rig_init(&rig))
        skip();
    close(rig.far);
    rig.far = -1;
    assert_true(is_readable(&rig));

    assert_int_equal(rig.dev->ops->read_batch(rig.dev, &in, 10), RN_E_CANCELLED);
    assert_true(rig.dev->is_closed);
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_arrive_whole_in_order_and_more_than_are_lent),
        cmocka_unit_test(test_when_all_buffers_were_filled_the_rest_is_told_of),
        cmocka_unit_test(test_a_batch_is_written_in_order_while_frames_arrive),
        cmocka_unit_test(test_the_end_of_the_peer_closes_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
