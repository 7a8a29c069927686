#include "mta/smtp/client/client_session.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"

namespace mta::smtp {
namespace {

// Pieces of a body in BDAT commands that wait for their replies, with PIPELINING.
constexpr std::size_t chunks_awaited_max = 4;
// One that is under way, and one behind its final dot.
constexpr std::size_t transactions_running_max = 2;

bool is_printable(std::string_view name) {
    return !name.empty() && std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

ClientSession::ClientSession(ClientOptions options) : options_(std::move(options)) {
    MTA_ASSERT(is_printable(options_.ehlo_name));
}

// ---- What happens to us ----

void ClientSession::on_connected(Instant now) {
    MTA_ASSERT(state_ == State::idle);
    state_ = State::hello;
    ask(Question::greeting, "");
    awaited_handed_out_ = 1;
    rearm(now);
}

void ClientSession::on_bytes(Instant now, std::string_view bytes, bool is_all_sent) {
    MTA_ASSERT(state_ != State::idle);
    is_all_sent_ = is_all_sent;
    while (!bytes.empty() && state_ != State::ended) {
        const auto reply = parser_.feed(bytes);
        if (!reply && state_ == State::quitting) return end(EndReason::quit, {}, {});
        if (!reply) {
            const auto error_at = [&](Stage at) { return error_from_nonsense(at, reply.error()); };
            return fail_in_reply(now, error_at, {});
        }
        if (*reply) on_reply(now, **reply);
    }
}

void ClientSession::on_deadline(Instant now) {
    if (!deadline_ || now < *deadline_) return;
    if (state_ == State::quitting) return end(EndReason::quit, {}, {});
    fail_in_reply(now, [](Stage at) { return error_from_timeout(at); }, {.is_timeout = true});
}

void ClientSession::on_closed(Instant now, std::string_view reason) {
    if (state_ == State::ended) return;
    if (state_ == State::quitting) return end(EndReason::quit, {}, {});
    is_closed_in_order_ = reason.empty();
    const auto error_at = [&](Stage at) { return error_from_loss(at, reason); };
    fail_in_reply(now, error_at, {.may_be_stale = true});
}

// ---- What the driver wants ----

bool ClientSession::can_start() const {
    if (state_ != State::open || quit_wanted_) return false;
    if (capabilities_.transactions_max != 0 && mails_said_ >= capabilities_.transactions_max) {
        return false;
    }
    if (running_.empty()) return true;
    return pipelines() && running_.size() < transactions_running_max &&
           running_.front().body == BodyPhase::complete;
}

TransactionNumber ClientSession::start(Instant now, Transaction transaction) {
    MTA_ASSERT(can_start());
    // Whether the BDAT before it will be refused, so that RSET is needed, is not known yet.
    const bool is_behind_bdat = !running_.empty() && running_.front().plan.uses_bdat;
    const bool is_first_question = awaited_.empty();

    Running& running = running_.emplace_back();
    const auto number = running.number = ++last_number_;
    running.transaction = std::move(transaction);
    running.plan = plan_transaction(running.transaction, capabilities_, now);
    running.errors.resize(running.transaction.envelope.recipients.size());
    ready_due_ = true;
    if (running.plan.error) {
        refuse_rest(running, *running.plan.error);
    } else {
        for (std::size_t i = 0; i < running.errors.size(); ++i) {
            if (running.plan.recipients[i]) continue;
            running.errors[i] = with_remote(running.plan.recipients[i].error());
        }
    }
    if (std::ranges::all_of(running.errors, [](const auto& error) { return error.has_value(); })) {
        running.body = BodyPhase::dropped;
    } else {
        running.encoder = BodyEncoder(running.plan.encoding);
        running.step = needs_reset_ || is_behind_bdat ? Step::rset : Step::mail;
        needs_reset_ = false;
    }
    advance(running);
    if (is_first_question) rearm(now);
    settle(now);
    return number;
}

TransactionNumber ClientSession::wants_body() const {
    for (const auto& running : running_) {
        if (running.body != BodyPhase::pulling) continue;
        const std::size_t awaited_max = pipelines() ? chunks_awaited_max : 1;
        return running.awaited < awaited_max ? running.number : 0;
    }
    return 0;
}

void ClientSession::body(Instant now, TransactionNumber number, std::string_view piece,
                         bool is_last) {
    const auto running = std::ranges::find(running_, number, &Running::number);
    if (running == running_.end() || running->body != BodyPhase::pulling) return;
    const bool is_first_question = awaited_.empty();
    append_body(*running, piece, is_last);
    if (is_first_question) rearm(now);
}

void ClientSession::quit(Instant now) {
    quit_wanted_ = true;
    if (state_ == State::open && running_.empty()) say_quit(now);
}

std::string ClientSession::take_output() {
    awaited_handed_out_ = awaited_.size();
    return std::exchange(output_, {});
}

std::optional<ClientSession::Event> ClientSession::poll_event() {
    if (events_.empty()) return std::nullopt;
    auto event = std::move(events_.front());
    events_.pop_front();
    return event;
}

// ---- Replies ----

// The question stays in front until its reply has been dealt with: a failure then knows where it
// happened.
void ClientSession::on_reply(Instant now, const Reply& reply) {
    if (state_ == State::quitting) return end(EndReason::quit, {}, {});
    if (reply.code == 421) {
        return fail([&](Stage at) { return error_from_reply(at, reply); },
                    {.is_refusal = true, .may_be_stale = true});
    }
    if (awaited_handed_out_ == 0) return on_unasked_reply(reply);

    const Awaited awaited = awaited_.front();
    answer(awaited, reply);
    if (state_ == State::ended) return;
    awaited_.pop_front();
    --awaited_handed_out_;
    if (awaited.running != nullptr) {
        --awaited.running->awaited;
        advance(*awaited.running);
    }
    rearm(now);
    settle(now);
}

// Before we had asked, or in the middle of a body, or right behind 354. A no to the body is as good
// as one behind it; but the rest of it would have to be sent to nobody's use, so the session is
// over.
void ClientSession::on_unasked_reply(const Reply& reply) {
    const bool is_no = reply.first_digit() >= 4;
    const bool is_pulling =
        !running_.empty() && awaited_.empty() && running_.front().body == BodyPhase::pulling;
    // All of it is in the output and none of it has left.
    const bool has_whole_body = !running_.empty() && !awaited_.empty() &&
                                awaited_.front().question == Question::body &&
                                !running_.front().plan.uses_bdat;
    if (is_no && (is_pulling || has_whole_body)) {
        return fail([&](Stage at) { return error_from_reply(at, reply); }, {.is_refusal = true});
    }
    fail([&](Stage at) { return error_from_unexpected(at, reply); },
         {.may_be_stale = is_no && running_.empty()});
}

// Of a reply that broke off: what its code settles is settled. True: a transaction has ended.
bool ClientSession::take_cut_reply(Instant now, const Reply& reply) {
    const bool is_no = reply.first_digit() >= 4;
    if (reply.code == 421) {
        on_reply(now, reply);
        return false;
    }
    if (awaited_handed_out_ == 0) {
        if (is_no) on_unasked_reply(reply);
        return false;
    }
    const Awaited awaited = awaited_.front();
    if (awaited.running == nullptr) {
        if (is_no)
            fail([&](Stage at) { return error_from_reply(at, reply); }, {.is_refusal = true});
        return false;
    }
    if (awaited.question == Question::rset) return false;
    if (!is_no && awaited.question != Question::body) {
        ++awaited.running->answers;
        return false;
    }
    answer(awaited, reply);
    if (state_ == State::ended) return false;
    awaited_.pop_front();
    --awaited_handed_out_;
    --awaited.running->awaited;
    ready_due_ = false;  // the session is about to end
    const auto before = running_.size();
    settle(now);
    return running_.size() < before;
}

void ClientSession::answer(const Awaited& awaited, const Reply& reply) {
    switch (awaited.question) {
        case Question::greeting:
        case Question::ehlo:
        case Question::helo: return on_hello_reply(awaited.question, reply);
        case Question::rset:
            if (reply.first_digit() == 2) return;
            // A body that has left with it may have been taken.
            if (is_in_doubt(*awaited.running)) {
                awaited.running->is_reset_refused = true;
                return;
            }
            return fail([&](Stage) { return error_from_reply(Stage::rset, reply); },
                        {.is_in_step = true, .needs_new_connection = true});
        case Question::mail: return on_mail_reply(*awaited.running, reply);
        case Question::rcpt: return on_rcpt_reply(awaited, reply);
        case Question::data: return on_data_reply(*awaited.running, reply);
        case Question::chunk:
        case Question::body: return on_body_reply(awaited, reply);
    }
}

void ClientSession::on_hello_reply(Question question, const Reply& reply) {
    if (reply.first_digit() == 2) {
        if (question != Question::greeting) return after_hello(reply, question == Question::ehlo);
        return say_hello(options_.ehlo ? Question::ehlo : Question::helo);
    }
    // RFC 5321 section 3.2 names 500 and 502; real servers find other words for it.
    if (question == Question::ehlo && reply.first_digit() == 5) return say_hello(Question::helo);
    fail([&](Stage at) { return error_from_reply(at, reply); },
         {.is_refusal = true, .is_in_step = true});
}

void ClientSession::after_hello(const Reply& reply, bool is_esmtp) {
    capabilities_ = is_esmtp ? parse_capabilities(reply) : Capabilities{};
    capabilities_.remove(options_.without);
    state_ = State::open;
    was_ready_ = true;
    ready_due_ = true;
}

void ClientSession::on_mail_reply(Running& running, const Reply& reply) {
    ++running.answers;
    if (reply.first_digit() == 2) {
        running.has_open_mail = true;
        return;
    }
    if (reply.first_digit() == 3) return fail_unexpected(reply);
    if (running.is_reset_refused) {
        // What was said behind it may have been taken.
        return fail([&](Stage at) { return error_from_unexpected(at, reply); },
                    {.needs_new_connection = true});
    }
    running.is_refused = true;
    refuse_rest(running, error_from_reply(Stage::mail, reply));
    if (running.step == Step::none) return;  // the rest was said: its replies mean nothing now
    running.step = Step::none;
    running.body = BodyPhase::dropped;
}

void ClientSession::on_rcpt_reply(const Awaited& awaited, const Reply& reply) {
    Running& running = *awaited.running;
    ++running.answers;
    ++running.recipients_answered;
    if (reply.first_digit() == 3) return fail_unexpected(reply);
    if (reply.first_digit() == 2) running.has_open_mail = true;
    if (running.is_refused) return;

    if (reply.first_digit() == 2) {
        ++running.recipients_accepted;
    } else {
        running.errors[awaited.recipient] = with_remote(error_from_reply(Stage::rcpt, reply));
    }
    const bool is_last = running.recipients_answered == running.recipients_asked;
    if (running.step == Step::data && is_last && running.recipients_accepted == 0) {
        running.step = Step::none;
        running.body = BodyPhase::dropped;
    }
}

void ClientSession::on_data_reply(Running& running, const Reply& reply) {
    ++running.answers;
    if (reply.first_digit() == 2) return fail_unexpected(reply);
    if (reply.first_digit() != 3) {
        refuse_rest(running, error_from_reply(Stage::data, reply));
        running.body = BodyPhase::dropped;
        return;
    }
    if (running.recipients_accepted == 0 || running.is_refused) {
        // It should not have said yes; an empty message for nobody brings us back in step (RFC 2920
        // section 3.1).
        running.body = BodyPhase::complete;
        return ask(Question::body, ".\r\n", &running);
    }
    if (!running.transaction.body) {
        running.body = BodyPhase::pulling;
        return;
    }
    append_body(running, *running.transaction.body, true);
}

void ClientSession::on_body_reply(const Awaited& awaited, const Reply& reply) {
    Running& running = *awaited.running;
    const bool is_last = awaited.question == Question::body;
    ++running.answers;
    has_bdat_answer_ = has_bdat_answer_ || running.plan.uses_bdat;
    if (reply.first_digit() == 3) return fail_unexpected(reply);
    if (reply.first_digit() == 2) {
        if (!is_last) return;
        running.has_open_mail = false;
        running.final_reply = reply;
        return;
    }
    if (running.plan.uses_bdat) {
        const bool had_reason = running.recipients_accepted == 0 || running.is_refused;
        const bool is_unknown = reply.code == 500 || reply.code == 502;
        const bool is_misplaced = reply.code == 503 || reply.code == 504;
        if (is_unknown || (is_misplaced && !had_reason)) {
            // It now reads the body as commands: there is no way back into step.
            return fail([&](Stage) { return error_from_reply(Stage::ehlo, reply); },
                        {.is_refusal = true, .chunking_refused = true});
        }
    } else if (reply.code == 552 || !is_all_sent_) {
        // It may have been said in the middle of the body (552: as soon as that is too large), with
        // another reply to come at the final dot, or to every line. What is asked behind it could
        // get that one.
        return fail([&](Stage at) { return error_from_reply(at, reply); },
                    {.is_refusal = true, .is_in_step = running_.size() == 1});
    } else {
        running.has_open_mail = false;
    }
    refuse_rest(running, error_from_reply(Stage::body, reply));
    running.is_refused = true;
    if (running.body == BodyPhase::pulling) running.body = BodyPhase::dropped;
}

// ---- Commands ----

void ClientSession::ask(Question question, std::string_view command, Running* running,
                        std::size_t recipient) {
    output_ += command;
    awaited_.push_back({question, running, recipient});
    if (running != nullptr) ++running->awaited;
}

void ClientSession::say_hello(Question question) {
    const std::string_view verb = question == Question::ehlo ? "EHLO " : "HELO ";
    ask(question, std::string(verb) + options_.ehlo_name + "\r\n");
}

void ClientSession::advance(Running& running) {
    while (running.step != Step::none && may_say_next(running)) say_next(running);
}

// Without PIPELINING one at a time. With it everything, but for a body that has to be pulled with
// BDAT: it is not pulled for nobody.
bool ClientSession::may_say_next(const Running& running) const {
    if (!pipelines()) return awaited_.empty();
    if (running.step != Step::data || !running.plan.uses_bdat || running.transaction.body) {
        return true;
    }
    return running.recipients_answered == running.recipients_asked;
}

void ClientSession::say_next(Running& running) {
    switch (running.step) {
        case Step::rset:
            ask(Question::rset, "RSET\r\n", &running);
            running.step = Step::mail;
            return;
        case Step::mail:
            ask(Question::mail, running.plan.mail, &running);
            ++mails_said_;
            running.step = Step::rcpt;
            break;
        case Step::rcpt: {
            const auto index = running.next_recipient++;
            ask(Question::rcpt, *running.plan.recipients[index], &running, index);
            ++running.recipients_asked;
            break;
        }
        case Step::data:
            running.step = Step::none;
            if (!running.plan.uses_bdat) return ask(Question::data, "DATA\r\n", &running);
            if (running.transaction.body) {
                return append_body(running, *running.transaction.body, true);
            }
            running.body = BodyPhase::pulling;
            return;
        case Step::none: return;
    }
    while (running.next_recipient < running.errors.size() &&
           !running.plan.recipients[running.next_recipient]) {
        ++running.next_recipient;
    }
    if (running.next_recipient == running.errors.size()) running.step = Step::data;
}

void ClientSession::append_body(Running& running, std::string_view piece, bool is_last) {
    if (is_last) running.body = BodyPhase::complete;
    if (!running.plan.uses_bdat) {
        running.encoder.append(piece, output_);
        if (!is_last) return;
        running.encoder.finish(output_);
        return ask(Question::body, "", &running);
    }
    std::string chunk;
    running.encoder.append(piece, chunk);
    if (is_last) running.encoder.finish(chunk);
    if (chunk.empty() && !is_last) return;
    ask(is_last ? Question::body : Question::chunk,
        "BDAT " + std::to_string(chunk.size()) + (is_last ? " LAST\r\n" : "\r\n"), &running);
    output_ += chunk;
}

void ClientSession::say_quit(Instant now) {
    output_ += "QUIT\r\n";
    state_ = State::quitting;
    deadline_ = now + options_.timeouts.quit;
}

}  // namespace mta::smtp
