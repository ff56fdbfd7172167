#include "io/shm_layout.h"
#include "packets.h"
#include <runnel/err.h>
#include <runnel/shm.h>

#include "dev/device.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAIRS    20000u
#define STALL_MS 5000

struct pairs {
    int fds[RN_SHM_FDS];
    _Atomic uint32_t n_read;
};

struct rig {
    struct rn_test_turn t;
    struct rn_device *first;
    struct rn_device *second;
    unsigned n_writable;
};

static void take_fds(const struct rn_device *dev, int ret[RN_SHM_FDS])
{
    rn_shm_fds(dev, ret);
    for (unsigned i = 0; i < RN_SHM_FDS; i++)
        ret[i] = fcntl(ret[i], F_DUPFD_CLOEXEC, 0);
}

static void rig_init(struct rig *r, const struct rn_shm_opts *opts)
{
    int fds[RN_SHM_FDS];

    memset(r, 0, sizeof(*r));
    rn_test_turn_init(&r->t);
    assert_int_equal(rn_shm_new(&r->first, &r->t.turn, opts), RN_OK);
    take_fds(r->first, fds);
    assert_int_equal(rn_shm_from_fds(&r->second, &r->t.turn, fds, opts), RN_OK);
}

static void rig_fini(struct rig *r)
{
    rn_device_free(r->first);
    rn_device_free(r->second);
    rn_test_turn_fini(&r->t);
}

static int send_numbers(struct rn_pool *pool, struct rn_device *dev, uint32_t from, uint32_t n)
{
    struct rn_pktq q = { 0 };
    int sent;

    for (uint32_t i = 0; i < n; i++)
        rn_pktq_push(&q, rn_test_udp4(pool, from + i, 4 + (from + i) % 1400));
    sent = dev->ops->write_batch(dev, &q);
    rn_pktq_free_all(&q);
    return sent;
}

static bool rings(const struct rn_device *dev)
{
    struct pollfd fd = { .fd = dev->ops->poll_fd(dev), .events = POLLIN | POLLOUT };

    return poll(&fd, 1, 0) > 0;
}

static int read_all(struct rn_device *dev)
{
    struct rn_pktq q = { 0 };
    int total = 0;
    int n;

    while ((n = dev->ops->read_batch(dev, &q, 64)) > 0)
        total += n;
    rn_pktq_free_all(&q);
    return total;
}

static void test_only_a_sleeper_is_woken(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r, &(struct rn_shm_opts){ 0 });
    assert_int_equal(read_all(r.second), 0);
    assert_false(rings(r.second));

    send_numbers(r.t.pool, r.first, 0, 3);
    assert_true(rings(r.second));
    assert_int_equal(read_all(r.second), 3); /* asleep again, and the bell is silent */
    assert_false(rings(r.second));

    send_numbers(r.t.pool, r.first, 0, 1);
    {
        struct rn_pktq q = { 0 };

        assert_int_equal(r.second->ops->read_batch(r.second, &q, 1), 1); /* did not see the end */
        rn_pktq_free_all(&q);
    }
    assert_true(rings(r.second)); /* of the first packet */
    assert_int_equal(read_all(r.second), 0);
    assert_false(rings(r.second));
    rig_fini(&r);
}

static void count_writable(struct rn_device *dev, unsigned events)
{
    ((struct rig *)dev->owner)->n_writable += (events & RN_DEV_WRITABLE) != 0;
}

static void test_who_found_no_room_is_told_of_it(void **state)
{
    struct rig r;
    uint32_t sent = 0;
    int n;
    (void)state;
    rig_init(&r, &(struct rn_shm_opts){ .ring_bytes = 1 });
    r.first->owner = &r;
    r.first->notify = count_writable;
    assert_int_equal(read_all(r.first), 0);

    while ((n = send_numbers(r.t.pool, r.first, sent, 50)) == 50)
        sent += 50;
    assert_false(rings(r.first));
    assert_int_equal(read_all(r.second), sent + (uint32_t)n);

    assert_true(rings(r.first));
    assert_int_equal(r.n_writable, 0);
    assert_int_equal(read_all(r.first), 0);
    assert_int_equal(r.n_writable, 1);
    assert_int_equal(send_numbers(r.t.pool, r.first, 0, 50), 50);
    rig_fini(&r);
}

static void test_what_was_sent_before_the_end_is_read_and_then_the_end(void **state)
{
    struct rn_pktq q = { 0 };
    struct rig r;
    (void)state;
    rig_init(&r, &(struct rn_shm_opts){ 0 });
    send_numbers(r.t.pool, r.first, 0, 3);
    r.first = rn_device_free(r.first);

    assert_true(rings(r.second));
    assert_int_equal(r.second->ops->read_batch(r.second, &q, 64), 3);
    assert_int_equal(r.second->ops->read_batch(r.second, &q, 64), RN_E_CANCELLED);
    assert_true(r.second->is_closed);
    rn_pktq_free_all(&q);
    rig_fini(&r);
}

