#include "discovery/portfwd.h"

#include "discovery/ask_path.h"
#include "discovery/phases.h"

#include "base/text.h"
#include "host/proc.h"

bool rn_fwd_step(struct rn_fwd_run *run)
{
    if (run->n_steps >= RN_FWD_STEPS_MAX) {
        run->is_cut = true;
        return false;
    }
    run->n_steps++;
    return true;
}

/* ---- narrowing ---- */

void rn_fwd_match_proto(struct rn_fwd_packet *p, uint8_t ip_proto)
{
    if (p->ip_proto != 0 && p->ip_proto != ip_proto)
        p->is_dead = true;
    p->ip_proto = ip_proto;
}

void rn_fwd_match_family(struct rn_fwd_packet *p, uint8_t family)
{
    if (p->family != 0 && p->family != family)
        p->is_dead = true;
    p->family = family;
}

void rn_fwd_match_daddr(struct rn_fwd_packet *p, const struct rn_prefix *prefix)
{
    rn_fwd_match_family(p, prefix->is_v4 ? RN_FAMILY_V4 : RN_FAMILY_V6);
    if (p->daddr.bits != 0 && !rn_prefix_overlaps(&p->daddr, prefix))
        p->is_dead = true;
    if (p->daddr.bits <= prefix->bits)
        p->daddr = *prefix;
}

void rn_fwd_match_ports(struct rn_fwd_packet *p, uint16_t from, uint16_t to)
{
    if (from > to || from > p->port_to || to < p->port_from)
        p->is_dead = true;
    if (from > p->port_from)
        p->port_from = from;
    if (to < p->port_to)
        p->port_to = to;
}

/* "eth0", "br*" for a prefix, "!docker0" for any other. */
void rn_fwd_match_iif(struct rn_fwd_packet *p, struct rn_view name, bool is_inverted)
{
    struct rn_text t = rn_text_of(p->iif, sizeof(p->iif));
    const uint8_t *nul = name.len != 0 ? memchr(name.ptr, 0, name.len) : NULL;
    size_t len = nul != NULL ? (size_t)(nul - name.ptr) : name.len;

    if (is_inverted)
        rn_text_char(&t, '!');
    rn_text_strn(&t, (const char *)name.ptr, len);
    if (nul == NULL)
        rn_text_char(&t, '*');
}

/* ---- keeping ---- */

static bool is_same(const struct rn_map_fwd *a, const struct rn_map_fwd *b)
{
    return rn_addr_eq(a->to, b->to) && rn_addr_eq(a->addr.addr, b->addr.addr) &&
           a->addr.bits == b->addr.bits && a->port_from == b->port_from &&
           a->port_to == b->port_to && a->to_port_from == b->to_port_from &&
           a->ip_proto == b->ip_proto && a->family == b->family && a->origin == b->origin &&
           strcmp(a->iif, b->iif) == 0;
}

/* The same way in for what comes from outside and from here, as engines install it, is one forwarded port. */
static bool merge_into_known(const struct rn_map_netns *ns, const struct rn_map_fwd *f)
{
    for (size_t i = 0; i < ns->n_fwds; i++) {
        if (is_same(&ns->fwds[i], f)) {
            ns->fwds[i].hooks |= f->hooks;
            ns->fwds[i].is_conditional &= f->is_conditional;
            return true;
        }
    }
    return false;
}

static uint8_t family_of(const struct rn_fwd_packet *p, const struct rn_fwd_target *to)
{
    if (p->family != 0)
        return p->family;
    return rn_addr_is_none(to->addr) ? RN_FAMILY_NONE : (uint8_t)rn_addr_family(to->addr);
}

static void emit_one(struct rn_fwd_run *run, const struct rn_fwd_packet *p,
                     const struct rn_fwd_target *to, const char *rule)
{
    struct rn_arena *arena = &run->load->map->arena;
    struct rn_map_fwd f = { .netns = run->netns, .origin = run->origin, .why = "" };
    struct rn_map_fwd *slot;

    f.family = family_of(p, to);
    f.ip_proto = p->ip_proto;
    f.hooks = (uint8_t)(1u << p->hook);
    f.addr = p->daddr;
    f.addr.is_v4 = f.family == RN_FAMILY_V4;
    f.is_conditional = p->is_conditional;
    if (p->port_from != 0 || p->port_to != UINT16_MAX) {
        f.port_from = p->port_from;
        f.port_to = p->port_to;
    }
    f.to = to->addr;
    f.to_port_from = to->port_from;
    f.to_port_to = to->port_to;
    f.iif = p->iif;
    if (merge_into_known(run->netns, &f))
        return;
    slot = rn_model_add_fwd(run->load->map, run->netns);
    if (slot == NULL)
        return;
    f.iif = rn_arena_strdup(arena, p->iif);
    f.comment = rn_arena_strdup(arena, p->comment);
    f.rule = rn_arena_strdup(arena, rule);
    *slot = f;
}

