#pragma once
#include "mta/base/handle.h"

namespace mta::outbound {

// Names a connection to a host, from its opening until its end is reported (ConnectionPool).
struct ConnectionTag;
using ConnectionHandle = Handle<ConnectionTag>;

}  // namespace mta::outbound
