#include "io/vhost_mem.h"

#include "base/bytes.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* Four times what the largest machines have; keeps all sums far from their end. */
#define REGION_MAX_BYTES (UINT64_C(1) << 46)

static bool is_aligned(const struct rn_vhost_claim *claim)
{
    return ((claim->guest_at | claim->bytes | claim->user_at | claim->file_at) %
            RN_VHOST_REGION_ALIGN) == 0;
}

static bool has_end(uint64_t at, uint64_t bytes)
{
    return bytes <= UINT64_MAX - at;
}

static bool meet(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
    return a < b ? b - a < a_bytes : a - b < b_bytes;
}

static bool overlaps_another(const struct rn_vhost_mem *mem, const struct rn_vhost_claim *claim)
{
    for (unsigned i = 0; i < mem->n_regions; i++) {
        const struct rn_vhost_claim *other = &mem->regions[i].claim;

        if (meet(claim->guest_at, claim->bytes, other->guest_at, other->bytes) ||
            meet(claim->user_at, claim->bytes, other->user_at, other->bytes))
            return true;
    }
    return false;
}

static const char *check_claim(const struct rn_vhost_mem *mem, const struct rn_vhost_claim *claim)
{
    if (mem->n_regions == RN_VHOST_REGIONS_MAX)
        return "too many memory regions";
    if (claim->bytes == 0 || claim->bytes > REGION_MAX_BYTES || claim->file_at > REGION_MAX_BYTES)
        return "memory region of an impossible size";
    if (!is_aligned(claim))
        return "memory region is not aligned to pages";
    if (!has_end(claim->guest_at, claim->bytes) || !has_end(claim->user_at, claim->bytes))
        return "memory region goes beyond the end of addresses";
    return overlaps_another(mem, claim) ? "memory regions overlap" : NULL;
}

/* A sealed file keeps its size, but may get holes. Those fill by themselves, unless pages are huge and have run out (SIGBUS). */
static const char *check_seals(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct statfs fs;

    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0)
        return "memory is not sealed against shrinking";
    if (fstatfs(fd, &fs) < 0 || fs.f_type != TMPFS_MAGIC)
        return "memory is of huge pages, which may run out";
    return NULL;
}

static const char *check_file(const struct stat *st, int fd, const struct rn_vhost_claim *claim,
                              enum rn_vhost_trust trust)
{
    if (!S_ISREG(st->st_mode))
        return "memory is not a file";
    if (st->st_size < 0 || claim->file_at + claim->bytes > (uint64_t)st->st_size)
        return "memory region is larger than its file";
    return trust == RN_VHOST_SEALED_ONLY ? check_seals(fd) : NULL;
}

/* From the beginning of the file, in whole blocks: huge pages cannot be mapped from anywhere else, nor unmapped. */
static const char *map(struct rn_vhost_region *region, int fd, const struct stat *st)
{
    uint64_t block = st->st_blksize > 0 ? (uint64_t)st->st_blksize : RN_VHOST_REGION_ALIGN;
    uint64_t bytes = region->claim.file_at + region->claim.bytes;

    region->map_bytes = (size_t)((bytes + block - 1) / block * block);
    region->map = mmap(NULL, region->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (region->map == MAP_FAILED)
        return "memory region cannot be mapped";
    region->at = (uint8_t *)region->map + region->claim.file_at;
    return NULL;
}

const char *rn_vhost_mem_add(struct rn_vhost_mem *mem, const struct rn_vhost_claim *claim, int fd,
                             enum rn_vhost_trust trust)
{
    struct rn_vhost_region region = { .claim = *claim };
    const char *why = check_claim(mem, claim);
    struct stat st;

    if (why == NULL && fstat(fd, &st) < 0)
        why = "memory has no file";
    if (why == NULL)
        why = check_file(&st, fd, claim, trust);
    if (why == NULL)
        why = map(&region, fd, &st);
    if (why == NULL)
        mem->regions[mem->n_regions++] = region;
    return why;
}

void rn_vhost_mem_clear(struct rn_vhost_mem *mem)
{
    for (unsigned i = 0; i < mem->n_regions; i++) {
        if (mem->regions[i].map != NULL)
            munmap(mem->regions[i].map, mem->regions[i].map_bytes);
    }
    *mem = (struct rn_vhost_mem){ 0 };
}

uint8_t *rn_vhost_mem_guest(const struct rn_vhost_mem *mem, uint64_t at, uint64_t *ret_bytes)
{
    for (unsigned i = 0; i < mem->n_regions; i++) {
        const struct rn_vhost_region *region = &mem->regions[i];

        if (at >= region->claim.guest_at && at - region->claim.guest_at < region->claim.bytes) {
            *ret_bytes = region->claim.bytes - (at - region->claim.guest_at);
            return region->at + (at - region->claim.guest_at);
        }
    }
    return NULL;
}

uint8_t *rn_vhost_mem_user(const struct rn_vhost_mem *mem, uint64_t at, uint64_t bytes)
{
    for (unsigned i = 0; i < mem->n_regions; i++) {
        const struct rn_vhost_region *region = &mem->regions[i];
        uint64_t from = at - region->claim.user_at;

        if (at >= region->claim.user_at && from < region->claim.bytes &&
            bytes <= region->claim.bytes - from)
            return region->at + from;
    }
    return NULL;
}