/* --- two processes ------------------------------------------------------------------------------------------------ */
#define ECHOES 20000u

static void wait_for(const struct rn_device *dev)
{
    struct pollfd fd = { .fd = dev->ops->poll_fd(dev), .events = POLLIN };

    assert_true(poll(&fd, 1, 10000) > 0);
}

/* Returns what it is given until the other side closes. */
static int echo_until_closed(const int fds[RN_SHM_FDS])
{
    struct rn_pktq q = { 0 };
    struct rn_test_turn t;
    struct rn_device *dev;
    int n;

    rn_test_turn_init(&t);
    if (rn_shm_from_fds(&dev, &t.turn, fds, &(struct rn_shm_opts){ 0 }) < 0)
        return 1;
    while ((n = dev->ops->read_batch(dev, &q, 64)) != RN_E_CANCELLED) {
        if (n == RN_E_WOULD_BLOCK)
            wait_for(dev);
        while (!rn_pktq_is_empty(&q) && dev->ops->write_batch(dev, &q) >= 0 &&
               !rn_pktq_is_empty(&q))
            wait_for(dev);
    }
    rn_device_free(dev);
    rn_test_turn_fini(&t);
    return 0;
}

static void check_echoes(struct rn_pktq *q, uint32_t *next)
{
    struct rn_pkt *pkt;

    while ((pkt = rn_pktq_pop(q)) != NULL) {
        assert_int_equal(rn_test_udp4_number(pkt), *next);
        assert_int_equal(pkt->len, 28 + 4 + *next % 1400);
        (*next)++;
        rn_pkt_free(pkt);
    }
}

/* Sends and checks ECHOES packets over @dev, which lives on @t. */
static void exchange(struct rn_test_turn *t, struct rn_device *dev)
{
    struct rn_pktq q = { 0 };
    uint32_t sent = 0;
    uint32_t next = 0;

    while (next < ECHOES) {
        if (sent < ECHOES && sent - next < 1000)
            sent += (uint32_t)send_numbers(t->pool, dev, sent, 50);
        if (dev->ops->read_batch(dev, &q, 64) == RN_E_WOULD_BLOCK && sent - next >= 1000)
            wait_for(dev);
        check_echoes(&q, &next);
    }
}

static void *echo_thread(void *arg)
{
    assert_int_equal(echo_until_closed(arg), 0);
    return NULL;
}

/* The same within one process, where a thread sanitizer sees both sides. */
static void test_another_thread_returns_every_packet_in_order(void **state)
{
    struct rn_shm_opts opts = { .ring_bytes = 1 };
    struct rn_test_turn t;
    struct rn_device *dev;
    pthread_t thread;
    int fds[RN_SHM_FDS];
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(rn_shm_new(&dev, &t.turn, &opts), RN_OK);
    take_fds(dev, fds);
    assert_int_equal(pthread_create(&thread, NULL, echo_thread, fds), 0);

    exchange(&t, dev);

    rn_device_free(dev);
    pthread_join(thread, NULL);
    rn_test_turn_fini(&t);
}

/* Pairs of packets, the next when this one was read. */
static void *send_pairs(void *arg)
{
    struct rn_test_turn t;
    struct rn_device *dev;
    struct pairs *pairs = arg;

    rn_test_turn_init(&t);
    assert_int_equal(rn_shm_from_fds(&dev, &t.turn, pairs->fds, &(struct rn_shm_opts){ 0 }), RN_OK);
    for (uint32_t i = 0; i < PAIRS; i++) {
        while (atomic_load(&pairs->n_read) < 2 * i)
            continue;
        for (uint32_t k = 0; k < 2; k++)
            assert_int_equal(send_numbers(t.pool, dev, 2 * i + k, 1), 1);
    }
    while (atomic_load(&pairs->n_read) < 2 * PAIRS)
        continue;
    rn_device_free(dev);
    rn_test_turn_fini(&t);
    return NULL;
}

/* Who was about to sleep, found a packet after all and took only that must be woken for the second. */
static void test_what_a_limit_left_unread_rings_again(void **state)
{
    struct pollfd wait = { .events = POLLIN };
    struct pairs pairs = { 0 };
    struct rn_test_turn t;
    struct rn_device *dev;
    pthread_t thread;
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(rn_shm_new(&dev, &t.turn, &(struct rn_shm_opts){ 0 }), RN_OK);
    take_fds(dev, pairs.fds);
    assert_int_equal(pthread_create(&thread, NULL, send_pairs, &pairs), 0);
    wait.fd = dev->ops->poll_fd(dev);

    for (uint32_t n = 0; n < 2 * PAIRS;) {
        struct rn_pktq q = { 0 };
        int got = dev->ops->read_batch(dev, &q, 1);

        rn_pktq_free_all(&q);
        n += got > 0;
        atomic_store(&pairs.n_read, n);
        if (n < 2 * PAIRS)
            assert_int_equal(poll(&wait, 1, STALL_MS), 1);
    }

    pthread_join(thread, NULL);
    rn_device_free(dev);
    rn_test_turn_fini(&t);
}

