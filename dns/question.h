#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "dns/record_type.h"

namespace dns {

// One question to a name server, always in class IN. `name` is in the form of mta::to_a_labels().
struct Question {
    std::string name;
    RecordType type = RecordType::mx;
    bool operator==(const Question&) const = default;
};

[[nodiscard]] std::string to_string(const Question& question);  // "them.example MX"

// How long to wait for an answer.
enum class Effort : std::uint8_t {
    full,   // every server is asked, as often as the configuration says
    brief,  // the first timeout of a server, which comes soon, ends the question
};

}  // namespace dns

template <>
struct std::hash<dns::Question> {
    std::size_t operator()(const dns::Question& question) const noexcept {
        return std::hash<std::string_view>{}(question.name) * 31 +
               static_cast<std::size_t>(question.type);
    }
};
