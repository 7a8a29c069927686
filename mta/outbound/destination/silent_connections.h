#pragma once
#include <algorithm>
#include <cstdint>

#include "mta/base/time.h"

namespace mta::outbound {

// The connections of a site, or to a host, on which the other side has said nothing for a while
// though it is its turn in a transaction: it hangs at a message or a mailbox. Such a connection
// does not count in the number that the other side bears (queue::Concurrency), only in the
// configured maximum, so that other mail goes on.
//
// Whether the other side hangs at that message or altogether shows in what it does with the next
// one. So a silent connection does not count at all once the other side has answered about another
// message since. Until then the silent ones let one connection more begin, if they hold all that
// there may be: when that falls silent, too, another one, until there are extra_max more than the
// other side bears.
class SilentConnections {
public:
    // In a transaction it has been its turn for so long.
    static constexpr Millis silence_min{30'000};
    // Without any answer.
    static constexpr std::uint32_t extra_max = 4;

    // What add() has counted, for remove().
    struct Mark {
        std::uint64_t answers = 0;
        bool is_other_mail_answered = false;
    };

    [[nodiscard]] bool is_empty() const { return passed_ + open_ == 0; }
    // `is_other_mail_answered`: since the silence began.
    [[nodiscard]] Mark add(bool is_other_mail_answered) {
        ++(is_other_mail_answered ? passed_ : open_);
        return {answers_, is_other_mail_answered};
    }
    void remove(const Mark& mark) {
        const bool is_passed = mark.is_other_mail_answered || mark.answers != answers_;
        --(is_passed ? passed_ : open_);
        if (is_empty()) are_too_many_ = false;
    }
    // About any message. Returns whether there may be more connections now.
    bool on_answer() {
        if (open_ == 0) return false;
        ++answers_;
        passed_ += open_;
        open_ = 0;
        return true;
    }
    // The other side has said that it has too many: the silent ones count, as long as there are
    // any.
    void on_too_many() { are_too_many_ = !is_empty(); }

    // How many connections there may be in all. `limit`: those that the other side bears; `most`:
    // the configured maximum; `may_find_out`: whether more of them may begin without an answer.
    [[nodiscard]] std::uint32_t limit(std::uint32_t limit, std::uint32_t most,
                                      bool may_find_out) const {
        if (are_too_many_ || is_empty()) return limit;
        const auto extra = may_find_out ? extra_max : 0;
        const auto counted = std::clamp(open_ + 1, limit, limit + extra);
        return std::max(limit, std::min(passed_ + counted, most));
    }

private:
    std::uint32_t passed_ = 0;  // the other side has answered about other mail since
    std::uint32_t open_ = 0;    // the others
    std::uint64_t answers_ = 0;
    bool are_too_many_ = false;
};

}  // namespace mta::outbound
