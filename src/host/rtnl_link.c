#include "host/rtnl_link.h"

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

static struct ifinfomsg *begin(struct rn_nl_msg *msg, unsigned type, unsigned flags,
                               uint32_t ifindex)
{
    struct ifinfomsg *ifi = rn_nl_msg_begin(msg, type, flags, sizeof(*ifi));

    ifi->ifi_family = AF_UNSPEC;
    ifi->ifi_index = (int)ifindex;
    return ifi;
}

static int keep_index(const struct nlmsghdr *head, void *arg)
{
    const struct ifinfomsg *ifi = NLMSG_DATA(head);

    if (head->nlmsg_type == RTM_NEWLINK && head->nlmsg_len >= NLMSG_LENGTH(sizeof(*ifi)))
        *(int *)arg = ifi->ifi_index;
    return RN_OK;
}

int rn_rtnl_link_index(struct rn_nl *nl, const char *name)
{
    struct rn_nl_msg msg;
    int ifindex = RN_E_NO_DEVICE;
    int err;

    begin(&msg, RTM_GETLINK, 0, 0);
    rn_nl_put_str(&msg, IFLA_IFNAME, name);
    err = rn_nl_ask(nl, &msg, keep_index, &ifindex);
    return err < 0 ? err : ifindex;
}

int rn_rtnl_link_set(struct rn_nl *nl, uint32_t ifindex, const struct rn_link_change *change)
{
    struct rn_nl_msg msg;
    struct ifinfomsg *ifi = begin(&msg, RTM_NEWLINK, 0, ifindex);

    if (change->admin != RN_LINK_KEEP) {
        ifi->ifi_change = IFF_UP;
        ifi->ifi_flags = change->admin == RN_LINK_UP ? IFF_UP : 0;
    }
    if (change->mtu != 0)
        rn_nl_put_u32(&msg, IFLA_MTU, change->mtu);
    if (change->queue_pkts != 0)
        rn_nl_put_u32(&msg, IFLA_TXQLEN, change->queue_pkts);
    if (change->mac != NULL)
        rn_nl_put(&msg, IFLA_ADDRESS, change->mac->b, sizeof(change->mac->b));
    return rn_nl_talk(nl, &msg);
}

static void put_veth_end(struct rn_nl_msg *msg, const char *name, uint32_t mtu)
{
    rn_nl_put_str(msg, IFLA_IFNAME, name);
    if (mtu != 0)
        rn_nl_put_u32(msg, IFLA_MTU, mtu);
}

int rn_rtnl_veth_add(struct rn_nl *nl, const struct rn_veth_plan *plan)
{
    struct rn_nl_msg msg;
    struct nlattr *info;
    struct nlattr *data;
    struct nlattr *peer;

    begin(&msg, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
    put_veth_end(&msg, plan->name, plan->mtu);
    info = rn_nl_nest_begin(&msg, IFLA_LINKINFO);
    rn_nl_put_str(&msg, IFLA_INFO_KIND, "veth");
    data = rn_nl_nest_begin(&msg, IFLA_INFO_DATA);
    peer = rn_nl_nest_begin(&msg, VETH_INFO_PEER);
    (void)rn_nl_put_room(&msg, sizeof(struct ifinfomsg));
    put_veth_end(&msg, plan->peer_name, plan->mtu);
    if (plan->peer_netns_fd >= 0)
        rn_nl_put_u32(&msg, IFLA_NET_NS_FD, (uint32_t)plan->peer_netns_fd);
    rn_nl_nest_end(&msg, peer);
    rn_nl_nest_end(&msg, data);
    rn_nl_nest_end(&msg, info);
    return rn_nl_talk(nl, &msg);
}
