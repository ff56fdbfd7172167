/* The promises of promises.h, of every device that needs no system. */
#include "promises.h"

#include "dev/callback.h"
#include "dev/detach.h"
#include "dev/firewall.h"
#include "dev/impair.h"
#include "dev/loopback.h"
#include "dev/mux.h"
#include "dev/pipe.h"
#include "dev/qdisc.h"
#include "dev/sniffer.h"
#include "io/fd_device.h"
#include "io/uring_device.h"
#include "vhost_front.h"
#include <runnel/shm.h>
#include <runnel/unix.h>
#include <runnel/vhost.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- the devices ---------------------------------------------------------------------------------------------- */
static struct rn_device *pipe_end(struct rig *r, bool has_offload)
{
    struct rn_pipe_opts opts = { .mtu = MTU, .queue_pkts = QUEUE_PKTS, .has_offload = has_offload };
    struct rn_device *ends[2];

    assert_int_equal(rn_pipe_new(ends, r->turn, &opts), RN_OK);
    r->far = ends[1];
    return ends[0];
}

static bool open_pipe(struct rig *r)
{
    r->dev = pipe_end(r, false);
    return true;
}

static bool open_pipe_with_offloads(struct rig *r)
{
    r->dev = pipe_end(r, true);
    return true;
}

static bool open_chan(struct rig *r)
{
    struct rn_chan_opts opts = { .mtu = MTU, .queue_pkts = QUEUE_PKTS, .batch = 4 };

    assert_int_equal(rn_chan_new(&r->dev, r->turn, &opts), RN_OK);
    return true;
}

static bool open_loopback(struct rig *r)
{
    assert_int_equal(rn_loopback_new(&r->dev, r->turn, MTU), RN_OK);
    r->far = r->dev;
    return true;
}

static int read_behind(void *arg, struct rn_pktq *in, unsigned max)
{
    struct rn_device *behind = ((struct rig *)arg)->behind;

    return behind->ops->read_batch(behind, in, max);
}

static int write_behind(void *arg, struct rn_pktq *out)
{
    struct rn_device *behind = ((struct rig *)arg)->behind;

    return behind->ops->write_batch(behind, out);
}

/* Whoever writes functions for a device also tells what becomes possible: here that the pipe behind has room again. */
static void on_behind(struct rn_device *behind, unsigned events)
{
    if ((events & RN_DEV_CLOSED) == 0) /* it goes last, when nobody is in front of it any more */
        rn_device_notify(((struct rig *)behind->owner)->dev, events);
}

static bool open_callback(struct rig *r)
{
    struct rn_callback_opts opts = {
        .read = read_behind, .write = write_behind, .arg = r, .mtu = MTU
    };

    r->behind = pipe_end(r, false);
    assert_int_equal(rn_callback_new(&r->dev, r->turn, &opts), RN_OK);
    r->behind->owner = r;
    r->behind->notify = on_behind;
    return true;
}

static bool open_told(struct rig *r)
{
    assert_int_equal(rn_told_new(&r->dev, pipe_end(r, false), &(struct rn_told){ 0 }), RN_OK);
    return true;
}

static bool open_detached(struct rig *r)
{
    r->behind = pipe_end(r, false);
    assert_int_equal(rn_detached_new(&r->dev, r->behind), RN_OK);
    return true;
}

static void look_away(void *arg, const struct rn_pkt *pkt, bool is_out, int64_t now_ns)
{
    (void)arg;
    (void)pkt;
    (void)is_out;
    (void)now_ns;
}

static bool open_sniffer(struct rig *r)
{
    struct rn_sniff_sink sink = { look_away, NULL };

    assert_int_equal(rn_sniffer_new(&r->dev, pipe_end(r, false), &sink), RN_OK);
    return true;
}

static bool open_impair(struct rig *r)
{
    struct rn_impair_opts opts = { .seed = 1 };

    assert_int_equal(rn_impair_new(&r->dev, pipe_end(r, false), &opts), RN_OK);
    return true;
}

static bool open_fifo(struct rig *r)
{
    assert_int_equal(rn_qdisc_new(&r->dev, pipe_end(r, false), &(struct rn_qdisc_opts){ 0 }),
                     RN_OK);
    return true;
}

/* A pause of the machine's scheduler looks like a queue that stands; here that is no reason to drop. */
static bool open_fq_codel(struct rig *r)
{
    struct rn_qdisc_opts opts = { .kind = RN_QDISC_FQ_CODEL, .target_ns = 3600 * RN_NS_PER_S };

    assert_int_equal(rn_qdisc_new(&r->dev, pipe_end(r, false), &opts), RN_OK);
    return true;
}

static bool allow(void *arg, const struct rn_pkt_flow *flow)
{
    (void)arg;
    (void)flow;
    return true;
}

static bool open_firewall(struct rig *r)
{
    struct rn_firewall_opts opts = { .may_enter = allow };

    assert_int_equal(rn_firewall_new(&r->dev, pipe_end(r, false), &opts), RN_OK);
    return true;
}

