#pragma once
/*
 * Parts of the document that Gostwire serves as GET /json, which Edgeshark's page reads. Names of members are
 * Gostwire's. What its page cannot live without (an empty list, a placeholder entry) is written even where there is
 * nothing to say; what it must be able to resolve is never left dangling.
 */
#include "discovery/draw.h"
#include "discovery/json_out.h"

#define RN_GW_ID_BYTES 64

/* "nif-4026531840-2"; "" for NULL. Returns @buf. */
char *rn_gw_nif_id(const struct rn_map_link *link, char buf[RN_GW_ID_BYTES]);
/* "cont-812". Returns @buf. */
char *rn_gw_container_id(const struct rn_map_process *p, char buf[RN_GW_ID_BYTES]);
/* [{pid, cmdline, container-idref}]: the last names the leader of the process in its own network. */
void rn_gw_owners(struct rn_json *j, const char *key, struct rn_map_process *const *list, size_t n);
/* Labels as an object; the last of several equal keys wins, as in a map. */
void rn_gw_labels(struct rn_json *j, const struct rn_map_label *labels, size_t n);
/* An address, or the family's "any". */
void rn_gw_addr(struct rn_json *j, const char *key, struct rn_addr a, bool is_v6);

void rn_gw_nifs(struct rn_json *j, const struct rn_map_netns *ns);
void rn_gw_routes(struct rn_json *j, const struct rn_map_netns *ns);
void rn_gw_ports(struct rn_json *j, const struct rn_draw *draw, const struct rn_map_netns *ns);
void rn_gw_pid_namespaces(struct rn_json *j, const struct rn_map *map);
/* A process Gostwire calls a tenant, rather than the kernel's own threads. */
bool rn_gw_is_tenant(const struct rn_map_tenant *t);
