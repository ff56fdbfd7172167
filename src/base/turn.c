#include "base/turn.h"

void rn_turn_init(struct rn_turn *turn, struct rn_pool *pool, const uint8_t seed[16],
                  int64_t now_ns)
{
    *turn = (struct rn_turn){ .now_ns = now_ns, .pool = pool };
    rn_wheel_init(&turn->wheel, now_ns);
    for (unsigned phase = 0; phase < RN_PHASE_COUNT; phase++)
        rn_list_init(&turn->tasks[phase]);
    rn_rand_init(&turn->rand, seed);
}

/* Of the phases before @end. */
static bool has_tasks(const struct rn_turn *turn, enum rn_phase end)
{
    for (unsigned phase = 0; phase < (unsigned)end; phase++) {
        if (!rn_list_is_empty(&turn->tasks[phase]))
            return true;
    }
    return false;
}

void rn_turn_fini(struct rn_turn *turn)
{
    rn_assert(!turn->is_open);
    rn_assert(turn->wheel.n_armed == 0);
    rn_assert(!has_tasks(turn, RN_PHASE_COUNT));
}

void rn_turn_begin(struct rn_turn *turn, int64_t now_ns)
{
    rn_assert(!turn->is_open);
    turn->now_ns = rn_max_i64(turn->now_ns, now_ns);
    turn->is_open = true;
    turn->n_turns++;
}

/* What a task schedules for its own phase waits for the next round: the list is taken off first. */
static void run_phase(struct rn_turn *turn, enum rn_phase phase)
{
    struct rn_list running;
    struct rn_list *node;

    if (rn_list_is_empty(&turn->tasks[phase]))
        return;
    rn_list_init(&running);
    rn_list_splice_back(&running, &turn->tasks[phase]);
    while ((node = rn_list_pop_front(&running)) != NULL) {
        struct rn_task *task = rn_list_entry(node, struct rn_task, link);

        task->run(task);
    }
}

static void run_round(struct rn_turn *turn)
{
    (void)rn_wheel_advance(&turn->wheel, turn->now_ns);
    for (unsigned phase = 0; phase < RN_PHASE_REFILL; phase++)
        run_phase(turn, (enum rn_phase)phase);
}

/* false: nobody is there to be asked. */
static bool refill_one(struct rn_turn *turn)
{
    struct rn_list *node = rn_list_pop_front(&turn->tasks[RN_PHASE_REFILL]);
    struct rn_task *task;

    if (node == NULL)
        return false;
    task = rn_list_entry(node, struct rn_task, link);
    task->run(task);
    return true;
}

void rn_turn_end(struct rn_turn *turn)
{
    uint64_t enough = turn->moved_bytes + RN_TURN_REFILL_BYTES;
    bool has_asked = false;

    rn_assert(turn->is_open);
    for (unsigned round = 0; round < RN_TURN_ROUNDS_MAX; round++) {
        run_round(turn);
        if (has_tasks(turn, RN_PHASE_REFILL))
            continue;
        if (has_asked && turn->moved_bytes >= enough)
            break;
        if (refill_one(turn))
            has_asked = true;
        else if (rn_wheel_deadline_ns(&turn->wheel) > turn->now_ns)
            break;
    }
    if (!has_asked) /* however busy the others are */
        (void)refill_one(turn);
    turn->is_open = false;
}

int64_t rn_turn_deadline_ns(const struct rn_turn *turn)
{
    if (has_tasks(turn, RN_PHASE_COUNT))
        return turn->now_ns;
    return rn_wheel_deadline_ns(&turn->wheel);
}

void rn_turn_schedule(struct rn_turn *turn, enum rn_phase phase, struct rn_task *task)
{
    if (rn_list_is_linked(&task->link))
        return;
    rn_list_push_back(&turn->tasks[phase], &task->link);
    if (!turn->is_open && turn->on_pending != NULL)
        turn->on_pending(turn->on_pending_arg);
}

void rn_turn_unschedule(struct rn_task *task)
{
    rn_list_remove(&task->link);
}
