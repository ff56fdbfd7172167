#pragma once
/* One line for any packet, in the manner of tcpdump, without time and newline. For -v, traces and failing tests. */
#include "base/text.h"
#include "base/view.h"

enum rn_print_link { RN_PRINT_RAW_IP = 0, RN_PRINT_ETHERNET = 1 };

/*
 * @pkt may be only the front of a packet: lengths are told as its headers claim them. Whatever the bytes are, the line
 * is printable ASCII; a part that cannot be read is shown as "[|name]".
 */
void rn_print_packet(struct rn_text *out, struct rn_view pkt, enum rn_print_link link);
