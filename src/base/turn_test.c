#include "fixture.h"

struct job {
    struct rn_task task;
    struct rn_test_turn *t;
    enum rn_phase next_phase; /* scheduled by the job while it runs */
    struct job *next;         /* NULL: nothing */
    struct job *victim;       /* unscheduled by the job while it runs */
    uint64_t moves;           /* bytes, by a device */
    unsigned n_runs;
    char name;
    char *log;
};

static void on_run(struct rn_task *task)
{
    struct job *j = rn_container_of(task, struct job, task);

    assert_true(j->t->turn.is_open);
    j->n_runs++;
    j->t->turn.moved_bytes += j->moves;
    if (j->log != NULL)
        strncat(j->log, &j->name, 1);
    if (j->next != NULL)
        rn_turn_schedule(&j->t->turn, j->next_phase, &j->next->task);
    if (j->victim != NULL)
        rn_turn_unschedule(&j->victim->task);
}

static struct job job_of(struct rn_test_turn *t, char name, char *log)
{
    return (struct job){ .task = { .run = on_run }, .t = t, .name = name, .log = log };
}

static void test_phases_run_in_order_whatever_the_order_of_scheduling(void **state)
{
    struct rn_test_turn t;
    char log[16] = "";
    struct job event = job_of(&t, 'e', log);
    struct job catch_up = job_of(&t, 'c', log);
    struct job output = job_of(&t, 'o', log);
    struct job deliver = job_of(&t, 'd', log);

    (void)state;
    rn_test_turn_init(&t);
    rn_turn_schedule(&t.turn, RN_PHASE_DELIVER, &deliver.task);
    rn_turn_schedule(&t.turn, RN_PHASE_CATCH_UP, &catch_up.task);
    rn_turn_schedule(&t.turn, RN_PHASE_OUTPUT, &output.task);
    rn_turn_schedule(&t.turn, RN_PHASE_EVENT, &event.task);
    rn_turn_schedule(&t.turn, RN_PHASE_EVENT, &event.task);

    rn_test_turn_at(&t, 0);

    assert_string_equal(log, "ecod");
    rn_test_turn_fini(&t);
}

static void test_what_a_phase_schedules_for_a_later_one_runs_in_the_same_round(void **state)
{
    struct rn_test_turn t;
    char log[16] = "";
    struct job event = job_of(&t, 'e', log);
    struct job output = job_of(&t, 'o', log);
    struct job again = job_of(&t, 'a', log);
    struct job deliver = job_of(&t, 'd', log);

    (void)state;
    rn_test_turn_init(&t);
    event.next = &output;
    event.next_phase = RN_PHASE_OUTPUT;
    output.next = &again; /* its list is over: next round */
    output.next_phase = RN_PHASE_EVENT;
    rn_turn_schedule(&t.turn, RN_PHASE_EVENT, &event.task);
    rn_turn_schedule(&t.turn, RN_PHASE_DELIVER, &deliver.task);

    rn_test_turn_at(&t, 0);

    assert_string_equal(log, "eoda");
    rn_test_turn_fini(&t);
}

static void test_rounds_are_bounded_and_the_rest_is_due_now(void **state)
{
    struct rn_test_turn t;
    struct job forever = job_of(&t, 'f', NULL);

    (void)state;
    rn_test_turn_init(&t);
    forever.next = &forever;
    forever.next_phase = RN_PHASE_EVENT;
    rn_turn_schedule(&t.turn, RN_PHASE_EVENT, &forever.task);

    rn_test_turn_at(&t, 7);

    assert_int_equal(forever.n_runs, RN_TURN_ROUNDS_MAX);
    assert_int_equal(rn_turn_deadline_ns(&t.turn), 7);
    rn_test_turn_at(&t, 7);
    assert_int_equal(forever.n_runs, 2 * RN_TURN_ROUNDS_MAX);
    rn_turn_unschedule(&forever.task);
    assert_int_equal(rn_turn_deadline_ns(&t.turn), INT64_MAX);
    rn_test_turn_fini(&t);
}

