#include "io/idle.h"

#include "fixture.h"

#define CHAT     200u
#define TRANSFER 64000u

/* Of @n turns that move @bytes each, @received of them in: how many idled so? Each then finds something, or does not. */
static unsigned count_of(struct rn_idle *idle, enum rn_idle_how how, unsigned n, uint64_t bytes,
                         uint64_t received, bool has_found)
{
    uint64_t all = idle->look.bytes_seen;
    uint64_t in = idle->nap.bytes_seen;
    unsigned count = 0;

    for (unsigned i = 0; i < n; i++) {
        enum rn_idle_how chosen;

        all += bytes;
        in += received;
        chosen = rn_idle_choose(idle, all, in);
        if (chosen == RN_IDLE_LOOK)
            rn_idle_learn(&idle->look, has_found);
        else if (chosen == RN_IDLE_NAP)
            rn_idle_learn(&idle->nap, has_found);
        count += chosen == how;
    }
    return count;
}

static unsigned looks(struct rn_idle *idle, unsigned n, uint64_t bytes, bool has_found)
{
    return count_of(idle, RN_IDLE_LOOK, n, bytes, bytes / 2, has_found);
}

static unsigned naps(struct rn_idle *idle, unsigned n, uint64_t received, bool has_found)
{
    return count_of(idle, RN_IDLE_NAP, n, received + received / 100, received, has_found);
}

static int start(void **state)
{
    static struct rn_idle idle;

    idle = (struct rn_idle){ 0 };
    rn_idle_set(&idle.look, 50000);
    rn_idle_set(&idle.nap, 20000);
    *state = &idle;
    return 0;
}

static void test_small_exchanges_are_looked_for(void **state)
{
    assert_int_equal(looks(*state, 1000, CHAT, true), 1000);
    assert_int_equal(naps(*state, 1000, CHAT, true), 0);
}

static void test_in_vain_it_gives_up_and_tries_now_and_then(void **state)
{
    struct rn_idle *idle = *state;

    looks(idle, 100, CHAT, true); /* however much it found before */
    assert_in_range(looks(idle, 640, CHAT, false), 9, 20);
    assert_in_range(looks(idle, 164, CHAT, true), 100, 164); /* a try that found something */
}

static void test_half_in_vain_is_too_much(void **state)
{
    struct rn_idle *idle = *state;
    unsigned looked = 0;

    for (unsigned i = 0; i < 500; i++)
        looked += looks(idle, 1, CHAT, true) + looks(idle, 1, CHAT, false);
    assert_in_range(looked, 1, 100);
}

static void test_one_of_ten_in_vain_is_not(void **state)
{
    struct rn_idle *idle = *state;
    unsigned looked = 0;

    for (unsigned i = 0; i < 100; i++)
        looked += looks(idle, 9, CHAT, true) + looks(idle, 1, CHAT, false);
    assert_int_equal(looked, 1000);
}

static void test_a_transfer_is_not_looked_for(void **state)
{
    struct rn_idle *idle = *state;
    unsigned looked = 0;

    assert_int_equal(looks(idle, 1000, TRANSFER, true), 0);
    /* Nor where every other turn is an acknowledgement's. */
    for (unsigned i = 0; i < 500; i++)
        looked += looks(idle, 1, TRANSFER, true) + looks(idle, 1, 52, true);
    assert_int_equal(looked, 0);
    /* After it an exchange is recognised within a few turns. */
    assert_in_range(looks(idle, 100, CHAT, true), 60, 99);
}

static void test_a_transfer_that_comes_in_naps(void **state)
{
    struct rn_idle *idle = *state;

    assert_in_range(naps(idle, 1000, TRANSFER, true), 990, 999); /* it is known after some turns */
    assert_int_equal(looks(idle, 10, CHAT, true), 0);
    assert_in_range(looks(idle, 100, CHAT, true), 60, 100);
    assert_int_equal(naps(idle, 1, TRANSFER, true), 0);
}

static void test_a_transfer_that_goes_out_does_not(void **state)
{
    assert_int_equal(count_of(*state, RN_IDLE_NAP, 1000, TRANSFER, 52, true), 0);
    assert_int_equal(count_of(*state, RN_IDLE_LOOK, 1000, TRANSFER, 52, true), 0);
}

static void test_naps_in_vain_end_and_are_tried_now_and_then(void **state)
{
    struct rn_idle *idle = *state;

    naps(idle, 100, TRANSFER, true);
    assert_in_range(naps(idle, 640, TRANSFER, false), 9, 20);
    assert_in_range(naps(idle, 164, TRANSFER, true), 100, 164);
}

static void test_turns_without_packets_do_not_count(void **state)
{
    struct rn_idle *idle = *state;

    assert_int_equal(looks(idle, 100, 0, true), 0);
    assert_int_equal(looks(idle, 4, CHAT, true), 4);
    naps(idle, 100, TRANSFER, true);
    assert_int_equal(naps(idle, 100, 0, true), 0);
    assert_int_equal(naps(idle, 4, TRANSFER, true), 4);
}

static void test_never_is_never(void **state)
{
    struct rn_idle *idle = *state;

    rn_idle_set(&idle->look, 0);
    rn_idle_set(&idle->nap, 0);
    assert_int_equal(looks(idle, 1000, CHAT, true), 0);
    assert_int_equal(naps(idle, 1000, TRANSFER, true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_small_exchanges_are_looked_for, start),
        cmocka_unit_test_setup(test_in_vain_it_gives_up_and_tries_now_and_then, start),
        cmocka_unit_test_setup(test_half_in_vain_is_too_much, start),
        cmocka_unit_test_setup(test_one_of_ten_in_vain_is_not, start),
        cmocka_unit_test_setup(test_a_transfer_is_not_looked_for, start),
        cmocka_unit_test_setup(test_a_transfer_that_comes_in_naps, start),
        cmocka_unit_test_setup(test_a_transfer_that_goes_out_does_not, start),
        cmocka_unit_test_setup(test_naps_in_vain_end_and_are_tried_now_and_then, start),
        cmocka_unit_test_setup(test_turns_without_packets_do_not_count, start),
        cmocka_unit_test_setup(test_never_is_never, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
