#pragma once
/* struct tcp_info with the fields that kernels newer than the headers at hand have behind it: their places are ABI. */
#include <linux/tcp.h>
#include <stdint.h>

enum {
    FACE_INFO_RECEIVED_CE = 248,     /* tcpi_received_ce, 4 bytes */
    FACE_INFO_DELIVERED_BYTES = 252, /* tcpi_delivered_e1_bytes, _e0_, _ce_ */
    FACE_INFO_RECEIVED_BYTES = 264,  /* tcpi_received_e1_bytes, _e0_, _ce_ */
    FACE_INFO_BYTES = 280
};

union face_info {
    struct tcp_info info;
    uint8_t bytes[FACE_INFO_BYTES];
};
