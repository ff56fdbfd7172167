/* The way out to a destination, looked up once per conversation and kept until something changes. */
#include "ip/group.h"
#include "ip/ip.h"
#include "ip/pmtu.h"
#include "stack/neigh.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

#include <runnel/err.h>

void rn_flow_release(struct rn_flow *flow)
{
    rn_neigh_unref(flow->neigh);
    *flow = (struct rn_flow){ 0 };
}

/* A destination that no route can tell apart: its NIC must be said, or follows from the source. */
static bool is_scoped(struct rn_addr dst)
{
    return rn_addr_is_multicast(dst) || rn_addr_is_broadcast(dst) ||
           (!rn_addr_is_v4(dst) && rn_addr_is_link_local(dst));
}

static struct rn_nic *nic_of_scoped(const struct rn_stack *stack, const struct rn_ip_out *out)
{
    const struct rn_route_entry *route;
    const struct rn_nic_addr *own;
    struct rn_list *it;

    if (out->nic != 0)
        return rn_nic_find(stack, out->nic);
    own = rn_addr_is_none(out->src) ? NULL : rn_stack_find_usable(stack, out->src, 0);
    if (own != NULL)
        return own->nic;
    route = rn_routes_find(stack, out->dst, 0);
    if (route != NULL)
        return rn_nic_find(stack, route->nic);
    rn_list_for_each (it, &stack->nics) {
        struct rn_nic *nic = rn_list_entry(it, struct rn_nic, link);

        if (nic->is_up && !rn_nic_is_loopback(nic))
            return nic;
    }
    return NULL;
}

static uint16_t path_mtu(const struct rn_stack *stack, const struct rn_nic *nic,
                         const struct rn_route_entry *route, struct rn_addr dst)
{
    uint32_t mtu = nic->device->mtu;

    if (route != NULL && route->mtu != 0)
        mtu = rn_min_u32(mtu, route->mtu);
    return rn_sat_u16(rn_min_u32(mtu, rn_pmtu_find(stack, dst)));
}

static int resolve(struct rn_flow *flow, struct rn_addr next_hop)
{
    struct rn_neigh_cache *cache = rn_nic_neigh(flow->nic, next_hop);

    flow->is_group = rn_addr_is_multicast(next_hop) || rn_nic_is_broadcast(flow->nic, next_hop);
    if (cache == NULL || flow->is_group)
        return RN_OK;
    flow->neigh = rn_neigh_get(cache, next_hop);
    return flow->neigh != NULL ? RN_OK : RN_E_NO_BUFFER;
}

static int look_up_route(struct rn_stack *stack, struct rn_flow *flow, const struct rn_ip_out *out,
                         struct rn_addr *hint)
{
    const struct rn_route_entry *route = NULL;
    struct rn_addr next_hop = out->dst;

    if (is_scoped(out->dst)) {
        flow->nic = nic_of_scoped(stack, out);
    } else {
        route = rn_routes_find(stack, out->dst, out->nic);
        flow->nic = route != NULL ? rn_nic_find(stack, route->nic) : NULL;
        if (route != NULL && !rn_addr_is_none(route->gateway))
            next_hop = route->gateway;
    }
    if (flow->nic == NULL)
        return RN_E_NET_UNREACH;
    if (route != NULL)
        *hint = route->source;
    flow->mtu = path_mtu(stack, flow->nic, route, out->dst);
    return resolve(flow, next_hop);
}

static int look_up(struct rn_stack *stack, struct rn_flow *flow, const struct rn_ip_out *out,
                   struct rn_addr *hint)
{
    const struct rn_nic_addr *own = rn_stack_find_usable(stack, out->dst, out->nic);

    if (out->nic != 0 && rn_nic_find(stack, out->nic) == NULL)
        return RN_E_NO_NIC;
    /* Bound to another NIC, yet to ourselves. */
    if (own == NULL && out->nic != 0 && !is_scoped(out->dst))
        own = rn_stack_find_usable(stack, out->dst, 0);
    if (own == NULL)
        return look_up_route(stack, flow, out, hint);
    flow->nic = own->nic;
    flow->mtu = UINT16_MAX;
    flow->is_local = true;
    *hint = out->dst;
    return RN_OK;
}

