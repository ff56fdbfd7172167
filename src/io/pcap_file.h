#pragma once
/* Captures to a descriptor, rn_pcap_out of <runnel/wrap.h>. */
#include "dev/sniffer.h"
#include "io/loop.h"
