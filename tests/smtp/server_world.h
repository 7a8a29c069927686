// A driver for ServerSession with a store that is an array: what mta/inbound does, in a few lines.
// Questions are answered at once, or, without `answers_at_once`, by answer().
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "mta/smtp/server/server_session.h"

namespace mta::smtp::test {

using namespace std::chrono_literals;

// The message without the Received field that the session put in front.
inline std::string without_trace(std::string_view body) {
    if (!body.starts_with("Received: ")) return "no trace: " + std::string(body);
    auto end = body.find("\r\n");
    while (end != body.npos && end + 2 < body.size() && body[end + 2] == '\t') {
        end = body.find("\r\n", end + 2);
    }
    return std::string(body.substr(end + 2));
}

class ServerWorld {
public:
    struct Accepted {
        Envelope envelope;
        std::string body;
        BodyFacts facts;
        std::string message_id;
    };

    static ServerOptions default_options() {
        return {.hostname = "relay.us.example", .postmaster = {}};
    }
    // Every client may send to us.example, and only there.
    static std::optional<ServerReply> check(const Address& address) {
        if (address.canonical_domain == "us.example") return std::nullopt;
        return ServerReply{550, {5, 7, 1}, "relaying denied"};
    }

    static ClientInfo stranger() { return {.remote = {*IpAddress::parse("192.0.2.7"), 4000}}; }
    explicit ServerWorld(ServerOptions server_options = default_options(),
                         ClientInfo client = stranger())
        : options(std::move(server_options)), rights(client.rights), session(options, client) {}

    ServerWorld(const ServerWorld&) = delete;
    ServerWorld& operator=(const ServerWorld&) = delete;
    ~ServerWorld() = default;

    std::string connect() {
        session.on_connected(now);
        pump();
        return take_said();
    }
    // What the session says to these bytes.
    std::string send(std::string_view bytes) {
        session.on_bytes(now, bytes);
        pump();
        return take_said();
    }
    std::string send_by_bytes(std::string_view bytes) {
        std::string said;
        for (std::size_t i = 0; i < bytes.size(); ++i) said += send(bytes.substr(i, 1));
        return said;
    }
    // EHLO, MAIL, one RCPT.
    void greet() {
        connect();
        send("EHLO client.example\r\n");
    }
    void begin_data() {
        greet();
        send("MAIL FROM:<a@them.example>\r\nRCPT TO:<b@us.example>\r\nDATA\r\n");
    }
    std::string advance(Millis by) {
        now += by;
        session.on_deadline(now);
        pump();
        return take_said();
    }

    void pump() {
        pump_turn();
        while (goes_on_at_once && session.is_resting()) {
            session.go_on(now);
            pump_turn();
        }
    }
    // Without going on with a session that rests.
    void pump_turn() {
        while (auto event = session.poll_event()) {
            std::visit([this](auto& known) { on(known); }, *event);
        }
        // The output is left alone in tests of early input.
        if (takes_output) said_ += session.take_output();
    }
    std::string take_said() { return std::exchange(said_, {}); }

    // Answers the question that is open. Without one: false.
    bool answer() {
        if (!question) return false;
        auto answer_to = std::exchange(question, nullptr);
        answer_to();
        return true;
    }

    // Answers the MessageBegins that was held.
    void begin_held() {
        begins_at_once = true;
        if (auto event = std::exchange(held_begin_, {})) on(*event);
    }

    // Answers to a message that waits for its store (with `stores_at_once` off).
    void store() {
        accepted.push_back(*std::exchange(waiting, {}));
        session.accepted(now);
        pump();
    }

    ServerOptions options;
    ClientRights rights;  // by now
    ServerSession session;
    Instant now = from_unix_ms(1'795'320'306'000);
    bool takes_output = true;
    bool goes_on_at_once = true;  // when the session rests
    bool stores_at_once = true;
    bool takes_body_at_once = true;
    bool answers_at_once = true;
    bool begins_at_once = true;          // otherwise with begin_held()
    std::optional<ServerReply> no_mail;  // the reply to MAIL
    bool takes_all_recipients = false;
    std::function<ServerReply(const EtrnArguments&)> on_etrn;
    std::optional<ServerReply> refuse_begin;
    std::optional<ServerReply> refuse_store;

    std::function<void()> question;  // gives the answer to what is being asked
    std::vector<std::string> asked;  // "MAIL <a@b>", "RCPT <c@d>", "ETRN d"
    std::optional<Accepted> waiting;
    std::vector<Accepted> accepted;
    std::vector<server_event::Refused> refused;
    std::size_t begun = 0;
    std::vector<std::string> aborted;
    std::optional<server_event::SessionEnded> ended;

private:
    void ask(std::string what, std::function<ServerVerdict()> verdict) {
        asked.push_back(std::move(what));
        question = [this, verdict = std::move(verdict)] { session.decide(now, verdict()); };
        if (answers_at_once) answer();
    }
    void on(server_event::MailAsked& event) {
        ask("MAIL <" + event.reverse_path + '>', [this]() -> ServerVerdict {
            if (no_mail) return std::unexpected(*no_mail);
            return rights;
        });
    }
    void on(server_event::RecipientAsked& event) {
        ask("RCPT <" + event.recipient.text() + '>',
            [this, recipient = event.recipient]() -> ServerVerdict {
                if (takes_all_recipients) return rights;
                if (auto refusal = check(recipient)) return std::unexpected(*refusal);
                return rights;
            });
    }
    void on(server_event::EtrnAsked& event) {
        ask("ETRN " + event.arguments.domain,
            [this, arguments = event.arguments]() -> ServerVerdict {
                return std::unexpected(on_etrn(arguments));
            });
    }
    void on(server_event::MessageBegins& event) {
        if (!begins_at_once) {
            held_begin_ = std::move(event);
            return;
        }
        ++begun;
        envelope_ = std::move(event.envelope);
        if (refuse_begin) {
            session.refuse(now, *refuse_begin);
        } else {
            session.begin(now, "00001z");
        }
    }
    void on(server_event::MessageEnds& event) {
        waiting = Accepted{std::move(envelope_), session.take_body(now), event.facts,
                           std::move(event.message_id)};
        if (refuse_store) {
            waiting.reset();
            session.refuse(now, *refuse_store);
        } else if (stores_at_once) {
            accepted.push_back(*std::exchange(waiting, {}));
            session.accepted(now);
        }
    }
    void on(server_event::MessageAborted& event) { aborted.push_back(event.reason); }
    void on(server_event::Refused& event) { refused.push_back(std::move(event)); }
    void on(server_event::SessionEnded& event) { ended = std::move(event); }

    std::optional<server_event::MessageBegins> held_begin_;
    Envelope envelope_;
    std::string said_;
};

}  // namespace mta::smtp::test
