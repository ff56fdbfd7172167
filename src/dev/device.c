#include "dev/device.h"

struct rn_device *rn_device_free(struct rn_device *device)
{
    if (device != NULL)
        device->ops->destroy(device);
    return NULL;
}

void rn_device_close(struct rn_device *device)
{
    device->ops->close(device);
}

void rn_device_get_info(const struct rn_device *device, struct rn_device_info *ret)
{
    *ret = (struct rn_device_info){ .kind = device->ops->kind,
                                    .link_type = device->link_type,
                                    .mtu = device->mtu,
                                    .caps = device->caps,
                                    .mac = device->mac,
                                    .fd = -1,
                                    .is_closed = device->is_closed };
    memcpy(ret->name, device->name, sizeof(ret->name));
    if (device->ops->poll_fd != NULL)
        ret->fd = device->ops->poll_fd(device);
    for (unsigned i = 0; i < RN_DROP_COUNT; i++)
        ret->dropped += device->drops.n[i];
}
