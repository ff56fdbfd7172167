#include "dev/single.h"

#include "dev/callback.h"
#include "dev/chan.h"
#include "dev/pipe.h"
#include "packets.h"
#include <runnel/err.h>

static uint8_t bytes[70000];

static size_t packet_bytes(struct rn_test_turn *t, uint32_t number, size_t payload)
{
    struct rn_pkt *pkt = rn_test_udp4(t->pool, number, payload);
    size_t len = pkt->len;

    rn_pkt_copy_out(pkt, 0, bytes, len);
    rn_pkt_free(pkt);
    return len;
}

static struct rn_device *chan_of(struct rn_test_turn *t, uint32_t caps, uint32_t queue)
{
    struct rn_chan_opts opts = { .caps = caps, .queue_pkts = queue };
    struct rn_device *dev;

    assert_int_equal(rn_chan_new(&dev, &t->turn, &opts), RN_OK);
    return dev;
}

/* --- single ------------------------------------------------------------------------------------------------------- */
struct counted {
    unsigned n_reads;
    struct rn_pool *pool;
};

static int read_three(void *arg, struct rn_pktq *in, unsigned max)
{
    struct counted *counted = arg;

    if (counted->n_reads++ > 0 || max < 3)
        return RN_E_WOULD_BLOCK;
    for (uint32_t i = 0; i < 3; i++)
        rn_pktq_push(in, rn_test_udp4(counted->pool, i, 20));
    return 3;
}

/* TestIOReadUsesTunBatchSizeAndBuffersRemainingPackets of the seed. */
static void test_one_read_of_the_device_serves_many(void **state)
{
    struct counted counted = { 0 };
    struct rn_callback_opts opts = { .read = read_three, .arg = &counted };
    struct rn_single *single;
    struct rn_test_turn t;
    struct rn_device *dev;
    (void)state;
    rn_test_turn_init(&t);
    counted.pool = t.pool;
    assert_int_equal(rn_callback_new(&dev, &t.turn, &opts), RN_OK);
    assert_int_equal(rn_single_new(&single, dev, NULL, NULL), RN_OK);

    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(rn_single_read(single, bytes, sizeof(bytes)), 48);
        assert_int_equal(rn_get_be32(bytes + 28), i);
    }
    assert_int_equal(counted.n_reads, 1);
    assert_int_equal(rn_single_read(single, bytes, sizeof(bytes)), RN_E_WOULD_BLOCK);
    dev->ops->close(dev);
    assert_int_equal(rn_single_read(single, bytes, sizeof(bytes)), RN_E_CANCELLED);

    rn_single_free(single);
    rn_device_free(dev);
    rn_test_turn_fini(&t);
}

static void test_super_packet_is_read_as_wire_packets_with_their_checksums(void **state)
{
    struct rn_device *chan;
    struct rn_single *single;
    struct rn_pktq q = { 0 };
    struct rn_test_turn t;
    (void)state;
    rn_test_turn_init(&t);
    chan = chan_of(&t, RN_DEV_TX_CSUM | RN_DEV_TSO4, 0);
    assert_int_equal(rn_single_new(&single, chan, NULL, NULL), RN_OK);
    rn_pktq_push(&q, rn_test_tcp4(t.pool, 2500, 1000));
    assert_int_equal(rn_chan_inject(chan, &q), 1);

    for (unsigned i = 0; i < 3; i++) {
        uint16_t l4 = i < 2 ? 1020 : 520;

        assert_int_equal(rn_single_read(single, bytes, sizeof(bytes)), 20 + l4);
        assert_int_equal(
            rn_checksum(bytes + 20, l4,
                        rn_checksum_pseudo(rn_addr_v4(0x0a000001), rn_addr_v4(0x0a000002), 6, l4)),
            0xffff);
    }
    assert_int_equal(rn_single_read(single, bytes, sizeof(bytes)), RN_E_WOULD_BLOCK);
    rn_single_free(single);
    rn_device_free(chan);
    rn_test_turn_fini(&t);
}

static void test_buffer_too_small_loses_nothing(void **state)
{
    struct rn_pipe_opts opts = { 0 };
    struct rn_single *single[2];
    struct rn_device *ends[2];
    struct rn_test_turn t;
    size_t len;
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(rn_pipe_new(ends, &t.turn, &opts), RN_OK);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(rn_single_new(&single[i], ends[i], NULL, NULL), RN_OK);
    len = packet_bytes(&t, 9, 100);

    assert_int_equal(rn_single_write(single[0], bytes, len), len);
    assert_int_equal(rn_single_read(single[1], bytes, len - 1), RN_E_MSG_TOO_LONG);
    assert_int_equal(rn_single_read(single[1], bytes, len), len);
    assert_int_equal(rn_single_write(single[0], bytes, 1501), RN_E_MSG_TOO_LONG);
    assert_int_equal(rn_single_write(single[0], bytes, 0), RN_E_MSG_TOO_LONG);
    rn_device_close(ends[0]);
    assert_int_equal(rn_single_write(single[0], bytes, len), RN_E_CANCELLED);

    for (unsigned i = 0; i < 2; i++) {
        rn_single_free(single[i]);
        rn_device_free(ends[i]);
    }
    rn_test_turn_fini(&t);
}

