#include "stack/nic.h"

#include "base/text.h"
#include "stack/neigh.h"
#include "stack/pump.h"
#include "stack/stack.h"
#include "wire/eth.h"

#include <runnel/err.h>

#define QUEUE_DEFAULT_PKTS 4096u
/* Senders with back-pressure stop here: a queue longer than the device drains in a turn only adds delay. */
#define ROOM_BYTES (1u << 20)

static int grow_ids(struct rn_stack *stack)
{
    uint32_t cap = stack->nic_cap == 0 ? 8u : (uint32_t)rn_min_u32(stack->nic_cap * 2u, UINT16_MAX);
    struct rn_nic **by_id;

    if (stack->nic_cap == UINT16_MAX)
        return RN_E_LIMIT;
    by_id = rn_alloc_array(stack->alloc, cap, sizeof(*by_id));
    if (by_id == NULL)
        return RN_E_NOMEM;
    if (stack->nic_cap != 0)
        memcpy(by_id, stack->nic_by_id, stack->nic_cap * sizeof(*by_id));
    rn_alloc_free(stack->alloc, stack->nic_by_id, stack->nic_cap * sizeof(*by_id));
    stack->nic_by_id = by_id;
    stack->nic_cap = (uint16_t)cap;
    return RN_OK;
}

/* The lowest free id; 0 is nobody's. */
static int take_id(struct rn_stack *stack, struct rn_nic *nic)
{
    uint32_t id = 1;
    int err;

    while (id < stack->nic_cap && stack->nic_by_id[id] != NULL)
        id++;
    if (id >= stack->nic_cap) {
        err = grow_ids(stack);
        if (err < 0)
            return err;
    }
    nic->id = (uint16_t)id;
    stack->nic_by_id[id] = nic;
    return RN_OK;
}

static void name_it(struct rn_nic *nic, const char *name)
{
    struct rn_text text = rn_text_of(nic->name, sizeof(nic->name));

    if (name != NULL) {
        rn_text_str(&text, name);
        return;
    }
    rn_text_str(&text, "nic");
    rn_text_u64(&text, nic->id);
}

static int make_neighbour_caches(struct rn_nic *nic)
{
    for (unsigned i = 0; i < RN_L3_COUNT; i++) {
        int err;

        if (nic->stack->protos->l3[i] == NULL)
            continue;
        err = rn_neigh_cache_new(&nic->neigh[i], nic, nic->stack->protos->l3[i]);
        if (err < 0)
            return err;
    }
    return RN_OK;
}

static int add_loopback_addrs(struct rn_nic *nic)
{
    static const uint8_t loopback6[16] = { [15] = 1 };
    int err = rn_nic_add_addr(nic, rn_addr_v4(0x7f000001), 8);

    if (err == RN_OK)
        err = rn_nic_add_addr(nic, rn_addr_v6(loopback6), 128);
    return err == RN_E_DUP_ADDR ? RN_OK : err; /* a second loopback NIC: the first has them */
}

static int set_up(struct rn_nic *nic)
{
    int err = RN_OK;

    if (nic->device->link_type == RN_LINK_ETHERNET)
        err = make_neighbour_caches(nic);
    if (err == RN_OK && rn_nic_is_loopback(nic))
        err = add_loopback_addrs(nic);
    return err;
}

int rn_nic_new(struct rn_nic **ret, struct rn_stack *stack, struct rn_device *device,
               const struct rn_nic_opts *opts)
{
    struct rn_nic *nic;
    int err;

    if (device == NULL || device->is_closed || device->turn != stack->turn)
        return RN_E_BAD_NIC;
    nic = rn_alloc_new(stack->alloc, sizeof(*nic));
    if (nic == NULL)
        return RN_E_NOMEM;
    err = take_id(stack, nic);
    if (err < 0) {
        rn_alloc_free(stack->alloc, nic, sizeof(*nic));
        return err;
    }
    nic->stack = stack;
    nic->device = device;
    nic->is_up = true;
    nic->flags = opts != NULL ? opts->flags : 0;
    nic->out_max_pkts = opts != NULL ? opts->queue_max_pkts : 0;
    if (nic->out_max_pkts == 0)
        nic->out_max_pkts = QUEUE_DEFAULT_PKTS;
    name_it(nic, opts != NULL ? opts->name : NULL);
    rn_list_init(&nic->addrs);
    rn_list_init(&nic->taps);
    rn_list_init(&nic->waiting);
    rn_list_push_back(&stack->nics, &nic->link);

    err = set_up(nic);
    if (err < 0) {
        rn_nic_free(nic);
        return err;
    }
    rn_stack_routes_changed(stack);
    *ret = nic;
    return RN_OK;
}

