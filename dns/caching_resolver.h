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
#include "mta/base/pending.h"
#include "mta/base/time.h"

namespace dns {

// The Resolver of the daemon. It caches answers, and joins look-ups: a look-up of what is being
// asked already waits for the same answer, so a thousand messages to one domain cost one question.
// If an answer ends with a CNAME, the resolver asks for its target next. Questions wait in lines,
// so that silent name servers do not delay the others (QuestionLines). The resolver does no I/O:
// questions leave by `ask`, which is CaresDriver::ask() in the daemon and a table in a test.
class CachingResolver final : public Resolver {
public:
    using OnAnswer = std::move_only_function<void(Answer)>;
    using OnCutShort = std::move_only_function<void()>;
    struct World {
        // Answers each question exactly once, never inside the call. CaresDriver::ask() says when
        // it calls OnCutShort.
        std::move_only_function<void(const Question&, Effort, OnAnswer, OnCutShort)> ask;
        std::move_only_function<mta::Instant()> now;
        // Runs the work soon, never inside the call: io::Loop::at_turn_end().
        std::move_only_function<void(std::move_only_function<void()>)> defer;
        // HostsFile::find(): the addresses of a name in the system's hosts file, or an empty list.
        // Optional.
        std::move_only_function<std::vector<mta::IpAddress>(const std::string&)>
            find_in_hosts_file = {};
        // Called for each answer that had broken records (Answer::dropped). Optional.
        std::move_only_function<void(const Answer&)> on_broken_records = {};
    };
    struct Limits {
        std::size_t cache_entries_max = mta::limits::dns_cache_entries_max;
        // Questions on their way; the others wait in line (QuestionLines).
        std::size_t in_flight_max = mta::limits::dns_in_flight_max;
        // Callers that may wait for an answer about silent names, and as many others. A further
        // look-up of a domain is answered with LookupError::Kind::overloaded. A look-up of a host
        // has twice this limit, because a delivery under way waits for it.
        std::size_t waiting_max = mta::limits::dns_waiting_max;
    };

    explicit CachingResolver(World world);
    CachingResolver(World world, Limits limits);
    CachingResolver(const CachingResolver&) = delete;
    CachingResolver& operator=(const CachingResolver&) = delete;
    // The callers that still wait get no answer.
    ~CachingResolver() override;

    void look_up_mx(const std::string& domain, Freshness freshness, OnMx on_answer) override;
    void look_up_addresses(const std::string& host, HostOf of, Freshness freshness,
                           OnAddresses on_answer) override;

    // For SIGHUP, and for an administrator who has just repaired the DNS.
    void forget_answers();
    [[nodiscard]] std::size_t cached() const { return cache_.size(); }
    // Since the start.
    struct Statistics {
        std::uint64_t look_ups = 0;    // that callers asked for
        std::uint64_t cache_hits = 0;  // look-ups that the cache answered
        std::uint64_t queries = 0;     // questions that were sent
        std::uint64_t failures = 0;    // questions that ended with a temporary error
        std::uint64_t overloaded = 0;  // look-ups that were refused because too many were waiting
    };
    [[nodiscard]] const Statistics& statistics() const { return statistics_; }
    // Callers that wait for an answer.
    [[nodiscard]] std::size_t waiting() const { return waiting_; }

private:
    using Lines = QuestionLines<Question>;
    using OnFound = std::move_only_function<void(const Answer&, mta::Millis ttl)>;
    struct Halves;

    struct Asked {
        // A question that goes on over TCP takes no place in the lines any more.
        enum class Place : std::uint8_t { lines, tcp };
        std::vector<OnFound> callbacks;
        Place place = Place::lines;
        Lines::Kind kind = Lines::Kind::unknown_domain;  // while it is on its way
        Effort effort = Effort::full;
        mta::Instant since;  // when the first caller asked
        // Both of the answers that ended with a CNAME.
        std::uint32_t aliases = 0;
        mta::Millis ttl = mta::Millis::max();
    };

    void look_up(const std::string& name, RecordType type, Freshness freshness, OnFound on_found);
    [[nodiscard]] std::optional<Cache::Hit> find(const Question& question, Freshness freshness);
    // Puts an answer into the cache and returns what the callers get. If the question failed, that
    // is the records which the cache still has.
    [[nodiscard]] Cache::Hit keep(const Question& question, Answer answer, mta::Instant since);
    [[nodiscard]] Lines::Kind kind_of(const Question& question);
    [[nodiscard]] bool has_room(Lines::Kind kind, RecordType type) const;
    // Asks what waits in line, as far as there is room.
    void ask_next();
    // `name` is the question's own, or the target of its CNAMEs.
    void ask(const Question& question, const std::string& name);
    void leave_lines(const Question& question);
    void answer_soon(Answer answer, OnFound on_found);
    void answer_soon(std::shared_ptr<const Answer> answer, mta::Millis ttl, OnFound on_found);
    void finish(const Question& question, Answer answer);
    [[nodiscard]] bool is_for_another_try(const Asked& asked, const Answer& answer) const;
    void remember(const std::string& name, const Answer& answer);
    // Asks for the target of the answer's CNAMEs instead of the question's name. False if the
    // answer has no such target, or if there have been too many.
    [[nodiscard]] bool follow(const Question& question, const Answer& answer);

    World world_;
    Limits limits_;
    Cache cache_;
    NameMemory names_;
    Lines lines_;
    std::unordered_map<Question, Asked> asked_;  // in line, or on their way
    std::size_t waiting_ = 0;
    std::size_t waiting_for_silent_ = 0;  // the part of waiting_ that waits for silent names
    Statistics statistics_;
    mta::Pending pending_;  // guards deferred work and answers under way
};

// Joins the two halves of look_up_addresses(). If either has addresses, the result has them all,
// AAAA first, and the shorter TTL of the halves that have some. Else it is an error: the temporary
// one if either is temporary.
[[nodiscard]] Lookup<AddressAnswer> join_addresses(const Answer& aaaa, const Answer& a);

}  // namespace dns
