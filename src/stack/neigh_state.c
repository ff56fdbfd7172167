#include "stack/neigh.h"

/*
 * RFC 4861 appendix C without the rows for what did not change. FAILED is ours (RFC 7048 §3: give up, but keep asking at a
 * slower pace): it starts over with the next packet after RN_NEIGH_FAILED_NS.
 */
#define S(state) RN_NEIGH_##state
static const uint8_t next_state[RN_NEIGH_STATES][RN_NEIGH_EVENTS] = {
    /*                  SENT           CONFIRMED     HEARD     TIMEOUT        GAVE_UP    */
    [S(INCOMPLETE)] = { S(INCOMPLETE), S(REACHABLE), S(STALE), S(INCOMPLETE), S(FAILED) },
    [S(REACHABLE)] = { S(REACHABLE), S(REACHABLE), S(STALE), S(STALE), S(STALE) },
    [S(STALE)] = { S(DELAY), S(REACHABLE), S(STALE), S(STALE), S(STALE) },
    [S(DELAY)] = { S(DELAY), S(REACHABLE), S(STALE), S(PROBE), S(PROBE) },
    [S(PROBE)] = { S(PROBE), S(REACHABLE), S(STALE), S(PROBE), S(FAILED) },
    [S(FAILED)] = { S(INCOMPLETE), S(REACHABLE), S(STALE), S(FAILED), S(FAILED) },
};
#undef S

enum rn_neigh_state rn_neigh_next(enum rn_neigh_state state, enum rn_neigh_event event)
{
    return (enum rn_neigh_state)next_state[state][event];
}
