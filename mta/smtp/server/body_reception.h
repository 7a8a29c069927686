#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/limits.h"
#include "mta/smtp/server/data_stream.h"
#include "mta/smtp/server/server_reply.h"

namespace mta::smtp {

// The body of one message on its way through a session: what the client sends goes in, what is to
// be stored gathers until it is taken. It never gathers more than limits::body_chunk_bytes_max.
//
//   feed_dotted() until it returns true         feed_chunk()* finish_chunks()
//   in between take() whenever bytes() pays, and always when is_full()
//
// From the first problem, or from refuse() on, the rest of the body is swallowed and nothing
// gathers any more.
class BodyReception {
public:
    // `trace`: header fields that go in front. `bytes`: expected, as far as is known.
    BodyReception(const DataLimits& limits, std::string_view trace, std::uint64_t bytes);

    // Takes from the front of `input`, as much as there is room for. Returns whether the end has
    // come.
    [[nodiscard]] bool feed_dotted(std::string_view& input);
    // Takes from the front of `input` at most `bytes_max`, as much as there is room for. Returns
    // how many.
    std::size_t feed_chunk(std::string_view& input, std::uint64_t bytes_max);
    void finish_chunks();

    [[nodiscard]] std::size_t bytes() const { return bytes_.size(); }
    [[nodiscard]] bool is_full() const { return bytes_.size() >= limits::body_chunk_bytes_max; }
    [[nodiscard]] std::string take();

    // The driver refuses the message, for example because there is no space.
    void refuse(ServerReply reply);
    [[nodiscard]] bool is_refused() const { return refusal_ || stream_.problem(); }
    // The reply to the message, once its end has come: what refuse() gave, or else that to the
    // body's problem.
    [[nodiscard]] std::optional<ServerReply> refusal() const;
    // Why it is refused, for the log.
    [[nodiscard]] std::string_view refusal_cause() const;
    [[nodiscard]] const std::optional<DataProblem>& problem() const { return stream_.problem(); }

    // Valid once the end has come.
    [[nodiscard]] BodyFacts facts() const { return stream_.facts(); }
    [[nodiscard]] const std::string& message_id() const { return stream_.message_id(); }

private:
    void drop_if_refused();

    std::string bytes_;
    DataStream stream_;
    std::optional<ServerReply> refusal_;
};

}  // namespace mta::smtp
