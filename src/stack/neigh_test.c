#include "stack/neigh.h"

#include "host.h"
#include "wire/eth.h"

#include <runnel/err.h>

/* What the cache asks of its protocol, written down. */
static struct {
    unsigned n_multicast;
    unsigned n_unicast;
    unsigned n_unreachable;
} asked;

static void solicit(struct rn_nic *nic, struct rn_addr target, const struct rn_mac *to)
{
    (void)nic;
    (void)target;
    if (to == NULL)
        asked.n_multicast++;
    else
        asked.n_unicast++;
}

static void unreachable(struct rn_nic *nic, struct rn_pkt *pkt)
{
    (void)nic;
    asked.n_unreachable++;
    rn_pkt_drop(pkt, RN_DROP_NO_NEIGHBOUR);
}

static int attach(struct rn_stack *stack, void **ret_state)
{
    (void)stack;
    (void)ret_state;
    return 0;
}

static void detach(struct rn_stack *stack, void *state)
{
    (void)stack;
    (void)state;
}

static const struct rn_l3_ops ops = { .l3 = RN_L3_V4,
                                      .ethertype = RN_ETHERTYPE_IPV4,
                                      .attach = attach,
                                      .detach = detach,
                                      .solicit = solicit,
                                      .unreachable = unreachable };
static const struct rn_protos protos = { .l3 = { &ops } };

static const struct rn_mac mac1 = { { 2, 0, 0, 0, 0, 2 } };
static const struct rn_mac mac2 = { { 2, 0, 0, 0, 0, 3 } };

struct rig {
    struct rn_test_host h;
    struct rn_neigh_cache *cache;
    struct rn_neigh *peer;
};

static void init(struct rig *r)
{
    memset(&asked, 0, sizeof(asked));
    rn_test_host_init(
        &r->h, &(struct rn_test_host_opts){ .protos = &protos, .link_type = RN_LINK_ETHERNET });
    r->cache = r->h.nic->neigh[RN_L3_V4];
    r->peer = rn_neigh_get(r->cache, RN_TEST_PEER4);
    assert_non_null(r->peer);
}

static void fini(struct rig *r)
{
    rn_neigh_unref(r->peer);
    rn_test_host_fini(&r->h);
}

static void send(struct rig *r)
{
    struct rn_pkt *pkt = rn_pkt_new(r->h.t.pool);

    pkt->account = &r->h.stack->drops;
    pkt->ethertype = RN_ETHERTYPE_IPV4;
    assert_non_null(rn_pkt_push(pkt, 20));
    rn_neigh_output(r->peer, pkt);
    rn_test_host_run(&r->h, 0);
}

static void tell(struct rig *r, struct rn_mac mac, bool is_solicited, bool may_override)
{
    struct rn_neigh_news news = { .addr = RN_TEST_PEER4,
                                  .mac = mac,
                                  .has_mac = true,
                                  .is_solicited = is_solicited,
                                  .may_override = may_override };

    rn_neigh_learn(r->cache, &news);
    rn_test_host_run(&r->h, 0);
}

static void test_first_packet_asks_and_the_answer_sends_it(void **state)
{
    struct rig r;

    (void)state;
    init(&r);

    send(&r);
    assert_int_equal(r.peer->state, RN_NEIGH_INCOMPLETE);
    assert_int_equal(asked.n_multicast, 1);
    assert_int_equal(r.h.out.n_pkts, 0);
    tell(&r, mac1, true, true);

    assert_int_equal(r.peer->state, RN_NEIGH_REACHABLE);
    assert_int_equal(r.h.out.n_pkts, 1);
    assert_int_equal(r.h.stack->stats.neigh_resolved, 1);
    fini(&r);
}

static void test_three_questions_without_answer_are_enough(void **state)
{
    struct rig r;

    (void)state;
    init(&r);
    send(&r);

    rn_test_host_run(&r.h, 5 * RN_NS_PER_S);

    assert_int_equal(asked.n_multicast, RN_NEIGH_MULTICAST_PROBES);
    assert_int_equal(asked.n_unreachable, 1);
    assert_int_equal(r.peer->state, RN_NEIGH_FAILED);
    send(&r);
    assert_int_equal(r.peer->state, RN_NEIGH_INCOMPLETE);
    fini(&r);
}

