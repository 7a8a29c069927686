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

void CachingResolver::look_up_mx(const std::string& domain, OnMx on_answer) {
    look_up(domain, RecordType::mx,
            [on_answer = std::move(on_answer)](const Answer& answer, mta::Millis ttl) mutable {
                on_answer(mx_answer(answer, ttl));
            });
}

void CachingResolver::look_up_addresses(const std::string& host, OnAddresses on_answer) {
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
    look_up(host, RecordType::aaaa, take_half(&Halves::aaaa));
    look_up(host, RecordType::a, take_half(&Halves::a));
}

void CachingResolver::look_up(const std::string& name, RecordType type, OnFound on_found) {
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
    if (const auto hit = cache_.find(question, world_.now())) {
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
    asked->second.push_back(std::move(on_found));
    if (!is_first) return;
    ++statistics_.queries;
    world_.ask(question, [this, question, alive = std::weak_ptr(alive_)](Answer answer) {
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
    const auto asked = asked_.find(question);
    MTA_ASSERT(asked != asked_.end());
    // Out first: a callback may ask the same again.
    auto callbacks = std::move(asked->second);
    asked_.erase(asked);
    waiting_ -= callbacks.size();
    if (!answer.records && answer.records.error().is_temporary()) ++statistics_.failures;
    const auto shared = std::make_shared<const Answer>(std::move(answer));
    const auto ttl = keep_for(*shared);
    cache_.put(question, shared, world_.now());
    for (auto& on_found : callbacks) on_found(*shared, ttl);
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
