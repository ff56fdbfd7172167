/* Inodes of the sockets that visited namespaces listed: what is in no list may live in a namespace nobody found. Shared
 * memory, since visits are made by children; one writes at a time. */
#include "discovery/broker.h"

#include <sys/mman.h>

#define SLOTS_MIN 1024u

void rn_known_socks_init(struct rn_broker *b)
{
    size_t n = SLOTS_MIN;
    void *p;

    while (n < b->n_socks * 2)
        n *= 2;
    p = mmap(NULL, n * sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return; /* then every socket is asked, which is only slower */
    b->known_socks = p;
    b->n_known_slots = n;
}

void rn_known_socks_fini(struct rn_broker *b)
{
    if (b->known_socks != NULL)
        munmap(b->known_socks, b->n_known_slots * sizeof(uint32_t));
}

/* The inode's slot, or the free one where it would be; NULL when all tried are others'. */
static uint32_t *slot_of(const struct rn_broker *b, uint32_t ino)
{
    size_t i = (size_t)(ino * 0x9e3779b1u) & (b->n_known_slots - 1);

    for (size_t tries = 0; tries < 64; tries++) {
        uint32_t *slot = &b->known_socks[(i + tries) & (b->n_known_slots - 1)];

        if (*slot == 0 || *slot == ino)
            return slot;
    }
    return NULL;
}

void rn_known_socks_add(struct rn_broker *b, uint32_t ino)
{
    uint32_t *slot = b->known_socks != NULL && ino != 0 ? slot_of(b, ino) : NULL;

    if (slot != NULL)
        *slot = ino;
}

bool rn_known_socks_has(const struct rn_broker *b, uint64_t ino)
{
    const uint32_t *slot =
        b->known_socks != NULL && ino != 0 && ino <= UINT32_MAX ? slot_of(b, (uint32_t)ino) : NULL;

    return slot != NULL && *slot == (uint32_t)ino;
}
