#include "io/driver.h"

#include <runnel/err.h>

static void wake(struct rn_watch *watch, unsigned ready)
{
    struct rn_driver *driver = rn_container_of(watch, struct rn_driver, watch);
    struct rn_device *dev = driver->pump->device;

    if (ready & RN_IO_WRITE)
        rn_device_ready(dev, RN_DEV_WRITABLE);
    /* Errors and hang-ups are learnt by reading. The descriptor is level-triggered: what this turn leaves unread wakes the next. */
    if (ready & ~(unsigned)RN_IO_WRITE)
        (void)rn_pump_read(driver->pump);
    if (dev->is_closed)
        rn_driver_stop(driver);
}

static void after_turn(struct rn_flush *flush)
{
    struct rn_driver *driver = rn_container_of(flush, struct rn_driver, flush);
    const struct rn_pump *pump = driver->pump;
    bool is_waiting = !pump->may_write || rn_device_is_holding(pump->device);
    bool is_enough = !is_waiting || pump->device->tells_writable;
    unsigned interest = is_enough ? RN_IO_READ : RN_IO_READ | RN_IO_WRITE;
    int err;

    /* It can fail only for want of kernel memory; then the next turn asks again. */
    err = rn_watch_set(&driver->watch, interest);
    (void)err;
}

int rn_driver_start(struct rn_driver *driver, struct rn_loop *loop, struct rn_pump *pump)
{
    struct rn_device *dev = pump->device;
    int fd = dev->ops->poll_fd != NULL ? dev->ops->poll_fd(dev) : -1;
    int err;

    if (fd < 0)
        return RN_E_BAD_NIC;
    *driver = (struct rn_driver){ .watch.fn = wake, .flush.fn = after_turn, .pump = pump };
    err = rn_loop_watch(loop, &driver->watch, fd, RN_IO_READ);
    if (err < 0)
        return err;
    rn_loop_flush(loop, &driver->flush);
    dev->is_level_driven = true;
    return RN_OK;
}

void rn_driver_stop(struct rn_driver *driver)
{
    if (driver->watch.loop != NULL)
        driver->pump->device->is_level_driven = false;
    rn_unwatch(&driver->watch);
    rn_loop_unflush(&driver->flush);
}
