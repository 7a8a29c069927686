#include "mta/outbound/lifecycle/report_rules.h"

namespace mta::outbound {

bool wants_report(std::uint8_t notify, ReportKind kind) {
    if ((notify & queue::notify_never) != 0) return false;
    const bool is_unspecified = notify == queue::notify_unspecified;
    switch (kind) {
        case ReportKind::failure: return is_unspecified || (notify & queue::notify_failure) != 0;
        case ReportKind::delay: return is_unspecified || (notify & queue::notify_delay) != 0;
        case ReportKind::relayed: return (notify & queue::notify_success) != 0;
    }
    return false;
}

bool is_relay_reported(std::uint8_t notify, const DeliverBy& by, const HandedOn& handed_on) {
    if (!handed_on.is_dsn_passed_on && wants_report(notify, ReportKind::relayed)) return true;
    if ((notify & queue::notify_never) != 0) return false;
    return by.trace || (by.mode == ByMode::notify && !handed_on.is_deliver_by_passed_on);
}

}  // namespace mta::outbound
