/* Datagrams that no socket takes, shown to a function: as an event, so that it may do anything. */
#include "sock/udp.h"
#include "wire/udp.h"

#include <runnel/err.h>

/* Waiting for the turn's end; a flood beyond this is dropped. */
#define QUEUE_MAX_PKTS  4096u
#define QUEUE_MAX_BYTES (4u << 20)

struct rn_udp_forwarder {
    struct rn_udp_stack *udp; /* NULL once the stack is gone */
    const struct rn_alloc *alloc;
    struct rn_turn *turn;
    rn_udp_forward_fn *fn;
    void *arg;
    struct rn_pktq queue; /* each starts at its UDP header and has its note */
    struct rn_task task;  /* EVENT */
    struct rn_udp_request *current;
};

struct rn_udp_request {
    struct rn_udp_forwarder *fwd; /* NULL once freed from inside the function */
    struct rn_pkt
        *pkt; /* starts at its UDP header, or at its payload once asked for; NULL: taken */
    struct rn_dgram_note note;
    bool is_answered;
    bool is_pulled;
};

static struct rn_demux_node *find_socket(const struct rn_udp_forwarder *fwd,
                                         const struct rn_dgram_note *note)
{
    struct rn_demux_key key = { .local = note->to.addr,
                                .remote = note->from.addr,
                                .local_port = note->to.port,
                                .remote_port = note->from.port,
                                .nic = note->to.nic,
                                .proto = RN_PROTO_UDP };

    return rn_demux_find(&fwd->udp->stack->demux, &key);
}

/* Consumes what is left of the request. */
static void conclude(struct rn_udp_request *req)
{
    struct rn_stack *stack;
    struct rn_nic *nic;

    if (req->pkt == NULL)
        return;
    if (req->is_answered || req->fwd == NULL || req->fwd->udp == NULL) {
        rn_pkt_drop(req->pkt, RN_DROP_CONSUMED);
        return;
    }
    stack = req->fwd->udp->stack;
    nic = rn_nic_find(stack, req->pkt->nic);
    stack->stats.udp_no_port++;
    if (nic != NULL && (!req->is_pulled || rn_pkt_unpull(req->pkt, RN_UDP_HDR_BYTES)))
        rn_icmp_send_error(nic, req->pkt, RN_ICMP_PORT_UNREACH, 0);
    rn_pkt_drop(req->pkt, RN_DROP_NO_PORT);
}

/* False: the forwarder was freed meanwhile. */
static bool show(struct rn_udp_forwarder *fwd, struct rn_pkt *pkt)
{
    struct rn_udp_request req = { .fwd = fwd, .pkt = pkt, .note = rn_dgram_note_get(pkt) };
    struct rn_demux_node *node = find_socket(fwd, &req.note);

    /* The one before it may have been accepted. */
    if (node != NULL) {
        rn_udp_deliver(rn_udp_of_node(node), pkt, &req.note);
        return true;
    }
    /* cppcheck-suppress autoVariables ; taken back below, unless the forwarder is gone */
    fwd->current = &req;
    fwd->fn(&req, fwd->arg);
    conclude(&req);
    if (req.fwd == NULL)
        return false;
    fwd->current = NULL;
    return true;
}

static void run(struct rn_task *task)
{
    struct rn_udp_forwarder *fwd = rn_container_of(task, struct rn_udp_forwarder, task);
    uint32_t n = fwd->queue.n_pkts;

    while (n-- > 0 && fwd->udp != NULL) {
        struct rn_pkt *pkt = rn_pktq_pop(&fwd->queue);

        if (pkt == NULL || !show(fwd, pkt))
            return;
    }
}

void rn_udp_forward(struct rn_udp_forwarder *fwd, struct rn_pkt *pkt,
                    const struct rn_dgram_note *note)
{
    if (fwd->queue.n_pkts >= QUEUE_MAX_PKTS || fwd->queue.n_bytes >= QUEUE_MAX_BYTES) {
        rn_pkt_drop(pkt, RN_DROP_RX_QUEUE_FULL);
        return;
    }
    if (!rn_dgram_note_put(pkt, note)) {
        rn_pkt_drop(pkt, RN_DROP_NOMEM);
        return;
    }
    rn_pktq_push(&fwd->queue, pkt);
    rn_turn_schedule(fwd->turn, RN_PHASE_EVENT, &fwd->task);
}

