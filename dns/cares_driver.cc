#include "dns/cares_driver.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <ares.h>

#include "dns/cares_channel.h"
#include "dns/edns_support.h"
#include "dns/name_server_health.h"
#include "dns/system_servers.h"
#include "mta/base/assert.h"
#include "mta/base/domain.h"
#include "mta/base/time_format.h"

namespace dns {
namespace {

using Kind = LookupError::Kind;

std::optional<unsigned> rcode_of(std::string_view message) {
    if (message.size() < 4) return std::nullopt;
    return static_cast<unsigned char>(message[3]) & 0x0fU;
}

// The answer if no message came.
Answer answer_of_status(int status, const Question& question, const std::string& server,
                        mta::Millis timeout) {
    const auto fail = [](Kind kind, std::string text) {
        return Answer{std::unexpected(LookupError{kind, std::move(text)}), {}};
    };
    const auto asked = " for " + to_string(question);
    switch (status) {
        case ARES_ETIMEOUT:
            return fail(Kind::timed_out, "no answer from " + server + " within " +
                                             std::to_string(timeout.count()) + " ms" + asked);
        case ARES_EBADRESP: return fail(Kind::malformed, "unusable answer from " + server + asked);
        // c-ares never asks for some names: .onion (RFC 7686), or what is no name at all.
        case ARES_ENOTFOUND:
        case ARES_EBADNAME: return fail(Kind::no_such_domain, question.name + " is not in the DNS");
        case ARES_ECONNREFUSED:
            return fail(Kind::unreachable, "no name server at " + server + asked);
        default:
            return fail(Kind::unreachable,
                        std::string(ares_strerror(status)) + " asking " + server + asked);
    }
}

Answer cut_short(const Question& question, const std::string& server, const std::string& why) {
    return {std::unexpected(LookupError{Kind::malformed, "the answer from " + server + " for " +
                                                             to_string(question) +
                                                             " is cut short over UDP, and " + why}),
            {}};
}

// The key under which tcp_names_ keeps how a server reacted to a name.
std::string tcp_name(const Question& question, const mta::Endpoint& server) {
    return question.name + ' ' + to_string(server);
}

}  // namespace

struct CaresDriver::Server {
    mta::Endpoint endpoint;
    NameServerHealth health;  // over UDP
    EdnsSupport edns;
    NameServerHealth tcp_health;  // a lost connection does not count, because it delays no question
    // By InFlight::channel_kind(); made when first needed.
    std::array<std::shared_ptr<CaresChannel>, 4> channels;
};

struct CaresDriver::InFlight {
    Question question;
    OnAnswer on_answer;
    OnCutShort on_cut_short;
    std::shared_ptr<Servers> servers;  // keeps alive those in `order`
    std::deque<Server*> order;         // the servers still to ask; the one being asked is in front
    // True if the server in front was asked with EDNS, without success.
    bool is_again_without_edns = false;
    bool has_edns = true;  // in the last question to the server in front
    // True if a server was moved to the end, because another is more likely to answer over TCP.
    bool is_put_off = false;
    CaresChannel::Transport asked_over = CaresChannel::Transport::udp;
    // Both of the place in tcp_lines_, while the question has a connection.
    TcpLines::Kind tcp_kind = TcpLines::Kind::silent;
    Effort tcp_effort = Effort::full;
    std::uint32_t tcp_connections = 0;  // made so far
    Effort effort = Effort::full;
    mta::Millis timeout{};
    std::shared_ptr<CaresChannel> channel;  // lives until it has answered