static void test_refills_run_one_by_one_when_nothing_else_is_left(void **state)
{
    struct rn_test_turn t;
    char log[16] = "";
    struct job first = job_of(&t, '1', log);
    struct job second = job_of(&t, '2', log);
    struct job output = job_of(&t, 'o', log);
    struct job deliver = job_of(&t, 'd', log);
    struct job event = job_of(&t, 'e', log);

    (void)state;
    rn_test_turn_init(&t);
    first.next = &output;
    first.next_phase = RN_PHASE_OUTPUT;
    output.next = &deliver;
    output.next_phase = RN_PHASE_DELIVER;
    deliver.next = &event;
    deliver.next_phase = RN_PHASE_EVENT;
    rn_turn_schedule(&t.turn, RN_PHASE_REFILL, &first.task);
    rn_turn_schedule(&t.turn, RN_PHASE_REFILL, &second.task);

    rn_test_turn_at(&t, 0);

    assert_string_equal(log, "1ode2");
    rn_test_turn_fini(&t);
}

static void test_one_refill_runs_in_each_turn_however_busy_it_is(void **state)
{
    struct rn_test_turn t;
    struct job forever = job_of(&t, 'f', NULL);
    struct job first = job_of(&t, '1', NULL);
    struct job second = job_of(&t, '2', NULL);

    (void)state;
    rn_test_turn_init(&t);
    forever.next = &forever;
    forever.next_phase = RN_PHASE_EVENT;
    rn_turn_schedule(&t.turn, RN_PHASE_EVENT, &forever.task);
    rn_turn_schedule(&t.turn, RN_PHASE_REFILL, &first.task);
    rn_turn_schedule(&t.turn, RN_PHASE_REFILL, &second.task);

    rn_test_turn_at(&t, 1);
    assert_int_equal(first.n_runs, 1);
    assert_int_equal(second.n_runs, 0);
    assert_int_equal(rn_turn_deadline_ns(&t.turn), 1);
    rn_test_turn_at(&t, 1);

    assert_int_equal(second.n_runs, 1);
    rn_turn_unschedule(&forever.task);
    rn_test_turn_fini(&t);
}

static void test_refills_end_for_the_turn_when_much_was_moved(void **state)
{
    struct rn_test_turn t;
    char log[16] = "";
    struct job first = job_of(&t, '1', log);
    struct job second = job_of(&t, '2', log);
    struct job third = job_of(&t, '3', log);
    (void)state;

    rn_test_turn_init(&t);
    first.moves = RN_TURN_REFILL_BYTES - 1;
    second.moves = 1;
    rn_turn_begin(&t.turn, 1000);
    rn_turn_schedule(&t.turn, RN_PHASE_REFILL, &first.task);
    rn_turn_schedule(&t.turn, RN_PHASE_REFILL, &second.task);
    rn_turn_schedule(&t.turn, RN_PHASE_REFILL, &third.task);
    rn_turn_end(&t.turn);
    assert_string_equal(log, "12");
    /* At once, after what came back was read. */
    assert_int_equal(rn_turn_deadline_ns(&t.turn), 1000);
    rn_turn_begin(&t.turn, 1000);
    rn_turn_end(&t.turn);
    assert_string_equal(log, "123");
    rn_test_turn_fini(&t);
}

static void test_a_task_may_unschedule_the_next_one_of_its_phase(void **state)
{
    struct rn_test_turn t;
    char log[16] = "";
    struct job a = job_of(&t, 'a', log);
    struct job b = job_of(&t, 'b', log);
    struct job c = job_of(&t, 'c', log);

    (void)state;
    rn_test_turn_init(&t);
    a.victim = &b;
    rn_turn_schedule(&t.turn, RN_PHASE_EVENT, &a.task);
    rn_turn_schedule(&t.turn, RN_PHASE_EVENT, &b.task);
    rn_turn_schedule(&t.turn, RN_PHASE_EVENT, &c.task);

    rn_test_turn_at(&t, 0);

    assert_string_equal(log, "ac");
    rn_test_turn_fini(&t);
}

static void free_job(struct rn_task *task)
{
    free(rn_container_of(task, struct job, task));
}

static void test_a_task_may_free_itself(void **state)
{
    struct rn_test_turn t;
    struct job *j = calloc(1, sizeof(*j));

    (void)state;
    assert_non_null(j);
    rn_test_turn_init(&t);
    j->task.run = free_job;
    rn_turn_schedule(&t.turn, RN_PHASE_DELIVER, &j->task);

    rn_test_turn_at(&t, 0);

    rn_test_turn_fini(&t);
}

