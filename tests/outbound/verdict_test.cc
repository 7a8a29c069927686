#include "mta/outbound/attempt/verdict.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mta::outbound {
namespace {

using testing::ElementsAre;
using Kind = Ruling::Kind;

DeliveryError reply(std::uint16_t code, EnhancedStatus status, Scope scope,
                    std::string text = "no") {
    return {.status = status, .scope = scope, .reply_code = code, .text = std::move(text)};
}
DeliveryError lost(Scope scope = Scope::message) {
    return {.status = {4, 4, 2}, .scope = scope, .text = "connection lost"};
}
const DeliveryError unknown_user = reply(550, {5, 1, 1}, Scope::recipient);
const DeliveryError mailbox_busy = reply(450, {4, 2, 1}, Scope::recipient);
const DeliveryError message_later = reply(451, {4, 3, 0}, Scope::message);
const DeliveryError message_refused = reply(554, {5, 7, 1}, Scope::message);
const DeliveryError host_later = reply(421, {4, 3, 2}, Scope::host);
const DeliveryError too_many = reply(452, {4, 5, 3}, Scope::recipient, "too many recipients");
const DeliveryError blocked =
    reply(554, {5, 7, 1}, Scope::message, "client host [192.0.2.9] blocked");
const DeliveryError nameless =
    reply(550, {5, 7, 25}, Scope::message, "IPv6 address must have a PTR record");

std::string name_of(Kind kind) {
    switch (kind) {
        case Kind::delivered: return "delivered";
        case Kind::failed: return "failed";
        case Kind::deferred: return "deferred";
        case Kind::in_doubt: return "in doubt";
        case Kind::next_host: return "next host";
        case Kind::again: return "again";
        case Kind::accepted: return "accepted";
        case Kind::postponed: return "postponed";
    }
    return "?";
}
std::vector<std::string> names(const Verdict& verdict) {
    std::vector<std::string> names;
    for (const auto& ruling : verdict.rulings) names.push_back(name_of(ruling.kind));
    return names;
}

TransactionOutcome answered(std::vector<Result<void>> recipients) {
    TransactionOutcome outcome;
    outcome.recipients = std::move(recipients);
    return outcome;
}
Verdict ruled(TransactionOutcome& outcome, const Known& known = {}) {
    const auto meanings = meanings_of(outcome);
    return judge(outcome, meanings, known);
}
Result<void> taken() { return {}; }
Result<void> no(const DeliveryError& error) { return std::unexpected(error); }

struct Case {
    const char* what;
    TransactionOutcome outcome;
    Known known;
    std::vector<std::string> rulings;
    Heard heard;
};

TransactionOutcome broken(std::vector<Result<void>> recipients, std::vector<std::size_t> broken_off,
                          std::vector<std::size_t> suspects = {}, bool in_doubt = false) {
    auto outcome = answered(std::move(recipients));
    outcome.broken_off = std::move(broken_off);
    outcome.suspects = std::move(suspects);
    outcome.in_doubt = in_doubt;
    return outcome;
}

std::vector<Case> cases() {
    std::vector<Case> all;
    const auto add = [&all](const char* what, TransactionOutcome outcome, Known known,
                            std::vector<std::string> rulings, Heard heard) {
        all.push_back({what, std::move(outcome), known, std::move(rulings), heard});
    };
    add("taken", answered({taken()}), {}, {"delivered"}, Heard::settled);
    add("5xx for a recipient is final", answered({taken(), no(unknown_user)}), {},
        {"delivered", "failed"}, Heard::settled);
    add("4xx for a recipient is charged: no other host is asked", answered({no(mailbox_busy)}), {},
        {"deferred"}, Heard::settled);
    add("4xx for the message goes to the next host",
        answered({no(message_later), no(message_later)}), {}, {"next host", "next host"},
        Heard::refusal);
    add("5xx for the message is final", answered({no(message_refused)}), {}, {"failed"},
        Heard::settled);
    add("a failure of the host goes to the next host and is not the message's",
        answered({no(host_later)}), {}, {"next host"}, Heard::nothing);
    add("one recipient too many goes again when others were taken",
        answered({taken(), no(too_many)}), {}, {"delivered", "again"}, Heard::settled);
    add("one recipient too many is deferred when none was taken", answered({no(too_many)}), {},
        {"deferred"}, Heard::settled);
    add("a session that breaks goes to the next host", broken({no(lost())}, {0}), {}, {"next host"},
        Heard::broken);
    add("a session that breaks after the final dot is in doubt",
        broken({no(unknown_user), no(lost())}, {1}, {}, true), {}, {"failed", "in doubt"},
        Heard::settled);
    add("a session that breaks at one RCPT charges it, and the others go again",
        broken({no(lost()), no(lost(Scope::recipient)), no(lost())}, {0, 1, 2}, {1}), {},
        {"accepted", "deferred", "again"}, Heard::broken);
    add("a session that breaks at the only RCPT left goes to the next host",
        broken({no(unknown_user), no(lost(Scope::recipient))}, {1}, {1}), {},
        {"failed", "next host"}, Heard::settled);
    add("a refusal of the source goes again when another source takes over",
        answered({no(blocked), no(unknown_user)}), {.is_source_suspended = true},
        {"again", "failed"}, Heard::settled);
    add("a refusal of the source is what it says when there is no other", answered({no(blocked)}),
        {}, {"failed"}, Heard::settled);
    add("a refusal for want of a name goes to an IPv4 address", answered({no(nameless)}),
        {.turns_to_v4 = true}, {"next host"}, Heard::settled);
    add("a refusal for want of a name is final without one", answered({no(nameless)}), {},
        {"failed"}, Heard::settled);
    add("a refusal for want of a name goes again if the attempt cannot go on",
        answered({no(nameless)}), {.turns_to_v4 = true, .can_go_on = false}, {"again"},
        Heard::settled);
    return all;
}

TEST(Verdict, follows_the_table) {
    for (auto& [what, outcome, known, rulings, heard] : cases()) {
        SCOPED_TRACE(what);
        const auto verdict = ruled(outcome, known);
        EXPECT_EQ(names(verdict), rulings);
        EXPECT_EQ(verdict.heard, heard);
    }
}

TEST(Verdict, owns_its_errors) {
    auto outcome = answered({no(unknown_user), no(message_later)});
    const auto verdict = ruled(outcome);
    outcome = {};
    EXPECT_EQ(verdict.rulings[0].error, unknown_user);
    EXPECT_EQ(verdict.rulings[1].error, message_later);
}

TEST(Verdict, tells_the_hosts_failure_from_an_answer_about_the_message) {
    auto of_host = answered({no(host_later)});
    EXPECT_TRUE(ruled(of_host).rulings[0].is_of_host);
    auto of_message = answered({no(message_later)});
    EXPECT_FALSE(ruled(of_message).rulings[0].is_of_host);
}

TEST(Verdict, marks_what_counts_only_if_no_other_host_takes_the_recipient) {
    auto outcome = answered({no(message_later), no(unknown_user)});
    const auto verdict = ruled(outcome);
    EXPECT_TRUE(verdict.rulings[0].is_uncharged);
    EXPECT_FALSE(verdict.rulings[1].is_uncharged);
}

// ---- No host is left ----

const DeliveryError refused{.status = {4, 4, 1}, .scope = Scope::host, .text = "refused"};
const DeliveryError no_such_host{.status = {5, 4, 4}, .scope = Scope::domain, .text = "no host"};

Verdict of_end(std::vector<std::optional<DeliveryError>> refusals,
               std::optional<DeliveryError>& host_error, bool have_all_been_asked = true,
               bool is_static = false) {
    return judge(refusals, NoHostLeft{.is_static = is_static,
                                      .have_all_been_asked = have_all_been_asked,
                                      .host_error = &host_error});
}

TEST(VerdictWithoutHost, charges_recipients_that_have_an_answer_and_postpones_the_others) {
    std::optional<DeliveryError> error = refused;
    const auto verdict = of_end({message_later, std::nullopt, message_refused}, error);
    EXPECT_THAT(names(verdict), ElementsAre("deferred", "postponed", "failed"));
    EXPECT_TRUE(verdict.has_failed);
}

TEST(VerdictWithoutHost, returns_mail_when_no_host_of_the_domain_exists) {
    std::optional<DeliveryError> error = no_such_host;
    const auto verdict = of_end({std::nullopt}, error);
    EXPECT_THAT(names(verdict), ElementsAre("failed"));
    EXPECT_EQ(verdict.rulings[0].error, no_such_host);
    EXPECT_FALSE(verdict.has_failed);
}

TEST(VerdictWithoutHost, keeps_mail_when_a_host_of_a_route_does_not_exist) {
    std::optional<DeliveryError> error = no_such_host;
    EXPECT_THAT(names(of_end({std::nullopt}, error, true, true)), ElementsAre("postponed"));
    EXPECT_EQ(error->status, (EnhancedStatus{4, 4, 4}));
}

TEST(VerdictWithoutHost, keeps_mail_when_hosts_were_left_out) {
    std::optional<DeliveryError> error = no_such_host;
    EXPECT_THAT(names(of_end({std::nullopt}, error, false)), ElementsAre("postponed"));
    EXPECT_EQ(error->status, (EnhancedStatus{4, 4, 4}));
}

TEST(VerdictWithoutHost, is_no_failure_when_one_connection_was_too_many) {
    std::optional<DeliveryError> error =
        reply(421, {4, 7, 0}, Scope::host, "too many concurrent SMTP connections");
    EXPECT_FALSE(of_end({std::nullopt}, error).has_failed);
}

TEST(VerdictWithoutHost, is_no_failure_when_no_host_was_asked) {
    std::optional<DeliveryError> error;
    EXPECT_FALSE(of_end({std::nullopt}, error).has_failed);
}

TEST(HowOf, an_answer_counts_more_than_a_host_that_could_not_be_spoken_to) {
    using How = queue::Destination::Ended::How;
    EXPECT_EQ(how_of(Heard::settled, true), How::answered);
    EXPECT_EQ(how_of(Heard::refusal, true), How::answered);
    EXPECT_EQ(how_of(Heard::broken, true), How::broken);
    EXPECT_EQ(how_of(Heard::nothing, true), How::failed);
    EXPECT_EQ(how_of(Heard::nothing, false), How::unknown);
}

// ---- What an outcome says of the host ----

TEST(TransactionOutcome, is_an_answer_only_if_the_host_said_something_about_the_message) {
    EXPECT_TRUE(was_answered(answered({taken()})));
    EXPECT_TRUE(was_answered(answered({no(unknown_user)})));
    EXPECT_FALSE(was_answered(answered({no(host_later)})));
    EXPECT_FALSE(was_answered(broken({no(lost())}, {0})));
    EXPECT_TRUE(was_answered(broken({no(unknown_user), no(lost())}, {1})));
    DeliveryError lacking{.status = {5, 6, 3}, .scope = Scope::message, .text = "no 8BITMIME"};
    EXPECT_FALSE(was_answered(answered({no(lacking)}))) << "the host was not asked";
}

TEST(TransactionOutcome, has_the_failure_of_the_host_and_the_refusal_of_our_address) {
    EXPECT_EQ(host_failure(answered({taken()})), nullptr);
    EXPECT_EQ(host_failure(answered({no(host_later)}))->reply_code, 421);
    const auto outcome = answered({no(unknown_user), no(blocked)});
    const auto meanings = meanings_of(outcome);
    ASSERT_NE(address_refusal(outcome, meanings), nullptr);
    EXPECT_EQ(*address_refusal(outcome, meanings), blocked);
    EXPECT_FALSE(is_name_wanted(outcome, meanings));
    const auto unnamed = answered({no(nameless), taken()});
    EXPECT_TRUE(is_name_wanted(unnamed, meanings_of(unnamed)));
    auto of_host = nameless;
    of_host.scope = Scope::host;
    const auto of_session = answered({no(of_host)});
    EXPECT_FALSE(is_name_wanted(of_session, meanings_of(of_session)));
}

TEST(TransactionOutcome, says_how_far_the_keywords_came) {
    using End = HostKeywords::Progress::End;
    EXPECT_EQ(keyword_progress(answered({taken()})).end, End::answered);
    EXPECT_EQ(keyword_progress(broken({no(lost())}, {0})).end, End::lost);
    EXPECT_EQ(keyword_progress(broken({no(reply(421, {4, 3, 2}, Scope::message))}, {0})).end,
              End::other);
    EXPECT_EQ(keyword_progress(answered({no(host_later)})).end, End::other);
}

}  // namespace
}  // namespace mta::outbound
