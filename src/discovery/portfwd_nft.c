/* nf_tables: chains, rules and sets of one namespace as they were dumped, and the walk through them. What single
 * expressions mean is in portfwd_expr.c. */
#include "discovery/portfwd_nft.h"

#include "base/text.h"
#include "host/proc.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>

static bool view_eq(struct rn_view a, struct rn_view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool rn_nft_name_eq(const struct rn_nft_name *a, const struct rn_nft_name *b)
{
    return a->family == b->family && view_eq(a->table, b->table) && view_eq(a->name, b->name);
}

/* ---- collecting ---- */

static void keep_chain(struct rn_ruleset *rs, struct rn_view message)
{
    struct rn_nft_chain c;
    struct rn_nft_chain *grown;

    if (rn_nft_chain_parse(message, &c) < 0)
        return;
    grown = rn_arena_room(rs->arena, rs->chains, rs->n_chains, sizeof(*grown));
    if (grown == NULL)
        return;
    rs->chains = grown;
    rs->chains[rs->n_chains++] = c;
}

static void keep_rule(struct rn_ruleset *rs, struct rn_view message)
{
    struct rn_nft_rule r;
    struct rn_nft_rule *grown;

    if (rn_nft_rule_parse(message, &r) < 0)
        return;
    grown = rn_arena_room(rs->arena, rs->rules, rs->n_rules, sizeof(*grown));
    if (grown == NULL)
        return;
    rs->rules = grown;
    rs->rules[rs->n_rules++] = r;
}

static void keep_set(struct rn_ruleset *rs, struct rn_view message)
{
    struct rn_nft_set s;
    struct rn_ruleset_set *grown;

    if (rn_nft_set_parse(message, &s) < 0)
        return;
    grown = rn_arena_room(rs->arena, rs->sets, rs->n_sets, sizeof(*grown));
    if (grown == NULL)
        return;
    rs->sets = grown;
    rs->sets[rs->n_sets++] = (struct rn_ruleset_set){ .set = s };
}

struct rn_ruleset_set *rn_ruleset_find_set(struct rn_ruleset *rs, const struct rn_nft_name *id)
{
    for (size_t i = 0; i < rs->n_sets; i++) {
        if (rn_nft_name_eq(&rs->sets[i].set.id, id))
            return &rs->sets[i];
    }
    return NULL;
}

static void keep_elems(struct rn_ruleset *rs, struct rn_view message)
{
    struct rn_nft_name id;
    struct rn_ruleset_set *set;
    struct rn_view elems;
    struct rn_nft_elem e;

    if (rn_nft_elems_parse(message, &id, &elems) < 0)
        return;
    set = rn_ruleset_find_set(rs, &id);
    while (set != NULL && rn_nft_elem_next(&elems, &e)) {
        struct rn_nft_elem *grown =
            rn_arena_room(rs->arena, set->elems, set->n_elems, sizeof(*grown));

        if (grown == NULL)
            return;
        set->elems = grown;
        set->elems[set->n_elems++] = e;
    }
}

static void keep_blob(struct rn_ruleset *rs, const struct rn_fact_blob *blob)
{
    struct rn_view rest = blob->bytes;
    struct rn_nlmsg m;

    while (rn_nlmsg_next(&rest, &m)) {
        if (m.type < NLMSG_MIN_TYPE)
            continue;
        if (blob->table == RN_TABLE_NFT_CHAIN)
            keep_chain(rs, m.payload);
        else if (blob->table == RN_TABLE_NFT_RULE)
            keep_rule(rs, m.payload);
        else if (blob->table == RN_TABLE_NFT_SET)
            keep_set(rs, m.payload);
        else if (blob->table == RN_TABLE_NFT_ELEM)
            keep_elems(rs, m.payload);
    }
}

static int cmp_elem(const void *pa, const void *pb)
{
    const struct rn_nft_elem *a = pa;
    const struct rn_nft_elem *b = pb;
    size_t n = rn_min_size(a->key.len, b->key.len);
    int by_key = n != 0 ? memcmp(a->key.ptr, b->key.ptr, n) : 0;

    if (by_key != 0)
        return by_key;
    /* An interval that ends where the next begins: the end comes first. */
    return (int)(b->flags & NFT_SET_ELEM_INTERVAL_END) -
           (int)(a->flags & NFT_SET_ELEM_INTERVAL_END);
}

/* ---- walking ---- */

static void walk_rule(struct rn_nft_walk *w, const struct rn_nft_rule *rule,
                      const struct rn_fwd_packet *in, unsigned depth)
{
    struct rn_nft_branch b = { .rule = rule, .packet = *in, .depth = depth, .netns = w->run.netns };

    rn_nft_expr_run(w, &b, rule->exprs);
    w->is_stopped = b.is_final;
}

void rn_nft_walk_chain(struct rn_nft_walk *w, const struct rn_nft_name *id,
                       const struct rn_fwd_packet *in, unsigned depth)
{
    if (depth > RN_FWD_DEPTH_MAX)
        return;
    for (size_t i = 0; i < w->rules->n_rules; i++) {
        const struct rn_nft_rule *rule = &w->rules->rules[i];

        if (!rn_nft_name_eq(&rule->id, id))
            continue;
        if (!rn_fwd_step(&w->run))
            return;
        walk_rule(w, rule, in, depth);
        if (w->is_stopped)
            break;
    }
    w->is_stopped = false;
}

static uint8_t packet_family(uint8_t nfproto)
{
    if (nfproto == NFPROTO_IPV4)
        return RN_FAMILY_V4;
    return nfproto == NFPROTO_IPV6 ? RN_FAMILY_V6 : RN_FAMILY_NONE;
}

/* Where a destination can still be changed before the packet's way is chosen. Chains of any type may do so: by nat, by
 * tproxy, by writing into the packet. */
static bool may_rewrite(const struct rn_nft_chain *c)
{
    if (c->id.family == NFPROTO_NETDEV)
        return c->hook == NF_NETDEV_INGRESS;
    if (c->id.family != NFPROTO_IPV4 && c->id.family != NFPROTO_IPV6 &&
        c->id.family != NFPROTO_INET)
        return false;
    return c->hook == NF_INET_PRE_ROUTING || c->hook == NF_INET_LOCAL_OUT ||
           c->hook == NF_INET_INGRESS;
}

static void walk_base_chain(struct rn_nft_walk *w, const struct rn_nft_chain *c)
{
    struct rn_fwd_packet p = { .port_to = UINT16_MAX };

    if (!c->is_base || !may_rewrite(c))
        return;
    p.hook = c->hook == NF_INET_LOCAL_OUT ? NF_INET_LOCAL_OUT : NF_INET_PRE_ROUTING;
    p.family = packet_family(c->id.family);
    rn_nft_walk_chain(w, &c->id, &p, 0);
}

void rn_portfwd_nft(struct rn_load *l, size_t first, size_t end)
{
    struct rn_ruleset *rs = rn_arena_new(&l->map->arena, sizeof(*rs));
    struct rn_nft_walk w = {
        .rules = rs, .run = { .load = l, .netns = l->nft[first].netns, .origin = RN_FWD_NFT }
    };

    if (rs == NULL)
        return;
    rs->arena = &l->map->arena;
    for (size_t i = first; i < end; i++)
        keep_blob(rs, &l->nft[i]);
    for (size_t i = 0; i < rs->n_sets; i++) {
        if (rs->sets[i].n_elems > 1)
            qsort(rs->sets[i].elems, rs->sets[i].n_elems, sizeof(rs->sets[i].elems[0]), cmp_elem);
    }
    w.run.netns->ruleset = rs;
    for (size_t i = 0; i < rs->n_chains; i++)
        walk_base_chain(&w, &rs->chains[i]);
    if (w.run.is_cut)
        rn_model_note(l->map, (struct rn_map_unreadable){
                                  .what = "forwarded ports (nf_tables)",
                                  .id = "ruleset",
                                  .why = "too many rules: some forwarded ports are missing",
                                  .netns = w.run.netns });
}
