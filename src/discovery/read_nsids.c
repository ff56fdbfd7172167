/* Which namespace a peer's NSID means. Most pairs of links were settled when they were met, see read_halves.c. Asking
 * each about each of the others is quadratic. So only those are asked to whom links lead elsewhere, those with the most
 * such links first, and about the likely ones first: whoever has a link that points back. The kernel's word decides,
 * for a pair of links in both directions at once. Nothing of the host changes. */
#include "discovery/read_netns.h"

#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#define LIKELY_MAX 4u /* links that point back by chance are not many */
#define RECENT_MAX 8u

struct asker {
    uint32_t seq;
    uint32_t n_links;
};

/* Made before the child is, and only read by it. */
struct plan {
    struct asker *askers;
    size_t n_askers;
    uint32_t *pairs; /* indices of links that are halves, by their index, then peer */
    size_t n_pairs;
    uint32_t n_asks_max;
};

struct asking {
    struct rn_broker *b;
    uint32_t seq;
    struct rn_far_links mine;
    struct rn_nl route;
    uint8_t *is_asked; /* about each namespace */
};

static struct plan plan; /* one scan in a process; the child's copy */

/* Namespaces that numbers meant lately: most often the machine's own. Lives in the supervised child. */
static uint32_t recent[RECENT_MAX];
static size_t n_recent;

static bool is_same_number(const struct rn_far_link *a, const struct rn_far_link *b)
{
    return a->seq == b->seq && a->nsid == b->nsid;
}

/* ---- the plan ---- */

static int cmp_pair(const void *pa, const void *pb, void *links)
{
    const struct rn_far_link *a = (const struct rn_far_link *)links + *(const uint32_t *)pa;
    const struct rn_far_link *b = (const struct rn_far_link *)links + *(const uint32_t *)pb;

    if (a->index != b->index)
        return a->index > b->index ? 1 : -1;
    return (a->peer > b->peer) - (a->peer < b->peer);
}

static int cmp_asker(const void *pa, const void *pb)
{
    const struct asker *a = pa;
    const struct asker *b = pb;

    if (a->n_links != b->n_links)
        return a->n_links < b->n_links ? 1 : -1;
    return (a->seq > b->seq) - (a->seq < b->seq);
}

/* What one link told of a number holds for all that use it. */
static void spread_targets(struct rn_far_table *far)
{
    for (uint32_t i = 1; i < far->n; i++) {
        struct rn_far_link *l = &far->links[i];

        if (l->target == 0 && is_same_number(l, l - 1))
            l->target = l[-1].target;
    }
    for (uint32_t i = far->n; i-- > 1;) {
        struct rn_far_link *l = &far->links[i - 1];

        if (l->target == 0 && is_same_number(l, l + 1))
            l->target = l[1].target;
    }
}

static void add_asker(const struct rn_far_link *l)
{
    if (plan.n_askers == 0 || plan.askers[plan.n_askers - 1].seq != l->seq)
        plan.askers[plan.n_askers++] = (struct asker){ .seq = l->seq };
    plan.askers[plan.n_askers - 1].n_links++;
}

static bool make_plan(struct rn_broker *b)
{
    struct rn_far_table *far = b->far;

    rn_far_links_sort(b);
    spread_targets(far);
    plan.askers = rn_arena_new(&b->arena, b->n_netns * sizeof(*plan.askers));
    plan.pairs = rn_arena_new(&b->arena, far->n * sizeof(*plan.pairs));
    if (plan.askers == NULL || plan.pairs == NULL)
        return false;
    for (uint32_t i = 0; i < far->n; i++) {
        if (far->links[i].target == 0)
            add_asker(&far->links[i]);
        if (far->links[i].is_pair)
            plan.pairs[plan.n_pairs++] = i;
    }
    qsort(plan.askers, plan.n_askers, sizeof(*plan.askers), cmp_asker);
    qsort_r(plan.pairs, plan.n_pairs, sizeof(*plan.pairs), cmp_pair, far->links);
    plan.n_asks_max = rn_sat_u32(b->n_netns * 8 + 1024);
    return true;
}

