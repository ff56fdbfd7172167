#include "ip/dad.h"

#include "ip/nd.h"

static void probe_or_finish(struct rn_timer *timer)
{
    struct rn_nic_addr *own = rn_container_of(timer, struct rn_nic_addr, dad);
    struct rn_stack *stack = own->nic->stack;

    if (own->dad_probes == RN_DAD_TRANSMITS) {
        own->state = RN_ADDR_PREFERRED;
        rn_stack_routes_changed(stack);
        return;
    }
    own->dad_probes++;
    rn_nd_probe(own->nic, own->addr);
    rn_turn_arm(stack->turn, timer, stack->turn->now_ns + RN_DAD_RETRANS_NS);
}

void rn_dad_start(struct rn_nic *nic, struct rn_addr addr)
{
    struct rn_nic_addr *own = rn_nic_find_addr(nic, addr);

    if (own == NULL || own->state != RN_ADDR_TENTATIVE)
        return;
    own->dad.fire = probe_or_finish;
    probe_or_finish(&own->dad);
}

void rn_dad_stop(struct rn_nic *nic, struct rn_addr addr)
{
    struct rn_nic_addr *own = rn_nic_find_addr(nic, addr);

    if (own != NULL)
        rn_turn_cancel(nic->stack->turn, &own->dad);
}

void rn_dad_fail(struct rn_nic_addr *own)
{
    rn_turn_cancel(own->nic->stack->turn, &own->dad);
    own->nic->stack->drops.n[RN_DROP_DUP_ADDRESS]++;
}
