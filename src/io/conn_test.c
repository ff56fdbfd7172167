/* Blocking sockets against a stack that talks to itself on a loop of its own thread. */
#include "io/conn.h"

#include "io/loop.h"
#include <runnel/err.h>
#include <runnel/nic.h>
#include <runnel/stack.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "dev/loopback.h"

#include <cmocka.h>

#define SHORT_NS (2 * RN_NS_PER_MS)

struct rig {
    atomic_size_t bytes;
    struct rn_alloc alloc;
    struct rn_loop *loop;
    struct rn_device *dev;
    struct rn_stack *stack;
    pthread_t thread;
    struct rn_conn_opts here;  /* listens on 7000 */
    struct rn_conn_opts there; /* dials it */
    struct rn_conn *listener;
    struct rn_conn *client;
    struct rn_conn *server;
};

static void *counting_alloc(void *ctx, size_t bytes)
{
    atomic_fetch_add((atomic_size_t *)ctx, bytes);
    return calloc(1, bytes);
}

static void counting_free(void *ctx, void *ptr, size_t bytes)
{
    atomic_fetch_sub((atomic_size_t *)ctx, bytes);
    free(ptr);
}

static void *run_loop(void *arg)
{
    struct rig *rig = arg;

    assert_int_equal(rn_loop_run(rig->loop), RN_OK);
    return NULL;
}

static void rig_init(struct rig *rig)
{
    const uint8_t seed[16] = { 1 };
    const struct rn_stack_opts so = { .protos = &rn_protos_all, .is_test = true };
    struct rn_nic *nic;

    *rig = (struct rig){ 0 };
    rig->alloc = (struct rn_alloc){ counting_alloc, counting_free, &rig->bytes };
    assert_int_equal(
        rn_loop_new(&rig->loop, &(struct rn_loop_opts){ .alloc = &rig->alloc, .seed = seed }),
        RN_OK);
    assert_int_equal(rn_loopback_new(&rig->dev, rn_loop_turn(rig->loop), 0), RN_OK);
    assert_int_equal(rn_stack_new(&rig->stack, rn_loop_turn(rig->loop), &so), RN_OK);
    assert_int_equal(rn_nic_new(&nic, rig->stack, rig->dev, &(struct rn_nic_opts){ 0 }), RN_OK);
    assert_int_equal(rn_nic_start(nic), RN_OK);
    assert_int_equal(rn_nic_add_addr(nic, rn_addr_v4(0x0a000001), 24), RN_OK);
    rig->here = (struct rn_conn_opts){ .loop = rig->loop,
                                       .stack = rig->stack,
                                       .local = { rn_addr_v4(0x0a000001), 7000, 0 } };
    rig->there =
        (struct rn_conn_opts){ .loop = rig->loop, .stack = rig->stack, .remote = rig->here.local };
    assert_int_equal(pthread_create(&rig->thread, NULL, run_loop, rig), 0);
}

static void rig_connect(struct rig *rig)
{
    rig_init(rig);
    assert_int_equal(rn_conn_listen(&rig->listener, &rig->here), RN_OK);
    assert_int_equal(rn_conn_dial(&rig->client, &rig->there), RN_OK);
    assert_int_equal(rn_conn_accept(rig->listener, &rig->server), RN_OK);
}

static void rig_fini(struct rig *rig)
{
    rn_conn_free(rig->client);
    rn_conn_free(rig->server);
    rn_conn_free(rig->listener);
    rn_loop_stop(rig->loop);
    pthread_join(rig->thread, NULL);
    rn_stack_free(rig->stack);
    rn_device_free(rig->dev);
    rn_loop_free(rig->loop);
    assert_int_equal(atomic_load(&rig->bytes), 0);
}

/* A call on a thread of its own. */
struct caller {
    pthread_t thread;
    struct rn_conn *conn;
    size_t bytes;
    int64_t result;
    struct rn_conn *accepted;
};

static void begin(struct caller *c, void *(*fn)(void *))
{
    assert_int_equal(pthread_create(&c->thread, NULL, fn, c), 0);
}

static int64_t result_of(struct caller *c)
{
    pthread_join(c->thread, NULL);
    return c->result;
}

static void *read_once(void *arg)
{
    struct caller *c = arg;
    char buf[16];

    c->result = rn_conn_read(c->conn, buf, sizeof(buf));
    return NULL;
}

static void *accept_once(void *arg)
{
    struct caller *c = arg;

    c->result = rn_conn_accept(c->conn, &c->accepted);
    return NULL;
}

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 31 + (at >> 8));
}

