#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

#include "queue/segment_log/reading/read_request.h"
#include "queue/store.h"

namespace queue::segment_log {

// A shard's open requests, with their callbacks; lives on the shard's thread only.
//
// Requests about one message stand in a line. Their callbacks are called in that order, whatever
// the order of the answers, and a read is sent only when all writes before it are done.
class Inbox {
public:
    using Ticket = std::uint64_t;
    using SendRead = std::function<void(ReadRequest)>;
    using Callback = std::variant<Store::OnDone, Store::OnMessage, Store::OnBytes>;
    using Answer =
        std::variant<StoreResult<void>, StoreResult<StoredMessage>, StoreResult<std::string>>;

    explicit Inbox(SendRead send_read) : send_read_(std::move(send_read)) {}

    // The caller sends the write, with the ticket returned. `reports`: messages that the write
    // brings along; a read of them waits for it too.
    [[nodiscard]] Ticket expect_write(MessageId id, Store::OnDone on_done,
                                      const std::vector<std::shared_ptr<const Message>>& reports);
    void expect_read(MessageId id, ReadRequest request, Callback callback);
    void expect_load(Store::OnLoaded on_loaded);

    // Calls callbacks, which may use the store, or destroy it.
    void take(Ticket ticket, Answer answer);
    void take_loaded(LoadedBatch batch);

    // From now on no callback is called.
    void close() { is_closed_ = true; }

private:
    struct Request {
        MessageId id = 0;
        Callback callback;
        bool is_write = false;
        std::optional<ReadRequest> unsent;
        std::optional<Answer> answer;
        std::vector<Ticket> companions;  // its reports' places in their lines
    };

    Ticket add(MessageId id, Request request);
    void settle(MessageId id);
    void send_reads(MessageId id);
    static void call(Request request);

    SendRead send_read_;
    bool is_closed_ = false;
    Ticket next_ticket_ = 1;
    std::unordered_map<Ticket, Request> requests_;
    std::unordered_map<MessageId, std::deque<Ticket>> lines_;
    Store::OnLoaded on_loaded_;
};

}  // namespace queue::segment_log
