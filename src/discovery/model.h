#pragma once
/*
 * The picture of one machine: every network namespace, what is in it, who lives there, and how all hangs together.
 * rn_scan() and the dump reader make it, everything else reads it. All memory is the map's own arena; pointers
 * between parts stay valid until rn_model_free(). Before rn_model_sort() order is that of discovery; after it,
 * it depends on nothing but the content, so that drawings are stable.
 *
 * Texts: raw bytes from kernel, files and engines, NUL-terminated, never NULL, "" when absent. They are hostile until
 * escaped by whoever prints them. "None could be read" is never an empty array alone: see rn_map_unreadable.
 */
#include "discovery/arena.h"
#include "discovery/model_link.h"
#include "discovery/model_sock.h"

#include <runnel/attr.h>
#include <runnel/err.h>

/* Something that exists, or may, and could not be read. */
struct rn_map_unreadable {
    const char *what;           /* "netns", "process", "sockets", "nft", "dns", "engine" ... */
    const char *id;             /* which one: "4026532000", "1234", "/run/docker.sock" */
    const char *why;            /* "permission denied" */
    const char *needs;          /* the remedy: "CAP_SYS_PTRACE"; "" if there is none */
    struct rn_map_netns *netns; /* whose part it is; NULL: the whole machine's */
};

/* ---- processes, tenants, containers ---- */

struct rn_map_host_entry {
    const char *name;
    struct rn_addr addr;
};

/* Name resolution as a tenant sees it, read through its own root. */
struct rn_map_dns {
    const char *uts_hostname;
    const char *etc_hostname;
    const char *domainname;
    struct rn_map_host_entry *hosts; /* in the file's order */
    size_t n_hosts;
    struct rn_addr *nameservers;
    size_t n_nameservers;
    const char **search;
    size_t n_search;
    const char **options;
    size_t n_options;
    const char *nsswitch_hosts; /* "files dns"; "" if there is no such line */
    bool is_truncated;          /* a file was larger than the limits */
};

struct rn_map_process {
    uint32_t pid; /* as the scanner sees it */
    uint32_t ppid;
    uint64_t start_ticks; /* since boot; tells reused pids apart */
    const char *comm;
    const char *cmdline; /* arguments joined by blanks; argv[0] alone in a redacted dump */
    const char *cgroup;  /* path in the v2 hierarchy, or of v1's memory or name=systemd */
    uint64_t netns_dev, netns_ino; /* 0: may not be read */
    struct rn_map_netns *netns;    /* NULL: unreadable */
    struct rn_map_process *parent;
    struct rn_map_container *container;                   /* NULL: in none */
    uint64_t pidns_ino, mntns_ino, utsns_ino, userns_ino; /* 0 unknown */
    uint32_t *nspids; /* this pid in each nested PID namespace, outermost first */
    size_t n_nspids;
    uint32_t uid, gid;
    uint64_t cap_bounding, cap_effective;
    const char *affinity; /* "0-3,8"; "" unknown */
    uint8_t policy;       /* SCHED_* */
    uint8_t rt_priority;
    int8_t nice;
    bool has_status; /* uid, capabilities, nspids, affinity are known */
    bool is_frozen;
    bool is_kernel_thread;
};

/* A process at the top of a subtree that shares a network namespace, or the first one of a container. */
struct rn_map_tenant {
    struct rn_map_process *process;
    struct rn_map_container *container; /* NULL: a plain process */
    struct rn_map_dns *dns;             /* NULL: not read */
};

enum rn_map_engine_kind {
    RN_ENGINE_OTHER,
    RN_ENGINE_DOCKER,
    RN_ENGINE_PODMAN,
    RN_ENGINE_CONTAINERD,
    RN_ENGINE_CRIO,
    RN_ENGINE_LXC,
    RN_ENGINE_NSPAWN,
    RN_ENGINE_SYSTEMD, /* a unit, by its cgroup */
};

struct rn_map_engine {
    enum rn_map_engine_kind kind;
    const char *id;
    const char *version;
    const char *api_path; /* "/run/docker.sock", below the engine's root */
    uint32_t pid;
    uint32_t uid; /* owner of a rootless engine */
};

struct rn_map_container {
    const char *id;
    const char *name; /* the id's start when nothing better is known */
    enum rn_map_engine_kind engine_kind;
    struct rn_map_engine *engine; /* NULL: known by cgroup or state files only */
    const char *image;
    const char *project; /* Compose */
    const char *service;
    const char *pod;             /* "namespace/name" or podman's pod name; "" none */
    struct rn_map_label *labels; /* sorted by key */
    size_t n_labels;
    struct rn_map_process *process; /* its first one; NULL: not running */
    struct rn_map_netns *netns;
    uint32_t uid;
    bool is_paused, is_privileged, is_rootless;
};

