/*
 * Three stacks with one address, each over a queue (a seqpacket pair, whose far end is the test: the kernel that chooses a
 * queue). First stepped by hand on one thread, then on their own.
 */
#include "io/steer.h"

#include "host.h"
#include "io/driver.h"
#include "io/fd_device.h"
#include "packets.h"
#include "wire/icmp4.h"
#include <runnel/err.h>
#include <runnel/memory.h>
#include <runnel/stats.h>
#include <runnel/udp.h>

#include <sys/socket.h>
#include <unistd.h>

#define N 3u

struct rig {
    struct rn_workers *workers;
    struct rn_device *device[N];
    struct rn_stack *stack[N];
    struct rn_nic *nic[N];
    struct rn_attachment *attachment[N];
    int far[N];
};

static const struct rn_addr no_addr;

static struct rn_addr ours(void)
{
    return rn_addr_v4(0x0a000001);
}

static struct rn_addr inside(void)
{
    return rn_addr_v4(0x0a000002);
}

static void add_worker(struct rig *rig, unsigned i)
{
    const struct rn_stack_opts so = { .protos = &rn_protos_all, .is_test = true };
    struct rn_loop *loop = rn_workers_loop(rig->workers, i);
    struct rn_fd_device_opts fdo = { .kind = "fd", .name = "q", .mtu = 1500 };
    struct rn_device *queue;
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
                     0);
    rig->far[i] = ends[1];
    fdo.fd = ends[0];
    assert_int_equal(rn_fd_device_new(&queue, rn_loop_turn(loop), &fdo), RN_OK);
    assert_int_equal(rn_workers_queue(rig->workers, i, queue, &rig->device[i]), RN_OK);
    assert_int_equal(rn_stack_new(&rig->stack[i], rn_loop_turn(loop), &so), RN_OK);
    rn_workers_serve(rig->workers, i, rig->stack[i]);
    assert_int_equal(
        rn_nic_new(&rig->nic[i], rig->stack[i], rig->device[i], &(struct rn_nic_opts){ 0 }), RN_OK);
    assert_int_equal(rn_nic_add_addr(rig->nic[i], ours(), 24), RN_OK);
    assert_int_equal(rn_nic_attach(&rig->attachment[i], rig->nic[i], loop), RN_OK);
}

static void rig_init(struct rig *rig)
{
    *rig = (struct rig){ 0 };
    assert_int_equal(rn_workers_new(&rig->workers, &(struct rn_workers_opts){ .n = N }), RN_OK);
    for (unsigned i = 0; i < N; i++)
        add_worker(rig, i);
}

static void rig_fini(struct rig *rig)
{
    for (unsigned i = 0; i < N; i++) {
        rn_nic_detach(rig->attachment[i]);
        rn_stack_free(rig->stack[i]);
        rn_device_free(rig->device[i]);
        close(rig->far[i]);
    }
    assert_null(rn_workers_free(rig->workers));
}

/* Until all that came is done with: each packet goes round at most once. */
static void step_all(struct rig *rig)
{
    for (unsigned round = 0; round < 3 * N; round++) {
        for (unsigned i = 0; i < N; i++)
            assert_true(rn_loop_step(rn_workers_loop(rig->workers, i), 0) >= 0);
    }
}

static void put(const struct rig *rig, unsigned queue, const struct rn_ipv4_hdr *hdr,
                const void *payload, size_t len)
{
    uint8_t bytes[2000];
    size_t n = rn_test_ip4(bytes, hdr, payload, len);

    assert_int_equal(send(rig->far[queue], bytes, n, 0), (ssize_t)n);
}

static void put_udp(const struct rig *rig, unsigned queue, uint16_t src_port, uint16_t dst_port)
{
    struct rn_endpoint src = { .addr = inside(), .port = src_port };
    struct rn_endpoint dst = { .addr = ours(), .port = dst_port };
    struct rn_ipv4_hdr hdr = { .src = src.addr, .dst = dst.addr, .proto = RN_PROTO_UDP };
    uint8_t udp[100];

    put(rig, queue, &hdr, udp, rn_test_udp(udp, &src, &dst, 20));
}

