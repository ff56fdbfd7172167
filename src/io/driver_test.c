/* A whole machine on a descriptor: the test is the peer, the loop is real, the stack answers echo requests. */
#include "io/driver.h"

#include "dev/qdisc.h"
#include "io/fd_device.h"
#include "ip/ip.h"
#include "packets.h"
#include "stack/stack.h"
#include "wire/icmp4.h"
#include <runnel/err.h>

#include <sys/socket.h>
#include <unistd.h>

static const struct rn_protos protos = { .l3 = { &rn_ipv4_ops }, .l4 = { &rn_icmp4_ops } };

#define ECHO_BYTES 1000u

struct rig {
    struct rn_loop *loop;
    struct rn_device *dev;
    struct rn_stack *stack;
    struct rn_nic *nic;
    struct rn_pump pump;
    struct rn_driver driver;
    int far;
};

enum rig_kind { BARE, QUEUED };

static void rig_init_as(struct rig *rig, enum rig_kind kind)
{
    const uint8_t seed[16] = { 1 };
    const struct rn_stack_opts so = { .protos = &protos, .is_test = true };
    struct rn_fd_device_opts fdo = { .kind = "fd", .name = "t0", .mtu = 1500 };
    int ends[2];

    assert_int_equal(rn_loop_new(&rig->loop, &(struct rn_loop_opts){ .seed = seed }), RN_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
                     0);
    rig->far = ends[1];
    fdo.fd = ends[0];
    assert_int_equal(rn_fd_device_new(&rig->dev, rn_loop_turn(rig->loop), &fdo), RN_OK);
    if (kind == QUEUED)
        assert_int_equal(rn_qdisc_new(&rig->dev, rig->dev, &(struct rn_qdisc_opts){ 0 }), RN_OK);
    assert_int_equal(rn_stack_new(&rig->stack, rn_loop_turn(rig->loop), &so), RN_OK);
    assert_int_equal(rn_nic_new(&rig->nic, rig->stack, rig->dev, &(struct rn_nic_opts){ 0 }),
                     RN_OK);
    rn_pump_init(&rig->pump, rig->nic);
    assert_int_equal(rn_nic_add_addr(rig->nic, rn_addr_v4(0x0a000001), 24), RN_OK);
    assert_int_equal(rn_driver_start(&rig->driver, rig->loop, &rig->pump), RN_OK);
    /* A new pump looks once by itself. */
    assert_int_equal(rn_loop_step(rig->loop, 0), 0);
}

static void rig_init(struct rig *rig)
{
    rig_init_as(rig, BARE);
}

static void rig_fini(struct rig *rig)
{
    rn_driver_stop(&rig->driver);
    rn_pump_fini(&rig->pump);
    rn_stack_free(rig->stack);
    rn_device_free(rig->dev);
    close(rig->far);
    rn_loop_free(rig->loop);
}

static ssize_t send_echo(struct rig *rig, uint16_t seq)
{
    const struct rn_ipv4_hdr ip = { .src = rn_addr_v4(0x0a000002),
                                    .dst = rn_addr_v4(0x0a000001),
                                    .total_len = 28 + ECHO_BYTES,
                                    .ttl = 64,
                                    .proto = RN_PROTO_ICMP4 };
    struct rn_icmp4_hdr icmp = { .type = RN_ICMP4_ECHO, .id = 1, .seq = seq };
    uint8_t frame[28 + ECHO_BYTES] = { 0 };

    rn_ipv4_emit(&ip, frame);
    rn_icmp4_emit(&icmp, frame + 20);
    icmp.checksum = (uint16_t)~rn_checksum(frame + 20, 8 + ECHO_BYTES, 0);
    rn_icmp4_emit(&icmp, frame + 20);
    return send(rig->far, frame, sizeof(frame), 0);
}

static bool receive_reply(struct rig *rig, uint16_t seq)
{
    uint8_t frame[2048];
    ssize_t n = recv(rig->far, frame, sizeof(frame), 0);

    return n == 28 + ECHO_BYTES && frame[20] == RN_ICMP4_ECHO_REPLY &&
           rn_get_be16(frame + 26) == seq;
}

static void test_one_wakeup_answers_what_one_wakeup_brought(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    assert_true(send_echo(&rig, 7) > 0);
    assert_int_equal(rn_loop_step(rig.loop, 0), 1);

    assert_true(receive_reply(&rig, 7));
    rig_fini(&rig);
}

