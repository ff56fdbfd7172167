#include "io/busy_poll.h"

#include "fixture.h"

/* An exchange: each turn moves @bytes. Returns how many of @n turns looked. */
static unsigned looks(struct rn_busy_poll *bp, unsigned n, uint64_t bytes, bool has_found)
{
    uint64_t all = bp->bytes_seen;
    unsigned looked = 0;

    for (unsigned i = 0; i < n; i++) {
        all += bytes;
        if (!rn_busy_poll_pays(bp, all))
            continue;
        looked++;
        rn_busy_poll_learn(bp, has_found);
    }
    return looked;
}

static int start(void **state)
{
    static struct rn_busy_poll bp;

    bp = (struct rn_busy_poll){ 0 };
    rn_busy_poll_init(&bp, 50000);
    *state = &bp;
    return 0;
}

static void test_small_exchanges_are_looked_for(void **state)
{
    assert_int_equal(looks(*state, 1000, 200, true), 1000);
}

static void test_in_vain_it_gives_up_and_tries_now_and_then(void **state)
{
    struct rn_busy_poll *bp = *state;

    looks(bp, 100, 200, true); /* however much it found before */
    assert_in_range(looks(bp, 640, 200, false), 9, 20);
    assert_in_range(looks(bp, 164, 200, true), 100, 164); /* a try that found something */
}

static void test_half_in_vain_is_too_much(void **state)
{
    struct rn_busy_poll *bp = *state;
    unsigned looked = 0;

    for (unsigned i = 0; i < 500; i++)
        looked += looks(bp, 1, 200, true) + looks(bp, 1, 200, false);
    assert_in_range(looked, 1, 100);
}

static void test_one_of_ten_in_vain_is_not(void **state)
{
    struct rn_busy_poll *bp = *state;
    unsigned looked = 0;

    for (unsigned i = 0; i < 100; i++)
        looked += looks(bp, 9, 200, true) + looks(bp, 1, 200, false);
    assert_int_equal(looked, 1000);
}

static void test_a_transfer_is_not_looked_for(void **state)
{
    struct rn_busy_poll *bp = *state;
    unsigned looked = 0;

    assert_int_equal(looks(bp, 1000, 64000, true), 0);
    /* Nor where every other turn is an acknowledgement's. */
    for (unsigned i = 0; i < 500; i++)
        looked += looks(bp, 1, 64000, true) + looks(bp, 1, 52, true);
    assert_int_equal(looked, 0);
    /* After it an exchange is recognised within a few turns. */
    assert_in_range(looks(bp, 100, 200, true), 60, 99);
}

static void test_turns_without_packets_do_not_count(void **state)
{
    struct rn_busy_poll *bp = *state;

    assert_int_equal(looks(bp, 100, 0, true), 0);
    assert_int_equal(looks(bp, 4, 200, true), 4);
}

static void test_never_is_never(void **state)
{
    struct rn_busy_poll *bp = *state;

    rn_busy_poll_init(bp, 0);
    assert_int_equal(looks(bp, 1000, 200, true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_small_exchanges_are_looked_for, start),
        cmocka_unit_test_setup(test_in_vain_it_gives_up_and_tries_now_and_then, start),
        cmocka_unit_test_setup(test_half_in_vain_is_too_much, start),
        cmocka_unit_test_setup(test_one_of_ten_in_vain_is_not, start),
        cmocka_unit_test_setup(test_a_transfer_is_not_looked_for, start),
        cmocka_unit_test_setup(test_turns_without_packets_do_not_count, start),
        cmocka_unit_test_setup(test_never_is_never, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
