/* Who lives there and what is open: sockets, forwarded ports, processes, name resolution. */
#include "discovery/draw_json.h"
#include "discovery/name.h"

static void addr_or_any(struct rn_json *j, const char *key, const struct rn_map_sock *s,
                        struct rn_addr a)
{
    if (s->family == RN_FAMILY_NONE)
        rn_json_null(j, key);
    else if (rn_addr_is_none(a))
        rn_json_text(j, key, s->family == RN_FAMILY_V4 ? "0.0.0.0" : "::");
    else
        rn_json_addr(j, key, a);
}

void rn_json_sock(struct rn_json *j, const struct rn_map_sock *s)
{
    rn_json_open(j, NULL, '{');
    rn_json_text(j, "proto", rn_map_proto_text(s->proto));
    rn_json_int(j, "family", s->family);
    rn_json_text(j, "state", rn_map_state_text(s->state));
    rn_json_bool(j, "listening", rn_sock_is_listening(s));
    addr_or_any(j, "local", s, s->local);
    rn_json_int(j, "local_port", s->local_port);
    addr_or_any(j, "remote", s, s->remote);
    rn_json_int(j, "remote_port", s->remote_port);
    rn_json_bool(j, "v6only", s->is_v6only);
    rn_json_bool(j, "dual", s->is_dual);
    rn_json_text(j, "path", s->path);
    rn_json_int(j, "type", s->type);
    rn_json_int(j, "protocol_num", s->protocol_num);
    rn_json_int(j, "link_index", s->link_index);
    rn_json_pids(j, "owners", s->owners, s->n_owners);
    rn_json_u64(j, "inode", s->inode);
    rn_json_u64(j, "peer_inode", s->peer_inode);
    rn_json_u64(j, "cookie", s->cookie);
    rn_json_u64(j, "cgroup_id", s->cgroup_id);
    rn_json_int(j, "uid", s->uid);
    rn_json_int(j, "rx_queue", s->rx_queue_bytes);
    rn_json_int(j, "tx_queue", s->tx_queue_bytes);
    rn_json_int(j, "mark", s->mark);
    rn_json_int(j, "shutdown", s->shutdown);
    rn_json_close(j, '}');
}

void rn_json_fwd(struct rn_json *j, const struct rn_map *map, const struct rn_map_fwd *fwd)
{
    static const char *const origins[] = { "nft", "iptables-nft", "iptables-legacy", "proxy" };
    char id[RN_JSON_ID_BYTES];

    rn_json_open(j, NULL, '{');
    rn_json_int(j, "family", fwd->family);
    rn_json_text(j, "proto", rn_name_ip_proto(fwd->ip_proto));
    rn_json_int(j, "ip_proto", fwd->ip_proto);
    if (fwd->addr.bits != 0)
        rn_json_prefix(j, "address", &fwd->addr);
    else
        rn_json_null(j, "address");
    rn_json_int(j, "port_from", fwd->port_from);
    rn_json_int(j, "port_to", fwd->port_to);
    rn_json_addr(j, "to", fwd->to);
    rn_json_int(j, "to_port_from", fwd->to_port_from);
    rn_json_int(j, "to_port_to", fwd->to_port_to);
    if (fwd->to_netns != NULL)
        rn_json_text(j, "to_netns", rn_json_netns_id(map, fwd->to_netns, id));
    else
        rn_json_null(j, "to_netns");
    rn_json_link_ref(j, "to_link", map, fwd->to_link);
    rn_json_pids(j, "owners", fwd->owners, fwd->n_owners);
    rn_json_bool(j, "incoming", (fwd->hooks & 1) != 0);
    rn_json_bool(j, "outgoing", (fwd->hooks & 8) != 0);
    rn_json_text(j, "origin",
                 (unsigned)fwd->origin < RN_ARRAY_LEN(origins) ? origins[fwd->origin] : "nft");
    rn_json_bool(j, "conditional", fwd->is_conditional);
    rn_json_text(j, "iif", fwd->iif);
    rn_json_text(j, "rule", fwd->rule);
    rn_json_text(j, "comment", fwd->comment);
    if (fwd->proxy != NULL)
        rn_json_int(j, "proxy", fwd->proxy->pid);
    else
        rn_json_null(j, "proxy");
    rn_json_text(j, "why", fwd->why);
    rn_json_close(j, '}');
}

