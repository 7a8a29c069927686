#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dns/answer.h"
#include "dns/name_memory.h"
#include "dns/question.h"
#include "dns/question_lines.h"
#include "mta/base/ip_address.h"
#include "mta/base/limits.h"
#include "mta/base/pending.h"
#include "mta/base/time.h"
#include "mta/io/clock.h"
#include "mta/io/loop.h"

namespace dns {

struct CaresOptions {
    // In order of preference. If the list is empty, those of resolv_conf_path.
    std::vector<mta::Endpoint> servers;
    mta::Millis timeout{2'000};  // of a try
    // Of a try with Effort::brief. Half a second is enough for a resolver that has to ask the root
    // first. A name that takes longer is asked for again.
    mta::Millis brief_timeout{500};
    std::uint32_t tries = 2;  // with each server
    std::string resolv_conf_path = "/etc/resolv.conf";
    std::uint32_t in_flight_max = mta::limits::dns_in_flight_max;
    std::size_t waiting_max = mta::limits::dns_waiting_max;
    std::size_t tcp_waiting_max = mta::limits::dns_tcp_waiting_max;  // of each kind (QuestionLines)
};

// Asks name servers through c-ares: one driver for each shard, used on its loop's thread only.
//
// At most in_flight_max questions are on their way over UDP. The others wait in line, first in,
// first out; if waiting_max questions wait, the answer is LookupError::Kind::overloaded. A question
// goes to the first server that is well (NameServerHealth). After a timeout it goes to the next
// server and round again, `tries` times to each. After SERVFAIL, REFUSED, an unusable answer or a
// closed port it does not return to that server, which would only say the same again. When no
// server is left, the last server's error is the answer. A brief question ends with its first
// timeout, after brief_timeout.
//
// A server that does not know EDNS is asked again without it, and after a while without it from the
// start (EdnsSupport).
//
// An answer that is cut short over UDP is asked for over TCP, on a connection of its own, because
// some servers close a connection after one answer. If the connection is lost without an answer, it
// is made again, tcp_connections_a_question times in all; then the answer of this server is
// `malformed`. None of this counts against the server's health over UDP.
//
// A recursive server may be silent over TCP for one name and answer for every other one. At most
// tcp_connections_max connections are open. Questions wait for one in the lines of QuestionLines,
// by what the server last said over TCP about the name: names that failed share a quarter of the
// connections. The kernel resends what is lost, so a server that is silent over TCP is not asked
// again, with one exception: if the wait was brief, because others were waiting, and no other
// server is left, the question waits for a full try among the silent names. A server that failed
// for the name, or was silent over TCP three times in a row (NameServerHealth), is asked over TCP
// after another server that is well, but it is asked. If tcp_waiting_max questions are in its line,
// a question is answered with `overloaded`.
class CaresDriver {
public:
    using OnAnswer = std::move_only_function<void(Answer)>;
    using OnCutShort = std::move_only_function<void()>;
    // unbound accepts ten at a time (incoming-num-tcp), dnsmasq twenty.
    static constexpr std::size_t tcp_connections_max = 8;
    static constexpr std::uint32_t tcp_connections_a_question = 3;  // with one server

    // Loop and clock must outlive the driver.
    CaresDriver(mta::io::Loop& loop, const mta::io::Clock& clock, CaresOptions options);
    CaresDriver(const CaresDriver&) = delete;
    CaresDriver& operator=(const CaresDriver&) = delete;
    // The open questions get no answer. An OnAnswer must not destroy the driver.
    ~CaresDriver();

    // Calls on_answer exactly once, on the loop, never inside this call. Before that, on_cut_short
    // is called (on the loop, at most once) when the question goes on over TCP; from then on it
    // takes no place from questions over UDP. A name that is not valid (mta::is_valid_domain) does
    // not exist.
    void ask(const Question& question, Effort effort, OnAnswer on_answer,
             OnCutShort on_cut_short = {});

    // Takes new servers, timeouts and limits (SIGHUP); an empty list reads resolv_conf_path again.
    // Questions on their way end with the old servers; those that wait go to the new ones.
    void reconfigure(CaresOptions options);

    [[nodiscard]] std::vector<mta::Endpoint> servers() const;
    [[nodiscard]] std::size_t in_flight() const { return in_flight_.size(); }
    [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

private:
    struct Waiting {
        Question question;
        Effort effort = Effort::full;
        OnAnswer on_answer;
        OnCutShort on_cut_short;
    };
    struct Server;
    struct InFlight;
    using Servers = std::vector<Server>;
    enum class QueryId : std::uint64_t {};  // names a question on its way; never used again
    using TcpLines = QuestionLines<QueryId>;

    void answer_soon(OnAnswer on_answer, LookupError::Kind kind, std::string text);
    [[nodiscard]] bool has_room() const;  // over UDP
    void start(Waiting asked);
    void start_waiting();
    [[nodiscard]] std::vector<Server*> order_of_servers();
    void send(QueryId id);
    void on_reply(QueryId id, int status, std::string_view message);
    void choose_edns(InFlight& query) const;
    [[nodiscard]] bool is_for_try_without_edns(InFlight& query, std::string_view message,
                                               bool has_lost_edns) const;
    void go_on_over_tcp(QueryId id);
    [[nodiscard]] bool is_for_another_server_first(const InFlight& query);
    // Puts the question at the end of a line for TCP, or ends it if that line is full.
    void wait_for_tcp(QueryId id, TcpLines::Kind kind);
    void start_over_tcp();
    void send_over_tcp(QueryId id);
    void on_tcp_reply(QueryId id, int status, std::string_view message);
    // Ends the question with the last server's answer, or goes on to the next server.
    void conclude(QueryId id, Answer answer);
    [[nodiscard]] NameMemory::Heard heard_over_tcp(const InFlight& query, const Server& of) const;
    void finish(QueryId id, Answer answer);

    mta::io::Loop& loop_;
    const mta::io::Clock& clock_;
    CaresOptions options_;
    // Shared with the questions on their way, which end with the servers that they began with.
    std::shared_ptr<Servers> servers_;
    std::uint64_t last_id_ = 0;
    std::unordered_map<QueryId, InFlight> in_flight_;
    std::deque<Waiting> waiting_;
    std::size_t over_tcp_ = 0;      // the part of in_flight_ that goes over TCP
    std::deque<QueryId> from_tcp_;  // waiting for room to ask the next server over UDP
    TcpLines tcp_lines_{tcp_connections_max};
    NameMemory tcp_names_;  // what each server said about each name
    mta::Pending pending_;  // guards the answers that are known at once
};

}  // namespace dns
