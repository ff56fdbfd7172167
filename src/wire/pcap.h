#pragma once
/*
 * The old capture file format (draft-ietf-opsawg-pcap): one link type, one header per record. All is little endian; files
 * of the other byte order are NOT_SUPPORTED. Files themselves are io/pcap_file.c's.
 */
#include "base/view.h"
#include "base/writer.h"

enum rn_pcap_link {
    RN_PCAP_LINK_ETHERNET = 1,
    RN_PCAP_LINK_RAW = 101, /* IPv4 or IPv6, told apart by the version */
};

#define RN_PCAP_SNAP_MAX 262144u

#define RN_PCAP_FILE_BYTES   24u
#define RN_PCAP_RECORD_BYTES 16u

struct rn_pcap_file {
    uint32_t snap_len;
    uint16_t link; /* enum rn_pcap_link */
    bool is_ns;    /* nanoseconds; else microseconds */
};

struct rn_pcap_record {
    int64_t time_ns;
    uint32_t captured; /* bytes that follow */
    uint32_t original; /* bytes there were */
};

/* Errors: MALFORMED, NOT_SUPPORTED. */
RN_MUST_USE int rn_pcap_file_parse(struct rn_pcap_file *ret, struct rn_reader *r);
void rn_pcap_file_emit(const struct rn_pcap_file *file, struct rn_writer *w);
/* 1: @ret and its bytes; 0: end. Errors: MALFORMED (cut short, over RN_PCAP_SNAP_MAX). */
RN_MUST_USE int rn_pcap_record_next(struct rn_pcap_record *ret, struct rn_view *ret_bytes,
                                    const struct rn_pcap_file *file, struct rn_reader *r);
/* The header; the captured bytes follow by the caller. */
void rn_pcap_record_emit(const struct rn_pcap_record *record, const struct rn_pcap_file *file,
                         struct rn_writer *w);
