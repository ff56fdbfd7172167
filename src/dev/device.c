#include "dev/device.h"

struct rn_device *rn_device_free(struct rn_device *device)
{
    if (device != NULL)
        device->ops->destroy(device);
    return NULL;
}
