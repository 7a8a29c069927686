#include "mta/outbound/desk/message_filter.h"

#include "mta/base/domain.h"
#include "mta/base/mail_address.h"

namespace mta::outbound {
namespace {

bool is_same_recipient(std::string_view wanted, const RecipientView& recipient) {
    return equals_ignoring_case(split_address(wanted).local_part,
                                split_address(recipient.address).local_part) &&
           domain_of_address(wanted) == recipient.domain;
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
