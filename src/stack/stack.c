#include "stack/stack.h"

#include "stack/nic.h"

#include <runnel/err.h>

/* Looped datagrams beyond this are dropped: TCP limits itself. */
#define LOOP_MAX_PKTS 4096u

static const struct rn_stack_opts defaults = {
    .icmp_rate_per_s = 1000,
    .icmp_burst = 50,
    .tcp_mss_floor = 48, /* Linux tcp_min_snd_mss */
    .reass_max_bytes = 4u << 20,
    .port_first = 32768,
    .port_last = 60999,
    .default_ttl = 64, /* RFC 1700, as every host sends */
};

/* Each key answers for one purpose: a number leaked through one says nothing about the others. */
static struct rn_hash_key derive_key(const uint8_t secret[32], uint8_t purpose)
{
    struct rn_hash_key master = rn_hash_key_of(secret);
    struct rn_hash_key key;
    uint8_t msg[18];

    memcpy(msg, secret + 16, 16);
    msg[16] = purpose;
    msg[17] = 0;
    key.k0 = rn_siphash24(&master, msg, sizeof(msg));
    msg[17] = 1;
    key.k1 = rn_siphash24(&master, msg, sizeof(msg));
    return key;
}

static void derive_secrets(struct rn_secrets *s, const uint8_t secret[32])
{
    s->table = derive_key(secret, 1);
    s->conn = derive_key(secret, 2);
    s->cookie = derive_key(secret, 3);
    s->port = derive_key(secret, 4);
    s->ipid = derive_key(secret, 5);
    s->fastopen = derive_key(secret, 6);
}

static bool has_secret(const struct rn_stack_opts *opts)
{
    static const uint8_t zero[sizeof(opts->secret)] = { 0 };

    return opts->is_test || memcmp(opts->secret, zero, sizeof(zero)) != 0;
}

/* The other half is for what comes and goes: if sockets held every slab, the segment that fills their hole could neither
 * arrive nor be sent, and nothing would ever move again. */
static size_t half_of_pool(const struct rn_turn *turn)
{
    struct rn_pool_stats stats;

    rn_pool_get_stats(turn->pool, &stats);
    return stats.bytes_max / 2;
}

static void fill_defaults(struct rn_stack_opts *opts, const struct rn_turn *turn)
{
    if (opts->icmp_rate_per_s == 0)
        opts->icmp_rate_per_s = defaults.icmp_rate_per_s;
    if (opts->icmp_burst == 0)
        opts->icmp_burst = defaults.icmp_burst;
    if (opts->tcp_mss_floor < defaults.tcp_mss_floor)
        opts->tcp_mss_floor = defaults.tcp_mss_floor;
    if (opts->reass_max_bytes == 0)
        opts->reass_max_bytes = defaults.reass_max_bytes;
    if (opts->sock_max_bytes == 0)
        opts->sock_max_bytes = half_of_pool(turn);
    if (opts->port_first == 0)
        opts->port_first = defaults.port_first;
    if (opts->port_last == 0)
        opts->port_last = defaults.port_last;
    if (opts->default_ttl == 0)
        opts->default_ttl = defaults.default_ttl;
}

static void deliver_looped(struct rn_task *task)
{
    struct rn_stack *stack = rn_container_of(task, struct rn_stack, loop_task);
    struct rn_pktq q = stack->looped;
    struct rn_pkt *pkt;

    stack->looped = (struct rn_pktq){ 0 };
    while ((pkt = rn_pktq_pop(&q)) != NULL) {
        struct rn_nic *nic = rn_nic_find(stack, pkt->nic);

        if (nic == NULL)
            rn_pkt_drop(pkt, RN_DROP_UNKNOWN_NIC);
        else
            rn_nic_deliver(nic, pkt);
    }
}