/* Packets that left by @queue; the last one is in @ret. */
static unsigned get(const struct rig *rig, unsigned queue, uint8_t ret[2000])
{
    unsigned n = 0;

    while (recv(rig->far[queue], ret, 2000, 0) > 0)
        n++;
    return n;
}

static uint64_t received(const struct rig *rig, unsigned i)
{
    struct rn_nic_counts counts;

    rn_nic_get_counts(rig->nic[i], &counts);
    return counts.rx_pkts;
}

static struct rn_workers_counts counts_of(const struct rig *rig, unsigned i)
{
    struct rn_workers_counts counts;

    rn_workers_get_counts(rig->workers, i, &counts);
    return counts;
}

/* --- by hand -------------------------------------------------------------------------------------------------------- */
static void test_datagrams_of_one_inner_port_meet_at_one_worker(void **state)
{
    struct rn_endpoint inner = { .addr = inside(), .port = 5000 };
    struct rig rig;
    unsigned owner;

    (void)state;
    rig_init(&rig);
    assert_int_equal(rn_workers_count(rig.workers), N);
    owner = rn_workers_owner(rig.workers, &inner);

    for (unsigned queue = 0; queue < N; queue++) {
        put_udp(&rig, queue, inner.port, 53);
        put_udp(&rig, queue, inner.port, (uint16_t)(1000 + queue));
    }
    step_all(&rig);

    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(received(&rig, i), i == owner ? 2 * N : 0);
        assert_int_equal(counts_of(&rig, i).handed_over, i == owner ? 0 : 2);
    }
    assert_int_equal(counts_of(&rig, owner).taken_over, 2 * (N - 1));
    rig_fini(&rig);
}

static void test_inner_ports_are_spread_over_the_workers(void **state)
{
    struct rig rig;
    unsigned shares[N] = { 0 };

    (void)state;
    rig_init(&rig);

    for (uint16_t port = 1; port <= 300; port++)
        shares[rn_workers_owner(rig.workers,
                                &(struct rn_endpoint){ .addr = inside(), .port = port })]++;

    for (unsigned i = 0; i < N; i++)
        assert_in_range(shares[i], 50, 150);
    rig_fini(&rig);
}

static void test_pings_by_any_queue_are_answered_by_worker_0(void **state)
{
    struct rn_ipv4_hdr hdr = { .src = inside(), .dst = ours(), .proto = RN_PROTO_ICMP4 };
    uint8_t bytes[2000];
    struct rig rig;

    (void)state;
    rig_init(&rig);

    for (unsigned queue = 0; queue < N; queue++)
        put(&rig, queue, &hdr, bytes, rn_test_echo(bytes, inside(), ours(), 30));
    step_all(&rig);

    assert_int_equal(get(&rig, 0, bytes), N);
    assert_int_equal(get(&rig, 1, bytes) + get(&rig, 2, bytes), 0);
    rig_fini(&rig);
}

static void test_fragments_are_joined_and_the_whole_goes_to_its_owner(void **state)
{
    struct rn_ipv4_hdr hdr = {
        .src = inside(), .dst = ours(), .proto = RN_PROTO_UDP, .id = 9, .more_fragments = true
    };
    struct rn_endpoint dst = { .addr = ours(), .port = 53 };
    struct rn_endpoint src = { .addr = inside() };
    uint8_t udp[2000];
    struct rig rig;

    (void)state;
    rig_init(&rig);
    /* a port that is neither the hub's nor worker 1's, whose queue they come by */
    do {
        src.port++;
    } while (rn_workers_owner(rig.workers, &src) != 2);
    assert_int_equal(rn_test_udp(udp, &src, &dst, 1000), 1008);

    put(&rig, 1, &hdr, udp, 504);
    hdr.more_fragments = false;
    hdr.frag_off_bytes = 504;
    put(&rig, 1, &hdr, udp + 504, 504);
    step_all(&rig);

    assert_int_equal(received(&rig, 0), 2);
    assert_int_equal(received(&rig, 1), 0);
    assert_int_equal(received(&rig, 2), 1);
    assert_int_equal(rig.stack[2]->stats.udp_no_port, 1); /* its checksum is right */
    rig_fini(&rig);
}

