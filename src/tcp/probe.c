#include "tcp/life.h"

void rn_tcp_set_probe(struct rn_stack *stack, rn_tcp_probe_fn *fn, void *arg)
{
    struct rn_tcp_stack *tcp = rn_stack_l4_state(stack, RN_PROTO_TCP);

    tcp->on_probe = fn;
    tcp->probe_arg = arg;
}

void rn_tcp_probe_segment(const struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    const struct rn_tcp_stack *tcp = rn_tcp_stack_of(conn);
    struct rn_turn *turn = conn->sock.stack->turn;
    struct rn_tcp_probe probe = {
        .time_ns = turn->now_ns,
        .local = rn_sock_local(&conn->sock),
        .remote = rn_sock_remote(&conn->sock),
        .seq = seg->seq.v,
        .ack = seg->ack.v,
        .len_bytes = seg->data_len,
        .window = seg->wnd,
        .flags = seg->flags,
    };

    if (rn_tcp_get_info(&conn->sock, &probe.info) < 0)
        return;
    turn->is_observing = true;
    tcp->on_probe(&probe, tcp->probe_arg);
    turn->is_observing = false;
}
