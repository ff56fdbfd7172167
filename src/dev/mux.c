#include "dev/mux.h"

#include "base/hash.h"
#include "base/hashkey.h"
#include "base/list.h"
#include "dev/flow.h"
#include "dev/gso.h"
#include <runnel/err.h>

#define DEFAULT_LEARNED 1024u
#define DEFAULT_MTU     65535u
#define BATCH           64u
#define GSO_MAX_BYTES   65535u
/* What one member may leave waiting before it loses packets; the others must not wait for it. */
#define MEMBER_QUEUE_PKTS 256u

struct mux;

struct member {
    struct rn_device *dev; /* borrows; NULL: free slot */
    struct mux *mux;
    struct rn_pktq waiting;
    bool may_read;
    bool may_write;
};

struct prefix_rule {
    struct rn_prefix prefix;
    struct member *member;
};

/* An address heard behind a member. */
struct learned {
    struct rn_hash_node node;
    struct rn_list lru; /* most recently heard first */
    struct rn_addr addr;
    struct member *member;
};

struct mux {
    struct rn_device dev;
    struct rn_mux_opts opts;
    struct rn_hash_key key;
    struct rn_hash table;
    struct rn_list lru;
    unsigned next_read; /* member that reads first */
    unsigned n_prefixes;
    struct member *fallback;
    struct prefix_rule prefixes[RN_MUX_PREFIXES_MAX];
    struct member members[RN_MUX_MEMBERS_MAX];
};

static struct mux *mux_of(struct rn_device *dev)
{
    return rn_container_of(dev, struct mux, dev);
}

/* --- learned addresses ---------------------------------------------------------------------------------------- */
static uint32_t hash_of(const struct mux *mux, struct rn_addr addr)
{
    return (uint32_t)rn_siphash13_words(&mux->key, addr.w, RN_ARRAY_LEN(addr.w));
}

static struct learned *find_learned(const struct mux *mux, struct rn_addr addr)
{
    struct rn_hash_node *node = rn_hash_first(&mux->table, hash_of(mux, addr));

    for (; node != NULL; node = rn_hash_next(node)) {
        struct learned *entry = rn_container_of(node, struct learned, node);

        if (rn_addr_eq(entry->addr, addr))
            return entry;
    }
    return NULL;
}

static void forget(struct mux *mux, struct learned *entry)
{
    rn_hash_remove(&mux->table, &entry->node);
    rn_list_remove(&entry->lru);
    rn_alloc_free(rn_turn_alloc(mux->dev.turn), entry, sizeof(*entry));
}

static struct learned *new_learned(struct mux *mux, struct rn_addr addr)
{
    struct learned *entry;

    if (mux->table.n_nodes >= mux->opts.learned_max)
        forget(mux, rn_list_entry(mux->lru.prev, struct learned, lru));
    entry = rn_alloc_new(rn_turn_alloc(mux->dev.turn), sizeof(*entry));
    if (entry == NULL)
        return NULL; /* the default serves */
    entry->addr = addr;
    rn_hash_insert(&mux->table, &entry->node, hash_of(mux, addr));
    return entry;
}

static void learn(struct mux *mux, struct member *member, struct rn_addr addr)
{
    struct learned *entry;

    if (mux->opts.does_not_learn || rn_addr_is_any(addr) || rn_addr_is_multicast(addr))
        return;
    entry = find_learned(mux, addr);
    if (entry == NULL)
        entry = new_learned(mux, addr);
    if (entry == NULL)
        return;
    entry->member = member;
    rn_list_remove(&entry->lru);
    rn_list_push_front(&mux->lru, &entry->lru);
}

static void forget_member(struct mux *mux, const struct member *member)
{
    struct rn_list *it;
    struct rn_list *next;
    unsigned kept = 0;

    rn_list_for_each_safe (it, next, &mux->lru) {
        struct learned *entry = rn_list_entry(it, struct learned, lru);

        if (entry->member == member)
            forget(mux, entry);
    }
    for (unsigned i = 0; i < mux->n_prefixes; i++) {
        if (mux->prefixes[i].member != member)
            mux->prefixes[kept++] = mux->prefixes[i];
    }
    mux->n_prefixes = kept;
    if (mux->fallback == member)
        mux->fallback = NULL;
}

/* --- choosing ------------------------------------------------------------------------------------------------- */
static struct member *choose(const struct mux *mux, struct rn_addr dst)
{
    const struct learned *entry = find_learned(mux, dst);
    struct member *best = mux->fallback;
    int best_bits = -1;

    if (entry != NULL)
        return entry->member;
    for (unsigned i = 0; i < mux->n_prefixes; i++) {
        const struct prefix_rule *rule = &mux->prefixes[i];

        if (rule->prefix.bits > best_bits && rn_prefix_contains(&rule->prefix, dst)) {
            best = rule->member;
            best_bits = rule->prefix.bits;
        }
    }
    return best;
}