/* A rule of an inet table that sends to the machine itself speaks of both families. */
static void emit_families(struct rn_fwd_run *run, const struct rn_fwd_packet *p,
                          const struct rn_fwd_target *to, const char *rule)
{
    struct rn_fwd_packet one = *p;

    if (family_of(p, to) != RN_FAMILY_NONE) {
        emit_one(run, p, to, rule);
        return;
    }
    one.family = RN_FAMILY_V4;
    emit_one(run, &one, to, rule);
    one.family = RN_FAMILY_V6;
    emit_one(run, &one, to, rule);
}

static void emit_ports(struct rn_fwd_run *run, const struct rn_fwd_packet *p,
                       const struct rn_fwd_target *to, const char *rule)
{
    if (p->n_multi == 0)
        emit_families(run, p, to, rule);
    for (size_t i = 0; i < p->n_multi; i++) {
        struct rn_fwd_packet one = *p;

        rn_fwd_match_ports(&one, p->multi[i][0], p->multi[i][1]);
        if (!one.is_dead)
            emit_families(run, &one, to, rule);
    }
}

static struct rn_addr next_addr(struct rn_addr a)
{
    for (size_t i = sizeof(a.b); i-- != 0 && ++a.b[i] == 0;)
        ;
    return a;
}

/* Of a pool the kernel takes the one or the other: each is a way on a condition. */
void rn_fwd_emit(struct rn_fwd_run *run, const struct rn_fwd_packet *p,
                 const struct rn_fwd_target *to, const char *rule)
{
    struct rn_fwd_packet packet = *p;
    struct rn_fwd_target one = *to;
    bool is_pool = !rn_addr_is_none(to->last) && !rn_addr_eq(to->addr, to->last);

    if (p->is_dead)
        return;
    packet.is_conditional |= is_pool || to->is_mapped;
    for (unsigned i = 0; i < RN_FWD_POOL_MAX; i++) {
        emit_ports(run, &packet, &one, rule);
        if (!is_pool || rn_addr_eq(one.addr, to->last))
            return;
        one.addr = next_addr(one.addr);
    }
}

/* ---- userland proxies ---- */

struct proxy_args {
    const char *proto;
    struct rn_addr host_ip, container_ip;
    uint16_t host_port, container_port;
};

static uint16_t port_of(struct rn_view word)
{
    uint64_t n;

    return rn_text_number(word, 10, &n) && n <= UINT16_MAX ? (uint16_t)n : 0;
}

static struct rn_addr addr_of(struct rn_view word)
{
    char text[RN_ADDR_TEXT_BYTES];
    struct rn_addr a;

    if (word.len >= sizeof(text))
        return rn_addr_none();
    memcpy(text, word.ptr, word.len);
    text[word.len] = '\0';
    return rn_addr_parse(text, &a) == RN_OK ? a : rn_addr_none();
}

/* docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 80 -container-ip 172.17.0.2 -container-port 80 */
static bool read_docker_proxy(const char *cmdline, struct rn_fwd_packet *p,
                              struct rn_fwd_target *to)
{
    struct rn_view rest = rn_view_of(cmdline, strlen(cmdline));
    struct rn_addr host = rn_addr_none();
    uint16_t port = 0;
    struct rn_view key;
    struct rn_view word;

    while (rn_text_next_word(&rest, &key)) {
        if (key.ptr[0] != '-' || !rn_text_next_word(&rest, &word))
            continue;
        if (rn_view_is(key, "-proto"))
            p->ip_proto = rn_view_is(word, "udp") ? 17 : rn_view_is(word, "sctp") ? 132 : 6;
        else if (rn_view_is(key, "-host-ip"))
            host = addr_of(word);
        else if (rn_view_is(key, "-host-port"))
            port = port_of(word);
        else if (rn_view_is(key, "-container-ip"))
            to->addr = addr_of(word);
        else if (rn_view_is(key, "-container-port"))
            to->port_from = port_of(word);
    }
    to->port_to = to->port_from;
    p->port_from = port;
    p->port_to = port;
    p->family = rn_addr_is_v4(host) ? RN_FAMILY_V4 : RN_FAMILY_V6;
    if (!rn_addr_is_any(host))
        p->daddr = rn_prefix_of(host, rn_addr_is_v4(host) ? 32 : 128);
    return port != 0 && !rn_addr_is_none(to->addr);
}

