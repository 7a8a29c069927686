#include "mta/admin/selection.h"

#include <algorithm>
#include <array>

#include "mta/base/domain.h"

namespace mta::admin {
namespace {

using outbound::MessageView;
using outbound::ViewState;

constexpr std::array<std::pair<std::string_view, ViewState>, 4> states = {
    {{"queued", ViewState::queued},
     {"delivering", ViewState::delivering},
     {"held", ViewState::held},
     {"in_doubt", ViewState::in_doubt}}};

// Addresses are compared without case: the domain has none, and no known host tells local parts
// apart by it, so an operator's "Bob@" finds bob.
bool is_same_address(std::string_view a, std::string_view b) { return equals_ignoring_case(a, b); }

bool is_in_domain(std::string_view domain, std::string_view wanted) {
    if (wanted.starts_with('.')) return is_under(domain, wanted.substr(1));
    return domain == wanted;
}

// The domain of an address, as recipients have it; empty if it has none.
std::string domain_of(const std::string& address) {
    const auto at = address.rfind('@');
    if (at == address.npos) return {};
    auto domain = address.substr(at + 1);
    if (domain.starts_with('[')) return domain;
    return to_a_labels(domain).value_or("");
}

// Gathers the described messages of a page in the order of the list, whichever order they come in.
struct Gathering {
    Selection selection;
    std::vector<MessageView> messages;  // as listed, then as described
    std::vector<bool> is_wanted;
    std::optional<outbound::ListCursor> next;
    std::size_t missing = 0;
    std::function<void(Page)> on_page;

    void take(std::size_t place, queue::StoreResult<MessageView> described) {
        // What cannot be read is shown as far as it is known; what has just gone is left out.
        const bool is_there =
            described || described.error().kind != queue::StoreError::Kind::not_found;
        if (described) messages[place] = std::move(*described);
        is_wanted[place] = is_there && selection.matches(messages[place]);
        if (--missing == 0) finish();
    }
    void finish() {
        Page page{.messages = {}, .next = next};
        for (std::size_t place = 0; place < messages.size(); ++place) {
            if (is_wanted[place]) page.messages.push_back(std::move(messages[place]));
        }
        on_page(std::move(page));
    }
};

}  // namespace

std::string_view to_string(ViewState state) {
    for (const auto& [name, value] : states) {
        if (value == state) return name;
    }
    return "done";
}

bool Selection::is_everything() const {
    return !id && !sender && recipient.empty() && party.empty() && domain.empty() && !state;
}

bool Selection::matches(const MessageView& message) const {
    if (id && message.id != *id) return false;
    const auto* const envelope = message.message ? &message.message->envelope : nullptr;
    const std::string reverse_path = envelope != nullptr ? envelope->reverse_path : std::string{};
    if (needs_envelope() && envelope == nullptr) return false;
    if (sender && !is_same_address(reverse_path, *sender)) return false;
    return std::ranges::any_of(message.recipients,
                               [&](const auto& view) { return matches(message, view); });
}

bool Selection::matches(const MessageView& message, const outbound::RecipientView& view) const {
    if (state && view.state != *state) return false;
    if (!domain.empty() && !is_in_domain(view.domain, domain)) return false;
    if (!recipient.empty() && !is_same_address(view.address, recipient)) return false;
    if (party.empty() || is_same_address(view.address, party)) return true;
    return message.message && is_same_address(message.message->envelope.reverse_path, party);
}

outbound::RecipientNumbers Selection::recipients_of(const MessageView& message) const {
    if (!state && domain.empty() && recipient.empty() && party.empty()) return std::nullopt;
    std::vector<std::uint32_t> numbers;
    for (const auto& view : message.recipients) {
        if (matches(message, view)) numbers.push_back(view.number);
    }
    return numbers;
}

outbound::MessageFilter Selection::coarse() const {
    outbound::MessageFilter filter{.domain = domain, .state = state, .destination = {}};
    if (domain.empty() && !recipient.empty()) filter.domain = domain_of(recipient);
    return filter;
}

std::expected<Selection, std::string> parse_selection(
    const std::map<std::string, std::string>& values) {
    Selection selection;
    for (const auto& [name, value] : values) {
        if (value.empty()) continue;
        if (name == "id") {
            selection.id = queue::parse_id(value);
            if (!selection.id) return std::unexpected("\"" + value + "\" is no queue id");
        } else if (name == "from") {
            selection.sender = value == "<>" ? std::string() : value;
        } else if (name == "to") {
            selection.recipient = value;
        } else if (name == "domain") {
            const bool is_subtree = value.starts_with('.');
            const auto domain = value.starts_with('[')
                                    ? std::optional(value)
                                    : to_a_labels(std::string_view(value).substr(is_subtree));
            if (!domain) return std::unexpected("\"" + value + "\" is no domain");
            selection.domain = (is_subtree ? "." : "") + *domain;
        } else if (name == "state") {
            const auto* const found =
                std::ranges::find(states, value, [](const auto& row) { return row.first; });
            if (found == states.end()) {
                return std::unexpected("\"" + value +
                                       "\" is no state; there are queued, delivering, held and "
                                       "in_doubt");
            }
            selection.state = found->second;
        }
    }
    return selection;
}

void read_page(outbound::QueueManager& manager, const Selection& selection,
               const PageRequest& request, std::function<void(Page)> on_page) {
    outbound::MessageList list;
    if (selection.id) {
        if (auto message = manager.find(*selection.id))
            list.messages.push_back(std::move(*message));
    } else {
        list = manager.list(selection.coarse(), request.limit, request.cursor);
    }
    if (!request.with_envelope && !selection.needs_envelope()) {
        std::erase_if(list.messages, [&](const auto& view) { return !selection.matches(view); });
        return on_page({.messages = std::move(list.messages), .next = list.next});
    }
    std::vector<queue::MessageId> ids;
    ids.reserve(list.messages.size());
    for (const auto& message : list.messages) ids.push_back(message.id);
    auto gathering = std::make_shared<Gathering>();
    gathering->selection = selection;
    gathering->is_wanted.resize(ids.size());
    gathering->messages = std::move(list.messages);
    gathering->next = list.next;
    gathering->missing = ids.size();
    gathering->on_page = std::move(on_page);
    if (ids.empty()) return gathering->finish();
    for (std::size_t place = 0; place < ids.size(); ++place) {
        manager.describe(ids[place], [gathering, place](auto described) {
            gathering->take(place, std::move(described));
        });
    }
}

}  // namespace mta::admin