static void drop(struct mux *mux, struct rn_pkt *pkt, enum rn_drop why)
{
    pkt->account = &mux->dev.drops;
    rn_pkt_drop(pkt, why);
}

static void send_to(struct mux *mux, struct member *member, struct rn_pkt *pkt)
{
    if (member->waiting.n_pkts >= MEMBER_QUEUE_PKTS)
        drop(mux, pkt, RN_DROP_QUEUE_FULL);
    else
        (void)rn_gso_conform(member->dev, pkt, &member->waiting);
}

/* --- members -------------------------------------------------------------------------------------------------- */
static struct member *find_member(struct mux *mux, const struct rn_device *dev)
{
    for (unsigned i = 0; dev != NULL && i < RN_MUX_MEMBERS_MAX; i++) {
        if (mux->members[i].dev == dev)
            return &mux->members[i];
    }
    return NULL;
}

static void refresh_mtu(struct mux *mux)
{
    uint32_t mtu = mux->opts.mtu;

    for (unsigned i = 0; i < RN_MUX_MEMBERS_MAX; i++) {
        if (mux->members[i].dev != NULL)
            mtu = rn_min_u32(mtu, mux->members[i].dev->mtu);
    }
    if (mtu == mux->dev.mtu)
        return;
    mux->dev.mtu = mtu;
    rn_device_notify(&mux->dev, RN_DEV_MTU_CHANGED);
}

static void take_out(struct mux *mux, struct member *member)
{
    forget_member(mux, member);
    rn_pktq_free_all(&member->waiting);
    member->dev->notify = NULL;
    member->dev->owner = NULL;
    member->dev = NULL;
    refresh_mtu(mux);
}

static void fail(struct mux *mux, struct member *member)
{
    struct rn_device *dev = member->dev;

    take_out(mux, member);
    if (mux->opts.on_member_failed != NULL)
        mux->opts.on_member_failed(mux->opts.arg, dev);
}

static void flush(struct mux *mux, struct member *member)
{
    int n;

    if (!member->may_write || rn_pktq_is_empty(&member->waiting))
        return;
    n = member->dev->ops->write_batch(member->dev, &member->waiting);
    member->may_write = rn_pktq_is_empty(&member->waiting);
    if (n < 0)
        fail(mux, member);
}

static void on_event(struct rn_device *dev, unsigned events)
{
    struct member *member = dev->owner;
    struct mux *mux = member->mux;

    if (events & RN_DEV_MTU_CHANGED)
        refresh_mtu(mux);
    if (events & RN_DEV_WRITABLE) {
        member->may_write = true;
        flush(mux, member);
    }
    if (events & (RN_DEV_READABLE | RN_DEV_CLOSED)) {
        member->may_read = true; /* a closed member is found out, and taken out, by reading it */
        rn_device_notify(&mux->dev, RN_DEV_READABLE);
    }
}

int rn_mux_add(struct rn_device *dev, struct rn_device *device)
{
    struct mux *mux = mux_of(dev);

    if (device->link_type != RN_LINK_IP || device == dev)
        return RN_E_BAD_OPTION;
    if (find_member(mux, device) != NULL)
        return RN_E_EXISTS;
    for (unsigned i = 0; i < RN_MUX_MEMBERS_MAX; i++) {
        struct member *member = &mux->members[i];

        if (member->dev != NULL)
            continue;
        *member = (struct member){ .dev = device, .mux = mux, .may_read = true, .may_write = true };
        device->owner = member;
        device->notify = on_event;
        refresh_mtu(mux);
        rn_device_notify(dev, RN_DEV_READABLE);
        return RN_OK;
    }
    return RN_E_LIMIT;
}

void rn_mux_remove(struct rn_device *dev, struct rn_device *device)
{
    struct member *member = find_member(mux_of(dev), device);

    if (member != NULL)
        take_out(mux_of(dev), member);
}

int rn_mux_set_prefix(struct rn_device *dev, struct rn_prefix prefix, struct rn_device *device)
{
    struct mux *mux = mux_of(dev);
    struct member *member = find_member(mux, device);
    unsigned i;

    if (member == NULL)
        return RN_E_NOT_FOUND;
    for (i = 0; i < mux->n_prefixes; i++) {
        if (rn_prefix_eq(&mux->prefixes[i].prefix, &prefix))
            break;
    }
    if (i == RN_MUX_PREFIXES_MAX)
        return RN_E_LIMIT;
    mux->prefixes[i] = (struct prefix_rule){ prefix, member };
    if (i == mux->n_prefixes)
        mux->n_prefixes++;
    return RN_OK;
}

int rn_mux_set_default(struct rn_device *dev, struct rn_device *device)
{
    struct mux *mux = mux_of(dev);
    struct member *member = find_member(mux, device);

    if (device != NULL && member == NULL)
        return RN_E_NOT_FOUND;
    mux->fallback = member;
    return RN_OK;
}

