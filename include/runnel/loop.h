#pragma once
/* The event loop of a thread: epoll, a clock, one turn. The only part of librunnel that touches the system. */
#include <runnel/attr.h>
#include <stdbool.h>
#include <stdint.h>

struct rn_loop;
struct rn_turn;

/* Returns owned. Errors: NOMEM or a host errno. */
RN_PUBLIC RN_MUST_USE int rn_loop_new(struct rn_loop **ret);
/* Consumes @loop; everything on its turn must be freed before. NULL is legal. Returns NULL. */
RN_PUBLIC struct rn_loop *rn_loop_free(struct rn_loop *loop);
RN_PUBLIC struct rn_turn *rn_loop_turn(struct rn_loop *loop);
/* Runs until rn_loop_stop. Returns its argument, or a host errno. */
RN_PUBLIC RN_MUST_USE int rn_loop_run(struct rn_loop *loop);
/* From the loop's own thread. */
RN_PUBLIC void rn_loop_stop(struct rn_loop *loop, int result);
/* From any thread: @fn(@arg) runs on the loop's thread, in order of posting. Errors: NOMEM. */
RN_PUBLIC RN_MUST_USE int rn_post(struct rn_loop *loop, void (*fn)(void *arg), void *arg);
/* Calls @fn on readiness of @fd (EPOLLIN, EPOLLOUT, ... bits), edge-triggered. Borrows @fd. Errors: NOMEM, EXISTS, host. */
RN_PUBLIC RN_MUST_USE int rn_loop_watch(struct rn_loop *loop, int fd, uint32_t epoll_events,
                                        void (*fn)(void *arg, uint32_t epoll_events), void *arg);
RN_PUBLIC void rn_loop_unwatch(struct rn_loop *loop, int fd);
