#pragma once
#include <functional>
#include <memory>
#include <string>

#include "mta/base/time.h"
#include "mta/io/stream_decorator.h"
#include "mta/outbound/desk/tracing.h"

namespace mta::outbound {

// The stream of a connection whose dialogue is watched: shows the bytes of both directions to a
// tap, and passes them on. It is put on top of the connection's stream when a watcher asks for one
// of its transactions, which may be in the middle of the session.
class TracedStream final : public io::StreamDecorator {
public:
    using Now = std::function<Instant()>;

    TracedStream(std::unique_ptr<io::ByteStream> below, Now now)
        : StreamDecorator(std::move(below)), now_(std::move(now)) {}

    // `tap` must outlive the stream, or be replaced; null without a watcher.
    void set_tap(TraceTap* tap) { tap_ = tap; }

    void start(Handlers handlers) override;
    void write(std::string bytes) override;

private:
    Now now_;
    TraceTap* tap_ = nullptr;
};

}  // namespace mta::outbound
