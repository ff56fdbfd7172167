#include "dev/pipe.h"

#include "dev/gso.h"
#include <runnel/err.h>

#define DEFAULT_MTU   1500u
#define DEFAULT_QUEUE 1024u
#define GSO_MAX_BYTES (65535u + 14u)

struct pipe_end {
    struct rn_device dev;
    struct pipe_end *peer; /* NULL once that end was freed */
    struct rn_pktq in;     /* written by the peer, not read yet */
    uint32_t queue_pkts;
    bool was_refused; /* a write to us was refused: tell the peer when there is room */
};

static struct pipe_end *end_of(struct rn_device *dev)
{
    return rn_container_of(dev, struct pipe_end, dev);
}

static int pipe_read(struct rn_device *dev, struct rn_pktq *in, unsigned max)
{
    struct pipe_end *end = end_of(dev);
    unsigned n;

    for (n = 0; n < max && !rn_pktq_is_empty(&end->in); n++)
        rn_pktq_push(in, rn_pktq_pop(&end->in));
    if (n != 0 && end->was_refused && end->peer != NULL) {
        end->was_refused = false;
        rn_device_notify(&end->peer->dev, RN_DEV_WRITABLE);
    }
    if (n != 0)
        return (int)n;
    return dev->is_closed ? RN_E_CANCELLED : RN_E_WOULD_BLOCK;
}

/* A packet that crosses belongs to another stack: what the first one noted on it goes. */
static void strip(struct rn_pkt *pkt)
{
    pkt->account = NULL;
    pkt->flags = (pkt->flags & (RN_PKT_GSO_ECN | RN_PKT_GSO_FIXED_ID)) | RN_PKT_LENT;
    pkt->nic = 0;
    pkt->time_ns = 0;
    pkt->flow_hash = 0;
}

static int pipe_write(struct rn_device *dev, struct rn_pktq *out)
{
    struct pipe_end *end = end_of(dev);
    struct pipe_end *peer = end->peer;
    bool was_empty;
    int n = 0;

    if (dev->is_closed)
        return RN_E_CANCELLED;
    was_empty = rn_pktq_is_empty(&peer->in);
    while (!rn_pktq_is_empty(out)) {
        struct rn_pkt *pkt;

        if (peer->in.n_pkts >= peer->queue_pkts) {
            peer->was_refused = true;
            break;
        }
        pkt = rn_pktq_pop(out);
        n++;
        strip(pkt);
        (void)rn_gso_conform(dev, pkt,
                             &peer->in); /* a packet it cannot cut is dropped and counted there */
    }
    if (was_empty && !rn_pktq_is_empty(&peer->in))
        rn_device_notify(&peer->dev, RN_DEV_READABLE);
    return n;
}

static void pipe_close(struct rn_device *dev)
{
    struct pipe_end *end = end_of(dev);

    if (dev->is_closed)
        return;
    dev->is_closed = true;
    if (end->peer != NULL)
        end->peer->dev.is_closed = true;
    rn_device_notify(dev, RN_DEV_CLOSED);
    if (end->peer != NULL)
        rn_device_notify(&end->peer->dev, RN_DEV_CLOSED);
}

static void pipe_destroy(struct rn_device *dev)
{
    struct pipe_end *end = end_of(dev);

    pipe_close(dev);
    rn_pktq_free_all(&end->in);
    if (end->peer != NULL)
        end->peer->peer = NULL;
    rn_alloc_free(rn_turn_alloc(dev->turn), end, sizeof(*end));
}

static const struct rn_device_ops pipe_ops = {
    .kind = "pipe",
    .read_batch = pipe_read,
    .write_batch = pipe_write,
    .close = pipe_close,
    .destroy = pipe_destroy,
};

static struct pipe_end *end_new(struct rn_turn *turn, const struct rn_pipe_opts *opts,
                                unsigned which)
{
    static const struct rn_mac made_up = { { 0x02, 'r', 'n', 'p', 0,
                                             1 } }; /* locally administered */
    struct pipe_end *end = rn_alloc_new(rn_turn_alloc(turn), sizeof(*end));

    if (end == NULL)
        return NULL;
    end->queue_pkts = opts->queue_pkts != 0 ? opts->queue_pkts : DEFAULT_QUEUE;
    end->dev.ops = &pipe_ops;
    end->dev.turn = turn;
    memcpy(end->dev.name, which == 0 ? "pipe-a" : "pipe-b", sizeof("pipe-a"));
    end->dev.link_type = opts->link_type;
    end->dev.mtu = opts->mtu != 0 ? opts->mtu : DEFAULT_MTU;
    end->dev.batch = 64;
    end->dev.mac = opts->mac[which];
    if (memcmp(&end->dev.mac, &(struct rn_mac){ { 0 } }, sizeof(struct rn_mac)) == 0) {
        end->dev.mac = made_up;
        end->dev.mac.b[5] = (uint8_t)(which + 1);
    }
    if (opts->has_offload) {
        end->dev.caps = RN_DEV_RX_CSUM | RN_DEV_TX_CSUM | RN_DEV_TSO4 | RN_DEV_TSO6 | RN_DEV_USO;
        end->dev.gso_max_bytes = GSO_MAX_BYTES;
    }
    return end;
}

int rn_pipe_new(struct rn_device *ret[2], struct rn_turn *turn, const struct rn_pipe_opts *opts)
{
    struct pipe_end *a = end_new(turn, opts, 0);
    struct pipe_end *b = end_new(turn, opts, 1);

    if (a == NULL || b == NULL) {
        rn_alloc_free(rn_turn_alloc(turn), a, sizeof(*a));
        rn_alloc_free(rn_turn_alloc(turn), b, sizeof(*b));
        return RN_E_NOMEM;
    }
    a->peer = b;
    b->peer = a;
    ret[0] = &a->dev;
    ret[1] = &b->dev;
    return RN_OK;
}

int rn_pipe_open(struct rn_device *ret[2], struct rn_turn *turn, uint32_t mtu)
{
    struct rn_pipe_opts opts = { .link_type = RN_LINK_IP, .mtu = mtu, .has_offload = true };

    return rn_pipe_new(ret, turn, &opts);
}
