#pragma once
#include "mta/api/why/words.h"
#include "mta/outbound/desk/queue_view.h"

namespace mta::api {

// The answer of `posthouse why` about a domain: where its mail goes, whether that destination takes
// mail, and which addresses and sources are not used there.
[[nodiscard]] Lines words_about(const outbound::DomainView& domain, Instant now);

}  // namespace mta::api
