#pragma once
/* Parts of runnel.map/1 that live in files of their own. */
#include "discovery/json_out.h"
#include "discovery/model.h"

/* How a namespace is referred to: "net-4026531840"; "net-#3" for one that has no inode known. */
#define RN_JSON_ID_BYTES 32
char *rn_json_netns_id(const struct rn_map *map, const struct rn_map_netns *ns,
                       char buf[RN_JSON_ID_BYTES]);
/* {netns, index, name}, or null. */
void rn_json_link_ref(struct rn_json *j, const char *key, const struct rn_map *map,
                      const struct rn_map_link *link);
void rn_json_pids(struct rn_json *j, const char *key, struct rn_map_process *const *list, size_t n);
void rn_json_labels(struct rn_json *j, const char *key, const struct rn_map_label *labels,
                    size_t n);

void rn_json_link(struct rn_json *j, const struct rn_map *map, const struct rn_map_link *link);
void rn_json_routing(struct rn_json *j, const struct rn_map *map, const struct rn_map_netns *ns);
void rn_json_sock(struct rn_json *j, const struct rn_map_sock *s);
void rn_json_fwd(struct rn_json *j, const struct rn_map *map, const struct rn_map_fwd *fwd);
void rn_json_process(struct rn_json *j, const struct rn_map *map, const struct rn_map_process *p);
void rn_json_dns(struct rn_json *j, const char *key, const struct rn_map_dns *dns);
