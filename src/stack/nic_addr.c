#include "stack/nic.h"

#include "base/hashkey.h"
#include "stack/stack.h"

#include <runnel/err.h>

static uint32_t hash_addr(struct rn_addr addr)
{
    return rn_mix_words(addr.w, RN_ARRAY_LEN(addr.w));
}

static struct rn_nic_addr *find_exact(const struct rn_stack *stack, struct rn_addr addr,
                                      uint16_t nic_id)
{
    struct rn_hash_node *node = rn_hash_first(&stack->own_addrs, hash_addr(addr));

    for (; node != NULL; node = rn_hash_next(node)) {
        struct rn_nic_addr *own = rn_container_of(node, struct rn_nic_addr, hash);

        if (rn_addr_eq(own->addr, addr) && (nic_id == 0 || own->nic->id == nic_id))
            return own;
    }
    return NULL;
}

struct rn_nic_addr *rn_stack_find_addr(const struct rn_stack *stack, struct rn_addr addr,
                                       uint16_t nic_id)
{
    struct rn_nic_addr *own = find_exact(stack, addr, nic_id);

    /* All of 127/8 is ours where 127.0.0.1 is (RFC 1122 §3.2.1.3 g). */
    if (own == NULL && rn_addr_is_v4(addr) && rn_addr_is_loopback(addr))
        own = find_exact(stack, rn_addr_v4(0x7f000001), nic_id);
    return own;
}

struct rn_nic_addr *rn_stack_find_usable(const struct rn_stack *stack, struct rn_addr addr,
                                         uint16_t nic_id)
{
    struct rn_nic_addr *own = rn_stack_find_addr(stack, addr, nic_id);

    return own != NULL && own->state != RN_ADDR_TENTATIVE ? own : NULL;
}

struct rn_nic_addr *rn_nic_find_addr(const struct rn_nic *nic, struct rn_addr addr)
{
    return rn_stack_find_addr(nic->stack, addr, nic->id);
}

static struct rn_route_entry on_link_route(const struct rn_nic_addr *own)
{
    return (struct rn_route_entry){
        .dst = rn_prefix_of(own->addr, own->bits),
        .source = own->addr,
        .nic = own->nic->id,
    };
}

static bool is_host_prefix(const struct rn_nic_addr *own)
{
    return own->bits == (rn_addr_is_v4(own->addr) ? 32 : 128);
}

/* A host prefix needs none: nobody else is in it. Two addresses may share the route of one prefix. */
static int add_on_link_route(const struct rn_nic_addr *own)
{
    struct rn_route_entry route = on_link_route(own);
    int err;

    if (is_host_prefix(own))
        return RN_OK;
    err = rn_route_add(own->nic->stack, &route);
    return err == RN_E_EXISTS ? RN_OK : err;
}

static bool is_prefix_of_another(const struct rn_nic_addr *own)
{
    struct rn_prefix prefix = rn_prefix_of(own->addr, own->bits);
    struct rn_list *it;

    rn_list_for_each (it, &own->nic->addrs) {
        const struct rn_nic_addr *other = rn_list_entry(it, struct rn_nic_addr, link);
        struct rn_prefix theirs = rn_prefix_of(other->addr, other->bits);

        if (other != own && rn_prefix_eq(&prefix, &theirs))
            return true;
    }
    return false;
}

static void tell_protocol(struct rn_nic *nic, struct rn_addr addr, bool is_added)
{
    const struct rn_l3_ops *l3 = nic->stack->protos->l3[rn_addr_is_v4(addr) ? RN_L3_V4 : RN_L3_V6];

    if (l3 == NULL)
        return;
    if (is_added && l3->addr_added != NULL)
        l3->addr_added(nic, addr);
    if (!is_added && l3->addr_removed != NULL)
        l3->addr_removed(nic, addr);
}

static void unlink_addr(struct rn_nic_addr *own)
{
    struct rn_stack *stack = own->nic->stack;

    rn_list_remove(&own->link);
    rn_hash_remove(&stack->own_addrs, &own->hash);
    rn_alloc_free(stack->alloc, own, sizeof(*own));
    rn_stack_routes_changed(stack);
}

