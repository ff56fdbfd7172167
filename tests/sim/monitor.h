#pragma once
/*
 * A referee on the wire. It sees what each side emits and what reaches it, knows RFC 9293 and nothing of src/tcp, and
 * says which rule a segment broke. One side of every connection has the server's port; the other port names it.
 */
#include "base/pkt.h"

#define SIM_SERVER_PORT 7u

struct sim_monitor;

/* Returns owned. */
struct sim_monitor *sim_monitor_new(void);
void sim_monitor_free(struct sim_monitor *m);
/* @pkt leaves @side (0 or 1). NULL: legal; else what is wrong with it. */
const char *sim_monitor_sent(struct sim_monitor *m, unsigned side, const struct rn_pkt *pkt);
/* @pkt reaches @side unharmed or not: what does not parse is no news. */
void sim_monitor_arrived(struct sim_monitor *m, unsigned side, const struct rn_pkt *pkt);
/* Has @side only sent a SYN to whoever sent @pkt? Who can forge from what answers that is no blind attacker. */
bool sim_monitor_is_asking(struct sim_monitor *m, unsigned side, const struct rn_pkt *pkt);
/* A forged @pkt reaches @side. A forged SYN may begin a connection: about that one nothing is said any more. */
void sim_monitor_muddle(struct sim_monitor *m, unsigned side, const struct rn_pkt *pkt);
/* What TCP sent may be lost before it reaches the wire: memory fails, or the path is too narrow. */
void sim_monitor_starve(struct sim_monitor *m);
/* A side starts anew while segments of its former life are on their way: nothing is said any more about what was. */
void sim_monitor_rebooted(struct sim_monitor *m);
/* Segments seen of the connection whose client is @side, port @port: both ways. */
uint32_t sim_monitor_segments(const struct sim_monitor *m, unsigned side, bool is_v6,
                              uint16_t port);
