#include "mta/api/monitoring/status_json.h"

#include "mta/api/json_values.h"
#include "mta/base/time_format.h"

namespace mta::api {

nlohmann::json to_json(const RelayStatus& status) {
    return {{"version", status.version},
            {"hostname", status.hostname},
            {"now", format_rfc3339(status.now)},
            {"started", format_rfc3339(status.started)},
            {"listeners", status.listeners},
            {"clients", status.clients},
            {"draining", status.is_draining},
            {"spool",
             {{"path", status.spool_path},
              {"refusal", text_or_null(status.spool_refusal)},
              {"quarantine", status.spool_quarantine},
              {"loading", status.is_loading},
              {"loaded_messages", status.loaded_messages},
              {"old_messages", value_or_null(status.old_messages)},
              {"segments", status.spool_segments},
              {"written_bytes", status.spool_written_bytes},
              {"live_bytes", status.spool_live_bytes},
              {"recycled", status.spool_recycled},
              {"copied_bytes", status.spool_copied_bytes},
              {"free_bytes", value_or_null(status.spool_free_bytes)},
              {"total_bytes", value_or_null(status.spool_total_bytes)}}},
            {"config",
             {{"path", status.config_path},
              {"loaded", format_rfc3339(status.config_loaded)},
              {"reload_problem", text_or_null(status.reload_problem)}}}};
}

nlohmann::json to_json(const outbound::Counters& counters) {
    return {{"messages", counters.messages},
            {"recipients", counters.recipients},
            {"delivering", counters.delivering},
            {"held", counters.held},
            {"connections", counters.connections},
            {"destinations_down", counters.destinations_down},
            {"body_bytes_in_memory", counters.body_bytes_in_memory},
            {"accepted_total", counters.accepted_total},
            {"delivered_total", counters.delivered_total},
            {"deferred_total", counters.deferred_total},
            {"failed_total", counters.failed_total},
            {"expired_total", counters.expired_total},
            {"in_doubt_total", counters.in_doubt_total},
            {"reports_total", counters.reports_total},
            {"transactions_total", counters.transactions_total},
            {"connects_total", counters.connects_total}};
}

}  // namespace mta::api
