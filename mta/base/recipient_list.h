#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mta/base/envelope.h"

namespace mta {

// The recipients of an envelope under construction. A mailbox that is named several times is one
// recipient and gets one copy: local parts are compared byte for byte, domains by their A-labels.
// The first spelling stays.
//
// The requests for one mailbox are merged. NOTIFY is the union of all; a recipient without NOTIFY
// asks for failure and delay, and NEVER counts only if all ask for it. The first ORCPT counts (RFC
// 3461 has no rule). The cost of add() does not grow with the number of recipients.
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
    // The index of the recipient, or recipients_.size() if there is none.
    [[nodiscard]] std::size_t find(const Recipient& recipient) const;
    void index_last();

    std::vector<Recipient> recipients_;
    std::unordered_multimap<std::size_t, std::size_t> by_hash_;  // of many only
};

}  // namespace mta
