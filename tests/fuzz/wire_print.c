/* Any bytes make a printable line. The first byte chooses the link type. */
#include "wire/print.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char buf[512];
    struct rn_text line = rn_text_of(buf, sizeof buf);

    if (size == 0)
        return 0;
    rn_print_packet(&line, rn_view_of(data + 1, size - 1),
                    data[0] == 1 ? RN_PRINT_ETHERNET : RN_PRINT_RAW_IP);
    if (line.len == 0)
        abort();
    for (size_t i = 0; i < line.len; i++) {
        if (buf[i] < ' ' || buf[i] > '~')
            abort();
    }
    return 0;
}
