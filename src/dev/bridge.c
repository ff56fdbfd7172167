#include "dev/bridge.h"

#include "base/hash.h"
#include "base/hashkey.h"
#include "base/list.h"
#include "dev/gso.h"
#include "wire/eth.h"
#include <runnel/err.h>

#define DEFAULT_LEARNED 1024u
/* IEEE 802.1Q §8.8.3, table 8-6: recommended. */
#define DEFAULT_AGE_NS (300 * RN_NS_PER_S)
/* What one port may leave waiting before it loses packets; the others must not wait for it. */
#define PORT_QUEUE_PKTS 256u

struct port {
    struct rn_device *dev; /* borrows; NULL: free slot */
    struct rn_bridge *bridge;
    struct rn_pktq waiting;
    bool may_read;
    bool may_write;
};

/* A station that was heard. */
struct station {
    struct rn_hash_node node;
    struct rn_list lru; /* most recently heard first */
    struct rn_mac mac;
    struct port *port;
    int64_t heard_ns;
};

struct rn_bridge {
    struct rn_bridge_opts opts;
    struct rn_turn *turn;
    struct rn_task task; /* DELIVER */
    struct rn_hash_key key;
    struct rn_hash table;
    struct rn_list lru;
    struct rn_drop_account drops;
    struct port ports[RN_BRIDGE_PORTS_MAX];
};

static void drop(struct rn_bridge *bridge, struct rn_pkt *pkt, enum rn_drop why)
{
    pkt->account = &bridge->drops;
    rn_pkt_drop(pkt, why);
}

/* --- stations ----------------------------------------------------------------------------------------------------- */
static uint32_t hash_of(const struct rn_bridge *bridge, struct rn_mac mac)
{
    uint64_t word = (uint64_t)rn_get_be32(mac.b) << 16 | rn_get_be16(mac.b + 4);

    return (uint32_t)rn_siphash13_words(&bridge->key, &word, 1);
}

static void forget(struct rn_bridge *bridge, struct station *station)
{
    rn_hash_remove(&bridge->table, &station->node);
    rn_list_remove(&station->lru);
    rn_alloc_free(rn_turn_alloc(bridge->turn), station, sizeof(*station));
}

static struct station *oldest(struct rn_bridge *bridge)
{
    return rn_list_entry(bridge->lru.prev, struct station, lru);
}

static void forget_silent(struct rn_bridge *bridge)
{
    while (!rn_list_is_empty(&bridge->lru) &&
           oldest(bridge)->heard_ns + bridge->opts.age_ns <= bridge->turn->now_ns)
        forget(bridge, oldest(bridge));
}

static struct station *find(const struct rn_bridge *bridge, struct rn_mac mac)
{
    struct rn_hash_node *node = rn_hash_first(&bridge->table, hash_of(bridge, mac));

    for (; node != NULL; node = rn_hash_next(node)) {
        struct station *station = rn_container_of(node, struct station, node);

        if (rn_mac_eq(station->mac, mac))
            return station;
    }
    return NULL;
}

static struct station *new_station(struct rn_bridge *bridge, struct rn_mac mac)
{
    struct station *station;

    if (bridge->table.n_nodes >= bridge->opts.learned_max)
        forget(bridge, oldest(bridge));
    station = rn_alloc_new(rn_turn_alloc(bridge->turn), sizeof(*station));
    if (station == NULL)
        return NULL; /* frames for it go everywhere */
    station->mac = mac;
    rn_hash_insert(&bridge->table, &station->node, hash_of(bridge, mac));
    return station;
}

static void learn(struct rn_bridge *bridge, struct port *port, struct rn_mac mac)
{
    struct station *station = find(bridge, mac);

    if (station == NULL)
        station = new_station(bridge, mac);
    if (station == NULL)
        return;
    station->port = port;
    station->heard_ns = bridge->turn->now_ns;
    rn_list_remove(&station->lru);
    rn_list_push_front(&bridge->lru, &station->lru);
}

static void forget_port(struct rn_bridge *bridge, const struct port *port)
{
    struct rn_list *it;
    struct rn_list *next;

    rn_list_for_each_safe (it, next, &bridge->lru) {
        struct station *station = rn_list_entry(it, struct station, lru);

        if (station->port == port)
            forget(bridge, station);
    }
}

