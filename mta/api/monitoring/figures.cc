#include "mta/api/monitoring/figures.h"

namespace mta::api {
namespace {

void add_up(outbound::Counters& sum, const outbound::Counters& one) {
    sum.messages += one.messages;
    sum.recipients += one.recipients;
    sum.delivering += one.delivering;
    sum.held += one.held;
    sum.connections += one.connections;
    sum.destinations_down += one.destinations_down;
    sum.body_bytes_in_memory += one.body_bytes_in_memory;
    sum.accepted_total += one.accepted_total;
    sum.delivered_total += one.delivered_total;
    sum.deferred_total += one.deferred_total;
    sum.failed_total += one.failed_total;
    sum.expired_total += one.expired_total;
    sum.in_doubt_total += one.in_doubt_total;
    sum.reports_total += one.reports_total;
    sum.transactions_total += one.transactions_total;
    sum.connects_total += one.connects_total;
}

void add_up(outbound::Latencies& sum, const outbound::Latencies& one) {
    sum.delivery.merge(one.delivery);
    sum.connect.merge(one.connect);
    sum.hello.merge(one.hello);
    sum.transaction.merge(one.transaction);
}

}  // namespace

void Figures::add(const Figures& shard) {
    add_up(counters, shard.counters);
    add_up(latencies, shard.latencies);
}

Outcome<Figures> ask_figures(const Call& call) {
    MTA_TRY(shards, call.of_all<Figures>([](const Desk& desk, Instant) {
        return Figures{desk.counters(), desk.latencies()};
    }));
    Figures sum;
    for (const auto& shard : shards) sum.add(shard);
    return sum;
}

}  // namespace mta::api
