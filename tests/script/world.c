#include "world.h"

#include "dev/gso.h"
#include "stack/stack.h"
#include <runnel/route.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* --- memory that is counted ------------------------------------------------------------------------------------ */

static void *counted_alloc(void *ctx, size_t bytes)
{
    struct world *w = ctx;
    void *ptr = calloc(1, bytes);

    if (ptr == NULL)
        abort();
    w->n_live++;
    w->bytes_live += bytes;
    return ptr;
}

static void counted_free(void *ctx, void *ptr, size_t bytes)
{
    struct world *w = ctx;

    w->n_live--;
    w->bytes_live -= bytes;
    free(ptr);
}

/* --- capture ---------------------------------------------------------------------------------------------------- */

struct pcap_record {
    uint32_t s, us, len, wire_len;
};

static void capture(struct world *w, const void *bytes, size_t len)
{
    int64_t us = world_now_ns(w) / RN_NS_PER_US;
    struct pcap_record rec = { (uint32_t)(us / 1000000), (uint32_t)(us % 1000000), (uint32_t)len,
                               (uint32_t)len };

    if (w->pcap == NULL)
        return;
    fwrite(&rec, sizeof(rec), 1, w->pcap);
    fwrite(bytes, len, 1, w->pcap);
}

/* --- what leaves ------------------------------------------------------------------------------------------------ */

static void keep(struct world *w, const struct rn_pkt *pkt)
{
    struct sent *sent = calloc(1, sizeof(*sent) + pkt->len);

    if (sent == NULL)
        abort();
    sent->at_ns = world_now_ns(w);
    sent->len = pkt->len;
    rn_pkt_copy_out(pkt, 0, sent->bytes, pkt->len);
    capture(w, sent->bytes, sent->len);
    *w->end = sent;
    w->end = &sent->next;
}

static void collect(struct world *w)
{
    struct rn_pktq out = { 0 };
    struct rn_pktq cut = { 0 };
    struct rn_pkt *pkt;

    (void)rn_nic_take_output(w->nic, &out, SIZE_MAX);
    while ((pkt = rn_pktq_pop(&out)) != NULL) {
        (void)rn_gso_conform(&w->device, pkt, &cut);
        while ((pkt = rn_pktq_pop(&cut)) != NULL) {
            keep(w, pkt);
            rn_pkt_free(pkt);
        }
    }
}

struct sent *world_take(struct world *w)
{
    struct sent *sent = w->first;

    if (sent == NULL)
        return NULL;
    w->first = sent->next;
    if (w->first == NULL)
        w->end = &w->first;
    sent->next = NULL;
    return sent;
}

/* --- turns ------------------------------------------------------------------------------------------------------ */

void world_enter(struct world *w)
{
    rn_turn_begin(&w->turn, world_now_ns(w));
}

/* Taking output may free room that a sender waits for: until nothing comes any more. */
void world_leave(struct world *w)
{
    rn_turn_end(&w->turn);
    collect(w);
    while (rn_turn_deadline_ns(&w->turn) <= world_now_ns(w)) {
        rn_turn_begin(&w->turn, world_now_ns(w));
        rn_turn_end(&w->turn);
        collect(w);
    }
}

static void leave_and_tell(struct world *w)
{
    world_leave(w);
    if (w->after_turn != NULL)
        w->after_turn(w->arg);
}

void world_turn(struct world *w, int64_t now_ns)
{
    rn_turn_begin(&w->turn, now_ns);
    leave_and_tell(w);
}

void world_feed(struct world *w, const void *bytes, size_t len)
{
    struct rn_pkt *pkt = rn_pkt_from_bytes(w->pool, bytes, len);
    struct rn_pktq in = { 0 };

    if (pkt == NULL)
        abort();
    capture(w, bytes, len);
    rn_pktq_push(&in, pkt);
    world_enter(w);
    rn_nic_input(w->nic, &in);
    leave_and_tell(w);
}

int64_t world_deadline_ns(const struct world *w)
{
    int64_t next_ns = rn_turn_deadline_ns(&w->turn);

    if (w->alarm_ns > world_now_ns(w) && w->alarm_ns < next_ns)
        return w->alarm_ns;
    return next_ns;
}

bool world_wait_output(struct world *w, int64_t until_ns)
{
    int64_t next_ns;

    while (w->first == NULL && (next_ns = world_deadline_ns(w)) <= until_ns)
        world_turn(w, next_ns);
    return w->first != NULL;
}

void world_run_until(struct world *w, int64_t until_ns)
{
    int64_t next_ns;

    while ((next_ns = world_deadline_ns(w)) <= until_ns)
        world_turn(w, next_ns);
    if (until_ns > world_now_ns(w))
        world_turn(w, until_ns);
}

/* --- life ------------------------------------------------------------------------------------------------------- */

static struct rn_addr addr_of(const char *text)
{
    struct rn_addr addr;

    if (rn_addr_parse(text, &addr) < 0)
        abort();
    return addr;
}

static void must(int err)
{
    if (err < 0)
        abort();
}

static void add_default_route(struct world *w, const char *dst)
{
    struct rn_route_entry entry = { .nic = rn_nic_id(w->nic) };

    must(rn_prefix_parse(dst, &entry.dst));
    must(rn_route_add(w->stack, &entry));
}

void world_init(struct world *w, const struct world_opts *opts)
{
    static const uint8_t seed[16] = "packet scripts";
    struct rn_stack_opts so = {
        .protos = &rn_protos_all, .is_test = true, .icmp_rate_per_s = 1000000, .icmp_burst = 1000000
    };
    struct rn_nic_opts no = { .name = "tun0", .flags = RN_NIC_NO_DAD };
    bool has_v4 = !rn_addr_is_none(opts->local4);
    bool has_v6 = !rn_addr_is_none(opts->local6);

    *w = (struct world){ .alloc = { counted_alloc, counted_free, w } };
    w->end = &w->first;
    must(rn_pool_new(&w->pool, &w->alloc, NULL));
    rn_turn_init(&w->turn, w->pool, seed, opts->start_ns);
    w->device = (struct rn_device){ .turn = &w->turn, .link_type = RN_LINK_IP, .mtu = opts->mtu };
    must(rn_stack_new(&w->stack, &w->turn, &so));
    must(rn_nic_new(&w->nic, w->stack, &w->device, &no));
    must(rn_nic_add_addr(w->nic, has_v4 ? opts->local4 : addr_of("192.168.0.1"), 16));
    must(rn_nic_add_addr(w->nic, has_v6 ? opts->local6 : addr_of("fd3d:fa7b:d17d::1"), 64));
    add_default_route(w, "0.0.0.0/0");
    add_default_route(w, "::/0");
}

size_t world_fini(struct world *w)
{
    struct rn_pool_stats stats;
    struct sent *sent;
    size_t n_left;

    w->after_turn = NULL;
    w->stack = rn_stack_free(w->stack);
    /* What was lent to it comes back as an event. */
    rn_turn_begin(&w->turn, world_now_ns(w));
    rn_turn_end(&w->turn);
    while ((sent = world_take(w)) != NULL)
        free(sent);
    rn_pool_get_stats(w->pool, &stats);
    n_left = stats.pkts_in_use + stats.small_in_use + stats.big_in_use + stats.lent_in_use +
             w->turn.wheel.n_armed;
    if (n_left != 0)
        return n_left; /* what is still linked to pool or turn must not lose them */
    rn_turn_fini(&w->turn);
    w->pool = rn_pool_free(w->pool);
    return w->n_live;
}