static size_t make_tcp(uint8_t *out, uint16_t src_port, uint8_t flags)
{
    struct rn_tcp_hdr tcp = { .src_port = src_port,
                              .dst_port = 80,
                              .seq = rn_seq_of(1000),
                              .ack = rn_seq_of(5000),
                              .hdr_len = 20,
                              .flags = flags,
                              .window = 1000 };
    uint16_t sum = rn_checksum_pseudo(inside(), ours(), RN_PROTO_TCP, 20);

    rn_tcp_emit(&tcp, out);
    rn_put_be16(out + RN_TCP_CHECKSUM_AT, (uint16_t)~rn_checksum(out, 20, sum));
    return 20;
}

static void put_tcp(const struct rig *rig, unsigned queue, uint16_t src_port, uint8_t flags)
{
    struct rn_ipv4_hdr hdr = { .src = inside(), .dst = ours(), .proto = RN_PROTO_TCP };
    uint8_t tcp[20];

    put(rig, queue, &hdr, tcp, make_tcp(tcp, src_port, flags));
}

static void test_a_connection_stays_on_the_queue_of_its_syn(void **state)
{
    struct rn_sock *listener[N];
    uint8_t bytes[2000];
    struct rig rig;

    (void)state;
    rig_init(&rig);
    for (unsigned i = 0; i < N; i++) {
        struct rn_endpoint at = { .addr = ours(), .port = 80 };

        assert_int_equal(rn_tcp_new(&listener[i], rig.stack[i]), RN_OK);
        assert_int_equal(rn_sock_bind(listener[i], &at), RN_OK);
        assert_int_equal(rn_sock_listen(listener[i], 10), RN_OK);
    }

    put_tcp(&rig, 1, 4000, RN_TCP_SYN);
    put_tcp(&rig, 2, 4001, RN_TCP_SYN);
    step_all(&rig);

    assert_int_equal(get(&rig, 0, bytes), 0);
    assert_int_equal(get(&rig, 1, bytes), 1);
    assert_int_equal(bytes[33], RN_TCP_SYN | RN_TCP_ACK);
    assert_int_equal(get(&rig, 2, bytes), 1);
    for (unsigned i = 0; i < N; i++)
        rn_sock_close(listener[i]);
    rig_fini(&rig);
}