int rn_udp_forwarder_new(struct rn_udp_forwarder **ret, struct rn_stack *stack,
                         rn_udp_forward_fn *fn, void *arg)
{
    struct rn_udp_forwarder *fwd;

    if (stack->l4_by_proto[RN_PROTO_UDP] == NULL)
        return RN_E_NO_PROTO;
    if (rn_udp_stack_of(stack)->forwarder != NULL)
        return RN_E_EXISTS;
    fwd = rn_alloc_new(stack->alloc, sizeof(*fwd));
    if (fwd == NULL)
        return RN_E_NOMEM;
    fwd->udp = rn_udp_stack_of(stack);
    fwd->alloc = stack->alloc;
    fwd->turn = stack->turn;
    fwd->fn = fn;
    fwd->arg = arg;
    fwd->task.run = run;
    fwd->udp->forwarder = fwd;
    *ret = fwd;
    return RN_OK;
}

void rn_udp_forwarder_orphan(struct rn_udp_forwarder *fwd)
{
    rn_turn_unschedule(&fwd->task);
    rn_pktq_drop_all(&fwd->queue, RN_DROP_CLOSED);
    fwd->udp->forwarder = NULL;
    fwd->udp = NULL;
}

struct rn_udp_forwarder *rn_udp_forwarder_free(struct rn_udp_forwarder *fwd)
{
    if (fwd == NULL)
        return NULL;
    if (fwd->udp != NULL)
        rn_udp_forwarder_orphan(fwd);
    if (fwd->current != NULL)
        fwd->current->fwd = NULL;
    rn_alloc_free(fwd->alloc, fwd, sizeof(*fwd));
    return NULL;
}

struct rn_endpoint rn_udp_request_local(const struct rn_udp_request *req)
{
    return req->note.to;
}

struct rn_endpoint rn_udp_request_remote(const struct rn_udp_request *req)
{
    return req->note.from;
}

static void pull(struct rn_udp_request *req)
{
    if (!req->is_pulled)
        rn_pkt_pull(req->pkt, RN_UDP_HDR_BYTES);
    req->is_pulled = true;
}

struct rn_pkt *rn_udp_request_take(struct rn_udp_request *req)
{
    struct rn_pkt *pkt;

    pull(req);
    pkt = req->pkt;
    req->pkt = NULL;
    req->is_answered = true;
    return pkt;
}

const struct rn_pkt *rn_udp_request_pkt(struct rn_udp_request *req)
{
    pull(req);
    return req->pkt;
}

void rn_udp_request_ignore(struct rn_udp_request *req)
{
    req->is_answered = true;
}

/* Under the name the client asked for, ours or not; no port is reserved for it, the tuple is enough. */
static int join(struct rn_sock *sock, const struct rn_dgram_note *note)
{
    sock->flags |= RN_SOCK_SPOOFED | RN_SOCK_BOUND;
    sock->demux.key.local = note->to.addr;
    sock->demux.key.local_port = note->to.port;
    sock->demux.key.remote = note->from.addr;
    sock->demux.key.remote_port = note->from.port;
    if (rn_addr_is_link_local(note->from.addr))
        sock->demux.key.nic = note->from.nic;
    return rn_demux_add(&sock->stack->demux, &sock->demux);
}

int rn_udp_request_accept(struct rn_udp_request *req, struct rn_sock **ret)
{
    struct rn_sock *sock;
    struct rn_pkt *pkt;
    int err;

    if (req->pkt == NULL || req->fwd == NULL || req->fwd->udp == NULL)
        return RN_E_BAD_STATE;
    err = rn_udp_new(&sock, req->fwd->udp->stack);
    if (err < 0)
        return err;
    err = join(sock, &req->note);
    if (err < 0) {
        (void)rn_sock_close(sock);
        return err;
    }
    pkt = rn_udp_request_take(req);
    sock->stack->stats.udp_in_dgrams++;
    rn_dgram_enqueue(rn_dgram_of(sock), pkt); /* its note is there already */
    *ret = sock;
    return RN_OK;
}
