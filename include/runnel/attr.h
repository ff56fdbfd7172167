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

/* A large buffer that is written before it is read: not zeroed, as the build asks of all others. */
#if defined(__has_attribute)
#if __has_attribute(uninitialized)
#define RN_UNSET __attribute__((uninitialized))
#endif
#endif
#if !defined(RN_UNSET)
#define RN_UNSET
#endif

/* Memory that lies on a free list of ours is hidden from a program under AddressSanitizer, so that a packet used after
 * it was freed is found as any freed memory would be. */
#if defined(__SANITIZE_ADDRESS__)
#define RN_HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RN_HAS_ASAN 1
#endif
#endif

#if defined(RN_HAS_ASAN)
void __asan_poison_memory_region(const volatile void *ptr, unsigned long bytes);
void __asan_unpoison_memory_region(const volatile void *ptr, unsigned long bytes);
#define RN_HIDE(ptr, bytes) __asan_poison_memory_region(ptr, bytes)
#define RN_SHOW(ptr, bytes) __asan_unpoison_memory_region(ptr, bytes)
#else
#define RN_HIDE(ptr, bytes) ((void)(ptr), (void)(bytes))
#define RN_SHOW(ptr, bytes) ((void)(ptr), (void)(bytes))
#endif
