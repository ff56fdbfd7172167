#include "base/rand.h"
#include "base/wheel.h"
#include "test_alloc.h"

#define TICK_NS   ((int64_t)1 << RN_WHEEL_TICK_SHIFT)
#define MODEL_MAX 200u

struct shot {
    struct rn_timer timer;
    struct rn_wheel *wheel;
    struct shot *victim; /* cancelled when this one fires */
    int64_t rearm_ns;    /* re-armed there when it fires; 0: not */
    unsigned n_fired;
    unsigned order; /* how many had fired before it */
    unsigned *n_total;
};

static void on_fire(struct rn_timer *timer)
{
    struct shot *s = rn_container_of(timer, struct shot, timer);

    assert_false(rn_timer_is_armed(timer));
    s->n_fired++;
    if (s->n_total != NULL)
        s->order = (*s->n_total)++;
    if (s->victim != NULL)
        rn_wheel_cancel(s->wheel, &s->victim->timer);
    if (s->rearm_ns != 0)
        rn_wheel_arm(s->wheel, timer, s->rearm_ns);
}

static struct shot shot_of(struct rn_wheel *wheel)
{
    return (struct shot){ .timer = { .fire = on_fire }, .wheel = wheel };
}

static void test_a_timer_is_never_early_and_at_most_a_tick_late(void **state)
{
    static const int64_t deadlines[] = { 1,
                                         TICK_NS - 1,
                                         TICK_NS,
                                         TICK_NS + 1,
                                         64 * TICK_NS,
                                         64 * TICK_NS + 1,
                                         4095 * TICK_NS,
                                         4096 * TICK_NS,
                                         200 * RN_NS_PER_MS,
                                         75 * RN_NS_PER_S,
                                         7200 * RN_NS_PER_S };
    struct rn_wheel wheel;

    (void)state;
    for (size_t i = 0; i < RN_ARRAY_LEN(deadlines); i++) {
        struct shot s;
        int64_t rounded = (deadlines[i] + TICK_NS - 1) / TICK_NS * TICK_NS;

        rn_wheel_init(&wheel, 0);
        s = shot_of(&wheel);
        rn_wheel_arm(&wheel, &s.timer, deadlines[i]);
        (void)rn_wheel_advance(&wheel, deadlines[i] - 1);
        assert_int_equal(s.n_fired, 0);
        (void)rn_wheel_advance(&wheel, rounded - 1);
        assert_int_equal(s.n_fired, 0);
        assert_int_equal(rn_wheel_advance(&wheel, rounded), 1);
        assert_int_equal(s.n_fired, 1);
        assert_false(rn_timer_is_armed(&s.timer));
    }
}

static void test_a_past_deadline_fires_at_the_next_advance(void **state)
{
    struct rn_wheel wheel;
    struct shot s;

    (void)state;
    rn_wheel_init(&wheel, 5 * RN_NS_PER_S);
    s = shot_of(&wheel);

    rn_wheel_arm(&wheel, &s.timer, -1);

    assert_true(rn_wheel_deadline_ns(&wheel) <= 5 * RN_NS_PER_S);
    assert_int_equal(rn_wheel_advance(&wheel, 5 * RN_NS_PER_S), 1);
    assert_int_equal(rn_wheel_deadline_ns(&wheel), INT64_MAX);
}

static void test_a_timer_rearmed_for_the_past_does_not_hold_the_advance(void **state)
{
    struct rn_wheel wheel;
    struct shot s;

    (void)state;
    rn_wheel_init(&wheel, RN_NS_PER_S);
    s = shot_of(&wheel);
    s.rearm_ns = 1;
    rn_wheel_arm(&wheel, &s.timer, 1);

    assert_int_equal(rn_wheel_advance(&wheel, RN_NS_PER_S), 1);

    assert_true(rn_timer_is_armed(&s.timer));
    rn_wheel_cancel(&wheel, &s.timer);
    assert_int_equal(wheel.n_armed, 0);
}

