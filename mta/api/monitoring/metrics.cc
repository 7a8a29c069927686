#include "mta/api/monitoring/metrics.h"

#include <algorithm>
#include <string>

#include "mta/api/monitoring/metrics_page.h"

namespace mta::api {
namespace {

void add_queue(MetricsPage& page, const outbound::Counters& counters) {
    page.gauge("posthouse_queue_messages", "Messages in the queue.").add(counters.messages);
    page.gauge("posthouse_queue_recipients", "Recipients that are not done with.")
        .add(counters.recipients);
    page.gauge("posthouse_queue_held_recipients", "Of those, held by an operator.")
        .add(counters.held);
    page.gauge("posthouse_deliveries", "Transactions under way.").add(counters.delivering);
    page.gauge("posthouse_connections", "Connections to other servers, idle ones included.")
        .add(counters.connections);
    page.gauge("posthouse_destinations_down", "Destinations that do not take mail.")
        .add(counters.destinations_down);
    page.gauge("posthouse_body_memory_bytes", "Memory for messages that are being delivered.")
        .add(counters.body_bytes_in_memory);
    page.counter("posthouse_accepted_messages_total", "Messages taken from clients.")
        .add(counters.accepted_total);
    page.counter("posthouse_recipients_total", "What became of recipients in attempts or without.")
        .add(counters.delivered_total, {{"outcome", "delivered"}})
        .add(counters.deferred_total, {{"outcome", "deferred"}})
        .add(counters.failed_total, {{"outcome", "failed"}})
        .add(counters.expired_total, {{"outcome", "expired"}})
        .add(counters.in_doubt_total, {{"outcome", "in_doubt"}});
    page.counter("posthouse_reports_total", "Reports (DSNs) made for senders.")
        .add(counters.reports_total);
    page.counter("posthouse_transactions_total", "Transactions begun with other servers.")
        .add(counters.transactions_total);
    page.counter("posthouse_connects_total", "Attempts to connect to other servers.")
        .add(counters.connects_total);
}

std::string circuit_of(const outbound::DestinationView& view) {
    if (!view.down_since) return "closed";
    return view.next_probe ? "open" : "half_open";
}

void add_destinations(MetricsPage& page, const Survey::Result& survey, Instant now) {
    auto all = survey.destinations;
    all.push_back(survey.others);
    all.back().view.name = "other";
    auto recipients = page.gauge("posthouse_destination_recipients",
                                 "Recipients that wait, by their last trouble.");
    for (const auto& one : all) {
        for (std::size_t i = 0; i < outbound::trouble_count; ++i) {
            const auto trouble = static_cast<outbound::Trouble>(i);
            if (one.depth.by_trouble[i] == 0 && trouble != outbound::Trouble::none) continue;
            recipients.add(one.depth.by_trouble[i], {{"destination", one.view.name},
                                                     {"trouble", std::string(to_string(trouble))}});
        }
    }
    auto age = page.gauge("posthouse_destination_oldest_seconds",
                          "Age of the oldest message that waits; 0 if there is none.");
    for (const auto& one : all) {
        const bool is_empty = one.depth.oldest == Instant::max();
        age.add(is_empty ? 0 : std::max(seconds_of(now - one.depth.oldest), 0.0),
                {{"destination", one.view.name}});
    }
    auto connections =
        page.gauge("posthouse_destination_connections", "Connections, idle ones included.");
    for (const auto& one : all)
        connections.add(one.view.connections, {{"destination", one.view.name}});
    auto circuit = page.gauge("posthouse_destination_circuit",
                              "1 for the present state: closed (up), open (down) or half_open "
                              "(down, and being probed).");
    for (const auto& one : survey.destinations) {
        circuit.add(1, {{"destination", one.view.name}, {"state", circuit_of(one.view)}});
    }
    page.gauge("posthouse_other_destinations", "How many destinations \"other\" stands for.")
        .add(survey.others_count);
    page.gauge("posthouse_survey_age_seconds", "Age of the figures about destinations.")
        .add(std::max(seconds_of(now - survey.made), 0.0));
}

void add_latencies(MetricsPage& page, const outbound::Latencies& latencies,
                   const Histogram& stored) {
    page.histogram("posthouse_stored_seconds",
                   "From the end of a message to its being on disk, which is when it is "
                   "acknowledged.",
                   stored);
    page.histogram("posthouse_delivery_seconds",
                   "From a message's arrival to its delivery to a recipient.", latencies.delivery);
    page.histogram("posthouse_connect_seconds", "To connect to an address.", latencies.connect);
    page.histogram("posthouse_hello_seconds", "From being connected to the answer to EHLO.",
                   latencies.hello);
    page.histogram("posthouse_transaction_seconds", "From MAIL to the last answer.",
                   latencies.transaction);
}

void add_clients(MetricsPage& page, const RelayStatus& status) {
    page.gauge("posthouse_clients", "Clients that are connected.").add(status.clients);
    page.counter("posthouse_client_connections_total", "Clients that ever were connected.")
        .add(status.figures.connections_total);
    auto refused =
        page.counter("posthouse_refused_total", "Times that a client heard no (4xx or 5xx).");
    for (const auto& [reason, count] : status.figures.refused_total)
        refused.add(count, {{"reason", reason}});
}

void add_dns(MetricsPage& page, const RelayFigures& figures) {
    page.counter("posthouse_dns_look_ups_total", "Look-ups wanted, of one type of record each.")
        .add(figures.dns_look_ups_total);
    page.counter("posthouse_dns_cache_hits_total", "Of those, answered from the cache.")
        .add(figures.dns_cache_hits_total);
    page.counter("posthouse_dns_queries_total", "Questions to name servers, repetitions aside.")
        .add(figures.dns_queries_total);
    page.counter("posthouse_dns_failures_total",
                 "Of those, without an answer: time-outs, SERVFAIL, REFUSED, nonsense.")
        .add(figures.dns_failures_total);
    page.gauge("posthouse_dns_cached", "Answers in the cache.").add(figures.dns_cached);
    page.gauge("posthouse_dns_waiting", "Look-ups that wait for an answer.")
        .add(figures.dns_waiting);
}

void add_spool(MetricsPage& page, const RelayStatus& status) {
    const auto& figures = status.figures;
    page.gauge("posthouse_spool_accepting", "1: new mail is taken; 0: it is refused with 4xx.")
        .add(status.spool_refusal.empty() ? 1 : 0);
    page.gauge("posthouse_spool_messages", "Messages in the spool's files.")
        .add(figures.spool_messages);
    page.gauge("posthouse_spool_segments", "The spool's files.").add(status.spool_segments);
    page.gauge("posthouse_spool_written_bytes", "What was written into them.")
        .add(status.spool_written_bytes);
    page.gauge("posthouse_spool_live_bytes", "Of that, of messages that are queued.")
        .add(status.spool_live_bytes);
    if (status.spool_free_bytes) {
        page.gauge("posthouse_spool_free_bytes", "Free room on the spool's disk.")
            .add(*status.spool_free_bytes);
    }
    page.counter("posthouse_spool_batches_total", "Group commits.")
        .add(figures.spool_batches_total);
    page.counter("posthouse_spool_syncs_total", "Syncs of files (fdatasync).")
        .add(figures.spool_syncs_total);
    page.counter("posthouse_spool_sync_seconds_total", "Time spent in them.")
        .add(figures.spool_sync_seconds_total);
    page.gauge("posthouse_spool_sync_seconds_max", "The longest one since the start.")
        .add(figures.spool_sync_seconds_max);
    page.counter("posthouse_spool_copied_bytes_total", "Copied together to free files.")
        .add(status.spool_copied_bytes);
    page.counter("posthouse_spool_damaged_reads_total",
                 "Records that did not match their checksum.")
        .add(figures.spool_damaged_reads_total);
    page.gauge("posthouse_spool_quarantined_files", "Files with damaged bytes in quarantine.")
        .add(status.spool_quarantine.size());
}

}  // namespace

std::string metrics_text(const MetricsSource& source) {
    const auto& status = source.status;
    MetricsPage page;
    page.gauge("posthouse_info", "1; the labels say what runs here.")
        .add(1, {{"version", status.version}, {"hostname", status.hostname}});
    page.gauge("posthouse_start_time_seconds", "When the relay was started, in Unix time.")
        .add(static_cast<double>(to_unix_ms(status.started)) / 1000);
    page.gauge("posthouse_draining", "1: it is about to stop.").add(status.is_draining ? 1 : 0);
    page.gauge("posthouse_loading", "1: what was queued at the start is not all known yet.")
        .add(status.is_loading ? 1 : 0);
    page.gauge("posthouse_reload_failed", "1: the last reload changed nothing, for its mistakes.")
        .add(status.reload_problem.empty() ? 0 : 1);
    add_queue(page, source.figures.counters);
    add_destinations(page, source.survey, status.now);
    add_latencies(page, source.figures.latencies, status.figures.stored);
    add_clients(page, status);
    add_dns(page, status.figures);
    add_spool(page, status);
    return page.text();
}

}  // namespace mta::api
