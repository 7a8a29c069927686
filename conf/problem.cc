#include "conf/problem.h"

namespace conf {

std::string to_string(const Problem& problem) {
    std::string text = problem.file;
    if (problem.line != 0) {
        text += ':' + std::to_string(problem.line) + ':' + std::to_string(problem.column);
    }
    text += ": ";
    text += problem.key;
    if (!problem.value.empty()) text += " = " + problem.value;
    if (!problem.key.empty()) text += ": ";
    return text + problem.what;
}

std::string to_string(const std::vector<Problem>& problems) {
    std::string text;
    for (const auto& problem : problems) text += to_string(problem) + '\n';
    return text;
}

}  // namespace conf
