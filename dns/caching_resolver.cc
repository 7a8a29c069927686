#include "dns/caching_resolver.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "mta/base/assert.h"
#include "mta/base/domain.h"

namespace dns {
namespace {

Lookup<MxAnswer> mx_answer(const Answer& answer, mta::Millis ttl) {
    if (!answer.records) return std::unexpected(answer.records.error());
    return MxAnswer{answer.records->mx, ttl};
}

}  // namespace

// What look_up_addresses() has of its two halves.
struct CachingResolver::Halves {
    std::optional<Answer> aaaa;
    std::optional<Answer> a;
    OnAddresses on_answer;
};

CachingResolver::CachingResolver(World world) : CachingResolver(std::move(world), Limits{}) {}

CachingResolver::CachingResolver(World world, Limits limits)
    : world_(std::move(world)), limits_(limits), cache_(limits.cache_entries_max) {}

CachingResolver::~CachingResolver() = default;

void CachingResolver::look_up_mx(const std::string& domain, Freshness freshness, OnMx on_answer) {
    look_up(domain, RecordType::mx, freshness,
            [on_answer = std::move(on_answer)](const Answer& answer, mta::Millis ttl) mutable {
                on_answer(mx_answer(answer, ttl));
            });
}

void CachingResolver::look_up_addresses(const std::string& host, Freshness freshness,
                                        OnAddresses on_answer) {
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
    if (waiting_ >= limits_.waiting_max) {
        ++statistics_.overloaded;
        answer_soon({std::unexpected(LookupError{LookupError::Kind::overloaded,
                                                 "too many look-ups are waiting"}),
                     {}},
                    std::move(on_found));
        return;
    }
    ++waiting_;
    const auto [asked, is_first] = asked_.try_emplace(question);
    asked->second.callbacks.push_back(std::move(on_found));
    if (!is_first) return;
    ask(question, question.name);
}

void CachingResolver::ask(const Question& question, const std::string& name) {
    ++statistics_.queries;
    world_.ask({name, question.type},
               [this, question, alive = std::weak_ptr(alive_)](Answer answer) {
                   if (!alive.expired()) finish(question, std::move(answer));
               });
}

void CachingResolver::answer_soon(Answer answer, OnFound on_found) {
    answer_soon(std::make_shared<const Answer>(std::move(answer)), {}, std::move(on_found));
}

void CachingResolver::answer_soon(std::shared_ptr<const Answer> answer, mta::Millis ttl,
                                  OnFound on_found) {
    world_.defer([alive = std::weak_ptr(alive_), answer = std::move(answer), ttl,
                  on_found = std::move(on_found)]() mutable {
        if (!alive.expired()) on_found(*answer, ttl);
    });
}

void CachingResolver::finish(const Question& question, Answer answer) {
    if (answer.dropped > 0 && world_.on_broken_records) world_.on_broken_records(answer);
    if (follow(question, answer)) return;
    const auto asked = asked_.find(question);
    MTA_ASSERT(asked != asked_.end());
    answer.ttl = std::min(answer.ttl, asked->second.ttl);
    // Out first: a callback may ask the same again.
    auto callbacks = std::move(asked->second.callbacks);
    asked_.erase(asked);
    waiting_ -= callbacks.size();
    if (!answer.records && answer.records.error().is_temporary()) ++statistics_.failures;
    const auto kept = keep(question, std::move(answer));
    for (auto& on_found : callbacks) on_found(*kept.answer, kept.remaining);
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

Cache::Hit CachingResolver::keep(const Question& question, Answer answer) {
    const auto now = world_.now();
    if (!answer.records && answer.records.error().is_temporary()) {
        auto known = cache_.find(question, now);
        if (known && known->answer->records) return *std::move(known);
    }
    const auto shared = std::make_shared<const Answer>(std::move(answer));
    cache_.put(question, shared, now);
    return {shared, keep_for(*shared)};
}

Lookup<AddressAnswer> join_addresses(const Answer& aaaa, const Answer& a) {
    AddressAnswer joined;
    joined.ttl = mta::Millis::max();
    for (const auto* half : {&aaaa, &a}) {
        if (!half->records) continue;
        const auto& addresses = half->records->addresses;
        joined.addresses.insert(joined.addresses.end(), addresses.begin(), addresses.end());
        joined.ttl = std::min(joined.ttl, half->ttl);
    }
    if (!joined.addresses.empty()) return joined;
    const auto& first = aaaa.records.error();
    const auto& second = a.records.error();
    if (first.is_temporary() != second.is_temporary()) {
        return std::unexpected(first.is_temporary() ? first : second);
    }
    // Of two denials the one that says more.
    return std::unexpected(first.kind == LookupError::Kind::no_such_domain ? first : second);
}

}  // namespace dns
