#pragma once
/*
 * pcapng (draft-ietf-opsawg-pcapng): of its blocks those that a capture of ours consists of: section header, interfaces
 * with names and nanosecond clocks, packets with direction and comment, interface statistics as a note. All is little
 * endian; sections of the other byte order are NOT_SUPPORTED. Files themselves are io/pcap_file.c's.
 */
#include "wire/pcap.h"

enum rn_pcapng_type {
    RN_PCAPNG_SECTION = 0x0a0d0d0a,
    RN_PCAPNG_INTERFACE = 1,
    RN_PCAPNG_STATS = 5,
    RN_PCAPNG_PACKET = 6,
};

#define RN_PCAPNG_TEXT_MAX 1024u /* bytes kept of a name or comment */
/* Room that surely holds any one block emitted here, packet bytes apart. */
#define RN_PCAPNG_BLOCK_MAX_BYTES 1200u
/* What the caller must write between head and tail is padded to this by the tail. */
#define RN_PCAPNG_ALIGN 4u

enum rn_pcapng_direction { RN_PCAPNG_UNKNOWN = 0, RN_PCAPNG_IN = 1, RN_PCAPNG_OUT = 2 };

struct rn_pcapng_block {
    uint32_t type; /* enum rn_pcapng_type, or one to pass over */
    struct rn_view body;
};

struct rn_pcapng_interface {
    struct rn_view name; /* borrowed; empty: none */
    uint32_t snap_len;   /* 0: no limit */
    uint16_t link;       /* enum rn_pcap_link */
    uint8_t
        ts_digits; /* decimal digits of a second; only 9 is written, 6 is the format's default */
};

struct rn_pcapng_packet {
    int64_t time_ns;
    uint32_t interface; /* index in order of interface blocks */
    uint32_t captured;
    uint32_t original;
    uint8_t direction;      /* enum rn_pcapng_direction */
    struct rn_view comment; /* borrowed; empty: none */
};

/* 1: @ret is the next block; 0: end. Errors: MALFORMED; NOT_SUPPORTED for a big-endian section. */
RN_MUST_USE int rn_pcapng_next(struct rn_pcapng_block *ret, struct rn_reader *r);
/* Errors: MALFORMED; NOT_SUPPORTED for a clock that is not of 6 or 9 digits. */
RN_MUST_USE int rn_pcapng_interface_parse(struct rn_pcapng_interface *ret, struct rn_view body);
/* @ts_digits is that of the packet's interface. Errors: MALFORMED. */
RN_MUST_USE int rn_pcapng_packet_parse(struct rn_pcapng_packet *ret, struct rn_view *ret_bytes,
                                       struct rn_view body, uint8_t ts_digits);

/* Ask @w for overflow after each. @app is "name version" of the writing program. */
void rn_pcapng_section_emit(struct rn_view app, struct rn_writer *w);
/* Always writes a clock of 9 digits. */
void rn_pcapng_interface_emit(const struct rn_pcapng_interface *interface, struct rn_writer *w);
/* A packet is head, then exactly .captured bytes by the caller, then tail (with the same @packet). */
void rn_pcapng_packet_head_emit(const struct rn_pcapng_packet *packet, struct rn_writer *w);
void rn_pcapng_packet_tail_emit(const struct rn_pcapng_packet *packet, struct rn_writer *w);
/* A remark at a time, bound to an interface and not to a packet: a statistics block that holds only a comment. */
void rn_pcapng_note_emit(uint32_t interface, int64_t time_ns, struct rn_view text,
                         struct rn_writer *w);
