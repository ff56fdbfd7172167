#include "tcp/forwarder.h"

#include "tcp/life.h"

#include <runnel/err.h>

/*
 * Every SYN nobody takes becomes a request, told as an event and answered when its owner knows how. An open request
 * holds its 4-tuple in the demux: the SYN again finds it, RST from the client cancels it.
 */

/* A client gives up after 127 s (six retransmissions from 1 s); a request it no longer repeats ends by itself. */
#define REQUEST_IDLE_NS (130 * RN_NS_PER_S)
/* IPv6 with an extension header or IPv4 with options, and a TCP header: what ICMP quotes at most of it. */
#define QUOTE_MAX_BYTES 128u

struct rn_tcp_forwarder {
    struct rn_tcp_stack *tcp; /* borrows; NULL when the stack is gone */
    const struct rn_alloc *alloc;
    rn_tcp_forward_fn *fn;
    void *arg;
    struct rn_list requests;
    unsigned n_open;
    unsigned max_in_flight;
};

struct rn_tcp_request {
    struct rn_tcp_forwarder *fwd; /* borrows */
    struct rn_list link;
    struct rn_demux_node demux;
    struct rn_task told; /* EVENT: calls the forwarder's function; later, the cancel function */
    struct rn_timer idle;
    struct rn_tcp_syn syn;
    void *data;
    void (*on_cancel)(struct rn_tcp_request *req);
    uint16_t quote_len;
    uint8_t quote[QUOTE_MAX_BYTES];
};

static struct rn_stack *stack_of(const struct rn_tcp_request *req)
{
    return req->fwd->tcp->stack;
}

static void free_request(struct rn_tcp_request *req)
{
    struct rn_stack *stack = stack_of(req);

    rn_turn_unschedule(&req->told);
    rn_turn_cancel(stack->turn, &req->idle);
    rn_demux_remove(&stack->demux, &req->demux);
    rn_list_remove(&req->link);
    req->fwd->n_open--;
    rn_alloc_free(req->fwd->alloc, req, sizeof(*req));
}

static void tell(struct rn_task *task)
{
    struct rn_tcp_request *req = rn_container_of(task, struct rn_tcp_request, told);

    req->fwd->fn(req, req->fwd->arg);
}

static void tell_cancelled(struct rn_task *task)
{
    struct rn_tcp_request *req = rn_container_of(task, struct rn_tcp_request, told);

    if (req->on_cancel != NULL)
        req->on_cancel(req);
    free_request(req);
}

static bool was_told(const struct rn_tcp_request *req)
{
    return !rn_list_is_linked(&req->told.link);
}

/* The client is gone. Its name is free at once; the owner hears of it as an event. */
static void cancel(struct rn_tcp_request *req)
{
    if (!was_told(req)) {
        free_request(req);
        return;
    }
    rn_turn_cancel(stack_of(req)->turn, &req->idle);
    rn_demux_remove(&stack_of(req)->demux, &req->demux);
    req->told.run = tell_cancelled;
    rn_turn_schedule(stack_of(req)->turn, RN_PHASE_EVENT, &req->told);
}

static void on_idle(struct rn_timer *timer)
{
    cancel(rn_container_of(timer, struct rn_tcp_request, idle));
}

static void stay(struct rn_tcp_request *req)
{
    struct rn_stack *stack = stack_of(req);

    rn_turn_arm(stack->turn, &req->idle, rn_stack_now_ns(stack) + REQUEST_IDLE_NS);
}

static int open_request(struct rn_tcp_forwarder *fwd, const struct rn_tcp_syn *syn,
                        struct rn_view quote)
{
    struct rn_tcp_request *req = rn_alloc_new(fwd->alloc, sizeof(*req));

    if (req == NULL)
        return RN_E_NOMEM;
    req->fwd = fwd;
    req->syn = *syn;
    req->quote_len = (uint16_t)rn_min_size(quote.len, sizeof(req->quote));
    if (req->quote_len > 0)
        memcpy(req->quote, quote.ptr, req->quote_len);
    req->told.run = tell;
    req->idle.fire = on_idle;
    req->demux.key = rn_tcp_key_of(&syn->local, &syn->remote);
    req->demux.key.nic = syn->local.nic;
    req->demux.kind = RN_TCP_NODE_REQUEST;
    if (rn_demux_add(&fwd->tcp->stack->demux, &req->demux) < 0) {
        rn_alloc_free(fwd->alloc, req, sizeof(*req));
        return RN_E_EXISTS;
    }
    rn_list_push_back(&fwd->requests, &req->link);
    fwd->n_open++;
    stay(req);
    rn_turn_schedule(fwd->tcp->stack->turn, RN_PHASE_EVENT, &req->told);
    return RN_OK;
}

void rn_tcp_forwarder_in(struct rn_tcp_forwarder *fwd, const struct rn_tcp_syn *syn,
                         struct rn_tcp_seg *seg, struct rn_view quote)
{
    if (fwd->n_open >= fwd->max_in_flight || open_request(fwd, syn, quote) < 0) {
        fwd->tcp->stack->stats.tcp_forward_limited++;
        rn_pkt_drop(seg->pkt, RN_DROP_TCP_BACKLOG);
        return;
    }
    rn_pkt_free(seg->pkt);
}

