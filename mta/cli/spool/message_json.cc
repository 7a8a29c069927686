#include "mta/cli/spool/message_json.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "mta/base/domain.h"
#include "mta/base/limits.h"
#include "mta/base/recipient_list.h"
#include "mta/base/time_format.h"
#include "mta/cli/json_members.h"
#include "mta/cli/terminal/table.h"
#include "mta/smtp/syntax/address.h"
#include "mta/smtp/syntax/xtext.h"

namespace mta::cli {
namespace {

using nlohmann::json;
using queue::RecipientPhase;
using queue::RecipientState;

constexpr std::array<std::pair<std::string_view, RecipientPhase>, 6> phases = {
    {{"queued", RecipientPhase::pending},
     {"held", RecipientPhase::held},
     {"delivered", RecipientPhase::delivered},
     {"failed", RecipientPhase::failed},
     {"expired", RecipientPhase::expired},
     {"cancelled", RecipientPhase::cancelled}}};
constexpr std::array<std::pair<std::string_view, std::uint8_t>, 4> notify_names = {
    {{"never", notify_never},
     {"success", notify_success},
     {"failure", notify_failure},
     {"delay", notify_delay}}};
constexpr std::array<std::pair<std::string_view, Scope>, 4> reaches = {
    {{"recipient", Scope::recipient},
     {"message", Scope::message},
     {"host", Scope::host},
     {"domain", Scope::domain}}};
constexpr std::array<std::pair<std::string_view, BodyType>, 2> body_types = {
    {{"7bit", BodyType::seven_bit}, {"8bitmime", BodyType::eight_bit_mime}}};
constexpr std::array<std::pair<std::string_view, Ret>, 2> rets = {
    {{"full", Ret::full}, {"hdrs", Ret::headers}}};
constexpr std::array<std::pair<std::string_view, ByMode>, 2> by_modes = {
    {{"notify", ByMode::notify}, {"return", ByMode::give_back}}};

template <class Rows, class Value>
std::string name_in(const Rows& rows, Value value) {
    for (const auto& [name, known] : rows) {
        if (known == value) return std::string(name);
    }
    return {};
}
template <class Rows>
const typename Rows::value_type* row_in(const Rows& rows, std::string_view name) {
    const auto* const found = std::ranges::find(rows, name, &Rows::value_type::first);
    return found == rows.end() ? nullptr : found;
}

json time_or_null(Instant time) {
    return time == Instant{} ? json(nullptr) : json(format_rfc3339(time));
}

json error_json(const DeliveryError& error) {
    if (error == DeliveryError{}) return nullptr;
    return {{"code", error.reply_code},
            {"status", to_string(error.status)},
            {"reach", name_in(reaches, error.scope)},
            {"text", error.text},
            {"host", error.remote}};
}

json recipient_json(const queue::Recipient& recipient, const RecipientState& state) {
    const bool is_pending = state.phase == RecipientPhase::pending;
    json out = {
        {"address", recipient.address},
        {"state", state_name(state)},
        {"attempts", state.attempts},
        {"next_attempt", is_pending ? time_or_null(state.next_due) : json(nullptr)},
        {"last_attempt", time_or_null(state.last_attempt)},
        {"last_reply",
         state.last_error == DeliveryError{} ? json(nullptr) : json(reply_of(state.last_error))},
        {"last_error", error_json(state.last_error)},
        {"delay_notices", state.delay_notices}};
    if (state.in_doubt) out["in_doubt"] = true;
    if (state.told_late) out["told_late"] = true;
    if (recipient.notify != notify_unspecified) {
        out["notify"] = json::array();
        for (const auto& [name, bit] : notify_names) {
            if ((recipient.notify & bit) != 0) out["notify"].push_back(name);
        }
    }
    if (!recipient.orcpt.empty()) out["orcpt"] = recipient.orcpt;
    return out;
}

void add_requests(json& out, const queue::Requests& requests) {
    if (requests.priority != 0) out["priority"] = requests.priority;
    if (requests.release != Instant{}) out["release"] = format_rfc3339(requests.release);
    const auto& by = requests.deliver_by;
    if (by.mode == ByMode::none) return;
    out["deliver_by"] = {
        {"time", format_rfc3339(by.at)}, {"mode", name_in(by_modes, by.mode)}, {"trace", by.trace}};
}

// ---- Reading: the first mistake is reported ------------------------------------------------------

class Reader {
public:
    explicit Reader(Instant now) : now_(now) {}

    std::expected<ReadMessage, std::string> read(const json& object) {
        // A time in the future was written by a wrong clock.
        out_.arrival = std::min(time(object, "arrived").value_or(now_), now_);
        read_sender(object);
        read_about(object);
        read_options(object);
        read_requests(object);
        const auto& recipients = member_of(object, "recipients");
        if (!recipients.is_array() || recipients.empty()) {
            complain("\"recipients\" must be an array of addresses, with one at least");
        } else {
            for (const auto& recipient : recipients) read_recipient(recipient);
        }
        if (complaint_) return std::unexpected(*complaint_);
        out_.envelope.recipients = recipients_.take();
        return std::move(out_);
    }

private:
    void complain(std::string text) {
        if (!complaint_) complaint_ = std::move(text);
    }