/* First pair whose half is @index and points at @peer, or n_pairs. */
static size_t first_pair(const struct rn_broker *b, uint32_t index, uint32_t peer)
{
    size_t lo = 0;
    size_t hi = plan.n_pairs;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct rn_far_link *l = &b->far->links[plan.pairs[mid]];

        if (l->index < index || (l->index == index && l->peer < peer))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* ---- answers ---- */

static struct rn_far_links with_number(struct rn_far_links of, int32_t nsid)
{
    size_t lo = 0;
    size_t hi = of.n;
    size_t end;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (of.links[mid].nsid < nsid)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (end = lo; end < of.n && of.links[end].nsid == nsid; end++)
        ;
    return (struct rn_far_links){ of.links + lo, end - lo };
}

static void settle_number(struct rn_far_links of, int32_t nsid, uint32_t target)
{
    struct rn_far_links same = with_number(of, nsid);

    for (size_t i = 0; i < same.n; i++)
        same.links[i].target = target + 1;
}

/* The half in @target of our half @l, if it points back; NULL: none does. */
static const struct rn_far_link *other_half(const struct rn_broker *b, const struct rn_far_link *l,
                                            uint32_t target)
{
    for (size_t i = first_pair(b, l->peer, l->index); l->is_pair && i < plan.n_pairs; i++) {
        const struct rn_far_link *back = &b->far->links[plan.pairs[i]];

        if (back->index != l->peer || back->peer != l->index)
            return NULL;
        if (back->seq == target)
            return back;
    }
    return NULL;
}

static void keep_recent(uint32_t target)
{
    for (size_t i = 0; i < n_recent; i++) {
        if (recent[i] == target)
            return;
    }
    if (n_recent < RECENT_MAX)
        n_recent++;
    recent[target % n_recent] = target;
}

/* Halves of a pair point at each other, so who is behind one says who is behind the other. */
static void settle(struct asking *a, int32_t nsid, uint32_t target)
{
    struct rn_far_links same = with_number(a->mine, nsid);

    settle_number(a->mine, nsid, target);
    for (size_t i = 0; i < same.n; i++) {
        const struct rn_far_link *half = other_half(a->b, &same.links[i], target);

        if (half != NULL && half->target == 0)
            settle_number(rn_far_links_of(a->b, target), half->nsid, a->seq);
    }
    keep_recent(target);
}

static int on_nsid(const struct nlmsghdr *head, void *arg)
{
    struct rn_view rest = rn_view_of(head, head->nlmsg_len);
    struct rn_view tb[NETNSA_NSID + 1];
    struct rn_view rtgen;
    struct rn_nlmsg m;

    if (!rn_nlmsg_next(&rest, &m) ||
        !rn_nlmsg_take_header(&m.payload, sizeof(struct rtgenmsg), &rtgen))
        return RN_E_MALFORMED;
    rn_nlattr_table(m.payload, tb, NETNSA_NSID);
    if (rn_nl_has(tb[NETNSA_NSID]))
        *(int32_t *)arg = rn_nl_i32(tb[NETNSA_NSID]);
    return RN_OK;
}

int32_t rn_nsid_ask(struct rn_nl *nl, int ns_fd)
{
    int32_t nsid = NETNSA_NSID_NOT_ASSIGNED;
    struct rn_nl_msg msg;

    rn_nl_msg_begin(&msg, RTM_GETNSID, 0, sizeof(struct rtgenmsg));
    rn_nl_put_u32(&msg, NETNSA_FD, (uint32_t)ns_fd);
    return rn_nl_ask_one(nl, &msg, on_nsid, &nsid) == RN_OK ? nsid : NETNSA_NSID_NOT_ASSIGNED;
}

/* Asks which number @target has here. */
static void ask(struct asking *a, uint32_t target)
{
    struct rn_broker *b = a->b;
    int32_t nsid;
    int fd;

    if (a->is_asked[target] != 0 || target == a->seq || b->far->n_asked >= plan.n_asks_max)
        return;
    a->is_asked[target] = 1;
    b->far->n_asked++;
    fd = rn_found_open(b, &b->netns[target]);
    if (fd < 0)
        return;
    nsid = rn_nsid_ask(&a->route, fd);
    if (nsid >= 0)
        settle(a, nsid, target);
    close(fd);
    rn_progress_beat(b);
}

/* ---- questions ---- */

/* About those who have a link that points back. */
static void ask_likely(struct asking *a, const struct rn_far_link *l)
{
    const struct rn_broker *b = a->b;
    unsigned n = 0;

    for (size_t i = first_pair(b, l->peer, l->index);
         l->is_pair && l->target == 0 && n < LIKELY_MAX && i < plan.n_pairs; i++) {
        const struct rn_far_link *back = &b->far->links[plan.pairs[i]];

        if (back->index != l->peer || back->peer != l->index)
            return;
        if (back->seq == a->seq || back->target != 0)
            continue;
        ask(a, back->seq);
        n++;
    }
}

static void ask_all(struct asking *a, const struct rn_far_link *l)
{
    for (size_t i = 0; i < n_recent && l->target == 0; i++)
        ask(a, recent[i]);
    for (uint32_t i = 0; i < a->b->n_netns && l->target == 0; i++)
        ask(a, i);
}

static bool has_question(struct rn_far_links mine)
{
    for (size_t i = 0; i < mine.n; i++) {
        if (mine.links[i].target == 0)
            return true;
    }
    return false;
}

/* Where we cannot go we may be already: at home, which whoever may go nowhere has never left. */
static bool enter(struct asking *a)
{
    const struct rn_found_netns *ns = &a->b->netns[a->seq];
    int fd = rn_found_open(a->b, ns);
    bool is_in;

    if (fd < 0)
        return false;
    is_in = setns(fd, CLONE_NEWNET) == 0 || ns->ino == a->b->self_net_ino;
    close(fd);
    return is_in && rn_nl_open(&a->route, NETLINK_ROUTE) == RN_OK;
}

static void item(struct rn_broker *b, size_t i)
{
    struct asking a = { .b = b, .seq = plan.askers[i].seq };

    a.mine = rn_far_links_of(b, a.seq);
    if (!has_question(a.mine) || !enter(&a))
        return;
    a.is_asked = calloc(b->n_netns, 1);
    if (a.is_asked != NULL) {
        for (size_t k = 0; k < a.mine.n; k++)
            ask_likely(&a, &a.mine.links[k]);
        for (size_t k = 0; k < a.mine.n; k++)
            ask_all(&a, &a.mine.links[k]);
    }
    free(a.is_asked);
    rn_nl_close(&a.route);
}

static void on_lost(struct rn_broker *b, size_t i, bool is_stuck)
{
    (void)b;
    (void)i;
    (void)is_stuck; /* told at the end, once */
}

/* ---- telling ---- */

static void tell(struct rn_broker *b)
{
    const struct rn_far_table *far = b->far;

    for (uint32_t i = 0; i < far->n; i++) {
        const struct rn_far_link *l = &far->links[i];

        if (l->target == 0 || (i != 0 && is_same_number(l, l - 1)))
            continue;
        rn_dump_begin(&b->out, RN_DUMP_NSID, 0);
        rn_dump_u32(&b->out, l->seq);
        rn_dump_u32(&b->out, (uint32_t)l->nsid);
        rn_dump_u32(&b->out, l->target - 1);
        rn_dump_end(&b->out);
    }
}

static void note_unmatched(struct rn_broker *b)
{
    rn_dump_note(&b->out,
                 &(struct rn_dump_note){ .seq = RN_DUMP_NO_SEQ,
                                         .what = "nsids",
                                         .id = "peers",
                                         .why = "not all namespaces of peers could be matched" });
}

void rn_read_nsids(struct rn_broker *b)
{
    struct rn_supervised job = { .item = item, .on_lost = on_lost, .stuck_ms = RN_BROKER_STUCK_MS };

    if (b->far == NULL || !make_plan(b)) {
        note_unmatched(b);
        return;
    }
    job.end = plan.n_askers;
    rn_supervise(b, &job);
    tell(b);
    if (b->far->is_full || b->far->n_asked >= plan.n_asks_max)
        note_unmatched(b);
}

/* ---- in a visit ---- */

static int on_own_nsid(const struct nlmsghdr *head, void *arg)
{
    struct rn_visit *v = arg;
    struct rn_far_link far = { .seq = v->seq, .nsid = NETNSA_NSID_NOT_ASSIGNED };

    if (on_nsid(head, &far.nsid) == RN_OK && far.nsid >= 0)
        rn_far_links_add(v->b, &far);
    return RN_OK;
}

void rn_visit_nsids(struct rn_visit *v)
{
    struct rn_nl_sink sink = { .message = on_own_nsid, .arg = v };
    struct rn_nl_msg msg;
    int err;

    rn_nl_msg_begin(&msg, RTM_GETNSID, 0, sizeof(struct rtgenmsg));
    err = rn_nl_dump(&v->route, &msg, &sink);
    rn_far_links_share(v->b);
    if (err < 0)
        rn_visit_note(v, "nsids", err, NULL);
}
