#include "io/entropy.h"

#include <runnel/err.h>

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>

int rn_entropy(void *out, size_t len)
{
    uint8_t *at = out;

    while (len > 0) {
        ssize_t n = getrandom(at, len, 0); /* syscalls: getrandom */

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rn_err_from_errno(errno);
        at += n;
        len -= (size_t)n;
    }
    return RN_OK;
}