/* ---- namespaces ---- */

enum rn_map_found_by {
    RN_FOUND_PROCESS,
    RN_FOUND_THREAD,
    RN_FOUND_FD,
    RN_FOUND_SOCKET,
    RN_FOUND_BIND, /* nsfs bind mount */
    RN_FOUND_NSID, /* only by a peer's NSID: cannot be entered */
};

struct rn_map_ref {
    enum rn_map_found_by found_by;
    uint32_t pid;      /* holder, or a process in the mount namespace of the path; 0 none */
    uint32_t fd;       /* RN_FOUND_FD, RN_FOUND_SOCKET */
    uint64_t mntns_id; /* RN_FOUND_BIND in a foreign mount namespace; 0: ours */
    const char *path;  /* "/run/netns/x", "/proc/12/ns/net" */
};

struct rn_map_nsid {
    int32_t nsid;
    struct rn_map_netns *netns; /* NULL: unknown */
};

enum rn_map_forwarding { RN_FORWARDING_UNKNOWN, RN_FORWARDING_OFF, RN_FORWARDING_ON };

struct rn_ruleset;

struct rn_old_table {
    uint8_t family;       /* RN_FAMILY_V4, RN_FAMILY_V6 */
    struct rn_view bytes; /* see xt_blob.h; IPT_SO_GET_INFO's answer before */
};

struct rn_map_netns {
    uint64_t dev, ino;   /* identity on every kernel; 0: a placeholder known by NSID only */
    uint64_t cookie;     /* SO_NETNS_COOKIE, never reused; 0: kernel before 5.14 */
    uint64_t userns_ino; /* owner; 0 unknown */
    uint32_t owner_uid;  /* UINT32_MAX unknown */
    const char *name;    /* of its bind mount below /run/netns, "" none */
    bool is_initial; /* PID 1's, or failing that the scanner's own, see rn_map.is_initial_guessed */
    bool is_current; /* the scanner's own */
    bool is_entered; /* was visited: empty arrays mean "none" */

    struct rn_map_ref *refs; /* strongest first */
    size_t n_refs;
    struct rn_map_link **links; /* lo first, then by name */
    size_t n_links;
    struct rn_map_link **links_by_index; /* for rn_model_link(); NULL: not made */
    struct rn_map_addr *addrs;
    size_t n_addrs;
    struct rn_map_route *routes;
    size_t n_routes;
    struct rn_map_nexthop *nexthops;
    size_t n_nexthops;
    struct rn_map_rule *rules;
    size_t n_rules;
    struct rn_map_neigh *neighs;
    size_t n_neighs;
    struct rn_map_neigh *fdb;
    size_t n_fdb;
    struct rn_map_sock *socks;
    size_t n_socks;
    struct rn_map_fwd *fwds;
    size_t n_fwds;
    struct rn_map_nsid *nsids;
    size_t n_nsids;
    struct rn_map_tenant *tenants; /* PID 1 first, containers, then by name */
    size_t n_tenants;
    uint32_t n_processes;
    enum rn_map_forwarding forwarding_v4, forwarding_v6; /* of packets for others */
    struct rn_ruleset *ruleset; /* of nf_tables, see map.has_filters; NULL: there are no rules */
    struct rn_old_table *old_tables; /* of iptables-legacy, see map.has_filters */
    size_t n_old_tables;
    enum rn_map_forwarding calls_ip_filters,
        calls_ip6_filters; /* br_netfilter: for bridged packets */
};

/* ---- the whole ---- */

struct rn_map_host {
    const char *hostname;
    const char *os_name, *os_version;
    const char *kernel;
    const char *cpus_online; /* "0-3" */
    uint64_t taken_unix_s;
    uint32_t scanner_uid;
    uint64_t scanner_caps; /* effective capabilities of the broker */
};

struct rn_map {
    struct rn_arena arena;
    struct rn_map_host host;
    struct rn_map_netns **netns;
    size_t n_netns;
    struct rn_map_process **processes; /* by pid */
    size_t n_processes;
    struct rn_map_container **containers;
    size_t n_containers;
    struct rn_map_engine **engines;
    size_t n_engines;
    struct rn_map_unreadable *unreadable;
    size_t n_unreadable;
    bool is_initial_guessed;
    bool has_filters; /* rules that only let pass or stop were read */
    bool is_redacted; /* made from a dump with names and addresses replaced */
};

