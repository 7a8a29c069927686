#pragma once
#include <memory>
#include <string>
#include <utility>

#include "mta/io/byte_stream.h"

namespace mta::io {

// A stream on top of another one, which it owns: it passes everything on as it is. A subclass
// overrides start() and write() to see or to change the bytes.
//
// It may be put on top of a stream whose session is under way (ByteStream::start()):
//
//     stream = std::make_unique<TracedStream>(std::move(stream), tap, now);
//     stream->start(handlers());
class StreamDecorator : public ByteStream {
public:
    explicit StreamDecorator(std::unique_ptr<ByteStream> below) : below_(std::move(below)) {}

    void start(Handlers handlers) override { below_->start(std::move(handlers)); }
    void write(std::string bytes) override { below_->write(std::move(bytes)); }
    [[nodiscard]] std::size_t backlog_bytes() const override { return below_->backlog_bytes(); }
    void pause_reading() override { below_->pause_reading(); }
    void resume_reading() override { below_->resume_reading(); }
    void finish() override { below_->finish(); }
    void abort() override { below_->abort(); }
    [[nodiscard]] Endpoint local() const override { return below_->local(); }
    [[nodiscard]] Endpoint remote() const override { return below_->remote(); }

protected:
    [[nodiscard]] ByteStream& below() { return *below_; }

private:
    std::unique_ptr<ByteStream> below_;
};

}  // namespace mta::io
