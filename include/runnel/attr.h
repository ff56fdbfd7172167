#pragma once
/* Attributes used by every header: what the compiler can check of a contract. */

#if defined(__GNUC__) || defined(__clang__)
#define RN_MUST_USE     __attribute__((warn_unused_result))
#define RN_NONNULL      __attribute__((nonnull))
#define RN_PRINTF(a, b) __attribute__((format(printf, a, b)))
#define RN_PURE         __attribute__((pure))
#define RN_COLD         __attribute__((cold, noinline))
#define RN_PUBLIC       __attribute__((visibility("default")))
#define RN_LIKELY(x)    __builtin_expect(!!(x), 1)
#define RN_UNLIKELY(x)  __builtin_expect(!!(x), 0)
#else
#define RN_MUST_USE
#define RN_NONNULL
#define RN_PRINTF(a, b)
#define RN_PURE
#define RN_COLD
#define RN_PUBLIC
#define RN_LIKELY(x)   (x)
#define RN_UNLIKELY(x) (x)
#endif
