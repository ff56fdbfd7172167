#include "base/checksum.h"
#include "base/pkt.h"

/* The sum so far goes on through a piece that begins at an even place; at an odd one its words lie across the pieces. */
static uint16_t add_piece(uint32_t total, const uint8_t *piece, size_t len, size_t at)
{
    if ((at & 1) == 0)
        return rn_checksum(piece, len, total);
    return rn_checksum_add((uint16_t)total, rn_checksum(piece, len, 0), 1);
}

uint16_t rn_pkt_checksum(const struct rn_pkt *pkt, size_t off, size_t len, uint32_t sum)
{
    uint32_t total = sum;
    size_t done = 0;

    rn_assert(off <= pkt->len && len <= pkt->len - off);
    if (len == 0)
        return rn_checksum(NULL, 0, sum);
    for (unsigned i = 0; done < len; i++) {
        struct rn_view piece = rn_pkt_piece(pkt, i);
        size_t skip = rn_min_size(off, piece.len);
        size_t part = rn_min_size(piece.len - skip, len - done);

        if (part != 0)
            total = add_piece(total, piece.ptr + skip, part, done);
        off -= skip;
        done += part;
    }
    return (uint16_t)total;
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

/* Copies from @off on and returns the sum of what was copied. */
static uint16_t copy_rest(const struct rn_pkt *pkt, size_t off, uint8_t *out)
{
    size_t left = pkt->len - off;
    uint16_t total = 0;
    size_t done = 0;

    for (unsigned i = 0; done < left; i++) {
        struct rn_view piece = rn_pkt_piece(pkt, i);
        size_t skip = rn_min_size(off, piece.len);
        size_t part = piece.len - skip;

        if (part != 0)
            total = rn_checksum_add(total, rn_checksum_copy(out + done, piece.ptr + skip, part, 0),
                                    done & 1);
        off -= skip;
        done += part;
    }
    return total;
}

bool rn_pkt_copy_out_complete(const struct rn_pkt *pkt, uint8_t *out)
{
    size_t start = pkt->csum_start;
    size_t field_off = start + pkt->csum_offset;
    uint16_t sum;

    if (pkt->csum != RN_CSUM_PARTIAL) {
        rn_pkt_copy_out(pkt, 0, out, pkt->len);
        return true;
    }
    if (field_off + 2 > pkt->len)
        return false;
    rn_pkt_copy_out(pkt, 0, out, start);
    sum = copy_rest(pkt, start, out + start);
    rn_put_be16(out + field_off, rn_pkt_checksum_field(sum, pkt->csum_offset));
    return true;
}