    std::optional<Instant> time(const json& object, const char* name) {
        const auto& value = member_of(object, name);
        if (value.is_null()) return std::nullopt;
        const auto parsed = parse_rfc3339(text_of(object, name));
        if (!parsed) {
            complain("\"" + std::string(name) +
                     "\" must be a time such as \"2026-11-18T12:00:00Z\"");
        }
        return parsed;
    }
    std::uint64_t number(const json& object, const char* name, std::uint64_t max) {
        const auto& value = member_of(object, name);
        if (value.is_null()) return 0;
        if (!value.is_number_unsigned() || value.get<std::uint64_t>() > max) {
            complain("\"" + std::string(name) + "\" must be a number from 0 to " +
                     std::to_string(max));
            return 0;
        }
        return value.get<std::uint64_t>();
    }
    template <class Rows, class Value>
    void name(const json& object, const char* member, const Rows& rows, Value& value) {
        const auto& given = member_of(object, member);
        if (given.is_null()) return;
        if (const auto* const row = row_in(rows, text_of(object, member))) {
            value = row->second;
            return;
        }
        std::string names;
        for (const auto& [known, ignored] : rows) {
            names += (names.empty() ? "" : ", ") + std::string(known);
        }
        complain("\"" + std::string(member) + "\" must be one of " + names);
    }

    // Without brackets, as in the envelope.
    std::optional<smtp::Address> address(const std::string& text, const char* what) {
        auto parsed = smtp::parse_mailbox(text);
        if (!parsed) {
            complain(std::string(what) + " \"" + text + "\" is no mail address (" +
                     std::string(smtp::describe(parsed.error())) + ")");
            return std::nullopt;
        }
        if (parsed->needs_smtputf8()) out_.envelope.smtputf8 = true;
        return std::move(*parsed);
    }

    void read_sender(const json& object) {
        const auto& sender = member_of(object, "sender");
        if (!sender.is_string()) {
            return complain("\"sender\" must be an address, or \"\" for the null sender");
        }
        const auto text = sender.get<std::string>();
        if (text.empty() || text == "<>") return;
        if (const auto parsed = address(text, "the sender")) {
            out_.envelope.reverse_path = parsed->text();
        }
    }

    void read_about(const json& object) {
        if (member_of(object, "about").is_null()) return;
        const auto id = queue::parse_id(text_of(object, "about"));
        if (!id) return complain("\"about\" must be a queue id");
        out_.about = *id;
    }

    void read_options(const json& object) {
        auto& envelope = out_.envelope;
        const auto& smtputf8 = member_of(object, "smtputf8");
        if (smtputf8.is_boolean()) {
            envelope.smtputf8 = envelope.smtputf8 || smtputf8.get<bool>();
        } else if (!smtputf8.is_null()) {
            complain("\"smtputf8\" must be true or false");
        }
        name(object, "body_type", body_types, envelope.body_type);
        name(object, "ret", rets, envelope.ret);
        envelope.envid = text_of(object, "envid");
        if (!envelope.envid.empty() && !smtp::is_valid_envid(envelope.envid)) {
            complain("\"envid\" must be xtext of at most 100 characters");
        }
    }

    void read_requests(const json& object) {
        auto& requests = out_.envelope.requests;
        const auto& priority = member_of(object, "priority");
        if (priority.is_number_integer() && priority >= priority_min && priority <= priority_max) {
            requests.priority = priority.get<std::int8_t>();
        } else if (!priority.is_null()) {
            complain("\"priority\" must be a number from -9 to 9");
        }
        requests.release = time(object, "release").value_or(Instant{});
        const auto& by = member_of(object, "deliver_by");
        if (by.is_null()) return;
        const auto at = time(by, "time");
        if (!at) return complain("\"deliver_by\" must have a \"time\"");
        requests.deliver_by.at = *at;
        requests.deliver_by.mode = ByMode::notify;
        name(by, "mode", by_modes, requests.deliver_by.mode);
        const auto& trace = member_of(by, "trace");
        requests.deliver_by.trace = trace.is_boolean() && trace.get<bool>();
    }

