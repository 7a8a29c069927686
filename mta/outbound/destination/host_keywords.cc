#include "mta/outbound/destination/host_keywords.h"

#include <algorithm>

#include "mta/base/assert.h"

namespace mta::outbound {

std::size_t HostKeywords::place_of(SmtpKeyword keyword) {
    const auto* const found = std::ranges::find(keywords, keyword);
    MTA_ASSERT(found != keywords.end());
    return static_cast<std::size_t>(found - keywords.begin());
}

SmtpKeywords HostKeywords::without(const std::string& host, Instant now) const {
    SmtpKeywords without;
    if (hosts_.size() == 0) return without;
    const auto* const known = hosts_.find(host);
    if (known == nullptr) return without;
    for (const auto keyword : keywords) {
        const auto& opinion = known->opinions[place_of(keyword)];
        const bool is_doubted =
            opinion.state == State::suspected || opinion.state == State::distrusted;
        if (is_doubted && now < opinion.until) without.add(keyword);
    }
    return without;
}

bool HostKeywords::suspect(const std::string& host, SmtpKeyword keyword, queue::MessageId message,
                           std::uint32_t answers, Instant now) {
    auto& opinion = hosts_.touch(host).opinions[place_of(keyword)];
    if (opinion.state == State::trusted && now < opinion.until) return false;
    // A connection that was open before: the next one does without it.
    if (opinion.state == State::distrusted && now < opinion.until) return true;
    opinion.state = State::suspected;
    opinion.until = now + suspected_for;
    opinion.message = message;
    opinion.answers = answers;
    return true;
}

void HostKeywords::distrust(const std::string& host, SmtpKeyword keyword, Instant now) {
    distrust(hosts_.touch(host).opinions[place_of(keyword)], now);
}

void HostKeywords::distrust(Opinion& opinion, Instant now) {
    if (opinion.state == State::distrusted && now < opinion.until) return;
    const bool has_come_again =
        opinion.distrusted_for != Millis{0} && now - opinion.until < distrusted_for_max;
    opinion.distrusted_for = has_come_again
                                 ? std::min(opinion.distrusted_for * 2, distrusted_for_max)
                                 : distrusted_for_min;
    opinion.state = State::distrusted;
    opinion.until = now + opinion.distrusted_for;
}

void HostKeywords::conclude(Opinion& opinion, SmtpKeyword keyword, Progress progress, Instant now) {
    using End = Progress::End;
    // DATA has an answer of its own, which says nothing about BDAT.
    const bool came_further =
        keyword == SmtpKeyword::pipelining && progress.answers > opinion.answers;
    if (progress.end == End::answered || came_further) {
        distrust(opinion, now);
    } else if (progress.end == End::lost && progress.answers >= opinion.answers) {
        opinion.state = State::trusted;
        opinion.until = now + trusted_for;
    }
}

void HostKeywords::conclude(const std::string& host, SmtpKeywords without, queue::MessageId message,
                            Progress progress, Instant now) {
    if (without.is_empty() || hosts_.size() == 0) return;
    auto* const known = hosts_.find(host);
    if (known == nullptr) return;
    for (const auto keyword : keywords) {
        auto& opinion = known->opinions[place_of(keyword)];
        if (opinion.state != State::suspected || opinion.message != message) continue;
        if (!without.has(keyword)) continue;
        conclude(opinion, keyword, progress, now);
    }
}

}  // namespace mta::outbound
