/*
 * What every device promises (dev/device.h), proven once for all of them: each is driven through its two operations alone, with a
 * far end that plays the wire. A new device is one function and one row.
 */
#include "dev/callback.h"
#include "dev/chan.h"
#include "dev/detach.h"
#include "dev/firewall.h"
#include "dev/impair.h"
#include "dev/loopback.h"
#include "dev/mux.h"
#include "dev/pipe.h"
#include "dev/qdisc.h"
#include "dev/sniffer.h"
#include "dev/split.h"
#include "io/fd_device.h"
#include "packets.h"
#include <runnel/err.h>

#include <fcntl.h>
#include <sys/socket.h>

#define MTU        1400u
#define QUEUE_PKTS 16u

struct rig {
    struct rn_test_turn t;
    struct rn_device *dev;    /* under test */
    struct rn_device *far;    /* the wire; NULL: .dev is a channel; may be .dev itself (loopback) */
    struct rn_device *behind; /* outlives the face under test; else NULL */
    struct rn_split *split;
    struct rn_drop_account lost;
    unsigned n_closed;
};

/* --- the devices ---------------------------------------------------------------------------------------------- */
static struct rn_device *pipe_end(struct rig *r, bool has_offload)
{
    struct rn_pipe_opts opts = { .mtu = MTU, .queue_pkts = QUEUE_PKTS, .has_offload = has_offload };
    struct rn_device *ends[2];

    assert_int_equal(rn_pipe_new(ends, &r->t.turn, &opts), RN_OK);
    r->far = ends[1];
    return ends[0];
}

static void open_pipe(struct rig *r)
{
    r->dev = pipe_end(r, false);
}

static void open_pipe_with_offloads(struct rig *r)
{
    r->dev = pipe_end(r, true);
}

static void open_chan(struct rig *r)
{
    struct rn_chan_opts opts = { .mtu = MTU, .queue_pkts = QUEUE_PKTS, .batch = 4 };

    assert_int_equal(rn_chan_new(&r->dev, &r->t.turn, &opts), RN_OK);
}

static void open_loopback(struct rig *r)
{
    assert_int_equal(rn_loopback_new(&r->dev, &r->t.turn, MTU), RN_OK);
    r->far = r->dev;
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

static void open_callback(struct rig *r)
{
    struct rn_callback_opts opts = {
        .read = read_behind, .write = write_behind, .arg = r, .mtu = MTU
    };

    r->behind = pipe_end(r, false);
    assert_int_equal(rn_callback_new(&r->dev, &r->t.turn, &opts), RN_OK);
}

static void open_told(struct rig *r)
{
    assert_int_equal(rn_told_new(&r->dev, pipe_end(r, false), &(struct rn_told){ 0 }), RN_OK);
}

static void open_detached(struct rig *r)
{
    r->behind = pipe_end(r, false);
    assert_int_equal(rn_detached_new(&r->dev, r->behind), RN_OK);
}

static void look_away(void *arg, const struct rn_pkt *pkt, bool is_out, int64_t now_ns)
{
    (void)arg;
    (void)pkt;
    (void)is_out;
    (void)now_ns;
}

static void open_sniffer(struct rig *r)
{
    struct rn_sniff_sink sink = { look_away, NULL };

    assert_int_equal(rn_sniffer_new(&r->dev, pipe_end(r, false), &sink), RN_OK);
}

static void open_impair(struct rig *r)
{
    struct rn_impair_opts opts = { .seed = 1 };

    assert_int_equal(rn_impair_new(&r->dev, pipe_end(r, false), &opts), RN_OK);
}

static void open_fifo(struct rig *r)
{
    assert_int_equal(rn_qdisc_new(&r->dev, pipe_end(r, false), &(struct rn_qdisc_opts){ 0 }),
                     RN_OK);
}

static void open_fq_codel(struct rig *r)
{
    struct rn_qdisc_opts opts = { .kind = RN_QDISC_FQ_CODEL };

    assert_int_equal(rn_qdisc_new(&r->dev, pipe_end(r, false), &opts), RN_OK);
}

static bool allow(void *arg, const struct rn_flow *flow)
{
    (void)arg;
    (void)flow;
    return true;
}

static void open_firewall(struct rig *r)
{
    struct rn_firewall_opts opts = { .may_enter = allow };

    assert_int_equal(rn_firewall_new(&r->dev, pipe_end(r, false), &opts), RN_OK);
}

static void open_mux(struct rig *r)
{
    r->behind = pipe_end(r, false);
    assert_int_equal(rn_mux_new(&r->dev, &r->t.turn, &(struct rn_mux_opts){ 0 }), RN_OK);
    assert_int_equal(rn_mux_add(r->dev, r->behind), RN_OK);
    assert_int_equal(rn_mux_set_default(r->dev, r->behind), RN_OK);
}

static void open_front(struct rig *r)
{
    struct rn_split_opts opts = { 0 };

    assert_int_equal(rn_split_new(&r->split, pipe_end(r, false), &opts), RN_OK);
    assert_int_equal(rn_split_front(&r->dev, r->split, 0), RN_OK);
}

static void open_fd(struct rig *r)
{
    struct rn_device *ends[2];
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct rn_fd_device_opts opts = { .kind = "fd", .name = "pair", .fd = fds[i], .mtu = MTU };

        assert_int_equal(rn_fd_device_new(&ends[i], &r->t.turn, &opts), RN_OK);
    }
    r->dev = ends[0];
    r->far = ends[1];
}

