#include "wire/print_transport.h"

#include "wire/dns.h"
#include "wire/icmp4.h"
#include "wire/icmp6.h"
#include "wire/ndp.h"
#include "wire/proto.h"
#include "wire/quote.h"
#include "wire/tcp.h"
#include "wire/tcp_opts.h"
#include "wire/udp.h"

#include <runnel/err.h>

void rn_print_length(struct rn_text *out, size_t len)
{
    rn_text_str(out, ", length ");
    rn_text_u64(out, len);
}

void rn_print_addrs(struct rn_text *out, const struct rn_print_flow *flow)
{
    rn_text_addr(out, flow->src);
    rn_text_str(out, " > ");
    rn_text_addr(out, flow->dst);
    rn_text_str(out, ": ");
}

void rn_print_proto(struct rn_text *out, uint8_t proto)
{
    switch (proto) {
    case RN_PROTO_TCP:
        rn_text_str(out, "tcp");
        break;
    case RN_PROTO_UDP:
        rn_text_str(out, "udp");
        break;
    case RN_PROTO_ICMP4:
        rn_text_str(out, "icmp");
        break;
    case RN_PROTO_ICMP6:
        rn_text_str(out, "icmp6");
        break;
    default:
        rn_text_str(out, "proto ");
        rn_text_u64(out, proto);
        break;
    }
}

/* tcpdump's "10.0.0.1.80". */
static void print_endpoint(struct rn_text *out, struct rn_addr addr, uint16_t port)
{
    rn_text_addr(out, addr);
    rn_text_char(out, '.');
    rn_text_u64(out, port);
}

static void print_ports(struct rn_text *out, const struct rn_print_flow *flow, uint16_t src_port,
                        uint16_t dst_port)
{
    print_endpoint(out, flow->src, src_port);
    rn_text_str(out, " > ");
    print_endpoint(out, flow->dst, dst_port);
    rn_text_str(out, ": ");
}

static void print_cut(struct rn_text *out, const struct rn_print_flow *flow, const char *name)
{
    rn_print_addrs(out, flow);
    rn_text_str(out, "[|");
    rn_text_str(out, name);
    rn_text_char(out, ']');
    rn_print_length(out, flow->len);
}

/* tcpdump's letters, in its order. */
static void print_tcp_flags(struct rn_text *out, uint16_t flags)
{
    static const char letters[] = "FSRP.UEWe";

    rn_text_str(out, "Flags [");
    if (flags == 0)
        rn_text_str(out, "none");
    for (unsigned bit = 0; bit < sizeof(letters) - 1; bit++) {
        if ((flags & 1u << bit) != 0)
            rn_text_char(out, letters[bit]);
    }
    rn_text_char(out, ']');
}

/* Writes ", options [" before the first item and "," before the others. */
static void next_item(struct rn_text *out, unsigned *n_items)
{
    rn_text_str(out, *n_items == 0 ? ", options [" : ",");
    (*n_items)++;
}

static void print_sack(struct rn_text *out, const struct rn_tcp_opts *opts)
{
    rn_text_str(out, "sack ");
    rn_text_u64(out, opts->n_sack);
    for (unsigned i = 0; i < opts->n_sack; i++) {
        rn_text_str(out, " {");
        rn_text_u64(out, opts->sack[i].from.v);
        rn_text_char(out, ':');
        rn_text_u64(out, opts->sack[i].to.v);
        rn_text_char(out, '}');
    }
}

static void print_ts(struct rn_text *out, const struct rn_tcp_opts *opts)
{
    rn_text_str(out, "TS val ");
    rn_text_u64(out, opts->ts_val);
    rn_text_str(out, " ecr ");
    rn_text_u64(out, opts->ts_ecr);
}

static void print_fastopen(struct rn_text *out, const struct rn_tcp_opts *opts)
{
    rn_text_str(out, "tfo ");
    if (opts->cookie_len == 0)
        rn_text_str(out, "cookiereq");
    else
        rn_text_hexdump(out, rn_view_of(opts->cookie, opts->cookie_len));
}

/* RFC 9768 §3.2.3. */
static void print_accecn(struct rn_text *out, const struct rn_tcp_opts *opts)
{
    static const char *const names[2][RN_TCP_ACCECN_MAX] = { { " e0b ", " ceb ", " e1b " },
                                                             { " e1b ", " ceb ", " e0b " } };

    rn_text_str(out, "ECN");
    for (unsigned i = 0; i < opts->n_accecn; i++) {
        rn_text_str(out, names[opts->accecn_order][i]);
        rn_text_u64(out, opts->accecn[i]);
    }
}

