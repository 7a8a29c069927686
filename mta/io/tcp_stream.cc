#include "mta/io/tcp_stream.h"

#include <unistd.h>

#include <array>
#include <optional>
#include <vector>

#include "mta/base/assert.h"
#include "mta/base/limits.h"
#include "mta/io/socket_address.h"
#include "mta/io/timer.h"

namespace mta::io {

// The connection itself. It outlives its stream while it lingers; the loop's work and its own
// callbacks share it.
class TcpStream::Connection : public std::enable_shared_from_this<Connection> {
public:
    Connection(Loop& loop, UvHandle<uv_tcp_t> handle, std::optional<Endpoint> remote = {})
        : loop_(loop),
          handle_(std::move(handle)),
          local_(name_of(uv_tcp_getsockname)),
          remote_(remote ? *remote : name_of(uv_tcp_getpeername)) {
        handle_->data = this;
        uv_tcp_nodelay(handle_.get(), 1);
    }

    void start(Handlers handlers) {
        if (is_started_) return replace(std::move(handlers));
        MTA_ASSERT(handle_);
        handlers_ = std::make_unique<Handlers>(std::move(handlers));
        is_started_ = true;
        resume_reading();
    }

    void write(std::string bytes) {
        if (!handle_ || bytes.empty() || is_finishing_) return;
        pending_bytes_ += bytes.size();
        if (pending_bytes_ >= limits::stream_backlog_bytes_max) had_backlog_ = true;
        pending_.push_back(std::move(bytes));
        if (is_flush_due_) return;
        is_flush_due_ = true;
        loop_.at_turn_end([self = shared_from_this()] {
            self->is_flush_due_ = false;
            self->flush();
        });
    }

    [[nodiscard]] std::size_t backlog_bytes() const {
        return handle_ ? pending_bytes_ + uv_stream_get_write_queue_size(stream()) : 0;
    }

    void pause_reading() {
        if (handle_) uv_read_stop(stream());
    }

    void resume_reading() {
        if (!handle_ || !is_started_ || has_input_ended_) return;
        uv_read_start(
            stream(),
            [](uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
                auto* self = static_cast<Connection*>(handle->data);
                *buffer = self == nullptr ? uv_buf_init(nullptr, 0) : self->read_room();
            },
            [](uv_stream_t* from, ssize_t count, const uv_buf_t* buffer) {
                if (auto* self = static_cast<Connection*>(from->data)) {
                    const auto kept = self->shared_from_this();
                    kept->on_read(count, buffer);
                }
            });
    }

    // From here on the connection owns itself.
    void finish() {
        if (!handle_ || is_finishing_) return;
        is_silent_ = true;
        flush();
        if (!handle_) return;
        // All is read and all is written: the peer gets the last reply and no reset.
        if (has_input_ended_ && uv_stream_get_write_queue_size(stream()) == 0) return close();
        if (!loop_.lingering().enter()) return close();
        is_finishing_ = true;
        lingering_ = shared_from_this();
        linger_timer_.emplace(loop_, [this] { close(); });
        linger_timer_->set(Millis{linger_ms_max});
        auto request = std::make_unique<ShutdownRequest>();
        request->owner = weak_from_this();
        request->request.data = request.get();
        const int started = uv_shutdown(&request->request, stream(), [](uv_shutdown_t* done, int) {
            const std::unique_ptr<ShutdownRequest> owned(static_cast<ShutdownRequest*>(done->data));
            const auto self = owned->owner.lock();
            if (self && self->has_input_ended_) self->close();
        });
        if (started != 0) return close();
        static_cast<void>(request.release());  // freed by the callback, which always comes
        is_started_ = true;
        resume_reading();
    }

    // A lingering connection goes on, because finish() promised to send the rest.
    void abort() {
        is_silent_ = true;
        if (!is_finishing_) close();
    }

