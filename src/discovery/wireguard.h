#pragma once
/* WireGuard interfaces over generic netlink: what goes into the stream, and what is made of it. Pure. */
#include "discovery/model_link.h"

/* Overwrites with zeros the private and preshared keys in @datagram, an answer to WG_CMD_GET_DEVICE. */
void rn_wireguard_scrub(uint8_t *datagram, size_t len);

/* "AbCdEfGh…": enough to tell one from another. */
char *rn_wireguard_key_short(const uint8_t key[RN_WG_KEY_BYTES], char buf[16]);
/* As wg(8) shows it: base64, 44 letters. */
char *rn_wireguard_key_text(const uint8_t key[RN_WG_KEY_BYTES], char buf[48]);
