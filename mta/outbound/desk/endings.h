#pragma once
#include <deque>
#include <string>
#include <vector>

#include "mta/outbound/desk/queue_view.h"

namespace mta::outbound {

// Recipients that were given up, the newest limits::endings_max of them: their messages have left
// the queue, and yet this is what people ask about.
class Endings {
public:
    void add(EndingView ending);

    // What is given must all hold.
    struct Query {
        queue::MessageId id = 0;  // 0: any
        std::string address;
        std::string domain;  // of the address

        // Nothing is given, so that every ending would do.
        [[nodiscard]] bool is_empty() const { return id == 0 && address.empty() && domain.empty(); }
    };
    // The oldest first; of those that there are the newest `limit`.
    [[nodiscard]] std::vector<EndingView> find(const Query& query, std::size_t limit) const;

private:
    std::deque<EndingView> endings_;
};

}  // namespace mta::outbound
