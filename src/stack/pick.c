/* Source address selection, RFC 6724 §5, for both families. Rules 4 (home addresses) and 5.5 have no subject here. */
#include "stack/nic.h"
#include "stack/stack.h"

#include <runnel/err.h>

struct policy {
    uint8_t prefix[16];
    uint8_t bits;
    uint8_t label;
};

/* RFC 6724 §2.1. IPv4 is v4-mapped already. Longest prefix first. */
static const struct policy policies[] = {
    { { [15] = 1 }, 128, 0 },
    { { [10] = 0xff, [11] = 0xff }, 96, 4 },
    { { 0 }, 96, 3 },
    { { 0x20, 0x01 }, 32, 5 },
    { { 0x20, 0x02 }, 16, 2 },
    { { 0x3f, 0xfe }, 16, 12 },
    { { 0xfe, 0xc0 }, 10, 11 },
    { { 0xfc }, 7, 13 },
    { { 0 }, 0, 1 },
};

/* Leading bits that @a and @b share. */
static unsigned common_bits(const uint8_t a[16], const uint8_t b[16])
{
    unsigned n = 0;

    while (n < 128 && ((a[n / 8] ^ b[n / 8]) & (0x80u >> (n % 8))) == 0)
        n++;
    return n;
}

static unsigned label_of(struct rn_addr a)
{
    unsigned i = 0;

    while (common_bits(a.b, policies[i].prefix) < policies[i].bits)
        i++;
    return policies[i].label;
}

/* RFC 4291 §2.7 scopes; RFC 6724 §3.2 for IPv4. */
static unsigned scope_of(struct rn_addr a)
{
    enum { LINK_LOCAL = 2, SITE_LOCAL = 5, GLOBAL = 14 };

    if (!rn_addr_is_v4(a) && rn_addr_is_multicast(a))
        return a.b[1] & 0x0f;
    if (rn_addr_is_loopback(a) || rn_addr_is_link_local(a))
        return LINK_LOCAL;
    if (!rn_addr_is_v4(a) && a.b[0] == 0xfe && (a.b[1] & 0xc0) == 0xc0)
        return SITE_LOCAL;
    return GLOBAL;
}

/* Rule 2: the smallest scope that is enough, else the largest there is. */
static int compare_scope(unsigned a, unsigned b, unsigned dst)
{
    if (a == b)
        return 0;
    if (a < b)
        return a < dst ? -1 : 1;
    return b < dst ? 1 : -1;
}

static int prefer_if(bool a, bool b)
{
    return (int)a - (int)b;
}

/* > 0: @a is the better source for @dst. */
static int compare(const struct rn_nic_addr *a, const struct rn_nic_addr *b, struct rn_addr dst)
{
    unsigned dst_label = label_of(dst);
    int order = prefer_if(rn_addr_eq(a->addr, dst), rn_addr_eq(b->addr, dst)); /* rule 1 */

    if (order == 0)
        order = compare_scope(scope_of(a->addr), scope_of(b->addr), scope_of(dst));
    if (order == 0) /* rule 3 */
        order = prefer_if(a->state != RN_ADDR_DEPRECATED, b->state != RN_ADDR_DEPRECATED);
    if (order == 0) /* rule 6 */
        order = prefer_if(label_of(a->addr) == dst_label, label_of(b->addr) == dst_label);
    if (order == 0) { /* rule 8, at most the candidate's own prefix */
        unsigned a_bits = common_bits(a->addr.b, dst.b);
        unsigned b_bits = common_bits(b->addr.b, dst.b);
        unsigned plus = rn_addr_is_v4(dst) ? 96 : 0;

        order = (int)rn_min_u32(a_bits, a->bits + plus) - (int)rn_min_u32(b_bits, b->bits + plus);
    }
    return order;
}

static const struct rn_nic_addr *best_on(const struct rn_nic *nic, struct rn_addr dst,
                                         const struct rn_nic_addr *best)
{
    struct rn_list *it;

    rn_list_for_each (it, &nic->addrs) {
        const struct rn_nic_addr *own = rn_list_entry(it, struct rn_nic_addr, link);

        if (rn_addr_is_v4(own->addr) != rn_addr_is_v4(dst) || own->state == RN_ADDR_TENTATIVE)
            continue;
        if (best == NULL || compare(own, best, dst) > 0)
            best = own;
    }
    return best;
}

int rn_pick_source(const struct rn_nic *nic, struct rn_addr dst, struct rn_addr *ret)
{
    const struct rn_nic_addr *best = best_on(nic, dst, NULL);
    struct rn_list *it;

    /* A NIC without addresses of its own borrows (RFC 6724 §4: other interfaces' addresses may be candidates). */
    if (best == NULL) {
        rn_list_for_each (it, &nic->stack->nics) {
            const struct rn_nic *other = rn_list_entry(it, struct rn_nic, link);

            if (!rn_nic_is_loopback(other))
                best = best_on(other, dst, best);
        }
    }
    if (best == NULL)
        return RN_E_BAD_LOCAL_ADDR;
    *ret = best->addr;
    return RN_OK;
}
