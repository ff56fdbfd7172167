/* Lending packets across threads: nothing is lost in silence, nothing is freed by the wrong hand. */
#include "io/handover.h"

#include "packets.h"
#include <runnel/err.h>

#include <pthread.h>
#include <sched.h>

/* Two pools, as two threads have; the ring is large for a stack. */
struct rig {
    struct rn_test_turn sender;
    struct rn_test_turn receiver;
    struct rn_handover *ring;
};

static void rig_init(struct rig *rig)
{
    rn_test_turn_init(&rig->sender);
    rn_test_turn_init(&rig->receiver);
    rig->ring = rn_alloc_new(&rig->sender.alloc.alloc, sizeof(*rig->ring));
}

static void rig_fini(struct rig *rig)
{
    rn_handover_fini(rig->ring);
    rn_alloc_free(&rig->sender.alloc.alloc, rig->ring, sizeof(*rig->ring));
    rn_test_turn_fini(&rig->sender);
    rn_test_turn_fini(&rig->receiver);
}

static size_t pkts_out(const struct rn_test_turn *t)
{
    struct rn_pool_stats stats;

    rn_pool_get_stats(t->pool, &stats);
    return stats.pkts_in_use;
}

static bool send_number(struct rig *rig, uint32_t number)
{
    struct rn_pkt *pkt = rn_pkt_from_bytes(rig->sender.pool, &number, sizeof(number));

    assert_non_null(pkt);
    if (rn_handover_send(rig->ring, pkt))
        return true;
    rn_pkt_free(pkt);
    return false;
}

static uint32_t number_of(struct rn_pkt *pkt)
{
    uint32_t number;

    assert_int_equal(pkt->len, sizeof(number));
    rn_pkt_copy_out(pkt, 0, &number, sizeof(number));
    rn_pkt_free(pkt);
    return number;
}

static void test_a_super_packet_arrives_with_all_that_a_device_said_of_it(void **state)
{
    static uint8_t sent_bytes[65536];
    static uint8_t got_bytes[65536];
    struct rn_pkt *got = NULL;
    struct rn_pkt *sent;
    struct rig rig;

    (void)state;
    rig_init(&rig);
    sent = rn_test_tcp4(rig.sender.pool, 60000, 1460);
    sent->flags = RN_PKT_GSO_ECN | RN_PKT_LENT;
    sent->queue = 3;
    rn_pkt_copy_out(sent, 0, sent_bytes, sent->len);
    assert_true(rn_handover_send(rig.ring, sent));

    assert_int_equal(rn_handover_take(rig.ring, rig.receiver.pool, &got), 1);

    assert_int_equal(got->len, 60040);
    rn_pkt_copy_out(got, 0, got_bytes, got->len);
    assert_memory_equal(got_bytes, sent_bytes, got->len);
    assert_int_equal(got->csum, RN_CSUM_PARTIAL);
    assert_int_equal(got->csum_start, 20);
    assert_int_equal(got->csum_offset, RN_TCP_CHECKSUM_AT);
    assert_int_equal(got->gso, RN_GSO_TCP4);
    assert_int_equal(got->gso_size, 1460);
    assert_int_equal(got->gso_hdr, 40);
    assert_int_equal(got->flags, RN_PKT_GSO_ECN); /* LENT is about the sender's slabs */
    assert_int_equal(got->queue, 3);
    assert_true(rn_pkt_front(got).len >= RN_PKT_PULLUP_BYTES);
    assert_ptr_equal(got->pool, rig.receiver.pool);
    rn_pkt_free(got);
    rig_fini(&rig);
}