    // The index in Server::channels: each kind has its own timeout, and EDNS or not.
    [[nodiscard]] std::size_t channel_kind() const {
        return (effort == Effort::brief ? 2u : 0u) + (has_edns ? 0u : 1u);
    }
    [[nodiscard]] Server& server() const { return *order.front(); }
    [[nodiscard]] CaresChannel::Options channel_options(CaresChannel::Transport transport) const {
        return {.server = server().endpoint,
                .timeout = timeout,
                .edns = has_edns,
                .transport = transport};
    }
};

CaresDriver::CaresDriver(mta::io::Loop& loop, const mta::io::Clock& clock, CaresOptions options)
    : loop_(loop), clock_(clock) {
    reconfigure(std::move(options));
}

CaresDriver::~CaresDriver() = default;

void CaresDriver::reconfigure(CaresOptions options) {
    MTA_ASSERT(options.tries > 0 && options.in_flight_max > 0);
    options_ = std::move(options);
    if (options_.servers.empty()) options_.servers = system_servers(options_.resolv_conf_path);
    servers_ = std::make_shared<Servers>();
    for (const auto& endpoint : options_.servers) {
        servers_->push_back({.endpoint = endpoint});
    }
    tcp_names_.clear();
    start_waiting();
}

std::vector<mta::Endpoint> CaresDriver::servers() const { return options_.servers; }

void CaresDriver::ask(const Question& question, Effort effort, OnAnswer on_answer,
                      OnCutShort on_cut_short) {
    if (!mta::is_valid_domain(question.name)) {
        // Only a spool that another program wrote can hold such a name.
        return answer_soon(std::move(on_answer), Kind::no_such_domain,
                           "the name is no domain name");
    }
    if (has_room()) {
        start({question, effort, std::move(on_answer), std::move(on_cut_short)});
    } else if (waiting_.size() < options_.waiting_max) {
        waiting_.push_back({question, effort, std::move(on_answer), std::move(on_cut_short)});
    } else {
        answer_soon(std::move(on_answer), Kind::overloaded,
                    "too many look-ups are waiting, among them " + to_string(question));
    }
}

void CaresDriver::answer_soon(OnAnswer on_answer, Kind kind, std::string text) {
    loop_.at_turn_end(
        pending_.guard([on_answer = std::move(on_answer), kind, text = std::move(text)]() mutable {
            on_answer({std::unexpected(LookupError{kind, std::move(text)}), {}});
        }));
}

bool CaresDriver::has_room() const {
    return in_flight_.size() - over_tcp_ < options_.in_flight_max;
}

void CaresDriver::start(Waiting asked) {
    InFlight query{.question = std::move(asked.question),
                   .on_answer = std::move(asked.on_answer),
                   .on_cut_short = std::move(asked.on_cut_short),
                   .servers = servers_,
                   .effort = asked.effort,
                   .timeout = asked.effort == Effort::brief
                                  ? std::min(options_.brief_timeout, options_.timeout)
                                  : options_.timeout};
    const auto round = order_of_servers();
    const std::uint32_t tries_max = asked.effort == Effort::brief ? 1 : options_.tries;
    for (std::uint32_t tries = 0; tries < tries_max; ++tries) {
        query.order.insert(query.order.end(), round.begin(), round.end());
    }
    const QueryId id{++last_id_};
    in_flight_.emplace(id, std::move(query));
    send(id);
}

std::vector<CaresDriver::Server*> CaresDriver::order_of_servers() {
    std::vector<Server*> order;
    std::vector<Server*> unwell;
    for (auto& server : *servers_) {
        (server.health.may_go_first(clock_.now()) ? order : unwell).push_back(&server);
    }
    order.insert(order.end(), unwell.begin(), unwell.end());
    return order;
}

void CaresDriver::send(QueryId id) {
    auto& query = in_flight_.at(id);
    choose_edns(query);
    auto& channel = query.server().channels.at(query.channel_kind());
    if (!channel) {
        channel = std::make_shared<CaresChannel>(
            loop_, query.channel_options(CaresChannel::Transport::udp));
    }
    query.channel = channel;
    channel->ask(query.question, [this, id](int status, std::string_view message) {
        on_reply(id, status, message);
    });
}

void CaresDriver::on_reply(QueryId id, int status, std::string_view message) {
    auto& query = in_flight_.at(id);
    auto& server = query.server();
    const auto channel = std::move(query.channel);
    const bool has_lost_edns = channel->has_lost_edns();
    if (has_lost_edns) std::ranges::replace(server.channels, channel, nullptr);
    if (is_for_try_without_edns(query, message, has_lost_edns)) return send(id);
    if (channel->is_cut_short(message)) {
        server.health.on_answer();
        return go_on_over_tcp(id);
    }
    auto answer =
        message.empty()
            ? answer_of_status(status, query.question, to_string(server.endpoint), query.timeout)
            : parse_answer(message, query.question, to_string(server.endpoint));
    const auto failure = answer.records ? std::nullopt : std::optional(answer.records.error().kind);
    if (failure == Kind::timed_out) {
        server.health.on_timeout(clock_.now());
    } else if (failure == Kind::unreachable) {
        server.health.on_unreachable(clock_.now());
    } else {
        server.health.on_answer();
    }
    conclude(id, std::move(answer));
}

// ---- EDNS ----

void CaresDriver::choose_edns(InFlight& query) const {
    query.has_edns =
        !query.is_again_without_edns && query.server().edns.is_to_be_used(clock_.now());
}

// True if the same server should be asked again. If `has_lost_edns`, c-ares may have done so
// already.
bool CaresDriver::is_for_try_without_edns(InFlight& query, std::string_view message,
                                          bool has_lost_edns) const {
    const auto rcode = rcode_of(message);
    if (!rcode) return false;
    auto& edns = query.server().edns;
    if (query.has_edns && edns.is_worth_another_try(*rcode)) {
        query.is_again_without_edns = true;
        return true;
    }
    if (query.is_again_without_edns || has_lost_edns) {
        edns.on_answer_without(*rcode, clock_.now());
    } else if (query.has_edns) {
        edns.on_answer(*rcode);
    }
    return false;
}

// ---- TCP ----

NameMemory::Heard CaresDriver::heard_over_tcp(const InFlight& query, const Server& of) const {
    return tcp_names_.find(tcp_name(query.question, of.endpoint), clock_.now());
}

void CaresDriver::go_on_over_tcp(QueryId id) {
    auto& query = in_flight_.at(id);
    if (is_for_another_server_first(query)) {
        auto* const server = query.order.front();
        std::erase(query.order, server);
        query.order.push_back(server);
        query.is_put_off = true;
        query.is_again_without_edns = false;
        return send(id);
    }
    query.asked_over = CaresChannel::Transport::tcp;
    ++over_tcp_;
    if (auto on_cut_short = std::exchange(query.on_cut_short, nullptr)) on_cut_short();
    wait_for_tcp(id, TcpLines::kind_of(heard_over_tcp(query, query.server()),
                                       subject_of(query.question.type)));
    start_over_tcp();
    start_waiting();
}

bool CaresDriver::is_for_another_server_first(const InFlight& query) {
    if (query.is_put_off) return false;
    const auto is_silent_for_it = [&](const Server& server) {
        return heard_over_tcp(query, server) == NameMemory::Heard::silence;
    };
    auto& server = query.server();
    const bool is_other_better = std::ranges::any_of(query.order, [&](const Server* other) {
        return other != &server && other->tcp_health.is_well() && !is_silent_for_it(*other);
    });
    return is_other_better &&
           (is_silent_for_it(server) || !server.tcp_health.may_go_first(clock_.now()));
}

void CaresDriver::wait_for_tcp(QueryId id, TcpLines::Kind kind) {
    if (tcp_lines_.waiting(kind) < options_.tcp_waiting_max) return tcp_lines_.add(id, kind);
    const auto text = "too many look-ups are waiting for a TCP connection, among them " +
                      to_string(in_flight_.at(id).question);
    finish(id, {std::unexpected(LookupError{Kind::overloaded, text}), {}});
}

void CaresDriver::start_over_tcp() {
    while (const auto next = tcp_lines_.start()) {
        auto& query = in_flight_.at(next->question);
        query.tcp_kind = next->kind;
        query.tcp_effort = next->effort;
        query.tcp_connections = 0;
        send_over_tcp(next->question);
    }
}

void CaresDriver::send_over_tcp(QueryId id) {
    auto& query = in_flight_.at(id);
    ++query.tcp_connections;
    choose_edns(query);
    auto options = query.channel_options(CaresChannel::Transport::tcp);
    if (query.tcp_effort == Effort::brief)
        options.timeout = std::min(options_.brief_timeout, options.timeout);
    query.channel = std::make_shared<CaresChannel>(loop_, options);
    query.channel->ask(query.question, [this, id](int status, std::string_view message) {
        on_tcp_reply(id, status, message);
    });
}

void CaresDriver::on_tcp_reply(QueryId id, int status, std::string_view message) {
    auto& query = in_flight_.at(id);
    auto& server = query.server();
    const bool has_lost_edns = query.channel->has_lost_edns();
    query.channel.reset();  // closes the connection
    const bool is_silent = message.empty() && status == ARES_ETIMEOUT;
    const bool is_lost = message.empty() && !is_silent;
    if (is_silent) server.tcp_health.on_timeout(clock_.now());
    if (!message.empty()) server.tcp_health.on_answer();
    if (is_for_try_without_edns(query, message, has_lost_edns)) return send_over_tcp(id);
    if (is_lost && query.tcp_connections < tcp_connections_a_question) return send_over_tcp(id);
    tcp_lines_.end(query.tcp_kind);
    const auto name = to_string(server.endpoint);
    auto answer = is_lost     ? cut_short(query.question, name, "over TCP the connection fails")
                  : is_silent ? answer_of_status(status, query.question, name, query.timeout)
                              : parse_answer(message, query.question, name);
    // Every failure counts as silence: a server may report it only after a long wait.
    const bool is_answer = answer.records || !answer.records.error().is_temporary();
    tcp_names_.put(tcp_name(query.question, server.endpoint),
                   is_answer ? NameMemory::Heard::answer : NameMemory::Heard::silence,
                   clock_.now());
    const bool is_last =
        std::ranges::all_of(query.order, [&](const Server* other) { return other == &server; });
    if (is_silent && query.tcp_effort == Effort::brief && query.effort == Effort::full && is_last) {
        wait_for_tcp(id, TcpLines::Kind::silent);
    } else {
        conclude(id, std::move(answer));
    }
    start_over_tcp();
}

void CaresDriver::conclude(QueryId id, Answer answer) {
    auto& query = in_flight_.at(id);
    auto* const server = query.order.front();
    query.order.pop_front();
    query.is_again_without_edns = false;
    const bool was_over_tcp = query.asked_over == CaresChannel::Transport::tcp;
    const bool has_failed = !answer.records && answer.records.error().is_temporary();
    const bool is_silent = has_failed && answer.records.error().kind == Kind::timed_out;
    if (has_failed && (!is_silent || was_over_tcp)) std::erase(query.order, server);
    if (is_silent && query.effort == Effort::brief) query.order.clear();
    if (!has_failed || query.order.empty()) {
        finish(id, std::move(answer));
    } else if (was_over_tcp) {
        from_tcp_.push_back(id);
        start_waiting();
    } else {
        send(id);
    }
}

void CaresDriver::finish(QueryId id, Answer answer) {
    auto finished = in_flight_.extract(id);
    if (finished.mapped().asked_over == CaresChannel::Transport::tcp) --over_tcp_;
    start_waiting();
    finished.mapped().on_answer(std::move(answer));
}

void CaresDriver::start_waiting() {
    while (has_room()) {
        if (!from_tcp_.empty()) {
            const auto id = from_tcp_.front();
            from_tcp_.pop_front();
            --over_tcp_;
            in_flight_.at(id).asked_over = CaresChannel::Transport::udp;
            send(id);
        } else if (!waiting_.empty()) {
            auto next = std::move(waiting_.front());
            waiting_.pop_front();
            start(std::move(next));
        } else {
            return;
        }
    }
}

}  // namespace dns