/* Waiting senders find out for themselves that their way is gone. */
static void wake_waiters(struct rn_nic *nic)
{
    struct rn_list *node;

    while ((node = rn_list_pop_front(&nic->waiting)) != NULL)
        rn_turn_schedule(nic->stack->turn, RN_PHASE_OUTPUT,
                         rn_list_entry(node, struct rn_task, link));
}

struct rn_nic *rn_nic_free(struct rn_nic *nic)
{
    struct rn_stack *stack;
    struct rn_list *node;

    if (nic == NULL)
        return NULL;
    stack = nic->stack;
    if (nic->owns_pump)
        rn_pump_free(nic->pump);
    rn_nic_drop_addrs(nic);
    rn_routes_drop_nic(stack, nic->id);
    for (unsigned i = 0; i < RN_L3_COUNT; i++)
        rn_neigh_cache_free(nic->neigh[i]);
    rn_pktq_drop_all(&nic->out, RN_DROP_NIC_DOWN);
    while ((node = rn_list_first(&nic->taps)) != NULL)
        rn_list_remove(node);
    wake_waiters(nic);
    rn_list_remove(&nic->link);
    stack->nic_by_id[nic->id] = NULL;
    rn_stack_routes_changed(stack);
    rn_alloc_free(stack->alloc, nic, sizeof(*nic));
    return NULL;
}

uint16_t rn_nic_id(const struct rn_nic *nic)
{
    return nic->id;
}

const char *rn_nic_name(const struct rn_nic *nic)
{
    return nic->name;
}

uint32_t rn_nic_mtu(const struct rn_nic *nic)
{
    return nic->device->mtu;
}

bool rn_nic_is_loopback(const struct rn_nic *nic)
{
    return (nic->device->caps & RN_DEV_LOOPBACK) != 0;
}

struct rn_nic *rn_nic_find(const struct rn_stack *stack, uint16_t id)
{
    return id < stack->nic_cap ? stack->nic_by_id[id] : NULL;
}

static bool same_name(const char *a, const char *b)
{
    size_t len = strlen(a);

    return strlen(b) == len && memcmp(a, b, len) == 0;
}

struct rn_nic *rn_nic_find_name(const struct rn_stack *stack, const char *name)
{
    struct rn_list *it;

    rn_list_for_each (it, &stack->nics) {
        struct rn_nic *nic = rn_list_entry(it, struct rn_nic, link);

        if (same_name(nic->name, name))
            return nic;
    }
    return NULL;
}

void rn_nic_set_flags(struct rn_nic *nic, uint32_t set, uint32_t clear)
{
    nic->flags = (nic->flags & ~clear) | set;
    rn_stack_routes_changed(nic->stack);
}

void rn_nic_set_up(struct rn_nic *nic, bool is_up)
{
    nic->is_up = is_up;
    if (!is_up) {
        rn_pktq_drop_all(&nic->out, RN_DROP_NIC_DOWN);
        wake_waiters(nic);
    }
    rn_stack_routes_changed(nic->stack);
}

/* --- input --------------------------------------------------------------------------------------------------- */

void rn_nic_deliver(struct rn_nic *nic, struct rn_pkt *pkt)
{
    const struct rn_protos *protos = nic->stack->protos;

    for (unsigned i = 0; i < RN_L3_COUNT; i++) {
        const struct rn_l3_ops *l3 = protos->l3[i];

        if (l3 != NULL && l3->ethertype == pkt->ethertype) {
            l3->input(nic, pkt);
            return;
        }
        if (l3 != NULL && l3->resolver_ethertype != 0 && l3->resolver_ethertype == pkt->ethertype &&
            nic->neigh[i] != NULL) {
            l3->resolver_input(nic, pkt);
            return;
        }
    }
    rn_pkt_drop(pkt, RN_DROP_UNKNOWN_ETHERTYPE);
}

static void input_ip(struct rn_nic *nic, struct rn_pkt *pkt)
{
    struct rn_view front = rn_pkt_front(pkt);
    unsigned version = front.len == 0 ? 0 : front.ptr[0] >> 4;

    if (version != 4 && version != 6) {
        rn_pkt_drop(pkt, RN_DROP_MALFORMED);
        return;
    }
    pkt->ethertype = version == 4 ? RN_ETHERTYPE_IPV4 : RN_ETHERTYPE_IPV6;
    pkt->link_len = 0;
    rn_nic_deliver(nic, pkt);
}

