#include "mta/outbound/desk/tracing.h"

#include <algorithm>
#include <utility>

#include "mta/base/domain.h"
#include "mta/base/limits.h"

namespace mta::outbound {
namespace {

std::size_t bytes_of(const TraceLine& line) {
    return sizeof line + line.remote.size() + line.text.size();
}

bool wants(const std::string& what, const queue::Message& message,
           std::span<const std::uint32_t> recipients) {
    const auto& envelope = message.envelope;
    const bool is_address = what.contains('@');
    if (is_address && to_lower(envelope.reverse_path) == what) return true;
    return std::ranges::any_of(recipients, [&](std::uint32_t number) {
        const auto& recipient = envelope.recipients[number];
        return is_address ? to_lower(recipient.address) == what : recipient.domain == what;
    });
}

bool is_same(const std::weak_ptr<TraceWatcher>& a, const std::weak_ptr<TraceWatcher>& b) {
    return !a.owner_before(b) && !b.owner_before(a);
}

}  // namespace

std::expected<Tracing::Fetched, std::string> Tracing::fetch(const std::string& name,
                                                            const std::string& what, Instant now) {
    drop_silent(now);
    auto known = std::ranges::find(watchers_, name, &TraceWatcher::name);
    if (known == watchers_.end()) {
        if (watchers_.size() >= limits::trace_watchers_max) {
            return std::unexpected("there are " + std::to_string(watchers_.size()) +
                                   " traces already; end one of them first");
        }
        watchers_.push_back(std::make_shared<TraceWatcher>(
            TraceWatcher{.name = name, .what = to_lower(what), .fetched = now}));
        return Fetched{};
    }
    auto& watcher = **known;
    watcher.fetched = now;
    Fetched fetched{.dropped = std::exchange(watcher.dropped, 0)};
    fetched.lines.assign(std::make_move_iterator(watcher.lines.begin()),
                         std::make_move_iterator(watcher.lines.end()));
    watcher.lines.clear();
    watcher.bytes = 0;
    return fetched;
}

void Tracing::end(const std::string& name) {
    std::erase_if(watchers_, [&](const auto& watcher) { return watcher->name == name; });
}

void Tracing::drop_silent(Instant now) {
    std::erase_if(watchers_, [now](const auto& watcher) {
        return now - watcher->fetched > limits::trace_silence_max;
    });
}

TraceWatchers Tracing::match(const queue::Message& message,
                             std::span<const std::uint32_t> recipients, Instant now) {
    drop_silent(now);
    TraceWatchers matching;
    for (const auto& watcher : watchers_)
        if (wants(watcher->what, message, recipients)) matching.emplace_back(watcher);
    return matching;
}

void TraceTap::add_watchers(const TraceWatchers& watchers) {
    for (const auto& watcher : watchers) {
        const bool is_there = std::ranges::any_of(
            watchers_, [&](const auto& present) { return is_same(present, watcher); });
        if (!is_there) watchers_.push_back(watcher);
    }
}

void TraceTap::sent(Instant now, std::string_view bytes) {
    lines_.sent(bytes,
                [&](auto, std::string_view line) { tell(now, TraceLine::Kind::sent, line); });
}

void TraceTap::received(Instant now, std::string_view bytes) {
    lines_.received(
        bytes, [&](auto, std::string_view line) { tell(now, TraceLine::Kind::received, line); });
}

void TraceTap::note(Instant now, std::string_view text, TraceLine::Kind kind) {
    tell(now, kind, text);
}

void TraceTap::tell(Instant now, TraceLine::Kind kind, std::string_view text) {
    for (const auto& each : watchers_) {
        const auto watcher = each.lock();
        if (!watcher) continue;
        watcher->lines.push_back({.kind = kind,
                                  .at = now,
                                  .connection = connection_,
                                  .remote = remote_,
                                  .id = id_,
                                  .text = std::string(text)});
        watcher->bytes += bytes_of(watcher->lines.back());
        while (watcher->bytes > limits::trace_bytes_max) {
            watcher->bytes -= bytes_of(watcher->lines.front());
            watcher->lines.pop_front();
            ++watcher->dropped;
        }
    }
}

}  // namespace mta::outbound
