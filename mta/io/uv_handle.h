#pragma once
#include <memory>
#include <utility>

#include <uv.h>

namespace mta::io {

// Owns one libuv handle. libuv still writes to a handle until its close callback has run, so the
// memory is freed there and not in the destructor.
template <class Handle>
struct UvCloser {
    void operator()(Handle* handle) const {
        handle->data = nullptr;  // callbacks that come before the close find no owner
        uv_close(reinterpret_cast<uv_handle_t*>(handle),
                 [](uv_handle_t* closed) { delete reinterpret_cast<Handle*>(closed); });
    }
};
template <class Handle>
using UvHandle = std::unique_ptr<Handle, UvCloser<Handle>>;

// `init` must be the libuv init call. If it fails there is nothing to close, and null is returned.
template <class Handle, class Init>
[[nodiscard]] UvHandle<Handle> make_uv_handle(Init init) {
    auto raw = std::make_unique<Handle>();
    if (init(raw.get()) != 0) return nullptr;
    raw->data = nullptr;
    return UvHandle<Handle>(raw.release());
}

}  // namespace mta::io
