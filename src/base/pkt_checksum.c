#include "base/checksum.h"
#include "base/pkt.h"

uint16_t rn_pkt_checksum(const struct rn_pkt *pkt, size_t off, size_t len, uint32_t sum)
{
    uint16_t total = rn_checksum(NULL, 0, sum);
    size_t done = 0;

    rn_assert(off <= pkt->len && len <= pkt->len - off);
    for (unsigned i = 0; done < len; i++) {
        struct rn_view piece = rn_pkt_piece(pkt, i);
        size_t skip = rn_min_size(off, piece.len);
        size_t part = rn_min_size(piece.len - skip, len - done);

        total = rn_checksum_add(total, rn_checksum(piece.ptr + skip, part, 0), done & 1);
        off -= skip;
        done += part;
    }
    return total;
}

/* A private copy of the slab under a fragment that others still read. */
static bool own_frag(struct rn_pkt *pkt, struct rn_frag *frag)
{
    struct rn_buf *copy;

    if (rn_buf_is_writable(frag->buf))
        return true;
    copy = rn_buf_new_for(pkt->pool, frag->len);
    if (copy == NULL)
        return false;
    memcpy(copy->data, frag->buf->data + frag->off, frag->len);
    rn_buf_unref(frag->buf);
    frag->buf = copy;
    frag->off = 0;
    if (frag == pkt->frags)
        pkt->frag_pulled = 0;
    return true;
}

/* Header bytes beyond the reach of the head: behind long extension headers, or tunnelled. */
static uint8_t *own_in_frags(struct rn_pkt *pkt, size_t off, size_t len)
{
    size_t start = pkt->head_len;

    for (unsigned i = 0; i < pkt->n_frags; i++) {
        struct rn_frag *frag = &pkt->frags[i];

        if (off >= start && off - start < frag->len) {
            bool fits = len <= frag->len - (off - start);

            return fits && own_frag(pkt, frag) ? frag->buf->data + frag->off + (off - start) : NULL;
        }
        start += frag->len;
    }
    return NULL;
}

static uint8_t *own_bytes(struct rn_pkt *pkt, size_t off, size_t len)
{
    uint8_t *front = rn_pkt_own_front(pkt, off + len);

    return front != NULL ? front + off : own_in_frags(pkt, off, len);
}

bool rn_pkt_complete_checksum(struct rn_pkt *pkt)
{
    size_t start = pkt->csum_start;
    size_t field_off = start + pkt->csum_offset;
    uint16_t sum;
    uint8_t *field;

    if (pkt->csum != RN_CSUM_PARTIAL)
        return true;
    if (field_off + 2 > pkt->len)
        return false;
    field = own_bytes(pkt, field_off, 2);
    if (field == NULL)
        return false;
    sum = rn_pkt_checksum(pkt, start, pkt->len - start, 0);
    rn_put_be16(field, rn_pkt_checksum_field(sum, pkt->csum_offset));
    pkt->csum = RN_CSUM_NONE;
    return true;
}
