#pragma once
/*
 * Which filters a frame meets on its way along a wire: of devices (netdev, inet ingress), of bridges, and of IP where
 * br_netfilter shows it what crosses a bridge. In the order of the kernel: br_forward.c, br_input.c, br_netfilter_hooks.c,
 * net/core/dev.c.
 */
#include "discovery/ask_filter.h"
#include "discovery/ask_wire.h"

#define RN_FRAME_HOOKS_MAX 8u

/* Those that a frame of IPv4 or IPv6 meets at the step number @at; of each packet .netns, .layer, .hook, .iif, .oif and .is_tagged are set. Of IP they are
 * in .iif and .oif the bridge. Returns their number. */
size_t rn_frame_hooks(const struct rn_wire_trail *trail, size_t at, bool is_v4,
                      struct rn_filter_packet ret[RN_FRAME_HOOKS_MAX]);
