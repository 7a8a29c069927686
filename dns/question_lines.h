#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <numeric>
#include <optional>
#include <utility>

#include "dns/name_memory.h"
#include "dns/question.h"
#include "mta/base/assert.h"

namespace dns {

// Decides which question is asked next, so that names with silent servers do not delay others.
//
//   kind        goes    questions that may be on their way
//   answered    first   all: names that were answered lately
//   unknown_*   next    half, together: names without a recent answer; hosts, whose domain was
//                       looked up a moment ago, before domains
//   silent      last    a quarter: names whose servers were silent when they were last asked
//
// Over TCP (CaresDriver) the same holds for connections instead of questions, and for what the
// server last said over TCP.
//
// Unknown names have half, and not less: a new domain that works stands in the same line as new
// ones whose servers are dead. While more than a quarter of all questions are on their way, a
// question is asked briefly (Effort::brief). If that brings no answer, the caller adds it again as
// a silent one.
//
// An Item names a question: the Question itself, or a handle of it.
template <class Item>
class QuestionLines {
public:
    enum class Kind : std::uint8_t { answered, unknown_host, unknown_domain, silent };
    struct Next {
        Item question;
        Kind kind = Kind::answered;
        Effort effort = Effort::full;
    };

    explicit QuestionLines(std::size_t in_flight_max) : in_flight_max_(in_flight_max) {
        MTA_ASSERT(in_flight_max > 0);
    }

    // The kind of a question about a name that was last heard of like this.
    [[nodiscard]] static Kind kind_of(NameMemory::Heard heard, Subject subject) {
        switch (heard) {
            case NameMemory::Heard::answer: return Kind::answered;
            case NameMemory::Heard::silence: return Kind::silent;
            case NameMemory::Heard::nothing: break;
        }
        return subject == Subject::domain ? Kind::unknown_domain : Kind::unknown_host;
    }

    // Puts the question at the end of its line.
    void add(Item question, Kind kind) { line(kind).push_back(std::move(question)); }
    // Takes the question to ask now, which is on its way until end(). Empty if no question waits
    // for which there is room.
    [[nodiscard]] std::optional<Next> start() {
        for (const auto kind :
             {Kind::answered, Kind::unknown_host, Kind::unknown_domain, Kind::silent}) {
            if (line(kind).empty() || !has_room(kind)) continue;
            const bool is_brief = kind != Kind::silent && in_flight() > in_flight_max_ / 4;
            Next next{std::move(line(kind).front()), kind, is_brief ? Effort::brief : Effort::full};
            line(kind).pop_front();
            ++in_flight_.at(static_cast<std::size_t>(kind));
            return next;
        }
        return std::nullopt;
    }
    void end(Kind kind) {
        MTA_ASSERT(in_flight(kind) > 0);
        --in_flight_.at(static_cast<std::size_t>(kind));
    }

    [[nodiscard]] std::size_t in_flight() const {
        return std::accumulate(in_flight_.begin(), in_flight_.end(), std::size_t{0});
    }
    [[nodiscard]] std::size_t waiting(Kind kind) const {
        return lines_.at(static_cast<std::size_t>(kind)).size();
    }

private:
    [[nodiscard]] std::deque<Item>& line(Kind kind) {
        return lines_.at(static_cast<std::size_t>(kind));
    }
    [[nodiscard]] std::size_t in_flight(Kind kind) const {
        return in_flight_.at(static_cast<std::size_t>(kind));
    }
    [[nodiscard]] bool has_room(Kind kind) const {
        if (in_flight() >= in_flight_max_) return false;
        switch (kind) {
            case Kind::answered: return true;
            case Kind::unknown_host:
            case Kind::unknown_domain:
                return in_flight(Kind::unknown_host) + in_flight(Kind::unknown_domain) <
                       std::max<std::size_t>(in_flight_max_ / 2, 1);
            case Kind::silent:
                return in_flight(kind) < std::max<std::size_t>(in_flight_max_ / 4, 1);
        }
        return false;
    }

    std::size_t in_flight_max_;
    std::array<std::deque<Item>, 4> lines_;  // by Kind
    std::array<std::size_t, 4> in_flight_{};
};

}  // namespace dns