/* A connection made from here, whose answers come by whatever queue. */
static void test_a_stray_segment_finds_its_connection(void **state)
{
    struct rn_endpoint at = { .addr = ours(), .port = 80 };
    struct rn_endpoint to = { .addr = inside(), .port = 4000 };
    struct rn_ipv4_hdr ip = { .src = inside(), .dst = ours(), .proto = RN_PROTO_TCP };
    struct rn_tcp_hdr syn_ack = {
        .hdr_len = 20, .flags = RN_TCP_SYN | RN_TCP_ACK, .window = 1000, .seq = rn_seq_of(7)
    };
    uint8_t bytes[2000];
    struct rn_sock *sock;
    struct rn_tcp_hdr syn;
    struct rig rig;
    uint16_t sum = rn_checksum_pseudo(inside(), ours(), RN_PROTO_TCP, 20);

    (void)state;
    rig_init(&rig);
    assert_int_equal(rn_tcp_new(&sock, rig.stack[1]), RN_OK);
    assert_int_equal(rn_sock_bind(sock, &at), RN_OK);
    assert_int_equal(rn_sock_connect(sock, &to), RN_E_CONNECT_STARTED);
    step_all(&rig);
    assert_int_equal(get(&rig, 1, bytes), 1);
    assert_int_equal(rn_tcp_parse(&syn, rn_view_of(bytes + 20, 60), 60), RN_OK);

    syn_ack.src_port = 4000;
    syn_ack.dst_port = 80;
    syn_ack.ack = rn_seq_add(syn.seq, 1);
    rn_tcp_emit(&syn_ack, bytes);
    rn_put_be16(bytes + RN_TCP_CHECKSUM_AT, (uint16_t)~rn_checksum(bytes, 20, sum));
    put(&rig, 2, &ip, bytes, 20); /* goes on to 0, then to 1 */
    step_all(&rig);

    assert_int_equal(counts_of(&rig, 2).handed_over, 1);
    assert_int_equal(counts_of(&rig, 0).handed_over, 1);
    assert_int_equal(counts_of(&rig, 1).handed_over, 0);
    assert_int_equal(get(&rig, 1, bytes), 1); /* the third of the handshake */
    assert_int_equal(bytes[33], RN_TCP_ACK);
    assert_int_equal(get(&rig, 0, bytes) + get(&rig, 2, bytes), 0);
    rn_sock_close(sock);
    rig_fini(&rig);
}

static void test_what_nobody_has_is_reset_by_the_queue_it_came_by(void **state)
{
    uint8_t bytes[2000];
    struct rig rig;

    (void)state;
    rig_init(&rig);

    put_tcp(&rig, 1, 4000, RN_TCP_ACK);
    step_all(&rig);

    assert_int_equal(get(&rig, 1, bytes), 1);
    assert_int_equal(bytes[33], RN_TCP_RST);
    assert_int_equal(get(&rig, 0, bytes) + get(&rig, 2, bytes), 0);
    rig_fini(&rig);
}

/* An error about a packet that we sent to @proto's port 4000 inside. */
static void put_error(const struct rig *rig, unsigned queue, uint8_t proto)
{
    struct rn_ipv4_hdr ip = { .src = inside(), .dst = ours(), .proto = RN_PROTO_ICMP4 };
    struct rn_ipv4_hdr quoted = { .src = ours(), .dst = inside(), .proto = proto };
    uint8_t bytes[100] = { RN_ICMP4_UNREACH, RN_ICMP4_PORT };
    uint8_t l4[8] = { 0, 80, 4000 >> 8, 4000 & 0xff };

    assert_int_equal(rn_test_ip4(bytes + 8, &quoted, l4, sizeof(l4)), 28);
    rn_put_be16(bytes + 2, (uint16_t)~rn_checksum(bytes, 36, 0));
    put(rig, queue, &ip, bytes, 36);
}

static void test_errors_come_to_whom_they_quote(void **state)
{
    struct rn_endpoint inner = { .addr = inside(), .port = 4000 };
    struct rig rig;

    (void)state;
    rig_init(&rig);

    put_error(&rig, 1, RN_PROTO_TCP); /* whose nobody can tell */
    step_all(&rig);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(received(&rig, i), 1);
    for (unsigned queue = 0; queue < N; queue++)
        put_error(&rig, queue, RN_PROTO_UDP);
    step_all(&rig);

    for (unsigned i = 0; i < N; i++)
        assert_int_equal(received(&rig, i), i == rn_workers_owner(rig.workers, &inner) ? 1 + N : 1);
    rig_fini(&rig);
}

