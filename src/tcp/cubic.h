#pragma once
/* CUBIC's arithmetic (RFC 9438) as pure functions: times in ms, windows in bytes. */
#include <stdint.h>

/* K of §4.2: how long until the window is @w_max again, from @cwnd; ms. */
uint32_t rn_cubic_k_ms(uint32_t w_max, uint32_t cwnd, uint32_t mss);
/* W_cubic(t) of eqn. 1; never negative. */
uint32_t rn_cubic_window(uint32_t w_max, uint32_t k_ms, int64_t t_ms, uint32_t mss);
/* floor of the cube root */
uint32_t rn_cubic_root(uint64_t v);
