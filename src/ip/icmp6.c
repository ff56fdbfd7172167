#include "wire/icmp6.h"

#include "base/checksum.h"
#include "ip/icmp.h"
#include "ip/nd.h"

#include <runnel/err.h>

#define NO_KIND (-1)

static int kind_of(const struct rn_icmp6_hdr *hdr)
{
    switch (hdr->type) {
    case RN_ICMP6_UNREACH:
        if (hdr->code == RN_ICMP6_PORT)
            return RN_ICMP_PORT_UNREACH;
        if (hdr->code == RN_ICMP6_ADMIN_PROHIBITED || hdr->code == RN_ICMP6_POLICY)
            return RN_ICMP_PROHIBITED;
        return hdr->code == RN_ICMP6_ADDR ? RN_ICMP_HOST_UNREACH : RN_ICMP_NET_UNREACH;
    case RN_ICMP6_TOO_BIG:
        return RN_ICMP_TOO_BIG;
    case RN_ICMP6_TIME_EXCEEDED:
        return hdr->code == RN_ICMP6_REASSEMBLY ? RN_ICMP_REASS_TIME : RN_ICMP_TTL;
    case RN_ICMP6_PARAM_PROBLEM:
        return hdr->code == RN_ICMP6_PARAM_NEXT_HEADER ? RN_ICMP_PROTO_UNREACH : RN_ICMP_PARAM;
    default:
        return NO_KIND;
    }
}

/* Consumes @pkt. */
static void on_error(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ip_in *ip,
                     const struct rn_icmp6_hdr *hdr)
{
    uint8_t buf[RN_ICMP6_ERROR_MAX_BYTES];
    struct rn_reader r = rn_reader_of(rn_icmp_front(pkt, buf, sizeof(buf)));
    int kind = kind_of(hdr);
    struct rn_quote q;
    struct rn_icmp_err err = { .type = hdr->type,
                               .code = hdr->code,
                               .offender = ip->src,
                               .mtu = hdr->mtu,
                               .pointer = hdr->pointer };

    (void)rn_read_view(&r, RN_ICMP6_HDR_BYTES);
    if (rn_quote_parse6(&q, r.rest) < 0 || q.is_later_fragment) {
        nic->stack->stats.icmp_in_errors++;
        rn_pkt_drop(pkt, RN_DROP_ICMP_QUOTE);
        return;
    }
    if (kind != NO_KIND) {
        err.kind = (enum rn_icmp_kind)kind;
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
        rn_echo_answer(nic, pkt, ip, RN_ICMP6_ECHO_REPLY);
    else if (!ip->is_to_many && echo != NULL)
        echo->foreign_request(nic, pkt, ip);
    else
        rn_pkt_drop(pkt, RN_DROP_ECHO_REFUSED);
}

static bool is_neighbour_discovery(uint8_t type)
{
    return type >= RN_ICMP6_ROUTER_SOLICIT && type <= RN_ICMP6_REDIRECT;
}

static bool checksum_ok(const struct rn_pkt *pkt, const struct rn_ip_in *ip)
{
    uint16_t pseudo;

    if (pkt->csum != RN_CSUM_NONE)
        return true;
    pseudo = rn_checksum_pseudo(ip->src, ip->dst, RN_PROTO_ICMP6, pkt->len);
    return rn_pkt_checksum(pkt, 0, pkt->len, pseudo) == 0xffff;
}

static void icmp6_input(struct rn_nic *nic, struct rn_pkt *pkt, const struct rn_ip_in *ip)
{
    struct rn_stack *stack = nic->stack;
    struct rn_icmp6_hdr hdr;
    struct rn_view rest;

    stack->stats.icmp_in_msgs++;
    if (rn_icmp6_parse(&hdr, &rest, rn_pkt_front(pkt)) < 0 || rn_addr_is_v4(ip->dst)) {
        stack->stats.icmp_in_errors++;
        rn_pkt_drop(pkt, RN_DROP_MALFORMED);
        return;
    }
    if (!checksum_ok(pkt, ip)) {
        stack->stats.icmp_in_errors++;
        rn_pkt_drop(pkt, RN_DROP_BAD_CHECKSUM);
        return;
    }
    if (hdr.type == RN_ICMP6_ECHO) {
        on_echo(nic, pkt, ip);
    } else if (hdr.type == RN_ICMP6_ECHO_REPLY && stack->protos->echo != NULL) {
        stack->stats.icmp_in_echo_reply++;
        stack->protos->echo->reply(nic, pkt, ip);
    } else if (is_neighbour_discovery(hdr.type)) {
        rn_nd_input(nic, pkt, ip, hdr.type);
    } else if (rn_icmp6_is_error(hdr.type)) {
        on_error(nic, pkt, ip, &hdr);
    } else {
        rn_pkt_drop(pkt, RN_DROP_UNKNOWN_ICMP);
    }
}

const struct rn_l4_ops rn_icmp6_ops = {
    .proto = RN_PROTO_ICMP6,
    .name = "icmp6",
    .input = icmp6_input,
};
