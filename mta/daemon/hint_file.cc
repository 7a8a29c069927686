#include "mta/daemon/hint_file.h"

#include <utility>

#include "mta/base/limits.h"
#include "queue/segment_log/format/bytes.h"
#include "queue/segment_log/format/crc32c.h"

namespace mta::daemon {
namespace {

using outbound::Hint;
using outbound::Hints;
using queue::segment_log::ByteReader;
using queue::segment_log::crc32c;
using queue::segment_log::get_at;
using queue::segment_log::put;
using queue::segment_log::put_string;

constexpr std::string_view lead = "posthouse hints 2\n";
constexpr const char* path = "hints";
constexpr const char* new_path = "hints.new";
// A hint's words are an error's: cut to what a reply has, twice that with its key.
constexpr std::size_t file_bytes_max = limits::hints_max * 8192;

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
    put(out, crc32c(out));
    return out;
}

std::optional<Hints> decode_hints(std::string_view bytes) {
    constexpr std::size_t checksum_bytes = sizeof(std::uint32_t);
    if (!bytes.starts_with(lead) || bytes.size() < lead.size() + 2 * checksum_bytes)
        return std::nullopt;
    const auto end = bytes.size() - checksum_bytes;
    if (crc32c(bytes.substr(0, end)) != get_at<std::uint32_t>(bytes, end)) return std::nullopt;
    ByteReader in(bytes.substr(lead.size(), end - lead.size()));
    const auto count = in.take<std::uint32_t>();
    if (count > limits::hints_max) return std::nullopt;
    Hints hints;
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) hints.push_back(take_hint(in));
    if (!in.ok() || in.left() != 0) return std::nullopt;
    return hints;
}

Hints HintFile::read() {
    const auto file = disk_.open(path);
    if (!file) return {};
    const auto bytes = (*file)->read(0, file_bytes_max);
    if (!bytes) return {};
    return decode_hints(*bytes).value_or(Hints{});
}

bool HintFile::write(const Hints& hints) {
    if (is_writing_) return false;
    wait();
    is_writing_ = true;
    writer_ = std::thread([this, bytes = encode_hints(hints)] {
        replace(bytes);
        is_writing_ = false;
    });
    return true;
}

void HintFile::wait() {
    if (writer_.joinable()) writer_.join();
}

std::string HintFile::problem() const { return is_writing_ ? std::string{} : problem_; }

void HintFile::replace(const std::string& bytes) {
    // Left over from a process that was stopped in the middle of it.
    [[maybe_unused]] const auto removed = disk_.remove(new_path);
    const auto write = [&]() -> queue::segment_log::DiskResult<void> {
        auto file = disk_.create(new_path);
        if (!file) return std::unexpected(std::move(file).error());
        if (auto done = (*file)->write(0, bytes); !done) return done;
        return disk_.rename(new_path, path);
    };
    const auto written = write();
    problem_ = written ? std::string{} : written.error().text;
}

}  // namespace mta::daemon