static const struct subject {
    const char *name;
    void (*open)(struct rig *r);
} subjects[] = {
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
};

/* --- the rig -------------------------------------------------------------------------------------------------- */
static void on_event(struct rn_device *dev, unsigned events)
{
    ((struct rig *)dev->owner)->n_closed += (events & RN_DEV_CLOSED) != 0;
}

static void rig_init(struct rig *r, const struct subject *subject)
{
    memset(r, 0, sizeof(*r));
    rn_test_turn_init(&r->t);
    subject->open(r);
    r->dev->owner = r;
    r->dev->notify = on_event;
    print_message("  %s\n", subject->name);
}

static void rig_fini(struct rig *r)
{
    rn_device_free(r->dev);
    r->split = rn_split_free(r->split);
    rn_device_free(r->behind);
    if (r->far != r->dev)
        rn_device_free(r->far);
    rn_test_turn_fini(&r->t);
}

static void turn(struct rig *r)
{
    rn_test_turn_at(&r->t, r->t.turn.now_ns + RN_NS_PER_US);
}

/* The wire: gives packets to the device, and takes what it wrote. */
static int wire_give(struct rig *r, struct rn_pktq *q)
{
    int n = r->far == NULL ? rn_chan_inject(r->dev, q) : r->far->ops->write_batch(r->far, q);

    turn(r);
    return n;
}

static int wire_take(struct rig *r, struct rn_pktq *q, unsigned max)
{
    turn(r);
    return r->far == NULL ? (int)rn_chan_drain(r->dev, q, max)
                          : r->far->ops->read_batch(r->far, q, max);
}

static struct rn_pkt *packet(struct rig *r, uint32_t number, size_t len)
{
    struct rn_pkt *pkt = rn_test_udp4(r->t.pool, number, len);

    pkt->account = &r->lost;
    return pkt;
}

static uint64_t sum(const struct rn_drop_account *account)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < RN_DROP_COUNT; i++)
        n += account->n[i];
    return n;
}

static uint64_t counted_drops(struct rig *r)
{
    uint64_t n = sum(&r->lost) + sum(rn_pool_drops(r->t.pool)) + sum(&r->dev->drops);

    if (r->far != NULL && r->far != r->dev)
        n += sum(&r->far->drops);
    return n;
}

static void assert_next(struct rn_pktq *q, uint32_t *next)
{
    struct rn_pkt *pkt;

    while ((pkt = rn_pktq_pop(q)) != NULL) {
        assert_int_equal(rn_test_udp4_number(pkt), (*next)++);
        rn_pkt_free(pkt);
    }
}

