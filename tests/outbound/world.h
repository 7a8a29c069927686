// An invented world around a queue manager: time, DNS, network, SMTP servers and a store in memory.
// Everything happens in virtual time, one thing after the other, in a fixed order.
#pragma once
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "conf/settings.h"
#include "dns/resolver.h"
#include "mta/base/time.h"
#include "mta/io/connector.h"
#include "mta/outbound/queue_manager.h"
#include "queue/store.h"

namespace world {

using namespace std::chrono_literals;
using mta::Instant;
using mta::Millis;

// What is going to happen, in order of time and, at the same time, of planning.
class Agenda {
public:
    using Action = std::move_only_function<void()>;

    [[nodiscard]] Instant now() const { return now_; }
    void later(Millis delay, Action action) {
        actions_.emplace(std::pair{now_ + delay, ++last_}, std::move(action));
    }
    [[nodiscard]] std::optional<Instant> next() const {
        if (actions_.empty()) return std::nullopt;
        return actions_.begin()->first.first;
    }
    void run_next() {
        auto node = actions_.extract(actions_.begin());
        now_ = std::max(now_, node.key().first);
        node.mapped()();
    }
    void set_now(Instant now) { now_ = std::max(now_, now); }
    // The clock leaps, and the world goes on as before: what was planned comes as long after now.
    void leap(Millis by) {
        now_ += by;
        std::map<std::pair<Instant, std::uint64_t>, Action> moved;
        for (auto& [key, action] : actions_)
            moved.emplace(std::pair{key.first + by, key.second}, std::move(action));
        actions_ = std::move(moved);
    }

private:
    Instant now_ = mta::from_unix_ms(1'790'000'000'000);
    std::uint64_t last_ = 0;
    std::map<std::pair<Instant, std::uint64_t>, Action> actions_;
};

// A store in memory. What was enqueued is durable after a delay; calls are written down in order.
class FakeStore final : public queue::Store {
public:
    struct Kept {
        std::shared_ptr<const queue::Message> message;
        std::vector<queue::RecipientState> states;
        std::string body;  // of a large message
    };

    explicit FakeStore(Agenda& agenda) : agenda_(agenda) {}

    queue::MessageId allocate_id() override { return ++last_id_; }
    std::optional<queue::StoreError> refusal() const override { return std::nullopt; }
    [[nodiscard]] bool is_stalled() const override { return stalled; }
    void append_body(queue::MessageId id, std::string chunk, OnDone on_written) override {
        bodies_[id] += chunk;
        agenda_.later(0ms, [done = std::move(on_written)]() mutable { done({}); });
    }
    void discard_body(queue::MessageId id) override { bodies_.erase(id); }
    void enqueue(std::shared_ptr<const queue::Message> message, OnDone on_durable) override {
        add(std::move(message));
        agenda_.later(1ms, [done = std::move(on_durable)]() mutable { done({}); });
    }
    void update(queue::MessageId id, queue::StateChanges changes,
                std::vector<std::shared_ptr<const queue::Message>> reports) override {
        calls.push_back("update " + std::to_string(id) + names_of(reports));
        for (auto& report : reports) add(report);
        states_written += changes.changes.size();
        EXPECT_TRUE(changes.apply_to(kept.at(id).states));
    }
    void finish(queue::MessageId id, std::vector<std::shared_ptr<const queue::Message>> reports,
                OnDone on_durable) override {
        calls.push_back("finish " + std::to_string(id) + names_of(reports));
        for (auto& report : reports) add(report);
        kept.erase(id);
        if (on_durable) agenda_.later(1ms, [done = std::move(on_durable)]() mutable { done({}); });
    }
    void read(queue::MessageId id, OnMessage on_read) override {
        ++reads;
        agenda_.later(1ms, [this, id, done = std::move(on_read)]() mutable {
            if (read_error) return done(std::unexpected(*read_error));
            const auto found = kept.find(id);
            if (found == kept.end()) {
                return done(std::unexpected(
                    queue::StoreError{queue::StoreError::Kind::not_found, "no such message"}));
            }
            done(queue::StoredMessage{found->second.message, found->second.states});
        });
    }
    void read_body(queue::MessageId id, std::uint64_t offset, std::uint32_t length,
                   OnBytes on_read) override {
        ++body_reads;
        agenda_.later(
            body_latency, [this, id, offset, length, done = std::move(on_read)]() mutable {
                const auto found = kept.find(id);
                if (body_read_error || found == kept.end()) {
                    return done(std::unexpected(
                        queue::StoreError{queue::StoreError::Kind::broken, "input/output error"}));
                }
                if (body_damage && *body_damage >= offset && *body_damage < offset + length) {
                    return done(std::unexpected(
                        queue::StoreError{queue::StoreError::Kind::corrupt, "checksum"}));
                }
                const auto content = found->second.message->added_header + found->second.body;
                done(content.substr(offset, length));
            });
    }
    void when_durable(OnDone on_durable) override {
        agenda_.later(0ms, [done = std::move(on_durable)]() mutable { done({}); });
    }
    void load(OnLoaded on_loaded) override {
        agenda_.later(0ms, [done = std::move(on_loaded)]() mutable { done({}, true); });
    }

