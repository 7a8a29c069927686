#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "dns/question.h"

namespace dns {

// Decides which question is asked next, so that names whose servers are silent hold up nobody else.
//
//                 goes    questions that may be on their way
//   answered      first   all: names that answered lately
//   unknown       next    half, together: names never heard from; hosts, whose domain was looked up
//                         a moment ago, before domains
//   silent        last    a quarter: names whose servers were silent when they were asked last
//
// Over TCP (CaresDriver) the same holds for connections instead of questions, and for what was
// heard over TCP.
//
// Half, and not less, for unknown names: a new domain that works stands in that line behind new
// ones whose servers are dead. While more than a quarter of all are on their way, a question is
// asked briefly (Effort::brief), and again, as one of a silent name, if nothing was heard.
//
// An Item is a question, or its number.
template <class Item>
class Lines {
public:
    enum class Kind : std::uint8_t { answered, unknown_host, unknown_domain, silent };
    struct Next {
        Item question;
        Kind kind = Kind::answered;
        Effort effort = Effort::full;
    };

    explicit Lines(std::size_t in_flight_max);

    // To the end of its line.
    void add(Item question, Kind kind);
    // The question to ask now. Nothing if none waits that may be on its way. It is on its way until
    // end().
    [[nodiscard]] std::optional<Next> start();
    void end(Kind kind);

    [[nodiscard]] std::size_t in_flight() const;
    [[nodiscard]] std::size_t waiting(Kind kind) const {
        return lines_.at(static_cast<std::size_t>(kind)).size();
    }

private:
    [[nodiscard]] bool has_room(Kind kind) const;
    [[nodiscard]] std::size_t count(Kind kind) const {
        return in_flight_.at(static_cast<std::size_t>(kind));
    }

    std::size_t in_flight_max_;
    std::array<std::deque<Item>, 4> lines_;  // by Kind, as the next one
    std::array<std::size_t, 4> in_flight_{};
};

using QuestionLines = Lines<Question>;

}  // namespace dns
