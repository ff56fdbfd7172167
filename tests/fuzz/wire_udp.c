/* The UDP header: same bytes again; its length never exceeds the datagram. */
#include "wire/udp.h"
#include <runnel/err.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rn_udp_hdr hdr;
    uint8_t out[RN_UDP_HDR_BYTES];

    if (rn_udp_parse(&hdr, rn_view_of(data, size), size) < 0)
        return 0;
    rn_udp_emit(&hdr, out);
    if (memcmp(out, data, sizeof out) != 0 || hdr.len_bytes > size || hdr.len_bytes < sizeof out)
        abort();
    return 0;
}
