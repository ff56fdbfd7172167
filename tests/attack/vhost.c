/* A front-end of vhost-user, or the guest behind it, that means harm: it is thrown out with the reason, and nothing else happens. */
#include "vhost_front.h"

#include "packets.h"
#include "wire/eth.h"
#include <runnel/vhost.h>

struct rig {
    struct rn_test_turn t;
    struct rn_device *dev;
    struct vhost_front *front;
};

static void rig_init_silent(struct rig *r)
{
    const struct rn_vhost_opts opts = { 0 };
    int fds[2];

    rn_test_turn_init(&r->t);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(rn_vhost_from_fd(&r->dev, &r->t.turn, fds[0], &opts), RN_OK);
    r->front = front_new_silent(r->dev, fds[1]);
}

static void rig_init(struct rig *r)
{
    rig_init_silent(r);
    front_negotiate(r->front, FRONT_ALL);
    front_start(r->front);
}

static void rig_fini(struct rig *r)
{
    rn_device_free(r->dev);
    rn_device_free(&r->front->dev);
    rn_test_turn_fini(&r->t);
}

static struct rn_pkt *frame(struct rn_pkt *ip)
{
    const struct rn_eth_hdr eth = { .src = { { 2, 0, 0, 0, 0, 1 } },
                                    .dst = { { 2, 0, 0, 0, 0, 2 } },
                                    .type = RN_ETHERTYPE_IPV4 };

    rn_eth_emit(&eth, rn_pkt_push(ip, RN_ETH_HDR_BYTES));
    return ip;
}

static void give_some(struct rig *r, struct rn_device *dev, unsigned n)
{
    struct rn_pktq q = { 0 };

    for (unsigned i = 0; i < n; i++)
        rn_pktq_push(&q, frame(rn_test_udp4(r->t.pool, i, 20 + 100 * i)));
    (void)dev->ops->write_batch(dev, &q);
    rn_pktq_free_all(&q);
}

static void assert_thrown_out(struct rig *r, const char *why)
{
    struct rn_vhost_info info;

    front_step(r->dev);
    give_some(r, r->dev, 1); /* the receiving ring is looked at by who sends */
    rn_vhost_get_info(r->dev, &info);
    assert_true(r->dev->is_closed);
    assert_false(info.is_connected);
    assert_non_null(info.error);
    assert_string_equal(info.error, why);
}

/* --- rings -------------------------------------------------------------------------------------------------------- */
struct ring_attack {
    const char *why;
    void (*set_up)(struct front_ring *tx);
};

#define TABLE_AT FRONT_GUEST_BUFFERS

/* Entry @at of the table that an indirect descriptor finds in the first buffer of the receiving ring. */
static struct front_desc *inner(struct front_ring *tx, unsigned at)
{
    uint8_t *first = tx->buffers - (size_t)FRONT_RING_SIZE * FRONT_BUFFER_BYTES;

    return (struct front_desc *)(void *)first + at;
}

static void offer(struct front_ring *tx, uint64_t addr, uint32_t len, uint16_t flags)
{
    tx->desc[0] = (struct front_desc){ addr, len, flags, 0 };
    front_offer(tx, 0);
}

static void head_outside(struct front_ring *tx)
{
    front_offer(tx, FRONT_RING_SIZE);
}

static void next_outside(struct front_ring *tx)
{
    tx->desc[0] = (struct front_desc){ tx->guest_buffers, 64, FRONT_NEXT, 0xffff };
    front_offer(tx, 0);
}

static void loop_of_one(struct front_ring *tx)
{
    offer(tx, tx->guest_buffers, 1, FRONT_NEXT);
}

static void loop_of_nothing(struct front_ring *tx)
{
    tx->desc[1] = (struct front_desc){ tx->guest_buffers, 0, FRONT_NEXT, 0 };
    tx->desc[0] = (struct front_desc){ tx->guest_buffers, 0, FRONT_NEXT, 1 };
    front_offer(tx, 0);
}

static void address_nowhere(struct front_ring *tx)
{
    offer(tx, 0x1000, 64, 0);
}

