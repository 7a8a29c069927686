#include "dns/name_server_health.h"

namespace dns {

bool NameServerHealth::may_go_first(mta::Instant now) {
    if (!probe_at_) return true;
    if (now < *probe_at_) return false;
    probe_at_ = now + unwell_for;
    return true;
}

void NameServerHealth::on_answer() {
    timeouts_in_a_row_ = 0;
    probe_at_.reset();
}

void NameServerHealth::on_timeout(mta::Instant now) {
    if (++timeouts_in_a_row_ >= timeouts_in_a_row_max) probe_at_ = now + unwell_for;
}

}  // namespace dns
