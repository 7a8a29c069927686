#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "dns/cache.h"
#include "dns/caching_resolver.h"

namespace {

constexpr mta::Instant now{mta::Millis{1'000'000}};

std::vector<dns::Question> questions(std::size_t count) {
    std::vector<dns::Question> all;
    for (std::size_t i = 0; i < count; ++i) {
        all.push_back(
            {"domain" + std::to_string(i * 7919 % count) + ".example", dns::RecordType::mx});
    }
    return all;
}

dns::Answer answer() {
    return {dns::MxRecords{{10, "mx1.them.example"}, {20, "mx2.them.example"}},
            mta::Millis{3'600'000}};
}

void DnsCache_Find(benchmark::State& state) {
    const auto all = questions(static_cast<std::size_t>(state.range(0)));
    dns::Cache cache;
    const auto shared = std::make_shared<const dns::Answer>(answer());
    for (const auto& question : all) cache.put(question, shared, now);
    std::size_t next = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(cache.find(all[next], now));
        if (++next == all.size()) next = 0;
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(DnsCache_Find)->ArgName("entries")->Arg(100)->Arg(10'000)->Arg(100'000);

// Each put removes the oldest answer, as if each message had a domain of its own.
void DnsCache_PutWhenFull(benchmark::State& state) {
    const auto entries = static_cast<std::size_t>(state.range(0));
    const auto all = questions(entries * 2);
    dns::Cache cache(entries);
    const auto shared = std::make_shared<const dns::Answer>(answer());
    std::size_t next = 0;
    for (auto _ : state) {
        cache.put(all[next], shared, now);
        if (++next == all.size()) next = 0;
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(DnsCache_PutWhenFull)->ArgName("entries")->Arg(10'000)->Arg(100'000);

// A look-up that the cache answers, as each delivery attempt makes it.
void CachingResolver_Hit(benchmark::State& state) {
    std::vector<std::move_only_function<void()>> deferred;
    dns::CachingResolver resolver({
        .ask = [](const dns::Question&, dns::Effort, auto on_answer,
                  const auto& /*on_cut_short*/) { on_answer(answer()); },
        .now = [] { return now; },
        .defer = [&](auto work) { deferred.push_back(std::move(work)); },
    });
    resolver.look_up_mx("them.example", dns::Freshness::cached, [](const auto&) {});
    for (auto _ : state) {
        resolver.look_up_mx("them.example", dns::Freshness::cached, [](const auto& found) {
            benchmark::DoNotOptimize(found->records.size());
        });
        for (auto& work : deferred) work();
        deferred.clear();
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(CachingResolver_Hit);

}  // namespace

BENCHMARK_MAIN();
