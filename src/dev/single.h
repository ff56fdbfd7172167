#pragma once
/* Packets of a device one by one, as bytes (<runnel/memory.h>): the seed's I/O adapter. */
#include "dev/device.h"

#include <runnel/memory.h>

struct rn_single {
    struct rn_device *dev; /* borrows */
    struct rn_pktq in;     /* the rest of the last batch, as wire packets */
    void (*on_event)(void *arg, unsigned events);
    void *arg;
};
