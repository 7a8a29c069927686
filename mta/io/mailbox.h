#pragma once
#include <functional>
#include <vector>

#include "mta/base/mutex.h"
#include "mta/io/loop.h"

namespace mta::io {

// The only way into a loop from another thread. post() may be called from any thread while the
// mailbox lives; the work runs on the loop's thread, in the order of posting. Many posts between
// two turns cost one wake-up. Work that is still in it at destruction is destroyed without running.
class Mailbox {
public:
    using Work = std::move_only_function<void()>;

    explicit Mailbox(Loop& loop);
    Mailbox(const Mailbox&) = delete;
    Mailbox& operator=(const Mailbox&) = delete;
    ~Mailbox() = default;

    void post(Work work);

private:
    void deliver();

    Mutex mutex_;
    std::vector<Work> posted_ GUARDED_BY(mutex_);
    std::vector<Work> delivering_;  // the loop's
    UvHandle<uv_async_t> async_;
};

}  // namespace mta::io