/* --- forwarding --------------------------------------------------------------------------------------------------- */
/* Consumes @pkt. */
static void send_to(struct rn_bridge *bridge, struct port *port, struct rn_pkt *pkt)
{
    if (rn_pkt_wire_len(pkt) > port->dev->mtu + RN_ETH_HDR_BYTES)
        drop(bridge, pkt, RN_DROP_TOO_BIG);
    else if (port->waiting.n_pkts >= PORT_QUEUE_PKTS)
        drop(bridge, pkt, RN_DROP_QUEUE_FULL);
    else
        (void)rn_gso_conform(port->dev, pkt,
                             &port->waiting); /* what cannot be cut is dropped there */
}

/* Consumes @pkt. */
static void flood(struct rn_bridge *bridge, const struct port *from, struct rn_pkt *pkt)
{
    for (unsigned i = 0; i < RN_BRIDGE_PORTS_MAX; i++) {
        struct port *port = &bridge->ports[i];
        struct rn_pkt *copy;

        if (port->dev == NULL || port == from)
            continue;
        copy = rn_pkt_clone(pkt);
        if (copy == NULL)
            bridge->drops.n[RN_DROP_NOMEM]++;
        else
            send_to(bridge, port, copy);
    }
    rn_pkt_free(pkt);
}

/* IEEE 802.1Q §8.6.3: 01-80-C2-00-00-0X is between neighbours and never forwarded. */
static bool is_link_local(struct rn_mac mac)
{
    static const uint8_t reserved[5] = { 0x01, 0x80, 0xc2, 0x00, 0x00 };

    return memcmp(mac.b, reserved, sizeof(reserved)) == 0 && mac.b[5] <= 0x0f;
}

/* Consumes @pkt, which came in by @from. */
static void forward(struct rn_bridge *bridge, struct port *from, struct rn_pkt *pkt)
{
    struct rn_eth_hdr eth;
    struct rn_view payload;
    const struct station *to;

    if (rn_eth_parse(&eth, &payload, rn_pkt_front(pkt)) < 0) {
        drop(bridge, pkt, RN_DROP_MALFORMED);
        return;
    }
    if (rn_mac_is_group(eth.src) || is_link_local(eth.dst)) {
        drop(bridge, pkt, RN_DROP_FILTERED);
        return;
    }
    learn(bridge, from, eth.src);
    to = rn_mac_is_group(eth.dst) ? NULL : find(bridge, eth.dst);
    if (to == NULL)
        flood(bridge, from, pkt);
    else if (to->port == from)
        drop(bridge, pkt, RN_DROP_NOT_FOR_US); /* both live there and heard each other */
    else
        send_to(bridge, to->port, pkt);
}

/* --- ports -------------------------------------------------------------------------------------------------------- */
static void take_out(struct port *port)
{
    forget_port(port->bridge, port);
    rn_pktq_free_all(&port->waiting);
    port->dev->notify = NULL;
    port->dev->owner = NULL;
    port->dev = NULL;
}

static void fail(struct port *port)
{
    const struct rn_bridge_opts *opts = &port->bridge->opts;
    struct rn_device *dev = port->dev;

    take_out(port);
    if (opts->on_port_failed != NULL)
        opts->on_port_failed(opts->arg, dev);
}

static void flush(struct port *port)
{
    int n;

    if (port->dev == NULL || !port->may_write || rn_pktq_is_empty(&port->waiting))
        return;
    n = port->dev->ops->write_batch(port->dev, &port->waiting);
    port->may_write = rn_pktq_is_empty(&port->waiting);
    if (n < 0)
        fail(port);
}

/* Reads a turn's share. Returns whether there may be more. */
static bool read_port(struct port *port)
{
    struct rn_bridge *bridge = port->bridge;
    struct rn_pktq in = { 0 };
    struct rn_pkt *pkt;
    int n;

    if (port->dev == NULL || !port->may_read)
        return false;
    n = port->dev->ops->read_batch(port->dev, &in, RN_DEVICE_TURN_PKTS);
    while ((pkt = rn_pktq_pop(&in)) != NULL)
        forward(bridge, port, pkt);
    if (n >= 0)
        return true;
    port->may_read = false;
    if (n != RN_E_WOULD_BLOCK)
        fail(port);
    return false;
}

