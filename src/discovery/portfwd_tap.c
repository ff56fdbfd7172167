/* Userland networks: pasta, passt and slirp4netns hold a tap in a container's namespace and listen outside of it;
 * rootlessport listens outside and dials inside by a child of its own. What they listen on is what they forward. */
#include "discovery/portfwd.h"

#include "host/proc.h"

#include <string.h>

static bool is_pasta(const struct rn_map_process *p)
{
    return strncmp(p->comm, "pasta", 5) == 0 || strncmp(p->comm, "passt", 5) == 0;
}

/* "22", "22:23", "22-80", "22-80:122-180": where @port goes. False: it is not in there. */
static bool map_port(struct rn_view spec, uint16_t port, uint16_t *ret)
{
    uint64_t n[4] = { 0 }; /* from, to, target from, target to */
    size_t at = 0;
    bool is_set[4] = { false };

    for (size_t i = 0; i < spec.len; i++) {
        uint8_t c = spec.ptr[i];

        if (c >= '0' && c <= '9' && n[at] <= UINT16_MAX) {
            n[at] = n[at] * 10 + (uint64_t)(c - '0');
            is_set[at] = true;
        } else if (c == '-' && at % 2 == 0) {
            at++;
        } else if (c == ':' && at < 2) {
            at = 2;
        } else {
            return false; /* ~ excludes; none, all, auto name no port */
        }
    }
    if (!is_set[1])
        n[1] = n[0];
    if (!is_set[2])
        n[2] = n[0];
    if (!is_set[0] || port < n[0] || port > n[1] || n[2] + port - n[0] > UINT16_MAX)
        return false;
    *ret = (uint16_t)(n[2] + port - n[0]);
    return true;
}

/* One list of `-t`: elements between commas, each perhaps behind "address/" or "address%interface/". */
static bool map_list(struct rn_view list, uint16_t port, uint16_t *ret)
{
    while (list.len != 0) {
        const uint8_t *comma = memchr(list.ptr, ',', list.len);
        size_t len = comma != NULL ? (size_t)(comma - list.ptr) : list.len;
        const uint8_t *slash = memrchr(list.ptr, '/', len);
        size_t skip = slash != NULL ? (size_t)(slash - list.ptr) + 1 : 0;

        if (map_port(rn_view_of(list.ptr + skip, len - skip), port, ret))
            return true;
        len += comma != NULL;
        list = rn_view_of(list.ptr + len, list.len - len);
    }
    return false;
}

static uint16_t pasta_port(const struct rn_map_process *p, uint8_t ip_proto, uint16_t port)
{
    struct rn_view rest = rn_view_of(p->cmdline, strlen(p->cmdline));
    struct rn_view word;
    uint16_t to;

    while (rn_text_next_word(&rest, &word) && !rn_view_is(word, "--")) {
        bool is_ours = ip_proto == 6 ? rn_view_is(word, "-t") || rn_view_is(word, "--tcp-ports")
                                     : rn_view_is(word, "-u") || rn_view_is(word, "--udp-ports");

        if (is_ours && rn_text_next_word(&rest, &word) && map_list(word, port, &to))
            return to;
    }
    return port;
}

/* Where a forwarder leads. */
struct inside {
    struct rn_map_process *proxy;
    struct rn_map_netns *netns;
    struct rn_map_link *link; /* NULL: not by one link */
    bool knows_ports;         /* which port it becomes can be told */
};

static struct rn_addr addr_inside(const struct inside *in, uint8_t family)
{
    for (size_t i = 0; i < in->netns->n_addrs; i++) {
        const struct rn_map_addr *a = &in->netns->addrs[i];

        if (rn_addr_family(a->addr) == family && !rn_addr_is_loopback(a->addr) &&
            !rn_addr_is_link_local(a->addr) && (in->link == NULL || a->link == in->link))
            return a->addr;
    }
    return rn_addr_none();
}

static void emit(struct rn_load *l, const struct inside *in, const struct rn_map_sock *s,
                 uint8_t family)
{
    struct rn_fwd_run run = { .load = l, .netns = in->proxy->netns, .origin = RN_FWD_PROXY };
    struct rn_fwd_packet p = { .port_from = s->local_port, .port_to = s->local_port };
    struct rn_fwd_target to = { .addr = addr_inside(in, family) };
    size_t n_before = run.netns->n_fwds;
    struct rn_map_fwd *f;

    if (rn_addr_is_none(to.addr))
        return;
    p.family = family;
    p.ip_proto = s->proto == RN_PROTO_UDP ? 17 : 6;
    p.is_conditional = !in->knows_ports;
    if (!rn_addr_is_any(s->local))
        p.daddr = rn_prefix_of(s->local, family == RN_FAMILY_V4 ? 32 : 128);
    to.port_from =
        is_pasta(in->proxy) ? pasta_port(in->proxy, p.ip_proto, s->local_port) : s->local_port;
    to.port_to = to.port_from;
    rn_fwd_emit(&run, &p, &to, in->proxy->comm);
    if (run.netns->n_fwds == n_before)
        return;
    f = &run.netns->fwds[n_before];
    f->proxy = in->proxy;
    f->to_netns = in->netns;
    f->to_link = in->link;
}

static bool is_listener_of(const struct rn_map_sock *s, const struct rn_map_process *p)
{
    bool is_listening = (s->proto == RN_PROTO_TCP && s->state == RN_STATE_LISTEN) ||
                        (s->proto == RN_PROTO_UDP && s->state == RN_STATE_CLOSE);

    for (size_t i = 0; is_listening && s->local_port != 0 && i < s->n_owners; i++) {
        if (s->owners[i] == p)
            return true;
    }
    return false;
}

static void add_listeners(struct rn_load *l, const struct inside *in)
{
    const struct rn_map_netns *outside = in->proxy->netns;

    if (outside == NULL || outside == in->netns || in->netns == NULL)
        return;
    for (size_t i = 0; i < outside->n_socks; i++) {
        const struct rn_map_sock *s = &outside->socks[i];

        if (!is_listener_of(s, in->proxy))
            continue;
        emit(l, in, s, s->family);
        if (s->is_dual && s->family == RN_FAMILY_V6)
            emit(l, in, s, RN_FAMILY_V4);
    }
}

static void add_link(struct rn_load *l, struct rn_map_link *link)
{
    for (size_t i = 0; i < link->tuntap.n_processors; i++) {
        struct rn_map_process *p = link->tuntap.processors[i];

        if (is_pasta(p) || strcmp(p->comm, "slirp4netns") == 0)
            add_listeners(l, &(struct inside){ .proxy = p,
                                               .netns = link->netns,
                                               .link = link,
                                               .knows_ports = is_pasta(p) });
    }
}

void rn_portfwd_userland(struct rn_load *l)
{
    for (size_t i = 0; i < l->map->n_netns; i++) {
        struct rn_map_netns *ns = l->map->netns[i];

        for (size_t k = 0; k < ns->n_links; k++) {
            if (ns->links[k]->kind == RN_KIND_TUNTAP)
                add_link(l, ns->links[k]);
        }
    }
    for (size_t i = 0; i < l->map->n_processes; i++) {
        struct rn_map_process *p = l->map->processes[i];

        if (p->parent != NULL && strncmp(p->comm, "rootlessport", 12) == 0 &&
            strncmp(p->parent->comm, "rootlessport", 12) == 0)
            add_listeners(l, &(struct inside){ .proxy = p->parent, .netns = p->netns });
    }
}
