#include "conf/problem.h"

#include <string_view>

namespace conf {
namespace {

// A key in quotes may contain any character, and so may the name of a file.
std::string on_one_line(const std::string& text) {
    constexpr std::string_view hex = "0123456789abcdef";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7f) {
            out += c;
        } else {
            out += "\\x";
            out += hex[byte >> 4];
            out += hex[byte & 15];
        }
    }
    return out;
}

}  // namespace

std::string to_string(const Problem& problem) {
    std::string text = problem.file;
    if (problem.line != 0) {
        text += ':' + std::to_string(problem.line) + ':' + std::to_string(problem.column);
    }
    text += ": ";
    text += problem.key;
    if (!problem.value.empty()) text += " = " + problem.value;
    if (!problem.key.empty()) text += ": ";
    return on_one_line(text + problem.what);
}

std::string to_string(const std::vector<Problem>& problems) {
    std::string text;
    for (const auto& problem : problems) text += to_string(problem) + '\n';
    return text;
}

}  // namespace conf
