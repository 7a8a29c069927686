#pragma once
#include <memory>
#include <vector>

#include "mta/outbound/context.h"
#include "mta/outbound/desk/endings.h"
#include "mta/outbound/desk/queue_view.h"
#include "mta/outbound/report_request.h"
#include "queue/message.h"

namespace mta::outbound {

// Has reports made, and notes down that they were: in the counters, in the events of every message
// that a report is about, and in the endings of recipients that were given up.
class ReportWriter {
public:
    using Reports = std::vector<std::shared_ptr<const queue::Message>>;

    // All outlive it.
    ReportWriter(Context& context, Endings& endings, Counters& totals)
        : context_(context), endings_(endings), totals_(totals) {}

    // The caller hands the reports to the store in the same step as the state that they report.
    [[nodiscard]] Reports make(const ReportRequest& request);

private:
    Context& context_;
    Endings& endings_;
    Counters& totals_;
};

}  // namespace mta::outbound