static void address_before_memory(struct front_ring *tx)
{
    offer(tx, FRONT_GUEST - 1, 64, 0);
}

static void length_beyond_memory(struct front_ring *tx)
{
    offer(tx, FRONT_GUEST_BUFFERS + FRONT_BUFFERS_BYTES - 64, 65, 0);
}

static void length_of_all_there_is(struct front_ring *tx)
{
    offer(tx, FRONT_GUEST_BUFFERS, UINT32_MAX, 0);
}

static void address_at_the_end_of_numbers(struct front_ring *tx)
{
    offer(tx, UINT64_MAX - 10, 64, 0);
}

static void memory_to_write_among_what_is_sent(struct front_ring *tx)
{
    offer(tx, tx->guest_buffers, 64, FRONT_WRITE);
}

static void table_in_a_table(struct front_ring *tx)
{
    *inner(tx, 0) = (struct front_desc){ TABLE_AT, 16, FRONT_INDIRECT, 0 };
    offer(tx, TABLE_AT, 16, FRONT_INDIRECT);
}

static void table_that_goes_on(struct front_ring *tx)
{
    offer(tx, TABLE_AT, 16, FRONT_INDIRECT | FRONT_NEXT);
}

static void table_of_nothing(struct front_ring *tx)
{
    offer(tx, TABLE_AT, 0, FRONT_INDIRECT);
}

static void table_of_half_an_entry(struct front_ring *tx)
{
    offer(tx, TABLE_AT, 24, FRONT_INDIRECT);
}

static void table_of_millions(struct front_ring *tx)
{
    offer(tx, TABLE_AT, 0xfffffff0u, FRONT_INDIRECT);
}

static void table_outside(struct front_ring *tx)
{
    offer(tx, FRONT_GUEST_BUFFERS + FRONT_BUFFERS_BYTES - 16, 32, FRONT_INDIRECT);
}

static void table_askew(struct front_ring *tx)
{
    offer(tx, TABLE_AT + 1, 16, FRONT_INDIRECT);
}

static void table_that_points_out_of_itself(struct front_ring *tx)
{
    *inner(tx, 0) = (struct front_desc){ TABLE_AT, 16, FRONT_NEXT, 2 };
    offer(tx, TABLE_AT, 32, FRONT_INDIRECT);
}

static void table_that_loops(struct front_ring *tx)
{
    *inner(tx, 0) = (struct front_desc){ TABLE_AT, 16, FRONT_NEXT, 0 };
    offer(tx, TABLE_AT, 16, FRONT_INDIRECT);
}

/* The longest there can be: a table behind as many entries of the ring as fit before it. */
static void chain_of_too_many_pieces(struct front_ring *tx)
{
    for (uint16_t i = 0; i < FRONT_RING_SIZE; i++)
        tx->desc[i] = (struct front_desc){ tx->guest_buffers, 1, FRONT_NEXT, (uint16_t)(i + 1) };
    tx->desc[FRONT_RING_SIZE - 1] =
        (struct front_desc){ TABLE_AT, 16 * RN_VHOST_RING_MAX, FRONT_INDIRECT, 0 };
    for (uint16_t i = 0; i < RN_VHOST_RING_MAX; i++)
        *inner(tx, i) = (struct front_desc){ TABLE_AT, 1, FRONT_NEXT, (uint16_t)(i + 1) };
    inner(tx, RN_VHOST_RING_MAX - 1)->flags = 0;
    front_offer(tx, 0);
}

static void index_that_jumps(struct front_ring *tx)
{
    tx->avail_at = (uint16_t)(tx->avail_at + FRONT_RING_SIZE + 1);
}

static void index_that_goes_back(struct front_ring *tx)
{
    tx->avail_at--;
}

