/* Inodes of the sockets that visited namespaces listed: what is in no list may live in a namespace nobody found. Shared
 * memory, since visits are made by children. */
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
static _Atomic uint32_t *slot_of(const struct rn_broker *b, uint32_t ino)
{
    size_t i = (size_t)(ino * 0x9e3779b1u) & (b->n_known_slots - 1);

    for (size_t tries = 0; tries < 64; tries++) {
        _Atomic uint32_t *slot = &b->known_socks[(i + tries) & (b->n_known_slots - 1)];
        uint32_t has = atomic_load(slot);

        if (has == 0 || has == ino)
            return slot;
    }
    return NULL;
}

void rn_known_socks_add(struct rn_broker *b, uint32_t ino)
{
    uint32_t free_slot = 0;
    _Atomic uint32_t *slot = b->known_socks != NULL && ino != 0 ? slot_of(b, ino) : NULL;

    /* Another child may just have taken it. */
    while (slot != NULL && !atomic_compare_exchange_strong(slot, &free_slot, ino) &&
           free_slot != ino) {
        free_slot = 0;
        slot = slot_of(b, ino);
    }
}

bool rn_known_socks_has(const struct rn_broker *b, uint64_t ino)
{
    _Atomic uint32_t *slot =
        b->known_socks != NULL && ino != 0 && ino <= UINT32_MAX ? slot_of(b, (uint32_t)ino) : NULL;

    return slot != NULL && atomic_load(slot) == (uint32_t)ino;
}
