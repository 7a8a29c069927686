// The bytes of a client, in turns that are separated by 0x1e (a turn ends when the client waits for
// replies). Properties: the session does the same wherever a turn is cut, and whether questions are
// answered at once or later; it sends only replies; an accepted message is clean.
#include <algorithm>
#include <cstdint>
#include <string>

#include "mta/base/assert.h"
#include "tests/smtp/server_world.h"

namespace {

using namespace mta;
using namespace mta::smtp;
using test::ServerWorld;

// With the answers to questions that came later, too.
void pump(ServerWorld& world) {
    do {
        world.pump();
    } while (world.answer());
}

void play(ServerWorld& world, std::string_view turns, std::size_t step, std::string& said) {
    said += world.connect();
    while (!turns.empty()) {
        const auto turn = turns.substr(0, turns.find('\x1e'));
        turns.remove_prefix(std::min(turn.size() + 1, turns.size()));
        for (std::size_t at = 0; at < turn.size(); at += step) {
            world.session.on_bytes(world.now, turn.substr(at, step));
        }
        pump(world);
        said += world.take_said();
    }
    world.session.on_input_end(world.now);
    pump(world);
    said += world.take_said();
    MTA_ASSERT(world.ended.has_value());
}

// Every extension is offered, and the client is in relay.networks.
ServerOptions options() {
    auto options = ServerWorld::default_options();
    options.extensions.mt_priority = true;
    options.extensions.future_release = true;
    options.extensions.deliver_by = true;
    options.future_release_max = std::chrono::hours{24};
    options.deliver_by_min_s = 60;
    return options;
}
ClientInfo own_client() {
    auto client = ServerWorld::stranger();
    client.rights.is_own = true;
    client.rights.may_prioritise = true;
    return client;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }

void check_replies(std::string_view said) {
    MTA_ASSERT(said.ends_with("\r\n"));
    while (!said.empty()) {
        const auto line = said.substr(0, said.find("\r\n"));
        said.remove_prefix(line.size() + 2);
        MTA_ASSERT(line.size() >= 4 && line[0] >= '2' && line[0] <= '5');
        MTA_ASSERT(line[3] == ' ' || line[3] == '-');
        MTA_ASSERT(std::ranges::none_of(line, is_control));
    }
}

void check_message(const ServerWorld::Accepted& message) {
    const auto is_clean = [](std::string_view text) {
        return std::ranges::none_of(text, is_control);
    };
    MTA_ASSERT(is_clean(message.envelope.reverse_path) && is_clean(message.envelope.envid));
    MTA_ASSERT(!message.envelope.recipients.empty());
    for (const auto& recipient : message.envelope.recipients) {
        MTA_ASSERT(is_clean(recipient.address) && is_clean(recipient.orcpt));
        MTA_ASSERT(recipient.domain == "us.example" || recipient.domain == "relay.us.example");
    }
    const auto& requests = message.envelope.requests;
    MTA_ASSERT(requests.priority >= mta::priority_min && requests.priority <= mta::priority_max);
    MTA_ASSERT(is_clean(message.message_id));
    MTA_ASSERT(message.facts.size == message.body.size());
    for (std::size_t i = 0; i < message.body.size(); ++i) {
        MTA_ASSERT(message.body[i] != '\0');
        MTA_ASSERT((message.body[i] == '\r') ==
                   (i + 1 < message.body.size() && message.body[i + 1] == '\n'));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0 || size > 20'000) return 0;
    const std::string_view turns(reinterpret_cast<const char*>(data + 1), size - 1);
    ServerWorld whole(options(), own_client());
    ServerWorld cut(options(), own_client());
    std::string whole_said;
    std::string cut_said;
    cut.answers_at_once = data[0] % 2 == 0;
    play(whole, turns, turns.size() + 1, whole_said);
    play(cut, turns, std::size_t{data[0]} % 50 + 1, cut_said);

    MTA_ASSERT(whole_said == cut_said);
    MTA_ASSERT(whole.accepted.size() == cut.accepted.size());
    for (std::size_t i = 0; i < whole.accepted.size(); ++i) {
        MTA_ASSERT(whole.accepted[i].envelope == cut.accepted[i].envelope);
        MTA_ASSERT(whole.accepted[i].body == cut.accepted[i].body);
        MTA_ASSERT(whole.accepted[i].facts == cut.accepted[i].facts);
        check_message(whole.accepted[i]);
    }
    MTA_ASSERT(whole.refused.size() == cut.refused.size());
    MTA_ASSERT(whole.aborted.size() == cut.aborted.size());
    MTA_ASSERT(whole.begun == cut.begun);
    check_replies(whole_said);
    // Each message that began ends once.
    MTA_ASSERT(whole.begun == whole.accepted.size() + whole.aborted.size());
    return 0;
}