static void *write_pattern(void *arg)
{
    struct caller *c = arg;
    uint8_t *bytes = malloc(c->bytes);

    for (size_t i = 0; i < c->bytes; i++)
        bytes[i] = pattern(i);
    c->result = rn_conn_write(c->conn, bytes, c->bytes);
    free(bytes);
    return NULL;
}

/* How many bytes came as they should. */
static void *read_pattern(void *arg)
{
    struct caller *c = arg;
    uint8_t buf[10000];
    int64_t n = 1;

    c->result = 0;
    while (n > 0 && (size_t)c->result < c->bytes) {
        n = rn_conn_read(c->conn, buf, sizeof(buf));
        for (int64_t i = 0; i < n && buf[i] == pattern((size_t)c->result); i++)
            c->result++;
    }
    return NULL;
}

static int waiting_ops(struct rn_sock *sock, void *arg)
{
    const struct rn_conn_lane *lane = arg;

    (void)sock;
    return !rn_list_is_empty(&lane->waiting);
}

/* Until the call on the other thread sleeps. */
static void await_waiting(struct rn_conn *conn, enum rn_conn_lane_id lane)
{
    while (rn_conn_call(conn, waiting_ops, &conn->lane[lane]) == 0)
        sched_yield();
}

static void test_dialed_connection_carries_bytes_and_its_end(void **state)
{
    struct rig rig;
    char buf[16];

    (void)state;
    rig_connect(&rig);

    assert_int_equal(rn_conn_write(rig.client, "hello", 5), 5);
    assert_int_equal(rn_conn_read(rig.server, buf, sizeof(buf)), 5);
    assert_memory_equal(buf, "hello", 5);
    assert_int_equal(rn_conn_shutdown(rig.client, RN_SHUT_WRITE), RN_OK);
    assert_int_equal(rn_conn_read(rig.server, buf, sizeof(buf)), 0);
    assert_int_equal(rn_conn_write(rig.server, "bye", 3), 3);
    assert_int_equal(rn_conn_read(rig.client, buf, sizeof(buf)), 3);
    assert_int_equal(rn_conn_write(rig.client, "x", 1), RN_E_CLOSED_FOR_SEND);
    rig_fini(&rig);
}

static void test_both_ends_know_their_names(void **state)
{
    struct rig rig;

    (void)state;
    rig_connect(&rig);

    assert_int_equal(rn_conn_local(rig.server).port, 7000);
    assert_int_equal(rn_conn_remote(rig.client).port, 7000);
    assert_int_equal(rn_conn_local(rig.client).port, rn_conn_remote(rig.server).port);
    assert_int_equal(rn_conn_remote(rig.listener).port, 0);
    rig_fini(&rig);
}

static void test_nobody_listening_is_refused(void **state)
{
    struct rig rig;
    struct rn_conn *conn;

    (void)state;
    rig_init(&rig);

    assert_int_equal(rn_conn_dial(&conn, &rig.there), RN_E_CONN_REFUSED);
    rig_fini(&rig);
}

static void test_dial_into_the_void_ends_at_its_timeout(void **state)
{
    struct rig rig;
    struct rn_conn *conn;

    (void)state;
    rig_init(&rig);
    rig.there.remote.addr = rn_addr_v4(0x0a000009);
    rig.there.timeout_ns = SHORT_NS;

    assert_int_equal(rn_conn_dial(&conn, &rig.there), RN_E_TIMED_OUT);
    rig_fini(&rig);
}

static void test_a_port_in_use_cannot_be_listened_on(void **state)
{
    struct rig rig;
    struct rn_conn *conn;

    (void)state;
    rig_connect(&rig);

    assert_int_equal(rn_conn_listen(&conn, &rig.here), RN_E_PORT_IN_USE);
    rig.here.loop = NULL;
    assert_int_equal(rn_conn_listen(&conn, &rig.here), RN_E_MISSING_FIELDS);
    rig_fini(&rig);
}

static void test_megabytes_cross_both_ways_at_once(void **state)
{
    struct rig rig;
    struct caller c[4];

    (void)state;
    rig_connect(&rig);
    for (size_t i = 0; i < RN_ARRAY_LEN(c); i++)
        c[i] = (struct caller){ .conn = i < 2 ? rig.client : rig.server, .bytes = 4u << 20 };
    for (size_t i = 0; i < RN_ARRAY_LEN(c); i++)
        begin(&c[i], i % 2 == 0 ? write_pattern : read_pattern);

    for (size_t i = 0; i < RN_ARRAY_LEN(c); i++)
        assert_int_equal(result_of(&c[i]), 4u << 20);
    rig_fini(&rig);
}