/* RFC 4862 §5.4; ARP has no such rule that hosts keep, and links without addresses nobody to ask. */
static enum rn_addr_state first_state(const struct rn_nic *nic, struct rn_addr addr)
{
    bool may_clash = !rn_addr_is_v4(addr) && nic->device->link_type == RN_LINK_ETHERNET &&
                     !rn_nic_is_loopback(nic) && (nic->flags & RN_NIC_NO_DAD) == 0;

    return may_clash ? RN_ADDR_TENTATIVE : RN_ADDR_PREFERRED;
}

/* RFC 3021: a /31 has two hosts and no broadcast address. */
static struct rn_addr broadcast_of(struct rn_addr addr, unsigned bits)
{
    struct rn_prefix prefix = rn_prefix_of(addr, bits);

    return rn_addr_is_v4(addr) && bits <= 30 ? rn_prefix_last(&prefix) : rn_addr_none();
}

int rn_nic_add_addr(struct rn_nic *nic, struct rn_addr addr, unsigned prefix_bits)
{
    struct rn_stack *stack = nic->stack;
    struct rn_nic_addr *own;
    int err;

    if (rn_addr_is_any(addr) || rn_addr_is_multicast(addr) || rn_addr_is_broadcast(addr) ||
        prefix_bits > (rn_addr_is_v4(addr) ? 32u : 128u))
        return RN_E_BAD_ADDR;
    /* Only link-local addresses may be on two NICs: they are told apart by the scope. */
    if (find_exact(stack, addr, rn_addr_is_link_local(addr) ? nic->id : 0) != NULL)
        return RN_E_DUP_ADDR;
    own = rn_alloc_new(stack->alloc, sizeof(*own));
    if (own == NULL)
        return RN_E_NOMEM;
    own->nic = nic;
    own->addr = addr;
    own->broadcast = broadcast_of(addr, prefix_bits);
    own->bits = (uint8_t)prefix_bits;
    own->state = (uint8_t)first_state(nic, addr);
    rn_list_push_back(&nic->addrs, &own->link);
    rn_hash_insert(&stack->own_addrs, &own->hash, hash_addr(addr));
    err = add_on_link_route(own);
    if (err < 0) {
        unlink_addr(own);
        return err;
    }
    rn_stack_routes_changed(stack);
    tell_protocol(nic, addr, true);
    return RN_OK;
}

static void remove_addr(struct rn_nic_addr *own)
{
    struct rn_route_entry route = on_link_route(own);

    tell_protocol(own->nic, own->addr, false);
    /* The user may have removed the route before. */
    if (!is_host_prefix(own) && !is_prefix_of_another(own) &&
        rn_route_remove(own->nic->stack, &route) < 0)
        rn_stack_routes_changed(own->nic->stack);
    unlink_addr(own);
}

int rn_nic_remove_addr(struct rn_nic *nic, struct rn_addr addr)
{
    struct rn_nic_addr *own = find_exact(nic->stack, addr, nic->id);

    if (own == NULL)
        return RN_E_NOT_FOUND;
    remove_addr(own);
    return RN_OK;
}

void rn_nic_drop_addrs(struct rn_nic *nic)
{
    struct rn_list *node;

    while ((node = rn_list_first(&nic->addrs)) != NULL)
        remove_addr(rn_list_entry(node, struct rn_nic_addr, link));
}

size_t rn_nic_addrs(const struct rn_nic *nic, struct rn_prefix *ret, size_t max)
{
    struct rn_list *it;
    size_t n = 0;

    rn_list_for_each (it, &nic->addrs) {
        const struct rn_nic_addr *own = rn_list_entry(it, struct rn_nic_addr, link);

        if (n < max)
            ret[n] = (struct rn_prefix){ own->addr, own->bits, rn_addr_is_v4(own->addr) };
        n++;
    }
    return n;
}

bool rn_nic_is_broadcast(const struct rn_nic *nic, struct rn_addr addr)
{
    struct rn_list *it;

    if (!rn_addr_is_v4(addr))
        return false;
    if (rn_addr_is_broadcast(addr))
        return true;
    rn_list_for_each (it, &nic->addrs) {
        if (rn_addr_eq(rn_list_entry(it, struct rn_nic_addr, link)->broadcast, addr))
            return true;
    }
    return false;
}
