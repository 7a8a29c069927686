#pragma once
#include <string>

#include "conf/document.h"
#include "conf/reader.h"
#include "conf/settings.h"

namespace conf {

// Reads the keys of every table and checks their values. The settings are valid only if `reading`
// has no problems and no unknown keys afterwards. `machine_name` is that of parse().
[[nodiscard]] Settings read_settings(const Value& document, const std::string& machine_name,
                                     Reading& reading);

}  // namespace conf
