#pragma once
#include <cstdint>
#include <optional>

#include "mta/base/time.h"

namespace dns {

// Decides whether a name server is asked with EDNS. It has no access to a network or a clock.
//
// A server that does not know EDNS answers FORMERR, NOTIMP or, against the RFCs, REFUSED. Such a
// question is asked again without EDNS. After cures_max questions in a row for which that helped,
// all questions to the server leave EDNS out, for `without_for`.
class EdnsSupport {
public:
    static constexpr std::uint32_t cures_max = 3;
    static constexpr mta::Millis without_for{3'600'000};

    [[nodiscard]] bool is_to_be_used(mta::Instant now) const;
    // True if a question with EDNS, which was answered with this rcode, should be asked again
    // without it.
    [[nodiscard]] bool is_worth_another_try(unsigned rcode) const;
    // For an answer to a question with EDNS for which is_worth_another_try() is false.
    void on_answer(unsigned rcode);
    // For an answer to a question that was asked again without EDNS, here or by c-ares.
    void on_answer_without(unsigned rcode, mta::Instant now);

private:
    bool has_answered_ = false;  // a question with EDNS, so REFUSED has another reason
    std::uint32_t cures_in_a_row_ = 0;
    std::optional<mta::Instant> without_until_;
};

}  // namespace dns