static bool open_mux(struct rig *r)
{
    r->behind = pipe_end(r, false);
    assert_int_equal(rn_mux_new(&r->dev, r->turn, &(struct rn_mux_opts){ 0 }), RN_OK);
    assert_int_equal(rn_mux_add(r->dev, r->behind), RN_OK);
    assert_int_equal(rn_mux_set_default(r->dev, r->behind), RN_OK);
    return true;
}

static bool open_front(struct rig *r)
{
    struct rn_split_opts opts = { 0 };

    assert_int_equal(rn_split_new(&r->split, pipe_end(r, false), &opts), RN_OK);
    assert_int_equal(rn_split_front(&r->dev, r->split, 0), RN_OK);
    return true;
}

static bool open_fd(struct rig *r)
{
    struct rn_device *ends[2];
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct rn_fd_device_opts opts = { .kind = "fd", .name = "pair", .fd = fds[i], .mtu = MTU };

        assert_int_equal(rn_fd_device_new(&ends[i], r->turn, &opts), RN_OK);
    }
    r->dev = ends[0];
    r->far = ends[1];
    return true;
}

static bool open_uring(struct rig *r)
{
    struct rn_device *ends[2];
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct rn_fd_device_opts opts = { .kind = "fd", .name = "ring", .fd = fds[i], .mtu = MTU };
        int err = i == 0 ? rn_uring_device_new(&ends[i], r->turn, &opts)
                         : rn_fd_device_new(&ends[i], r->turn, &opts);

        if (err < 0 && i == 0) {
            print_message("  skipped: io_uring: %s\n", rn_err_text(err));
            close(fds[0]);
            close(fds[1]);
            return false;
        }
        assert_int_equal(err, RN_OK);
    }
    r->dev = ends[0];
    r->far = ends[1];
    return true;
}

static bool open_shm_as(struct rig *r, struct rn_shm_opts opts)
{
    int fds[RN_SHM_FDS];

    opts.mtu = MTU;
    assert_int_equal(rn_shm_new(&r->dev, r->turn, &opts), RN_OK);
    rn_shm_fds(r->dev, fds);
    for (unsigned i = 0; i < RN_SHM_FDS; i++)
        fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
    assert_int_equal(rn_shm_from_fds(&r->far, r->turn, fds, &opts), RN_OK);
    return true;
}

static bool open_shm(struct rig *r)
{
    return open_shm_as(r, (struct rn_shm_opts){ 0 });
}

static bool open_shm_with_offloads(struct rig *r)
{
    return open_shm_as(r, (struct rn_shm_opts){ .is_ethernet = true, .has_offload = true });
}

static bool open_unix(struct rig *r, int type)
{
    const struct rn_unix_opts opts = { .mtu = MTU };
    struct rn_device *ends[2];
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
    for (unsigned i = 0; i < 2; i++) {
        if (type == SOCK_STREAM)
            assert_int_equal(rn_unix_stream_from_fd(&ends[i], r->turn, fds[i], &opts), RN_OK);
        else
            assert_int_equal(rn_unix_dgram_from_fd(&ends[i], r->turn, fds[i], &opts), RN_OK);
    }
    r->dev = ends[0];
    r->far = ends[1];
    return true;
}

static bool open_stream(struct rig *r)
{
    return open_unix(r, SOCK_STREAM);
}

static bool open_dgram(struct rig *r)
{
    return open_unix(r, SOCK_DGRAM);
}

/* A guest that takes @features of what is offered; its two rings are 256 entries each. */
static struct vhost_front *open_vhost(struct rig *r, uint64_t features)
{
    const struct rn_vhost_opts opts = { .mtu = MTU };
    struct vhost_front *front;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(rn_vhost_from_fd(&r->dev, r->turn, fds[0], &opts), RN_OK);
    front = front_new(r->dev, fds[1], features);
    r->far = &front->dev;
    return front;
}

static bool open_vhost_full(struct rig *r)
{
    open_vhost(r, FRONT_ALL)->is_indirect = true;
    return true;
}

static bool open_vhost_plain(struct rig *r)
{
    return open_vhost(r, RN_VIRTIO_VERSION_1) != NULL;
}

static bool open_vhost_legacy(struct rig *r)
{
    return open_vhost(r, 0) != NULL;
}

static const struct subject subjects[] = {
    { "pipe", open_pipe },
    { "pipe with offloads", open_pipe_with_offloads },
    { "chan", open_chan },
    { "loopback", open_loopback },
    { "callback", open_callback },
    { "told", open_told },
    { "detached", open_detached },
    { "sniffer", open_sniffer },
    { "impair", open_impair },
    { "fifo", open_fifo },
    { "fq_codel", open_fq_codel },
    { "firewall", open_firewall },
    { "mux", open_mux },
    { "front", open_front },
    { "fd", open_fd },
    { "fd by io_uring", open_uring },
    { "unix stream", open_stream },
    { "unix dgram", open_dgram },
    { "shm", open_shm },
    { "shm with Ethernet and offloads", open_shm_with_offloads },
    { "vhost-user", open_vhost_full },
    { "vhost-user without options", open_vhost_plain },
    { "vhost-user to a legacy guest", open_vhost_legacy },
};

int main(void)
{
    return prove_all(subjects, RN_ARRAY_LEN(subjects)) +
           prove_blocking(subjects, RN_ARRAY_LEN(subjects));
}
