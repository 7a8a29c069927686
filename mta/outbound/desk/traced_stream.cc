#include "mta/outbound/desk/traced_stream.h"

#include <utility>

namespace mta::outbound {

void TracedStream::start(Handlers handlers) {
    handlers.on_read = [this, next = std::move(handlers.on_read)](std::string_view bytes) mutable {
        if (tap_ != nullptr) tap_->received(now_(), bytes);
        next(bytes);
    };
    below().start(std::move(handlers));
}

void TracedStream::write(std::string bytes) {
    if (tap_ != nullptr) tap_->sent(now_(), bytes);
    below().write(std::move(bytes));
}

}  // namespace mta::outbound