static const struct ring_attack ring_attacks[] = {
    { "descriptor index outside of its table", head_outside },
    { "descriptor index outside of its table", next_outside },
    { "chain of descriptors without an end", loop_of_one },
    { "chain of descriptors without an end", loop_of_nothing },
    { "descriptor points outside of the memory", address_nowhere },
    { "descriptor points outside of the memory", address_before_memory },
    { "descriptor points outside of the memory", length_beyond_memory },
    { "descriptor points outside of the memory", length_of_all_there_is },
    { "descriptor points outside of the memory", address_at_the_end_of_numbers },
    { "descriptor for the wrong direction", memory_to_write_among_what_is_sent },
    { "indirect table in another", table_in_a_table },
    { "indirect descriptor that goes on", table_that_goes_on },
    { "indirect table of an impossible size", table_of_nothing },
    { "indirect table of an impossible size", table_of_half_an_entry },
    { "indirect table of an impossible size", table_of_millions },
    { "indirect table outside of the memory", table_outside },
    { "indirect table is not aligned", table_askew },
    { "descriptor index outside of its table", table_that_points_out_of_itself },
    { "chain of descriptors without an end", table_that_loops },
    { "packet of too many pieces", chain_of_too_many_pieces },
    { "available index jumps over more than the ring holds", index_that_jumps },
    { "available index jumps over more than the ring holds", index_that_goes_back },
};

static void test_ring_that_is_none_throws_its_front_end_out(void **state)
{
    (void)state;

    for (size_t i = 0; i < RN_ARRAY_LEN(ring_attacks); i++) {
        struct front_ring *tx;
        struct rig r;

        rig_init(&r);
        tx = &r.front->rings[RN_VHOST_TX];
        ring_attacks[i].set_up(tx);
        front_publish(r.front, tx);

        assert_thrown_out(&r, ring_attacks[i].why);
        rig_fini(&r);
    }
}

static void test_buffers_to_receive_into_are_checked_as_well(void **state)
{
    static const struct {
        const char *why;
        struct front_desc desc;
    } lies[] = {
        { "descriptor for the wrong direction", { FRONT_GUEST_BUFFERS, 2048, 0, 0 } },
        { "descriptor points outside of the memory", { 0, 2048, FRONT_WRITE, 0 } },
        { "chain of descriptors without an end",
          { FRONT_GUEST_BUFFERS, 0, FRONT_WRITE | FRONT_NEXT, 0 } },
    };
    (void)state;

    for (size_t i = 0; i < RN_ARRAY_LEN(lies); i++) {
        struct rig r;

        rig_init(&r);
        r.front->rings[RN_VHOST_RX].desc[0] = lies[i].desc;

        assert_thrown_out(&r, lies[i].why);
        rig_fini(&r);
    }
}

/* Buffers of nothing at all, and of one byte: the packet waits for none that could never do. */
static void test_buffers_too_small_for_anything_lose_the_packet_not_the_device(void **state)
{
    struct rn_pktq q = { 0 };
    struct rig r;
    (void)state;

    for (uint32_t len = 0; len < 2; len++) {
        rig_init(&r);
        for (unsigned i = 0; i < FRONT_RING_SIZE; i++)
            r.front->rings[RN_VHOST_RX].desc[i].len = len;

        for (unsigned i = 0; i < 8; i++)
            rn_pktq_push(&q, frame(rn_test_udp4(r.t.pool, i, 1000)));
        assert_int_equal(r.dev->ops->write_batch(r.dev, &q), 8);

        assert_int_equal(r.dev->drops.n[RN_DROP_TOO_BIG], 8);
        assert_false(r.dev->is_closed);
        rig_fini(&r);
    }
}

static void test_frames_that_are_none_are_counted_and_bounded(void **state)
{
    static const uint32_t lens[] = { 0, 1, 11, 12, 100000 };
    struct front_ring *tx;
    struct rn_pktq q = { 0 };
    struct rig r;
    (void)state;
    rig_init(&r);
    tx = &r.front->rings[RN_VHOST_TX];
    for (uint16_t i = 0; i < 200; i++) {
        tx->desc[i] =
            (struct front_desc){ FRONT_GUEST_BUFFERS, lens[i % RN_ARRAY_LEN(lens)], 0, 0 };
        front_offer(tx, i);
    }
    front_publish(r.front, tx);

    assert_int_equal(r.dev->ops->read_batch(r.dev, &q, 64), 0);

    assert_int_equal(r.dev->drops.n[RN_DROP_MALFORMED] + r.dev->drops.n[RN_DROP_TOO_BIG], 64);
    front_step(r.dev);
    assert_int_equal(r.dev->drops.n[RN_DROP_MALFORMED], 160);
    assert_int_equal(r.dev->drops.n[RN_DROP_TOO_BIG], 40);
    assert_false(r.dev->is_closed);
    rig_fini(&r);
}