/* A kernel rule for the same port does the work; the proxy then only serves the loopback's corner cases. */
static bool has_rule_for(const struct rn_map_netns *ns, const struct rn_fwd_packet *p)
{
    for (size_t i = 0; i < ns->n_fwds; i++) {
        const struct rn_map_fwd *f = &ns->fwds[i];

        if (f->origin != RN_FWD_PROXY && f->ip_proto == p->ip_proto && f->family == p->family &&
            f->port_from <= p->port_from && p->port_to <= f->port_to)
            return true;
    }
    return false;
}

static void add_proxies(struct rn_load *l)
{
    for (size_t i = 0; i < l->map->n_processes; i++) {
        struct rn_map_process *proc = l->map->processes[i];
        struct rn_fwd_run run = { .load = l, .netns = proc->netns, .origin = RN_FWD_PROXY };
        struct rn_fwd_packet p = { .port_to = UINT16_MAX };
        struct rn_fwd_target to = { 0 };
        size_t n_before;

        if (proc->netns == NULL || strcmp(proc->comm, "docker-proxy") != 0 ||
            !read_docker_proxy(proc->cmdline, &p, &to) || has_rule_for(proc->netns, &p))
            continue;
        n_before = proc->netns->n_fwds;
        rn_fwd_emit(&run, &p, &to, "docker-proxy");
        if (proc->netns->n_fwds != n_before)
            proc->netns->fwds[n_before].proxy = proc;
    }
}

/* ---- where it ends ---- */

static uint8_t sock_ip_proto(const struct rn_map_sock *s)
{
    switch (s->proto) {
    case RN_PROTO_TCP:
    case RN_PROTO_MPTCP:
        return 6;
    case RN_PROTO_UDP:
        return 17;
    case RN_PROTO_UDPLITE:
        return 136;
    case RN_PROTO_SCTP:
        return 132;
    default:
        return 0;
    }
}

static bool serves(const struct rn_map_sock *s, const struct rn_map_fwd *f, struct rn_addr to)
{
    uint16_t from = f->to_port_from != 0 ? f->to_port_from : f->port_from;
    uint16_t end = f->to_port_from != 0 ? f->to_port_to : f->port_to;
    uint8_t ip_proto = sock_ip_proto(s);

    if (ip_proto == 0 || (f->ip_proto != 0 && ip_proto != f->ip_proto))
        return false;
    if (ip_proto == 6 && s->state != RN_STATE_LISTEN)
        return false;
    if (ip_proto == 17 && s->state != RN_STATE_CLOSE)
        return false;
    if (s->local_port < from || s->local_port > end)
        return false;
    if (s->family == RN_FAMILY_V6 && rn_addr_is_v4(to))
        return s->is_dual;
    return rn_addr_is_any(s->local) || rn_addr_eq(s->local, to);
}

/* By address alone: the rule's own rewriting is done by then. */
static void locate(struct rn_load *l, struct rn_map_fwd *f)
{
    const struct rn_path_query query = { .from = f->netns, .to = f->to };
    struct rn_path path;
    int err = rn_path_find(&path, l->map, &query);

    if (err == RN_OK && path.is_reached) {
        f->to_netns = path.netns;
        f->to_link = path.link;
    } else {
        f->why = rn_arena_strdup(&l->map->arena, path.why);
    }
    rn_path_free(&path);
}

static void resolve(struct rn_load *l, struct rn_map_fwd *f)
{
    if (rn_addr_is_none(f->to)) /* redirect */
        f->to_netns = f->netns;
    else if (f->to_netns == NULL) /* who serves the other end knows without routes */
        locate(l, f);
    if (f->to_netns == NULL)
        return;
    for (size_t i = 0; i < f->to_netns->n_socks; i++) {
        const struct rn_map_sock *s = &f->to_netns->socks[i];

        for (size_t k = 0; serves(s, f, f->to) && k < s->n_owners; k++)
            rn_model_list_process(l->map, &f->owners, &f->n_owners, s->owners[k]);
    }
}

void rn_portfwd(struct rn_load *l)
{
    size_t first = 0;

    while (first < l->n_nft) {
        size_t end = first;

        while (end < l->n_nft && l->nft[end].netns == l->nft[first].netns)
            end++;
        rn_portfwd_nft(l, first, end);
        for (size_t i = first; i < end; i++) {
            if (l->nft[i].table == 0)
                rn_portfwd_legacy(l, &l->nft[i]);
        }
        first = end;
    }
    add_proxies(l);
    if (!l->map->is_redacted) /* there they came as FORWARD */
        rn_portfwd_userland(l);
    for (size_t i = 0; i < l->map->n_netns; i++) {
        struct rn_map_netns *ns = l->map->netns[i];

        for (size_t k = 0; k < ns->n_fwds; k++)
            resolve(l, &ns->fwds[k]);
    }
}
