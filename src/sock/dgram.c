#include "sock/dgram.h"

#include <runnel/err.h>

bool rn_dgram_note_put(struct rn_pkt *pkt, const struct rn_dgram_note *note)
{
    if ((size_t)pkt->head_off - pkt->head_pulled < sizeof(*note))
        return false;
    memcpy(pkt->head, note, sizeof(*note));
    return true;
}

struct rn_dgram_note rn_dgram_note_get(const struct rn_pkt *pkt)
{
    struct rn_dgram_note note;

    memcpy(&note, pkt->head, sizeof(note));
    return note;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

static void on_room(struct rn_task *task)
{
    struct rn_dgram_sock *d = rn_container_of(task, struct rn_dgram_sock, writable);

    rn_sock_ready(&d->sock, RN_WRITABLE);
}

int rn_dgram_new(struct rn_dgram_sock **ret, struct rn_stack *stack, const struct rn_dgram_ops *ops,
                 struct rn_list *list)
{
    struct rn_dgram_sock *d = rn_alloc_new(stack->alloc, sizeof(*d));

    if (d == NULL)
        return RN_E_NOMEM;
    rn_sock_init(&d->sock, stack, &ops->sock);
    d->ops = ops;
    d->rcvbuf = RN_DGRAM_RCVBUF;
    d->sock.pmtud = RN_PMTUD_WANT; /* as Linux; RFC 8900 would have it so */
    d->writable.run = on_room;
    rn_list_push_back(list, &d->link);
    *ret = d;
    return RN_OK;
}

void rn_dgram_close(struct rn_sock *sock)
{
    struct rn_dgram_sock *d = rn_dgram_of(sock);

    rn_sock_fini(sock);
    rn_turn_unschedule(&d->writable);
    rn_pktq_drop_all(&d->rx, RN_DROP_CLOSED);
    rn_stack_charge(sock->stack, -(int64_t)d->rx_bytes);
    rn_flow_release(&d->flow);
    rn_list_remove(&d->link);
    rn_alloc_free(sock->stack->alloc, d, sizeof(*d));
}

void rn_dgram_abort_all(struct rn_list *list)
{
    struct rn_list *node;

    while ((node = rn_list_first(list)) != NULL)
        (void)rn_sock_abort(&rn_list_entry(node, struct rn_dgram_sock, link)->sock);
}

/* --- names ------------------------------------------------------------------------------------------------------ */

static bool family_fits(const struct rn_dgram_sock *d, struct rn_addr addr)
{
    enum rn_family family = rn_addr_family(addr);

    if (family == RN_FAMILY_NONE)
        return d->family != RN_FAMILY_V4;
    if (d->family != RN_FAMILY_NONE)
        return d->family == (uint8_t)family;
    return family != RN_FAMILY_V4 || (d->sock.flags & RN_SOCK_V6ONLY) == 0;
}

int rn_dgram_bind(struct rn_sock *sock, const struct rn_endpoint *local)
{
    struct rn_dgram_sock *d = rn_dgram_of(sock);
    struct rn_endpoint name = *local;
    int err;

    if (!family_fits(d, local->addr) && !rn_addr_is_none(local->addr))
        return RN_E_ADDR_FAMILY;
    if (name.nic == 0)
        name.nic = sock->demux.key.nic; /* RN_SO_BIND_NIC */
    err = name.port != 0 ? rn_sock_claim(sock, &name, 0) : rn_sock_claim_any(sock, &name, NULL);
    if (err < 0)
        return err;
    if (d->family != RN_FAMILY_NONE && rn_addr_is_none(sock->demux.key.local))
        sock->demux.family_any = d->family;
    return rn_demux_add(&sock->stack->demux, &sock->demux) < 0 ? RN_E_PORT_IN_USE : RN_OK;
}

static int bind_if_needed(struct rn_sock *sock)
{
    struct rn_endpoint any = { 0 };

    return (sock->flags & RN_SOCK_BOUND) != 0 ? RN_OK : rn_dgram_bind(sock, &any);
}

/* The peer is part of the key: the node is taken out and put back under its new name. */
static int rename_node(struct rn_sock *sock, const struct rn_demux_key *key)
{
    struct rn_demux *demux = &sock->stack->demux;
    struct rn_demux_key old = sock->demux.key;

    rn_demux_remove(demux, &sock->demux);
    sock->demux.key = *key;
    if (rn_demux_add(demux, &sock->demux) == RN_OK)
        return RN_OK;
    sock->demux.key = old;
    (void)!rn_demux_add(demux, &sock->demux);
    return RN_E_PORT_IN_USE;
}

int rn_dgram_connect(struct rn_sock *sock, const struct rn_endpoint *remote)
{
    struct rn_dgram_sock *d = rn_dgram_of(sock);
    struct rn_demux_key key;
    struct rn_ip_out out = { .dst = remote->addr, .proto = d->ops->sock.proto };
    int err;

    if (rn_addr_is_any(remote->addr) || (d->family == RN_FAMILY_NONE && remote->port == 0))
        return RN_E_BAD_ADDR;
    if (!family_fits(d, remote->addr))
        return RN_E_ADDR_FAMILY;
    err = bind_if_needed(sock);
    if (err < 0)
        return err;
    key = sock->demux.key;
    out.src = sock->claim != NULL && rn_addr_is_any(sock->claim->addr) ? rn_addr_none() : key.local;
    out.nic = key.nic != 0 ? key.nic : remote->nic;
    rn_flow_release(&d->flow);
    err = rn_flow_find(sock->stack, &d->flow, &out, &key.local);
    if (err < 0)
        return err;
    d->flow_dst = remote->addr;
    key.remote = remote->addr;
    key.remote_port = d->family == RN_FAMILY_NONE ? remote->port : 0;
    return rename_node(sock, &key);
}

int rn_dgram_shutdown(struct rn_sock *sock, enum rn_shut how)
{
    struct rn_dgram_sock *d = rn_dgram_of(sock);

    if (rn_addr_is_none(sock->demux.key.remote))
        return RN_E_NOT_CONNECTED;
    if ((how & RN_SHUT_READ) != 0) {
        d->is_shut_read = true;
        rn_sock_ready(sock, RN_READABLE);
    }
    if ((how & RN_SHUT_WRITE) != 0)
        d->is_shut_write = true;
    return RN_OK;
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

unsigned rn_dgram_readiness(const struct rn_sock *sock)
{
    const struct rn_dgram_sock *d = rn_container_of(sock, const struct rn_dgram_sock, sock);
    unsigned events = 0;

    if (!rn_pktq_is_empty(&d->rx) || d->is_shut_read)
        events |= RN_READABLE;
    if (!d->is_shut_write && !rn_list_is_linked(&d->writable.link))
        events |= RN_WRITABLE;
    return events;
}

void rn_dgram_enqueue(struct rn_dgram_sock *d, struct rn_pkt *pkt)
{
    struct rn_stack *stack = d->sock.stack;
    uint32_t bytes = rn_pkt_true_bytes(pkt);

    /* One is always taken, however large its slab. */
    if (d->is_shut_read ||
        (d->rx_bytes != 0 && bytes > d->rcvbuf - rn_min_u32(d->rx_bytes, d->rcvbuf)) ||
        rn_stack_pressure(stack) == RN_PRESSURE_FULL) {
        stack->stats.udp_rcvbuf_full++;
        rn_pkt_drop(pkt, RN_DROP_RX_QUEUE_FULL);
        return;
    }
    d->rx_bytes += bytes;
    rn_stack_charge(stack, bytes);
    rn_pktq_push(&d->rx, pkt);
    rn_sock_ready(&d->sock, RN_READABLE);
}

static void tell(const struct rn_pkt *pkt, struct rn_dgram *ret)
{
    struct rn_dgram_note note = rn_dgram_note_get(pkt);

    *ret = (struct rn_dgram){
        .from = note.from,
        .to = note.to,
        .segment_bytes = pkt->gso == RN_GSO_UDP ? pkt->gso_size : 0,
        .ttl = pkt->ttl,
        .tos = pkt->tos,
        .time_ns = pkt->time_ns,
        .full_len = pkt->len,
    };
}

int64_t rn_dgram_recv(struct rn_sock *sock, void *to, size_t max, struct rn_dgram *ret_dgram)
{
    struct rn_dgram_sock *d = rn_dgram_of(sock);
    struct rn_pkt *pkt;
    uint32_t bytes;
    size_t len;

    if (sock->ops->proto == RN_PROTO_TCP)
        return RN_E_NOT_SUPPORTED;
    if (sock->stack->turn->is_observing)
        return RN_E_BAD_STATE;
    if (sock->error != 0)
        return rn_sock_take_error(sock);
    pkt = rn_pktq_pop(&d->rx);
    if (pkt == NULL)
        return d->is_shut_read ? 0 : RN_E_WOULD_BLOCK;
    bytes = rn_pkt_true_bytes(pkt);
    d->rx_bytes -= bytes;
    rn_stack_charge(sock->stack, -(int64_t)bytes);
    len = rn_min_size(pkt->len, max);
    rn_pkt_copy_out(pkt, 0, to, len);
    if (ret_dgram != NULL)
        tell(pkt, ret_dgram);
    rn_pkt_free(pkt);
    return (int64_t)len;
}

/* Only a connected socket can know whom an error is about (RFC 1122 §4.1.3.3). */
void rn_dgram_error(struct rn_dgram_sock *d, const struct rn_icmp_err *err)
{
    bool is_connected = !rn_addr_is_none(d->sock.demux.key.remote);

    if (err->kind == RN_ICMP_TOO_BIG) {
        rn_pmtu_lower(d->sock.stack, err->remote.addr, err->mtu);
        if (is_connected && d->sock.pmtud >= RN_PMTUD_DO)
            rn_sock_set_error(&d->sock, RN_E_MSG_TOO_LONG);
        return;
    }
    if (is_connected && (err->kind == RN_ICMP_PORT_UNREACH || err->kind == RN_ICMP_PROTO_UNREACH))
        rn_sock_set_error(&d->sock, RN_E_CONN_REFUSED);
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

/* Fills in the names: to whom, from what. */
static int address(struct rn_dgram_sock *d, const struct rn_dgram_opts *opts,
                   struct rn_dgram_out *out)
{
    const struct rn_demux_key *key = &d->sock.demux.key;
    bool has_to = opts != NULL && !rn_addr_is_none(opts->to.addr);

    if (!has_to && rn_addr_is_none(key->remote))
        return RN_E_DEST_REQUIRED;
    out->ip.dst = has_to ? opts->to.addr : key->remote;
    out->dst_port = has_to ? opts->to.port : key->remote_port;
    out->ip.nic = key->nic != 0 || !has_to ? key->nic : opts->to.nic;
    out->ip.src = rn_addr_is_multicast(key->local) ? rn_addr_none() : key->local;
    out->src_port = key->local_port;
    if (opts != NULL && !rn_addr_is_none(opts->source))
        out->ip.src = opts->source;
    if (opts != NULL && opts->source_port != 0)
        out->src_port = opts->source_port;
    if (!family_fits(d, out->ip.dst))
        return RN_E_ADDR_FAMILY;
    if (!rn_addr_is_none(out->ip.src) && rn_addr_is_v4(out->ip.src) != rn_addr_is_v4(out->ip.dst))
        return RN_E_ADDR_FAMILY;
    if (d->family == RN_FAMILY_NONE && out->dst_port == 0)
        return RN_E_BAD_ADDR;
    return RN_OK;
}

static void add_options(const struct rn_dgram_sock *d, const struct rn_dgram_opts *opts,
                        struct rn_dgram_out *out)
{
    out->ip.proto = d->ops->sock.proto;
    out->ip.tos = opts != NULL && opts->has_tos ? opts->tos : d->sock.tos;
    out->ip.ttl = opts != NULL && opts->ttl != 0 ? opts->ttl : d->sock.ttl;
    /* RFC 1112 §6.1: what goes to a group stays on the link unless asked otherwise. */
    if (out->ip.ttl == 0 && rn_addr_is_multicast(out->ip.dst))
        out->ip.ttl = 1;
    out->ip.is_probe = d->sock.pmtud == RN_PMTUD_PROBE;
    out->ip.is_spoofed = (d->sock.flags & RN_SOCK_SPOOFED) != 0;
    out->segment_bytes = opts != NULL ? opts->segment_bytes : 0;
}

/* The cached way belongs to one destination; one who talks to many looks up each time it changes. */
static int find_way(struct rn_dgram_sock *d, const struct rn_dgram_opts *opts,
                    struct rn_dgram_out *out)
{
    struct rn_addr src;
    int err;

    if (!rn_addr_eq(d->flow_dst, out->ip.dst))
        rn_flow_release(&d->flow);
    err = rn_flow_find(d->sock.stack, &d->flow, &out->ip, &src);
    if (err < 0)
        return err;
    d->flow_dst = out->ip.dst;
    out->ip.src = src;
    if (opts != NULL && opts->source_port != 0 && (d->flow.nic->flags & RN_NIC_SPOOFING) == 0)
        return RN_E_NOT_PERMITTED;
    if (rn_nic_is_broadcast(d->flow.nic, out->ip.dst) && (d->sock.flags & RN_SOCK_BROADCAST) == 0)
        return RN_E_NOT_PERMITTED;
    return RN_OK;
}

static bool has_room(struct rn_dgram_sock *d)
{
    if (d->flow.is_local || rn_nic_has_room(d->flow.nic))
        return true;
    if (!rn_list_is_linked(&d->writable.link))
        rn_nic_wait(d->flow.nic, &d->writable);
    return false;
}

/* Does it fit, and may it be cut? Sets *no_fragment. */
static int check_size(const struct rn_dgram_sock *d, const struct rn_dgram_out *out, size_t len,
                      bool *no_fragment)
{
    uint32_t room = rn_flow_payload_mtu(&d->flow, out->ip.dst);
    size_t unit = out->segment_bytes != 0 ? rn_min_size(out->segment_bytes, len) : len;
    bool fits = unit + d->ops->hdr_bytes <= room;

    if (len > d->ops->max_bytes)
        return RN_E_MSG_TOO_LONG;
    if (!fits && (out->segment_bytes != 0 || d->sock.pmtud == RN_PMTUD_DO))
        return RN_E_MSG_TOO_LONG;
    *no_fragment = d->sock.pmtud >= RN_PMTUD_DO || (d->sock.pmtud == RN_PMTUD_WANT && fits);
    return RN_OK;
}

static int emit(struct rn_dgram_sock *d, struct rn_slice bytes, const struct rn_dgram_out *out,
                bool no_fragment)
{
    struct rn_pkt *pkt = rn_pkt_new(d->sock.stack->turn->pool);
    int err = RN_E_NO_BUFFER;

    if (pkt == NULL)
        return RN_E_NO_BUFFER;
    pkt->account = &d->sock.stack->drops;
    if (rn_pkt_append_copy(pkt, bytes.ptr, bytes.len))
        err = d->ops->emit(d, pkt, out);
    if (err < 0) {
        rn_pkt_free(pkt);
        return err;
    }
    if (no_fragment)
        pkt->flags |= RN_PKT_NO_FRAGMENT;
    return rn_ip_output(d->sock.stack, &d->flow, &out->ip, pkt);
}

/* All that comes before the datagram itself: a name, a destination, a way. */
static int prepare(struct rn_dgram_sock *d, const struct rn_dgram_opts *opts,
                   struct rn_dgram_out *out)
{
    int err;

    if (d->is_shut_write)
        return RN_E_CLOSED_FOR_SEND;
    err = bind_if_needed(&d->sock);
    if (err == RN_OK)
        err = address(d, opts, out);
    if (err < 0)
        return err;
    add_options(d, opts, out);
    return find_way(d, opts, out);
}

int rn_dgram_preflight(struct rn_sock *sock, const struct rn_endpoint *to)
{
    struct rn_dgram_sock *d = rn_dgram_of(sock);
    struct rn_dgram_opts opts = { 0 };
    struct rn_dgram_out out = { 0 };
    int err;

    if (to != NULL)
        opts.to = *to;
    err = prepare(d, &opts, &out);
    if (err < 0)
        return err;
    return has_room(d) ? RN_OK : RN_E_WOULD_BLOCK;
}

int64_t rn_dgram_send(struct rn_sock *sock, struct rn_slice bytes, const struct rn_dgram_opts *opts)
{
    struct rn_dgram_sock *d = rn_dgram_of(sock);
    struct rn_dgram_out out = { 0 };
    bool no_fragment = false;
    int err;

    if (sock->ops->proto == RN_PROTO_TCP)
        return RN_E_NOT_SUPPORTED;
    if (sock->stack->turn->is_observing)
        return RN_E_BAD_STATE;
    if (sock->error != 0)
        return rn_sock_take_error(sock);
    err = prepare(d, opts, &out);
    if (err == RN_OK)
        err = check_size(d, &out, bytes.len, &no_fragment);
    if (err < 0)
        return err;
    if (!has_room(d))
        return RN_E_WOULD_BLOCK;
    err = emit(d, bytes, &out, no_fragment);
    return err < 0 ? err : (int64_t)bytes.len;
}

/* --- options ------------------------------------------------------------------------------------------------------ */

int rn_dgram_set_opt(struct rn_sock *sock, enum rn_sock_opt opt, int64_t value)
{
    struct rn_dgram_sock *d = rn_dgram_of(sock);

    switch ((int)opt) {
    case RN_SO_RCVBUF:
        if (value < 0)
            return RN_E_BAD_OPTION;
        d->rcvbuf = (uint32_t)rn_min_i64(rn_max_i64(value, RN_DGRAM_BUF_MIN), RN_DGRAM_BUF_MAX);
        return RN_OK;
    case RN_UDP_NO_CHECKSUM:
        if (sock->ops->proto != RN_PROTO_UDP)
            return RN_E_NO_PROTO_OPTION;
        if (value != 0 && value != 1)
            return RN_E_BAD_OPTION;
        d->no_checksum = value == 1;
        return RN_OK;
    default:
        return RN_E_NO_PROTO_OPTION;
    }
}

int rn_dgram_get_opt(const struct rn_sock *sock, enum rn_sock_opt opt, int64_t *ret)
{
    const struct rn_dgram_sock *d = rn_container_of(sock, const struct rn_dgram_sock, sock);

    switch ((int)opt) {
    case RN_SO_RCVBUF:
        *ret = d->rcvbuf;
        return RN_OK;
    case RN_SO_INQ:
        *ret = rn_pktq_is_empty(&d->rx) ? 0 : d->rx.first->len;
        return RN_OK;
    case RN_UDP_NO_CHECKSUM:
        if (sock->ops->proto != RN_PROTO_UDP)
            return RN_E_NO_PROTO_OPTION;
        *ret = d->no_checksum;
        return RN_OK;
    default:
        return RN_E_NO_PROTO_OPTION;
    }
}
