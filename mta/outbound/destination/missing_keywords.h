#pragma once
#include <array>
#include <cstddef>
#include <optional>

#include "mta/base/outcome.h"
#include "mta/base/time.h"
#include "mta/smtp/syntax/capabilities.h"

namespace mta::outbound {

// Since when a destination has lacked keywords that its mail needs (diagnosis::Diagnosis::is_missing_keyword).
// That it lacks one is no reason to return a message at first: a greylisting front end answers EHLO
// with one line, and another host may know more.
class MissingKeywords {
public:
    // It is believed when there were two contacts at least so far apart, and none between them at
    // which a host offered the keyword.
    static constexpr Millis believed_after{3'600'000};

    // The error of a host that lacks one. Returns whether it is believed.
    bool add(const DeliveryError& error, Instant now) {
        auto& since = since_[place_of(error)];
        if (!since) since = now;
        return now - *since >= believed_after;
    }
    // What a host has offered.
    void clear(const smtp::Capabilities& offered) {
        if (offered.binary_mime && offered.chunking) since_[binary].reset();
        if (offered.eight_bit_mime) since_[eight_bit].reset();
        if (offered.smtputf8) since_[utf8].reset();
    }

private:
    enum Place : std::size_t { binary, eight_bit, utf8 };
    static Place place_of(const DeliveryError& error) {
        if (error.status.detail == 1) return binary;
        return error.status.detail == 3 ? eight_bit : utf8;
    }

    std::array<std::optional<Instant>, 3> since_;
};

}  // namespace mta::outbound
