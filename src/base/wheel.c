#include "base/wheel.h"

/*
 * A timer lies at the level of the highest 6-bit digit in which its tick differs from the wheel's, in the slot that
 * digit names. So all of level n is due before any of level n + 1, slots of a level are due in order, and the earliest
 * slot is the lowest bit of the lowest occupied level.
 */
#define SLOTS     (1u << RN_WHEEL_SLOT_BITS)
#define SLOT_MASK (SLOTS - 1)

static uint64_t tick_at_or_after(int64_t ns)
{
    uint64_t rest = ((uint64_t)1 << RN_WHEEL_TICK_SHIFT) - 1;

    return ns <= 0 ? 0 : ((uint64_t)ns + rest) >> RN_WHEEL_TICK_SHIFT;
}

static uint64_t tick_at_or_before(int64_t ns)
{
    return ns <= 0 ? 0 : (uint64_t)ns >> RN_WHEEL_TICK_SHIFT;
}

static unsigned digit(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> (level * RN_WHEEL_SLOT_BITS)) & SLOT_MASK;
}

void rn_wheel_init(struct rn_wheel *wheel, int64_t now_ns)
{
    *wheel = (struct rn_wheel){ .tick = tick_at_or_before(now_ns) };
    for (unsigned level = 0; level < RN_WHEEL_LEVELS; level++) {
        for (unsigned slot = 0; slot < SLOTS; slot++)
            rn_list_init(&wheel->slots[level][slot]);
    }
    rn_list_init(&wheel->due);
}

static void place(struct rn_wheel *wheel, struct rn_timer *timer)
{
    uint64_t tick = tick_at_or_after(timer->deadline_ns);
    unsigned level;
    unsigned slot;

    if (tick <= wheel->tick) {
        rn_list_push_back(&wheel->due, &timer->link);
        return;
    }
    level = (63u - (unsigned)__builtin_clzll(tick ^ wheel->tick)) / RN_WHEEL_SLOT_BITS;
    slot = digit(tick, level);
    wheel->occupied[level] |= (uint64_t)1 << slot;
    rn_list_push_back(&wheel->slots[level][slot], &timer->link);
}

void rn_wheel_arm(struct rn_wheel *wheel, struct rn_timer *timer, int64_t deadline_ns)
{
    rn_wheel_cancel(wheel, timer);
    timer->deadline_ns = deadline_ns;
    wheel->n_armed++;
    place(wheel, timer);
}

/* @head may also be the due list, or the list of an advance that is under way. */
static void clear_occupied(struct rn_wheel *wheel, const struct rn_list *head)
{
    uintptr_t offset = (uintptr_t)head - (uintptr_t)wheel->slots;
    size_t index = offset / sizeof(struct rn_list);

    if (offset < sizeof(wheel->slots))
        wheel->occupied[index / SLOTS] &= ~((uint64_t)1 << index % SLOTS);
}

void rn_wheel_cancel(struct rn_wheel *wheel, struct rn_timer *timer)
{
    const struct rn_list *next = timer->link.next;

    if (next == NULL)
        return;
    if (next == timer->link.prev) /* alone: both neighbours are the head */
        clear_occupied(wheel, next);
    rn_list_remove(&timer->link);
    wheel->n_armed--;
}

struct slot_ref {
    unsigned level;
    unsigned slot;
    uint64_t tick; /* the first tick of the slot */
};

static bool earliest_slot(const struct rn_wheel *wheel, struct slot_ref *ret)
{
    for (unsigned level = 0; level < RN_WHEEL_LEVELS; level++) {
        unsigned shift = level * RN_WHEEL_SLOT_BITS;
        uint64_t frame = wheel->tick >> shift & ~(uint64_t)SLOT_MASK;

        if (wheel->occupied[level] == 0)
            continue;
        ret->level = level;
        ret->slot = (unsigned)__builtin_ctzll(wheel->occupied[level]);
        ret->tick = (frame | ret->slot) << shift;
        return true;
    }
    return false;
}

static void take_slot(struct rn_wheel *wheel, const struct slot_ref *ref, struct rn_list *to)
{
    rn_list_splice_back(to, &wheel->slots[ref->level][ref->slot]);
    wheel->occupied[ref->level] &= ~((uint64_t)1 << ref->slot);
}

/* Fired or cancelled, every timer leaves @firing by itself; a timer may cancel or free any other one in it. */
static size_t fire_all(struct rn_wheel *wheel, struct rn_list *firing)
{
    size_t n = 0;
    struct rn_list *node;

    while ((node = rn_list_pop_front(firing)) != NULL) {
        struct rn_timer *timer = rn_list_entry(node, struct rn_timer, link);

        wheel->n_armed--;
        n++;
        timer->fire(timer);
    }
    return n;
}

/* Spreads a slot whose time has come over the levels below; what is due at once goes to @firing. */
static void cascade(struct rn_wheel *wheel, const struct slot_ref *ref, struct rn_list *firing)
{
    struct rn_list moving;
    struct rn_list *node;

    rn_list_init(&moving);
    take_slot(wheel, ref, &moving);
    while ((node = rn_list_pop_front(&moving)) != NULL) {
        struct rn_timer *timer = rn_list_entry(node, struct rn_timer, link);

        if (tick_at_or_after(timer->deadline_ns) <= wheel->tick)
            rn_list_push_back(firing, &timer->link);
        else
            place(wheel, timer);
    }
}

size_t rn_wheel_advance(struct rn_wheel *wheel, int64_t now_ns)
{
    uint64_t target = tick_at_or_before(now_ns);
    struct rn_list firing;
    struct slot_ref ref;
    size_t n;

    rn_list_init(&firing);
    rn_list_splice_back(&firing, &wheel->due);
    n = fire_all(wheel, &firing);
    while (earliest_slot(wheel, &ref) && ref.tick <= target) {
        wheel->tick = ref.tick;
        if (ref.level == 0)
            take_slot(wheel, &ref, &firing);
        else
            cascade(wheel, &ref, &firing);
        n += fire_all(wheel, &firing);
    }
    if (target > wheel->tick)
        wheel->tick = target;
    return n;
}

int64_t rn_wheel_deadline_ns(const struct rn_wheel *wheel)
{
    struct slot_ref ref;

    if (!rn_list_is_empty(&wheel->due))
        return INT64_MIN;
    if (!earliest_slot(wheel, &ref))
        return INT64_MAX;
    if (ref.tick > (uint64_t)INT64_MAX >> RN_WHEEL_TICK_SHIFT)
        return INT64_MAX;
    return (int64_t)(ref.tick << RN_WHEEL_TICK_SHIFT);
}