    void read_recipient(const json& value) {
        const bool is_address = value.is_string();
        const auto& given = is_address ? value : member_of(value, "address");
        if (!given.is_string()) {
            return complain(
                "each of \"recipients\" must be an address, or an object with an \"address\"");
        }
        const auto parsed = address(given.get<std::string>(), "the recipient");
        if (!parsed) return;
        queue::Recipient recipient{
            .address = parsed->text(), .domain = parsed->canonical_domain, .orcpt = {}};
        RecipientState state;
        state.next_due = std::max(now_, out_.envelope.requests.release);
        if (!is_address) {
            read_notify(value, recipient);
            read_state(value, state);
        }
        if (!state.is_open()) {
            ++out_.recipients_done;
            return;
        }
        // If a mailbox is named twice, the first state counts.
        if (!recipients_.add(std::move(recipient)).is_new) return;
        RecipientState fresh;
        fresh.next_due = std::max(now_, out_.envelope.requests.release);
        out_.has_states = out_.has_states || state != fresh;
        out_.states.push_back(std::move(state));
    }

    void read_notify(const json& value, queue::Recipient& recipient) {
        const auto& notify = member_of(value, "notify");
        if (!notify.is_null() && !notify.is_array()) complain("\"notify\" must be an array");
        for (const auto& given : list_of(value, "notify")) {
            const auto* const row =
                row_in(notify_names, given.is_string() ? given.get<std::string>() : "");
            if (row == nullptr) {
                return complain("\"notify\" may have never, success, failure and delay");
            }
            recipient.notify |= row->second;
        }
        if ((recipient.notify & notify_never) != 0 && recipient.notify != notify_never) {
            complain("\"notify\": never goes with nothing else");
        }
        recipient.orcpt = text_of(value, "orcpt");
        if (!recipient.orcpt.empty() &&
            !smtp::is_valid_orcpt(recipient.orcpt, out_.envelope.smtputf8)) {
            complain("\"orcpt\" \"" + recipient.orcpt +
                     "\" is none: it has a form such as rfc822;bob@them.example");
        }
    }

    void read_state(const json& value, RecipientState& state) {
        if (text_of(value, "state") == "in_doubt") {
            state.in_doubt = true;
        } else if (text_of(value, "state") != "delivering") {
            name(value, "state", phases, state.phase);
        }
        const auto& in_doubt = member_of(value, "in_doubt");
        if (in_doubt.is_boolean() && in_doubt.get<bool>()) state.in_doubt = true;
        const auto& told_late = member_of(value, "told_late");
        if (told_late.is_boolean() && told_late.get<bool>()) state.told_late = true;
        state.attempts = static_cast<std::uint16_t>(number(value, "attempts", UINT16_MAX));
        state.delay_notices = static_cast<std::uint8_t>(number(value, "delay_notices", UINT8_MAX));
        if (const auto due = time(value, "next_attempt")) state.next_due = *due;
        if (const auto last = time(value, "last_attempt")) state.last_attempt = *last;
        read_error(member_of(value, "last_error"), state.last_error);
    }

    void read_error(const json& value, DeliveryError& error) {
        if (value.is_null()) return;
        error.reply_code = static_cast<std::uint16_t>(number(value, "code", 999));
        const auto status = text_of(value, "status");
        std::string_view rest = status;
        if (const auto parsed = take_enhanced_status(rest)) error.status = *parsed;
        name(value, "reach", reaches, error.scope);
        error.text = text_of(value, "text").substr(0, limits::kept_reply_bytes_max);
        error.remote = text_of(value, "host");
    }

    Instant now_;
    ReadMessage out_;
    RecipientList recipients_;
    std::optional<std::string> complaint_;
};

}  // namespace

std::string_view state_name(const RecipientState& state) {
    if (state.phase == RecipientPhase::pending && state.in_doubt) return "in_doubt";
    for (const auto& [name, phase] : phases) {
        if (phase == state.phase) return name;
    }
    return "queued";
}

json to_json(const queue::Message& message, const std::vector<RecipientState>& states) {
    const auto& envelope = message.envelope;
    json out = {{"id", queue::format_id(message.id)},
                {"sender", envelope.reverse_path},
                {"arrived", format_rfc3339(message.arrival)},
                {"size", message.facts.size},
                {"message_id", message.message_id},
                {"body_type", envelope.body_type == BodyType::seven_bit ? "7bit" : "8bitmime"},
                {"smtputf8", envelope.smtputf8},
                {"recipients", json::array()}};
    if (envelope.ret != Ret::unspecified) out["ret"] = name_in(rets, envelope.ret);
    if (!envelope.envid.empty()) out["envid"] = envelope.envid;
    if (message.about != 0) out["about"] = queue::format_id(message.about);
    add_requests(out, envelope.requests);
    for (std::size_t i = 0; i < envelope.recipients.size() && i < states.size(); ++i) {
        out["recipients"].push_back(recipient_json(envelope.recipients[i], states[i]));
    }
    return out;
}

std::expected<ReadMessage, std::string> read_message(std::string_view text, Instant now) {
    const auto object = json::parse(text, nullptr, false);
    if (!object.is_object()) return std::unexpected("it is no JSON object");
    return Reader(now).read(object);
}

}  // namespace mta::cli
