#include "mta/outbound/attempt/verdict.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"

namespace mta::outbound {
namespace {

using Kind = Ruling::Kind;

bool is_broken_off(const TransactionOutcome& outcome, std::size_t place) {
    return std::ranges::binary_search(outcome.broken_off, place);
}

bool is_of_host(const Result<void>& result) {
    return !result && result.error().scope == Scope::host;
}

// `place` is that of a failure.
bool is_for_want_of_name(const TransactionOutcome& outcome, const Meanings& meanings,
                         std::size_t place) {
    return meanings[place].wants_reverse_name && !is_of_host(outcome.recipients[place]);
}

Heard heard_of(const DeliveryError& error, bool is_broken_off) {
    if (error.scope == Scope::host || error.scope == Scope::domain) return Heard::nothing;
    if (is_broken_off) return Heard::broken;
    const bool is_final = error.is_permanent() || error.scope == Scope::recipient;
    return is_final ? Heard::settled : Heard::refusal;
}

// Of a session that one recipient of several has broken: the others go without it.
Kind kind_beside_suspects(const TransactionOutcome& outcome, std::size_t place) {
    if (std::ranges::find(outcome.suspects, place) != outcome.suspects.end()) return Kind::deferred;
    return place < outcome.suspects.front() ? Kind::accepted : Kind::again;
}

// Rules on the recipients of one transaction.
class Judge {
public:
    Judge(const TransactionOutcome& outcome, const Meanings& meanings, const Known& known)
        : outcome_(outcome),
          meanings_(meanings),
          known_(known),
          are_some_taken_(std::ranges::any_of(
              outcome.recipients, [](const auto& result) { return result.has_value(); })),
          are_some_to_blame_(!outcome.suspects.empty() &&
                             outcome.broken_off.size() > outcome.suspects.size()) {}

    [[nodiscard]] Heard heard(std::size_t place) const {
        const auto& result = outcome_.recipients[place];
        if (result) return Heard::settled;
        return heard_of(result.error(), is_broken_off(outcome_, place));
    }

    // Without the error.
    [[nodiscard]] Ruling rule(std::size_t place) const {
        const auto& result = outcome_.recipients[place];
        if (result) return {.kind = Kind::delivered};
        const auto& error = result.error();
        const auto& meaning = meanings_[place];
        const auto heard_here = heard(place);
        const bool is_broken = heard_here == Heard::broken;
        const bool goes_to_v4 =
            known_.turns_to_v4 && is_for_want_of_name(outcome_, meanings_, place);
        const bool goes_to_next_host = heard_here == Heard::nothing ||
                                       heard_here == Heard::refusal ||
                                       (is_broken && !outcome_.in_doubt) || goes_to_v4;
        Ruling ruling{.kind = error.is_permanent() ? Kind::failed : Kind::deferred,
                      .is_uncharged = goes_to_next_host};
        if (is_one_too_many(place, heard_here) || (goes_to_v4 && !known_.can_go_on) ||
            (known_.is_source_suspended && meaning.is_about_our_address)) {
            ruling.kind = Kind::again;
        } else if (is_broken && are_some_to_blame_) {
            ruling.kind = kind_beside_suspects(outcome_, place);
        } else if (goes_to_next_host) {
            ruling.kind = Kind::next_host;
            ruling.is_of_host = heard_here == Heard::nothing;
        } else if (is_broken) {
            ruling.kind = Kind::in_doubt;
        }
        return ruling;
    }

private:
    [[nodiscard]] bool is_one_too_many(std::size_t place, Heard heard_here) const {
        return are_some_taken_ && heard_here >= Heard::refusal &&
               !outcome_.recipients[place].error().is_permanent() &&
               meanings_[place].is_too_many_recipients;
    }

