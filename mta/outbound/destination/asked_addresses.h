#pragma once
#include <cstddef>
#include <cstdint>
#include <map>

#include "mta/base/ip_address.h"

namespace mta::outbound {

// Which addresses of a destination were asked in vain since it last took mail: the next attempt
// goes on with the others instead of beginning with the same ones again. When an attempt finds none
// that is left, a new round begins.
class AskedAddresses {
public:
    enum class How : std::uint8_t {
        silent,     // no EHLO was answered in that attempt: they are passed over by all mail
        unwilling,  // a message was refused for now, or its session broke: by retried mail
    };
    // Beyond so many the round is over.
    static constexpr std::size_t addresses_max = 1024;

    void add(const Endpoint& endpoint, How how) {
        if (asked_.size() >= addresses_max) asked_.clear();
        asked_.insert_or_assign(endpoint, how);
    }
    // `is_retried`: the mail that asks.
    [[nodiscard]] bool is_passed_over(const Endpoint& endpoint, bool is_retried) const {
        const auto found = asked_.find(endpoint);
        return found != asked_.end() && (found->second == How::silent || is_retried);
    }
    void begin_round() { asked_.clear(); }

private:
    std::map<Endpoint, How> asked_;
};

}  // namespace mta::outbound