static void test_a_flood_is_dropped_by_count_and_the_rest_goes_on(void **state)
{
    struct rn_endpoint inner = { .addr = inside(), .port = 1 };
    struct rig rig;
    unsigned n = 0;
    struct rn_loop *reader;

    (void)state;
    rig_init(&rig);
    while (rn_workers_owner(rig.workers, &inner) != 2)
        inner.port++;
    reader = rn_workers_loop(rig.workers, 1);

    /* worker 2 sleeps */
    for (; n < RN_HANDOVER_PKTS_MAX + 50; n++) {
        put_udp(&rig, 1, inner.port, 53);
        assert_true(rn_loop_step(reader, 0) >= 0);
    }
    assert_int_equal(counts_of(&rig, 1).handed_over, RN_HANDOVER_PKTS_MAX);
    assert_int_equal(rig.device[1]->drops.n[RN_DROP_RX_QUEUE_FULL], 50);
    for (unsigned i = 0; i < 20; i++)
        step_all(&rig);

    assert_int_equal(received(&rig, 2), RN_HANDOVER_PKTS_MAX);
    rig_fini(&rig);
}

static void test_a_flood_of_anothers_queue_leaves_half_of_a_turn(void **state)
{
    struct rn_endpoint inner = { .addr = inside(), .port = 1 };
    struct rig rig;

    (void)state;
    rig_init(&rig);
    while (rn_workers_owner(rig.workers, &inner) != 2)
        inner.port++;
    for (unsigned i = 0; i < 200; i++) {
        put_udp(&rig, 1, inner.port, 53);
        assert_true(rn_loop_step(rn_workers_loop(rig.workers, 1), 0) >= 0);
    }
    for (unsigned i = 0; i < 20; i++)
        put_tcp(&rig, 2, (uint16_t)(100 + i), RN_TCP_SYN);

    /* the first batch, as a pump takes it */
    {
        struct rn_pktq in = { 0 };

        assert_int_equal(rig.device[2]->ops->read_batch(rig.device[2], &in, 40), 40);
        assert_int_equal(counts_of(&rig, 2).taken_over, 20);
        rn_pktq_free_all(&in);
    }
    for (unsigned i = 0; i < 10; i++)
        step_all(&rig);

    assert_int_equal(counts_of(&rig, 2).taken_over, 200); /* none is forgotten */
    rig_fini(&rig);
}

static void test_one_alone_has_its_queue_to_itself(void **state)
{
    struct rn_workers_opts opts = { .n = 1 };
    struct rn_endpoint any = { .addr = no_addr };
    struct rn_workers *workers;
    struct rn_device *queue;
    struct rn_device *device;

    (void)state;
    assert_int_equal(rn_workers_new(&workers, &opts), RN_OK);
    assert_int_equal(rn_loopback_new(&queue, rn_loop_turn(rn_workers_loop(workers, 0)), 0), RN_OK);

    assert_int_equal(rn_workers_queue(workers, 0, queue, &device), RN_OK);

    assert_ptr_equal(device, queue);
    assert_int_equal(rn_workers_owner(workers, &any), 0);
    rn_device_free(device);
    rn_workers_free(workers);
}

static void test_none_and_too_many_are_refused(void **state)
{
    struct rn_workers *workers;

    (void)state;
    assert_int_equal(rn_workers_new(&workers, &(struct rn_workers_opts){ .n = 0 }),
                     RN_E_BAD_OPTION);
    assert_int_equal(rn_workers_new(&workers, &(struct rn_workers_opts){ .n = RN_WORKERS_MAX + 1 }),
                     RN_E_BAD_OPTION);
}

/* --- on their own threads ------------------------------------------------------------------------------------------- */
#define ROUNDS    3000u
#define IN_FLIGHT 30u

/* In the thread of worker 0: the test plays the inside, by all queues at once. */
struct player {
    struct rig *rig;
    struct rn_timer timer;
    unsigned n_sent;
    unsigned n_replies; /* to echo requests */
    unsigned n_resets;
};

/* Of the datagrams' errors only some are said: they do not count. */
static void count_answers(struct player *p, unsigned queue)
{
    uint8_t bytes[2000];

    while (recv(p->rig->far[queue], bytes, sizeof(bytes), 0) > 0) {
        p->n_replies += bytes[9] == RN_PROTO_ICMP4 && bytes[20] == RN_ICMP4_ECHO_REPLY;
        p->n_resets += bytes[9] == RN_PROTO_TCP;
    }
}