static void run(struct rn_task *task)
{
    struct rn_bridge *bridge = rn_container_of(task, struct rn_bridge, task);
    bool has_more = false;

    forget_silent(bridge);
    for (unsigned i = 0; i < RN_BRIDGE_PORTS_MAX; i++)
        has_more |= read_port(&bridge->ports[i]);
    for (unsigned i = 0; i < RN_BRIDGE_PORTS_MAX; i++)
        flush(&bridge->ports[i]);
    if (has_more)
        rn_turn_schedule(bridge->turn, RN_PHASE_DELIVER, task);
}

static void on_event(struct rn_device *dev, unsigned events)
{
    struct port *port = dev->owner;

    if ((events & (RN_DEV_READABLE | RN_DEV_CLOSED)) != 0)
        port->may_read = true; /* a closed port is found out by reading it */
    if ((events & RN_DEV_WRITABLE) != 0)
        port->may_write = true;
    rn_turn_schedule(dev->turn, RN_PHASE_DELIVER, &port->bridge->task);
}

static struct port *port_of(struct rn_bridge *bridge, const struct rn_device *dev)
{
    for (unsigned i = 0; i < RN_BRIDGE_PORTS_MAX; i++) {
        if (bridge->ports[i].dev == dev)
            return &bridge->ports[i];
    }
    return NULL;
}

int rn_bridge_add(struct rn_bridge *bridge, struct rn_device *dev)
{
    struct port *port;

    if (dev->link_type != RN_LINK_ETHERNET)
        return RN_E_BAD_OPTION;
    if (port_of(bridge, dev) != NULL)
        return RN_E_EXISTS;
    port = port_of(bridge, NULL);
    if (port == NULL)
        return RN_E_LIMIT;
    *port = (struct port){ .dev = dev, .bridge = bridge, .may_read = true, .may_write = true };
    dev->owner = port;
    dev->notify = on_event;
    rn_turn_schedule(bridge->turn, RN_PHASE_DELIVER, &bridge->task);
    return RN_OK;
}

void rn_bridge_remove(struct rn_bridge *bridge, struct rn_device *dev)
{
    struct port *port = dev != NULL ? port_of(bridge, dev) : NULL;

    if (port != NULL)
        take_out(port);
}

/* --- life --------------------------------------------------------------------------------------------------------- */
int rn_bridge_new(struct rn_bridge **ret, struct rn_turn *turn, const struct rn_bridge_opts *opts)
{
    const struct rn_alloc *alloc = rn_turn_alloc(turn);
    struct rn_bridge *bridge = rn_alloc_new(alloc, sizeof(*bridge));
    int err;

    if (bridge == NULL)
        return RN_E_NOMEM;
    err = rn_hash_init(&bridge->table, alloc, 64);
    if (err < 0) {
        rn_alloc_free(alloc, bridge, sizeof(*bridge));
        return err;
    }
    bridge->opts = *opts;
    if (opts->learned_max == 0)
        bridge->opts.learned_max = DEFAULT_LEARNED;
    if (opts->age_ns == 0)
        bridge->opts.age_ns = DEFAULT_AGE_NS;
    bridge->turn = turn;
    bridge->task.run = run;
    bridge->key.k0 = rn_rand_u64(&turn->rand);
    bridge->key.k1 = rn_rand_u64(&turn->rand);
    rn_list_init(&bridge->lru);
    *ret = bridge;
    return RN_OK;
}

struct rn_bridge *rn_bridge_free(struct rn_bridge *bridge)
{
    if (bridge == NULL)
        return NULL;
    rn_turn_unschedule(&bridge->task);
    for (unsigned i = 0; i < RN_BRIDGE_PORTS_MAX; i++) {
        if (bridge->ports[i].dev != NULL)
            take_out(&bridge->ports[i]);
    }
    rn_hash_fini(&bridge->table);
    rn_alloc_free(rn_turn_alloc(bridge->turn), bridge, sizeof(*bridge));
    return NULL;
}

unsigned rn_bridge_stations(const struct rn_bridge *bridge)
{
    return bridge->table.n_nodes;
}

const struct rn_drop_account *rn_bridge_drops(const struct rn_bridge *bridge)
{
    return &bridge->drops;
}
