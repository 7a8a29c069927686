#include "mta/smtp/client/client_session.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"
#include "mta/smtp/client/break_outcome.h"

namespace mta::smtp {
namespace {

// Pieces of a body in BDAT commands that wait for their replies, with PIPELINING.
constexpr std::size_t chunks_awaited_max = 4;
// One that is under way, and one behind its final dot.
constexpr std::size_t transactions_running_max = 2;

bool is_printable(std::string_view name) {
    return !name.empty() && std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f; });
}

bool is_of_body(Question question) {
    return question == Question::chunk || question == Question::body;
}

}  // namespace

ClientSession::ClientSession(ClientOptions options)
    : options_(std::move(options)), hello_(options_) {
    MTA_ASSERT(is_printable(options_.ehlo_name));
}

// ---- What comes from the connection ----

void ClientSession::on_connected(Instant now) {
    MTA_ASSERT(state_ == State::idle);
    state_ = State::hello;
    rearm(now);
}

void ClientSession::on_bytes(Instant now, std::string_view bytes, bool is_all_sent) {
    MTA_ASSERT(state_ != State::idle);
    is_all_sent_ = is_all_sent;
    while (!bytes.empty() && state_ != State::ended) {
        const auto reply = parser_.feed(bytes);
        if (!reply) return break_in_reply(now, {SessionBreak::Nonsense{reply.error()}});
        if (*reply) on_reply(now, **reply);
    }
}

void ClientSession::on_deadline(Instant now) {
    if (!deadline_ || now < *deadline_) return;
    break_in_reply(now, {SessionBreak::Timeout{}});
}

void ClientSession::on_closed(Instant now, std::string_view reason) {
    if (state_ == State::ended) return;
    is_closed_in_order_ = reason.empty();
    break_in_reply(now, {.cause = SessionBreak::Loss{std::string(reason)}, .may_be_stale = true});
}

// ---- What the driver wants ----

bool ClientSession::can_start() const {
    if (state_ != State::open || quit_wanted_) return false;
    if (capabilities_.transactions_max != 0 && mails_said_ >= capabilities_.transactions_max) {
        return false;
    }
    if (running_.empty()) return true;
    return pipeline_.is_pipelining() && running_.size() < transactions_running_max &&
           running_.front().is_body_complete();
}

TransactionNumber ClientSession::start(Instant now, Transaction transaction) {
    MTA_ASSERT(can_start());
    // Whether the BDAT before it will be refused, so that RSET is needed, is not known yet.
    const bool is_behind_bdat = !running_.empty() && running_.front().uses_bdat();
    const bool is_first_question = pipeline_.is_empty();

    const auto number = ++last_number_;
    auto& running = running_.emplace_back(number, std::move(transaction), capabilities_, now);
    ready_due_ = true;
    if (!running.is_over()) {
        ++mails_said_;
        running.begin(std::exchange(needs_reset_, false) || is_behind_bdat, pipeline_);
    }
    if (is_first_question) rearm(now);
    settle(now);
    return number;
}

TransactionNumber ClientSession::wants_body() const {
    const auto pulling = std::ranges::find_if(running_, &RunningTransaction::is_pulling);
    if (pulling == running_.end()) return 0;
    const std::size_t awaited_max = pipeline_.is_pipelining() ? chunks_awaited_max : 1;
    return pulling->replies_awaited() < awaited_max ? pulling->number() : 0;
}

void ClientSession::body(Instant now, TransactionNumber number, std::string_view piece,
                         bool is_last) {
    const auto running = std::ranges::find(running_, number, &RunningTransaction::number);
    if (running == running_.end() || !running->is_pulling()) return;
    const bool is_first_question = pipeline_.is_empty();
    running->append_body(piece, is_last, pipeline_);
    if (is_first_question) rearm(now);
}

void ClientSession::quit(Instant now) {
    quit_wanted_ = true;
    if (state_ == State::open && running_.empty()) say_quit(now);
}

std::string ClientSession::take_output() {
    return state_ == State::hello ? hello_.take_output() : pipeline_.take_output();
}

std::optional<ClientSession::Event> ClientSession::poll_event() {
    if (events_.empty()) return std::nullopt;
    auto event = std::move(events_.front());
    events_.pop_front();
    return event;
}

// ---- Replies ----

void ClientSession::on_reply(Instant now, const Reply& reply) {
    switch (state_) {
        case State::hello: return on_hello_reply(now, reply);
        case State::open: return on_open_reply(now, reply);
        case State::quitting: return end(EndReason::quit, {}, false);
        case State::idle:
        case State::ended: return;
    }
}

void ClientSession::on_hello_reply(Instant now, const Reply& reply) {
    auto result = hello_.on_reply(reply);
    if (result && !*result) return fail_hello(std::move(result->error()));
    if (result) {
        capabilities_ = std::move(**result);
        pipeline_ = Pipeline(capabilities_.pipelining);
        state_ = State::open;
        was_ready_ = true;
        ready_due_ = true;
    }
    rearm(now);
    settle(now);
}

void ClientSession::on_open_reply(Instant now, const Reply& reply) {
    if (reply.code == 421) {
        return break_off(
            {.cause = SessionBreak::Refusal{reply}, .is_refusal = true, .may_be_stale = true});
    }
    if (pipeline_.asked() == 0) return on_unasked_reply(reply);
    auto& running = front_asked();
    if (!answer(running, reply)) return;
    pipeline_.pop();
    running.advance(pipeline_);
    rearm(now);
    settle(now);
}