static void test_a_timer_may_cancel_its_neighbour_of_the_same_tick(void **state)
{
    struct rn_wheel wheel;
    struct shot first;
    struct shot second;
    struct shot third;

    (void)state;
    rn_wheel_init(&wheel, 0);
    first = shot_of(&wheel);
    second = shot_of(&wheel);
    third = shot_of(&wheel);
    first.victim = &second;
    rn_wheel_arm(&wheel, &first.timer, TICK_NS);
    rn_wheel_arm(&wheel, &second.timer, TICK_NS);
    rn_wheel_arm(&wheel, &third.timer, TICK_NS);

    assert_int_equal(rn_wheel_advance(&wheel, TICK_NS), 2);

    assert_int_equal(second.n_fired, 0);
    assert_int_equal(third.n_fired, 1);
    assert_int_equal(wheel.n_armed, 0);
    assert_int_equal(rn_wheel_deadline_ns(&wheel), INT64_MAX);
}

static void test_a_timer_may_cancel_the_last_one_of_a_later_tick(void **state)
{
    struct rn_wheel wheel;
    struct shot first;
    struct shot second;

    (void)state;
    rn_wheel_init(&wheel, 0);
    first = shot_of(&wheel);
    second = shot_of(&wheel);
    first.victim = &second;
    rn_wheel_arm(&wheel, &first.timer, TICK_NS);
    rn_wheel_arm(&wheel, &second.timer, 2 * TICK_NS);

    assert_int_equal(rn_wheel_advance(&wheel, 100 * TICK_NS), 1);
    assert_int_equal(rn_wheel_deadline_ns(&wheel), INT64_MAX);
}

static void free_shot(struct rn_timer *timer)
{
    free(rn_container_of(timer, struct shot, timer));
}

static void test_a_timer_may_free_itself(void **state)
{
    struct rn_wheel wheel;
    struct shot *s = calloc(1, sizeof(*s));

    (void)state;
    assert_non_null(s);
    rn_wheel_init(&wheel, 0);
    s->timer.fire = free_shot;
    rn_wheel_arm(&wheel, &s->timer, 10);
    assert_int_equal(rn_wheel_advance(&wheel, RN_NS_PER_S), 1);
}

static void test_the_farthest_deadline_is_kept_and_not_fired(void **state)
{
    struct rn_wheel wheel;
    struct shot s;

    (void)state;
    rn_wheel_init(&wheel, 0);
    s = shot_of(&wheel);
    rn_wheel_arm(&wheel, &s.timer, INT64_MAX);

    assert_int_equal(rn_wheel_advance(&wheel, INT64_MAX / 2), 0);
    assert_int_equal(rn_wheel_advance(&wheel, INT64_MAX), 0);
    assert_true(rn_timer_is_armed(&s.timer));
    rn_wheel_cancel(&wheel, &s.timer);
    assert_int_equal(rn_wheel_deadline_ns(&wheel), INT64_MAX);
}

static void test_timers_fire_in_the_order_of_their_ticks(void **state)
{
    struct rn_wheel wheel;
    struct shot shots[MODEL_MAX];
    struct rn_rand rand;
    unsigned n_total = 0;

    (void)state;
    rn_rand_init_u64(&rand, 3);
    rn_wheel_init(&wheel, 0);
    for (unsigned i = 0; i < MODEL_MAX; i++) {
        shots[i] = shot_of(&wheel);
        shots[i].n_total = &n_total;
        rn_wheel_arm(&wheel, &shots[i].timer,
                     (int64_t)rn_rand_below(&rand, (uint64_t)1 << (20 + i % 20)));
    }

    assert_int_equal(rn_wheel_advance(&wheel, (int64_t)1 << 50), MODEL_MAX);

    for (unsigned i = 0; i < MODEL_MAX; i++) {
        for (unsigned j = 0; j < MODEL_MAX; j++) {
            if (shots[i].timer.deadline_ns + TICK_NS <= shots[j].timer.deadline_ns)
                assert_true(shots[i].order < shots[j].order);
        }
    }
}

struct model {
    struct rn_wheel wheel;
    struct shot shots[MODEL_MAX];
    bool is_armed[MODEL_MAX];
    int64_t due_ns[MODEL_MAX]; /* rounded up to a tick */
    int64_t now_ns;
};