static void print_tcp_options(struct rn_text *out, struct rn_view bytes)
{
    struct rn_tcp_opts opts;
    bool is_sound = rn_tcp_opts_parse(&opts, bytes);
    unsigned n_items = 0;

    if (opts.has_mss) {
        next_item(out, &n_items);
        rn_text_str(out, "mss ");
        rn_text_u64(out, opts.mss);
    }
    if (opts.sack_ok) {
        next_item(out, &n_items);
        rn_text_str(out, "sackOK");
    }
    if (opts.has_ts) {
        next_item(out, &n_items);
        print_ts(out, &opts);
    }
    if (opts.has_wscale) {
        next_item(out, &n_items);
        rn_text_str(out, "wscale ");
        rn_text_u64(out, opts.wscale);
    }
    if (opts.n_sack != 0) {
        next_item(out, &n_items);
        print_sack(out, &opts);
    }
    if (opts.has_fastopen) {
        next_item(out, &n_items);
        print_fastopen(out, &opts);
    }
    if (opts.has_accecn) {
        next_item(out, &n_items);
        print_accecn(out, &opts);
    }
    if (!is_sound) {
        next_item(out, &n_items);
        rn_text_str(out, "[bad opt]");
    }
    if (n_items != 0)
        rn_text_char(out, ']');
}

static void print_tcp(struct rn_text *out, const struct rn_print_flow *flow)
{
    struct rn_tcp_hdr tcp;
    size_t data_len;

    if (rn_tcp_parse(&tcp, flow->bytes, flow->len) < 0) {
        print_cut(out, flow, "tcp");
        return;
    }
    data_len = flow->len - tcp.hdr_len;
    print_ports(out, flow, tcp.src_port, tcp.dst_port);
    print_tcp_flags(out, tcp.flags);
    if (data_len != 0 || (tcp.flags & (RN_TCP_SYN | RN_TCP_FIN | RN_TCP_RST)) != 0) {
        rn_text_str(out, ", seq ");
        rn_text_u64(out, tcp.seq.v);
    }
    if (data_len != 0) {
        rn_text_char(out, ':');
        rn_text_u64(out, rn_seq_add(tcp.seq, rn_sat_u32(data_len)).v);
    }
    if ((tcp.flags & RN_TCP_ACK) != 0) {
        rn_text_str(out, ", ack ");
        rn_text_u64(out, tcp.ack.v);
    }
    rn_text_str(out, ", win ");
    rn_text_u64(out, tcp.window);
    if ((tcp.flags & RN_TCP_URG) != 0) {
        rn_text_str(out, ", urg ");
        rn_text_u64(out, tcp.urgent);
    }
    print_tcp_options(out, rn_tcp_options(flow->bytes, &tcp));
    rn_print_length(out, data_len);
}

static void print_dns_type(struct rn_text *out, uint16_t type)
{
    switch (type) {
    case RN_DNS_A:
        rn_text_str(out, "A");
        break;
    case RN_DNS_AAAA:
        rn_text_str(out, "AAAA");
        break;
    case RN_DNS_PTR:
        rn_text_str(out, "PTR");
        break;
    case RN_DNS_CNAME:
        rn_text_str(out, "CNAME");
        break;
    case RN_DNS_HTTPS:
        rn_text_str(out, "HTTPS");
        break;
    default:
        rn_text_str(out, "type");
        rn_text_u64(out, type);
        break;
    }
}

/* ", 4711+ A? example.com" or ", 4711 rcode 0, answers 2 A? example.com"; nothing if it is no DNS message. */
static void print_dns(struct rn_text *out, struct rn_view bytes)
{
    struct rn_dns_hdr dns;
    struct rn_dns_walk walk;
    struct rn_dns_question question;
    int found;

    if (rn_dns_parse(&dns, &walk, bytes) < 0)
        return;
    found = rn_dns_question_next(&walk, &question);
    if (found < 0)
        return;

    rn_text_str(out, ", ");
    rn_text_u64(out, dns.id);
    if (dns.recursion_desired && !dns.is_response)
        rn_text_char(out, '+');
    if (dns.is_response) {
        rn_text_str(out, dns.is_truncated ? "| rcode " : " rcode ");
        rn_text_u64(out, dns.rcode);
        rn_text_str(out, ", answers ");
        rn_text_u64(out, dns.n_answers);
    }
    if (found > 0) {
        rn_text_char(out, ' ');
        print_dns_type(out, question.type);
        rn_text_str(out, "? ");
        rn_dns_name_print(out, &question.name);
    }
}

static void print_udp(struct rn_text *out, const struct rn_print_flow *flow)
{
    struct rn_udp_hdr udp;
    struct rn_reader r = rn_reader_of(flow->bytes);

    if (rn_udp_parse(&udp, flow->bytes, flow->len) < 0) {
        print_cut(out, flow, "udp");
        return;
    }
    (void)rn_read_view(&r, RN_UDP_HDR_BYTES);
    print_ports(out, flow, udp.src_port, udp.dst_port);
    rn_text_str(out, "UDP");
    if (udp.src_port == RN_DNS_PORT || udp.dst_port == RN_DNS_PORT)
        print_dns(out, r.rest);
    rn_print_length(out, udp.len_bytes - (size_t)RN_UDP_HDR_BYTES);
}

