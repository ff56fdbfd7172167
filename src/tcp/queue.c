/* The send queue: chunks in a ring, ordered by sequence number. Bytes are written once and only referenced after. */
#include "tcp/flight.h"

#include <runnel/err.h>

static struct rn_tcp_chunk *chunk_at(const struct rn_tcp_queue *queue, uint32_t i)
{
    return &queue->items[(queue->head + i) & (queue->cap - 1)];
}

void rn_tcp_queue_init(struct rn_tcp_queue *queue, rn_seq start)
{
    *queue = (struct rn_tcp_queue){ .cap = RN_TCP_CHUNKS_INLINE, .start = start, .end = start };
    queue->items = queue->inlined;
}

static bool grow(struct rn_tcp *conn, struct rn_tcp_queue *queue)
{
    const struct rn_alloc *alloc = conn->sock.stack->alloc;
    struct rn_tcp_chunk *items = rn_alloc_array(alloc, queue->cap * 2u, sizeof(*items));

    if (items == NULL)
        return false;
    for (uint32_t i = 0; i < queue->n; i++)
        items[i] = *chunk_at(queue, i);
    if (queue->items != queue->inlined)
        rn_alloc_free(alloc, queue->items, queue->cap * sizeof(*items));
    queue->items = items;
    queue->cap *= 2;
    queue->head = 0;
    return true;
}

static void charge(struct rn_tcp *conn, struct rn_tcp_queue *queue, int64_t bytes)
{
    queue->charged = (uint32_t)(queue->charged + bytes);
    rn_stack_charge(conn->sock.stack, bytes);
}

/* An empty chunk at the end over @buf, whose reference it takes; NULL when out of memory. */
static struct rn_tcp_chunk *push(struct rn_tcp *conn, struct rn_tcp_queue *queue,
                                 struct rn_buf *buf)
{
    struct rn_tcp_chunk *chunk;

    if (queue->n == queue->cap && !grow(conn, queue))
        return NULL;
    chunk = chunk_at(queue, queue->n);
    *chunk = (struct rn_tcp_chunk){ .buf = buf, .seq = queue->end };
    queue->n++;
    charge(conn, queue, rn_buf_true_bytes(buf));
    return chunk;
}

static void pop(struct rn_tcp *conn, struct rn_tcp_queue *queue)
{
    struct rn_tcp_chunk *chunk = chunk_at(queue, 0);

    charge(conn, queue, -(int64_t)rn_buf_true_bytes(chunk->buf));
    rn_buf_unref(chunk->buf);
    queue->head++;
    queue->n--;
}

void rn_tcp_queue_fini(struct rn_tcp *conn, struct rn_tcp_queue *queue)
{
    while (queue->n != 0)
        pop(conn, queue);
    if (queue->items != queue->inlined)
        rn_alloc_free(conn->sock.stack->alloc, queue->items,
                      queue->cap * sizeof(struct rn_tcp_chunk));
}

uint32_t rn_tcp_queue_trim(struct rn_tcp *conn, struct rn_tcp_queue *queue, rn_seq una)
{
    rn_seq from = queue->start;

    una = rn_seq_min(una, queue->end);
    if (rn_seq_le(una, from))
        return 0;
    while (queue->n != 0) {
        const struct rn_tcp_chunk *chunk = chunk_at(queue, 0);

        if (rn_seq_gt(rn_seq_add(chunk->seq, chunk->len), una))
            break;
        pop(conn, queue);
    }
    queue->start = una;
    return una.v - from.v;
}

/* Index of the chunk that holds @seq, which must lie in the queue. */
static uint32_t find(const struct rn_tcp_queue *queue, rn_seq seq)
{
    uint32_t low = 0;
    uint32_t high = queue->n;

    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;

        if (rn_seq_le(chunk_at(queue, mid)->seq, seq))
            low = mid;
        else
            high = mid;
    }
    return low;
}

uint32_t rn_tcp_queue_span(const struct rn_tcp_queue *queue, rn_seq seq, uint32_t max)
{
    uint32_t first = find(queue, seq);
    uint32_t n = rn_min_u32(queue->n - first, RN_PKT_FRAGS_MAX);
    const struct rn_tcp_chunk *last = chunk_at(queue, first + n - 1);

    return rn_min_u32(max, last->seq.v + last->len - seq.v);
}