static void test_a_turn_reads_its_share_and_the_next_goes_on(void **state)
{
    struct rig rig;
    uint16_t n = 0;

    (void)state;
    rig_init(&rig);
    while (n < 150 && send_echo(&rig, n) > 0)
        n++;
    assert_true(n > RN_DEVICE_TURN_PKTS);
    assert_int_equal(rn_loop_step(rig.loop, 0), 1);
    for (uint16_t i = 0; i < RN_DEVICE_TURN_PKTS; i++)
        assert_true(receive_reply(&rig, i));
    assert_false(receive_reply(&rig, RN_DEVICE_TURN_PKTS));
    assert_int_equal(rn_loop_step(rig.loop, 0), 1);

    assert_true(receive_reply(&rig, RN_DEVICE_TURN_PKTS));
    rig_fini(&rig);
}

static void test_frames_that_came_singly_may_come_many_at_once(void **state)
{
    struct rig rig;
    uint16_t seq = 0;

    (void)state;
    rig_init(&rig);
    for (unsigned round = 0; round < 100; round++) {
        uint16_t n = round % 20 == 19 ? 3 : 1;

        for (uint16_t i = 0; i < n; i++)
            assert_true(send_echo(&rig, (uint16_t)(seq + i)) > 0);
        while (rn_loop_step(rig.loop, 0) > 0)
            continue;
        for (uint16_t i = 0; i < n; i++)
            assert_true(receive_reply(&rig, seq++));
    }
    rig_fini(&rig);
}

static void test_a_refused_packet_waits_for_room_and_nothing_is_lost(void **state)
{
    struct rig rig;
    uint16_t sent = 0;
    uint16_t got = 0;

    (void)state;
    rig_init(&rig);
    while (rig.pump.may_write && sent < 4000) {
        assert_true(send_echo(&rig, sent++) > 0);
        assert_true(rn_loop_step(rig.loop, 0) >= 0);
    }
    assert_false(rig.pump.may_write);
    assert_int_equal(rig.driver.watch.interest, RN_IO_READ | RN_IO_WRITE);
    while (receive_reply(&rig, got))
        got++;
    assert_true(rn_loop_step(rig.loop, 0) >= 0);
    while (receive_reply(&rig, got))
        got++;

    assert_int_equal(got, sent);
    assert_int_equal(rig.driver.watch.interest, RN_IO_READ);
    rig_fini(&rig);
}

/* A queue takes all, so the NIC never waits; what it holds must leave all the same when the descriptor has room. */
static void test_what_a_queue_over_the_descriptor_holds_leaves_when_there_is_room(void **state)
{
    struct rn_qdisc_stats stats = { 0 };
    struct rig rig;
    uint16_t sent = 0;
    uint16_t got = 0;

    (void)state;
    rig_init_as(&rig, QUEUED);
    while (stats.backlog_pkts < 3 && sent < 900) {
        assert_true(send_echo(&rig, sent++) > 0);
        assert_true(rn_loop_step(rig.loop, 0) >= 0);
        rn_qdisc_get_stats(rig.dev, &stats);
    }
    assert_int_equal(stats.backlog_pkts, 3);
    while (receive_reply(&rig, got))
        got++;
    assert_true(rn_loop_step(rig.loop, 0) >= 0);
    while (receive_reply(&rig, got))
        got++;

    assert_int_equal(got, sent);
    assert_int_equal(rig.driver.watch.interest, RN_IO_READ);
    rig_fini(&rig);
}

static void test_end_of_the_peer_stops_the_driver(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    close(rig.far);
    rig.far = -1;
    assert_int_equal(rn_loop_step(rig.loop, 0), 1);

    assert_true(rig.dev->is_closed);
    assert_int_equal(rn_loop_step(rig.loop, 0), 0);
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_wakeup_answers_what_one_wakeup_brought),
        cmocka_unit_test(test_a_turn_reads_its_share_and_the_next_goes_on),
        cmocka_unit_test(test_frames_that_came_singly_may_come_many_at_once),
        cmocka_unit_test(test_a_refused_packet_waits_for_room_and_nothing_is_lost),
        cmocka_unit_test(test_what_a_queue_over_the_descriptor_holds_leaves_when_there_is_room),
        cmocka_unit_test(test_end_of_the_peer_stops_the_driver),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
