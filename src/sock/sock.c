#include "sock/sock.h"

#include "ip/ip.h"

#include <runnel/err.h>

void rn_sock_init(struct rn_sock *sock, struct rn_stack *stack, const struct rn_sock_ops *ops)
{
    sock->ops = ops;
    sock->stack = stack;
    sock->demux.key.proto = ops->proto;
    rn_sock_ready_init(sock);
}

static void release_claim(struct rn_sock *sock)
{
    rn_ports_drop(&sock->stack->ports, sock->claim);
    sock->claim = NULL;
}

void rn_sock_fini(struct rn_sock *sock)
{
    rn_demux_remove(&sock->stack->demux, &sock->demux);
    release_claim(sock);
    rn_turn_unschedule(&sock->ready);
}

void rn_sock_set_error(struct rn_sock *sock, int err)
{
    if (sock->error == 0)
        sock->error = (int16_t)err;
    rn_sock_ready(sock, RN_ERROR);
}

/* --- names ------------------------------------------------------------------------------------------------------ */

static uint8_t claim_flags(const struct rn_sock *sock, unsigned extra_flags)
{
    unsigned flags = extra_flags;

    if ((sock->flags & RN_SOCK_REUSEADDR) != 0)
        flags |= RN_PORT_REUSEADDR;
    if ((sock->flags & RN_SOCK_REUSEPORT) != 0)
        flags |= RN_PORT_REUSEPORT;
    if ((sock->flags & RN_SOCK_V6ONLY) != 0)
        flags |= RN_PORT_V6ONLY;
    return (uint8_t)flags;
}

/* The socket's own claim, made if there is none, filled for @local. NULL: no memory. */
static struct rn_port_claim *prepare_claim(struct rn_sock *sock, const struct rn_endpoint *local,
                                           unsigned extra_flags)
{
    struct rn_port_claim *claim = sock->claim;

    if (claim == NULL)
        claim = rn_alloc_new(sock->stack->alloc, sizeof(*claim));
    if (claim == NULL)
        return NULL;
    claim->addr = local->addr;
    claim->port = local->port;
    claim->nic = local->nic;
    claim->proto = sock->ops->proto;
    claim->flags = claim_flags(sock, extra_flags);
    sock->claim = claim;
    return claim;
}

/* The claim is held: the socket has its name. */
static void take_name(struct rn_sock *sock)
{
    const struct rn_port_claim *claim = sock->claim;
    struct rn_demux_node *node = &sock->demux;
    bool is_wild = rn_addr_is_any(claim->addr);

    node->key.local = is_wild ? rn_addr_none() : claim->addr;
    node->key.local_port = claim->port;
    node->key.nic = claim->nic;
    node->family_any = 0;
    if (is_wild && rn_addr_is_v4(claim->addr))
        node->family_any = RN_FAMILY_V4;
    else if (is_wild && (sock->flags & RN_SOCK_V6ONLY) != 0)
        node->family_any = RN_FAMILY_V6;
    node->is_reuseport = (sock->flags & RN_SOCK_REUSEPORT) != 0;
    sock->flags |= RN_SOCK_BOUND;
}

static bool may_have_local(const struct rn_sock *sock, const struct rn_endpoint *local)
{
    return rn_addr_is_any(local->addr) || (sock->flags & RN_SOCK_SPOOFED) != 0 ||
           rn_addr_is_multicast(local->addr) ||
           rn_ip_is_local(sock->stack, local->addr, local->nic);
}

int rn_sock_claim(struct rn_sock *sock, const struct rn_endpoint *local, unsigned extra_flags)
{
    int err;

    if ((sock->flags & RN_SOCK_BOUND) != 0)
        return RN_E_ALREADY_BOUND;
    if (!may_have_local(sock, local))
        return RN_E_BAD_LOCAL_ADDR;
    if (prepare_claim(sock, local, extra_flags) == NULL)
        return RN_E_NOMEM;
    if (local->port == 0)
        return RN_OK;
    err = rn_ports_claim(&sock->stack->ports, sock->claim);
    if (err < 0)
        release_claim(sock);
    else
        take_name(sock);
    return err;
}

struct tuple {
    const struct rn_demux *demux;
    struct rn_demux_key key;
};

static bool tuple_is_free(void *arg, uint16_t port)
{
    struct tuple *t = arg;
    const struct rn_demux_node *node;

    t->key.local_port = port;
    node = rn_demux_find_exact(t->demux, &t->key);
    return node == NULL || node->is_yielding;
}