/* --- chan, by bytes ----------------------------------------------------------------------------------------------- */
static void test_chan_gives_and_takes_bytes(void **state)
{
    struct rn_test_turn t;
    struct rn_pktq q = { 0 };
    struct rn_device *chan;
    size_t len;
    (void)state;
    rn_test_turn_init(&t);
    chan = chan_of(&t, 0, 2);
    len = packet_bytes(&t, 4, 50);

    assert_int_equal(rn_chan_put(chan, bytes, len), len);
    assert_int_equal(rn_chan_put(chan, bytes, len), len);
    assert_int_equal(rn_chan_put(chan, bytes, len), RN_E_WOULD_BLOCK);
    assert_int_equal(rn_chan_put(chan, bytes, 1501), RN_E_MSG_TOO_LONG);
    assert_int_equal(chan->ops->read_batch(chan, &q, 64), 2);
    assert_int_equal(chan->ops->write_batch(chan, &q), 2);
    assert_int_equal(rn_chan_take(chan, bytes, len - 1), RN_E_MSG_TOO_LONG);
    assert_int_equal(rn_chan_take(chan, bytes, len), len);
    assert_int_equal(rn_get_be32(bytes + 28), 4);
    rn_device_close(chan);
    assert_int_equal(rn_chan_take(chan, bytes, len), len);
    assert_int_equal(rn_chan_take(chan, bytes, len), RN_E_CANCELLED);
    assert_int_equal(rn_chan_put(chan, bytes, len), RN_E_CANCELLED);

    rn_device_free(chan);
    rn_test_turn_fini(&t);
}

/* --- callback, by bytes ------------------------------------------------------------------------------------------- */
struct functions {
    unsigned n_to_read;
    unsigned n_written;
    unsigned n_closed;
    bool refuses;
    size_t read_len;
};

static int give_bytes(void *arg, void *buf, size_t cap)
{
    struct functions *f = arg;

    assert_true(cap >= 1500);
    if (f->n_to_read == 0)
        return RN_E_WOULD_BLOCK;
    f->n_to_read--;
    memset(buf, 0x45, f->read_len);
    return (int)f->read_len;
}

static int take_bytes(void *arg, const void *from, size_t len)
{
    struct functions *f = arg;

    assert_true(len > 0 && from != NULL);
    if (f->refuses)
        return RN_E_WOULD_BLOCK;
    f->n_written++;
    return 0;
}

static void note_closed(void *arg)
{
    ((struct functions *)arg)->n_closed++;
}

static void test_functions_of_bytes_are_a_device(void **state)
{
    struct functions f = { .n_to_read = 5, .read_len = 100 };
    struct rn_callback_bytes_opts opts = {
        .read = give_bytes, .write = take_bytes, .closed = note_closed, .arg = &f
    };
    struct rn_test_turn t;
    struct rn_pktq q = { 0 };
    struct rn_device *dev;
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(rn_callback_bytes_new(&dev, &t.turn, &opts), RN_OK);

    assert_int_equal(dev->ops->read_batch(dev, &q, 3), 3);
    assert_int_equal(dev->ops->read_batch(dev, &q, 3), 2);
    assert_int_equal(dev->ops->read_batch(dev, &q, 3), RN_E_WOULD_BLOCK);
    assert_int_equal(dev->ops->write_batch(dev, &q), 5);
    assert_int_equal(f.n_written, 5);

    f = (struct functions){ .n_to_read = 2, .read_len = 1501, .refuses = true };
    assert_int_equal(dev->ops->read_batch(dev, &q, 3), RN_E_WOULD_BLOCK);
    assert_int_equal(dev->drops.n[RN_DROP_TOO_BIG], 2);
    rn_pktq_push(&q, rn_test_udp4(t.pool, 1, 20));
    assert_int_equal(dev->ops->write_batch(dev, &q), 0);
    assert_int_equal(q.n_pkts, 1);
    rn_device_close(dev);
    assert_int_equal(dev->ops->write_batch(dev, &q), RN_E_CANCELLED);
    rn_pktq_free_all(&q);
    rn_device_free(dev);
    assert_int_equal(f.n_closed, 1);
    rn_test_turn_fini(&t);
}

static void test_device_tells_what_it_is(void **state)
{
    struct rn_device_info info;
    struct rn_test_turn t;
    struct rn_device *chan;
    (void)state;
    rn_test_turn_init(&t);
    chan = chan_of(&t, 0, 0);
    chan->drops.n[RN_DROP_TOO_BIG] = 2;
    chan->drops.n[RN_DROP_NOMEM] = 1;

    rn_device_get_info(chan, &info);

    assert_string_equal(info.kind, "chan");
    assert_string_equal(info.name, "chan");
    assert_int_equal(info.mtu, 1500);
    assert_int_equal(info.fd, -1);
    assert_int_equal(info.dropped, 3);
    assert_false(info.is_closed);
    rn_device_free(chan);
    rn_test_turn_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_read_of_the_device_serves_many),
        cmocka_unit_test(test_super_packet_is_read_as_wire_packets_with_their_checksums),
        cmocka_unit_test(test_buffer_too_small_loses_nothing),
        cmocka_unit_test(test_chan_gives_and_takes_bytes),
        cmocka_unit_test(test_functions_of_bytes_are_a_device),
        cmocka_unit_test(test_device_tells_what_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
