#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "dns/question.h"
#include "mta/base/limits.h"

namespace dns {

// Decides which question is asked next, so that names whose servers are silent hold up nobody else.
//
//                 goes    questions that may be on their way
//   answered      first   all: names that answered lately
//   unknown       next    half, together: names never heard from; hosts, whose domain was looked up
//                         a moment ago, before domains
//   silent        last    a quarter: names whose servers were silent when they were asked last
//
// Half, and not less, for unknown names: a new domain that works stands in that line behind new
// ones whose servers are dead. While more than a quarter of all are on their way, a question is
// asked briefly (Effort::brief), and again, as one of a silent name, if nothing was heard.
class QuestionLines {
public:
    enum class Kind : std::uint8_t { answered, unknown_host, unknown_domain, silent };
    struct Next {
        Question question;
        Kind kind = Kind::answered;
        Effort effort = Effort::full;
    };

    explicit QuestionLines(std::size_t in_flight_max = mta::limits::dns_in_flight_max);

    // To the end of its line.
    void add(Question question, Kind kind);
    // The question to ask now. Nothing if none waits that may be on its way. It is on its way until
    // end().
    [[nodiscard]] std::optional<Next> start();
    void end(Kind kind);

    [[nodiscard]] std::size_t in_flight() const;

private:
    [[nodiscard]] bool has_room(Kind kind) const;
    [[nodiscard]] std::size_t count(Kind kind) const {
        return in_flight_.at(static_cast<std::size_t>(kind));
    }

    std::size_t in_flight_max_;
    std::array<std::deque<Question>, 4> lines_;  // by Kind, as the next one
    std::array<std::size_t, 4> in_flight_{};
};

}  // namespace dns
