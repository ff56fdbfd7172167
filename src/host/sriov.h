#pragma once
/* SR-IOV as sysfs tells it: which PCI device is a physical function, which a virtual one, and of whom. */
#include "base/view.h"

#include <runnel/attr.h>

enum rn_sriov_role {
    RN_SRIOV_IS_NONE,
    RN_SRIOV_IS_PF,
    RN_SRIOV_IS_VF,
};

#define RN_SRIOV_BUS_BYTES 32u

/* @devices_fd is /sys/bus/pci/devices, @bus "0000:00:03.0". Of a virtual function @ret_pf is its physical one's bus
 * address, else "". What is no PCI address has no role. */
enum rn_sriov_role rn_sriov_read(int devices_fd, const char *bus, char ret_pf[RN_SRIOV_BUS_BYTES]);