// A reply before any command, or in the middle of a body, or right behind 354. A refusal of the
// body is as good as one behind it; but the server will read the rest of it only to drop it, so the
// session is over.
void ClientSession::on_unasked_reply(const Reply& reply) {
    const bool is_no = reply.first_digit() >= 4;
    const bool is_pulling =
        !running_.empty() && pipeline_.is_empty() && running_.front().is_pulling();
    // All of it is in the output and none of it has left.
    const bool has_whole_body = !running_.empty() && !pipeline_.is_empty() &&
                                pipeline_.front().question == Question::body &&
                                !running_.front().uses_bdat();
    if (is_no && (is_pulling || has_whole_body))
        return break_off({.cause = SessionBreak::Refusal{reply}, .is_refusal = true});
    break_off(
        {.cause = SessionBreak::Unexpected{reply}, .may_be_stale = is_no && running_.empty()});
}

// Settles what the code of a reply that broke off settles. Returns whether a transaction has ended
// with it.
bool ClientSession::take_cut_reply(Instant now, const Reply& reply) {
    const bool is_no = reply.first_digit() >= 4;
    if (reply.code == 421) {
        on_open_reply(now, reply);
        return false;
    }
    if (pipeline_.asked() == 0) {
        if (is_no) on_unasked_reply(reply);
        return false;
    }
    auto& running = front_asked();
    const auto question = pipeline_.front().question;
    if (question == Question::rset) return false;
    if (!is_no && question != Question::body) {
        running.count_answer();
        return false;
    }
    if (!answer(running, reply)) return false;
    pipeline_.pop();
    ready_due_ = false;  // the session is about to end
    const auto before = running_.size();
    settle(now);
    return running_.size() < before;
}

// Returns whether the session goes on. The question stays in front until its reply has been dealt
// with: a break then knows where it happened.
bool ClientSession::answer(RunningTransaction& running, const Reply& reply) {
    if (is_of_body(pipeline_.front().question) && running.uses_bdat()) has_bdat_answer_ = true;
    const RunningTransaction::Circumstances circumstances{.is_all_sent = is_all_sent_,
                                                          .is_alone = running_.size() == 1};
    auto broken = running.on_reply(reply, circumstances, pipeline_);
    if (broken) break_off(std::move(*broken));
    return !broken;
}

RunningTransaction& ClientSession::front_asked() {
    const auto running =
        std::ranges::find(running_, pipeline_.front().transaction, &RunningTransaction::number);
    MTA_ASSERT(running != running_.end());
    return *running;
}

// ---- Ends ----

// Transactions end in the order of their start, also those that were answered without the server.
void ClientSession::settle(Instant now) {
    while (!running_.empty() && running_.front().is_over()) {
        auto& running = running_.front();
        // A transaction behind it has already sent RSET where one could be needed.
        if (running_.size() == 1 && running.has_open_mail()) needs_reset_ = true;
        has_served_ = has_served_ || running.answers() > 0;
        TransactionEnded ended;
        running.conclude(options_.remote, pipeline_, ended);
        events_.emplace_back(std::move(ended));
        running_.pop_front();
    }
    if (state_ != State::open || !running_.empty() || !ready_due_) return;
    ready_due_ = false;
    if (quit_wanted_) return say_quit(now);
    events_.emplace_back(Ready{});
}

void ClientSession::say_quit(Instant now) {
    pipeline_.output() += "QUIT\r\n";
    state_ = State::quitting;
    deadline_ = now + options_.timeouts.quit;
}

// The reply under way, if there is one, will not come to its end.
void ClientSession::break_in_reply(Instant now, SessionBreak broken) {
    if (state_ == State::quitting) return end(EndReason::quit, {}, false);
    const auto cut = parser_.take_cut();
    if (state_ != State::open) {
        auto failure = cut ? hello_.on_cut_reply(*cut) : std::nullopt;
        if (!failure) failure = Hello::Failure{broken.error_at(hello_.stage())};
        return fail_hello(std::move(*failure));
    }
    // A transaction behind one that has got its answer has not begun.
    if (cut && take_cut_reply(now, *cut)) broken.may_be_stale = true;
    if (state_ != State::ended) break_off(std::move(broken));
}

void ClientSession::break_off(SessionBreak broken) {
    const bool may_quit = broken.is_in_step;
    broken.is_closed_in_order = is_closed_in_order_;
    auto outcome = outcome_of(std::move(broken), running_, pipeline_,
                              {.remote = options_.remote,
                               .has_served = has_served_,
                               .has_bdat_answer = has_bdat_answer_});
    for (auto& ended : outcome.transactions) events_.emplace_back(std::move(ended));
    end(outcome.session.reason, std::move(outcome.session.error), may_quit);
}

void ClientSession::fail_hello(Hello::Failure failure) {
    failure.error.remote = options_.remote;
    end(EndReason::failed, std::move(failure.error), failure.may_quit);
}

void ClientSession::end(EndReason reason, DeliveryError error, bool may_quit) {
    state_ = State::ended;
    running_.clear();
    pipeline_.close(may_quit ? "QUIT\r\n" : "");
    deadline_.reset();
    events_.emplace_back(SessionEnded{reason, std::move(error)});
}

void ClientSession::rearm(Instant now) {
    waits_since_ = now;
    if (state_ == State::hello) {
        deadline_ = now + hello_.timeout();
    } else if (!pipeline_.is_empty()) {
        deadline_ = now + timeout_of(options_.timeouts, pipeline_.front().question);
    } else if (!running_.empty() && running_.front().is_pulling()) {
        deadline_ = now + options_.timeouts.data_block;
    } else {
        deadline_.reset();
    }
}

}  // namespace mta::smtp
