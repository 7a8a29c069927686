#include "dns/question.h"

namespace dns {

std::string to_string(const Question& question) {
    return question.name + ' ' + std::string(to_string(question.type));
}

}  // namespace dns
