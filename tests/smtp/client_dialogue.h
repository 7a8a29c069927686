#pragma once
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "mta/smtp/client/client_session.h"

namespace mta::smtp {

// A ClientSession whose server is played by the test, in virtual time. Events become lines:
//
//   ready
//   ended 1: ok, 5.1.1 recipient 550          one for each recipient; then `in doubt`, ...
//   over failed 4.4.2 host
class ClientDialogue {
public:
    // The server's bytes, and all that the client says then.
    struct Step {
        std::string_view server;
        std::string_view client;
    };

    explicit ClientDialogue(ClientOptions options = {}, std::size_t piece_bytes = SIZE_MAX)
        : session([&] {
              if (options.ehlo_name.empty()) options.ehlo_name = "mx.us.example";
              return std::move(options);
          }()),
          piece_bytes_(piece_bytes) {
        session.on_connected(now);
    }

    // Returns all that the client says then.
    std::string says(std::string_view bytes) {
        while (!bytes.empty()) {
            session.on_bytes(now, bytes.substr(0, piece_bytes_));
            bytes.remove_prefix(std::min(piece_bytes_, bytes.size()));
        }
        return pump();
    }
    std::string start(Transaction transaction) {
        session.start(now, std::move(transaction));
        return pump();
    }
    std::string body(std::string_view piece, bool is_last) {
        session.body(now, session.wants_body(), piece, is_last);
        return pump();
    }
    std::string closes(std::string_view reason = "") {
        session.on_closed(now, reason);
        return pump();
    }
    // Nothing happens until the deadline; returns how long that was.
    Millis waits() {
        const Instant begin = now;
        now = session.deadline().value_or(now);
        session.on_deadline(now - Millis{1});
        if (session.has_ended()) events_.emplace_back("ended before its time");
        session.on_deadline(now);
        pump();
        return now - begin;
    }
    // Goes up to SessionReady.
    std::string greets(std::string_view ehlo_reply = "250 mx\r\n") {
        says("220 mx\r\n");
        return says(ehlo_reply);
    }
    std::string pump() {
        std::string output = session.take_output();
        while (auto event = session.poll_event()) note(*event);
        return output;
    }
    // Returns the events since the last call.
    std::vector<std::string> take_events() { return std::exchange(events_, {}); }

    Instant now = from_unix_ms(1'000'000);
    ClientSession session;
    std::vector<ClientSession::TransactionEnded> ended;
    std::vector<ClientSession::SessionEnded> over;

private:
    static std::string brief(const DeliveryError& error) {
        static constexpr std::string_view scopes[] = {"recipient", "message", "host", "domain"};
        std::string text = to_string(error.status) + ' ';
        text += scopes[static_cast<std::size_t>(error.scope)];
        if (error.reply_code != 0) text += ' ' + std::to_string(error.reply_code);
        return text;
    }
    void note(const ClientSession::Event& event) {
        if (std::holds_alternative<ClientSession::Ready>(event)) {
            events_.emplace_back("ready");
        } else if (const auto* end = std::get_if<ClientSession::TransactionEnded>(&event)) {
            std::string line = "ended " + std::to_string(end->number) + ":";
            for (std::size_t i = 0; i < end->recipients.size(); ++i) {
                line += i == 0 ? " " : ", ";
                line += end->recipients[i] ? "ok" : brief(end->recipients[i].error());
            }
            if (end->in_doubt) line += "; in doubt";
            if (end->never_began) line += "; never began";
            if (end->chunking_refused) line += "; chunking refused";
            events_.push_back(line);
            ended.push_back(*end);
        } else {
            static constexpr std::string_view reasons[] = {"quit", "idle_closed", "message",
                                                           "failed"};
            const auto& last = std::get<ClientSession::SessionEnded>(event);
            std::string line = "over ";
            line += reasons[static_cast<std::size_t>(last.reason)];
            if (last.error.status.klass != 0) line += ' ' + brief(last.error);
            events_.push_back(line);
            over.push_back(last);
        }
    }

    std::size_t piece_bytes_;
    std::vector<std::string> events_;
};

// To b@them.example unless addresses are given; the body is in memory.
inline Transaction transaction_for(std::vector<std::string> addresses = {"b@them.example"},
                                   std::string_view body = "hello\r\n") {
    Transaction transaction{
        .envelope = {.reverse_path = "a@us.example"}, .facts = {.size = body.size()}, .body = body};
    for (auto& address : addresses) transaction.envelope.recipients.push_back({std::move(address)});
    return transaction;
}

inline Transaction pulled_transaction_for(std::vector<std::string> addresses = {"b@them.example"}) {
    auto transaction = transaction_for(std::move(addresses));
    transaction.body.reset();
    return transaction;
}

}  // namespace mta::smtp
