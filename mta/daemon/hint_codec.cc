#include "mta/daemon/hint_codec.h"

#include <utility>

#include "mta/base/limits.h"
#include "queue/bytes.h"

namespace mta::daemon {
namespace {

using outbound::Hint;
using outbound::Hints;
using queue::ByteReader;
using queue::put;
using queue::put_string;

constexpr std::string_view lead = "posthouse hints 2\n";

void put_time(std::string& out, Instant time) {
    put(out, static_cast<std::uint64_t>(to_unix_ms(time)));
}
Instant take_time(ByteReader& in) {
    return from_unix_ms(static_cast<std::int64_t>(in.take<std::uint64_t>()));
}

// Zero: none.
void put_time_if_any(std::string& out, const std::optional<Instant>& time) {
    put_time(out, time.value_or(Instant{}));
}
std::optional<Instant> take_time_if_any(ByteReader& in) {
    const auto time = take_time(in);
    return time == Instant{} ? std::nullopt : std::optional(time);
}

void put_trouble(std::string& out, const queue::Health::Trouble& trouble) {
    const auto& [down_since, next_probe, failures, error] = trouble;
    put_time(out, down_since);
    put_time(out, next_probe);
    put(out, failures);
    put(out, static_cast<std::uint8_t>(error.scope));
    put(out, error.reply_code);
    put(out, error.status.klass);
    put(out, error.status.subject);
    put(out, error.status.detail);
    put_string(out, error.text);
    put_string(out, error.remote);
}

queue::Health::Trouble take_trouble(ByteReader& in) {
    queue::Health::Trouble trouble;
    trouble.down_since = take_time(in);
    trouble.next_probe = take_time(in);
    trouble.failures = in.take<std::uint32_t>();
    auto& error = trouble.error;
    const auto scope = in.take<std::uint8_t>();
    if (scope > static_cast<std::uint8_t>(Scope::domain)) in.fail();
    error.scope = static_cast<Scope>(scope);
    error.reply_code = in.take<std::uint16_t>();
    error.status.klass = in.take<std::uint16_t>();
    error.status.subject = in.take<std::uint16_t>();
    error.status.detail = in.take<std::uint16_t>();
    error.text = in.take_string();
    error.remote = in.take_string();
    return trouble;
}

void put_hint(std::string& out, const Hint& hint) {
    put(out, static_cast<std::uint8_t>(hint.kind));
    put_string(out, hint.key);
    put_time_if_any(out, hint.rates_taken.messages);
    put_time_if_any(out, hint.rates_taken.connections);
    put_time(out, hint.last_answer);
    put(out, static_cast<std::uint8_t>(hint.trouble.has_value()));
    if (hint.trouble) put_trouble(out, *hint.trouble);
}

Hint take_hint(ByteReader& in) {
    Hint hint;
    const auto kind = in.take<std::uint8_t>();
    if (kind > static_cast<std::uint8_t>(Hint::Kind::address)) in.fail();
    hint.kind = static_cast<Hint::Kind>(kind);
    hint.key = in.take_string();
    hint.rates_taken.messages = take_time_if_any(in);
    hint.rates_taken.connections = take_time_if_any(in);
    hint.last_answer = take_time(in);
    if (in.take<std::uint8_t>() != 0) hint.trouble = take_trouble(in);
    return hint;
}

}  // namespace

std::string encode_hints(const Hints& hints) {
    std::string out(lead);
    put(out, static_cast<std::uint32_t>(hints.size()));
    for (const auto& hint : hints) put_hint(out, hint);
    return out;
}

std::optional<Hints> decode_hints(std::string_view bytes) {
    if (!bytes.starts_with(lead)) return std::nullopt;
    ByteReader in(bytes.substr(lead.size()));
    const auto count = in.take<std::uint32_t>();
    if (count > limits::hints_max) return std::nullopt;
    Hints hints;
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) hints.push_back(take_hint(in));
    if (!in.ok() || in.left() != 0) return std::nullopt;
    return hints;
}

}  // namespace mta::daemon
