#include "mta/outbound/lifecycle/report_writer.h"

#include "mta/base/assert.h"

namespace mta::outbound {

using Reports = ReportWriter::Reports;

Reports ReportWriter::make(const ReportRequest& request) {
    Reports made;
    if (context_.make_reports()) made = context_.make_reports()(request);
    if (made.empty()) {
        for (const auto& outcome : request.outcomes) {
            const auto& recipient = request.original.envelope.recipients[outcome.recipient];
            context_.event(events::ReportDropped{{.id = request.original.id,
                                                  .recipient = outcome.recipient,
                                                  .address = recipient.address,
                                                  .domain = recipient.domain},
                                                 events::ReportDropped::Reason::not_made});
        }
    }
    for (const auto& outcome : request.outcomes) {
        if (request.kind != ReportKind::failure) break;
        endings_.add({.id = request.original.id,
                      .recipient = static_cast<std::uint32_t>(outcome.recipient),
                      .address = request.original.envelope.recipients[outcome.recipient].address,
                      .at = context_.now(),
                      .has_expired = outcome.has_expired,
                      .error = outcome.error,
                      .report = made.empty() ? 0 : made.front()->id});
    }
    for (const auto& report : made) {
        MTA_ASSERT(report && report->id != 0 && report->envelope.reverse_path.empty());
        const auto& to = report->envelope.recipients.front().address;
        context_.event(events::ReportQueued{request.original.id, report->id, request.kind, to});
        ++totals_.reports_total;
    }
    // The log of each message names the report about it.
    for (const auto& other : request.also) {
        if (made.empty()) break;
        context_.event(events::ReportQueued{other.message->id, made.front()->id, request.kind,
                                            made.front()->envelope.recipients.front().address});
    }
    return made;
}

}  // namespace mta::outbound