    void add(std::shared_ptr<const queue::Message> message) {
        const auto id = message->id;
        auto& entry = kept[id];
        entry.states.resize(message->envelope.recipients.size());
        for (auto& state : entry.states)
            state.next_due = queue::first_due(message->arrival, message->envelope.requests);
        entry.body = message->is_body_inline() ? message->body : bodies_[id];
        entry.message = std::move(message);
    }

    std::map<queue::MessageId, Kept> kept;
    bool stalled = false;  // is_stalled()
    std::vector<std::string> calls;
    std::size_t states_written = 0;  // of recipients
    int reads = 0;
    int body_reads = 0;
    Millis body_latency{1};
    std::optional<queue::StoreError> read_error;
    bool body_read_error = false;
    std::optional<std::uint64_t> body_damage;  // a read of this byte of a body finds it damaged

private:
    static std::string names_of(const std::vector<std::shared_ptr<const queue::Message>>& reports) {
        std::string names;
        for (const auto& report : reports) names += " +" + std::to_string(report->id);
        return names;
    }

    Agenda& agenda_;
    queue::MessageId last_id_ = 0;
    std::map<queue::MessageId, std::string> bodies_;
};

class FakeResolver final : public dns::Resolver {
public:
    explicit FakeResolver(Agenda& agenda) : agenda_(agenda) {}

    void look_up_mx(const std::string& domain, dns::Freshness freshness, OnMx on_answer) override {
        asked.push_back(domain + " MX");
        wanted.push_back(freshness);
        if (on_ask) on_ask(domain);
        agenda_.later(delay, [this, domain, done = std::move(on_answer)]() mutable {
            const auto found = mx.find(domain);
            done(found == mx.end() ? error("no such domain", Kind::no_such_domain) : found->second);
        });
    }
    void look_up_addresses(const std::string& host, dns::HostOf of, dns::Freshness freshness,
                           OnAddresses on_answer) override {
        asked.push_back(host + " A");
        if (on_ask) on_ask(host);
        asked_of.push_back(of);
        wanted.push_back(freshness);
        agenda_.later(host_delay.value_or(delay),
                      [this, host, done = std::move(on_answer)]() mutable {
                          const auto found = hosts.find(host);
                          if (found == hosts.end()) {
                              return done(std::unexpected(
                                  dns::LookupError{Kind::no_such_domain, host + ": NXDOMAIN"}));
                          }
                          done(found->second);
                      });
    }

