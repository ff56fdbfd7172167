#include "tcp/accecn.h"

#include <runnel/err.h>

/*
 * Agreeing on ECN, by three flags of SYN and SYN+ACK. RFC 3168 §6.1.1 asks with (CWR, ECE) and grants with ECE; RFC 9768
 * §3.1 asks with (AE, CWR, ECE) and grants with a number that tells how the SYN arrived. Whoever asks for the latter from
 * a host that knows only the former gets the former.
 */

#define ACE_SHIFT 6u /* ECE, CWR and AE are neighbours: a number of three bits */
#define ACE_MASK  7u

#define ASKS_CLASSIC   3u
#define ASKS_ACCURATE  7u
#define GRANTS_CLASSIC 1u

/* §3.1.4.1, §3.2.3.2.2: SYNs and SYN+ACKs that speak of it, before some middlebox is suspected to drop them for that. */
#define TRIES 2u

static unsigned ace_of(uint16_t flags)
{
    return flags >> ACE_SHIFT & ACE_MASK;
}

static uint16_t flags_of(unsigned ace)
{
    return (uint16_t)(ace << ACE_SHIFT);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static struct rn_tcp_accecn *need(struct rn_tcp *conn)
{
    struct rn_tcp_cold *cold = rn_tcp_cold_of(conn);

    if (cold != NULL && cold->accecn == NULL)
        cold->accecn = rn_alloc_new(conn->sock.stack->alloc, sizeof(*cold->accecn));
    return cold != NULL ? cold->accecn : NULL;
}

void rn_tcp_accecn_free(struct rn_tcp *conn)
{
    if (conn->cold == NULL || conn->cold->accecn == NULL)
        return;
    rn_alloc_free(conn->sock.stack->alloc, conn->cold->accecn, sizeof(*conn->cold->accecn));
    conn->cold->accecn = NULL;
    conn->cc.ecn &= (uint8_t)~RN_TCP_ECN_ACCURATE;
}

/* --- what is asked for ------------------------------------------------------------------------------------------- */

uint16_t rn_tcp_ecn_wish(uint8_t choice, uint16_t flags)
{
    unsigned ace = ace_of(flags);

    if (ace == 0 || (choice & RN_TCP_ECN_REFUSED) != 0)
        return 0;
    if (ace == ASKS_CLASSIC)
        return flags_of(ASKS_CLASSIC);
    /* §3.1.3: what nobody sends yet is taken as asking for what we know best. */
    if ((choice & RN_TCP_ECN_ACCURATE_IN) != 0)
        return flags_of(ASKS_ACCURATE);
    return ace == ASKS_ACCURATE ? flags_of(ASKS_CLASSIC) : 0;
}

int rn_tcp_ecn_prepare(struct rn_tcp *conn)
{
    if ((conn->cc.ecn & RN_TCP_ECN_ACCURATE_OUT) != 0 && need(conn) == NULL)
        return RN_E_NOMEM;
    return RN_OK;
}

/* RFC 3168 §6.1.1.1: a SYN that had to be repeated asks for less. */
static uint16_t ask(const struct rn_tcp *conn)
{
    if ((conn->cc.ecn & RN_TCP_ECN_ACCURATE_OUT) != 0)
        return conn->syn_retries < TRIES ? flags_of(ASKS_ACCURATE) : 0;
    return (conn->cc.ecn & RN_TCP_ECN_WANTED) != 0 && conn->syn_retries == 0
               ? flags_of(ASKS_CLASSIC)
               : 0;
}

/* --- what is granted ---------------------------------------------------------------------------------------------- */

/* Tables 2 and 3: how a SYN or SYN+ACK arrived. */
static unsigned reflection_of(unsigned ect)
{
    static const uint8_t codes[RN_TCP_ECT_COUNT] = { 2, 3, 4, 6 };

    return codes[ect & 3u];
}

bool rn_tcp_ecn_is_answered(unsigned retries)
{
    return retries < TRIES;
}

uint16_t rn_tcp_ecn_answer(const struct rn_tcp_syn *syn, unsigned retries)
{
    unsigned asked = ace_of(syn->flags);

    if (asked == ASKS_ACCURATE)
        return retries < TRIES ? flags_of(reflection_of(syn->tos)) : 0;
    return asked == ASKS_CLASSIC ? flags_of(GRANTS_CLASSIC) : 0;
}

uint16_t rn_tcp_ecn_syn_flags(struct rn_tcp *conn)
{
    if (conn->state == RN_TCP_SYN_SENT)
        return ask(conn);
    if (!rn_tcp_is_accurate(conn))
        return (conn->cc.ecn & RN_TCP_ECN_ON) != 0 ? flags_of(GRANTS_CLASSIC) : 0;
    if (conn->syn_retries < TRIES)
        return flags_of(reflection_of(rn_tcp_accecn_of(conn)->syn_ect));
    conn->cc.ecn &= (uint8_t)~RN_TCP_ECN_ON; /* §3.1.5: the peer may take it for a refusal */
    return 0;
}

/* --- what was agreed on ------------------------------------------------------------------------------------------- */

static void begin(struct rn_tcp *conn)
{
    struct rn_tcp_accecn *accecn = rn_tcp_accecn_of(conn);

    *accecn = (struct rn_tcp_accecn){ .seen = { [RN_TCP_ECT_0] = 1, [RN_TCP_ECT_1] = 1 } };
    conn->cc.ecn |= RN_TCP_ECN_ACCURATE | RN_TCP_ECN_ON;
}

int rn_tcp_ecn_on_syn(struct rn_tcp *conn, const struct rn_tcp_syn *syn)
{
    unsigned asked = ace_of(rn_tcp_ecn_wish(conn->cc.ecn, syn->flags));

    if (asked != ASKS_ACCURATE) {
        rn_tcp_accecn_free(conn);
        conn->cc.ecn |= asked == ASKS_CLASSIC ? RN_TCP_ECN_ON : 0;
        return RN_OK;
    }
    if (need(conn) == NULL)
        return RN_E_NOMEM;
    begin(conn);
    rn_tcp_accecn_of(conn)->syn_ect = syn->tos & 3u;
    if (syn->is_ect_unsafe)
        conn->cc.ecn &= (uint8_t)~RN_TCP_ECN_ON;
    return RN_OK;
}

/* §3.1.5: the latest one is reflected; the mode stays, but a peer who now asks for none may know of none. */
bool rn_tcp_ecn_on_syn_again(struct rn_tcp *conn, const struct rn_tcp_seg *seg)
{
    unsigned ace = ace_of(seg->flags);

    if (!rn_tcp_is_accurate(conn))
        return (conn->cc.ecn & RN_TCP_ECN_ON) == 0 || ace != ASKS_ACCURATE ||
               (conn->cc.ecn & RN_TCP_ECN_ACCURATE_IN) == 0;
    if (ace == ASKS_CLASSIC)
        return false;
    if (ace == 0)
        conn->cc.ecn &= (uint8_t)~RN_TCP_ECN_ON;
    rn_tcp_accecn_of(conn)->syn_ect = seg->tos & 3u;
    return true;
}

/* §3.2.2.3: we send SYN and SYN+ACK without ECT, so whoever got another field had it from a broken router, which may
 * make CE of ECT as well as ECT of CE. Marks are answered all the same. */
static void take_reflection(struct rn_tcp *conn, unsigned ace)
{
    if (ace == reflection_of(RN_TCP_ECT_1) || ace == reflection_of(RN_TCP_ECT_0) ||
        ace == reflection_of(RN_TCP_CE))
        conn->cc.ecn &= (uint8_t)~RN_TCP_ECN_ON;
    rn_tcp_accecn_of(conn)->is_syn_marked = ace == reflection_of(RN_TCP_CE);
}

static void take_first_option(struct rn_tcp_accecn *accecn, const struct rn_tcp_seg *seg)
{
    const struct rn_tcp_opts *opts = &seg->opts;

    if (!seg->has_opts || !opts->has_accecn)
        return;
    accecn->has_seen_option = true;
    for (unsigned i = 0; i < opts->n_accecn; i++) {
        unsigned ect = rn_tcp_accecn_field(opts->accecn_order, i);

        /* §3.2.3.2.4: never 0 to begin with, whatever else it is. */
        accecn->is_option_bad |= ect != RN_TCP_CE && opts->accecn[i] == 0;
        accecn->seen[ect] = opts->accecn[i];
    }
}

/* Table 2. §3.1.3: (AE, ECE) is kept for the future and grants it. */
void rn_tcp_ecn_on_syn_ack(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    unsigned ace = ace_of(seg->flags);
    bool is_classic = ace == GRANTS_CLASSIC;

    seg->has_no_ace = true;
    if ((conn->cc.ecn & RN_TCP_ECN_ACCURATE_OUT) == 0)
        is_classic = (seg->flags & RN_TCP_ECE) != 0 && (seg->flags & RN_TCP_CWR) == 0;
    else if (ace > GRANTS_CLASSIC && ace != ASKS_ACCURATE) {
        begin(conn);
        take_reflection(conn, ace);
        take_first_option(rn_tcp_accecn_of(conn), seg);
        rn_tcp_accecn_of(conn)->received_ce = (seg->tos & 3u) == RN_TCP_CE;
        rn_tcp_accecn_of(conn)->owes_option = true;
        return;
    }
    rn_tcp_accecn_free(conn);
    if ((conn->cc.ecn & RN_TCP_ECN_WANTED) != 0 && is_classic)
        conn->cc.ecn |= RN_TCP_ECN_ON;
}

/* Table 4. Only a bare ACK reflects; what came with data counts already (§3.2.2.1). */
void rn_tcp_ecn_on_third_ack(struct rn_tcp *conn, struct rn_tcp_seg *seg)
{
    unsigned ace = ace_of(seg->flags);
    bool is_bare = seg->data_len == 0 && (seg->flags & RN_TCP_FIN) == 0 && seg->opts.n_sack == 0;
    struct rn_tcp_accecn *accecn;

    if (!rn_tcp_is_accurate(conn) || seg->has_no_ace || !is_bare)
        return;
    accecn = rn_tcp_accecn_of(conn);
    seg->has_no_ace = true;
    accecn->has_seen_ace = true;
    take_first_option(accecn, seg);
    take_reflection(conn, ace);
    accecn->delivered_ce = accecn->is_syn_marked;
    accecn->opt_ce = accecn->delivered_ce;
    if (ace == 0) {
        accecn->is_deaf = true;
        conn->cc.ecn &= (uint8_t)~RN_TCP_ECN_ON;
    }
}