static void test_failed_neighbour_is_not_asked_again_at_once(void **state)
{
    struct rig r;

    (void)state;
    init(&r);
    send(&r);
    rn_test_host_run(&r.h, 3 * RN_NS_PER_S + 100 * RN_NS_PER_MS);
    assert_int_equal(r.peer->state, RN_NEIGH_FAILED);

    send(&r);

    assert_int_equal(asked.n_multicast, RN_NEIGH_MULTICAST_PROBES);
    assert_int_equal(asked.n_unreachable, 2);
    fini(&r);
}

static void test_reachable_grows_stale_and_is_probed_when_used(void **state)
{
    struct rig r;

    (void)state;
    init(&r);
    send(&r);
    tell(&r, mac1, true, true);

    rn_test_host_run(&r.h, 46 * RN_NS_PER_S); /* at most one and a half of 30 s */
    assert_int_equal(r.peer->state, RN_NEIGH_STALE);
    assert_int_equal(asked.n_unicast, 0);
    send(&r);
    assert_int_equal(r.peer->state, RN_NEIGH_DELAY);
    rn_test_host_run(&r.h, RN_NEIGH_DELAY_NS + 100 * RN_NS_PER_MS);
    assert_int_equal(r.peer->state, RN_NEIGH_PROBE);
    assert_int_equal(asked.n_unicast, 1);
    tell(&r, mac1, true, true);
    assert_int_equal(r.peer->state, RN_NEIGH_REACHABLE);
    fini(&r);
}

static void test_transport_that_hears_from_it_saves_the_probe(void **state)
{
    struct rig r;

    (void)state;
    init(&r);
    send(&r);
    tell(&r, mac1, true, true);
    rn_test_host_run(&r.h, 46 * RN_NS_PER_S);
    send(&r);

    rn_neigh_confirm(r.peer);
    rn_test_host_run(&r.h, 10 * RN_NS_PER_S);

    assert_int_equal(r.peer->state, RN_NEIGH_REACHABLE);
    assert_int_equal(asked.n_unicast, 0);
    fini(&r);
}

static void test_probe_without_answer_fails(void **state)
{
    struct rig r;

    (void)state;
    init(&r);
    send(&r);
    tell(&r, mac1, false, true);
    assert_int_equal(r.peer->state, RN_NEIGH_STALE);
    send(&r);

    rn_test_host_run(&r.h, RN_NEIGH_DELAY_NS + 4 * RN_NS_PER_S);

    assert_int_equal(asked.n_unicast, RN_NEIGH_UNICAST_PROBES);
    assert_int_equal(r.peer->state, RN_NEIGH_FAILED);
    fini(&r);
}

/* RFC 4861 §7.2.5: without the override flag another link address is only a reason to ask. */
static void test_other_address_without_override_makes_it_stale(void **state)
{
    struct rig r;

    (void)state;
    init(&r);
    send(&r);
    tell(&r, mac1, true, true);

    tell(&r, mac2, true, false);

    assert_int_equal(r.peer->state, RN_NEIGH_STALE);
    assert_true(rn_mac_eq(r.peer->mac, mac1));
    tell(&r, mac2, false, true);
    assert_true(rn_mac_eq(r.peer->mac, mac2));
    assert_int_equal(r.peer->state, RN_NEIGH_STALE);
    fini(&r);
}

static void test_entry_outlives_its_nic_but_sends_nothing(void **state)
{
    struct rig r;

    (void)state;
    init(&r);
    send(&r);

    r.h.nic = rn_nic_free(r.h.nic);
    assert_null(r.peer->cache);
    rn_neigh_output(r.peer, rn_pkt_new(r.h.t.pool));
    rn_neigh_confirm(r.peer);

    rn_neigh_unref(r.peer);
    rn_test_host_fini(&r.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_packet_asks_and_the_answer_sends_it),
        cmocka_unit_test(test_three_questions_without_answer_are_enough),
        cmocka_unit_test(test_failed_neighbour_is_not_asked_again_at_once),
        cmocka_unit_test(test_reachable_grows_stale_and_is_probed_when_used),
        cmocka_unit_test(test_transport_that_hears_from_it_saves_the_probe),
        cmocka_unit_test(test_probe_without_answer_fails),
        cmocka_unit_test(test_other_address_without_override_makes_it_stale),
        cmocka_unit_test(test_entry_outlives_its_nic_but_sends_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
