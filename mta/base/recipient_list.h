#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mta/base/envelope.h"

namespace mta {

// The recipients of an envelope that is being made. A mailbox that is named several times is one
// recipient, so that it gets one copy: the local part decides byte for byte, the domain by its
// A-labels. The first way of writing it stays.
//
// What was asked for with it is merged. NOTIFY is all that any of them asks for; one without NOTIFY
// asks for failure and delay, and NEVER counts only if all say so. The first ORCPT counts (RFC 3461
// has no rule). The cost of add() does not grow with the number of recipients.
class RecipientList {
public:
    struct Added {
        std::size_t index = 0;  // in recipients()
        bool is_new = false;
    };
    Added add(Recipient recipient);
    [[nodiscard]] bool contains(const Recipient& recipient) const {
        return find(recipient) < recipients_.size();
    }

    [[nodiscard]] const std::vector<Recipient>& recipients() const { return recipients_; }
    [[nodiscard]] std::size_t size() const { return recipients_.size(); }
    [[nodiscard]] bool empty() const { return recipients_.empty(); }
    // Empty afterwards.
    [[nodiscard]] std::vector<Recipient> take();

private:
    // Its index; recipients_.size(): it is not there.
    [[nodiscard]] std::size_t find(const Recipient& recipient) const;
    void index_last();

    std::vector<Recipient> recipients_;
    std::unordered_multimap<std::size_t, std::size_t> by_hash_;  // of many only
};

}  // namespace mta