static void print_echo(struct rn_text *out, const char *what, uint16_t id, uint16_t seq)
{
    rn_text_str(out, what);
    rn_text_str(out, ", id ");
    rn_text_u64(out, id);
    rn_text_str(out, ", seq ");
    rn_text_u64(out, seq);
}

static void print_type_code(struct rn_text *out, uint8_t type, uint8_t code)
{
    rn_text_str(out, "type ");
    rn_text_u64(out, type);
    rn_text_str(out, ", code ");
    rn_text_u64(out, code);
}

/* " for udp 10.0.0.1.1000 > 10.0.0.2.53". */
static void print_quote(struct rn_text *out, const struct rn_quote *quote)
{
    struct rn_print_flow flow = { .src = quote->src, .dst = quote->dst, .proto = quote->proto };
    bool has_ports = quote->proto == RN_PROTO_TCP || quote->proto == RN_PROTO_UDP;

    rn_text_str(out, " for ");
    rn_print_proto(out, flow.proto);
    rn_text_char(out, ' ');
    if (!quote->has_transport || !has_ports) {
        rn_text_addr(out, flow.src);
        rn_text_str(out, " > ");
        rn_text_addr(out, flow.dst);
        return;
    }
    print_endpoint(out, flow.src, quote->src_port);
    rn_text_str(out, " > ");
    print_endpoint(out, flow.dst, quote->dst_port);
}

static const char *icmp4_unreach_text(uint8_t code)
{
    static const char *const texts[] = {
        [RN_ICMP4_NET] = "net unreachable",
        [RN_ICMP4_HOST] = "host unreachable",
        [RN_ICMP4_PROTO] = "protocol unreachable",
        [RN_ICMP4_PORT] = "port unreachable",
        [RN_ICMP4_FRAG_NEEDED] = "need to frag",
        [RN_ICMP4_SRC_ROUTE] = "source route failed",
        [RN_ICMP4_NET_UNKNOWN] = "net unknown",
        [RN_ICMP4_HOST_UNKNOWN] = "host unknown",
        [RN_ICMP4_HOST_ISOLATED] = "host isolated",
        [RN_ICMP4_NET_PROHIBITED] = "net prohibited",
        [RN_ICMP4_HOST_PROHIBITED] = "host prohibited",
        [RN_ICMP4_NET_TOS] = "net unreachable for tos",
        [RN_ICMP4_HOST_TOS] = "host unreachable for tos",
        [RN_ICMP4_ADMIN_PROHIBITED] = "admin prohibited",
    };

    return code < RN_ARRAY_LEN(texts) ? texts[code] : "unreachable";
}

static void print_icmp4_error(struct rn_text *out, const struct rn_icmp4_hdr *icmp)
{
    switch (icmp->type) {
    case RN_ICMP4_UNREACH:
        rn_text_str(out, icmp4_unreach_text(icmp->code));
        if (icmp->code == RN_ICMP4_FRAG_NEEDED) {
            rn_text_str(out, " (mtu ");
            rn_text_u64(out, icmp->mtu);
            rn_text_char(out, ')');
        }
        break;
    case RN_ICMP4_TIME_EXCEEDED:
        rn_text_str(out, icmp->code == RN_ICMP4_REASSEMBLY ? "reassembly time exceeded"
                                                           : "time exceeded in-transit");
        break;
    case RN_ICMP4_REDIRECT:
        rn_text_str(out, "redirect to ");
        rn_text_addr(out, icmp->gateway);
        break;
    case RN_ICMP4_PARAM_PROBLEM:
        rn_text_str(out, "parameter problem at ");
        rn_text_u64(out, icmp->pointer);
        break;
    default:
        print_type_code(out, icmp->type, icmp->code);
        break;
    }
}

static void print_icmp4(struct rn_text *out, const struct rn_print_flow *flow)
{
    struct rn_icmp4_hdr icmp;
    struct rn_view payload;
    struct rn_quote quote;

    if (rn_icmp4_parse(&icmp, &payload, flow->bytes) < 0) {
        print_cut(out, flow, "icmp");
        return;
    }
    rn_print_addrs(out, flow);
    rn_text_str(out, "ICMP ");
    if (icmp.type == RN_ICMP4_ECHO)
        print_echo(out, "echo request", icmp.id, icmp.seq);
    else if (icmp.type == RN_ICMP4_ECHO_REPLY)
        print_echo(out, "echo reply", icmp.id, icmp.seq);
    else
        print_icmp4_error(out, &icmp);
    if (rn_icmp4_is_error(icmp.type) && rn_quote_parse4(&quote, payload) == RN_OK)
        print_quote(out, &quote);
    rn_print_length(out, flow->len);
}