    [[nodiscard]] Endpoint local() const { return local_; }
    [[nodiscard]] Endpoint remote() const { return remote_; }

private:
    static constexpr std::size_t buffers_max = 64;  // in one system call
    struct WriteRequest {
        uv_write_t request{};
        std::vector<std::string> strings;  // libuv still reads from them
        std::weak_ptr<Connection> owner;
    };
    struct ShutdownRequest {
        uv_shutdown_t request{};
        std::weak_ptr<Connection> owner;
    };

    [[nodiscard]] uv_stream_t* stream() const {
        return reinterpret_cast<uv_stream_t*>(handle_.get());
    }

    template <class Get>
    Endpoint name_of(Get get) const {
        sockaddr_storage address{};
        int size = sizeof address;
        if (get(handle_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
        return from_sockaddr(address);
    }

    // One of the old handlers may be running.
    void replace(Handlers handlers) {
        auto old = std::exchange(handlers_, std::make_unique<Handlers>(std::move(handlers)));
        loop_.at_turn_end([old = std::move(old)] {});
    }

    uv_buf_t read_room() {
        auto& buffer = loop_.read_buffer();
        return uv_buf_init(buffer.data(), static_cast<unsigned>(buffer.size()));
    }

    void on_read(ssize_t count, const uv_buf_t* buffer) {
        if (count == 0) return;  // EAGAIN
        if (is_finishing_) {
            if (count < 0) close();
            return;
        }
        if (count > 0) {
            if (!is_silent_) handlers_->on_read({buffer->base, static_cast<std::size_t>(count)});
            return;
        }
        if (count == UV_EOF && handlers_->on_input_end) return end_input();
        lost(static_cast<int>(count));
    }

    // libuv has stopped reading.
    void end_input() {
        has_input_ended_ = true;
        if (!is_silent_) handlers_->on_input_end();
    }

    void flush() {
        if (!handle_ || pending_.empty()) return;
        auto strings = std::exchange(pending_, {});
        pending_bytes_ = 0;
        std::size_t first = 0;
        std::size_t skip = 0;
        // Only if nothing waits already: order.
        if (uv_stream_get_write_queue_size(stream()) == 0 && !write_now(strings, first, skip))
            return;
        if (first == strings.size()) {
            if (had_backlog_) report_drained();
            return;
        }
        had_backlog_ = true;
        strings.erase(strings.begin(), strings.begin() + static_cast<std::ptrdiff_t>(first));
        write_later(std::move(strings), skip);
    }

    // Writes as much as the kernel takes, and leaves in `first` and `skip` where it stopped. Returns
    // false if the connection is lost.
    bool write_now(const std::vector<std::string>& strings, std::size_t& first, std::size_t& skip) {
        while (first < strings.size()) {
            std::array<uv_buf_t, buffers_max> buffers{};
            unsigned count = 0;
            std::size_t offered = 0;
            for (std::size_t i = first; i < strings.size() && count < buffers_max; ++i, ++count) {
                const std::size_t from = i == first ? skip : 0;
                buffers.at(count) = buffer_of(strings[i], from);
                offered += strings[i].size() - from;
            }
            const int written = uv_try_write(stream(), buffers.data(), count);
            if (written == UV_EAGAIN) return true;
            if (written < 0) {
                lost(written);
                return false;
            }
            auto left = static_cast<std::size_t>(written);
            const bool all = left == offered;
            while (first < strings.size() && left >= strings[first].size() - skip) {
                left -= strings[first].size() - skip;
                skip = 0;
                ++first;
                if (left == 0 && !all) break;
            }
            skip += first < strings.size() ? left : 0;
            if (!all) return true;
        }
        return true;
    }

    void write_later(std::vector<std::string> strings, std::size_t skip) {
        auto request = std::make_unique<WriteRequest>();
        request->strings = std::move(strings);
        request->owner = weak_from_this();
        request->request.data = request.get();
        std::vector<uv_buf_t> buffers;
        buffers.reserve(request->strings.size());
        for (const auto& text : request->strings) {
            buffers.push_back(buffer_of(text, buffers.empty() ? skip : 0));
        }
        const int started = uv_write(
            &request->request, stream(), buffers.data(), static_cast<unsigned>(buffers.size()),
            [](uv_write_t* done, int status) {
                const std::unique_ptr<WriteRequest> owned(static_cast<WriteRequest*>(done->data));
                if (const auto self = owned->owner.lock()) self->on_written(status);
            });
        if (started != 0) return lost(started);
        static_cast<void>(request.release());  // freed by the callback, which always comes
    }

    void on_written(int status) {
        if (!handle_ || is_finishing_) return;
        if (status < 0) return lost(status);
        if (backlog_bytes() == 0) report_drained();
    }

    void report_drained() {
        had_backlog_ = false;
        // Not inside the caller's write(), nor inside libuv's.
        loop_.at_turn_end([self = shared_from_this()] {
            if (self->is_silent_ || self->backlog_bytes() != 0) return;
            const auto& handlers = self->handlers_;
            if (handlers && handlers->on_drained) handlers->on_drained();
        });
    }

    void lost(int status) {
        close();
        if (is_silent_) return;
        std::string reason = status == UV_EOF ? std::string{} : std::string(uv_strerror(status));
        loop_.at_turn_end([self = shared_from_this(), reason = std::move(reason)] {
            if (std::exchange(self->is_silent_, true)) return;
            const auto& handlers = self->handlers_;
            if (handlers && handlers->on_closed) handlers->on_closed(reason);
        });
    }

    void close() {
        handle_.reset();
        linger_timer_.reset();
        pending_.clear();
        pending_bytes_ = 0;
        if (!lingering_) return;
        loop_.lingering().leave();
        loop_.at_turn_end([last = std::move(lingering_)] {});
    }

    static uv_buf_t buffer_of(const std::string& text, std::size_t from) {
        return uv_buf_init(const_cast<char*>(text.data()) + from,  // libuv only reads it
                           static_cast<unsigned>(text.size() - from));
    }

    Loop& loop_;
    UvHandle<uv_tcp_t> handle_;
    Endpoint local_;
    Endpoint remote_;
    std::unique_ptr<Handlers> handlers_;  // null before start()
    std::vector<std::string> pending_;
    std::size_t pending_bytes_ = 0;
    bool is_started_ = false;
    bool is_flush_due_ = false;
    bool had_backlog_ = false;  // on_drained is due when it has left
    bool is_finishing_ = false;
    bool has_input_ended_ = false;
    // No callback comes any more; handlers_ stay, since one of them may be running.
    bool is_silent_ = false;
    std::shared_ptr<Connection> lingering_;
    std::optional<Timer> linger_timer_;
};

TcpStream::TcpStream(Loop& loop, UvHandle<uv_tcp_t> handle)
    : connection_(std::make_shared<Connection>(loop, std::move(handle))) {}

std::unique_ptr<TcpStream> TcpStream::adopt(Loop& loop, int socket, const Endpoint& remote) {
    auto handle =
        make_uv_handle<uv_tcp_t>([&](uv_tcp_t* tcp) { return uv_tcp_init(loop.raw(), tcp); });
    if (!handle || uv_tcp_open(handle.get(), socket) != 0) {
        ::close(socket);
        return nullptr;
    }
    return std::unique_ptr<TcpStream>(
        new TcpStream(std::make_shared<Connection>(loop, std::move(handle), remote)));
}

TcpStream::~TcpStream() { connection_->abort(); }

void TcpStream::start(Handlers handlers) { connection_->start(std::move(handlers)); }
void TcpStream::write(std::string bytes) { connection_->write(std::move(bytes)); }
std::size_t TcpStream::backlog_bytes() const { return connection_->backlog_bytes(); }
void TcpStream::pause_reading() { connection_->pause_reading(); }
void TcpStream::resume_reading() { connection_->resume_reading(); }
void TcpStream::finish() { connection_->finish(); }
void TcpStream::abort() { connection_->abort(); }
Endpoint TcpStream::local() const { return connection_->local(); }
Endpoint TcpStream::remote() const { return connection_->remote(); }

}  // namespace mta::io
