#pragma once
#include <deque>
#include <string>
#include <vector>

#include "mta/base/outcome.h"
#include "mta/smtp/client/client_event.h"
#include "mta/smtp/client/pipeline.h"
#include "mta/smtp/client/running_transaction.h"
#include "mta/smtp/client/session_break.h"

namespace mta::smtp {

// What a session knows about itself when it breaks.
struct SessionPast {
    std::string remote;            // for the errors
    bool has_served = false;       // a transaction has ended with an answer
    bool has_bdat_answer = false;  // some BDAT was answered
};

// What becomes of the transactions under way, and of the session.
//
//   the first transaction     gets the break as its error, in doubt if its body had left; it
//                             never began if the connection was stale or RSET failed
//   one behind it             never began, unless the break is the host's or it had an answer
//   the session               a failure if the break is the host's, and none if the connection was
//                             idle or served nothing that could be charged to it
struct BreakOutcome {
    std::vector<TransactionEnded> transactions;  // in the order of their start
    SessionEnded session;
};
// The transactions have no further use.
[[nodiscard]] BreakOutcome outcome_of(SessionBreak broken, std::deque<RunningTransaction>& running,
                                      const Pipeline& pipeline, const SessionPast& past);

}  // namespace mta::smtp