    using Kind = dns::LookupError::Kind;
    static dns::Lookup<dns::MxAnswer> error(std::string text, Kind kind) {
        return std::unexpected(dns::LookupError{kind, std::move(text)});
    }
    void set_mx(const std::string& domain, const std::vector<std::string>& exchanges) {
        dns::MxAnswer answer{{}, 1h};
        std::uint16_t preference = 0;
        for (const auto& exchange : exchanges)
            answer.records.push_back({preference += 10, exchange});
        mx[domain] = answer;
    }
    void set_host(const std::string& host, const std::vector<std::string>& addresses) {
        dns::AddressAnswer answer{{}, 1h};
        for (const auto& address : addresses)
            answer.addresses.push_back(*mta::IpAddress::parse(address));
        hosts[host] = answer;
    }

    std::map<std::string, dns::Lookup<dns::MxAnswer>> mx;
    std::map<std::string, dns::Lookup<dns::AddressAnswer>> hosts;
    std::vector<std::string> asked;
    std::vector<dns::Freshness> wanted;  // by each of those
    std::vector<dns::HostOf> asked_of;   // by each of those about addresses
    std::function<void(const std::string& name)> on_ask;
    Millis delay{5};
    std::optional<Millis> host_delay;  // of hosts' addresses; nothing: the same

private:
    Agenda& agenda_;
};

// What a server has been given and has said yes to.
struct Received {
    std::string sender;
    std::vector<std::string> recipients;
    std::string body;
    std::size_t connection = 0;  // its number at this server, from 1
    Instant when;
    std::string source;  // the address that the client bound; empty: none
};

// One receiving host. `reply` is asked for every command line ("CONNECT" for the greeting, "." for
// the final dot) and may answer otherwise than the polite default; "close" hangs up, "hang" says
// nothing, "take and close" and "take and hang" take the message and lose the reply; "later 250 ok"
// goes out in one piece with the reply to the next command.
struct Server {
    std::function<std::optional<std::string>(const std::string& command)> reply;
    std::vector<std::string> extensions = {"PIPELINING", "8BITMIME"};
    bool is_refusing = false;  // connection refused
    bool is_hanging = false;   // no answer to SYN
    Millis latency{1};
    std::string group;  // the destination that it belongs to
    std::function<void(const Received&)> on_received;
    // Each command line, and "CONNECT"; `connection` as in Received.
    std::function<void(std::size_t connection, const std::string& command)> on_command;
    // What is seen.
    std::string client;  // the address that the client bound whose command is being answered
    std::vector<Received> received;
    std::vector<std::string> commands;
    std::size_t connects = 0;
    std::size_t open = 0;
    std::size_t open_most = 0;
};

class Connection;

class FakeStream final : public mta::io::ByteStream {
public:
    // `on_closed_by_us`: the client has closed its end.
    FakeStream(Agenda& agenda, Server& server, mta::Endpoint remote, const std::string& source,
               std::function<void()> on_closed_by_us);
    ~FakeStream() override { abort(); }

    void start(Handlers handlers) override;
    void write(std::string bytes) override;
    std::size_t backlog_bytes() const override { return 0; }
    void pause_reading() override {}
    void resume_reading() override {}
    void finish() override { close(); }
    void abort() override { close(); }
    mta::Endpoint local() const override { return {}; }
    mta::Endpoint remote() const override { return remote_; }

private:
    void close();

    Agenda& agenda_;
    Server& server_;
    std::shared_ptr<Connection> connection_;
    mta::Endpoint remote_;
    std::function<void()> on_closed_by_us_;
};

// The server's end of a connection: reads commands, answers them.
class Connection : public std::enable_shared_from_this<Connection> {
public:
    Connection(Agenda& agenda, Server& server, std::string source)
        : agenda_(agenda), server_(server), source_(std::move(source)), number_(++server.connects) {
        server_.open_most = std::max(server_.open_most, ++server_.open);
    }

    mta::io::ByteStream::Handlers handlers;  // of the client's end; gone when it has closed
    bool is_client_gone = false;