static void test_deadline_ends_a_read_and_the_connection_lives_on(void **state)
{
    struct rig rig;
    char buf[16];

    (void)state;
    rig_connect(&rig);
    rn_conn_set_deadline(rig.client, RN_SHUT_READ, SHORT_NS);

    assert_int_equal(rn_conn_read(rig.client, buf, sizeof(buf)), RN_E_WOULD_BLOCK);
    assert_int_equal(rn_conn_read(rig.client, buf, sizeof(buf)), RN_E_WOULD_BLOCK);
    assert_int_equal(rn_conn_write(rig.client, "x", 1), 1);
    assert_int_equal(rn_conn_write(rig.server, "y", 1), 1);
    rn_conn_set_deadline(rig.client, RN_SHUT_READ, RN_CONN_NO_DEADLINE);
    assert_int_equal(rn_conn_read(rig.client, buf, sizeof(buf)), 1);
    rig_fini(&rig);
}

static void test_deadline_of_now_ends_a_read_that_waits(void **state)
{
    struct rig rig;
    struct caller c;

    (void)state;
    rig_connect(&rig);
    c = (struct caller){ .conn = rig.client };
    begin(&c, read_once);
    await_waiting(rig.client, RN_CONN_LANE_READ);

    rn_conn_set_deadline(rig.client, RN_SHUT_BOTH, 0);

    assert_int_equal(result_of(&c), RN_E_WOULD_BLOCK);
    rig_fini(&rig);
}

static void test_write_stopped_by_its_deadline_tells_what_was_taken(void **state)
{
    struct rig rig;
    uint8_t *much = calloc(1, 64u << 20);
    int64_t n;

    (void)state;
    rig_connect(&rig);
    rn_conn_set_deadline(rig.client, RN_SHUT_WRITE, 10 * SHORT_NS);

    n = rn_conn_write(rig.client, much, 64u << 20); /* nobody reads */

    assert_in_range(n, 1, (64u << 20) - 1);
    assert_int_equal(rn_conn_write(rig.client, much, 1), RN_E_WOULD_BLOCK);
    free(much);
    rig_fini(&rig);
}

static void test_close_from_another_thread_ends_all_who_wait(void **state)
{
    struct rig rig;
    struct caller reader;
    struct caller writer;
    struct caller acceptor;
    char buf[16];

    (void)state;
    rig_connect(&rig);
    reader = (struct caller){ .conn = rig.client };
    writer = (struct caller){ .conn = rig.client, .bytes = 64u << 20 };
    acceptor = (struct caller){ .conn = rig.listener };
    begin(&reader, read_once);
    begin(&writer, write_pattern);
    begin(&acceptor, accept_once);
    await_waiting(rig.client, RN_CONN_LANE_READ);
    await_waiting(rig.client, RN_CONN_LANE_WRITE);
    await_waiting(rig.listener, RN_CONN_LANE_READ);

    rn_conn_close(rig.client);
    rn_conn_close(rig.listener);

    assert_int_equal(result_of(&reader), RN_E_CANCELLED);
    assert_in_range(result_of(&writer), 1, (64u << 20) - 1);
    assert_int_equal(result_of(&acceptor), RN_E_CANCELLED);
    assert_int_equal(rn_conn_read(rig.client, buf, sizeof(buf)), RN_E_CANCELLED);
    rn_conn_close(rig.client); /* again */
    rig_fini(&rig);
}

static int abort_peer(struct rn_sock *sock, void *arg)
{
    (void)arg;
    return rn_sock_set_opt(sock, RN_SO_LINGER_NS, 0);
}

static void test_reset_by_the_peer_is_told_to_who_waits(void **state)
{
    struct rig rig;
    struct caller c;

    (void)state;
    rig_connect(&rig);
    c = (struct caller){ .conn = rig.client };
    begin(&c, read_once);
    await_waiting(rig.client, RN_CONN_LANE_READ);
    assert_int_equal(rn_conn_call(rig.server, abort_peer, NULL), RN_OK);

    rn_conn_close(rig.server);

    assert_int_equal(result_of(&c), RN_E_CONN_RESET);
    rig_fini(&rig);
}