static void status(struct rn_json *j, const struct rn_map_process *p)
{
    if (!p->has_status) {
        rn_json_null(j, "status");
        return;
    }
    rn_json_open(j, "status", '{');
    rn_json_int(j, "uid", p->uid);
    rn_json_int(j, "gid", p->gid);
    rn_json_hex(j, "cap_bounding", p->cap_bounding);
    rn_json_hex(j, "cap_effective", p->cap_effective);
    rn_json_text(j, "affinity", p->affinity);
    rn_json_open(j, "nspids", '[');
    for (size_t i = 0; i < p->n_nspids; i++)
        rn_json_int(j, NULL, p->nspids[i]);
    rn_json_close(j, ']');
    rn_json_close(j, '}');
}

void rn_json_process(struct rn_json *j, const struct rn_map *map, const struct rn_map_process *p)
{
    char id[RN_JSON_ID_BYTES];

    rn_json_open(j, NULL, '{');
    rn_json_int(j, "pid", p->pid);
    rn_json_int(j, "ppid", p->ppid);
    rn_json_u64(j, "start_ticks", p->start_ticks);
    rn_json_text(j, "comm", p->comm);
    rn_json_text(j, "cmdline", p->cmdline);
    rn_json_text(j, "cgroup", p->cgroup);
    if (p->netns != NULL)
        rn_json_text(j, "netns", rn_json_netns_id(map, p->netns, id));
    else
        rn_json_null(j, "netns");
    if (p->container != NULL)
        rn_json_text(j, "container", p->container->id);
    else
        rn_json_null(j, "container");
    rn_json_u64(j, "pidns", p->pidns_ino);
    rn_json_u64(j, "mntns", p->mntns_ino);
    rn_json_u64(j, "utsns", p->utsns_ino);
    rn_json_u64(j, "userns", p->userns_ino);
    rn_json_int(j, "policy", p->policy);
    rn_json_int(j, "rt_priority", p->rt_priority);
    rn_json_int(j, "nice", p->nice);
    rn_json_bool(j, "frozen", p->is_frozen);
    rn_json_bool(j, "kernel_thread", p->is_kernel_thread);
    status(j, p);
    rn_json_close(j, '}');
}

static void texts(struct rn_json *j, const char *key, const char *const *list, size_t n)
{
    rn_json_open(j, key, '[');
    for (size_t i = 0; i < n; i++)
        rn_json_text(j, NULL, list[i]);
    rn_json_close(j, ']');
}

void rn_json_dns(struct rn_json *j, const char *key, const struct rn_map_dns *dns)
{
    if (dns == NULL) {
        rn_json_null(j, key);
        return;
    }
    rn_json_open(j, key, '{');
    rn_json_text(j, "uts_hostname", dns->uts_hostname);
    rn_json_text(j, "etc_hostname", dns->etc_hostname);
    rn_json_text(j, "domainname", dns->domainname);
    rn_json_open(j, "hosts", '[');
    for (size_t i = 0; i < dns->n_hosts; i++) {
        rn_json_open(j, NULL, '{');
        rn_json_text(j, "name", dns->hosts[i].name);
        rn_json_addr(j, "address", dns->hosts[i].addr);
        rn_json_close(j, '}');
    }
    rn_json_close(j, ']');
    rn_json_open(j, "nameservers", '[');
    for (size_t i = 0; i < dns->n_nameservers; i++)
        rn_json_addr(j, NULL, dns->nameservers[i]);
    rn_json_close(j, ']');
    texts(j, "search", dns->search, dns->n_search);
    texts(j, "options", dns->options, dns->n_options);
    rn_json_text(j, "nsswitch_hosts", dns->nsswitch_hosts);
    rn_json_bool(j, "truncated", dns->is_truncated);
    rn_json_close(j, '}');
}
