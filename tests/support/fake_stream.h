// A connection whose far end is in the test's hand.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mta/io/byte_stream.h"

namespace mta {

// The far end. It outlives the stream that the tested part owns.
struct FakePeer {
    std::string heard;  // all that was written to the stream
    bool is_paused = false;
    bool is_finished = false;
    bool is_gone = false;  // aborted or destroyed
    std::size_t backlog_bytes = 0;
    // Those that count are the last; those that were replaced stay, since one of them may be
    // running.
    std::vector<std::unique_ptr<io::ByteStream::Handlers>> handlers;

    void say(std::string_view bytes) {
        if (!is_finished && !is_gone) handlers.back()->on_read(bytes);
    }
    void drain() { handlers.back()->on_drained(); }
    void end_input() { handlers.back()->on_input_end(); }
    void hang_up(std::string_view reason = {}) { handlers.back()->on_closed(reason); }
    std::string take_heard() { return std::exchange(heard, {}); }
};

class FakeStream final : public io::ByteStream {
public:
    FakeStream(FakePeer& peer, Endpoint remote) : peer_(peer), remote_(remote) {}
    ~FakeStream() override { peer_.is_gone = true; }

    void start(Handlers handlers) override {
        peer_.handlers.push_back(std::make_unique<Handlers>(std::move(handlers)));
    }
    void write(std::string bytes) override { peer_.heard += bytes; }
    [[nodiscard]] std::size_t backlog_bytes() const override { return peer_.backlog_bytes; }
    void pause_reading() override { peer_.is_paused = true; }
    void resume_reading() override { peer_.is_paused = false; }
    void finish() override { peer_.is_finished = true; }
    void abort() override { peer_.is_gone = true; }
    [[nodiscard]] Endpoint local() const override { return {IpAddress{}, 25}; }
    [[nodiscard]] Endpoint remote() const override { return remote_; }

private:
    FakePeer& peer_;
    Endpoint remote_;
};

}  // namespace mta
