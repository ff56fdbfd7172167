#pragma once
/* WireGuard interfaces over generic netlink: what goes into the stream, and what is made of it. Pure. */
#include "base/view.h"

/* Overwrites with zeros the private and preshared keys in @datagram, an answer to WG_CMD_GET_DEVICE. */
void rn_wireguard_scrub(uint8_t *datagram, size_t len);
