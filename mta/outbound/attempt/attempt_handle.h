#pragma once
#include "mta/base/handle.h"

namespace mta::outbound {

struct Attempt;
using AttemptHandle = Handle<Attempt>;

}  // namespace mta::outbound
