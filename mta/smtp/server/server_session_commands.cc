// What each command does to the transaction, and what the client hears.
#include <algorithm>
#include <chrono>
#include <utility>

#include "mta/base/domain.h"
#include "mta/base/limits.h"
#include "mta/base/time_format.h"
#include "mta/smtp/server/server_session.h"

namespace mta::smtp {
namespace {

ServerReply out_of_order(std::string_view text) { return {503, {5, 5, 1}, std::string(text)}; }

std::int64_t seconds_in(Millis duration) {
    return std::chrono::floor<std::chrono::seconds>(duration).count();
}

}  // namespace

void ServerSession::on_command(Instant now, const Command& command, std::string_view line) {
    enter_command(now);
    switch (command.verb) {
        case Verb::ehlo:
        case Verb::helo:
            return on_hello(now, command.verb, std::get<HelloArguments>(command.arguments));
        case Verb::mail: return on_mail(now, std::get<MailArguments>(command.arguments), line);
        case Verb::rcpt: return on_rcpt(std::get<RcptArguments>(command.arguments), line);
        case Verb::data: return on_data(line);
        case Verb::bdat: return on_bdat(now, std::get<BdatArguments>(command.arguments));
        case Verb::rset:
            reset_transaction("RSET");
            return on_idle_command({250, {2, 0, 0}, "forgotten"});
        case Verb::noop: return on_idle_command({250, {2, 0, 0}, "here"});
        case Verb::vrfy:
            return on_idle_command({252, {2, 0, 0}, "cannot verify, send to the address to see"});
        case Verb::help:
            return on_idle_command({214,
                                    {2, 0, 0},
                                    "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\n"
                                    "this is Posthouse, a mail relay; its postmaster is " +
                                        postmaster().address});
        case Verb::quit:
            say(221, {2, 0, 0}, options_.hostname + " says goodbye");
            return end(EndReason::quit, "QUIT");
        case Verb::etrn: return on_etrn(std::get<EtrnArguments>(command.arguments), line);
        case Verb::expn:
        case Verb::starttls:
        case Verb::auth:
        case Verb::unknown: break;  // the parser has refused them
    }
    std::unreachable();
}

// RFC 5321 section 4.1.4: a name that means nothing is no reason to refuse; EHLO in the middle is
// RSET.
void ServerSession::on_hello(Instant now, Verb verb, const HelloArguments& arguments) {
    reset_transaction("EHLO");
    helo_name_ = arguments.name;
    is_extended_ = verb == Verb::ehlo;
    on_idle_command({250, {}, is_extended_ ? ehlo_text(now) : options_.hostname});
}

std::string ServerSession::ehlo_text(Instant now) const {
    auto text = options_.hostname + "\nPIPELINING\nSIZE " +
                std::to_string(options_.message_bytes_max) + "\n8BITMIME\nENHANCEDSTATUSCODES";
    if (extensions_.smtputf8) text += "\nSMTPUTF8";
    if (extensions_.dsn) text += "\nDSN";
    if (extensions_.chunking) text += "\nCHUNKING";
    if (extensions_.mt_priority && client_.may_prioritise) text += "\nMT-PRIORITY";
    if (extensions_.deliver_by) text += "\nDELIVERBY " + std::to_string(options_.deliver_by_min_s);
    if (extensions_.future_release) {
        const auto latest = format_rfc3339(now + options_.future_release_max).substr(0, 19) + 'Z';
        text += "\nFUTURERELEASE " + std::to_string(seconds_in(options_.future_release_max)) + ' ' +
                latest;
    }
    if (on_etrn_ != nullptr) text += "\nETRN";
    text += "\nHELP";
    return text;
}

// When the message may go (RFC 4865). A time that has passed is no wish that can be granted, and
// most probably a mistake.
std::expected<Instant, ServerReply> ServerSession::release_of(
    Instant now, const MailArguments& arguments) const {
    Instant release{};
    if (arguments.hold_for_s) {
        release = now + std::chrono::seconds{*arguments.hold_for_s};
    } else if (arguments.hold_until) {
        release = *arguments.hold_until;
    } else {
        return release;
    }
    if (release <= now) {
        return std::unexpected(ServerReply{
            501, {5, 5, 4}, "that time has passed: it is " + format_rfc3339(now) + " here"});
    }
    if (release > now + options_.future_release_max) {
        return std::unexpected(
            ServerReply{501,
                        {5, 5, 4},
                        "mail is held here for at most " +
                            std::to_string(seconds_in(options_.future_release_max)) + " seconds"});
    }
    return release;
}

std::expected<Requests, ServerReply> ServerSession::requests_of(
    Instant now, const MailArguments& arguments) const {
    Requests requests;
    const auto priority = arguments.priority.value_or(std::int8_t{0});
    requests.priority = client_.may_prioritise ? priority : std::min<std::int8_t>(priority, 0);
    const auto release = release_of(now, arguments);
    if (!release) return std::unexpected(release.error());
    requests.release = *release;
    if (!arguments.by) return requests;
    const auto& by = *arguments.by;
    // RFC 2852 section 3: what cannot be promised is refused now, not later.
    if (by.mode == ByMode::give_back && std::cmp_less(by.seconds, options_.deliver_by_min_s)) {
        return std::unexpected(ServerReply{555,
                                           {5, 5, 4},
                                           "BY with R needs at least " +
                                               std::to_string(options_.deliver_by_min_s) +
                                               " seconds here"});
    }
    // Mail that is held begins its way when it is released.
    requests.deliver_by = {.mode = by.mode,
                           .trace = by.trace,
                           .at = std::max(now, *release) + std::chrono::seconds{by.seconds}};
    return requests;
}

void ServerSession::on_mail(Instant now, const MailArguments& arguments, std::string_view line) {
    if (helo_name_.empty()) return refuse_command(line, out_of_order("send EHLO first"));
    if (transaction_) {
        return refuse_command(line, out_of_order("a MAIL is under way already; RSET forgets it"));
    }
    if (arguments.size.value_or(0) > options_.message_bytes_max) {
        return refuse_command(line, reply_to(DataProblem::too_large));
    }
    if (mail_check_ != nullptr) {
        if (const auto refusal = mail_check_()) return defer_mail(line, *refusal);
    }
    auto requests = requests_of(now, arguments);
    if (!requests) return refuse_command(line, requests.error());
    transaction_ = Transaction{};
    if (!std::exchange(has_mail_ended_silence_, true)) {
        end_silence(now);
        enter_command(now);
    }
    transaction_->declared_size = arguments.size;
    transaction_->priority = requests->priority;
    transaction_->is_priority_lowered = arguments.priority.value_or(0) != requests->priority;
    transaction_->smtputf8 = arguments.smtputf8;
    transaction_->envelope = {.reverse_path = arguments.reverse_path.text(),
                              .recipients = {},
                              .body_type = arguments.body_type,
                              .smtputf8 = arguments.smtputf8,
                              .ret = arguments.ret,
                              .envid = arguments.envid,
                              .requests = *requests};
    say(250, {2, 1, 0}, "sender ok");
}

void ServerSession::on_rcpt(const RcptArguments& arguments, std::string_view line) {
    if (!transaction_) return refuse_command(line, out_of_order("send MAIL first"));
    if (transaction_->has_begun) {
        return refuse_command(line, out_of_order("the message has begun; RSET forgets it"));
    }
    const auto& path = arguments.forward_path;
    Recipient recipient;
    if (path.is_bare_postmaster()) {
        recipient = postmaster();
    } else {
        if (const auto refusal = check_(path)) {
            transaction_->has_refused_recipients = true;
            return refuse_command(line, *refusal);
        }
        recipient.address = path.text();
        recipient.domain = path.canonical_domain;
    }
    recipient.notify = arguments.notify;
    recipient.orcpt = arguments.orcpt;
    auto& recipients = transaction_->recipients;
    if (recipients.size() >= options_.recipients_max && !recipients.contains(recipient)) {
        return defer_recipient(line);
    }
    const bool is_repetition = !recipients.add(std::move(recipient)).is_new;
    if (is_repetition && ++transaction_->repeated_recipients >= limits::excess_recipients_max) {
        return end_for_recipients();
    }
    say(250, {2, 1, 5}, "recipient ok");
}

void ServerSession::defer_mail(std::string_view line, const ServerReply& reply) {
    say_refused(line, reply);
    if (++deferrals_ < limits::session_deferrals_max) return;
    end_with({421, {4, 3, 2}, options_.hostname + " closes the connection: try again later"},
             EndReason::too_many_errors, "it asked again and again while no mail was taken");
}

// No mistake: the client sends the rest with the next message (RFC 5321 section 4.5.3.1.10).
void ServerSession::defer_recipient(std::string_view line) {
    const ServerReply reply{452, {4, 5, 3}, "too many recipients, send the rest later"};
    const bool is_repetition = transaction_->excess_recipients++ > 0;
    say_refused(line, reply, is_repetition);
    if (transaction_->excess_recipients >= limits::excess_recipients_max) end_for_recipients();
}

void ServerSession::end_for_recipients() {
    end_with({421, {4, 7, 0}, options_.hostname + " closes the connection: too many recipients"},
             EndReason::too_many_errors, {});
}

Recipient ServerSession::postmaster() const {
    Recipient recipient;
    if (const auto address = parse_mailbox(options_.postmaster)) {
        recipient.address = address->text();
        recipient.domain = address->canonical_domain;
    } else {
        recipient.address = "postmaster@" + options_.hostname;
        recipient.domain = to_a_labels(options_.hostname).value_or(to_lower(options_.hostname));
    }
    return recipient;
}

// Why a message cannot begin now.
std::optional<ServerReply> ServerSession::refusal_to_begin() const {
    if (!transaction_) return out_of_order("send MAIL and RCPT first");
    if (!transaction_->recipients.empty()) return std::nullopt;
    if (transaction_->has_refused_recipients) {
        return ServerReply{554, {5, 5, 1}, "no recipient was accepted"};
    }
    return out_of_order("send RCPT first");
}

void ServerSession::on_data(std::string_view line) {
    if (transaction_ && transaction_->has_begun) {
        return refuse_data(line, out_of_order("a message that began with BDAT ends with BDAT"));
    }
    if (const auto refusal = refusal_to_begin()) return refuse_data(line, *refusal);
    announce();
    state_ = State::awaiting_begin;
}

// Whatever the answer will be, first the bytes are taken: they are never commands.
void ServerSession::on_bdat(Instant now, const BdatArguments& arguments) {
    chunk_ = Chunk{.bytes = arguments.size, .left = arguments.size, .is_last = arguments.is_last};
    if (transaction_ && transaction_->has_begun) {
        if (transaction_->chunk_failed) {
            chunk_->refusal = out_of_order("a chunk before this one failed; send RSET");
        } else if (transaction_->refusal) {
            chunk_->refusal = transaction_->refusal;
        }
    } else {
        chunk_->refusal = refusal_to_begin();
        if (!chunk_->refusal) {
            announce();
            state_ = State::awaiting_begin;
            return;
        }
    }
    enter_chunk(now);
}

// RFC 1985. Who may not is told the same as by a server that has never heard of it.
void ServerSession::on_etrn(const EtrnArguments& arguments, std::string_view line) {
    if (on_etrn_ == nullptr) {
        return refuse_command(line, {502, {5, 5, 1}, "ETRN is not available here"});
    }
    if (helo_name_.empty()) return refuse_command(line, out_of_order("send EHLO first"));
    if (transaction_) {
        return refuse_command(line, out_of_order("not while a MAIL is under way"));
    }
    const auto reply = on_etrn_(arguments);
    if (reply.code >= 400) return refuse_command(line, reply);
    on_idle_command(reply);
}

// Harmless, but no reason to stay for ever.
void ServerSession::on_idle_command(const ServerReply& reply) {
    if (++idle_commands_ <= limits::session_idle_commands_max) return append_reply(output_, reply);
    end_with({421, {4, 7, 0}, options_.hostname + " closes the connection: no mail for too long"},
             EndReason::too_many_errors, {});
}

}  // namespace mta::smtp
