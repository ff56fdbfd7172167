#include "io/xdp_ring.h"

#include <runnel/err.h>

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>

static const struct {
    int option; /* that sets its size */
    off_t map_at;
    size_t entry_bytes;
} kinds[RN_XDP_RINGS] = {
    [RN_XDP_RX] = { XDP_RX_RING, XDP_PGOFF_RX_RING, sizeof(struct xdp_desc) },
    [RN_XDP_TX] = { XDP_TX_RING, XDP_PGOFF_TX_RING, sizeof(struct xdp_desc) },
    [RN_XDP_FILL] = { XDP_UMEM_FILL_RING, (off_t)XDP_UMEM_PGOFF_FILL_RING, sizeof(uint64_t) },
    [RN_XDP_DONE] = { XDP_UMEM_COMPLETION_RING, (off_t)XDP_UMEM_PGOFF_COMPLETION_RING,
                      sizeof(uint64_t) },
};

static const struct xdp_ring_offset *offset_of(const struct xdp_mmap_offsets *offsets,
                                               enum rn_xdp_ring_kind kind)
{
    const struct xdp_ring_offset *of[RN_XDP_RINGS] = { [RN_XDP_RX] = &offsets->rx,
                                                       [RN_XDP_TX] = &offsets->tx,
                                                       [RN_XDP_FILL] = &offsets->fr,
                                                       [RN_XDP_DONE] = &offsets->cr };

    return of[kind];
}

int rn_xdp_ring_map(struct rn_xdp_ring *ring, int fd, enum rn_xdp_ring_kind kind, uint32_t size)
{
    struct xdp_mmap_offsets offsets;
    socklen_t len = sizeof(offsets);
    const struct xdp_ring_offset *at;
    uint8_t *map;

    if (setsockopt(fd, SOL_XDP, kinds[kind].option, &size, sizeof(size)) < 0 ||
        getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &len) < 0)
        return rn_err_from_errno(errno);
    if (len != sizeof(offsets)) /* before Linux 5.4 it was shorter */
        return RN_E_NOT_SUPPORTED;
    at = offset_of(&offsets, kind);
    ring->map_bytes = (size_t)at->desc + size * kinds[kind].entry_bytes;
    map = mmap(NULL, ring->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
               kinds[kind].map_at);
    if (map == MAP_FAILED)
        return rn_err_from_errno(errno);
    ring->map = map;
    /* The kernel aligned them. */
    ring->producer = (_Atomic uint32_t *)(void *)(map + at->producer);
    ring->consumer = (_Atomic uint32_t *)(void *)(map + at->consumer);
    ring->entries = map + at->desc;
    ring->size = size;
    return RN_OK;
}

void rn_xdp_ring_unmap(struct rn_xdp_ring *ring)
{
    if (ring->map != NULL)
        munmap(ring->map, ring->map_bytes);
    ring->map = NULL;
}
