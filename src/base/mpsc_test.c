#include "base/bytes.h"
#include "base/mpsc.h"
#include "test_alloc.h"

#include <pthread.h>
#include <sched.h>

#define PRODUCERS 4u
#define LETTERS   20000u

struct letter {
    struct rn_mpsc_node node;
    unsigned from;
    unsigned serial;
};

struct producer {
    pthread_t thread;
    struct rn_mpsc *q;
    struct letter *letters;
    _Atomic unsigned *n_wakeups;
};

static struct letter *pop(struct rn_mpsc *q)
{
    struct rn_mpsc_node *node = rn_mpsc_pop(q);

    return node != NULL ? rn_container_of(node, struct letter, node) : NULL;
}

static void test_letters_arrive_in_order_and_only_the_first_wakes(void **state)
{
    struct rn_mpsc q;
    struct letter letters[5] = { 0 };

    (void)state;
    rn_mpsc_init(&q);
    assert_null(rn_mpsc_pop(&q));

    assert_true(rn_mpsc_push(&q, &letters[0].node));
    assert_false(rn_mpsc_push(&q, &letters[1].node));
    assert_false(rn_mpsc_push(&q, &letters[2].node));
    assert_ptr_equal(pop(&q), &letters[0]);
    assert_true(rn_mpsc_push(&q, &letters[3].node)); /* the consumer took all of before */
    assert_false(rn_mpsc_push(&q, &letters[4].node));

    for (unsigned i = 1; i < 5; i++)
        assert_ptr_equal(pop(&q), &letters[i]);
    assert_null(rn_mpsc_pop(&q));
    assert_true(rn_mpsc_push(&q, &letters[0].node));
}

static void *produce(void *arg)
{
    struct producer *p = arg;

    for (unsigned i = 0; i < LETTERS; i++) {
        if (rn_mpsc_push(p->q, &p->letters[i].node))
            atomic_fetch_add(p->n_wakeups, 1);
    }
    return NULL;
}

/* The consumer looks only when woken, as a loop on an eventfd does: a lost wake-up would leave letters behind. */
static unsigned consume(struct rn_mpsc *q, _Atomic unsigned *n_wakeups, unsigned *next_serial)
{
    unsigned n = 0;
    struct letter *l;

    if (atomic_exchange(n_wakeups, 0) == 0) {
        (void)sched_yield();
        return 0;
    }
    while ((l = pop(q)) != NULL) {
        assert_int_equal(l->serial, next_serial[l->from]);
        next_serial[l->from]++;
        n++;
    }
    return n;
}

static void test_no_letter_and_no_wakeup_is_lost_between_threads(void **state)
{
    struct rn_mpsc q;
    struct producer producers[PRODUCERS];
    _Atomic unsigned n_wakeups = 0;
    unsigned next_serial[PRODUCERS] = { 0 };
    unsigned n = 0;

    (void)state;
    rn_mpsc_init(&q);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        struct producer *p = &producers[i];

        *p = (struct producer){ .q = &q, .n_wakeups = &n_wakeups };
        p->letters = calloc(LETTERS, sizeof(*p->letters));
        assert_non_null(p->letters);
        for (unsigned j = 0; j < LETTERS; j++)
            p->letters[j] = (struct letter){ .from = i, .serial = j };
        assert_int_equal(pthread_create(&p->thread, NULL, produce, p), 0);
    }

    while (n < PRODUCERS * LETTERS)
        n += consume(&q, &n_wakeups, next_serial);

    for (unsigned i = 0; i < PRODUCERS; i++) {
        assert_int_equal(pthread_join(producers[i].thread, NULL), 0);
        assert_int_equal(next_serial[i], LETTERS);
        free(producers[i].letters);
    }
    assert_null(rn_mpsc_pop(&q));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_letters_arrive_in_order_and_only_the_first_wakes),
        cmocka_unit_test(test_no_letter_and_no_wakeup_is_lost_between_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