    void on_bytes(const std::string& bytes) {
        if (is_closed_) return;
        input_ += bytes;
        take_lines();
    }
    void ask(const std::string& command) {
        if (is_closed_ || is_hung_) return;
        if (server_.on_command) server_.on_command(number_, command);
        server_.client = source_;
        auto own = server_.reply ? server_.reply(command) : std::nullopt;
        if (command.starts_with("RCPT") && !has_mail_) own = "503 5.5.1 MAIL first";
        if (!own) own = polite(command);
        is_hung_ = own->ends_with("hang");
        is_reply_kept_ = own->starts_with("later ");
        if (is_reply_kept_) own->erase(0, 6);
        if (*own == "hang") return;
        if (*own == "close") return close("connection reset by peer");
        if (*own == "take and hang") return take_message();
        if (*own == "take and close") {
            take_message();
            return close("connection reset by peer");
        }
        const bool is_end = command == "." || command.ends_with(" LAST");
        if (is_end && own->front() == '2') take_message();
        if (own->starts_with("354")) is_data_ = true;
        if (command.starts_with("MAIL")) has_mail_ = own->front() == '2';
        if (command.starts_with("MAIL") || command == "RSET") message_ = {.sender = command};
        if (command.starts_with("RCPT") && own->front() == '2')
            message_.recipients.push_back(command.substr(9, command.find('>') - 9));
        say(*own + "\r\n");
        if (command == "QUIT" || own->starts_with("421")) close("");
    }
    void close(const std::string& reason) {
        leave();
        agenda_.later(server_.latency, [self = shared_from_this(), reason] {
            if (!self->is_client_gone && self->handlers.on_closed) self->handlers.on_closed(reason);
        });
    }
    void leave() {
        if (std::exchange(is_closed_, true)) return;
        --server_.open;
    }

private:
    std::string polite(const std::string& command) {
        if (command == "CONNECT") return "220 there";
        if (command.starts_with("EHLO")) {
            std::string reply = "250-there";
            for (const auto& extension : server_.extensions) reply += "\r\n250-" + extension;
            return reply + "\r\n250 ENHANCEDSTATUSCODES";
        }
        if (command == "DATA") return message_.recipients.empty() ? "554 no" : "354 go on";
        if (command == "QUIT") return "221 bye";
        return command == "." ? "250 2.0.0 queued" : "250 2.1.0 ok";
    }
    void take_lines() {
        std::size_t begin = 0;
        for (auto end = input_.find("\r\n"); end != std::string::npos && !is_closed_;
             end = input_.find("\r\n", begin)) {
            const auto line = input_.substr(begin, end - begin);
            std::size_t chunk = 0;
            if (!is_data_ && line.starts_with("BDAT ")) chunk = std::stoul(line.substr(5));
            if (input_.size() - end - 2 < chunk) break;
            message_.body += input_.substr(end + 2, chunk);
            take_line(line);
            begin = end + 2 + chunk;
        }
        input_.erase(0, begin);
    }
    void take_line(const std::string& line) {
        if (!is_data_) {
            server_.commands.push_back(line);
            ask(line);
        } else if (line == ".") {
            is_data_ = false;
            ask(".");
        } else {
            message_.body += (line.starts_with(".") ? line.substr(1) : line) + "\r\n";
        }
    }
    void take_message() {
        has_mail_ = false;
        message_.connection = number_;
        message_.source = source_;
        message_.when = agenda_.now();
        server_.received.push_back(std::exchange(message_, {}));
        if (server_.on_received) server_.on_received(server_.received.back());
    }
    void say(const std::string& reply) {
        kept_replies_ += reply;
        if (is_reply_kept_) return;
        agenda_.later(server_.latency,
                      [self = shared_from_this(), bytes = std::exchange(kept_replies_, {})] {
                          if (!self->is_client_gone && self->handlers.on_read)
                              self->handlers.on_read(bytes);
                      });
    }

