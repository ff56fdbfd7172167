/* Observers of a NIC: they run inline, see const data, and the turn's flag keeps them from calling the API. */
#include "stack/nic.h"
#include "stack/stack.h"

void rn_nic_add_tap(struct rn_nic *nic, struct rn_tap *tap)
{
    rn_list_push_back(&nic->taps, &tap->link);
}

void rn_nic_remove_tap(struct rn_tap *tap)
{
    rn_list_remove(&tap->link);
}

void rn_nic_call_taps(struct rn_nic *nic, const struct rn_pkt *pkt, bool is_out)
{
    struct rn_turn *turn = nic->stack->turn;
    bool was_observing = turn->is_observing;
    struct rn_list *it;
    struct rn_list *tmp;

    turn->is_observing = true;
    rn_list_for_each_safe (it, tmp, &nic->taps) {
        struct rn_tap *tap = rn_list_entry(it, struct rn_tap, link);

        tap->fn(tap, pkt, is_out);
    }
    turn->is_observing = was_observing;
}
