#include "promises.h"

#include "wire/eth.h"

#include <poll.h>

/* More than the kernel needs, on a busy machine, for what it was given. */
#define UNDER_WAY_MS 20

/* --- the rig -------------------------------------------------------------------------------------------------- */
static void on_event(struct rn_device *dev, unsigned events)
{
    ((struct rig *)dev->owner)->n_closed += (events & RN_DEV_CLOSED) != 0;
}

void rig_init(struct rig *r)
{
    memset(r, 0, sizeof(*r));
    rn_test_turn_init(&r->t);
    r->turn = &r->t.turn;
}

void rig_watch(struct rig *r)
{
    r->dev->owner = r;
    r->dev->notify = on_event;
}

void rig_free_devices(struct rig *r)
{
    rn_device_free(r->dev);
    r->split = rn_split_free(r->split);
    rn_device_free(r->behind);
    if (r->far != r->dev)
        rn_device_free(r->far);
}

void rig_fini(struct rig *r)
{
    rig_free_devices(r);
    rn_test_turn_fini(&r->t);
    if (r->forget != NULL)
        r->forget();
}

static void turn(struct rig *r)
{
    rn_test_turn_at(&r->t, r->turn->now_ns + RN_NS_PER_US);
}

int rig_read(struct rig *r, struct rn_device *dev, struct rn_pktq *q, unsigned max)
{
    int n = dev->ops->read_batch(dev, q, max);
    struct pollfd polled;

    if (n != RN_E_WOULD_BLOCK || !r->is_native)
        return n;
    polled = (struct pollfd){ .fd = dev->ops->poll_fd(dev), .events = POLLIN };
    (void)poll(&polled, 1, UNDER_WAY_MS);
    return dev->ops->read_batch(dev, q, max);
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
    return r->far == NULL ? (int)rn_chan_drain(r->dev, q, max) : rig_read(r, r->far, q, max);
}

static size_t link_bytes(const struct rig *r)
{
    return r->dev->link_type == RN_LINK_ETHERNET ? RN_ETH_HDR_BYTES : 0;
}

struct rn_pkt *rig_packet(struct rig *r, uint32_t number, size_t len)
{
    struct rn_pkt *pkt = rn_test_udp4(r->turn->pool, number, len);
    struct rn_eth_hdr eth = { .src = { { 2, 0, 0, 0, 0, 1 } },
                              .dst = { { 2, 0, 0, 0, 0, 2 } },
                              .type = RN_ETHERTYPE_IPV4 };

    if (link_bytes(r) > 0)
        rn_eth_emit(&eth, rn_pkt_push(pkt, RN_ETH_HDR_BYTES));
    pkt->account = &r->lost;
    return pkt;
}

uint32_t rig_number(const struct rig *r, const struct rn_pkt *pkt)
{
    uint8_t be[4];

    assert_true(pkt->len >= link_bytes(r) + 32);
    rn_pkt_copy_out(pkt, link_bytes(r) + 28, be, sizeof(be));
    return rn_get_be32(be);
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
    uint64_t n = sum(&r->lost) + sum(rn_pool_drops(r->turn->pool)) + sum(&r->dev->drops);

    if (r->far != NULL && r->far != r->dev)
        n += sum(&r->far->drops);
    return n;
}

static void assert_next(struct rig *r, struct rn_pktq *q, uint32_t *next)
{
    struct rn_pkt *pkt;

    while ((pkt = rn_pktq_pop(q)) != NULL) {
        assert_int_equal(rig_number(r, pkt), (*next)++);
        rn_pkt_free(pkt);
    }
}

/* --- the promises --------------------------------------------------------------------------------------------- */
static void says_what_it_is(struct rig *r)
{
    const struct rn_device *dev = r->dev;

    assert_non_null(dev->ops->kind);
    assert_true(dev->name[0] != '\0' && dev->name[sizeof(dev->name) - 1] == '\0');
    assert_ptr_equal(dev->turn, r->turn);
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
            rn_pktq_push(&q, rig_packet(r, sent + i, 20));
        n = wire_give(r, &q);
        assert_true(n >= 0);
        assert_int_equal((unsigned)n + q.n_pkts, 7);
        sent += (uint32_t)n;
        rn_pktq_free_all(&q);
        do {
            n = rig_read(r, r->dev, &q, max[round % 3]);
            assert_true(n == RN_E_WOULD_BLOCK || (n >= 0 && (unsigned)n <= max[round % 3]));
            assert_int_equal(q.n_pkts, n > 0 ? n : 0);
            assert_next(r, &q, &next);
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
            rn_pktq_push(&q, rig_packet(r, sent + i, 20));
        n = r->dev->ops->write_batch(r->dev, &q);
        assert_true(n >= 0);
        assert_int_equal((unsigned)n + q.n_pkts, 11);
        if (!rn_pktq_is_empty(&q))
            assert_int_equal(rig_number(r, q.first), sent + (unsigned)n);
        sent += (uint32_t)n;
        rn_pktq_free_all(&q);
        (void)wire_take(r, &q, 64);
        assert_next(r, &q, &next);
    }
    for (unsigned i = 0; i < 64 && next < sent; i++) {
        struct rn_pktq q = { 0 };

        (void)wire_take(r, &q, 64);
        assert_next(r, &q, &next);
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
        rn_pktq_push(&q, rig_packet(r, i, 20));
    n = r->dev->ops->write_batch(r->dev, &q);
    assert_true(n >= 0);
    back = q.n_pkts;
    assert_int_equal((unsigned)n + back, 3000);
    rn_pktq_free_all(&q);

    for (unsigned i = 0; i < 500 && got.n_pkts + back + counted_drops(r) < 3000; i++)
        (void)wire_take(r, &got, 64);
    assert_int_equal(got.n_pkts + back + counted_drops(r), 3000);
    rn_pktq_free_all(&got);
}

static void carries_every_size_up_to_its_mtu(struct rig *r)
{
    static const size_t payload[] = { 4, 5, 63, 548, 1252, MTU - 29, MTU - 28 };

    for (size_t i = 0; i < RN_ARRAY_LEN(payload); i++) {
        struct rn_pktq q = { 0 };

        rn_pktq_push(&q, rig_packet(r, 77, payload[i]));
        assert_int_equal(r->dev->ops->write_batch(r->dev, &q), 1);
        assert_int_equal(wire_take(r, &q, 64), 1);
        assert_int_equal(q.first->len, payload[i] + 28 + link_bytes(r));
        assert_int_equal(wire_give(r, &q), 1);
        assert_int_equal(rig_read(r, r->dev, &q, 64), 1);
        assert_int_equal(q.first->len, payload[i] + 28 + link_bytes(r));
        assert_int_equal(rig_number(r, q.first), 77);
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
    rn_pktq_push(&q, rig_packet(r, 1, 20));
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
        rn_pktq_push(&q, rig_packet(r, i, 20));
    (void)r->dev->ops->write_batch(r->dev, &q);
    (void)wire_give(r, &q);
    rn_pktq_free_all(&q);
}

/* --- as tests --------------------------------------------------------------------------------------------------- */
static const struct subject *all;
static size_t n_all;

static void for_all(void (*promise)(struct rig *r))
{
    for (size_t i = 0; i < n_all; i++) {
        struct rig r;

        rig_init(&r);
        if (all[i].open(&r)) {
            print_message("  %s\n", all[i].name);
            rig_watch(&r);
            promise(&r);
        }
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

int prove_all(const struct subject *subjects, size_t n)
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

    all = subjects;
    n_all = n;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
