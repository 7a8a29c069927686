#include "dns/cares_library.h"

#include <ares.h>

#include "mta/base/assert.h"

namespace dns {

CaresLibrary::CaresLibrary() { MTA_ASSERT(ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS); }

CaresLibrary::~CaresLibrary() { ares_library_cleanup(); }

}  // namespace dns