static void test_a_packet_stays_the_senders_until_it_looks_again(void **state)
{
    struct rn_pkt *got = NULL;
    struct rig rig;

    (void)state;
    rig_init(&rig);
    assert_true(send_number(&rig, 1));
    rn_handover_reclaim(rig.ring);
    assert_int_equal(pkts_out(&rig.sender), 1); /* not copied yet */

    assert_int_equal(rn_handover_take(rig.ring, rig.receiver.pool, &got), 1);
    assert_int_equal(number_of(got), 1);
    assert_int_equal(pkts_out(&rig.sender), 1);
    rn_handover_reclaim(rig.ring);

    assert_int_equal(pkts_out(&rig.sender), 0);
    assert_int_equal(rn_handover_take(rig.ring, rig.receiver.pool, &got), 0);
    rig_fini(&rig);
}

static void test_a_full_ring_refuses_and_goes_on_in_order(void **state)
{
    struct rn_pkt *got = NULL;
    struct rig rig;
    uint32_t n = 0;

    (void)state;
    rig_init(&rig);
    while (send_number(&rig, n))
        n++;
    assert_int_equal(n, RN_HANDOVER_PKTS_MAX);

    assert_int_equal(rn_handover_take(rig.ring, rig.receiver.pool, &got), 1);
    assert_int_equal(number_of(got), 0);
    assert_true(send_number(&rig, n));

    for (uint32_t i = 1; i <= n; i++) {
        assert_int_equal(rn_handover_take(rig.ring, rig.receiver.pool, &got), 1);
        assert_int_equal(number_of(got), i);
    }
    rig_fini(&rig);
}

static void test_large_packets_fill_it_by_bytes(void **state)
{
    struct rig rig;
    unsigned n = 0;
    bool is_taken;

    (void)state;
    rig_init(&rig);
    do {
        struct rn_pkt *pkt = rn_test_tcp4(rig.sender.pool, 60000, 1460);

        is_taken = rn_handover_send(rig.ring, pkt);
        if (is_taken)
            n++;
        else
            rn_pkt_free(pkt);
    } while (is_taken);

    assert_in_range(n, RN_HANDOVER_BYTES_MAX / 65536, RN_HANDOVER_BYTES_MAX / 60000 + 1);
    rig_fini(&rig);
}

static void test_without_memory_one_packet_is_lost_and_the_next_is_not(void **state)
{
    struct rn_pkt *got = NULL;
    struct rig rig;

    (void)state;
    rig_init(&rig);
    assert_true(send_number(&rig, 1));
    assert_true(send_number(&rig, 2));
    rig.receiver.alloc.fail_at = 1;

    assert_int_equal(rn_handover_take(rig.ring, rig.receiver.pool, &got), RN_E_NOMEM);

    assert_int_equal(rn_handover_take(rig.ring, rig.receiver.pool, &got), 1);
    assert_int_equal(number_of(got), 2);
    rig_fini(&rig);
}

#define SERIES 200000u

static void *send_series(void *arg)
{
    struct rig *rig = arg;

    for (uint32_t i = 0; i < SERIES;) {
        if (send_number(rig, i))
            i++;
        else
            sched_yield();
    }
    return NULL;
}

static void test_a_series_crosses_threads_whole_and_in_order(void **state)
{
    struct rn_pkt *got = NULL;
    pthread_t thread;
    struct rig rig;

    (void)state;
    rig_init(&rig);
    assert_int_equal(pthread_create(&thread, NULL, send_series, &rig), 0);

    for (uint32_t i = 0; i < SERIES;) {
        if (rn_handover_take(rig.ring, rig.receiver.pool, &got) == 1)
            assert_int_equal(number_of(got), i++);
        else
            sched_yield();
    }

    pthread_join(thread, NULL);
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_super_packet_arrives_with_all_that_a_device_said_of_it),
        cmocka_unit_test(test_a_packet_stays_the_senders_until_it_looks_again),
        cmocka_unit_test(test_a_full_ring_refuses_and_goes_on_in_order),
        cmocka_unit_test(test_large_packets_fill_it_by_bytes),
        cmocka_unit_test(test_without_memory_one_packet_is_lost_and_the_next_is_not),
        cmocka_unit_test(test_a_series_crosses_threads_whole_and_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
