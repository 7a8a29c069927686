#pragma once
#include "mta/base/envelope.h"

namespace mta::smtp {

using mta::BodyFacts;
using mta::BodyType;
using mta::Envelope;
using mta::Notify;
using mta::notify_delay;
using mta::notify_failure;
using mta::notify_never;
using mta::notify_success;
using mta::notify_unspecified;
using mta::Recipient;
using mta::Ret;

}  // namespace mta::smtp