void rn_tcp_request_in(struct rn_demux_node *node, struct rn_tcp_seg *seg)
{
    struct rn_tcp_request *req = rn_container_of(node, struct rn_tcp_request, demux);
    bool is_next =
        rn_seq_eq(seg->seq, rn_seq_add(req->syn.seq, 1)) || rn_seq_eq(seg->seq, req->syn.seq);

    if ((seg->flags & RN_TCP_RST) != 0) {
        if (is_next)
            cancel(req);
    } else if ((seg->flags & RN_TCP_SYN) != 0) {
        stay(req);
    }
    rn_pkt_drop(seg->pkt, RN_DROP_TCP_DUPLICATE);
}

int rn_tcp_forwarder_new(struct rn_tcp_forwarder **ret, struct rn_stack *stack,
                         unsigned max_in_flight, rn_tcp_forward_fn *fn, void *arg)
{
    struct rn_tcp_stack *tcp = rn_stack_l4_state(stack, RN_PROTO_TCP);
    struct rn_tcp_forwarder *fwd;

    if (tcp->forwarder != NULL)
        return RN_E_EXISTS;
    fwd = rn_alloc_new(stack->alloc, sizeof(*fwd));
    if (fwd == NULL)
        return RN_E_NOMEM;
    fwd->tcp = tcp;
    fwd->alloc = stack->alloc;
    fwd->fn = fn;
    fwd->arg = arg;
    fwd->max_in_flight = max_in_flight;
    rn_list_init(&fwd->requests);
    tcp->forwarder = fwd;
    *ret = fwd;
    return RN_OK;
}

static struct rn_tcp_request *first_request(const struct rn_tcp_forwarder *fwd)
{
    struct rn_list *node = rn_list_first(&fwd->requests);

    return node != NULL ? rn_list_entry(node, struct rn_tcp_request, link) : NULL;
}

static void reset_client(const struct rn_tcp_request *req)
{
    struct rn_tcp_seg syn = { .seq = req->syn.seq, .flags = RN_TCP_SYN };

    rn_tcp_send_reset_for(stack_of(req), &req->syn.local, &req->syn.remote, &syn);
}

struct rn_tcp_forwarder *rn_tcp_forwarder_free(struct rn_tcp_forwarder *fwd)
{
    struct rn_tcp_request *req;

    if (fwd == NULL)
        return NULL;
    while ((req = first_request(fwd)) != NULL) {
        reset_client(req);
        free_request(req);
    }
    if (fwd->tcp != NULL)
        fwd->tcp->forwarder = NULL;
    rn_alloc_free(fwd->alloc, fwd, sizeof(*fwd));
    return NULL;
}

void rn_tcp_forwarder_detach(struct rn_tcp_stack *tcp)
{
    struct rn_tcp_forwarder *fwd = tcp->forwarder;
    struct rn_tcp_request *req;

    if (fwd == NULL)
        return;
    while ((req = first_request(fwd)) != NULL) {
        if (was_told(req) && req->on_cancel != NULL)
            req->on_cancel(req);
        free_request(req);
    }
    fwd->tcp = NULL;
    tcp->forwarder = NULL;
}

/* --- an open request --------------------------------------------------------------------------------------------- */

struct rn_endpoint rn_tcp_request_local(const struct rn_tcp_request *req)
{
    return req->syn.local;
}

struct rn_endpoint rn_tcp_request_remote(const struct rn_tcp_request *req)
{
    return req->syn.remote;
}

void rn_tcp_request_set_data(struct rn_tcp_request *req, void *data)
{
    req->data = data;
}

void *rn_tcp_request_data(const struct rn_tcp_request *req)
{
    return req->data;
}

void rn_tcp_request_on_cancel(struct rn_tcp_request *req, void (*fn)(struct rn_tcp_request *req))
{
    req->on_cancel = fn;
}

int rn_tcp_request_accept(struct rn_tcp_request *req, struct rn_sock **ret)
{
    struct rn_stack *stack = stack_of(req);
    struct rn_tcp_syn syn = req->syn;
    bool is_gone = !req->demux.is_listed;
    struct rn_tcp *conn;
    int err;

    free_request(req);
    if (is_gone)
        return RN_E_CONN_RESET;
    err = rn_tcp_passive_new(&conn, stack, &syn, NULL);
    if (err < 0)
        return err;
    conn->flags |= RN_TCPF_FORWARDED;
    rn_tcp_send_syn(conn);
    *ret = &conn->sock;
    return RN_OK;
}

static enum rn_icmp_kind icmp_of(enum rn_tcp_refuse how)
{
    if (how == RN_TCP_REFUSE_NET)
        return RN_ICMP_NET_UNREACH;
    return how == RN_TCP_REFUSE_HOST ? RN_ICMP_HOST_UNREACH : RN_ICMP_PROHIBITED;
}

void rn_tcp_request_refuse(struct rn_tcp_request *req, enum rn_tcp_refuse how)
{
    if (!req->demux.is_listed || how == RN_TCP_REFUSE_SILENT) {
        /* The client has gone meanwhile, or shall wait in vain. */
    } else if (how == RN_TCP_REFUSE_RESET) {
        reset_client(req);
    } else {
        rn_icmp_send_error_about(stack_of(req), req->syn.nic,
                                 rn_view_of(req->quote, req->quote_len), icmp_of(how));
    }
    free_request(req);
}