static void play(struct rn_timer *timer)
{
    struct player *p = rn_container_of(timer, struct player, timer);
    struct rn_turn *turn = rn_loop_turn(rn_workers_loop(p->rig->workers, 0));
    struct rn_ipv4_hdr hdr = { .src = inside(), .dst = ours(), .proto = RN_PROTO_ICMP4 };
    uint8_t bytes[2000];

    /* What was asked and not answered yet must find room in the queues, however slow the other threads are. */
    while (p->n_sent < ROUNDS && p->n_sent < p->n_replies + IN_FLIGHT &&
           p->n_sent < p->n_resets + IN_FLIGHT) {
        unsigned queue = p->n_sent % N;

        put(p->rig, queue, &hdr, bytes, rn_test_echo(bytes, inside(), ours(), 30));
        put_tcp(p->rig, queue, (uint16_t)p->n_sent, RN_TCP_ACK);
        put_udp(p->rig, queue, (uint16_t)(p->n_sent + 1), 53);
        p->n_sent++;
    }
    for (unsigned queue = 0; queue < N; queue++)
        count_answers(p, queue);
    if (p->n_replies == ROUNDS && p->n_resets == ROUNDS)
        rn_loop_stop(rn_workers_loop(p->rig->workers, 0));
    rn_turn_arm(turn, timer, turn->now_ns + RN_NS_PER_MS);
}

static void test_threads_answer_all_that_comes_by_any_queue(void **state)
{
    struct player player = { .timer.fire = play };
    struct rn_turn *turn;
    struct rig rig;
    uint64_t handed_over = 0;
    uint64_t taken_over = 0;

    (void)state;
    rig_init(&rig);
    player.rig = &rig;
    turn = rn_loop_turn(rn_workers_loop(rig.workers, 0));
    rn_turn_arm(turn, &player.timer, turn->now_ns);
    assert_int_equal(rn_workers_start(rig.workers), RN_OK);
    assert_int_equal(rn_workers_start(rig.workers), RN_E_BAD_STATE);

    assert_int_equal(rn_workers_run(rig.workers), RN_OK);

    rn_turn_cancel(turn, &player.timer);
    for (unsigned i = 0; i < N; i++) {
        handed_over += counts_of(&rig, i).handed_over;
        taken_over += counts_of(&rig, i).taken_over;
        assert_int_equal(rig.device[i]->drops.n[RN_DROP_RX_QUEUE_FULL], 0);
    }
    assert_true(handed_over > ROUNDS);
    assert_true(taken_over <= handed_over);
    rig_fini(&rig);
}

static void test_threads_that_never_ran_end(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    assert_int_equal(rn_workers_run(rig.workers), RN_E_BAD_STATE);
    assert_int_equal(rn_workers_start(rig.workers), RN_OK);
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_datagrams_of_one_inner_port_meet_at_one_worker),
        cmocka_unit_test(test_inner_ports_are_spread_over_the_workers),
        cmocka_unit_test(test_pings_by_any_queue_are_answered_by_worker_0),
        cmocka_unit_test(test_fragments_are_joined_and_the_whole_goes_to_its_owner),
        cmocka_unit_test(test_a_connection_stays_on_the_queue_of_its_syn),
        cmocka_unit_test(test_a_stray_segment_finds_its_connection),
        cmocka_unit_test(test_what_nobody_has_is_reset_by_the_queue_it_came_by),
        cmocka_unit_test(test_errors_come_to_whom_they_quote),
        cmocka_unit_test(test_a_flood_is_dropped_by_count_and_the_rest_goes_on),
        cmocka_unit_test(test_a_flood_of_anothers_queue_leaves_half_of_a_turn),
        cmocka_unit_test(test_one_alone_has_its_queue_to_itself),
        cmocka_unit_test(test_none_and_too_many_are_refused),
        cmocka_unit_test(test_threads_answer_all_that_comes_by_any_queue),
        cmocka_unit_test(test_threads_that_never_ran_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
