#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace dns {

// The numbers of RFC 1035 section 3.2.2 and RFC 3596.
enum class RecordType : std::uint16_t { a = 1, cname = 5, soa = 6, mx = 15, aaaa = 28 };

[[nodiscard]] std::string_view to_string(RecordType type);  // "MX"

// What is asked; always in class IN. `name` is in the form of mta::to_a_labels().
struct Question {
    std::string name;
    RecordType type = RecordType::mx;
    bool operator==(const Question&) const = default;
};

[[nodiscard]] std::string to_string(const Question& question);  // "them.example MX"

// How long to wait for an answer.
enum class Effort : std::uint8_t {
    full,   // every server, as often as it is set
    brief,  // the first silence of a server, which comes soon, ends it
};

}  // namespace dns

template <>
struct std::hash<dns::Question> {
    std::size_t operator()(const dns::Question& question) const noexcept {
        return std::hash<std::string_view>{}(question.name) * 31 +
               static_cast<std::size_t>(question.type);
    }
};
