#include "outnet/native.h"

#include "fixture.h"

#include <runnel/err.h>

struct caller {
    struct rn_net_dial dial;
    int err;
    unsigned n_done;
};

static void on_done(struct rn_net_dial *dial, int err, struct rn_net_conn *conn)
{
    struct caller *c = rn_container_of(dial, struct caller, dial);

    assert_null(conn);
    c->err = err;
    c->n_done++;
}

static void test_every_dial_fails_later_and_as_told(void **state)
{
    struct caller c = { .dial.done = on_done };
    struct rn_net_dgram *dgram;
    struct rn_test_turn t;
    struct rn_net *net;
    (void)state;

    rn_test_turn_init(&t);
    assert_int_equal(rn_net_reject_new(&net, &t.turn, RN_E_NOT_PERMITTED), 0);
    assert_int_equal(rn_net_dial_start(net, &c.dial), 0);
    assert_int_equal(c.n_done, 0);
    rn_test_turn_run(&t, 0);
    assert_int_equal(c.n_done, 1);
    assert_int_equal(c.err, RN_E_NOT_PERMITTED);
    assert_int_equal(net->ops->open_dgram(net, &dgram, RN_NET_UDP, &c.dial.to), RN_E_NOT_PERMITTED);
    net = rn_net_free(net);
    rn_test_turn_fini(&t);
}

static void test_a_cancelled_dial_is_not_answered(void **state)
{
    struct caller c = { .dial.done = on_done };
    struct rn_test_turn t;
    struct rn_net *net;
    (void)state;

    rn_test_turn_init(&t);
    assert_int_equal(rn_net_reject_new(&net, &t.turn, RN_E_NET_UNREACH), 0);
    assert_int_equal(rn_net_dial_start(net, &c.dial), 0);
    rn_net_dial_cancel(&c.dial);
    rn_test_turn_run(&t, 0);
    assert_int_equal(c.n_done, 0);
    net = rn_net_free(net);
    rn_test_turn_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_dial_fails_later_and_as_told),
        cmocka_unit_test(test_a_cancelled_dial_is_not_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