static void model_arm(struct model *m, unsigned i, int64_t deadline_ns)
{
    rn_wheel_arm(&m->wheel, &m->shots[i].timer, deadline_ns);
    m->is_armed[i] = true;
    m->due_ns[i] = (deadline_ns + TICK_NS - 1) / TICK_NS * TICK_NS;
}

static void model_check_deadline(const struct model *m)
{
    int64_t earliest = INT64_MAX;
    int64_t deadline = rn_wheel_deadline_ns(&m->wheel);

    for (unsigned i = 0; i < MODEL_MAX; i++) {
        if (m->is_armed[i])
            earliest = rn_min_i64(earliest, m->due_ns[i]);
    }
    assert_true(deadline <= earliest);
    assert_int_equal(deadline == INT64_MAX, earliest == INT64_MAX);
}

static void model_advance(struct model *m, int64_t now_ns)
{
    size_t n_due = 0;
    int64_t reached = now_ns / TICK_NS * TICK_NS;

    for (unsigned i = 0; i < MODEL_MAX; i++)
        m->shots[i].n_fired = 0;
    for (unsigned i = 0; i < MODEL_MAX; i++)
        n_due += m->is_armed[i] && m->due_ns[i] <= reached;
    assert_int_equal(rn_wheel_advance(&m->wheel, now_ns), n_due);
    for (unsigned i = 0; i < MODEL_MAX; i++) {
        bool is_due = m->is_armed[i] && m->due_ns[i] <= reached;

        assert_int_equal(m->shots[i].n_fired, is_due);
        if (is_due)
            m->is_armed[i] = false;
        assert_int_equal(rn_timer_is_armed(&m->shots[i].timer), m->is_armed[i]);
    }
    m->now_ns = now_ns;
}

static void model_step(struct model *m, struct rn_rand *rand)
{
    unsigned i = (unsigned)rn_rand_below(rand, MODEL_MAX);
    uint64_t reach = (uint64_t)1 << rn_rand_below(rand, 45);

    switch (rn_rand_below(rand, 8)) {
    case 0:
        rn_wheel_cancel(&m->wheel, &m->shots[i].timer);
        m->is_armed[i] = false;
        break;
    case 1:
        model_advance(m, m->now_ns + (int64_t)rn_rand_below(rand, reach));
        break;
    case 2: /* as a loop does: exactly to the deadline */
        if (rn_wheel_deadline_ns(&m->wheel) != INT64_MAX)
            model_advance(m, rn_max_i64(m->now_ns, rn_wheel_deadline_ns(&m->wheel)));
        break;
    default:
        model_arm(m, i, m->now_ns + (int64_t)rn_rand_below(rand, reach));
        break;
    }
}

static void test_random_use_agrees_with_a_plain_list(void **state)
{
    static struct model m;
    struct rn_rand rand;

    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        rn_rand_init_u64(&rand, seed);
        m = (struct model){ .now_ns = (int64_t)rn_rand_below(&rand, (uint64_t)1 << (3 * seed)) };
        rn_wheel_init(&m.wheel, m.now_ns);
        for (unsigned i = 0; i < MODEL_MAX; i++)
            m.shots[i] = shot_of(&m.wheel);
        for (unsigned step = 0; step < 2000; step++) {
            model_step(&m, &rand);
            model_check_deadline(&m);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_timer_is_never_early_and_at_most_a_tick_late),
        cmocka_unit_test(test_a_past_deadline_fires_at_the_next_advance),
        cmocka_unit_test(test_a_timer_rearmed_for_the_past_does_not_hold_the_advance),
        cmocka_unit_test(test_a_timer_may_cancel_its_neighbour_of_the_same_tick),
        cmocka_unit_test(test_a_timer_may_cancel_the_last_one_of_a_later_tick),
        cmocka_unit_test(test_a_timer_may_free_itself),
        cmocka_unit_test(test_the_farthest_deadline_is_kept_and_not_fired),
        cmocka_unit_test(test_timers_fire_in_the_order_of_their_ticks),
        cmocka_unit_test(test_random_use_agrees_with_a_plain_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
