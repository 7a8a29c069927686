#pragma once
#include <string>

#include "conf/document.h"
#include "conf/reader.h"
#include "conf/settings.h"

namespace conf {

// The keys of every table, with what each of them may be. Mistakes are left in `reading`; what is
// returned is only good if there are none. `machine_name` as in parse().
[[nodiscard]] Settings read_settings(const Value& document, const std::string& machine_name,
                                     Reading& reading);

}  // namespace conf
