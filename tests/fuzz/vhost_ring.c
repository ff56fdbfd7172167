/*
 * A virtqueue of a guest that writes what it likes: the input is its memory, rings included, and what is not given of it is zero.
 * Whatever is taken lies in that memory, chains and pieces stay within their bounds, and a ring that is broken gives no more.
 */
#include "io/vhost_ring.h"
#include "fuzz.h"

#include "base/bytes.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE = 16, AVAIL_AT = 256, USED_AT = 320, REGION_BYTES = 4096, INPUT_MAX_BYTES = 8194 };

/* Two regions that meet: as the guest sees it, one piece of 8 KiB. */
struct guest {
    _Alignas(64) uint8_t first[REGION_BYTES];
    _Alignas(64) uint8_t between[64]; /* nobody's */
    _Alignas(64) uint8_t second[REGION_BYTES];
};

static bool is_in(const void *ptr, size_t len, const uint8_t *region)
{
    uintptr_t at = (uintptr_t)ptr;

    return at >= (uintptr_t)region && at + len <= (uintptr_t)region + REGION_BYTES;
}

static void check(const struct guest *guest, const struct rn_vhost_span *span)
{
    uint64_t bytes = 0;

    must(span->n_pieces <= RN_VHOST_PIECES_MAX && span->n_chains <= RN_VHOST_CHAINS_MAX);
    for (unsigned i = 0; i < span->n_pieces; i++) {
        const struct iovec *piece = &span->pieces[i];

        must(is_in(piece->iov_base, piece->iov_len, guest->first) ||
             is_in(piece->iov_base, piece->iov_len, guest->second));
        bytes += piece->iov_len;
    }
    must(bytes == span->bytes);
    for (unsigned i = 0; i < span->n_chains; i++) {
        must(span->chains[i].head < SIZE);
        bytes -= span->chains[i].bytes;
    }
    must(bytes == 0);
}

/* Takes all there is, @per chains at a time. */
static void drain(struct rn_vhost_ring *ring, const struct guest *guest, enum rn_vhost_dir dir,
                  unsigned per)
{
    static struct rn_vhost_span span;
    unsigned n = 0;

    for (bool goes_on = true; goes_on; n++) {
        must(n <= 1 + SIZE); /* an index cannot promise more than that */
        span.n_pieces = 0;
        span.n_chains = 0;
        span.bytes = 0;
        for (unsigned i = 0; i < per && goes_on; i++)
            goes_on = rn_vhost_ring_take(ring, dir, &span);
        if (ring->broken != NULL)
            break;
        check(guest, &span);
        for (unsigned i = 0; i < span.n_chains; i++)
            rn_vhost_ring_use(ring, span.chains[i].head, 1);
        (void)rn_vhost_ring_publish(ring);
    }
    rn_vhost_ring_ask_kick(ring);
    must(ring->broken == NULL || rn_vhost_ring_waiting(ring) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct guest guest;
    const struct rn_vhost_mem mem = {
        .n_regions = 2,
        .regions = { { .claim = { 0, REGION_BYTES, 0, 0 }, .at = guest.first },
                     { .claim = { REGION_BYTES, REGION_BYTES, 0, 0 }, .at = guest.second } }
    };
    const struct rn_vhost_parts parts = { guest.first, guest.first + AVAIL_AT,
                                          guest.first + USED_AT };
    struct rn_vhost_ring ring = { .mem = &mem };
    size_t n;

    if (size < 2 || size > INPUT_MAX_BYTES)
        return 0;
    memset(&guest, 0, sizeof(guest));
    n = rn_min_size(size - 2, REGION_BYTES);
    memcpy(guest.first, data + 2, n);
    memcpy(guest.second, data + 2 + n, size - 2 - n);
    ring.has_event_idx = (data[0] & 1) != 0;
    rn_vhost_ring_start(&ring, &parts, SIZE, data[1]);
    drain(&ring, &guest, (data[0] & 2) != 0 ? RN_VHOST_WRITE : RN_VHOST_READ,
          1 + (data[0] >> 2 & 3));
    return 0;
}