static void input_ethernet(struct rn_nic *nic, struct rn_pkt *pkt)
{
    struct rn_eth_hdr eth;
    struct rn_view payload;

    if (rn_eth_parse(&eth, &payload, rn_pkt_front(pkt)) < 0) {
        rn_pkt_drop(pkt, RN_DROP_MALFORMED);
        return;
    }
    if (rn_mac_is_group(eth.dst)) {
        pkt->flags |= RN_PKT_BROADCAST;
    } else if (!rn_mac_eq(eth.dst, nic->device->mac)) {
        rn_pkt_drop(pkt, RN_DROP_NOT_FOR_US);
        return;
    }
    pkt->ethertype = eth.type;
    pkt->link_len = RN_ETH_HDR_BYTES;
    rn_pkt_pull(pkt, RN_ETH_HDR_BYTES);
    rn_nic_deliver(nic, pkt);
}

static void input_one(struct rn_nic *nic, struct rn_pkt *pkt)
{
    struct rn_stack *stack = nic->stack;
    uint32_t n_segments = rn_pkt_segments(pkt);

    pkt->account = &stack->drops;
    pkt->nic = nic->id;
    /* What a device may not claim: being looped, being ours. */
    pkt->flags &= RN_PKT_LENT | RN_PKT_GSO_ECN | RN_PKT_GSO_FIXED_ID;
    if (!nic->is_up) {
        rn_pkt_drop(pkt, RN_DROP_NIC_DOWN);
        return;
    }
    nic->rx_pkts += n_segments;
    nic->rx_bytes += pkt->len;
    stack->stats.nic_rx_pkts += n_segments;
    stack->stats.nic_rx_bytes += pkt->len;
    if (RN_UNLIKELY(!rn_list_is_empty(&nic->taps)))
        rn_nic_call_taps(nic, pkt, false);
    if (nic->device->link_type == RN_LINK_IP)
        input_ip(nic, pkt);
    else
        input_ethernet(nic, pkt);
}

void rn_nic_input(struct rn_nic *nic, struct rn_pktq *in)
{
    struct rn_pkt *pkt;

    while ((pkt = rn_pktq_pop(in)) != NULL)
        input_one(nic, pkt);
}

/* --- output -------------------------------------------------------------------------------------------------- */

static bool is_own_traffic_of_tcp(const struct rn_pkt *pkt)
{
    return pkt->l4_proto == RN_PROTO_TCP && (pkt->flags & RN_PKT_FORWARDED) == 0;
}

static void enqueue(struct rn_nic *nic, struct rn_pkt *pkt)
{
    struct rn_stats *stats = &nic->stack->stats;
    uint32_t n_segments = rn_pkt_segments(pkt);

    pkt->account = &nic->stack->drops;
    if (!nic->is_up) {
        rn_pkt_drop(pkt, RN_DROP_NIC_DOWN);
        return;
    }
    if (nic->out.n_pkts >= nic->out_max_pkts && !is_own_traffic_of_tcp(pkt)) {
        rn_pkt_drop(pkt, RN_DROP_QUEUE_FULL);
        return;
    }
    pkt->nic = nic->id;
    nic->tx_pkts += n_segments;
    nic->tx_bytes += pkt->len;
    stats->nic_tx_pkts += n_segments;
    stats->nic_tx_bytes += pkt->len;
    if (RN_UNLIKELY(!rn_list_is_empty(&nic->taps)))
        rn_nic_call_taps(nic, pkt, true);
    rn_pktq_push(&nic->out, pkt);
    nic->n_queued++;
    if (nic->on_output != NULL)
        nic->on_output(nic);
}

void rn_nic_output_to(struct rn_nic *nic, struct rn_mac to, struct rn_pkt *pkt)
{
    struct rn_eth_hdr eth = { .dst = to, .src = nic->device->mac, .type = pkt->ethertype };
    uint8_t *at = rn_pkt_push(pkt, RN_ETH_HDR_BYTES);

    if (at == NULL) {
        rn_pkt_drop(pkt, RN_DROP_NOMEM);
        return;
    }
    rn_eth_emit(&eth, at);
    enqueue(nic, pkt);
}

void rn_nic_output(struct rn_nic *nic, struct rn_neigh *neigh, struct rn_pkt *pkt)
{
    if (neigh != NULL)
        rn_neigh_output(neigh, pkt);
    else
        enqueue(nic, pkt);
}

size_t rn_nic_take_output(struct rn_nic *nic, struct rn_pktq *out, size_t max)
{
    size_t n = 0;
    struct rn_pkt *pkt;

    while (n < max && (pkt = rn_pktq_pop(&nic->out)) != NULL) {
        rn_pktq_push(out, pkt);
        n++;
    }
    if (n != 0)
        wake_waiters(nic);
    return n;
}

bool rn_nic_has_room(const struct rn_nic *nic)
{
    return nic->out.n_pkts < nic->out_max_pkts && nic->out.n_bytes < ROOM_BYTES;
}

void rn_nic_wait(struct rn_nic *nic, struct rn_task *task)
{
    rn_list_push_back(&nic->waiting, &task->link);
}
