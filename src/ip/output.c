#include "ip/out.h"
#include "stack/neigh.h"
#include "wire/eth.h"

#include <runnel/err.h>

void rn_ip_send(struct rn_stack *stack, const struct rn_flow *flow, const struct rn_ip_out *out,
                struct rn_pkt *pkt)
{
    if (flow->is_local)
        rn_stack_loop(stack, flow->nic, pkt);
    else if (flow->is_group && flow->nic->device->link_type == RN_LINK_ETHERNET)
        rn_nic_output_to(
            flow->nic,
            rn_addr_is_multicast(out->dst) ? rn_mac_of_group(out->dst) : rn_mac_broadcast(), pkt);
    else
        rn_nic_output(flow->nic, flow->neigh, pkt);
}

static int refuse(struct rn_stack *stack, struct rn_pkt *pkt, int err)
{
    stack->stats.ip_out_no_route++;
    rn_pkt_drop(pkt, err == RN_E_BAD_LOCAL_ADDR ? RN_DROP_BAD_SOURCE : RN_DROP_NO_ROUTE);
    return err;
}

int rn_ip_output(struct rn_stack *stack, struct rn_flow *flow, const struct rn_ip_out *out,
                 struct rn_pkt *pkt)
{
    struct rn_ip_tx tx = { .stack = stack, .flow = flow, .out = out, .src = out->src };

    pkt->account = &stack->drops;
    if (RN_UNLIKELY(!rn_flow_is_fresh(stack, flow) || rn_addr_is_none(out->src))) {
        int err = rn_flow_find(stack, flow, out, &tx.src);

        if (err < 0)
            return refuse(stack, pkt, err);
    }
    pkt->l4_proto = out->proto;
    pkt->tos = out->tos;
    tx.mtu = out->is_probe ? rn_nic_mtu(flow->nic) : flow->mtu;
    stack->stats.ip_out_sent++;
    return rn_addr_is_v4(out->dst) ? rn_ipv4_output(&tx, pkt) : rn_ipv6_output(&tx, pkt);
}