static int choose_source(const struct rn_stack *stack, const struct rn_flow *flow,
                         const struct rn_ip_out *out, struct rn_addr *src)
{
    bool is_free = out->is_spoofed || (flow->nic->flags & RN_NIC_SPOOFING) != 0;

    if (!rn_addr_is_none(out->src)) {
        if (!is_free && rn_stack_find_usable(stack, out->src, 0) == NULL)
            return RN_E_BAD_LOCAL_ADDR;
        *src = out->src;
        return RN_OK;
    }
    if (!rn_addr_is_none(*src) && rn_addr_is_v4(*src) == rn_addr_is_v4(out->dst))
        return RN_OK;
    return rn_pick_source(flow->nic, out->dst, src);
}

/* Not simply folded together, as in accept.c. */
static struct rn_way *way_of(struct rn_stack *stack, const struct rn_ip_out *out)
{
    const uint64_t golden = 0x9e3779b97f4a7c15ull;
    uint64_t mix = (((out->src.w[1] ^ out->src.w[0]) * golden) ^ out->dst.w[1] ^ out->dst.w[0]);

    return &stack->ways[(mix * golden >> 60) % RN_WAYS];
}

/* Was the question answered before, and is that still true? */
static bool recall(const struct rn_stack *stack, const struct rn_way *way,
                   const struct rn_ip_out *out)
{
    return way->flow.gen == stack->route_gen && way->nic == out->nic && !out->is_spoofed &&
           rn_addr_eq(way->dst, out->dst) && rn_addr_eq(way->src, out->src);
}

/* Nobody holds a neighbour for it, and whoever may send as anybody must ask each time. */
static void remember(struct rn_way *way, const struct rn_ip_out *out, const struct rn_flow *found)
{
    bool is_free = out->is_spoofed || (found->nic->flags & RN_NIC_SPOOFING) != 0;

    if (is_free || found->neigh != NULL || rn_addr_is_none(out->src))
        return;
    *way = (struct rn_way){ .src = out->src, .dst = out->dst, .nic = out->nic, .flow = *found };
}

static int find(struct rn_stack *stack, struct rn_flow *flow, const struct rn_ip_out *out,
                struct rn_addr *ret_src)
{
    struct rn_flow found = { 0 };
    struct rn_addr src = rn_addr_none();
    int err;

    err = look_up(stack, &found, out, &src);
    if (err == RN_OK)
        err = choose_source(stack, &found, out, &src);
    if (err < 0) {
        rn_flow_release(&found);
        return err;
    }
    found.gen = stack->route_gen;
    remember(way_of(stack, out), out, &found);
    rn_flow_release(flow);
    *flow = found;
    *ret_src = src;
    return RN_OK;
}

int rn_flow_find(struct rn_stack *stack, struct rn_flow *flow, const struct rn_ip_out *out,
                 struct rn_addr *ret_src)
{
    const struct rn_way *way;

    if (rn_addr_is_none(out->src))
        return find(stack, flow, out, ret_src);
    if (!rn_flow_is_fresh(stack, flow)) {
        way = way_of(stack, out);
        if (!recall(stack, way, out))
            return find(stack, flow, out, ret_src);
        rn_flow_release(flow);
        *flow = way->flow;
    }
    *ret_src = out->src;
    return RN_OK;
}

uint32_t rn_flow_payload_mtu(const struct rn_flow *flow, struct rn_addr dst)
{
    uint32_t header = rn_addr_is_v4(dst) ? RN_IPV4_HDR_BYTES : RN_IPV6_HDR_BYTES;

    return flow->mtu > header ? flow->mtu - header : 0;
}

void rn_flow_confirm(struct rn_stack *stack, struct rn_flow *flow)
{
    if (flow->neigh != NULL && rn_flow_is_fresh(stack, flow))
        rn_neigh_confirm(flow->neigh);
}