    Agenda& agenda_;
    Server& server_;
    std::string source_;
    std::size_t number_;
    std::string input_;
    std::string kept_replies_;
    bool is_reply_kept_ = false;
    Received message_;
    bool has_mail_ = false;
    bool is_hung_ = false;
    bool is_data_ = false;
    bool is_closed_ = false;
};

inline FakeStream::FakeStream(Agenda& agenda, Server& server, mta::Endpoint remote,
                              const std::string& source, std::function<void()> on_closed_by_us)
    : agenda_(agenda),
      server_(server),
      connection_(std::make_shared<Connection>(agenda, server, source)),
      remote_(remote),
      on_closed_by_us_(std::move(on_closed_by_us)) {}
inline void FakeStream::start(Handlers handlers) {
    connection_->handlers = std::move(handlers);
    connection_->ask("CONNECT");
}
inline void FakeStream::write(std::string bytes) {
    agenda_.later(server_.latency,
                  [to = connection_, bytes = std::move(bytes)] { to->on_bytes(bytes); });
}
// What was written before still arrives.
inline void FakeStream::close() {
    if (std::exchange(connection_->is_client_gone, true)) return;
    on_closed_by_us_();
    agenda_.later(server_.latency, [to = connection_] { to->leave(); });
}

class FakeConnector final : public mta::io::Connector {
public:
    explicit FakeConnector(Agenda& agenda) : agenda_(agenda) {}

    ConnectId connect(const mta::Endpoint& remote, const std::optional<mta::IpAddress>& source,
                      OnConnected on_connected) override {
        const auto from = source ? source->to_string() : std::string();
        EXPECT_TRUE(!source || source->is_v6() == remote.address.is_v6());
        const auto id = ++last_;
        tried.push_back(mta::to_string(remote));
        const auto found = servers.find(tried.back());
        auto* server = found == servers.end() ? nullptr : &found->second;
        const auto group = server == nullptr ? tried.back() : server->group;
        if (on_connect) on_connect(group);
        ++in_use[group];
        ++in_use_total;
        in_use_by_id.emplace(id, group);
        pending_.emplace(id, group);
        if (server != nullptr && server->is_hanging) return id;
        const auto latency = server != nullptr ? server->latency : 1ms;
        agenda_.later(
            latency, [this, id, remote, server, from, done = std::move(on_connected)]() mutable {
                const auto waiting = pending_.extract(id);
                if (waiting.empty()) return;
                const auto& name = waiting.mapped();
                if (unusable_sources.contains(from)) {
                    release(id, name);
                    return done(
                        std::unexpected(mta::io::ConnectError{"cannot send from " + from, true}));
                }
                if (server == nullptr || server->is_refusing) {
                    release(id, name);
                    return done(std::unexpected(mta::io::ConnectError{"connection refused"}));
                }
                done(std::make_unique<FakeStream>(agenda_, *server, remote, from,
                                                  [this, id, name] { release(id, name); }));
            });
        return id;
    }
    void cancel(ConnectId id) override {
        if (const auto waiting = pending_.extract(id)) release(id, waiting.mapped());
    }
    [[nodiscard]] ConnectId last() const { return last_; }

    std::map<std::string, Server> servers;  // by endpoint
    std::vector<std::string> tried;
    std::set<std::string> unusable_sources;
    // Connections that the client has or is opening, by the servers' group.
    std::map<std::string, std::size_t> in_use;
    std::size_t in_use_total = 0;
    std::map<ConnectId, std::string> in_use_by_id;  // the same connections, each with its group
    std::function<void(const std::string& group)> on_connect;

private:
    void release(ConnectId id, const std::string& group) {
        in_use_by_id.erase(id);
        --in_use[group];
        --in_use_total;
    }

    Agenda& agenda_;
    ConnectId last_ = 0;
    std::map<ConnectId, std::string> pending_;
};

struct Mail {
    std::string from = "ann@office.example";
    std::vector<std::string> to = {"bob@them.example"};
    std::string body = "Subject: hello\r\n\r\nhello\r\n";
    std::uint8_t notify = queue::notify_unspecified;
    bool is_large = false;  // the body is in the store only
    std::string added_header = {};
    queue::Requests requests = {};
};

// A server whose answer to one command is always the same.
inline auto always(const std::string& command, const std::string& answer) {
    return [=](const std::string& said) {
        return said.starts_with(command) ? std::optional<std::string>(answer) : std::nullopt;
    };
}

// A queue manager in its world. `settings` may be changed before the first use of manager().
class World {
public:
    World() { settings.hostname = "relay.office.example"; }