/* --- the promises --------------------------------------------------------------------------------------------- */
static void says_what_it_is(struct rig *r)
{
    const struct rn_device *dev = r->dev;

    assert_non_null(dev->ops->kind);
    assert_true(dev->name[0] != '\0' && dev->name[sizeof(dev->name) - 1] == '\0');
    assert_ptr_equal(dev->turn, &r->t.turn);
    assert_int_equal(dev->mtu, MTU);
    assert_true(dev->batch >= 1);
    assert_true(dev->headroom < RN_PKT_HEAD_BYTES);
    assert_int_equal(dev->gso_max_bytes != 0,
                     (dev->caps & (RN_DEV_TSO4 | RN_DEV_TSO6 | RN_DEV_USO)) != 0);
    assert_false(dev->is_closed);
}

static void answers_at_once_when_there_is_nothing(struct rig *r)
{
    struct rn_pktq q = { 0 };

    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(r->dev->ops->read_batch(r->dev, &q, 64), RN_E_WOULD_BLOCK);
    assert_int_equal(r->dev->ops->write_batch(r->dev, &q), 0);
}

static void reads_in_order_and_never_more_than_asked(struct rig *r)
{
    static const unsigned max[] = { 1, 3, 64 };
    uint32_t sent = 0;
    uint32_t next = 0;

    for (unsigned round = 0; next < 300; round++) {
        struct rn_pktq q = { 0 };
        int n;

        for (unsigned i = 0; i < 7; i++)
            rn_pktq_push(&q, packet(r, sent + i, 20));
        n = wire_give(r, &q);
        assert_true(n >= 0);
        assert_int_equal((unsigned)n + q.n_pkts, 7);
        sent += (uint32_t)n;
        rn_pktq_free_all(&q);
        do {
            n = r->dev->ops->read_batch(r->dev, &q, max[round % 3]);
            assert_true(n == RN_E_WOULD_BLOCK || (n >= 0 && (unsigned)n <= max[round % 3]));
            assert_int_equal(q.n_pkts, n > 0 ? n : 0);
            assert_next(&q, &next);
            turn(r);
        } while (n >= 0);
    }
    assert_int_equal(next, sent);
    assert_int_equal(counted_drops(r), 0);
}

static void writes_in_order_and_gives_back_what_it_cannot_take(struct rig *r)
{
    uint32_t sent = 0;
    uint32_t next = 0;

    while (next < 300) {
        struct rn_pktq q = { 0 };
        int n;

        for (unsigned i = 0; i < 11; i++)
            rn_pktq_push(&q, packet(r, sent + i, 20));
        n = r->dev->ops->write_batch(r->dev, &q);
        assert_true(n >= 0);
        assert_int_equal((unsigned)n + q.n_pkts, 11);
        if (!rn_pktq_is_empty(&q))
            assert_int_equal(rn_test_udp4_number(q.first), sent + (unsigned)n);
        sent += (uint32_t)n;
        rn_pktq_free_all(&q);
        (void)wire_take(r, &q, 64);
        assert_next(&q, &next);
    }
    for (unsigned i = 0; i < 64 && next < sent; i++) {
        struct rn_pktq q = { 0 };

        (void)wire_take(r, &q, 64);
        assert_next(&q, &next);
    }
    assert_int_equal(next, sent);
    assert_int_equal(counted_drops(r), 0);
}

/* Logical packets: given = arrived + given back + counted as lost. */
static void loses_nothing_uncounted_when_nobody_reads(struct rig *r)
{
    struct rn_pktq q = { 0 };
    struct rn_pktq got = { 0 };
    unsigned back;
    int n;

    for (unsigned i = 0; i < 3000; i++)
        rn_pktq_push(&q, packet(r, i, 20));
    n = r->dev->ops->write_batch(r->dev, &q);
    assert_true(n >= 0);
    back = q.n_pkts;
    assert_int_equal((unsigned)n + back, 3000);
    rn_pktq_free_all(&q);

    for (unsigned i = 0; i < 500; i++)
        (void)wire_take(r, &got, 64);
    assert_int_equal(got.n_pkts + back + counted_drops(r), 3000);
    rn_pktq_free_all(&got);
}

