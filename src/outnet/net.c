#include "outnet/net.h"

int rn_net_dial_start(struct rn_net *net, struct rn_net_dial *dial)
{
    dial->ops = net->ops;
    return net->ops->dial(net, dial);
}

void rn_net_dial_cancel(struct rn_net_dial *dial)
{
    if (dial->pending != NULL)
        dial->ops->dial_cancel(dial);
}

struct rn_net *rn_net_free(struct rn_net *net)
{
    if (net != NULL)
        net->ops->destroy(net);
    return NULL;
}
