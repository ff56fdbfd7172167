/*
 * What a vhost-user front-end may say: the input is a series of messages, each of them request, flags, descriptors (how many, of what
 * kind), length, payload. Whatever it is, the device answers, goes on or closes; it keeps no descriptor and no memory, and does
 * not run for ever. After each message a packet is given to it, and the guest's kicks ring.
 */
#include "base/bytes.h"
#include "fuzz.h"
#include "vhost_talk.h"
#include <runnel/err.h>
#include <runnel/vhost.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { POOL_MAX_BYTES = 8 << 20, INPUT_MAX_BYTES = 4096, MEM_BYTES = 1 << 20, FD_KINDS = 4 };

struct kinds {
    int fds[FD_KINDS]; /* memory, a bell, the end of a pipe, a socket */
};

static void kinds_init(struct kinds *kinds)
{
    int ends[2];

    kinds->fds[0] = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    must(kinds->fds[0] >= 0 && ftruncate(kinds->fds[0], MEM_BYTES) == 0 &&
         fcntl(kinds->fds[0], F_ADD_SEALS, F_SEAL_SHRINK) == 0);
    kinds->fds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must(pipe2(ends, O_CLOEXEC) == 0);
    close(ends[1]);
    kinds->fds[2] = ends[0];
    kinds->fds[3] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static void kinds_fini(const struct kinds *kinds)
{
    for (unsigned i = 0; i < FD_KINDS; i++)
        close(kinds->fds[i]);
}

/* Lets the device act, as often as it could have reason to, and gives it a packet. */
static void turn(struct rn_device *dev, const struct kinds *kinds)
{
    static const uint8_t frame[64] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45 };
    struct rn_pktq q = { 0 };
    unsigned n = 0;

    (void)eventfd_write(kinds->fds[1], 1);
    while (dev->ops->read_batch(dev, &q, 64) >= 0)
        must(++n < 10000);
    rn_pktq_push(&q, rn_pkt_from_bytes(dev->turn->pool, frame, sizeof(frame)));
    (void)dev->ops->write_batch(dev, &q);
    rn_pktq_free_all(&q);
}

/* One message from the front of @data. Returns the bytes it took. */
static size_t say(int fd, const uint8_t *data, size_t size, const struct kinds *kinds)
{
    const uint32_t len = (uint32_t)rn_min_size(data[3], size - 4);
    const uint32_t hdr[3] = { data[0], RN_VHOST_VERSION | (data[1] & 0x0cu),
                              (data[1] & 1u) != 0 ? data[3] : len };
    int fds[8];

    for (unsigned i = 0; i < RN_ARRAY_LEN(fds); i++)
        fds[i] = kinds->fds[data[2] >> 4 & (FD_KINDS - 1)];
    front_send_with(fd, hdr, data + 4, len, fds, data[2] & 7u);
    return 4 + len;
}

static void run(struct rn_turn *now, const uint8_t *data, size_t size)
{
    const struct rn_vhost_opts opts = { 0 };
    struct kinds kinds;
    struct rn_device *dev;
    int ends[2];

    kinds_init(&kinds);
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    must(rn_vhost_from_fd(&dev, now, ends[0], &opts) >= 0);
    while (size >= 4 && !dev->is_closed) {
        size_t n = say(ends[1], data, size, &kinds);

        data += n;
        size -= n;
        turn(dev, &kinds);
    }
    rn_device_free(dev);
    close(ends[1]);
    kinds_fini(&kinds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t seed[16] = { 1 };
    struct rn_pool *pool;
    struct rn_turn now;

    if (size < 4 || size > INPUT_MAX_BYTES)
        return 0;
    must(rn_pool_new(&pool, &fuzz_heap, &(struct rn_pool_limits){ .max_bytes = POOL_MAX_BYTES }) >=
         0);
    rn_turn_init(&now, pool, seed, 0);
    run(&now, data, size);
    rn_turn_fini(&now);
    rn_pool_free(pool);
    return 0;
}
