#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "mta/api/why/words.h"

namespace mta::api {

// The answers of `posthouse why` about what is not in the queue.
[[nodiscard]] Lines words_about_unknown_id(std::string_view id);
[[nodiscard]] Lines words_about_unknown_message_id(std::string_view message_id);
[[nodiscard]] Lines words_about_unknown_address(std::string_view address);
[[nodiscard]] Lines words_about_unknown_domain(std::string_view domain);
// The mail may be among `files` in quarantine. Empty if there are none.
[[nodiscard]] Lines words_about_quarantine(const std::string& spool_path, std::size_t files);

}  // namespace mta::api
