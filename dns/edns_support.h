#pragma once
#include <cstdint>
#include <optional>

#include "mta/base/time.h"

namespace dns {

// Whether a name server should be asked with EDNS. Knows no network and no clock.
//
// A server that does not know EDNS answers FORMERR, NOTIMP or, though no RFC says so, REFUSED. Such
// a question is asked again without EDNS. After cures_max questions in a row for which that helped,
// the server is asked without EDNS at once, for `without_for`.
class EdnsSupport {
public:
    static constexpr std::uint32_t cures_max = 3;
    static constexpr mta::Millis without_for{3'600'000};

    [[nodiscard]] bool is_to_be_used(mta::Instant now) const;
    // The server answered with this rcode to a question with EDNS. True: ask again without.
    [[nodiscard]] bool is_worth_another_try(unsigned rcode) const;
    // The server answered a question with EDNS, and is_worth_another_try() was false.
    void on_answer(unsigned rcode);
    // The server answered a question that it was asked again without EDNS, or that c-ares did.
    void on_answer_without(unsigned rcode, mta::Instant now);

private:
    bool has_answered_ = false;  // with EDNS: then REFUSED has another reason
    std::uint32_t cures_in_a_row_ = 0;
    std::optional<mta::Instant> without_until_;
};

}  // namespace dns
