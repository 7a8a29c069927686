#include "mta/outbound/desk/message_filter.h"

#include "mta/base/domain.h"

namespace mta::outbound {
namespace {

// The domain of an address, as recipients have it; empty if it has none.
std::string domain_of(std::string_view address) {
    const auto at = address.rfind('@');
    if (at == address.npos) return {};
    const auto domain = address.substr(at + 1);
    if (domain.starts_with('[')) return to_lower(domain);
    return to_a_labels(domain).value_or(to_lower(domain));
}

bool is_same_recipient(std::string_view wanted, const RecipientView& recipient) {
    const auto local = [](std::string_view address) {
        return address.substr(0, address.rfind('@'));
    };
    return equals_ignoring_case(local(wanted), local(recipient.address)) &&
           domain_of(wanted) == recipient.domain;
}

}  // namespace

bool is_confirmed_by(const MessageFilter& filter, const MessageView& message,
                     const RecipientView& recipient) {
    if (!message.message) return false;
    const auto& content = *message.message;
    const auto message_id = queue::bare_message_id(content.message_id);
    if (!filter.message_id.empty() && message_id != filter.message_id) return false;
    if (!filter.recipient.empty() && !is_same_recipient(filter.recipient, recipient)) return false;
    return filter.mention.empty() || message_id == filter.mention ||
           equals_ignoring_case(content.envelope.reverse_path, filter.mention) ||
           is_same_recipient(filter.mention, recipient);
}

}  // namespace mta::outbound
