/* Driver and speed of hardware by ethtool's ioctl: netlink has no words for the driver's name. */
#include "discovery/read_netns.h"

#include "host/sriov.h"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int ethtool(int fd, const char *name, void *request)
{
    struct ifreq ifr = { 0 };

    memcpy(ifr.ifr_name, name, rn_min_size(strlen(name), sizeof(ifr.ifr_name) - 1));
    ifr.ifr_data = request;
    return ioctl(fd, SIOCETHTOOL, &ifr);
}

/* ETHTOOL_GLINKSETTINGS needs a handshake about the length of link-mode masks; the older call still answers speed. */
static void read_speed(int fd, const char *name, uint32_t *ret_speed, uint8_t *ret_duplex)
{
    struct ethtool_cmd cmd = { .cmd = ETHTOOL_GSET };

    *ret_speed = UINT32_MAX;
    *ret_duplex = UINT8_MAX;
    if (ethtool(fd, name, &cmd) < 0)
        return;
    *ret_speed = (uint32_t)cmd.speed_hi << 16 |
                 cmd.speed; /* the header's own helper shifts a signed number */
    *ret_duplex = cmd.duplex;
}

static void tell_sriov(struct rn_dump_writer *out, const char *bus)
{
    int devices = open("/sys/bus/pci/devices", O_PATH | O_DIRECTORY | O_CLOEXEC);
    char pf[RN_SRIOV_BUS_BYTES] = "";
    enum rn_sriov_role role = RN_SRIOV_IS_NONE;

    if (devices >= 0) {
        role = rn_sriov_read(devices, bus, pf);
        close(devices);
    }
    rn_dump_u8(out, (uint8_t)role);
    rn_dump_str(out, pf);
}

void rn_visit_driver(struct rn_visit *v, uint32_t ifindex, const char *name)
{
    struct rn_dump_writer *out = &v->b->out;
    struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
    uint32_t speed;
    uint8_t duplex;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return;
    if (ethtool(fd, name, &info) == 0) {
        read_speed(fd, name, &speed, &duplex);
        rn_dump_begin(out, RN_DUMP_DRIVER, 0);
        rn_dump_u32(out, ifindex);
        rn_dump_text(out, rn_view_of(&info, sizeof(info)));
        rn_dump_u32(out, speed);
        rn_dump_u8(out, duplex);
        info.bus_info[sizeof(info.bus_info) - 1] = '\0';
        tell_sriov(out, info.bus_info);
        rn_dump_end(out);
    }
    close(fd);
}