bool rn_tcp_queue_attach(const struct rn_tcp_queue *queue, rn_seq seq, uint32_t len,
                         struct rn_pkt *pkt)
{
    for (uint32_t i = find(queue, seq); len != 0; i++) {
        const struct rn_tcp_chunk *chunk = chunk_at(queue, i);
        uint32_t skip = seq.v - chunk->seq.v;
        uint32_t n = rn_min_u32(len, chunk->len - skip);

        if (!rn_pkt_append_ref(pkt, chunk->buf, chunk->off + skip, n))
            return false;
        seq = rn_seq_add(seq, n);
        len -= n;
    }
    return true;
}

/* --- the writing side of conn.h ----------------------------------------------------------------------------- */

/*
 * Bytes beyond those of any segment are still ours to write, though earlier ones of the same slab may be on their way:
 * what a reference covers never changes.
 */
static uint32_t tail_room(const struct rn_tcp_queue *queue)
{
    const struct rn_tcp_chunk *tail;

    if (queue->n == 0)
        return 0;
    tail = chunk_at(queue, queue->n - 1);
    return tail->is_ours ? tail->buf->cap_bytes - tail->off - tail->len : 0;
}

static bool add_slab(struct rn_tcp *conn, struct rn_tcp_queue *queue, size_t want)
{
    bool is_bulk = want > RN_TCP_SMALL_WRITE_BYTES || queue->n >= RN_PKT_FRAGS_MAX;
    struct rn_buf *buf =
        rn_buf_new(conn->sock.stack->turn->pool, is_bulk ? RN_BUF_BIG : RN_BUF_SMALL);
    struct rn_tcp_chunk *chunk;

    if (buf == NULL)
        return false;
    chunk = push(conn, queue, buf);
    if (chunk == NULL) {
        rn_buf_unref(buf);
        return false;
    }
    chunk->is_ours = true;
    return true;
}

static void fill_tail(struct rn_tcp_queue *queue, const uint8_t *bytes, uint32_t n)
{
    struct rn_tcp_chunk *tail = chunk_at(queue, queue->n - 1);

    memcpy(tail->buf->data + tail->off + tail->len, bytes, n);
    tail->len += n;
    queue->end = rn_seq_add(queue->end, n);
}

int64_t rn_tcp_snd_copy(struct rn_tcp *conn, const void *bytes, size_t len)
{
    struct rn_tcp_flight *flight = rn_tcp_flight_need(conn);
    const uint8_t *from = bytes;
    size_t done = 0;

    if (flight == NULL)
        return RN_E_NOMEM;
    while (done < len) {
        uint32_t room = tail_room(&flight->queue);
        uint32_t n;

        if (room == 0 && !add_slab(conn, &flight->queue, len - done))
            break;
        n = (uint32_t)rn_min_size(tail_room(&flight->queue), len - done);
        fill_tail(&flight->queue, from + done, n);
        done += n;
    }
    conn->snd.queued += (uint32_t)done;
    if (done != 0)
        rn_tcp_busy_begin(conn);
    return done == 0 && len != 0 ? RN_E_NOMEM : (int64_t)done;
}

int64_t rn_tcp_snd_append(struct rn_tcp *conn, struct rn_buf *buf, uint32_t off, uint32_t len)
{
    struct rn_tcp_flight *flight = rn_tcp_flight_need(conn);
    struct rn_tcp_chunk *chunk;

    if (flight == NULL)
        return RN_E_NOMEM;
    chunk = push(conn, &flight->queue, buf);
    if (chunk == NULL)
        return RN_E_NOMEM;
    chunk->off = off;
    chunk->len = len;
    flight->queue.end = rn_seq_add(flight->queue.end, len);
    conn->snd.queued += len;
    rn_tcp_busy_begin(conn);
    return len;
}

/* RFC 9293 counts windows in bytes and so do we; the true cost of slabs is what the stack's budget is charged. */
size_t rn_tcp_snd_room(const struct rn_tcp *conn)
{
    uint32_t lowat = rn_tcp_cold_get(conn)->notsent_lowat;
    uint32_t max = conn->snd.buf_max;
    uint32_t room;

    if (rn_stack_pressure(conn->sock.stack) == RN_PRESSURE_FULL)
        max = rn_min_u32(max, RN_TCP_LEAST_BYTES);
    room = conn->snd.queued < max ? max - conn->snd.queued : 0;
    return lowat == 0 ? room : rn_min_u32(room, rn_tcp_lowat_room(conn));
}

void rn_tcp_snd_clear(struct rn_tcp *conn)
{
    conn->snd.queued = 0;
    rn_tcp_flight_free(conn);
}
