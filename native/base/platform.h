#pragma once

// VITRINE_TSAN: built under ThreadSanitizer, which knows neither fences nor vector loads that
// race by design; such places then go word by word through atomics.
#if defined(__SANITIZE_THREAD__)
#define VITRINE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define VITRINE_TSAN 1
#endif
#endif
#ifndef VITRINE_TSAN
#define VITRINE_TSAN 0
#endif
