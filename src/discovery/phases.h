#pragma once
/* The phases after loading, in the order of rn_scan(): pure functions of the facts and the picture so far. */
#include "discovery/load.h"

/* Indices and NSIDs become pointers: peers, masters, lower links, devices of addresses and routes. */
void rn_join(struct rn_load *l);
/* Processes find their namespaces and parents; containers are made of cgroups; each namespace gets its tenants. */
void rn_tenants(struct rn_load *l);
/* Containers as their runtimes were told; before tenants are. */
void rn_engine_bundles(struct rn_load *l);
/* Sockets and TUN devices find the processes that hold them. */
void rn_owners(struct rn_load *l);
/* Name resolution of tenants. */
void rn_resolv(struct rn_load *l);
/* Who forwards which port to whom. */
void rn_portfwd(struct rn_load *l);
/* What container engines call things. */
void rn_engine_names(struct rn_load *l);