    conf::Settings settings;
    Agenda agenda;
    FakeStore store{agenda};
    FakeResolver resolver{agenda};
    std::unique_ptr<dns::Resolver> other_resolver;  // instead of it
    FakeConnector connector{agenda};
    // Seen so far: "delivered bob@them.example", "deferred ...", "destination down mx.them.example"
    std::vector<std::string> events;
    struct Reported {
        mta::outbound::ReportKind kind;
        std::vector<mta::outbound::RecipientOutcome> outcomes;
        std::string head;
        queue::MessageId original;
        Instant when;
        Instant give_up_at;
        std::vector<queue::MessageId> also = {};
        std::size_t also_unlisted = 0;
    };
    std::vector<Reported> reports;
    mta::UtcOffsetAt utc_offset_at;

    mta::outbound::QueueManager& manager() {
        if (!manager_) {
            manager_ = std::make_unique<mta::outbound::QueueManager>(
                std::make_shared<const conf::Settings>(settings),
                mta::outbound::QueueManager::Ports{
                    store, other_resolver ? *other_resolver : resolver, connector},
                mta::outbound::QueueManager::Hooks{
                    .now = [this] { return agenda.now(); },
                    .request_tick = [this] { is_tick_requested_ = true; },
                    .make_reports = [this](const auto& request) { return report(request); },
                    .on_event = [this](const auto& event) { note(event); },
                    .utc_offset_at = utc_offset_at},
                1);
        }
        return *manager_;
    }
    void restart() { manager_.reset(); }

    // A domain with one MX host at one address, and the server there.
    Server& serve(const std::string& domain, const std::string& address = "192.0.2.1") {
        const auto host = "mx." + domain;
        resolver.set_mx(domain, {host});
        resolver.set_host(host, {address});
        return server(address);
    }
    Server& server(const std::string& address, std::uint16_t port = 25) {
        return connector.servers[mta::to_string({*mta::IpAddress::parse(address), port})];
    }

    std::shared_ptr<const queue::Message> message(const Mail& mail = {}) {
        auto made = std::make_shared<queue::Message>();
        made->id = store.allocate_id();
        made->arrival = agenda.now();
        made->envelope.reverse_path = mail.from;
        made->envelope.requests = mail.requests;
        for (const auto& address : mail.to) {
            const auto domain = address.substr(address.rfind('@') + 1);
            made->envelope.recipients.push_back({address, domain, mail.notify, {}});
        }
        made->added_header = mail.added_header;
        made->facts.size = mail.added_header.size() + mail.body.size();
        made->facts.header_bytes =
            static_cast<std::uint32_t>(mail.added_header.size() + mail.body.find("\r\n\r\n") + 2);
        made->facts.line_bytes_max = 80;
        if (mail.is_large) {
            store.append_body(made->id, mail.body, [](auto) {});
        } else {
            made->body = mail.body;
        }
        return made;
    }
    // As the daemon does it: to the store and to the queue manager at the same time.
    queue::MessageId send(const Mail& mail = {}) {
        const auto made = message(mail);
        store.enqueue(made, [](auto) {});
        manager().accept(made);
        settle_turn();
        return made->id;
    }

    // Everything up to and at that time.
    void run_until(Instant end) {
        settle_turn();
        while (true) {
            const auto wakeup = manager().next_wakeup();
            const auto action = agenda.next();
            const auto next =
                std::min(wakeup.value_or(Instant::max()), action.value_or(Instant::max()));
            if (next > end) break;
            if (action && *action <= next) {
                agenda.run_next();
            } else {
                agenda.set_now(*wakeup);
                is_tick_requested_ = true;
            }
            settle_turn();
        }
        agenda.set_now(end);
    }
    void run_for(Millis duration) { run_until(agenda.now() + duration); }

