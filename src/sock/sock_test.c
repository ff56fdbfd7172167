#include "sock/sock.h"

#include "host.h"

#include <runnel/err.h>
#include <runnel/udp.h>

struct rig {
    struct rn_test_host h;
    struct rn_sock *sock;
};

static void init(struct rig *r)
{
    rn_test_host_init(&r->h, &(struct rn_test_host_opts){ .protos = &rn_protos_all });
    assert_int_equal(rn_udp_new(&r->sock, r->h.stack), 0);
}

static void fini(struct rig *r)
{
    r->sock = rn_sock_close(r->sock);
    rn_test_host_fini(&r->h);
}

static void test_options_are_kept_and_checked(void **state)
{
    static const struct {
        enum rn_sock_opt opt;
        int64_t good;
        int64_t bad;
    } rows[] = {
        { RN_SO_REUSEADDR, 1, 2 },  { RN_SO_REUSEPORT, 1, -1 },   { RN_IPV6_V6ONLY, 1, 7 },
        { RN_SO_BROADCAST, 1, 2 },  { RN_SO_BIND_NIC, 1, -1 },    { RN_IP_TTL, 9, 0 },
        { RN_IP_TTL, 255, 256 },    { RN_IP_TOS, 0xb8, 256 },     { RN_IP_MTU_DISCOVER, 3, 4 },
        { RN_SO_RCVBUF, 8192, -1 }, { RN_UDP_NO_CHECKSUM, 1, 2 },
    };
    struct rig r;
    int64_t got;

    (void)state;
    init(&r);

    for (size_t i = 0; i < RN_ARRAY_LEN(rows); i++) {
        assert_int_equal(rn_sock_set_opt(r.sock, rows[i].opt, rows[i].good), 0);
        assert_int_equal(rn_sock_set_opt(r.sock, rows[i].opt, rows[i].bad), RN_E_BAD_OPTION);
        assert_int_equal(rn_sock_get_opt(r.sock, rows[i].opt, &got), 0);
        assert_int_equal(got, rows[i].good);
    }
    assert_int_equal(rn_sock_set_opt(r.sock, RN_TCP_NODELAY, 1), RN_E_NO_PROTO_OPTION);
    assert_int_equal(rn_sock_get_opt(r.sock, RN_TCP_NODELAY, &got), RN_E_NO_PROTO_OPTION);
    assert_int_equal(rn_sock_set_opt(r.sock, RN_SO_BIND_NIC, 77), RN_E_NO_NIC);
    fini(&r);
}

static void test_what_decides_about_a_name_is_fixed_with_it(void **state)
{
    struct rig r;
    struct rn_endpoint local = { .port = 53 };

    (void)state;
    init(&r);
    assert_int_equal(rn_sock_bind(r.sock, &local), 0);

    assert_int_equal(rn_sock_set_opt(r.sock, RN_SO_REUSEPORT, 1), RN_E_BAD_STATE);
    assert_int_equal(rn_sock_set_opt(r.sock, RN_IPV6_V6ONLY, 1), RN_E_BAD_STATE);
    assert_int_equal(rn_sock_set_opt(r.sock, RN_SO_BIND_NIC, 1), RN_E_BAD_STATE);
    assert_int_equal(rn_sock_bind(r.sock, &local), RN_E_ALREADY_BOUND);
    fini(&r);
}

static void test_names_are_told(void **state)
{
    struct rig r;
    struct rn_endpoint remote = { .addr = RN_TEST_PEER4, .port = 53 };

    (void)state;
    init(&r);
    assert_int_equal(rn_sock_local(r.sock).port, 0);
    assert_int_equal(rn_sock_remote(r.sock).port, 0);

    assert_int_equal(rn_sock_connect(r.sock, &remote), 0);

    assert_true(rn_addr_eq(rn_sock_local(r.sock).addr, RN_TEST_US4));
    assert_in_range(rn_sock_local(r.sock).port, 32768, 60999);
    assert_true(rn_addr_eq(rn_sock_remote(r.sock).addr, RN_TEST_PEER4));
    assert_int_equal(rn_sock_remote(r.sock).port, 53);
    assert_ptr_equal(rn_sock_stack(r.sock), r.h.stack);
    fini(&r);
}

static void test_first_error_wins_and_is_told_once(void **state)
{
    struct rig r;

    (void)state;
    init(&r);

    rn_sock_set_error(r.sock, RN_E_CONN_REFUSED);
    rn_sock_set_error(r.sock, RN_E_HOST_UNREACH);

    assert_true((rn_sock_readiness(r.sock) & RN_ERROR) != 0);
    assert_int_equal(rn_sock_take_error(r.sock), RN_E_CONN_REFUSED);
    assert_int_equal(rn_sock_take_error(r.sock), 0);
    fini(&r);
}

