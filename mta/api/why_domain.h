#pragma once
#include "mta/api/words.h"
#include "mta/outbound/desk/queue_view.h"

namespace mta::admin {

// `posthouse why` of a domain: where its mail goes, whether that takes mail, and what is passed
// over there.
[[nodiscard]] Lines words_about(const outbound::DomainView& domain, Instant now);

}  // namespace mta::admin
