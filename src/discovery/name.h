#pragma once
/* What things are called in drawings. All texts are raw: whoever prints them escapes them. */
#include "discovery/model.h"

#define RN_NAME_BYTES 192 /* longer names are cut at a character */

/* "web, sidecar"; "blue"; "sshd(812)"; the host's name for the initial one; "net:[4026532600]". Returns @buf. */
char *rn_name_netns(const struct rn_map *map, const struct rn_map_netns *ns,
                    char buf[RN_NAME_BYTES]);
/* "sshd(812) +1": of several processes the first, for where the namespace is not the subject. Returns @buf. */
char *rn_name_netns_short(const struct rn_map *map, const struct rn_map_netns *ns,
                          char buf[RN_NAME_BYTES]);
/* "docker project shop", "podman pod names", "named"; what a namespace is grouped under. Returns @buf. */
char *rn_name_group(const struct rn_map_netns *ns, char buf[RN_NAME_BYTES]);
/* "sshd(812)". Returns @buf. */
char *rn_name_process(const struct rn_map_process *p, char buf[RN_NAME_BYTES]);
/* "web", or "httpd(8450)" of a plain process. Returns @buf. */
char *rn_name_tenant(const struct rn_map_tenant *t, char buf[RN_NAME_BYTES]);
/* "veth", "bridge", "macvlan bridge", "vxlan 100", "virtio_net", "tap"; never empty. Returns @buf. */
char *rn_name_kind(const struct rn_map_link *link, char buf[RN_NAME_BYTES]);
/* "held by descriptor 7 of helper(900)", "/run/netns/blue"; "" when processes live there. Returns @buf. */
char *rn_name_holder(const struct rn_map *map, const struct rn_map_netns *ns,
                     char buf[RN_NAME_BYTES]);
/* "02:00:00:00:00:01", "" for none. Returns @buf. */
char *rn_name_hwaddr(const struct rn_map_hwaddr *hw, char buf[RN_NAME_BYTES]);
/* "unicast", "blackhole"; RTN_*. */
const char *rn_name_route_type(uint8_t type);
/* "tcp", "udp", or "any". */
const char *rn_name_ip_proto(uint8_t ip_proto);

/* The engine its first container is of; RN_ENGINE_OTHER with no container. */
enum rn_map_engine_kind rn_netns_engine(const struct rn_map_netns *ns);
/* Listens, or is an unconnected UDP-like socket. */
bool rn_sock_is_listening(const struct rn_map_sock *s);
