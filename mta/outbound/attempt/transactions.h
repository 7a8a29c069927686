#pragma once
#include <functional>
#include <utility>

#include "mta/outbound/attempt/attempt_end.h"
#include "mta/outbound/attempt/attempt_table.h"
#include "mta/outbound/attempt/connection_pool.h"
#include "mta/outbound/context.h"
#include "mta/outbound/destination/host_keywords.h"
#include "mta/outbound/destination/site_table.h"
#include "mta/outbound/lifecycle/lines.h"
#include "mta/outbound/routing/source_table.h"
#include "queue/bundle.h"
#include "queue/scheduler.h"

namespace mta::outbound {

// The part of attempts that is spent on a connection: begins transactions, and takes the verdict on
// how they end to recipients, site, host and source.
class Transactions {
public:
    struct Parts {
        SiteTable& sites;
        Lines& lines;
        AttemptTable& table;
        ConnectionPool& pool;
        HostKeywords& keywords;
        AttemptEnd& end;
        queue::Scheduler& scheduler;
        queue::BundleSlab& bundles;
        const SourceTable& sources;
    };
    // `go_on`: the attempt has a place, and continues with the next host or address.
    Transactions(Context& context, Parts parts, std::function<void(AttemptHandle)> go_on)
        : context_(context), parts_(parts), go_on_(std::move(go_on)) {}

    // The attempt's transaction begins on the connection, which is ready for it.
    void begin(AttemptHandle handle, ConnectionHandle connection);

    // The host has been silent for a while in a transaction.
    void on_silent(ConnectionHandle connection);
    void on_body_out(ConnectionHandle connection);
    void on_transaction_end(ConnectionHandle connection, TransactionEnd& ended);
    void on_end(ConnectionHandle connection, const ConnectionEnded& ended);

private:
    void fit_to_limits(Attempt& attempt, const smtp::Capabilities& capabilities);
    [[nodiscard]] std::uint32_t mailbox_of(const Attempt& attempt, std::uint32_t recipient) const;
    void on_refused(AttemptHandle handle, ConnectionHandle connection,
                    const ConnectionEnded& ended);
    [[nodiscard]] bool is_to_be_tried_without(const Attempt& attempt,
                                              const TransactionOutcome& outcome,
                                              ConnectionHandle connection);
    void start_afresh(AttemptHandle handle, ConnectionHandle connection);
    void rule(AttemptHandle handle, TransactionOutcome& outcome, ConnectionHandle connection);
    void note_suspects(Attempt& attempt, const TransactionOutcome& outcome);
    void note_answers(AttemptHandle handle, const TransactionOutcome& outcome,
                      ConnectionHandle connection, bool is_source_suspended);
    [[nodiscard]] bool may_turn_to_v4(const Attempt& attempt, ConnectionHandle connection) const;
    void keep_for_next_host(Attempt& attempt, Verdict& verdict);
    [[nodiscard]] bool suspend_source(ConnectionHandle connection, const DeliveryError& error);

    Context& context_;
    Parts parts_;
    std::function<void(AttemptHandle)> go_on_;
};

}  // namespace mta::outbound
