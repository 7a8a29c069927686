#include "dns/caching_resolver.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "mta/base/assert.h"
#include "mta/base/domain.h"

namespace dns {
namespace {

Lookup<MxAnswer> mx_answer(const Answer& answer, mta::Millis ttl) {
    if (!answer.records) return std::unexpected(answer.records.error());
    return MxAnswer{std::get<MxRecords>(*answer.records), ttl};
}

}  // namespace

// The answers that look_up_addresses() has so far.
struct CachingResolver::Halves {
    std::optional<Answer> aaaa;
    std::optional<Answer> a;
    OnAddresses on_answer;
};

CachingResolver::CachingResolver(World world) : CachingResolver(std::move(world), Limits{}) {}

CachingResolver::CachingResolver(World world, Limits limits)
    : world_(std::move(world)),
      limits_(limits),
      cache_(limits.cache_entries_max),
      lines_(limits.in_flight_max) {}

CachingResolver::~CachingResolver() = default;

void CachingResolver::look_up_mx(const std::string& domain, Freshness freshness, OnMx on_answer) {
    look_up(domain, RecordType::mx, freshness,
            [on_answer = std::move(on_answer)](const Answer& answer, mta::Millis ttl) mutable {
                on_answer(mx_answer(answer, ttl));
            });
}

void CachingResolver::look_up_addresses(const std::string& host, HostOf of, Freshness freshness,
                                        OnAddresses on_answer) {
    if (of == HostOf::route && world_.find_in_hosts_file) {
        auto known = world_.find_in_hosts_file(host);
        if (!known.empty()) {
            return answer_soon(
                {std::move(known), Cache::ttl_min},
                [on_answer = std::move(on_answer)](const Answer& answer, mta::Millis) mutable {
                    on_answer(AddressAnswer{std::get<Addresses>(*answer.records), answer.ttl});
                });
        }
    }
    auto halves = std::make_shared<Halves>();
    halves->on_answer = std::move(on_answer);
    const auto take_half = [halves](std::optional<Answer> Halves::* half) {
        return [halves, half](const Answer& answer, mta::Millis ttl) {
            (*halves).*half = Answer{answer.records, ttl};
            if (halves->aaaa && halves->a) {
                halves->on_answer(join_addresses(*halves->aaaa, *halves->a));
            }
        };
    };
    look_up(host, RecordType::aaaa, freshness, take_half(&Halves::aaaa));
    look_up(host, RecordType::a, freshness, take_half(&Halves::a));
}

std::optional<Cache::Hit> CachingResolver::find(const Question& question, Freshness freshness) {
    if (freshness == Freshness::ordered) return std::nullopt;
    auto hit = cache_.find(question, world_.now());
    if (!hit || freshness == Freshness::cached) return hit;
    const auto& records = hit->answer->records;
    const bool is_failure = !records && records.error().is_temporary();
    const auto age = Cache::failure_ttl - hit->remaining;
    return is_failure && age >= retry_pause ? std::nullopt : hit;
}

void CachingResolver::look_up(const std::string& name, RecordType type, Freshness freshness,
                              OnFound on_found) {
    const auto ascii = mta::to_a_labels(name);
    if (!ascii) {
        answer_soon({std::unexpected(LookupError{LookupError::Kind::no_such_domain,
                                                 "\"" + name + "\" is not a domain name"}),
                     {}},
                    std::move(on_found));
        return;
    }
    const Question question{*ascii, type};
    ++statistics_.look_ups;
    if (const auto hit = find(question, freshness)) {
        ++statistics_.cache_hits;
        answer_soon(hit->answer, hit->remaining, std::move(on_found));
        return;
    }
    const auto present = asked_.find(question);
    const auto kind = present == asked_.end() ? kind_of(question) : present->second.kind;
    if (!has_room(kind, type)) {
        ++statistics_.overloaded;
        answer_soon({std::unexpected(LookupError{LookupError::Kind::overloaded,
                                                 "too many look-ups are waiting"}),
                     {}},
                    std::move(on_found));
        return;
    }
    ++waiting_;
    if (kind == Lines::Kind::silent) ++waiting_for_silent_;
    auto& asked = asked_[question];
    asked.kind = kind;
    asked.callbacks.push_back(std::move(on_found));
    if (asked.callbacks.size() > 1) return;
    asked.since = world_.now();
    lines_.add(question, kind);
    ask_next();
}

bool CachingResolver::has_room(Lines::Kind kind, RecordType type) const {
    const bool is_silent = kind == Lines::Kind::silent;
    const auto waiting = is_silent ? waiting_for_silent_ : waiting_ - waiting_for_silent_;
    return waiting < limits_.waiting_max * (subject_of(type) == Subject::host ? 2 : 1);
}

CachingResolver::Lines::Kind CachingResolver::kind_of(const Question& question) {
    return Lines::kind_of(names_.find(question.name, world_.now()), subject_of(question.type));
}

void CachingResolver::ask_next() {
    while (const auto next = lines_.start()) {
        auto& asked = asked_.at(next->question);
        asked.effort = next->effort;
        ask(next->question, next->question.name);
    }
}

void CachingResolver::ask(const Question& question, const std::string& name) {
    ++statistics_.queries;
    world_.ask(
        {name, question.type}, asked_.at(question).effort,
        pending_.guard([this, question](Answer answer) { finish(question, std::move(answer)); }),
        pending_.guard([this, question] { leave_lines(question); }));
}

void CachingResolver::leave_lines(const Question& question) {
    auto& asked = asked_.at(question);
    if (asked.place == Asked::Place::tcp) return;  // the name before its CNAME went over TCP, too
    asked.place = Asked::Place::tcp;
    lines_.end(asked.kind);
    ask_next();
}

void CachingResolver::answer_soon(Answer answer, OnFound on_found) {
    answer_soon(std::make_shared<const Answer>(std::move(answer)), {}, std::move(on_found));
}

void CachingResolver::answer_soon(std::shared_ptr<const Answer> answer, mta::Millis ttl,
                                  OnFound on_found) {
    world_.defer(
        pending_.guard([answer = std::move(answer), ttl, on_found = std::move(on_found)]() mutable {
            on_found(*answer, ttl);
        }));
}

void CachingResolver::finish(const Question& question, Answer answer) {
    if (answer.dropped > 0 && world_.on_broken_records) world_.on_broken_records(answer);
    if (follow(question, answer)) return;
    const auto asked = asked_.find(question);
    MTA_ASSERT(asked != asked_.end());
    if (asked->second.place == Asked::Place::lines) lines_.end(asked->second.kind);
    asked->second.place = Asked::Place::lines;
    if (is_for_another_try(asked->second, answer)) {
        names_.put(question.name, NameMemory::Heard::silence, world_.now());
        asked->second.aliases = 0;
        asked->second.kind = Lines::Kind::silent;
        waiting_for_silent_ += asked->second.callbacks.size();
        lines_.add(question, Lines::Kind::silent);
        return ask_next();
    }
    remember(question.name, answer);
    answer.ttl = std::min(answer.ttl, asked->second.ttl);
    waiting_ -= asked->second.callbacks.size();
    if (asked->second.kind == Lines::Kind::silent)
        waiting_for_silent_ -= asked->second.callbacks.size();
    // The entry goes first: a callback may ask the same again.
    auto callbacks = std::move(asked->second.callbacks);
    const auto since = asked->second.since;
    asked_.erase(asked);
    if (!answer.records && answer.records.error().is_temporary()) ++statistics_.failures;
    const auto kept = keep(question, std::move(answer), since);
    ask_next();
    for (auto& on_found : callbacks) on_found(*kept.answer, kept.remaining);
}

// A brief question that timed out says little: it was cut because others were waiting.
bool CachingResolver::is_for_another_try(const Asked& asked, const Answer& answer) const {
    return asked.effort == Effort::brief && !answer.records &&
           answer.records.error().kind == LookupError::Kind::timed_out &&
           waiting_for_silent_ < limits_.waiting_max;
}

void CachingResolver::remember(const std::string& name, const Answer& answer) {
    using Kind = LookupError::Kind;
    if (answer.records || !answer.records.error().is_temporary()) {
        names_.put(name, NameMemory::Heard::answer, world_.now());
    } else if (answer.records.error().kind == Kind::timed_out ||
               // A recursive resolver says so in the end if a name's servers are silent.
               answer.records.error().kind == Kind::server_failure) {
        names_.put(name, NameMemory::Heard::silence, world_.now());
    }
}

void CachingResolver::forget_answers() {
    cache_.clear();
    names_.clear();
}

bool CachingResolver::follow(const Question& question, const Answer& answer) {
    if (!answer.alias || !mta::is_valid_domain(answer.alias->target)) return false;
    auto& asked = asked_.at(question);
    if (asked.aliases == mta::limits::cname_chain_max) return false;
    ++asked.aliases;
    asked.ttl = std::min(asked.ttl, answer.alias->ttl);
    ask(question, answer.alias->target);
    return true;
}

Cache::Hit CachingResolver::keep(const Question& question, Answer answer, mta::Instant since) {
    const auto now = world_.now();
    if (!answer.records && answer.records.error().is_temporary()) {
        auto known = cache_.find(question, now);
        if (known && known->answer->records) return *std::move(known);
    }
    const auto shared = std::make_shared<const Answer>(std::move(answer));
    return {shared, cache_.put(question, shared, now, now - since)};
}

Lookup<AddressAnswer> join_addresses(const Answer& aaaa, const Answer& a) {
    AddressAnswer joined;
    joined.ttl = mta::Millis::max();
    for (const auto* half : {&aaaa, &a}) {
        if (!half->records) continue;
        const auto& addresses = std::get<Addresses>(*half->records);
        joined.addresses.insert(joined.addresses.end(), addresses.begin(), addresses.end());
        joined.ttl = std::min(joined.ttl, half->ttl);
    }
    if (!joined.addresses.empty()) return joined;
    const auto& first = aaaa.records.error();
    const auto& second = a.records.error();
    if (first.is_temporary() != second.is_temporary()) {
        return std::unexpected(first.is_temporary() ? first : second);
    }
    // A question that was not asked is no failure of the name.
    if (second.kind == LookupError::Kind::overloaded) return std::unexpected(second);
    // Of two permanent errors, NXDOMAIN says more.
    return std::unexpected(first.kind == LookupError::Kind::no_such_domain ? first : second);
}

}  // namespace dns
