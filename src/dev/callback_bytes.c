/* The device made of functions, for functions that know bytes and not packets. */
#include "dev/bytes.h"
#include "dev/callback.h"
#include <runnel/err.h>
#include <runnel/memory.h>

/* A packet of 64 KiB and its link header. */
#define PACKET_MAX_BYTES (UINT16_MAX + 64u)

struct byte_callbacks {
    struct rn_callback_bytes_opts opts;
    struct rn_device *dev; /* whose functions these are */
    uint8_t packet[PACKET_MAX_BYTES];
};

static int read_packets(void *arg, struct rn_pktq *in, unsigned max)
{
    struct byte_callbacks *self = arg;
    unsigned n_read = 0; /* what is too large costs time too */
    int n = 0;

    for (; n_read < max && self->opts.read != NULL && !self->dev->is_closed; n_read++) {
        int len = self->opts.read(self->opts.arg, self->packet, sizeof(self->packet));
        struct rn_pkt *pkt;
        int err;

        if (len <= 0 || (size_t)len > sizeof(self->packet))
            return n > 0 ? n : RN_E_WOULD_BLOCK;
        err = rn_bytes_packet(&pkt, self->dev, self->packet, (size_t)len);
        if (err < 0) {
            self->dev->drops.n[err == RN_E_NO_BUFFER ? RN_DROP_NOMEM : RN_DROP_TOO_BIG]++;
            continue;
        }
        rn_pktq_push(in, pkt);
        n++;
    }
    return n > 0 || n_read > 0 ? n : RN_E_WOULD_BLOCK;
}

static int write_packets(void *arg, struct rn_pktq *out)
{
    struct byte_callbacks *self = arg;
    int n = 0;

    for (; !rn_pktq_is_empty(out) && !self->dev->is_closed; n++) {
        uint32_t len = out->first->len;

        if (len > sizeof(self->packet)) {
            out->first->account = &self->dev->drops;
            rn_pkt_drop(rn_pktq_pop(out), RN_DROP_TOO_BIG);
            continue;
        }
        rn_pkt_copy_out(out->first, 0, self->packet, len);
        if (self->opts.write(self->opts.arg, self->packet, len) < 0)
            break;
        rn_pkt_free(rn_pktq_pop(out));
    }
    return n;
}

static void closed(void *arg)
{
    struct byte_callbacks *self = arg;

    if (self->opts.closed != NULL)
        self->opts.closed(self->opts.arg);
}

/* Not sooner: the functions may close the device that calls them. */
static void freed(void *arg)
{
    struct byte_callbacks *self = arg;

    rn_alloc_free(rn_turn_alloc(self->dev->turn), self, sizeof(*self));
}

int rn_callback_bytes_new(struct rn_device **ret, struct rn_turn *turn,
                          const struct rn_callback_bytes_opts *opts)
{
    struct byte_callbacks *self = rn_alloc_new(rn_turn_alloc(turn), sizeof(*self));
    struct rn_callback_opts as_packets = { .read = read_packets,
                                           .write = opts->write != NULL ? write_packets : NULL,
                                           .closed = closed,
                                           .freed = freed,
                                           .arg = self,
                                           .link_type = opts->link_type,
                                           .mac = opts->mac,
                                           .mtu = opts->mtu };
    int err;

    if (self == NULL)
        return RN_E_NOMEM;
    self->opts = *opts;
    err = rn_callback_new(&self->dev, turn, &as_packets);
    if (err < 0) {
        rn_alloc_free(rn_turn_alloc(turn), self, sizeof(*self));
        return err;
    }
    *ret = self->dev;
    return RN_OK;
}

void rn_callback_ready(struct rn_device *callback, unsigned events)
{
    rn_device_notify(callback, events);
}
