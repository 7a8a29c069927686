// The invariants, as servers, the network, the disk and the log can see them.
#include <gtest/gtest.h>

#include "tests/simulation/relay_rules.h"
#include "tests/simulation/relay_world.h"

namespace simulation {

using namespace mta::outbound;

void RelayWorld::check_requests(const world::Server& server, const world::Received& received,
                                const Fate& fate) const {
    const auto offers = [&](const std::string& extension) {
        return std::ranges::find(server.extensions, extension) != server.extensions.end();
    };
    // A server with moods may have refused EHLO, and then offers no extension.
    const bool may_know_helo_only = server.reply != nullptr;
    const auto expect_said = [&](bool is_said, bool is_due) {
        EXPECT_TRUE(is_said == is_due || (may_know_helo_only && !is_said)) << received.sender;
    };
    const auto& requests = fate.requests;
    EXPECT_TRUE(agenda_.now() >= requests.release || fate.was_released_early)
        << "it was to be released later";
    const auto priority = requests.priority;
    expect_said(received.sender.contains(" MT-PRIORITY=" + std::to_string(priority)),
                offers("MT-PRIORITY") && priority != 0);
    const auto& by = requests.deliver_by;
    const auto place = received.sender.find(" BY=");
    const bool is_by_said = place != std::string::npos;
    expect_said(is_by_said, offers("DELIVERBY 60") && by.mode != mta::ByMode::none);
    EXPECT_TRUE(by.mode != mta::ByMode::give_back || is_by_said)
        << "it went to a server that does not support this request";
    if (!is_by_said) return;
    const auto seconds = std::stoi(received.sender.substr(place + 4));
    const auto left = std::chrono::floor<std::chrono::seconds>(by.at - agenda_.now()).count();
    EXPECT_GE(seconds, left);
    EXPECT_LE(seconds, std::chrono::ceil<std::chrono::seconds>(by.at - fate.arrival).count());
    EXPECT_TRUE(by.mode != mta::ByMode::give_back || seconds >= 60) << seconds;
}

// True if the domain has a working host and nothing else can delay the message.
bool RelayWorld::is_promised(const Key& key) const {
    const auto& fate = fates_.at(key);
    const bool has_host = fate.domain == "backup.example" || has_good_records(fate.domain) ||
                          (fate.domain == "poison.example" && !is_poison(key));
    return has_host && fate.requests == queue::Requests{} && fate.ordered_at == Instant{} &&
           fate.off_time_before == off_time_;
}

void RelayWorld::on_received(const world::Server& server, const world::Received& received) {
    if (server.group == "office.example") {
        // A report names its recipients.
        for (auto at = received.body.find("About: "); at != std::string::npos;
             at = received.body.find("About: ", at + 1))
            note_reported(key_in(received.body.substr(at + 7)));
        return;
    }
    // The server refused all recipients and yet answered 354, so the session sent only the dot.
    if (received.recipients.empty() && received.body.empty()) return;
    const auto number = number_in(received.body);
    ASSERT_GE(number, 0) << "a body came that was not sent: " << received.body.substr(0, 200);
    ASSERT_TRUE(received.body.ends_with("the end\r\n")) << "half a message was delivered";
    for (const auto& address : received.recipients) {
        ASSERT_EQ(key_in(address).first, number) << "recipients and body do not belong together";
        auto& fate = fates_[key_in(address)];
        check_requests(server, received, fate);
        EXPECT_EQ(fate.order, Order::none) << address << " got it in spite of an order";
        const auto outage = fate.domain == "outage.example" ? outage_max : Millis{};
        EXPECT_TRUE(!is_promised(key_in(address)) ||
                    agenda_.now() - fate.arrival <= delivered_within + outage)
            << address << " came late, after " << (agenda_.now() - fate.arrival).count() << " ms";
        ++fate.delivered;
        fate.last_delivered = agenda_.now();
        EXPECT_LE(fate.delivered, 1 + fate.in_doubt + fate.lost_in_crash)
            << address << " got it twice without a doubt or a crash";
    }
}

// `name` is that of a domain, of a host in it, or of a group of servers.
void RelayWorld::note_tried(const std::string& name) {
    tried_[name.starts_with("mx") ? name.substr(name.find('.') + 1) : name] = agenda_.now();
}

// True if there was an attempt since the message came, the process began and the clock leapt. The
// attempt may be the message's own or one that it waited for.
bool RelayWorld::was_tried(const Fate& fate) const {
    const auto since = std::max(nothing_tried_before_, fate.arrival);
    const auto is_tried = [&](const std::string& name) {
        const auto tried = tried_.find(name);
        return tried != tried_.end() && tried->second >= since;
    };
    const bool may_be_routed = is_to_branch(fate.domain) || !former_.empty();
    return is_tried(fate.domain) ||
           (fate.domain.contains("shared") && is_tried("shared.example")) ||
           (may_be_routed && is_tried("branch.example"));
}

void RelayWorld::on_connect(const std::string& group) {
    note_tried(group);
    EXPECT_NE(group, "rubbish.example") << "a domain with MX records is not its own host";
    const auto most_in_all = most([](const auto& s) { return s.delivery.connections_max; });
    const auto most_to_one =
        most([](const auto& s) { return s.delivery.connections_per_destination_max; });
    EXPECT_LT(connector_.in_use_total, most_in_all) << "too many connections in all";
    // A [[site]] has the limit of the host that two destinations share.
    const bool is_shared = group == "shared.example";
    EXPECT_LT(connector_.in_use[group], is_shared ? shared_connections_max : most_to_one)
        << "too many connections to " << group;
    const auto& hours = settings_.routes[0].deliver_between;
    const bool may_be_out_of_hours = agenda_.now() <= named_until_ || was_reloaded_lately();
    if (group == "branch.example" && !hours.empty() && !may_be_out_of_hours) {
        EXPECT_TRUE(mta::look_at(hours, agenda_.now(), nullptr).is_open) << "out of its hours";
    }
    const bool is_rated = group == "flaky.example" || group == "branch.example";
    if (is_rated && has_rates_ && !was_reloaded_lately())
        count_against("connections", group, connection_rate);
    // A destination without mail is forgotten after a while. This connection is no probe then.
    if (group == "dead.example" && agenda_.now() - last_probe_ >= 2h) down_.erase(group);
    if (group == "dead.example" && down_.contains(group)) {
        EXPECT_TRUE(agenda_.now() - last_probe_ >= 13s || last_order_ >= last_probe_)
            << "probed more often than every 15 s, less the jitter";
        last_probe_ = agenda_.now();
    }
}

void RelayWorld::on_command(const world::Server& server, std::size_t connection,
                            const std::string& command) {
    auto& talk = talks_[{&server, connection}];
    if (command.starts_with("MAIL")) {
        talk.recipients = 0;
        EXPECT_LE(++talk.messages, most([](const auto& s) {
            return s.delivery.messages_per_connection_max;
        })) << "too many messages on one connection to "
            << server.group;
    } else if (command.starts_with("RCPT")) {
        // The first rule that names a destination counts; the last rule is for all others.
        const std::string of_no_other[] = {"good.example", "flaky.example", "branch.example",
                                           "shared.example", "two.shared.example"};
        const bool is_other = std::ranges::find(of_no_other, server.group) == std::end(of_no_other);
        const auto limit_of = [is_other](const conf::Settings& s) -> std::size_t {
            return is_other ? s.sites.back().recipients_per_transaction_max.value_or(
                                  s.delivery.recipients_per_transaction_max)
                            : s.delivery.recipients_per_transaction_max;
        };
        EXPECT_LE(++talk.recipients, most(limit_of))
            << "too many recipients in one transaction with " << server.group;
    } else if (command == "QUIT") {
        talks_.erase({&server, connection});
    }
}

void RelayWorld::count_against(const std::string& what, const std::string& group, mta::Rate rate) {
    auto& recent = recent_[what + " " + group];
    recent.push_back(agenda_.now());
    while (recent.front() <= agenda_.now() - (rate.period - way_max)) recent.pop_front();
    EXPECT_LE(recent.size(), rate.count) << "too many " << what << " to " << group;
}

void RelayWorld::check_loaded(const queue::QueuedMessage& message) {
    const auto number = number_of_.find(message.id);
    if (number == number_of_.end()) {
        loaded_reports_.insert(message.id);
        return;
    }
    EXPECT_EQ(message.requests, (fates_[{number->second, 0}].requests));
    for (std::size_t i = 0; i < message.recipients.size(); ++i) {
        const auto& recipient = message.recipients[i];
        const auto& state = recipient.state;
        const std::pair key(number->second, static_cast<int>(i));
        loaded_.insert(key);
        const bool is_off =
            recipient.domain == "dead.example" || recipient.domain == "away.example";
        if (is_off && state.is_open()) {
            EXPECT_EQ(state.attempts, 0) << "charged for a host that is down";
        }
        auto& fate = fates_[key];
        if (state.is_open()) check_order_kept(key, state);
        if (!state.is_open() || fate.delivered == 0) continue;
        if (fate.delivered <= fate.in_doubt + fate.lost_in_crash) continue;
        // The outcome was not on disk yet: the message was delivered just before the crash, or the
        // relay was waiting for the reply.
        const bool may_have_waited =
            recipient.domain == "flaky.example" || recipient.domain == "flap.example";
        const Millis recent = may_have_waited ? settings_.delivery.final_dot_timeout + 1min : 2s;
        EXPECT_GE(fate.last_delivered, crashed_at_ - recent)
            << "message " << key.first << " for recipient " << key.second
            << " had been delivered long before the crash";
        ++fate.lost_in_crash;
    }
}

// An order survives a restart, unless it was given at the very end.
void RelayWorld::check_order_kept(const Key& key, const queue::RecipientState& state) {
    auto& fate = fates_[key];
    const auto kept = state.phase == queue::RecipientPhase::held ? Order::hold : Order::none;
    if (fate.order == kept) return;
    EXPECT_GE(fate.ordered_at, crashed_at_ - 2s)
        << "message " << key.first << ": what was ordered about recipient " << key.second
        << " is forgotten";
    set_order(key, kept);
}

// A sender gets one notice for all delayed mail, and then none for hours. A relay that has crashed
// may repeat one.
void RelayWorld::check_notice(const ReportRequest& request) {
    const auto& sender = request.original.envelope.reverse_path;
    const auto& by = request.original.envelope.requests.deliver_by;
    const mta::EnhancedStatus too_late{4, 4, 7};
    const auto& error = request.outcomes.front().error;
    // A message that was held from the beginning has no other reason for its delay.
    const bool is_untried = error.text == "it could not be delivered so far";
    const bool is_late = error.status == too_late && (agenda_.now() >= by.at || !is_untried);
    if (by.mode == mta::ByMode::notify && is_late) {
        EXPECT_GE(agenda_.now(), by.at) << "it was asked for at a time, and comes earlier";
        return;
    }
    auto& last = last_notice_[sender];
    if (last.life == life_) {
        // It takes some time to read the messages that the notice is about.
        EXPECT_GE(agenda_.now() - last.when + 10s, settings_.retry.delay_notices.front())
            << "too many notices for " << sender;
    }
    last = {life_, agenda_.now()};
    std::set<queue::MessageId> told = {request.original.id};
    for (const auto& other : request.also) {
        EXPECT_EQ(other.message->envelope.reverse_path, sender);
        EXPECT_FALSE(other.outcomes.empty());
        EXPECT_TRUE(told.insert(other.message->id).second) << "named twice in one notice";
    }
}

void RelayWorld::settle_report(queue::MessageId report) {
    for (const auto& key : reported_by_[report]) note_reported(key);
}

void RelayWorld::note_reported(const Key& key) {
    auto& fate = fates_[key];
    EXPECT_NE(fate.order, Order::cancel) << "a cancelled recipient is reported";
    fate.is_reported = true;
}

void RelayWorld::note(const mta::events::Event& event) {
    using namespace mta::events;
    circuits_.note(event);
    const auto fate_of = [this](const RecipientRef& recipient) -> Fate* {
        const auto number = number_of_.find(recipient.id);
        if (number == number_of_.end()) return nullptr;
        return &fates_[{number->second, static_cast<int>(recipient.recipient)}];
    };
    if (const auto* failed = std::get_if<Failed>(&event)) {
        const auto* const fate = fate_of(failed->recipient);
        const bool had_to_be_in_time =
            fate != nullptr && fate->requests.deliver_by.mode == mta::ByMode::give_back;
        const bool is_ordered = to_string(failed->error.status) == "5.3.0";
        EXPECT_TRUE(failed->recipient.domain != "strict.example" || had_to_be_in_time || is_ordered)
            << "another source could have taken over";
    }
    if (const auto* doubt = std::get_if<InDoubt>(&event)) {
        if (auto* fate = fate_of(doubt->recipient)) ++fate->in_doubt;
    } else if (const auto* dropped = std::get_if<ReportDropped>(&event)) {
        EXPECT_NE(dropped->reason, ReportDropped::Reason::not_made);
        if (auto* fate = fate_of(dropped->recipient)) {
            fate->is_reported = true;
        } else {
            settle_report(dropped->recipient.id);
        }
    } else if (const auto* deferred = std::get_if<Deferred>(&event)) {
        EXPECT_NE(deferred->recipient.domain, "dead.example") << "charged for a host's failure";
        EXPECT_NE(deferred->recipient.domain, "away.example") << "charged for a host's failure";
    } else if (const auto* expired = std::get_if<Expired>(&event)) {
        auto* fate = fate_of(expired->recipient);
        if (fate == nullptr) return;
        EXPECT_FALSE(is_promised(
            {number_of_.at(expired->recipient.id), static_cast<int>(expired->recipient.recipient)}))
            << expired->recipient.address << " expired, and a host would have taken it";
        const bool was_held = fate->order == Order::hold;
        set_order(
            {number_of_.at(expired->recipient.id), static_cast<int>(expired->recipient.recipient)},
            Order::none);
        const auto lifetime = expired->recipient.domain == "branch.example"
                                  ? settings_.retry.lifetime * 2
                                  : settings_.retry.lifetime;
        const auto& requests = fate->requests;
        const auto begin = std::max(fate->arrival, requests.release);
        auto earliest = begin + std::min(lifetime, settings_.retry.bounce_lifetime);
        auto latest = begin + lifetime;
        if (requests.deliver_by.mode == mta::ByMode::give_back) {
            earliest = std::min(earliest, requests.deliver_by.at);
            latest = std::min(latest, requests.deliver_by.at);
            EXPECT_TRUE(agenda_.now() < requests.deliver_by.at ||
                        to_string(expired->last_error.status) == "5.4.7");
        }
        const bool is_to_be_given_back = requests.deliver_by.mode == mta::ByMode::give_back &&
                                         agenda_.now() >= requests.deliver_by.at;
        EXPECT_TRUE(is_to_be_given_back || was_tried(*fate))
            << "message " << expired->recipient.id << " for " << fate->domain
            << " is returned, and was not tried";
        // A message that was never tried waits for its hours. If it was held, it waits for the
        // operator, but no longer than until the time at which its sender wants it back.
        if (was_held && requests.deliver_by.mode == mta::ByMode::give_back)
            latest = std::max(latest, requests.deliver_by.at);
        const Millis hours = has_hours_ ? 24h : 0h;
        EXPECT_LE(agenda_.now(),
                  std::max(latest, fate->ordered_at) + attempt_duration_max + off_time_ + hours)
            << "message " << expired->recipient.id << " for " << fate->domain << " expired late";
        EXPECT_GE(agenda_.now(), earliest) << "expired early";
    } else if (const auto* unreadable = std::get_if<Unreadable>(&event)) {
        ADD_FAILURE() << "message " << unreadable->id << " is unreadable: " << unreadable->reason;
    } else if (const auto* down = std::get_if<DestinationDown>(&event)) {
        EXPECT_FALSE(down->destination.contains("busy.example")) << "one too many is no failure";
        EXPECT_FALSE(down->destination.contains("strict.example"));
        for (const auto& domain : domains)
            if (down->destination.contains("mx1." + domain)) down_.insert(domain);
    } else if (const auto* up = std::get_if<DestinationUp>(&event)) {
        for (const auto& domain : domains)
            if (up->destination.contains("mx1." + domain)) down_.erase(domain);
    }
}
}  // namespace simulation