static void test_E01_to_E06_hold_for_a_guest_too(void **state)
{
    struct rn_pktq q = { 0 };
    struct rig r;
    (void)state;
    rig_init(&r);
    for (unsigned i = 0; i < RN_TEST_LIES; i++)
        rn_pktq_push(&q, frame(rn_test_lying_tcp4(r.t.pool, i)));
    rn_pktq_push(&q, frame(rn_test_tcp4(r.t.pool, 1000, 100)));
    assert_int_equal(r.front->dev.ops->write_batch(&r.front->dev, &q), RN_TEST_LIES + 1);

    assert_int_equal(r.dev->ops->read_batch(r.dev, &q, 64), 1);

    assert_int_equal(r.dev->drops.n[RN_DROP_MALFORMED], RN_TEST_LIES);
    rn_pktq_free_all(&q);
    rig_fini(&r);
}

/* Any word of the rings becomes anything, while packets go both ways. */
static void test_no_word_in_the_memory_can_do_harm(void **state)
{
    struct rn_rand rand;
    unsigned n_thrown_out = 0;
    (void)state;
    rn_rand_init_u64(&rand, 20261121);

    for (unsigned round = 0; round < 400; round++) {
        struct rig r;

        rig_init(&r);
        r.front->is_indirect = round % 2 == 0;
        give_some(&r, &r.front->dev, 10);
        for (unsigned i = 0; i < 30 && !r.dev->is_closed; i++) {
            size_t at = rn_rand_below(&rand, 2 * FRONT_RING_STEP / 2) * 2;
            uint32_t v = rn_rand_below(&rand, 2) == 0 ? (uint32_t)rn_rand_below(&rand, 300)
                                                      : rn_rand_u32(&rand);

            memcpy(r.front->mem + at, &v, 2);
            (void)eventfd_write(r.front->rings[RN_VHOST_TX].kick, 1);
            front_step(r.dev);
            give_some(&r, r.dev, 3);
        }
        n_thrown_out += r.dev->is_closed;
        rig_fini(&r);
    }

    assert_true(n_thrown_out > 100);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */
#define SIZE FRONT_MEM_BYTES

static void test_memory_that_cannot_be_is_refused(void **state)
{
    static const struct {
        const char *why;
        struct rn_vhost_claim claims[2];
    } lies[] = {
        { "memory region of an impossible size", { { 0, 0, 0, 0 } } },
        { "memory region of an impossible size", { { 0, UINT64_MAX & ~4095ull, 0, 0 } } },
        { "memory region of an impossible size", { { 0, 4096, 0, UINT64_MAX & ~4095ull } } },
        { "memory region is not aligned to pages", { { 1, 4096, 0, 0 } } },
        { "memory region is not aligned to pages", { { 0, 4097, 0, 0 } } },
        { "memory region is not aligned to pages", { { 0, 4096, 2048, 0 } } },
        { "memory region is not aligned to pages", { { 0, 4096, 0, 16 } } },
        { "memory region goes beyond the end of addresses",
          { { UINT64_MAX & ~4095ull, 8192, 0, 0 } } },
        { "memory region goes beyond the end of addresses",
          { { 0, 8192, UINT64_MAX & ~4095ull, 0 } } },
        { "memory region is larger than its file", { { 0, SIZE + 4096, 0, 0 } } },
        { "memory region is larger than its file", { { 0, SIZE, 0, 4096 } } },
        { "memory regions overlap", { { 0, 8192, 0, 0 }, { 4096, 4096, 0x10000, 0 } } },
        { "memory regions overlap", { { 4096, 4096, 0x10000, 0 }, { 0, 8192, 0, 0 } } },
        { "memory regions overlap", { { 0, 8192, 4096, 0 }, { 0x10000, 8192, 8192, 0 } } },
    };
    (void)state;

    for (size_t i = 0; i < RN_ARRAY_LEN(lies); i++) {
        struct rig r;

        rig_init_silent(&r);
        front_send_memory(r.front->fd, r.front->mem_fd, lies[i].claims,
                          lies[i].claims[1].bytes != 0 ? 2 : 1);

        assert_thrown_out(&r, lies[i].why);
        rig_fini(&r);
    }
}

static void send_memory_of(struct rig *r, int fd)
{
    const struct rn_vhost_claim claim = { 0, 4096, 0, 0 };

    front_send_memory(r->front->fd, fd, &claim, 1);
    close(fd);
}

static void test_memory_that_could_be_taken_away_is_refused(void **state)
{
    struct rig r;
    int ends[2];
    (void)state;

    rig_init_silent(&r);
    send_memory_of(&r, front_memfd(F_SEAL_GROW));
    assert_thrown_out(&r, "memory is not sealed against shrinking");
    rig_fini(&r);

    rig_init_silent(&r);
    send_memory_of(&r, open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    assert_thrown_out(&r, "memory is not sealed against shrinking");
    rig_fini(&r);

    rig_init_silent(&r);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[1]);
    send_memory_of(&r, ends[0]);
    assert_thrown_out(&r, "memory is not a file");
    rig_fini(&r);

    ends[0] = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
    if (ends[0] >= 0) { /* a kernel with huge pages, if perhaps without any */
        rig_init_silent(&r);
        assert_int_equal(ftruncate(ends[0], 1 << 30), 0);
        assert_int_equal(fcntl(ends[0], F_ADD_SEALS, F_SEAL_SHRINK), 0);
        send_memory_of(&r, ends[0]);
        assert_thrown_out(&r, "memory is of huge pages, which may run out");
        rig_fini(&r);
    }

    rig_init_silent(&r);
    assert_int_equal(ftruncate(r.front->mem_fd, 0), -1); /* what the seal is for */
    rig_fini(&r);
}

/* --- messages ----------------------------------------------------------------------------------------------------- */
struct talk {
    const char *why;
    uint32_t hdr[3];
    uint64_t payload[5];
};

#define V                RN_VHOST_VERSION
#define AT(x)            (FRONT_USER + (x))
#define PAIR(index, num) ((uint64_t)(num) << 32 | (index))

static const struct talk talks[] = {
    { "message that is none", { RN_VHOST_SET_OWNER, 0, 0 }, { 0 } },
    { "message that is none", { RN_VHOST_SET_OWNER, V | RN_VHOST_IS_REPLY, 0 }, { 0 } },
    { "message that is none", { RN_VHOST_SET_OWNER, V, UINT32_MAX }, { 0 } },
    { "request that nothing was offered for", { 0, V, 0 }, { 0 } },
    { "request that nothing was offered for", { 6, V, 16 }, { 0 } }, /* SET_LOG_BASE */
    { "request that nothing was offered for", { UINT32_MAX, V, 8 }, { 0 } },
    { "request that is too short", { RN_VHOST_SET_FEATURES, V, 0 }, { 0 } },
    { "request that is too short", { RN_VHOST_SET_VRING_ADDR, V, 8 }, { 0 } },
    { "feature that was not offered", { RN_VHOST_SET_FEATURES, V, 8 }, { 1ull << 34 } },
    { "protocol feature that was not offered", { RN_VHOST_SET_PROTOCOL_FEATURES, V, 8 }, { 1 } },
    { "ring that there is not", { RN_VHOST_SET_VRING_NUM, V, 8 }, { PAIR(2, 256) } },
    { "ring that there is not", { RN_VHOST_SET_VRING_ENABLE, V, 8 }, { PAIR(UINT32_MAX, 1) } },
    { "ring that there is not", { RN_VHOST_GET_VRING_BASE, V, 8 }, { PAIR(2, 0) } },
    { "ring that there is not", { RN_VHOST_SET_VRING_CALL, V, 8 }, { 0x1ff } },
    { "ring of an impossible size", { RN_VHOST_SET_VRING_NUM, V, 8 }, { PAIR(0, 0) } },
    { "ring of an impossible size", { RN_VHOST_SET_VRING_NUM, V, 8 }, { PAIR(0, 100) } },
    { "ring of an impossible size", { RN_VHOST_SET_VRING_NUM, V, 8 }, { PAIR(0, 2048) } },
    { "ring begins nowhere", { RN_VHOST_SET_VRING_BASE, V, 8 }, { PAIR(0, 65536) } },
    { "ring without kicks", { RN_VHOST_SET_VRING_KICK, V, 8 }, { RN_VHOST_VRING_NO_FD } },
    { "memory table of too many regions", { RN_VHOST_SET_MEM_TABLE, V, 8 }, { 9 } },
    { "memory table of too many regions", { RN_VHOST_SET_MEM_TABLE, V, 8 }, { 1 } },
    { "memory table and its descriptors differ in number",
      { RN_VHOST_SET_MEM_TABLE, V, 40 },
      { 1, 0, 4096, 0, 0 } },
};

static void test_message_that_is_wrong_throws_its_front_end_out(void **state)
{
    (void)state;

    for (size_t i = 0; i < RN_ARRAY_LEN(talks); i++) {
        const struct talk *talk = &talks[i];
        struct rig r;

        rig_init_silent(&r);
        front_send_with(r.front->fd, talk->hdr, talk->payload,
                        rn_min_size(talk->hdr[2], sizeof(talk->payload)), NULL, 0);

        assert_thrown_out(&r, talk->why);
        rig_fini(&r);
    }
}

static void test_running_ring_cannot_be_changed(void **state)
{
    static const struct talk changes[] = {
        { "", { RN_VHOST_SET_VRING_NUM, V, 8 }, { PAIR(0, 512) } },
        { "", { RN_VHOST_SET_VRING_BASE, V, 8 }, { PAIR(0, 1) } },
        { "", { RN_VHOST_SET_VRING_ADDR, V, 40 }, { 0, AT(0), AT(0), AT(0), 0 } },
    };
    (void)state;

    for (size_t i = 0; i < RN_ARRAY_LEN(changes); i++) {
        struct rig r;

        rig_init(&r);
        front_send_with(r.front->fd, changes[i].hdr, changes[i].payload, changes[i].hdr[2], NULL,
                        0);

        assert_thrown_out(&r, "ring changes while it runs");
        rig_fini(&r);
    }
}

static void test_memory_that_takes_a_running_ring_away_throws_its_front_end_out(void **state)
{
    const struct rn_vhost_claim elsewhere = { 0, 4096, 0, 0 };
    struct rig r;
    (void)state;
    rig_init(&r);

    front_send_memory(r.front->fd, r.front->mem_fd, &elsewhere, 1);

    assert_thrown_out(&r, "ring outside of the memory");
    rig_fini(&r);
}

static void test_ring_that_is_nowhere_is_not_started(void **state)
{
    static const struct {
        const char *why;
        uint64_t desc;
        uint64_t used;
        uint64_t avail;
    } lies[] = {
        { "ring outside of the memory", 0, AT(0x2000), AT(0x1000) },
        { "ring outside of the memory", AT(0), UINT64_MAX, AT(0x1000) },
        { "ring outside of the memory", AT(0), AT(0x2000), AT(FRONT_MEM_BYTES - 516) },
        { "ring outside of the memory", AT(FRONT_RINGS_BYTES - 16), AT(0x2000), AT(0x1000) },
        { "ring is not aligned", AT(8), AT(0x2000), AT(0x1000) },
        { "ring is not aligned", AT(0), AT(0x2002), AT(0x1000) },
        { "ring is not aligned", AT(0), AT(0x2000), AT(0x1001) },
    };
    (void)state;

    for (size_t i = 0; i < RN_ARRAY_LEN(lies); i++) {
        const uint64_t addr[5] = { 0, lies[i].desc, lies[i].used, lies[i].avail, 0 };
        struct rig r;

        rig_init_silent(&r);
        front_negotiate(r.front, FRONT_ALL);
        front_send_state(r.front->fd, RN_VHOST_SET_VRING_NUM, 0, FRONT_RING_SIZE);
        front_send(r.front->fd, RN_VHOST_SET_VRING_ADDR, addr, sizeof(addr));
        front_send_fd(r.front->fd, RN_VHOST_SET_VRING_KICK, 0, r.front->call);

        assert_thrown_out(&r, lies[i].why);
        rig_fini(&r);
    }
}

static void test_descriptors_that_are_no_bells_do_no_harm(void **state)
{
    struct rig r;
    (void)state;
    rig_init_silent(&r);
    front_negotiate(r.front, FRONT_ALL);

    front_send_fd(r.front->fd, RN_VHOST_SET_VRING_CALL, 0, r.front->mem_fd);
    front_send_fd(r.front->fd, RN_VHOST_SET_VRING_KICK, 0, r.front->mem_fd);

    assert_thrown_out(&r, "kicks cannot be waited for");
    rig_fini(&r);
}

static unsigned open_fds(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 200; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* With every message, with none of it, and more than fit: none is left open. */
static void test_descriptors_nobody_asked_for_are_closed(void **state)
{
    int fds[16];
    struct rig r;
    unsigned had;
    (void)state;
    rig_init(&r);
    for (size_t i = 0; i < RN_ARRAY_LEN(fds); i++)
        fds[i] = r.front->call;
    had = open_fds();

    for (unsigned i = 0; i < 20; i++) {
        const uint32_t hdr[3] = { RN_VHOST_SET_OWNER, V, 0 };

        front_send_with(r.front->fd, hdr, NULL, 0, fds, i % 9);
        front_step(r.dev);
        assert_int_equal(open_fds(), had);
    }
    assert_false(r.dev->is_closed);
    front_send_with(r.front->fd, (const uint32_t[3]){ RN_VHOST_SET_OWNER, V, 0 }, NULL, 0, fds, 16);
    assert_thrown_out(&r, "message that is none");
    rig_fini(&r);
}

static void test_who_asks_and_never_listens_is_thrown_out(void **state)
{
    struct rig r;
    (void)state;
    rig_init_silent(&r);

    for (unsigned i = 0; i < 100000 && !r.dev->is_closed; i++) {
        front_send(r.front->fd, RN_VHOST_GET_FEATURES, NULL, 0);
        if (i % 50 == 0)
            front_step(r.dev);
    }

    assert_thrown_out(&r, "front-end takes no answers");
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ring_that_is_none_throws_its_front_end_out),
        cmocka_unit_test(test_buffers_to_receive_into_are_checked_as_well),
        cmocka_unit_test(test_buffers_too_small_for_anything_lose_the_packet_not_the_device),
        cmocka_unit_test(test_frames_that_are_none_are_counted_and_bounded),
        cmocka_unit_test(test_E01_to_E06_hold_for_a_guest_too),
        cmocka_unit_test(test_no_word_in_the_memory_can_do_harm),
        cmocka_unit_test(test_memory_that_cannot_be_is_refused),
        cmocka_unit_test(test_memory_that_could_be_taken_away_is_refused),
        cmocka_unit_test(test_message_that_is_wrong_throws_its_front_end_out),
        cmocka_unit_test(test_running_ring_cannot_be_changed),
        cmocka_unit_test(test_memory_that_takes_a_running_ring_away_throws_its_front_end_out),
        cmocka_unit_test(test_ring_that_is_nowhere_is_not_started),
        cmocka_unit_test(test_descriptors_that_are_no_bells_do_no_harm),
        cmocka_unit_test(test_descriptors_nobody_asked_for_are_closed),
        cmocka_unit_test(test_who_asks_and_never_listens_is_thrown_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
