#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace conf {

// One mistake in the configuration, in words for the administrator who corrects it.
struct Problem {
    std::string file;
    std::uint32_t line = 0;  // from 1; 0 if the mistake has no place (the file cannot be read)
    std::uint32_t column = 0;
    std::string key;    // in full: "relay.networks[1]"; empty for a syntax error
    std::string value;  // as in the file, shortened and escaped: "\"10.0.0.1/8\""; may be empty
    std::string what;   // what is wrong and what is allowed
    bool operator==(const Problem&) const = default;
};

// `posthouse.toml:12:14: relay.networks[1] = "10.0.0.1/8": bits are set behind the prefix; write
// "10.0.0.0/8"`. Always one line, without a line end.
[[nodiscard]] std::string to_string(const Problem& problem);

// All problems, each on a line of its own.
[[nodiscard]] std::string to_string(const std::vector<Problem>& problems);

}  // namespace conf
