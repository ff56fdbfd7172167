#include "wire/icmp4.h"

#include "ip/icmp.h"
#include "ip/pmtu.h"

#include <runnel/err.h>

/* Nothing we act on. */
#define NO_KIND (-1)

static int kind_of_unreach(uint8_t code)
{
    switch (code) {
    case RN_ICMP4_NET:
    case RN_ICMP4_SRC_ROUTE:
    case RN_ICMP4_NET_UNKNOWN:
    case RN_ICMP4_NET_TOS:
        return RN_ICMP_NET_UNREACH;
    case RN_ICMP4_PROTO:
        return RN_ICMP_PROTO_UNREACH;
    case RN_ICMP4_PORT:
        return RN_ICMP_PORT_UNREACH;
    case RN_ICMP4_FRAG_NEEDED:
        return RN_ICMP_TOO_BIG;
    case RN_ICMP4_NET_PROHIBITED:
    case RN_ICMP4_HOST_PROHIBITED:
    case RN_ICMP4_ADMIN_PROHIBITED:
        return RN_ICMP_PROHIBITED;
    default:
        return RN_ICMP_HOST_UNREACH;
    }
}

static int kind_of(const struct rn_icmp4_hdr *hdr)
{
    switch (hdr->type) {
    case RN_ICMP4_UNREACH:
        return kind_of_unreach(hdr->code);
    case RN_ICMP4_TIME_EXCEEDED:
        return hdr->code == RN_ICMP4_REASSEMBLY ? RN_ICMP_REASS_TIME : RN_ICMP_TTL;
    case RN_ICMP4_PARAM_PROBLEM:
        return RN_ICMP_PARAM;
    default: /* source quench (RFC 6633) and redirects are not believed */
        return NO_KIND;
    }
}

static uint32_t told_mtu(const struct rn_icmp4_hdr *hdr, const struct rn_quote *q)
{
    return hdr->mtu != 0 ? hdr->mtu : rn_pmtu_plateau(q->total_len);
}

/* Consumes @pkt. */
static void on_error(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ip_in *ip,
                     const struct rn_icmp4_hdr *hdr)
{
    uint8_t buf[RN_ICMP4_ERROR_MAX_BYTES];
    struct rn_reader r = rn_reader_of(rn_icmp_front(pkt, buf, sizeof(buf)));
    int kind = kind_of(hdr);
    struct rn_quote q;
    struct rn_icmp_err err = {
        .type = hdr->type, .code = hdr->code, .offender = ip->src, .pointer = hdr->pointer
    };

    (void)rn_read_view(&r, RN_ICMP4_HDR_BYTES);
    if (rn_quote_parse4(&q, r.rest) < 0 || q.is_later_fragment) {
        nic->stack->stats.icmp_in_errors++;
        rn_pkt_drop(pkt, RN_DROP_ICMP_QUOTE);
        return;
    }
    if (kind != NO_KIND) {
        err.kind = (enum rn_icmp_kind)kind;
        err.mtu = kind == RN_ICMP_TOO_BIG ? told_mtu(hdr, &q) : 0;
        rn_icmp_tell(nic, &q, &err);
    }
    rn_pkt_free(pkt);
}

/* Consumes @pkt. */
static void on_echo(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ip_in *ip)
{
    const struct rn_echo_ops *echo = nic->stack->protos->echo;

    nic->stack->stats.icmp_in_echo++;
    if (ip->is_ours)
        rn_echo_answer(nic, pkt, ip, RN_ICMP4_ECHO_REPLY);
    else if (!ip->is_to_many && echo != NULL)
        echo->foreign_request(nic, pkt, ip);
    else
        rn_pkt_drop(pkt, RN_DROP_ECHO_REFUSED); /* RFC 1122 §3.2.2.6 allows silence to groups */
}

static void icmp4_input(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ip_in *ip)
{
    struct rn_stack *stack = nic->stack;
    struct rn_icmp4_hdr hdr;
    struct rn_view rest;

    stack->stats.icmp_in_msgs++;
    if (rn_icmp4_parse(&hdr, &rest, rn_pkt_front(pkt)) < 0 || !rn_addr_is_v4(ip->dst)) {
        stack->stats.icmp_in_errors++;
        rn_pkt_drop(pkt, RN_DROP_MALFORMED);
        return;
    }
    if (pkt->csum == RN_CSUM_NONE && rn_pkt_checksum(pkt, 0, pkt->len, 0) != 0xffff) {
        stack->stats.icmp_in_errors++;
        rn_pkt_drop(pkt, RN_DROP_BAD_CHECKSUM);
        return;
    }
    if (hdr.type == RN_ICMP4_ECHO) {
        on_echo(nic, pkt, ip);
    } else if (hdr.type == RN_ICMP4_ECHO_REPLY && stack->protos->echo != NULL) {
        stack->stats.icmp_in_echo_reply++;
        stack->protos->echo->reply(nic, pkt, ip);
    } else if (rn_icmp4_is_error(hdr.type)) {
        on_error(nic, pkt, ip, &hdr);
    } else {
        rn_pkt_drop(pkt, RN_DROP_UNKNOWN_ICMP);
    }
}

const struct rn_l4_ops rn_icmp4_ops = {
    .proto = RN_PROTO_ICMP4,
    .name = "icmp",
    .input = icmp4_input,
};
