#pragma once
/*
 * Hierarchical timer wheel. Tick 2^16 ns (65.5 us), never early: a timer fires in the first turn whose time is at
 * or past its deadline, rounded up to a tick. Arm, re-arm and cancel are O(1). A timer is embedded in its owner;
 * its function recovers the owner with rn_container_of and may arm, cancel or free anything, itself included.
 */
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

#define RN_WHEEL_TICK_SHIFT 16
#define RN_WHEEL_SLOT_BITS  6
/* 8 * 6 bits of ticks reach every int64 deadline, so nothing is clamped. */
#define RN_WHEEL_LEVELS 8

struct rn_timer {
    struct rn_list link;
    int64_t deadline_ns; /* meaningful while armed */
    void (*fire)(struct rn_timer *timer);
};

struct rn_wheel {
    uint64_t tick; /* all ticks <= this one have been run */
    uint64_t occupied[RN_WHEEL_LEVELS];
    struct rn_list slots[RN_WHEEL_LEVELS][1 << RN_WHEEL_SLOT_BITS];
    struct rn_list due; /* armed for a tick that has been run: fires at the next advance */
    size_t n_armed;
};

void rn_wheel_init(struct rn_wheel *wheel, int64_t now_ns);
/* Arms, or re-arms, @timer; its .fire must be set. A past deadline fires at the next advance. */
void rn_wheel_arm(struct rn_wheel *wheel, struct rn_timer *timer, int64_t deadline_ns);
/* A no-op when not armed. */
void rn_wheel_cancel(struct rn_wheel *wheel, struct rn_timer *timer);
static inline bool rn_timer_is_armed(const struct rn_timer *timer)
{
    return rn_list_is_linked(&timer->link);
}
/* Fires every timer due at @now_ns, in deadline order of ticks; returns how many. What a timer arms for the past waits
 * for the next advance, so that one that re-arms itself cannot hold us here. */
size_t rn_wheel_advance(struct rn_wheel *wheel, int64_t now_ns);
/* When advance has something to do next (never later than the earliest deadline rounded up to its tick, possibly
 * earlier for far timers that must cascade); INT64_MAX when nothing is armed. */
int64_t rn_wheel_deadline_ns(const struct rn_wheel *wheel);
