#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mta/outbound/queue_manager.h"

namespace mta::admin {

// Which messages a request is about: all that is given must hold for the message or for one of its
// open recipients.
struct Selection {
    std::optional<queue::MessageId> id;
    std::optional<std::string> sender;  // "" is the null sender
    std::string recipient;
    std::string party;   // the sender or a recipient
    std::string domain;  // of a recipient, as of mta::to_a_labels(); ".suffix": its subtree
    std::optional<outbound::ViewState> state;

    [[nodiscard]] bool is_everything() const;
    // Whether the envelope is needed to tell: it is on disk.
    [[nodiscard]] bool needs_envelope() const {
        return sender.has_value() || !recipient.empty() || !party.empty();
    }
    // A message that describe() gave, or, unless needs_envelope(), list().
    [[nodiscard]] bool matches(const outbound::MessageView& message) const;
    // Of a message that matches: whom it is about. Nothing: the message as such was selected.
    [[nodiscard]] outbound::RecipientNumbers recipients_of(
        const outbound::MessageView& message) const;
    // What the queue manager can sort out itself.
    [[nodiscard]] outbound::MessageFilter coarse() const;

private:
    [[nodiscard]] bool matches(const outbound::MessageView& message,
                               const outbound::RecipientView& view) const;
};

// From id, from, to, domain and state; "<>" as `from` is the null sender. Other names are left to
// the caller. The error is a sentence.
[[nodiscard]] std::expected<Selection, std::string> parse_selection(
    const std::map<std::string, std::string>& values);

[[nodiscard]] std::string_view to_string(outbound::ViewState state);

struct Page {
    std::vector<outbound::MessageView> messages;
    std::optional<outbound::ListCursor> next;  // nothing: that was all
};

struct PageRequest {
    std::size_t limit = 0;
    outbound::ListCursor cursor = 0;
    bool with_envelope = false;
};
// One step through one shard's queue: looks at up to `limit` messages from `cursor` on and hands
// over those selected; with `with_envelope` (or if it is needed to select) described in full. On
// the shard's thread; `on_page` may come at once.
void read_page(outbound::QueueManager& manager, const Selection& selection,
               const PageRequest& request, std::function<void(Page)> on_page);

}  // namespace mta::admin
