#include "mta/smtp/syntax/reply.h"

#include <cstddef>

namespace mta::smtp {

std::string text_of(const Reply& reply) {
    std::string text;
    for (std::size_t i = 0; i < reply.lines.size(); ++i) {
        if (i > 0) text += '\n';
        text += reply.lines[i];
    }
    return text;
}

}  // namespace mta::smtp
