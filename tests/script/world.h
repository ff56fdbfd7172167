#pragma once
/*
 * One stack whose wire and clock are in our hands: what goes in is fed as bytes, what comes out is kept with the time at
 * which it left, and time passes when we say so. 192.168.0.1/16 and fd3d:fa7b:d17d::1/64; everybody else is behind a
 * default route.
 */
#include "base/turn.h"
#include "dev/device.h"
#include "stack/nic.h"

#include <stdio.h>

/* A packet that left: segments as a device without offloads sends them, checksums complete. */
struct sent {
    struct sent *next;
    int64_t at_ns;
    size_t len;
    uint8_t bytes[];
};

struct world_opts {
    uint32_t mtu;
    int64_t start_ns;
    struct rn_addr local4;
    struct rn_addr local6;
};

struct world {
    struct rn_alloc alloc;
    size_t n_live; /* allocations */
    size_t bytes_live;
    struct rn_pool *pool;
    struct rn_turn turn;
    struct rn_device device;
    struct rn_stack *stack;
    struct rn_nic *nic;
    struct sent *first;
    struct sent **end;
    FILE *pcap;                    /* NULL: none; borrowed */
    int64_t alarm_ns;              /* the application's own next timeout; 0: none */
    void (*after_turn)(void *arg); /* the application's chance to retry what waited */
    void *arg;
};

void world_init(struct world *w, const struct world_opts *opts);
/* Returns how many allocations, timers and packets are left over: 0 or a bug. */
size_t world_fini(struct world *w);
static inline int64_t world_now_ns(const struct world *w)
{
    return w->turn.now_ns;
}
/* The application calls in between: one turn at the present time. */
void world_enter(struct world *w);
void world_leave(struct world *w);
/* A packet arrives from the wire, of any size. */
void world_feed(struct world *w, const void *bytes, size_t len);
/* Lets time pass until @until_ns or until something has left; true: something has (or had) left. */
bool world_wait_output(struct world *w, int64_t until_ns);
/* Lets time pass. */
void world_run_until(struct world *w, int64_t until_ns);
/* The next deadline, INT64_MAX: none. */
int64_t world_deadline_ns(const struct world *w);
/* One turn at @now_ns. */
void world_turn(struct world *w, int64_t now_ns);
/* Returns owned (free()) or NULL. */
struct sent *world_take(struct world *w);
