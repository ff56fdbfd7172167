/* Readiness: collected while packets are processed, told once per turn, when application code may do anything. */
#include "sock/sock.h"

static void fire(struct rn_task *task)
{
    struct rn_sock *sock = rn_container_of(task, struct rn_sock, ready);
    unsigned events = sock->events;

    sock->events = 0;
    if (sock->on_event != NULL && events != 0)
        sock->on_event(sock, events, sock->event_arg); /* may have freed @sock */
}

void rn_sock_ready_init(struct rn_sock *sock)
{
    sock->ready.run = fire;
}

static void collect(struct rn_sock *sock, unsigned events, enum rn_phase phase)
{
    if (sock->on_event == NULL || (sock->flags & RN_SOCK_ORPHAN) != 0)
        return;
    if (sock->events == RN_WRITABLE && phase != RN_PHASE_REFILL)
        rn_turn_unschedule(&sock->ready); /* it may wait to be asked for more; news goes first */
    sock->events = (uint16_t)(sock->events | events);
    rn_turn_schedule(sock->stack->turn, phase, &sock->ready);
}

void rn_sock_ready(struct rn_sock *sock, unsigned events)
{
    collect(sock, events, RN_PHASE_EVENT);
}

/* Who accepts a connection whose request came along answers it before its ACK leaves, and the ACK rides. */
void rn_sock_catch_up(struct rn_sock *sock, unsigned events)
{
    collect(sock, events, RN_PHASE_CATCH_UP);
}

void rn_sock_refill(struct rn_sock *sock)
{
    collect(sock, RN_WRITABLE, RN_PHASE_REFILL);
}