/* Zero *@ret is not a map: always start here. Errors: NOMEM. */
RN_MUST_USE int rn_model_new(struct rn_map **ret);
/* Consumes @map with all it holds; NULL is fine. */
void rn_model_free(struct rn_map *map);

/* Each returns the new part, zeroed, texts "", or NULL when the arena is full (map->arena.is_full says so). */
struct rn_map_netns *rn_model_add_netns(struct rn_map *map, uint64_t dev, uint64_t ino);
struct rn_map_link *rn_model_add_link(struct rn_map *map, struct rn_map_netns *netns);
struct rn_map_addr *rn_model_add_addr(struct rn_map *map, struct rn_map_netns *netns);
struct rn_map_route *rn_model_add_route(struct rn_map *map, struct rn_map_netns *netns);
struct rn_map_nexthop *rn_model_add_nexthop(struct rn_map *map, struct rn_map_netns *netns);
struct rn_map_rule *rn_model_add_rule(struct rn_map *map, struct rn_map_netns *netns);
struct rn_map_neigh *rn_model_add_neigh(struct rn_map *map, struct rn_map_netns *netns);
struct rn_map_neigh *rn_model_add_fdb(struct rn_map *map, struct rn_map_netns *netns);
struct rn_map_sock *rn_model_add_sock(struct rn_map *map, struct rn_map_netns *netns);
struct rn_map_fwd *rn_model_add_fwd(struct rn_map *map, struct rn_map_netns *netns);
struct rn_map_ref *rn_model_add_ref(struct rn_map *map, struct rn_map_netns *netns);
struct rn_map_tenant *rn_model_add_tenant(struct rn_map *map, struct rn_map_netns *netns);
struct rn_map_process *rn_model_add_process(struct rn_map *map, uint32_t pid);
struct rn_map_container *rn_model_add_container(struct rn_map *map);
struct rn_map_engine *rn_model_add_engine(struct rn_map *map);
/* Never fails visibly: without memory the note is lost, and arena.is_full tells. Texts are copied. */
void rn_model_note(struct rn_map *map, struct rn_map_unreadable note);
/* Appends to a list of pointers, unless it is in it already. */
void rn_model_list_link(struct rn_map *map, struct rn_map_link ***list, size_t *n,
                        struct rn_map_link *link);
void rn_model_list_process(struct rn_map *map, struct rn_map_process ***list, size_t *n,
                           struct rn_map_process *process);

/* NULL when there is none. By identity, by inode alone, by index, by name (also alternative names), by pid. */
struct rn_map_netns *rn_model_netns(const struct rn_map *map, uint64_t dev, uint64_t ino);
struct rn_map_link *rn_model_link(const struct rn_map_netns *netns, uint32_t index);
struct rn_map_link *rn_model_link_by_name(const struct rn_map_netns *netns, const char *name);
struct rn_map_process *rn_model_process(const struct rn_map *map, uint32_t pid);
struct rn_map_container *rn_model_container_by_id(const struct rn_map *map, const char *id);
struct rn_map_link *rn_model_link_with_addr(const struct rn_map_netns *netns, struct rn_addr a);

/* Stands beside containers, as conmon does: it says least of a network. */
bool rn_map_tenant_is_helper(const struct rn_map_tenant *t);
/* PID 1 first, then containers, then by name and pid; helpers last. */
int rn_map_tenant_cmp(const struct rn_map_tenant *a, const struct rn_map_tenant *b);
/* Makes rn_model_link() fast; call it when a namespace's links are complete. */
void rn_model_index_links(struct rn_map *map);
/* Puts every list into its documented order. Pointers into arrays of values (addrs, socks) are set anew. */
void rn_model_sort(struct rn_map *map);

/* "veth", "bridge", ...; "device" for hardware. Never NULL. */
const char *rn_map_kind_text(enum rn_map_kind kind);
enum rn_map_kind rn_map_kind_of(struct rn_view kind_name);
const char *rn_map_oper_text(uint8_t oper);   /* "up", "lower-layer-down" */
const char *rn_map_proto_text(uint8_t proto); /* "tcp" */
const char *rn_map_state_text(uint8_t state); /* "listen" */
const char *rn_map_engine_text(enum rn_map_engine_kind kind);
const char *rn_map_found_by_text(enum rn_map_found_by found_by);
