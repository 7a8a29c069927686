#include "mta/io/mailbox.h"

#include <utility>

#include "mta/base/assert.h"

namespace mta::io {

Mailbox::Mailbox(Loop& loop)
    : async_(make_uv_handle<uv_async_t>([&](uv_async_t* async) {
          return uv_async_init(loop.raw(), async, [](uv_async_t* handle) {
              if (handle->data != nullptr) static_cast<Mailbox*>(handle->data)->deliver();
          });
      })) {
    MTA_ASSERT(async_);
    async_->data = this;
}

void Mailbox::post(Work work) {
    {
        const MutexLock lock(mutex_);
        posted_.push_back(std::move(work));
        if (posted_.size() > 1) return;  // the first post has woken the loop
    }
    uv_async_send(async_.get());
}

void Mailbox::deliver() {
    {
        const MutexLock lock(mutex_);
        delivering_.swap(posted_);
    }
    for (auto& work : delivering_) work();
    delivering_.clear();
}

}  // namespace mta::io
