#pragma once
/*
 * DNS messages (RFC 1035 §4): reading any message safely, and writing the few that we originate: queries, answers for
 * A, AAAA and PTR, errors, truncation. Deciding what to believe or to answer is the resolvers'.
 */
#include "base/view.h"
#include "base/writer.h"
#include "wire/dns_name.h"

#define RN_DNS_PORT         53u
#define RN_DNS_HDR_BYTES    12u
#define RN_DNS_UDP_MIN      512u  /* RFC 1035 §4.2.1: what every client takes */
#define RN_DNS_EDNS_PAYLOAD 1232u /* what we offer: fits IPv6's least MTU unfragmented */
#define RN_DNS_RECORDS_MAX  256u /* looked at in one message; the counts of the header are claims */
#define RN_DNS_TTL_MAX_S    0x7fffffffu /* RFC 2181 §8: above it means zero */

enum rn_dns_type {
    RN_DNS_A = 1,
    RN_DNS_NS = 2,
    RN_DNS_CNAME = 5,
    RN_DNS_SOA = 6,
    RN_DNS_PTR = 12,
    RN_DNS_MX = 15,
    RN_DNS_TXT = 16,
    RN_DNS_AAAA = 28, /* RFC 3596 */
    RN_DNS_SRV = 33,
    RN_DNS_OPT = 41, /* RFC 6891 */
    RN_DNS_SVCB = 64,
    RN_DNS_HTTPS = 65, /* RFC 9460 */
    RN_DNS_ANY = 255,
};

enum rn_dns_class { RN_DNS_IN = 1 };

enum rn_dns_rcode {
    RN_DNS_NOERROR = 0,
    RN_DNS_FORMERR = 1,
    RN_DNS_SERVFAIL = 2,
    RN_DNS_NXDOMAIN = 3,
    RN_DNS_NOTIMP = 4,
    RN_DNS_REFUSED = 5,
};

struct rn_dns_hdr {
    uint16_t id;
    uint8_t opcode; /* 0: query */
    uint8_t rcode;  /* enum rn_dns_rcode */
    bool is_response;
    bool is_authoritative;
    bool is_truncated;
    bool recursion_desired;
    bool recursion_available;
    bool is_authentic;      /* AD, RFC 4035 §3.2.3 */
    bool checking_disabled; /* CD */
    uint16_t n_questions;
    uint16_t n_answers;
    uint16_t n_authority;
    uint16_t n_additional;
};

struct rn_dns_question {
    struct rn_dns_name name;
    uint16_t type; /* enum rn_dns_type */
    uint16_t class;
};

enum rn_dns_section { RN_DNS_ANSWER, RN_DNS_AUTHORITY, RN_DNS_ADDITIONAL };

struct rn_dns_record {
    struct rn_dns_name name;
    uint16_t type; /* enum rn_dns_type */
    uint16_t class;
    uint32_t ttl_s;
    uint8_t section;     /* enum rn_dns_section */
    struct rn_view data; /* borrowed from the message; may hold compressed names */
};

/* Walks one message from front to back; borrows it. */
struct rn_dns_walk {
    struct rn_view msg;
    struct rn_reader r;
    uint16_t questions_left;
    uint16_t left[3]; /* records, by section */
    uint16_t n_records;
};

/* Reads the header and stands before the first question. Errors: MALFORMED. */
RN_MUST_USE int rn_dns_parse(struct rn_dns_hdr *ret, struct rn_dns_walk *ret_walk,
                             struct rn_view msg);
/* 1: the next question; 0: no more. Errors: MALFORMED. */
RN_MUST_USE int rn_dns_question_next(struct rn_dns_walk *walk, struct rn_dns_question *ret);
/* 1: the next record (questions left over are passed); 0: no more, or RN_DNS_RECORDS_MAX seen. Errors: MALFORMED. */
RN_MUST_USE int rn_dns_record_next(struct rn_dns_walk *walk, struct rn_dns_record *ret);

/* The address of an A or AAAA record. Errors: MALFORMED (other types, wrong size, a v4-mapped AAAA). */
RN_MUST_USE int rn_dns_record_addr(const struct rn_dns_record *record, struct rn_addr *ret);
/* The name in a CNAME, NS or PTR record of @msg. Errors: MALFORMED. */
RN_MUST_USE int rn_dns_record_name(const struct rn_dns_record *record, struct rn_view msg,
                                   struct rn_dns_name *ret);

struct rn_dns_edns {
    uint16_t payload_bytes; /* at least RN_DNS_UDP_MIN (RFC 6891 §6.2.3) */
    uint8_t version;
    uint8_t rcode_high; /* the upper eight bits of a twelve-bit rcode */
    bool dnssec_ok;
};

/* 1: the message has an OPT record; 0: none. Errors: MALFORMED (also for two of them, RFC 6891 §6.1.1). */
RN_MUST_USE int rn_dns_edns_find(struct rn_dns_edns *ret, struct rn_view msg);

/* What we answer. Zero means: no records, NOERROR. */
struct rn_dns_reply {
    const struct rn_dns_hdr *query;         /* id, opcode, RD and CD are taken from it */
    const struct rn_dns_question *question; /* NULL: none could be read */
    uint8_t rcode;                          /* enum rn_dns_rcode */
    bool is_authoritative;
    bool is_truncated; /* asks the client to come again by TCP (RFC 7766 §5) */
    bool has_edns;     /* the query had an OPT record: answer with one (RFC 6891 §6.1.1) */
    uint32_t ttl_s;
    const struct rn_addr *addrs; /* A or AAAA by their family; give those the question asks for */
    size_t n_addrs;
    const struct rn_dns_name *target; /* PTR, or NULL */
};

/* Returns the length. Records that do not fit in @cap are left out and TC is set. Errors: MSG_TOO_LONG (not even the
 * question fits). */
RN_MUST_USE int rn_dns_reply_emit(const struct rn_dns_reply *reply, uint8_t *out, size_t cap);
/* A recursive query with an OPT record. Returns the length. Errors: MSG_TOO_LONG. */
RN_MUST_USE int rn_dns_query_emit(uint16_t id, const struct rn_dns_question *question, uint8_t *out,
                                  size_t cap);
/* Any header, for those who write the rest themselves. */
void rn_dns_hdr_emit(const struct rn_dns_hdr *hdr, struct rn_writer *w);
