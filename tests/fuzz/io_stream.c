/*
 * Frames out of a stream of bytes (io/unix_device.c), however it is cut into pieces: the first byte says how. What comes out is
 * what a reading of the whole at once would find, and a length no frame has ends it.
 */
#include "base/bytes.h"
#include "dev/device.h"
#include "fuzz.h"
#include <runnel/err.h>
#include <runnel/unix.h>

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { POOL_MAX_BYTES = 8 << 20, INPUT_MAX_BYTES = 4096 };

/* The frame at @at of the whole stream, as it must come out. Returns where the next begins. */
static size_t check_frame(const uint8_t *stream, size_t size, size_t at, const struct rn_pkt *pkt)
{
    uint8_t bytes[INPUT_MAX_BYTES];

    while (size - at >= 4 && rn_get_be32(stream + at) == 0)
        at += 4; /* empty ones are only counted */
    must(size - at >= 4 && rn_get_be32(stream + at) == pkt->len && size - at - 4 >= pkt->len);
    rn_pkt_copy_out(pkt, 0, bytes, pkt->len);
    must(memcmp(bytes, stream + at + 4, pkt->len) == 0);
    return at + 4 + pkt->len;
}

static void run(struct rn_turn *turn, size_t piece, const uint8_t *stream, size_t size)
{
    struct rn_unix_opts opts = { 0 };
    struct rn_pktq q = { 0 };
    struct rn_device *dev;
    struct rn_pkt *pkt;
    size_t at = 0;
    int fds[2];

    must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    must(rn_unix_stream_from_fd(&dev, turn, fds[0], &opts) >= 0);
    for (size_t sent = 0; sent < size && !dev->is_closed; sent += piece) {
        size_t n = rn_min_size(piece, size - sent);

        must(send(fds[1], stream + sent, n, MSG_NOSIGNAL) == (ssize_t)n);
        while (dev->ops->read_batch(dev, &q, 3) >= 0)
            continue;
        while ((pkt = rn_pktq_pop(&q)) != NULL) {
            at = check_frame(stream, size, at, pkt);
            rn_pkt_free(pkt);
        }
    }
    rn_device_free(dev);
    close(fds[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t seed[16] = { 1 };
    struct rn_pool *pool;
    struct rn_turn turn;

    if (size < 2 || size > INPUT_MAX_BYTES)
        return 0;
    must(rn_pool_new(&pool, &fuzz_heap, &(struct rn_pool_limits){ .max_bytes = POOL_MAX_BYTES }) >=
         0);
    rn_turn_init(&turn, pool, seed, 0);
    run(&turn, 1 + (size_t)data[0] * 4, data + 1, size - 1);
    rn_turn_fini(&turn);
    rn_pool_free(pool);
    return 0;
}