static void test_shutdown_ends_a_write_that_waits(void **state)
{
    struct rig rig;
    struct caller c;

    (void)state;
    rig_connect(&rig);
    c = (struct caller){ .conn = rig.client, .bytes = 64u << 20 };
    begin(&c, write_pattern);
    await_waiting(rig.client, RN_CONN_LANE_WRITE);

    assert_int_equal(rn_conn_shutdown(rig.client, RN_SHUT_WRITE), RN_OK);

    assert_in_range(result_of(&c), 1, (64u << 20) - 1);
    assert_int_equal(rn_conn_write(rig.client, "x", 1), RN_E_CLOSED_FOR_SEND);
    rig_fini(&rig);
}

static void test_udp_answers_who_sent_and_obeys_deadlines(void **state)
{
    struct rig rig;
    struct rn_endpoint from;
    char buf[16];

    (void)state;
    rig_init(&rig);
    assert_int_equal(rn_conn_udp(&rig.server, &rig.here), RN_OK);
    assert_int_equal(rn_conn_udp(&rig.client, &rig.there), RN_OK);

    assert_int_equal(rn_conn_write(rig.client, "ask", 3), 3);
    assert_int_equal(rn_conn_recv_from(rig.server, buf, sizeof(buf), &from), 3);
    assert_int_equal(
        rn_conn_send_to(rig.server, (struct rn_slice){ (const uint8_t *)"yes", 3 }, &from), 3);
    assert_int_equal(rn_conn_read(rig.client, buf, sizeof(buf)), 3);
    assert_memory_equal(buf, "yes", 3);
    rn_conn_set_deadline(rig.client, RN_SHUT_READ, SHORT_NS);
    assert_int_equal(rn_conn_read(rig.client, buf, sizeof(buf)), RN_E_WOULD_BLOCK);
    rig_fini(&rig);
}

static void test_a_stream_has_no_senders(void **state)
{
    struct rig rig;
    struct rn_endpoint from = { 0 };
    char buf[4] = "abc";

    (void)state;
    rig_connect(&rig);

    assert_int_equal(rn_conn_recv_from(rig.client, buf, sizeof(buf), &from), RN_E_NOT_SUPPORTED);
    assert_int_equal(
        rn_conn_send_to(rig.client, (struct rn_slice){ (const uint8_t *)buf, 3 }, &from),
        RN_E_NOT_SUPPORTED);
    rig_fini(&rig);
}

static void *dial_once(void *arg)
{
    struct caller *c = arg;
    struct rn_conn_opts *opts = (struct rn_conn_opts *)(void *)c->conn;

    c->result = rn_conn_dial(&c->accepted, opts);
    return NULL;
}

static void test_a_loop_that_ended_cancels_what_it_never_began(void **state)
{
    struct rig rig;
    struct caller c = { 0 };

    (void)state;
    rig_init(&rig);
    rn_loop_stop(rig.loop);
    pthread_join(rig.thread, NULL);
    c.conn = (struct rn_conn *)(void *)&rig.there;
    begin(&c, dial_once);
    while (atomic_load(&rig.loop->posted.pushed) == NULL)
        sched_yield();
    rn_stack_free(rig.stack);
    rn_device_free(rig.dev);
    rn_post_cancel_all(rig.loop);

    assert_int_equal(result_of(&c), RN_E_CANCELLED);
    rn_loop_free(rig.loop);
    assert_int_equal(atomic_load(&rig.bytes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialed_connection_carries_bytes_and_its_end),
        cmocka_unit_test(test_both_ends_know_their_names),
        cmocka_unit_test(test_nobody_listening_is_refused),
        cmocka_unit_test(test_dial_into_the_void_ends_at_its_timeout),
        cmocka_unit_test(test_a_port_in_use_cannot_be_listened_on),
        cmocka_unit_test(test_megabytes_cross_both_ways_at_once),
        cmocka_unit_test(test_deadline_ends_a_read_and_the_connection_lives_on),
        cmocka_unit_test(test_deadline_of_now_ends_a_read_that_waits),
        cmocka_unit_test(test_write_stopped_by_its_deadline_tells_what_was_taken),
        cmocka_unit_test(test_close_from_another_thread_ends_all_who_wait),
        cmocka_unit_test(test_reset_by_the_peer_is_told_to_who_waits),
        cmocka_unit_test(test_shutdown_ends_a_write_that_waits),
        cmocka_unit_test(test_udp_answers_who_sent_and_obeys_deadlines),
        cmocka_unit_test(test_a_stream_has_no_senders),
        cmocka_unit_test(test_a_loop_that_ended_cancels_what_it_never_began),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
