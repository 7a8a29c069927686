#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "dns/answer.h"
#include "dns/cache.h"
#include "dns/name_memory.h"
#include "dns/question.h"
#include "dns/question_lines.h"
#include "dns/resolver.h"
#include "mta/base/limits.h"
#include "mta/base/time.h"

namespace dns {

// The Resolver of the daemon: a cache, and joined look-ups (whoever asks what has been asked
// already waits for the same answer, so a thousand messages to one domain are one question). If an
// answer ends with a CNAME, the name that this leads to is asked for next. Questions wait in lines,
// so that silent name servers hold up nobody else (QuestionLines). It does no I/O: questions leave
// by `ask`, which is CaresDriver::ask() in the daemon and a table in a test.
class CachingResolver final : public Resolver {
public:
    using OnAnswer = std::move_only_function<void(Answer)>;
    using OnCutShort = std::move_only_function<void()>;
    struct World {
        // Answers each question exactly once, never inside the call. OnCutShort: see
        // CaresDriver::ask().
        std::move_only_function<void(const Question&, Effort, OnAnswer, OnCutShort)> ask;
        std::move_only_function<mta::Instant()> now;
        // Runs the work soon, never inside the call: io::Loop::at_turn_end().
        std::move_only_function<void(std::move_only_function<void()>)> defer;
        // The addresses of a name in the system's hosts file: HostsFile::find(). Empty: none.
        std::move_only_function<std::vector<mta::IpAddress>(const std::string&)>
            find_in_hosts_file = {};
        // For the log, if anyone wants it: an answer had broken records (Answer::dropped).
        std::move_only_function<void(const Answer&)> on_broken_records = {};
    };
    struct Limits {
        std::size_t cache_entries_max = mta::limits::dns_cache_entries_max;
        // Questions that are on their way; the others wait in line (QuestionLines).
        std::size_t in_flight_max = mta::limits::dns_in_flight_max;
        // Callers that wait for an answer about names that were silent, and as many others. Beyond,
        // a look-up of a domain is answered with LookupError::Kind::overloaded; one of a host,
        // which a delivery under way waits for, beyond twice of it.
        std::size_t waiting_max = mta::limits::dns_waiting_max;
    };

    explicit CachingResolver(World world);
    CachingResolver(World world, Limits limits);
    CachingResolver(const CachingResolver&) = delete;
    CachingResolver& operator=(const CachingResolver&) = delete;
    // Callers that still wait hear nothing more.
    ~CachingResolver() override;

    void look_up_mx(const std::string& domain, Freshness freshness, OnMx on_answer) override;
    void look_up_addresses(const std::string& host, HostOf of, Freshness freshness,
                           OnAddresses on_answer) override;

    // For SIGHUP, and for an operator who has just repaired his DNS.
    void forget_answers();
    [[nodiscard]] std::size_t cached() const { return cache_.size(); }
    // Since the start.
    struct Statistics {
        std::uint64_t look_ups = 0;    // that callers wanted
        std::uint64_t cache_hits = 0;  // answered from the cache
        std::uint64_t queries = 0;     // questions that were asked
        std::uint64_t failures = 0;    // of those without an answer that one can rely on
        std::uint64_t overloaded = 0;  // look-ups that were refused: too many were waiting
    };
    [[nodiscard]] const Statistics& statistics() const { return statistics_; }
    // Callers that wait for an answer.
    [[nodiscard]] std::size_t waiting() const { return waiting_; }

private:
    using OnFound = std::move_only_function<void(const Answer&, mta::Millis ttl)>;
    struct Halves;

    struct Asked {
        // A question that goes on over TCP has left its place in the lines to others.
        enum class Place : std::uint8_t { lines, tcp };
        std::vector<OnFound> callbacks;
        Place place = Place::lines;
        QuestionLines::Kind kind = QuestionLines::Kind::unknown_domain;  // while it is on its way
        Effort effort = Effort::full;
        mta::Instant since;  // somebody waits for it
        // Of the answers that ended with a CNAME.
        std::uint32_t aliases = 0;
        mta::Millis ttl = mta::Millis::max();
    };

    void look_up(const std::string& name, RecordType type, Freshness freshness, OnFound on_found);
    [[nodiscard]] std::optional<Cache::Hit> find(const Question& question, Freshness freshness);
    // Of an answer that has just come, what is to be believed: records that are still valid rather
    // than a failure to ask for them anew.
    [[nodiscard]] Cache::Hit keep(const Question& question, Answer answer, mta::Instant since);
    [[nodiscard]] QuestionLines::Kind kind_of(const Question& question);
    [[nodiscard]] bool has_room(QuestionLines::Kind kind, RecordType type) const;
    // What is in line, as far as there is room.
    void ask_next();
    // `name`: where CNAMEs have led to.
    void ask(const Question& question, const std::string& name);
    void leave_lines(const Question& question);
    void answer_soon(Answer answer, OnFound on_found);
    void answer_soon(std::shared_ptr<const Answer> answer, mta::Millis ttl, OnFound on_found);
    void finish(const Question& question, Answer answer);
    [[nodiscard]] bool is_for_another_try(const Asked& asked, const Answer& answer) const;
    void remember(const std::string& name, const Answer& answer);
    // Asks for the name at which the answer's CNAMEs ended, instead of the name itself. False: the
    // answer has no such name, or there have been too many.
    [[nodiscard]] bool follow(const Question& question, const Answer& answer);

    World world_;
    Limits limits_;
    Cache cache_;
    NameMemory names_;
    QuestionLines lines_;
    std::unordered_map<Question, Asked> asked_;  // in line, or on their way
    std::size_t waiting_ = 0;
    std::size_t waiting_for_silent_ = 0;  // of those: for names that were silent
    Statistics statistics_;
    // Deferred work and answers under way hold it weakly: when it is gone, so are we.
    std::shared_ptr<char> alive_ = std::make_shared<char>();
};

// The two halves of look_up_addresses(): addresses if either has some, AAAA first, with the shorter
// TTL of those that have; else the error, the temporary one if either is.
[[nodiscard]] Lookup<AddressAnswer> join_addresses(const Answer& aaaa, const Answer& a);

}  // namespace dns