struct alarm {
    struct rn_timer timer;
    struct job *job;
};

static void on_alarm(struct rn_timer *timer)
{
    struct alarm *a = rn_container_of(timer, struct alarm, timer);

    rn_turn_schedule(&a->job->t->turn, RN_PHASE_EVENT, &a->job->task);
}

static void test_what_a_timer_schedules_runs_in_the_same_turn(void **state)
{
    struct rn_test_turn t;
    struct job j = job_of(&t, 'j', NULL);
    struct alarm a = { .timer = { .fire = on_alarm }, .job = &j };

    (void)state;
    rn_test_turn_init(&t);
    rn_turn_arm(&t.turn, &a.timer, RN_NS_PER_MS);

    rn_test_turn_at(&t, RN_NS_PER_MS - 1);
    assert_int_equal(j.n_runs, 0);
    rn_test_turn_run(&t, RN_NS_PER_MS);

    assert_int_equal(j.n_runs, 1);
    rn_test_turn_fini(&t);
}

static void test_an_idle_turn_keeps_the_wheel_at_the_present(void **state)
{
    struct rn_test_turn t;
    struct job j = job_of(&t, 'j', NULL);
    struct alarm a = { .timer = { .fire = on_alarm }, .job = &j };

    (void)state;
    rn_test_turn_init(&t);
    rn_test_turn_at(&t, 3600 * RN_NS_PER_S);

    rn_turn_arm(&t.turn, &a.timer, 3600 * RN_NS_PER_S + RN_NS_PER_MS);

    assert_true(rn_turn_deadline_ns(&t.turn) > 3600 * RN_NS_PER_S);
    rn_turn_cancel(&t.turn, &a.timer);
    rn_test_turn_fini(&t);
}

static void test_time_never_runs_backwards(void **state)
{
    struct rn_test_turn t;

    (void)state;
    rn_test_turn_init(&t);
    rn_test_turn_at(&t, 100);
    rn_turn_begin(&t.turn, 50);
    assert_int_equal(t.turn.now_ns, 100);
    rn_turn_end(&t.turn);
    rn_test_turn_fini(&t);
}

static void count_wakeup(void *arg)
{
    ++*(unsigned *)arg;
}

static void test_work_scheduled_outside_a_turn_wakes_the_loop(void **state)
{
    struct rn_test_turn t;
    unsigned n_wakeups = 0;
    struct job j = job_of(&t, 'j', NULL);

    (void)state;
    rn_test_turn_init(&t);
    t.turn.on_pending = count_wakeup;
    t.turn.on_pending_arg = &n_wakeups;
    rn_turn_schedule(&t.turn, RN_PHASE_OUTPUT, &j.task);
    assert_int_equal(n_wakeups, 1);

    rn_turn_begin(&t.turn, 0);
    rn_turn_unschedule(&j.task);
    rn_turn_schedule(&t.turn, RN_PHASE_OUTPUT, &j.task);
    rn_turn_end(&t.turn);

    assert_int_equal(n_wakeups, 1);
    assert_int_equal(j.n_runs, 1);
    rn_test_turn_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_phases_run_in_order_whatever_the_order_of_scheduling),
        cmocka_unit_test(test_what_a_phase_schedules_for_a_later_one_runs_in_the_same_round),
        cmocka_unit_test(test_rounds_are_bounded_and_the_rest_is_due_now),
        cmocka_unit_test(test_refills_run_one_by_one_when_nothing_else_is_left),
        cmocka_unit_test(test_one_refill_runs_in_each_turn_however_busy_it_is),
        cmocka_unit_test(test_refills_end_for_the_turn_when_much_was_moved),
        cmocka_unit_test(test_a_task_may_unschedule_the_next_one_of_its_phase),
        cmocka_unit_test(test_a_task_may_free_itself),
        cmocka_unit_test(test_what_a_timer_schedules_runs_in_the_same_turn),
        cmocka_unit_test(test_an_idle_turn_keeps_the_wheel_at_the_present),
        cmocka_unit_test(test_time_never_runs_backwards),
        cmocka_unit_test(test_work_scheduled_outside_a_turn_wakes_the_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
