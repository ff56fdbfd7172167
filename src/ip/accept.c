/*
 * May a packet between these two addresses come in here, and whose is it? One question per conversation, not per packet:
 * the answer stays in a small cache on the NIC until routes or addresses change.
 */
#include "ip/group.h"
#include "ip/ip.h"

static bool is_from_wire(const struct rn_nic *nic, bool is_looped)
{
    return !is_looped && !rn_nic_is_loopback(nic);
}

/* 240/4 but 255.255.255.255 (RFC 1112 §4), and 0/8 but 0.0.0.0 (RFC 1122 §3.2.1.3 b). */
static bool is_reserved(struct rn_addr a)
{
    uint32_t v4 = rn_addr_to_v4(a);

    if (!rn_addr_is_v4(a))
        return false;
    return (v4 >> 28 == 15 && !rn_addr_is_broadcast(a)) || (v4 >> 24 == 0 && v4 != 0);
}

/* RN_DROP_COUNT: nothing wrong with the source. */
static enum rn_drop check_source(const struct rn_nic *nic, struct rn_addr src, struct rn_addr dst,
                                 bool from_wire)
{
    if (rn_addr_is_multicast(src) || rn_nic_is_broadcast(nic, src) || is_reserved(src))
        return RN_DROP_MARTIAN;
    /* Somebody who has no address yet: DHCP, duplicate address detection, MLD. */
    if (rn_addr_is_any(src))
        return rn_addr_is_multicast(dst) || rn_addr_is_broadcast(dst) ? RN_DROP_COUNT
                                                                      : RN_DROP_MARTIAN;
    if (!from_wire)
        return RN_DROP_COUNT;
    if (rn_addr_is_loopback(src) && !nic->stack->opts.allow_loopback_from_nic)
        return RN_DROP_MARTIAN;
    if (rn_addr_eq(src, dst))
        return RN_DROP_MARTIAN;
    if (rn_stack_find_addr(nic->stack, src, rn_addr_is_link_local(src) ? nic->id : 0) != NULL)
        return RN_DROP_BAD_SOURCE;
    return RN_DROP_COUNT;
}

static struct rn_nic_verdict drop(enum rn_drop why)
{
    return (struct rn_nic_verdict){ .fate = RN_IP_DROP, .drop = (uint8_t)why };
}

static struct rn_nic_verdict fate(enum rn_ip_fate fate)
{
    return (struct rn_nic_verdict){ .fate = (uint8_t)fate };
}

static struct rn_nic_verdict judge_dst(const struct rn_nic *nic, struct rn_addr dst, bool from_wire)
{
    const struct rn_stack *stack = nic->stack;
    bool is_promiscuous = (nic->flags & RN_NIC_PROMISCUOUS) != 0;

    if (rn_addr_is_any(dst) || is_reserved(dst))
        return drop(RN_DROP_MARTIAN);
    if (rn_addr_is_loopback(dst) && from_wire && !stack->opts.allow_loopback_from_nic)
        return drop(RN_DROP_MARTIAN);
    if (rn_nic_is_broadcast(nic, dst))
        return fate(RN_IP_MANY);
    if (rn_addr_is_multicast(dst))
        return is_promiscuous || rn_group_is_joined(nic, dst) ? fate(RN_IP_MANY)
                                                              : drop(RN_DROP_NOT_JOINED);
    if (rn_stack_find_usable(stack, dst, rn_addr_is_link_local(dst) ? nic->id : 0) != NULL)
        return fate(RN_IP_OURS);
    if (is_promiscuous)
        return fate(RN_IP_FOREIGN);
    return stack->opts.is_forwarding ? fate(RN_IP_FORWARD) : drop(RN_DROP_NOT_FOR_US);
}

/* The two are not simply folded together: neighbours who talk in pairs would all meet in one slot. */
static unsigned slot_of(struct rn_addr src, struct rn_addr dst)
{
    const uint64_t golden = 0x9e3779b97f4a7c15ull;
    uint64_t mix = (((src.w[1] ^ src.w[0]) * golden) ^ dst.w[1] ^ dst.w[0]) * golden;

    return (unsigned)(mix >> 60) % RN_NIC_VERDICTS;
}

const struct rn_nic_verdict *rn_ip_judge(struct rn_nic *nic, struct rn_addr src, struct rn_addr dst,
                                         bool is_looped)
{
    struct rn_nic_verdict *v = &nic->verdicts[slot_of(src, dst)];
    bool from_wire = is_from_wire(nic, is_looped);
    enum rn_drop why;

    if (RN_LIKELY(v->gen == nic->stack->route_gen && rn_addr_eq(v->src, src) &&
                  rn_addr_eq(v->dst, dst) && v->is_looped == is_looped))
        return v;
    why = check_source(nic, src, dst, from_wire);
    *v = why != RN_DROP_COUNT ? drop(why) : judge_dst(nic, dst, from_wire);
    v->src = src;
    v->dst = dst;
    v->gen = nic->stack->route_gen;
    v->is_looped = is_looped;
    return v;
}

bool rn_ip_is_local(const struct rn_stack *stack, struct rn_addr addr, uint16_t nic)
{
    return rn_stack_find_usable(stack, addr, nic) != NULL;
}