static void carries_every_size_up_to_its_mtu(struct rig *r)
{
    static const size_t payload[] = { 4, 5, 63, 548, 1252, MTU - 29, MTU - 28 };

    for (size_t i = 0; i < RN_ARRAY_LEN(payload); i++) {
        struct rn_pktq q = { 0 };

        rn_pktq_push(&q, packet(r, 77, payload[i]));
        assert_int_equal(r->dev->ops->write_batch(r->dev, &q), 1);
        assert_int_equal(wire_take(r, &q, 64), 1);
        assert_int_equal(q.first->len, payload[i] + 28);
        assert_int_equal(wire_give(r, &q), 1);
        assert_int_equal(r->dev->ops->read_batch(r->dev, &q, 64), 1);
        assert_int_equal(q.first->len, payload[i] + 28);
        assert_int_equal(rn_test_udp4_number(q.first), 77);
        rn_pktq_free_all(&q);
        turn(r);
    }
}

static void closes_once_and_for_good(struct rig *r)
{
    struct rn_pktq q = { 0 };

    r->dev->ops->close(r->dev);
    r->dev->ops->close(r->dev);

    assert_true(r->dev->is_closed);
    assert_int_equal(r->n_closed, 1);
    assert_int_equal(r->dev->ops->read_batch(r->dev, &q, 64), RN_E_CANCELLED);
    rn_pktq_push(&q, packet(r, 1, 20));
    assert_int_equal(r->dev->ops->write_batch(r->dev, &q), RN_E_CANCELLED);
    assert_int_equal(q.n_pkts, 1); /* still the caller's */
    rn_pktq_free_all(&q);
}

static void needs_no_listener_and_frees_what_waits(struct rig *r)
{
    struct rn_pktq q = { 0 };

    r->dev->notify = NULL;
    r->dev->owner = NULL;
    for (unsigned i = 0; i < 40; i++)
        rn_pktq_push(&q, packet(r, i, 20));
    (void)r->dev->ops->write_batch(r->dev, &q);
    (void)wire_give(r, &q);
    rn_pktq_free_all(&q);
}

static void for_all(void (*promise)(struct rig *r))
{
    for (size_t i = 0; i < RN_ARRAY_LEN(subjects); i++) {
        struct rig r;

        rig_init(&r, &subjects[i]);
        promise(&r);
        rig_fini(&r);
    }
}

#define PROMISE(name)                                                                              \
    static void test_every_device_##name(void **state)                                             \
    {                                                                                              \
        (void)state;                                                                               \
        for_all(name);                                                                             \
    }

PROMISE(says_what_it_is)
PROMISE(answers_at_once_when_there_is_nothing)
PROMISE(reads_in_order_and_never_more_than_asked)
PROMISE(writes_in_order_and_gives_back_what_it_cannot_take)
PROMISE(loses_nothing_uncounted_when_nobody_reads)
PROMISE(carries_every_size_up_to_its_mtu)
PROMISE(closes_once_and_for_good)
PROMISE(needs_no_listener_and_frees_what_waits)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_device_says_what_it_is),
        cmocka_unit_test(test_every_device_answers_at_once_when_there_is_nothing),
        cmocka_unit_test(test_every_device_reads_in_order_and_never_more_than_asked),
        cmocka_unit_test(test_every_device_writes_in_order_and_gives_back_what_it_cannot_take),
        cmocka_unit_test(test_every_device_loses_nothing_uncounted_when_nobody_reads),
        cmocka_unit_test(test_every_device_carries_every_size_up_to_its_mtu),
        cmocka_unit_test(test_every_device_closes_once_and_for_good),
        cmocka_unit_test(test_every_device_needs_no_listener_and_frees_what_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
