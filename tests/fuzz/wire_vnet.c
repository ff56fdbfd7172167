/* The virtio header in both its lengths: same bytes again, and never a GSO packet without a usable size. */
#include "wire/vnet.h"
#include <runnel/err.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct rn_view bytes)
{
    struct rn_vnet_hdr hdr;
    uint8_t out[RN_VNET_HDR_MRG_BYTES];

    if (rn_vnet_parse(&hdr, bytes) < 0)
        return;
    if (hdr.gso != RN_VNET_GSO_NONE &&
        (hdr.gso_size == 0 || hdr.gso_size == RN_VNET_GSO_SIZE_FORBIDDEN))
        abort();
    rn_vnet_emit(&hdr, out, bytes.len);
    if (memcmp(out, bytes.ptr, bytes.len) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(rn_view_of(data, size));
    if (size > RN_VNET_HDR_BYTES)
        check(rn_view_of(data, RN_VNET_HDR_BYTES));
    return 0;
}