    [[nodiscard]] std::size_t count(const std::string& event) const {
        return static_cast<std::size_t>(std::ranges::count_if(
            events, [&](const std::string& each) { return each.starts_with(event); }));
    }
    [[nodiscard]] bool has(const std::string& event) const { return count(event) > 0; }
    [[nodiscard]] Millis age(Instant when) const { return when - start; }

    const Instant start = agenda.now();

private:
    void settle_turn() {
        while (std::exchange(is_tick_requested_, false)) manager().tick();
    }

    std::vector<std::shared_ptr<const queue::Message>> report(
        const mta::outbound::ReportRequest& request) {
        reports.push_back({request.kind, request.outcomes, std::string(request.head),
                           request.original.id, request.now, request.give_up_at});
        for (const auto& other : request.also) reports.back().also.push_back(other.message->id);
        reports.back().also_unlisted = request.also_unlisted;
        auto made = std::make_shared<queue::Message>();
        made->id = store.allocate_id();
        made->arrival = agenda.now();
        const auto& to = request.original.envelope.reverse_path;
        made->envelope.recipients.push_back(
            {to, to.substr(to.rfind('@') + 1), queue::notify_never, {}});
        made->body = "Subject: report\r\n\r\n";
        made->facts.size = made->body.size();
        made->about = request.original.id;
        return {made};
    }

    void note(const mta::outbound::DeliveryEvent& event) {
        using namespace mta::outbound;
        const auto name = [](const RecipientRef& recipient) {
            return recipient.address.empty()
                       ? std::to_string(recipient.id) + "#" + std::to_string(recipient.recipient)
                       : std::string(recipient.address);
        };
        struct Words {
            decltype(name)& of;
            std::string operator()(const AttemptStarted& e) const {
                return "attempt " + std::to_string(e.id);
            }
            std::string operator()(const Delivered& e) const {
                return "delivered " + of(e.recipient);
            }
            std::string operator()(const HostFailed& e) const {
                return "host failed " + e.error.remote;
            }
            std::string operator()(const Deferred& e) const {
                return "deferred " + of(e.recipient);
            }
            std::string operator()(const Postponed& e) const {
                return "postponed " + std::to_string(e.id);
            }
            std::string operator()(const Failed& e) const {
                return "failed " + of(e.recipient) + " " + to_string(e.error.status);
            }
            std::string operator()(const Expired& e) const { return "expired " + of(e.recipient); }
            std::string operator()(const InDoubt& e) const { return "in doubt " + of(e.recipient); }
            std::string operator()(const ReportQueued& e) const {
                return "report " + std::to_string(e.report) + " about " + std::to_string(e.id);
            }
            std::string operator()(const ReportDropped& e) const {
                static const char* const reasons[] = {"null sender", "not wanted", "not made"};
                return "report dropped " + of(e.recipient) + " " +
                       reasons[static_cast<int>(e.reason)];
            }
            std::string operator()(const Completed& e) const {
                return "completed " + std::to_string(e.id);
            }
            std::string operator()(const Cancelled& e) const {
                return "cancelled " + std::to_string(e.id);
            }
            std::string operator()(const DestinationDown& e) const {
                return "down " + std::string(e.destination);
            }
            std::string operator()(const DestinationUp& e) const {
                return "up " + std::string(e.destination);
            }
            std::string operator()(const SourceSuspended& e) const {
                return "suspended " + std::string(e.source);
            }
            std::string operator()(const Unreadable& e) const {
                return "unreadable " + std::to_string(e.id);
            }
        };
        events.push_back(std::visit(Words{name}, event));
    }

    bool is_tick_requested_ = false;
    std::unique_ptr<mta::outbound::QueueManager> manager_;
};

}  // namespace world