static void print_ndp(struct rn_text *out, uint8_t type, struct rn_view msg)
{
    struct rn_view options;
    struct rn_ndp_ns ns;
    struct rn_ndp_na na;

    if (type == RN_ICMP6_ROUTER_SOLICIT) {
        rn_text_str(out, "router solicitation");
    } else if (type == RN_ICMP6_ROUTER_ADVERT) {
        rn_text_str(out, "router advertisement");
    } else if (type == RN_ICMP6_REDIRECT) {
        rn_text_str(out, "redirect");
    } else if (type == RN_ICMP6_NEIGH_SOLICIT && rn_ndp_ns_parse(&ns, &options, msg) == RN_OK) {
        rn_text_str(out, "neighbor solicitation, who has ");
        rn_text_addr(out, ns.target);
    } else if (type == RN_ICMP6_NEIGH_ADVERT && rn_ndp_na_parse(&na, &options, msg) == RN_OK) {
        rn_text_str(out, "neighbor advertisement, tgt is ");
        rn_text_addr(out, na.target);
    } else {
        rn_text_str(out, "[|ndp]");
    }
}

static const char *icmp6_unreach_text(uint8_t code)
{
    static const char *const texts[] = {
        [RN_ICMP6_NO_ROUTE] = "no route",
        [RN_ICMP6_ADMIN_PROHIBITED] = "admin prohibited",
        [RN_ICMP6_BEYOND_SCOPE] = "beyond scope of source",
        [RN_ICMP6_ADDR] = "address unreachable",
        [RN_ICMP6_PORT] = "port unreachable",
        [RN_ICMP6_POLICY] = "source failed policy",
        [RN_ICMP6_REJECT_ROUTE] = "reject route",
    };

    return code < RN_ARRAY_LEN(texts) ? texts[code] : "unreachable";
}

static void print_icmp6_body(struct rn_text *out, const struct rn_icmp6_hdr *icmp,
                             struct rn_view msg)
{
    switch (icmp->type) {
    case RN_ICMP6_ECHO:
        print_echo(out, "echo request", icmp->id, icmp->seq);
        break;
    case RN_ICMP6_ECHO_REPLY:
        print_echo(out, "echo reply", icmp->id, icmp->seq);
        break;
    case RN_ICMP6_UNREACH:
        rn_text_str(out, icmp6_unreach_text(icmp->code));
        break;
    case RN_ICMP6_TOO_BIG:
        rn_text_str(out, "packet too big (mtu ");
        rn_text_u64(out, icmp->mtu);
        rn_text_char(out, ')');
        break;
    case RN_ICMP6_TIME_EXCEEDED:
        rn_text_str(out, icmp->code == RN_ICMP6_REASSEMBLY ? "reassembly time exceeded"
                                                           : "time exceeded in-transit");
        break;
    case RN_ICMP6_PARAM_PROBLEM:
        rn_text_str(out, "parameter problem at ");
        rn_text_u64(out, icmp->pointer);
        break;
    case RN_ICMP6_ROUTER_SOLICIT:
    case RN_ICMP6_ROUTER_ADVERT:
    case RN_ICMP6_NEIGH_SOLICIT:
    case RN_ICMP6_NEIGH_ADVERT:
    case RN_ICMP6_REDIRECT:
        print_ndp(out, icmp->type, msg);
        break;
    default:
        print_type_code(out, icmp->type, icmp->code);
        break;
    }
}

static void print_icmp6(struct rn_text *out, const struct rn_print_flow *flow)
{
    struct rn_icmp6_hdr icmp;
    struct rn_view payload;
    struct rn_quote quote;

    if (rn_icmp6_parse(&icmp, &payload, flow->bytes) < 0) {
        print_cut(out, flow, "icmp6");
        return;
    }
    rn_print_addrs(out, flow);
    rn_text_str(out, "ICMP6, ");
    print_icmp6_body(out, &icmp, flow->bytes);
    if (rn_icmp6_is_error(icmp.type) && rn_quote_parse6(&quote, payload) == RN_OK)
        print_quote(out, &quote);
    rn_print_length(out, flow->len);
}

void rn_print_transport(struct rn_text *out, const struct rn_print_flow *flow)
{
    switch (flow->proto) {
    case RN_PROTO_TCP:
        print_tcp(out, flow);
        break;
    case RN_PROTO_UDP:
        print_udp(out, flow);
        break;
    case RN_PROTO_ICMP4:
        print_icmp4(out, flow);
        break;
    case RN_PROTO_ICMP6:
        print_icmp6(out, flow);
        break;
    default:
        rn_print_addrs(out, flow);
        rn_print_proto(out, flow->proto);
        rn_print_length(out, flow->len);
        break;
    }
}