int rn_sock_claim_any(struct rn_sock *sock, const struct rn_endpoint *local,
                      const struct rn_endpoint *remote)
{
    struct rn_stack *stack = sock->stack;
    struct tuple tuple = { .demux = &stack->demux };
    int err;

    if ((sock->flags & RN_SOCK_BOUND) != 0)
        return RN_E_ALREADY_BOUND;
    if (!may_have_local(sock, local))
        return RN_E_BAD_LOCAL_ADDR;
    if (prepare_claim(sock, local, 0) == NULL)
        return RN_E_NOMEM;
    if (remote != NULL) {
        tuple.key = (struct rn_demux_key){ .local = local->addr,
                                           .remote = remote->addr,
                                           .remote_port = remote->port,
                                           .nic = local->nic,
                                           .proto = sock->ops->proto };
        err = rn_ports_pick(&stack->ports, sock->claim, remote, tuple_is_free, &tuple);
    } else {
        err = rn_ports_pick(&stack->ports, sock->claim, NULL, NULL, NULL);
    }
    if (err < 0)
        release_claim(sock);
    else
        take_name(sock);
    return err;
}

void rn_sock_share_claim(struct rn_sock *sock)
{
    struct rn_ports *ports = &sock->stack->ports;
    struct rn_port_claim *shared = NULL;

    if (sock->claim != NULL && (sock->claim->flags & RN_PORT_CONNECTED) != 0)
        shared = rn_ports_share(ports, sock->claim);
    if (shared == NULL)
        return;
    rn_ports_drop(ports, sock->claim);
    sock->claim = shared;
}

/* --- the public face -------------------------------------------------------------------------------------------- */

struct rn_stack *rn_sock_stack(const struct rn_sock *sock)
{
    return sock->stack;
}

unsigned rn_sock_readiness(const struct rn_sock *sock)
{
    unsigned events = sock->ops->readiness(sock);

    return sock->error != 0 ? events | RN_ERROR : events;
}

void rn_sock_on_event(struct rn_sock *sock, rn_sock_event_fn *fn, void *arg)
{
    unsigned events = fn != NULL ? rn_sock_readiness(sock) : 0;

    sock->on_event = fn;
    sock->event_arg = arg;
    sock->events = 0;
    if (events != 0)
        rn_sock_catch_up(sock, events);
}

/* Observers see; they do not act (base/turn.h). */
static bool is_observing(const struct rn_sock *sock)
{
    return sock->stack->turn->is_observing;
}

int rn_sock_bind(struct rn_sock *sock, const struct rn_endpoint *local)
{
    if (is_observing(sock))
        return RN_E_BAD_STATE;
    return sock->ops->bind(sock, local);
}

int rn_sock_connect(struct rn_sock *sock, const struct rn_endpoint *remote)
{
    if (is_observing(sock))
        return RN_E_BAD_STATE;
    return sock->ops->connect(sock, remote);
}

int rn_sock_preflight(struct rn_sock *sock, const struct rn_endpoint *to)
{
    if (is_observing(sock))
        return RN_E_BAD_STATE;
    return sock->error != 0 ? sock->error : sock->ops->preflight(sock, to);
}

int rn_sock_listen(struct rn_sock *sock, unsigned backlog)
{
    if (is_observing(sock))
        return RN_E_BAD_STATE;
    return sock->ops->listen != NULL ? sock->ops->listen(sock, backlog) : RN_E_NOT_SUPPORTED;
}

int rn_sock_accept(struct rn_sock *sock, struct rn_sock **ret)
{
    if (is_observing(sock))
        return RN_E_BAD_STATE;
    return sock->ops->accept != NULL ? sock->ops->accept(sock, ret) : RN_E_NOT_SUPPORTED;
}

int rn_sock_shutdown(struct rn_sock *sock, enum rn_shut how)
{
    if (is_observing(sock))
        return RN_E_BAD_STATE;
    return sock->ops->shutdown(sock, how);
}

/* No event after this, whatever the protocol still has to do. */
static void orphan(struct rn_sock *sock)
{
    sock->flags |= RN_SOCK_ORPHAN;
    sock->on_event = NULL;
    sock->events = 0;
    rn_turn_unschedule(&sock->ready);
}

struct rn_sock *rn_sock_close(struct rn_sock *sock)
{
    if (sock != NULL) {
        orphan(sock);
        sock->ops->close(sock);
    }
    return NULL;
}

struct rn_sock *rn_sock_abort(struct rn_sock *sock)
{
    if (sock != NULL) {
        orphan(sock);
        sock->ops->abort(sock);
    }
    return NULL;
}

struct rn_endpoint rn_sock_local(const struct rn_sock *sock)
{
    const struct rn_demux_key *key = &sock->demux.key;

    return (struct rn_endpoint){ key->local, key->local_port, key->nic };
}

struct rn_endpoint rn_sock_remote(const struct rn_sock *sock)
{
    const struct rn_demux_key *key = &sock->demux.key;

    if (rn_addr_is_none(key->remote))
        return (struct rn_endpoint){ 0 };
    return (struct rn_endpoint){ key->remote, key->remote_port, key->nic };
}

int rn_sock_take_error(struct rn_sock *sock)
{
    int err = sock->error;

    sock->error = 0;
    return err;
}
