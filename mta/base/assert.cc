#include "mta/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace mta {

void assertion_failed(const char* condition, const char* file, int line) noexcept {
    std::fprintf(stderr, "assertion_failed condition=\"%s\" at=%s:%d\n", condition, file, line);
    std::abort();
}

}  // namespace mta