/* --- device --------------------------------------------------------------------------------------------------- */
/* Reads from one member and learns who lives there. Returns how many packets came. */
static unsigned read_member(struct mux *mux, struct member *member, struct rn_pktq *in,
                            unsigned max)
{
    struct rn_pktq got = { 0 };
    struct rn_pkt_flow flow;
    int n = member->dev->ops->read_batch(member->dev, &got, max);

    for (const struct rn_pkt *pkt = got.first; pkt != NULL; pkt = pkt->next) {
        if (!mux->opts.does_not_learn && rn_flow_of(pkt, RN_LINK_IP, &flow))
            learn(mux, member, flow.src);
    }
    rn_pktq_splice(in, &got);
    if (n >= 0)
        return (unsigned)n;
    member->may_read = false;
    if (n != RN_E_WOULD_BLOCK)
        fail(mux, member);
    return 0;
}

static int mux_read(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct mux *mux = mux_of(dev);
    unsigned share = rn_max_u32(1, max / 4); /* one busy member must not silence the others */
    unsigned n = 0;
    bool has_more = false;

    if (dev->is_closed)
        return RN_E_CANCELLED;
    for (unsigned i = 0; i < RN_MUX_MEMBERS_MAX && n < max; i++) {
        struct member *member = &mux->members[(mux->next_read + i) % RN_MUX_MEMBERS_MAX];

        if (member->dev == NULL || !member->may_read)
            continue;
        n += read_member(mux, member, in, rn_min_u32(share, max - n));
        has_more |= member->dev != NULL && member->may_read;
    }
    mux->next_read = (mux->next_read + 1) % RN_MUX_MEMBERS_MAX;
    return n != 0 || has_more ? (int)n : RN_E_WOULD_BLOCK;
}

static int mux_write(struct rn_device *dev, struct rn_pktq *out)
{
    struct mux *mux = mux_of(dev);
    struct rn_pkt *pkt;
    int n = 0;

    if (dev->is_closed)
        return RN_E_CANCELLED;
    for (; (pkt = rn_pktq_pop(out)) != NULL; n++) {
        struct rn_pkt_flow flow;
        struct member *member =
            rn_flow_of(pkt, RN_LINK_IP, &flow) ? choose(mux, flow.dst) : mux->fallback;

        if (member == NULL)
            drop(mux, pkt, RN_DROP_NO_ROUTE);
        else
            send_to(mux, member, pkt);
    }
    for (unsigned i = 0; i < RN_MUX_MEMBERS_MAX; i++) {
        if (mux->members[i].dev != NULL)
            flush(mux, &mux->members[i]);
    }
    return n;
}

static void mux_close(struct rn_device *dev)
{
    struct mux *mux = mux_of(dev);

    if (dev->is_closed)
        return;
    dev->is_closed = true;
    for (unsigned i = 0; i < RN_MUX_MEMBERS_MAX; i++) {
        if (mux->members[i].dev != NULL)
            take_out(mux, &mux->members[i]);
    }
    rn_device_notify(dev, RN_DEV_CLOSED);
}

static void mux_destroy(struct rn_device *dev)
{
    struct mux *mux = mux_of(dev);

    mux_close(dev);
    rn_hash_fini(&mux->table);
    rn_alloc_free(rn_turn_alloc(dev->turn), mux, sizeof(*mux));
}

static const struct rn_device_ops mux_ops = {
    .kind = "mux",
    .read_batch = mux_read,
    .write_batch = mux_write,
    .close = mux_close,
    .destroy = mux_destroy,
};

static void describe(struct mux *mux, struct rn_turn *turn, const struct rn_mux_opts *opts)
{
    struct rn_device *dev = &mux->dev;

    mux->opts = *opts;
    if (mux->opts.mtu == 0)
        mux->opts.mtu = DEFAULT_MTU;
    if (mux->opts.learned_max == 0)
        mux->opts.learned_max = DEFAULT_LEARNED;
    mux->key.k0 = rn_rand_u64(&turn->rand);
    mux->key.k1 = rn_rand_u64(&turn->rand);
    rn_list_init(&mux->lru);
    dev->ops = &mux_ops;
    dev->turn = turn;
    memcpy(dev->name, "mux", sizeof("mux"));
    dev->caps = RN_DEV_RX_CSUM | RN_DEV_TX_CSUM | RN_DEV_TSO4 | RN_DEV_TSO6 | RN_DEV_USO;
    dev->mtu = mux->opts.mtu;
    dev->gso_max_bytes = GSO_MAX_BYTES;
    dev->batch = BATCH;
}

int rn_mux_new(struct rn_device **ret, struct rn_turn *turn, const struct rn_mux_opts *opts)
{
    const struct rn_alloc *alloc = rn_turn_alloc(turn);
    struct mux *mux = rn_alloc_new(alloc, sizeof(*mux));
    int err;

    if (mux == NULL)
        return RN_E_NOMEM;
    err = rn_hash_init(&mux->table, alloc, 64);
    if (err < 0) {
        rn_alloc_free(alloc, mux, sizeof(*mux));
        return err;
    }
    describe(mux, turn, opts);
    *ret = &mux->dev;
    return RN_OK;
}
