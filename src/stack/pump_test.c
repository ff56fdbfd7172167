#include "stack/pump.h"

#include "dev/pipe.h"
#include "packets.h"
#include "stack/stack.h"

#include <runnel/nic.h>

#define SEGMENT_BYTES 1000u
#define SEGMENTS      60u
#define SUPERS        10u

/* A stack at one end of a wire, the test at the other. */
struct wire {
    struct rn_test_turn t;
    struct rn_device *ends[2];
    struct rn_stack *stack;
    struct rn_nic *nic;
    struct rn_task reader; /* takes off what came, in every round */
    unsigned n_read;
    unsigned most_at_once;
};

static void read_all(struct rn_task *task)
{
    struct wire *w = rn_container_of(task, struct wire, reader);
    struct rn_pktq in = { 0 };
    int n = w->ends[1]->ops->read_batch(w->ends[1], &in, UINT32_MAX);

    if (n > 0) {
        w->n_read += (unsigned)n;
        w->most_at_once = rn_max_u32(w->most_at_once, (unsigned)n);
    }
    rn_pktq_free_all(&in);
    if (w->n_read < SUPERS * SEGMENTS)
        rn_turn_schedule(&w->t.turn, RN_PHASE_EVENT, &w->reader);
}

static void init(struct wire *w, bool has_offload)
{
    static const struct rn_protos no_protos = { 0 };
    struct rn_stack_opts stack = { .protos = &no_protos, .is_test = true };
    struct rn_pipe_opts pipe = { .has_offload = has_offload };

    *w = (struct wire){ .reader.run = read_all };
    rn_test_turn_init(&w->t);
    assert_int_equal(rn_pipe_new(w->ends, &w->t.turn, &pipe), 0);
    assert_int_equal(rn_stack_new(&w->stack, &w->t.turn, &stack), 0);
    assert_int_equal(rn_nic_new(&w->nic, w->stack, w->ends[0], NULL), 0);
    assert_int_equal(rn_nic_start(w->nic), 0);
}

static void fini(struct wire *w)
{
    w->stack = rn_stack_free(w->stack);
    rn_device_free(w->ends[0]);
    rn_device_free(w->ends[1]);
    rn_test_turn_fini(&w->t);
}

static void send_supers(struct wire *w)
{
    for (unsigned i = 0; i < SUPERS; i++)
        rn_nic_output(w->nic, NULL,
                      rn_test_tcp4(w->t.pool, SEGMENTS * SEGMENT_BYTES, SEGMENT_BYTES));
}

static void test_segments_leave_in_batches_that_whoever_reads_can_follow(void **state)
{
    struct wire w;

    (void)state;
    init(&w, false);
    send_supers(&w);
    rn_turn_schedule(&w.t.turn, RN_PHASE_EVENT, &w.reader);

    rn_test_turn_at(&w.t, 0);

    assert_int_equal(w.n_read, SUPERS * SEGMENTS);
    assert_in_range(w.most_at_once, RN_DEVICE_TURN_PKTS, RN_DEVICE_TURN_PKTS + SEGMENTS);
    fini(&w);
}

static void test_device_that_takes_super_packets_gets_many_at_once(void **state)
{
    struct wire w;

    (void)state;
    init(&w, true);
    send_supers(&w);

    rn_test_turn_at(&w.t, 0);
    read_all(&w.reader);

    assert_int_equal(w.n_read, SUPERS);
    rn_turn_unschedule(&w.reader);
    fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments_leave_in_batches_that_whoever_reads_can_follow),
        cmocka_unit_test(test_device_that_takes_super_packets_gets_many_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
