/* What a program outside of the library does by hand with pump and driver inside of it. */
#include "io/driver.h"

#include <runnel/device.h>
#include <runnel/err.h>

struct rn_attachment {
    struct rn_pump pump;
    struct rn_driver driver;
    struct rn_alloc alloc;
};

static int start(struct rn_attachment *attachment, struct rn_loop *loop)
{
    const struct rn_device *dev = attachment->pump.device;

    if (dev->ops->poll_fd == NULL || dev->ops->poll_fd(dev) < 0)
        return RN_OK;
    return loop != NULL ? rn_driver_start(&attachment->driver, loop, &attachment->pump)
                        : RN_E_BAD_NIC;
}

int rn_nic_attach(struct rn_attachment **ret, struct rn_nic *nic, struct rn_loop *loop)
{
    const struct rn_alloc *alloc = rn_turn_alloc(nic->device->turn);
    struct rn_attachment *attachment = rn_alloc_new(alloc, sizeof(*attachment));
    int err;

    if (attachment == NULL)
        return RN_E_NOMEM;
    attachment->alloc = *alloc;
    rn_pump_init(&attachment->pump, nic);
    err = start(attachment, loop);
    if (err < 0) {
        rn_nic_detach(attachment);
        return err;
    }
    *ret = attachment;
    return RN_OK;
}

struct rn_attachment *rn_nic_detach(struct rn_attachment *attachment)
{
    if (attachment == NULL)
        return NULL;
    rn_driver_stop(&attachment->driver);
    rn_pump_fini(&attachment->pump);
    rn_alloc_free(&attachment->alloc, attachment, sizeof(*attachment));
    return NULL;
}
