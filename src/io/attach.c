/* What a program outside of the library does by hand with pump and driver inside of it. */
#include "io/driver.h"

#include <runnel/device.h>
#include <runnel/err.h>
#include <runnel/nic.h>

struct rn_attachment {
    struct rn_driver driver;
    struct rn_alloc alloc;
};

int rn_nic_attach(struct rn_attachment **ret, struct rn_nic *nic, struct rn_loop *loop)
{
    struct rn_attachment *attachment;
    int err = nic->pump == NULL ? rn_nic_start(nic) : RN_OK;

    if (err < 0)
        return err;
    attachment = rn_alloc_new(&loop->alloc, sizeof(*attachment));
    if (attachment == NULL)
        return RN_E_NOMEM;
    attachment->alloc = loop->alloc;
    err = rn_driver_start(&attachment->driver, loop, nic->pump);
    if (err < 0) {
        rn_nic_detach(attachment);
        return err;
    }
    *ret = attachment;
    return RN_OK;
}

struct rn_attachment *rn_nic_detach(struct rn_attachment *attachment)
{
    struct rn_alloc alloc;

    if (attachment == NULL)
        return NULL;
    alloc = attachment->alloc;
    rn_driver_stop(&attachment->driver);
    rn_alloc_free(&alloc, attachment, sizeof(*attachment));
    return NULL;
}
