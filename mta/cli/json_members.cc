#include "mta/cli/json_members.h"

namespace mta::cli {

using nlohmann::json;

const json& member_of(const json& object, const char* name) {
    static const json nothing;
    if (!object.is_object()) return nothing;
    const auto found = object.find(name);
    return found == object.end() ? nothing : *found;
}

const json& list_of(const json& object, const char* name) {
    static const json empty = json::array();
    const auto& value = member_of(object, name);
    return value.is_array() ? value : empty;
}

std::string text_of(const json& object, const char* name) {
    const auto& value = member_of(object, name);
    return value.is_string() ? value.get<std::string>() : std::string();
}

std::uint64_t number_of(const json& object, const char* name) {
    const auto& value = member_of(object, name);
    return value.is_number_unsigned() ? value.get<std::uint64_t>() : 0;
}

void write_json(std::ostream& out, const json& value) {
    out << value.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
}

}  // namespace mta::cli