void rn_stack_loop(struct rn_stack *stack, struct rn_nic *nic, struct rn_pkt *pkt)
{
    if (stack->looped.n_pkts >= LOOP_MAX_PKTS && pkt->l4_proto != RN_PROTO_TCP) {
        rn_pkt_drop(pkt, RN_DROP_QUEUE_FULL);
        return;
    }
    pkt->nic = nic->id;
    pkt->flags |= RN_PKT_LOOPED;
    pkt->time_ns = stack->turn->now_ns;
    rn_pktq_push(&stack->looped, pkt);
    rn_turn_schedule(stack->turn, RN_PHASE_DELIVER, &stack->loop_task);
}

void rn_stack_routes_changed(struct rn_stack *stack)
{
    stack->route_gen++;
    if (stack->route_gen == 0) /* 0 means "not looked up" to a flow */
        stack->route_gen = 1;
}

static int attach_l4(struct rn_stack *stack)
{
    const struct rn_l4_ops *const *l4 = stack->protos->l4;

    for (uint8_t i = 0; i < RN_L4_MAX && l4[i] != NULL; i++) {
        if (l4[i]->attach != NULL) {
            int err = l4[i]->attach(stack, &stack->l4_state[i]);

            if (err < 0)
                return err;
        }
        stack->l4_by_proto[l4[i]->proto] = l4[i];
        stack->l4_slot[l4[i]->proto] = i;
    }
    return RN_OK;
}

static int attach_protos(struct rn_stack *stack)
{
    const struct rn_protos *protos = stack->protos;

    for (unsigned i = 0; i < RN_L3_COUNT; i++) {
        int err;

        if (protos->l3[i] == NULL)
            continue;
        err = protos->l3[i]->attach(stack, &stack->l3_state[i]);
        if (err < 0)
            return err;
    }
    if (protos->echo != NULL) {
        int err = protos->echo->attach(stack, &stack->echo_state);

        if (err < 0)
            return err;
    }
    return attach_l4(stack);
}

/* Sockets first: they hold flows, which hold neighbours of NICs. */
static void detach_conversations(struct rn_stack *stack)
{
    const struct rn_protos *protos = stack->protos;

    for (unsigned i = RN_L4_MAX; i-- > 0;) {
        const struct rn_l4_ops *ops = protos->l4[i];

        if (ops == NULL || stack->l4_by_proto[ops->proto] != ops)
            continue;
        stack->l4_by_proto[ops->proto] = NULL;
        if (ops->detach != NULL)
            ops->detach(stack, stack->l4_state[i]);
    }
    if (stack->echo_state != NULL)
        protos->echo->detach(stack, stack->echo_state);
}

static void detach_networks(struct rn_stack *stack)
{
    for (unsigned i = 0; i < RN_L3_COUNT; i++) {
        if (stack->l3_state[i] != NULL)
            stack->protos->l3[i]->detach(stack, stack->l3_state[i]);
    }
}

static void free_nics(struct rn_stack *stack)
{
    struct rn_list *node;

    while ((node = rn_list_first(&stack->nics)) != NULL)
        rn_nic_free(rn_list_entry(node, struct rn_nic, link));
    rn_alloc_free(stack->alloc, stack->nic_by_id, stack->nic_cap * sizeof(*stack->nic_by_id));
}

static int init_tables(struct rn_stack *stack)
{
    int err = rn_hash_init(&stack->own_addrs, stack->alloc, 16);

    if (err == RN_OK)
        err = rn_routes_init(&stack->routes, stack->alloc);
    if (err == RN_OK)
        err = rn_demux_init(&stack->demux, stack->alloc, &stack->secrets.table);
    if (err == RN_OK)
        err = rn_ports_init(&stack->ports, stack->alloc, &stack->secrets.port);
    return err;
}

static void init_limits(struct rn_stack *stack)
{
    const struct rn_stack_opts *opts = &stack->opts;
    int64_t now_ns = stack->turn->now_ns;

    stack->ports.first = opts->port_first;
    stack->ports.last = opts->port_last;
    stack->icmp_limit.key = stack->secrets.table;
    rn_icmp_limit_init(&stack->icmp_limit, opts->icmp_rate_per_s, opts->icmp_burst, now_ns);
}

