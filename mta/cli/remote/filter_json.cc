#include "mta/cli/remote/filter_json.h"

#include <array>
#include <string_view>
#include <utility>

namespace mta::cli {

using nlohmann::json;

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
