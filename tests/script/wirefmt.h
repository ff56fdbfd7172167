#pragma once
/*
 * Packets as bytes and as text. Written apart from src/wire on purpose: what the stack sends is judged by a second reader
 * of the RFCs, not by its own parsers.
 */
#include "script.h"

#include <stdio.h>

/* The names of one connection's ends on the wire. */
struct flow_names {
    bool is_v6;
    uint8_t local[16]; /* IPv4: the first four */
    uint8_t remote[16];
    uint16_t local_port;
    uint16_t remote_port;
};

#define WIRE_BYTES_MAX 65535

/* Writes @pkt (inbound, all numbers as on the wire) with data of wire_data(). @quoted: the connection an ICMP error is
 * about. Returns the length. */
size_t wire_emit(const struct packet *pkt, const struct flow_names *names, uint8_t *out);
/* Reads a packet that the stack sent; numbers as on the wire. @ret_data: where its payload starts. NULL if it is right,
 * else what is wrong with it (checksums included). */
const char *wire_parse(const uint8_t *bytes, size_t len, struct packet *ret,
                       struct flow_names *ret_names, const uint8_t **ret_data);
/* One line as a script has it, without time. */
void wire_print(FILE *to, const struct packet *pkt);
/* The byte of a stream at @offset: both sides of every script send this. */
static inline uint8_t wire_data(uint64_t offset)
{
    return (uint8_t)(offset * 7 + (offset >> 8));
}
