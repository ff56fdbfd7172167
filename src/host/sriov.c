#include "host/sriov.h"

#include "base/text.h"

#include <fcntl.h>
#include <unistd.h>

/* The bus address comes from a driver: nothing that could climb out of the directory may pass. */
static bool is_pci_address(const char *bus)
{
    size_t n = strspn(bus, "0123456789abcdefABCDEF:.");

    return n != 0 && bus[n] == '\0' && strchr(bus, ':') != NULL && strstr(bus, "..") == NULL;
}

static void keep_last_part(const char *path, size_t len, char ret[RN_SRIOV_BUS_BYTES])
{
    const char *slash = memrchr(path, '/', len);
    const char *last = slash != NULL ? slash + 1 : path;
    struct rn_text t = rn_text_of(ret, RN_SRIOV_BUS_BYTES);

    rn_text_strn(&t, last, len - (size_t)(last - path));
}

enum rn_sriov_role rn_sriov_read(int devices_fd, const char *bus, char ret_pf[RN_SRIOV_BUS_BYTES])
{
    char path[64];
    char target[256];
    struct rn_text t = rn_text_of(path, sizeof(path));
    ssize_t n;

    ret_pf[0] = '\0';
    if (!is_pci_address(bus))
        return RN_SRIOV_IS_NONE;
    rn_text_str(&t, bus);
    rn_text_str(&t, "/physfn");
    n = readlinkat(devices_fd, path, target, sizeof(target));
    if (n > 0) {
        keep_last_part(target, (size_t)n, ret_pf);
        return RN_SRIOV_IS_VF;
    }
    t = rn_text_of(path, sizeof(path));
    rn_text_str(&t, bus);
    rn_text_str(&t, "/sriov_numvfs");
    return faccessat(devices_fd, path, F_OK, 0) == 0 ? RN_SRIOV_IS_PF : RN_SRIOV_IS_NONE;
}
