#include "mta/cli/answer.h"

#include <array>
#include <utility>

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

int fail(CommandIo& io, const ApiError& error) {
    io.err << "posthouse: " << error.text << '\n';
    return exit_failed;
}

json to_json(const Filter& filter) {
    json out = json::object();
    const std::array<std::pair<const char*, const std::string*>, 5> parts = {
        {{"id", &filter.id},
         {"from", &filter.sender},
         {"to", &filter.recipient},
         {"domain", &filter.domain},
         {"state", &filter.state}}};
    for (const auto& [name, value] : parts) {
        if (!value->empty()) out[name] = *value;
    }
    return out;
}

std::string describe(const Filter& filter) {
    std::string out;
    const auto add = [&out](const std::string& words) { out += (out.empty() ? "" : " ") + words; };
    if (!filter.id.empty()) add("message " + filter.id);
    if (!filter.state.empty()) add(filter.state);
    if (!filter.sender.empty()) add("mail from " + filter.sender);
    if (!filter.recipient.empty()) add("mail to " + filter.recipient);
    if (!filter.domain.empty()) add("mail for " + filter.domain);
    return out.empty() ? "everything" : out;
}

}  // namespace mta::cli
