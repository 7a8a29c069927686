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
#include "dns/question.h"
#include "mta/base/ip_address.h"
#include "mta/base/limits.h"
#include "mta/base/time.h"
#include "mta/io/clock.h"
#include "mta/io/loop.h"

namespace dns {

class NameServer;

struct CaresOptions {
    std::vector<mta::Endpoint> servers;  // in order of preference; empty: those of /etc/resolv.conf
    mta::Millis timeout{2'000};          // of a try
    std::uint32_t tries = 2;             // for each server
    std::uint32_t in_flight_max = mta::limits::dns_in_flight_max;
    std::size_t waiting_max = mta::limits::dns_waiting_max;
};

// Asks name servers through c-ares: one for each shard, used on its loop's thread only. The program
// makes one CaresLibrary before its threads start.
//
// At most in_flight_max questions are on their way, the others wait in line. A question goes to the
// first server that is well; a server that does not answer, or answers with SERVFAIL, REFUSED or
// nonsense, passes it on to the next one, `tries` times round. What every server failed to answer
// gives the last server's error. A server that did not answer is asked last for
// CaresDriver::unwell_for.
class CaresDriver {
public:
    using OnAnswer = std::move_only_function<void(Answer)>;
    static constexpr mta::Millis unwell_for{30'000};

    // Loop and clock must outlive the driver.
    CaresDriver(mta::io::Loop& loop, const mta::io::Clock& clock, CaresOptions options);
    CaresDriver(const CaresDriver&) = delete;
    CaresDriver& operator=(const CaresDriver&) = delete;
    // Questions that are open get no answer. Not from inside a callback.
    ~CaresDriver();

    // Exactly one answer, on the loop, never inside this call.
    void ask(const Question& question, OnAnswer on_answer);

    // New servers, timeout and tries (SIGHUP); an empty list reads /etc/resolv.conf again.
    // Questions on their way are still answered by the old servers, those that wait go to the new
    // ones.
    void reconfigure(CaresOptions options);

    [[nodiscard]] std::vector<mta::Endpoint> servers() const;
    [[nodiscard]] std::size_t in_flight() const { return in_flight_.size(); }
    [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

private:
    struct Waiting {
        Question question;
        OnAnswer on_answer;
    };
    struct InFlight;
    using QueryId = std::uint64_t;
    using Servers = std::vector<NameServer>;

    void start(Waiting waiting);
    void start_waiting();
    void send(QueryId id);
    void on_reply(QueryId id, int status, std::string_view message);
    void finish(QueryId id, Answer answer);

    mta::io::Loop& loop_;
    const mta::io::Clock& clock_;
    CaresOptions options_;
    // Shared with the questions that were sent to them, so that these end where they began.
    std::shared_ptr<Servers> servers_;
    QueryId next_id_ = 1;
    std::unordered_map<QueryId, InFlight> in_flight_;
    std::deque<Waiting> waiting_;
    std::shared_ptr<char> alive_ = std::make_shared<char>();
};

// ares_library_init() and _cleanup(), which know nothing of threads.
class CaresLibrary {
public:
    CaresLibrary();
    CaresLibrary(const CaresLibrary&) = delete;
    CaresLibrary& operator=(const CaresLibrary&) = delete;
    ~CaresLibrary();
};

}  // namespace dns