static void test_datagram_sockets_do_not_listen(void **state)
{
    struct rig r;
    struct rn_sock *other;

    (void)state;
    init(&r);

    assert_int_equal(rn_sock_listen(r.sock, 1), RN_E_NOT_SUPPORTED);
    assert_int_equal(rn_sock_accept(r.sock, &other), RN_E_NOT_SUPPORTED);
    assert_int_equal(rn_sock_shutdown(r.sock, RN_SHUT_BOTH), RN_E_NOT_CONNECTED);
    fini(&r);
}

static void test_observer_may_not_change_anything(void **state)
{
    struct rig r;
    struct rn_endpoint name = { .addr = RN_TEST_PEER4, .port = 53 };

    (void)state;
    init(&r);
    r.h.t.turn.is_observing = true;

    assert_int_equal(rn_sock_bind(r.sock, &name), RN_E_BAD_STATE);
    assert_int_equal(rn_sock_connect(r.sock, &name), RN_E_BAD_STATE);
    assert_int_equal(
        rn_dgram_send(r.sock, (struct rn_slice){ 0 }, &(struct rn_dgram_opts){ .to = name }),
        RN_E_BAD_STATE);
    r.h.t.turn.is_observing = false;
    fini(&r);
}

struct closing {
    struct rn_sock **sock;
    unsigned n;
};

static void close_it(struct rn_sock *sock, unsigned events, void *arg)
{
    struct closing *c = arg;

    (void)events;
    c->n++;
    *c->sock = rn_sock_close(sock);
}

static void test_socket_may_be_closed_inside_its_event(void **state)
{
    struct rig r;
    struct closing c = { &r.sock, 0 };

    (void)state;
    init(&r);

    rn_sock_on_event(r.sock, close_it, &c);
    rn_test_turn_at(&r.h.t, 1);

    assert_int_equal(c.n, 1); /* it was writable at once */
    assert_null(r.sock);
    fini(&r);
}

struct told {
    struct rn_sock *socks[4];
    unsigned events[4];
    unsigned n;
};

static void note_told(struct rn_sock *sock, unsigned events, void *arg)
{
    struct told *told = arg;

    assert_in_range(told->n, 0, RN_ARRAY_LEN(told->socks) - 1);
    told->socks[told->n] = sock;
    told->events[told->n++] = events;
}

static void test_who_has_room_again_is_told_last_unless_there_is_news(void **state)
{
    struct told told = { 0 };
    struct rig r;
    struct rn_sock *other;

    (void)state;
    init(&r);
    assert_int_equal(rn_udp_new(&other, r.h.stack), 0);
    rn_test_turn_at(&r.h.t, 1);
    rn_sock_on_event(r.sock, note_told, &told);
    rn_sock_on_event(other, note_told, &told);
    rn_test_turn_at(&r.h.t, 2); /* both are writable at once */
    told.n = 0;

    rn_sock_refill(r.sock);
    rn_sock_ready(other, RN_READABLE);
    rn_test_turn_at(&r.h.t, 3);
    assert_int_equal(told.n, 2);
    assert_ptr_equal(told.socks[0], other);
    assert_int_equal(told.events[1], RN_WRITABLE);

    told.n = 0;
    rn_sock_refill(r.sock);
    rn_sock_refill(other);
    rn_sock_ready(other, RN_READABLE);
    rn_test_turn_at(&r.h.t, 4);
    assert_int_equal(told.n, 2);
    assert_ptr_equal(told.socks[0], other);
    assert_int_equal(told.events[0], RN_READABLE | RN_WRITABLE);

    other = rn_sock_close(other);
    fini(&r);
}

static void test_stack_aborts_the_sockets_it_still_has(void **state)
{
    struct rig r;
    struct rn_endpoint local = { .port = 53 };

    (void)state;
    init(&r);
    assert_int_equal(rn_sock_bind(r.sock, &local), 0);

    rn_test_host_fini(&r.h); /* checks that nothing leaks */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_are_kept_and_checked),
        cmocka_unit_test(test_what_decides_about_a_name_is_fixed_with_it),
        cmocka_unit_test(test_names_are_told),
        cmocka_unit_test(test_first_error_wins_and_is_told_once),
        cmocka_unit_test(test_datagram_sockets_do_not_listen),
        cmocka_unit_test(test_observer_may_not_change_anything),
        cmocka_unit_test(test_socket_may_be_closed_inside_its_event),
        cmocka_unit_test(test_who_has_room_again_is_told_last_unless_there_is_news),
        cmocka_unit_test(test_stack_aborts_the_sockets_it_still_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
