#pragma once

// Which mutex protects what, in a form that clang checks (-Wthread-safety, an error in its builds
// and in clang-tidy). GCC knows none of it and sees nothing.
//
//     Mutex mutex_;
//     std::vector<Work> posted_ GUARDED_BY(mutex_);     // read and written with mutex_ held
//     [[nodiscard]] bool wants_one() const REQUIRES(mutex_);  // the caller holds it
//
// A member without GUARDED_BY beside a mutex belongs to one thread, is atomic or never changes. The
// mutex itself is Mutex of mta/base/mutex.h; std::mutex has no annotations.

#if defined(__clang__)
#define THREAD_ANNOTATION(x) __attribute__((x))
#else
#define THREAD_ANNOTATION(x)
#endif

#define CAPABILITY(x) THREAD_ANNOTATION(capability(x))
#define SCOPED_CAPABILITY THREAD_ANNOTATION(scoped_lockable)
#define GUARDED_BY(x) THREAD_ANNOTATION(guarded_by(x))
#define REQUIRES(...) THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) THREAD_ANNOTATION(try_acquire_capability(__VA_ARGS__))
#define RELEASE(...) THREAD_ANNOTATION(release_capability(__VA_ARGS__))
