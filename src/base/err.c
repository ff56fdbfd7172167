#include <runnel/err.h>

#include <errno.h>

static int is_host(int err)
{
    return err < -RN_ERR_HOST_BASE;
}

const char *rn_err_text(int err)
{
    if (err >= 0)
        return "success";
    if (is_host(err))
        return "host error";
    switch (err) {
#define X(name, value, posix, text)                                                                \
    case value:                                                                                    \
        return text;
        RN_ERR_MAP(X)
#undef X
    default:
        return "unknown error";
    }
}

const char *rn_err_name(int err)
{
    if (err >= 0)
        return "OK";
    if (is_host(err))
        return "HOST";
    switch (err) {
#define X(name, value, posix, text)                                                                \
    case value:                                                                                    \
        return #name;
        RN_ERR_MAP(X)
#undef X
    default:
        return "UNKNOWN";
    }
}

int rn_err_to_errno(int err)
{
    if (err >= 0)
        return 0;
    if (is_host(err))
        return -(err + RN_ERR_HOST_BASE);
    switch (err) {
#define X(name, value, posix, text)                                                                \
    case value:                                                                                    \
        return posix;
        RN_ERR_MAP(X)
#undef X
    default:
        return EIO;
    }
}