static void strain(struct rn_task *task)
{
    struct rn_stack *stack = rn_container_of(task, struct rn_stack, strain);

    for (unsigned i = 0; i < RN_L4_MAX && stack->protos->l4[i] != NULL; i++) {
        if (stack->protos->l4[i]->strained != NULL)
            stack->protos->l4[i]->strained(stack, stack->l4_state[i]);
    }
}

static void relieve(struct rn_task *task)
{
    struct rn_stack *stack = rn_container_of(task, struct rn_stack, relief);

    for (unsigned i = 0; i < RN_L4_MAX && stack->protos->l4[i] != NULL; i++) {
        if (stack->protos->l4[i]->relieved != NULL)
            stack->protos->l4[i]->relieved(stack, stack->l4_state[i]);
    }
}

int rn_stack_new(struct rn_stack **ret, struct rn_turn *turn, const struct rn_stack_opts *opts)
{
    const struct rn_alloc *alloc = rn_turn_alloc(turn);
    struct rn_stack *stack;
    int err;

    if (opts->protos == NULL || !has_secret(opts))
        return RN_E_MISSING_FIELDS;
    stack = rn_alloc_new(alloc, sizeof(*stack));
    if (stack == NULL)
        return RN_E_NOMEM;
    stack->turn = turn;
    stack->strain.run = strain;
    stack->relief.run = relieve;
    stack->alloc = alloc;
    stack->opts = *opts;
    stack->protos = opts->protos;
    stack->route_gen = 1;
    stack->loop_task.run = deliver_looped;
    fill_defaults(&stack->opts, turn);
    derive_secrets(&stack->secrets, opts->secret);
    rn_list_init(&stack->nics);
    rn_list_init(&stack->routes.all);

    err = init_tables(stack);
    if (err == RN_OK) {
        init_limits(stack);
        err = attach_protos(stack);
    }
    if (err < 0) {
        rn_stack_free(stack);
        return err;
    }
    *ret = stack;
    return RN_OK;
}

struct rn_stack *rn_stack_free(struct rn_stack *stack)
{
    if (stack == NULL)
        return NULL;
    detach_conversations(stack);
    rn_turn_unschedule(&stack->loop_task);
    rn_turn_unschedule(&stack->strain);
    rn_turn_unschedule(&stack->relief);
    rn_pktq_free_all(&stack->looped);
    free_nics(stack);
    detach_networks(stack);
    rn_routes_fini(&stack->routes);
    rn_hash_fini(&stack->own_addrs);
    rn_ports_fini(&stack->ports);
    rn_demux_fini(&stack->demux);
    rn_alloc_free(stack->alloc, stack, sizeof(*stack));
    return NULL;
}

struct rn_turn *rn_stack_turn(const struct rn_stack *stack)
{
    return stack->turn;
}

enum rn_pressure rn_stack_pressure(const struct rn_stack *stack)
{
    size_t max = stack->opts.sock_max_bytes;

    if (stack->sock_bytes >= max)
        return RN_PRESSURE_FULL;
    return stack->sock_bytes >= max / 4 * 3 ? RN_PRESSURE_HIGH : RN_PRESSURE_NONE;
}

/* Relief comes at three quarters, not at the limit, so that those who go on find more than one segment's room. */
void rn_stack_charge(struct rn_stack *stack, int64_t bytes)
{
    stack->sock_bytes += (size_t)bytes;
    if (stack->sock_bytes >= stack->opts.sock_max_bytes) {
        if (!stack->was_full)
            rn_turn_schedule(stack->turn, RN_PHASE_EVENT, &stack->strain);
        stack->was_full = true;
    } else if (stack->was_full && rn_stack_pressure(stack) == RN_PRESSURE_NONE) {
        stack->was_full = false;
        rn_turn_schedule(stack->turn, RN_PHASE_EVENT, &stack->relief);
    }
}
