#include "mta/cli/remote/answer.h"

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
    const std::array<std::pair<const char*, const std::string*>, 12> parts = {
        {{"id", &filter.id},
         {"from", &filter.sender},
         {"to", &filter.recipient},
         {"domain", &filter.domain},
         {"state", &filter.state},
         {"message_id", &filter.message_id},
         {"host", &filter.host},
         {"older", &filter.older},
         {"younger", &filter.younger},
         {"larger", &filter.larger},
         {"smaller", &filter.smaller},
         {"reply", &filter.reply}}};
    for (const auto& [name, value] : parts) {
        if (!value->empty()) out[name] = *value;
    }
    return out;
}

std::string describe(const Filter& filter) {
    std::string out;
    const auto add = [&out](std::string_view words, const std::string& value) {
        if (value.empty()) return;
        out += (out.empty() ? "" : " ") + std::string(words) + value;
    };
    add("message ", filter.id);
    add("Message-ID ", filter.message_id);
    add("", filter.state);
    add("mail from ", filter.sender);
    add("mail to ", filter.recipient);
    add("mail for ", filter.domain);
    add("at ", filter.host);
    add("older than ", filter.older);
    add("younger than ", filter.younger);
    add("larger than ", filter.larger);
    add("smaller than ", filter.smaller);
    if (!filter.reply.empty()) add("answered with ", '"' + filter.reply + '"');
    return out.empty() ? "everything" : out;
}

}  // namespace mta::cli