static void test_another_process_returns_every_packet_in_order(void **state)
{
    struct rn_shm_opts opts = { .ring_bytes = 1 };
    struct rn_test_turn t;
    struct rn_device *dev;
    int fds[RN_SHM_FDS];
    int status;
    pid_t pid;
    (void)state;
    rn_test_turn_init(&t);
    assert_int_equal(rn_shm_new(&dev, &t.turn, &opts), RN_OK);
    take_fds(dev, fds);
    pid = fork();
    if (pid == 0)
        _exit(echo_until_closed(fds));
    for (unsigned i = 0; i < RN_SHM_FDS; i++)
        close(fds[i]);

    exchange(&t, dev);

    rn_device_free(dev);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    rn_test_turn_fini(&t);
}

/* --- the other side means harm ------------------------------------------------------------------------------------ */
static void test_no_word_in_the_memory_can_do_harm(void **state)
{
    struct rn_shm_opts opts = { .ring_bytes = 1, .has_offload = true };
    const size_t bytes = RN_SHM_PAGE_BYTES + (512u << 10);
    struct rn_rand rand;
    unsigned n_cut_off = 0;
    (void)state;
    rn_rand_init_u64(&rand, 20261121);

    for (unsigned round = 0; round < 600; round++) {
        struct rig r;
        uint8_t *memory;
        int fds[RN_SHM_FDS];

        rig_init(&r, &opts);
        rn_shm_fds(r.first, fds);
        memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
        assert_true(memory != MAP_FAILED);
        send_numbers(r.t.pool, r.second, 0, 20);
        for (unsigned i = 0; i < 30; i++) {
            /* a word that counts, or any */
            size_t at = rn_rand_below(&rand, 2) == 0 ? rn_rand_below(&rand, 12) * 64
                                                     : rn_rand_below(&rand, bytes / 4) * 4;

            rn_put_be32(memory + at, rn_rand_below(&rand, 3) == 0
                                         ? (uint32_t)rn_rand_below(&rand, 1u << 19)
                                         : rn_rand_u32(&rand));
            (void)read_all(r.first);
            (void)send_numbers(r.t.pool, r.first, 0, 3);
        }
        n_cut_off += r.first->is_closed;
        munmap(memory, bytes);
        rig_fini(&r);
    }

    assert_true(n_cut_off > 100);
}

static int adopt(struct rn_test_turn *t, const struct rn_device *first, int memory)
{
    struct rn_device *dev;
    int fds[RN_SHM_FDS];
    int err;

    take_fds(first, fds);
    close(fds[0]);
    fds[0] = memory;
    err = rn_shm_from_fds(&dev, &t->turn, fds, &(struct rn_shm_opts){ 0 });
    for (unsigned i = 0; i < RN_SHM_FDS; i++)
        close(fds[i]);
    return err;
}

/* A memory that begins as a true one, but is not it. */
static int copy_of(const struct rn_device *first, off_t bytes)
{
    int memory = memfd_create("false", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    uint8_t page[RN_SHM_PAGE_BYTES];
    int fds[RN_SHM_FDS];

    rn_shm_fds(first, fds);
    assert_int_equal(pread(fds[0], page, sizeof(page), 0), sizeof(page));
    assert_int_equal(pwrite(memory, page, sizeof(page), 0), sizeof(page));
    assert_int_equal(ftruncate(memory, bytes), 0);
    return memory;
}

static void test_memory_that_could_be_taken_away_is_refused(void **state)
{
    const off_t whole = RN_SHM_PAGE_BYTES + (2 << 20);
    struct rig r;
    int memory;
    (void)state;
    rig_init(&r, &(struct rn_shm_opts){ 0 });

    assert_int_equal(adopt(&r.t, r.first, copy_of(r.first, whole)), RN_E_MALFORMED);
    memory = copy_of(r.first, whole - 1);
    assert_int_equal(fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    assert_int_equal(adopt(&r.t, r.first, memory), RN_E_MALFORMED);
    assert_int_equal(adopt(&r.t, r.first, copy_of(r.first, 0)), RN_E_MALFORMED);
    memory = copy_of(r.first, whole);
    assert_int_equal(pwrite(memory, "x", 1, 0), 1);
    assert_int_equal(fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    assert_int_equal(adopt(&r.t, r.first, memory), RN_E_MALFORMED);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_a_sleeper_is_woken),
        cmocka_unit_test(test_who_found_no_room_is_told_of_it),
        cmocka_unit_test(test_what_was_sent_before_the_end_is_read_and_then_the_end),
        cmocka_unit_test(test_another_thread_returns_every_packet_in_order),
        cmocka_unit_test(test_what_a_limit_left_unread_rings_again),
        cmocka_unit_test(test_another_process_returns_every_packet_in_order),
        cmocka_unit_test(test_no_word_in_the_memory_can_do_harm),
        cmocka_unit_test(test_memory_that_could_be_taken_away_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