    const TransactionOutcome& outcome_;
    const Meanings& meanings_;
    const Known& known_;
    const bool are_some_taken_;
    const bool are_some_to_blame_;
};

}  // namespace

bool Verdict::has(Kind kind) const {
    return std::ranges::any_of(rulings, [kind](const auto& each) { return each.kind == kind; });
}

Meanings meanings_of(const TransactionOutcome& outcome) {
    const auto& results = outcome.recipients;
    Meanings meanings;
    for (std::size_t place = 0; place < results.size(); ++place) {
        if (results[place]) continue;
        meanings.resize(results.size());
        meanings[place] = diagnosis::diagnose(results[place].error());
    }
    return meanings;
}

Verdict judge(TransactionOutcome& outcome, const Meanings& meanings, const Known& known) {
    Verdict verdict;
    verdict.rulings.reserve(outcome.recipients.size());
    const Judge rules(outcome, meanings, known);
    for (std::size_t place = 0; place < outcome.recipients.size(); ++place) {
        verdict.rulings.push_back(rules.rule(place));
        verdict.heard = std::max(verdict.heard, rules.heard(place));
    }
    for (std::size_t place = 0; place < outcome.recipients.size(); ++place) {
        auto& result = outcome.recipients[place];
        if (!result) verdict.rulings[place].error = std::move(result.error());
    }
    return verdict;
}

Verdict judge(std::vector<std::optional<DeliveryError>>& refusals, const NoHostLeft& end) {
    auto& host_error = *end.host_error;
    const bool is_hopeless = end.have_all_been_asked && host_error && host_error->is_permanent() &&
                             host_error->scope == Scope::domain && !end.is_static;
    if (host_error && host_error->is_permanent()) host_error->status.klass = is_hopeless ? 5 : 4;
    Verdict verdict;
    // To be turned away as one connection too many is no failure.
    verdict.has_failed =
        host_error && !is_hopeless && !diagnosis::diagnose(*host_error).is_too_many_connections;
    for (auto& refusal : refusals) {
        Ruling ruling{.kind = Kind::postponed};
        if (refusal) {
            ruling.kind = refusal->is_permanent() ? Kind::failed : Kind::deferred;
            ruling.error = std::move(*refusal);
        } else if (is_hopeless) {
            ruling.kind = Kind::failed;
            ruling.error = *host_error;
        }
        verdict.rulings.push_back(std::move(ruling));
    }
    return verdict;
}

queue::Destination::Ended::How how_of(Heard heard, bool has_failed) {
    using How = queue::Destination::Ended::How;
    switch (heard) {
        case Heard::settled:
        case Heard::refusal: return How::answered;
        case Heard::broken: return How::broken;
        case Heard::nothing: break;
    }
    return has_failed ? How::failed : How::unknown;
}

bool was_answered(const TransactionOutcome& outcome, std::size_t place) {
    return !is_of_host(outcome.recipients[place]) && !is_broken_off(outcome, place);
}

bool was_answered(const TransactionOutcome& outcome) {
    const auto& results = outcome.recipients;
    for (std::size_t place = 0; place < results.size(); ++place) {
        const bool has_reply = results[place] || results[place].error().reply_code != 0;
        if (has_reply && was_answered(outcome, place)) return true;
    }
    return false;
}

const DeliveryError* host_failure(const TransactionOutcome& outcome) {
    const auto found = std::ranges::find_if(outcome.recipients, is_of_host);
    return found == outcome.recipients.end() ? nullptr : &found->error();
}

const DeliveryError* address_refusal(const TransactionOutcome& outcome, const Meanings& meanings) {
    const auto found =
        std::ranges::find(meanings, true, &diagnosis::Diagnosis::is_about_our_address);
    if (found == meanings.end()) return nullptr;
    return &outcome.recipients[static_cast<std::size_t>(found - meanings.begin())].error();
}

bool is_name_wanted(const TransactionOutcome& outcome, const Meanings& meanings) {
    for (std::size_t place = 0; place < meanings.size(); ++place)
        if (is_for_want_of_name(outcome, meanings, place)) return true;
    return false;
}

bool lacks_keyword(const Meanings& meanings) {
    return !meanings.empty() &&
           std::ranges::all_of(meanings, &diagnosis::Diagnosis::is_missing_keyword);
}

HostKeywords::Progress keyword_progress(const TransactionOutcome& outcome) {
    using End = HostKeywords::Progress::End;
    auto end = End::other;
    if (!outcome.broken_off.empty()) {
        const auto& error = outcome.recipients[outcome.broken_off.front()].error();
        if (error.reply_code == 0) end = End::lost;
    } else if (was_answered(outcome)) {
        end = End::answered;
    }
    return {.answers = outcome.answers, .end = end};
}

}  // namespace mta::outbound
