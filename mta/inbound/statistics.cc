#include "mta/inbound/statistics.h"

namespace mta::inbound {

std::string_view to_string(Refusal refusal) {
    switch (refusal) {
        case Refusal::too_many_connections: return "too_many_connections";
        case Refusal::too_many_from_address: return "too_many_from_address";
        case Refusal::relaying: return "relaying";
        case Refusal::spool: return "spool";
        case Refusal::size: return "size";
        case Refusal::recipients: return "recipients";
        case Refusal::content: return "content";
        case Refusal::syntax: return "syntax";
        case Refusal::other: return "other";
    }
    return "other";
}

Refusal refusal_of(const smtp::ServerReply& reply) {
    const auto& status = reply.status;
    // A reply to ETRN: no mail is refused.
    if (reply.code == 458 || reply.code == 459) return Refusal::other;
    if (status.subject == 7) return Refusal::relaying;
    if (status.subject == 3 && status.detail == 4) return Refusal::size;
    if (status.subject == 5 && status.detail == 3) return Refusal::recipients;
    // 421 4.3.2 ends connections; every other x.3.x is a problem of the spool.
    if (status.subject == 3 && reply.code != 421) return Refusal::spool;
    if (status.subject == 6 || (status.subject == 4 && status.detail == 6)) return Refusal::content;
    if (status.subject == 5 || (reply.code >= 500 && reply.code <= 504)) return Refusal::syntax;
    return Refusal::other;
}

}  // namespace mta::inbound
