#include "outnet/dns_exchange.h"

void rn_dns_exchange_stop(struct rn_dns_exchange *ex)
{
    rn_net_dial_cancel(&ex->dial);
    if (ex->conn != NULL)
        ex->conn->ops->close(ex->conn);
    rn_buf_unref(ex->in);
    ex->conn = NULL;
    ex->in = NULL;
}

static void finish(struct rn_dns_exchange *ex, int err)
{
    struct rn_buf *in = ex->in;
    struct rn_net_span answer = { 0 };

    ex->in = NULL; /* outlives the exchange: done may start another one, or free it */
    if (err >= 0)
        answer =
            (struct rn_net_span){ in->data + RN_DNS_LENGTH_BYTES, ex->got - RN_DNS_LENGTH_BYTES };
    rn_dns_exchange_stop(ex);
    ex->done(ex, err, answer);
    rn_buf_unref(in);
}

/* --- question ----------------------------------------------------------------------------------------------- */
static unsigned unsent(const struct rn_dns_exchange *ex, struct rn_slice slices[2])
{
    uint32_t of_query =
        ex->sent > RN_DNS_LENGTH_BYTES ? ex->sent - (uint32_t)RN_DNS_LENGTH_BYTES : 0;
    unsigned n = 0;

    if (ex->sent < RN_DNS_LENGTH_BYTES)
        slices[n++] =
            (struct rn_slice){ ex->length + ex->sent, RN_DNS_LENGTH_BYTES - (size_t)ex->sent };
    if (of_query < ex->query.len)
        slices[n++] = (struct rn_slice){ ex->query.ptr + of_query, ex->query.len - of_query };
    return n;
}

/* Returns 0 when all is sent or the rest has to wait. */
static int send_question(struct rn_dns_exchange *ex)
{
    struct rn_slice slices[2];
    unsigned n;

    while ((n = unsent(ex, slices)) != 0) {
        int64_t sent = ex->conn->ops->writev(ex->conn, slices, n);

        if (sent == RN_E_WOULD_BLOCK)
            return RN_OK;
        if (sent < 0)
            return (int)sent;
        ex->sent += (uint32_t)sent;
    }
    return RN_OK;
}

/* --- answer ------------------------------------------------------------------------------------------------- */
/* How many bytes are wanted in all, as far as that is known. */
static uint32_t wanted(const struct rn_dns_exchange *ex)
{
    if (ex->got < RN_DNS_LENGTH_BYTES)
        return RN_DNS_LENGTH_BYTES;
    return (uint32_t)RN_DNS_LENGTH_BYTES + rn_get_be16(ex->in->data);
}

/* Returns 1 when the answer is whole, 0 when more is to come. */
static int read_answer(struct rn_dns_exchange *ex)
{
    if (ex->in == NULL)
        ex->in = rn_buf_new(ex->turn->pool, RN_BUF_BIG);
    if (ex->in == NULL)
        return RN_E_NOMEM;
    for (;;) {
        struct rn_net_span room = { ex->in->data + ex->got, wanted(ex) - ex->got };
        int64_t got = ex->conn->ops->readv(ex->conn, &room, 1);

        if (got == RN_E_WOULD_BLOCK)
            return 0;
        if (got <= 0)
            return got < 0 ? (int)got : RN_E_ABORTED;
        ex->got += (uint32_t)got;
        if (ex->got == wanted(ex))
            return ex->got > RN_DNS_LENGTH_BYTES ? 1 : RN_E_MALFORMED;
    }
}

static void on_event(struct rn_net_conn *conn, unsigned events)
{
    struct rn_dns_exchange *ex = conn->owner;
    int err = send_question(ex);

    if (err >= 0 && events & (RN_READABLE | RN_PEER_SHUT | RN_ERROR | RN_HANGUP))
        err = read_answer(ex);
    if (err != 0)
        finish(ex, err < 0 ? err : RN_OK);
}

static void on_dialled(struct rn_net_dial *dial, int err, struct rn_net_conn *conn)
{
    struct rn_dns_exchange *ex = rn_container_of(dial, struct rn_dns_exchange, dial);

    if (err < 0) {
        finish(ex, err);
        return;
    }
    ex->conn = conn;
    conn->owner = ex;
    conn->on_event = on_event;
    on_event(conn, RN_READABLE | RN_WRITABLE);
}

int rn_dns_exchange_start(struct rn_dns_exchange *ex, struct rn_net *net,
                          const struct rn_endpoint *server, struct rn_view query)
{
    ex->dial = (struct rn_net_dial){ .to = *server, .done = on_dialled };
    ex->turn = net->turn;
    ex->query = query;
    ex->sent = 0;
    ex->got = 0;
    rn_put_be16(ex->length, rn_sat_u16(query.len));
    return rn_net_dial_start(net, &ex->dial);
}
