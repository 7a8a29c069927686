#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "mta/api/words.h"
#include "mta/outbound/desk/queue_view.h"

namespace mta::admin {

// `posthouse why` of what is not in the queue.

// What became of a recipient who was.
[[nodiscard]] Lines words_about(const outbound::EndingView& ending, Instant now);

// Nothing in the queue for it.
[[nodiscard]] Lines words_about_unknown_id(std::string_view id);
[[nodiscard]] Lines words_about_unknown_message_id(std::string_view message_id);
[[nodiscard]] Lines words_about_unknown_address(std::string_view address);
[[nodiscard]] Lines words_about_unknown_domain(std::string_view domain);
// What else may have become of it, if anything of the spool is in quarantine; empty: nothing is.
[[nodiscard]] Lines words_about_quarantine(const std::string& spool_path, std::size_t files);
// Nothing may only be so far.
[[nodiscard]] Lines words_about_loading();

}  // namespace mta::admin
