#include "mta/smtp/client/pipeline.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"

namespace mta::smtp {

Millis timeout_of(const ClientTimeouts& timeouts, Question question) {
    switch (question) {
        case Question::rset: return timeouts.rset;
        case Question::mail:
        case Question::rcpt: return timeouts.command;
        case Question::data: return timeouts.data_command;
        case Question::chunk: return timeouts.data_block;
        case Question::body: return timeouts.final_dot;
    }
    return timeouts.command;
}

void Pipeline::say(AwaitedReply awaited, std::string_view command) {
    output_ += command;
    awaited_.push_back(awaited);
}

std::string Pipeline::take_output() {
    asked_ = awaited_.size();
    return std::exchange(output_, {});
}

void Pipeline::pop() {
    MTA_ASSERT(asked_ > 0);
    awaited_.pop_front();
    --asked_;
}

void Pipeline::close(std::string_view last_words) {
    awaited_.clear();
    asked_ = 0;
    output_ = last_words;
}

std::optional<Question> Pipeline::first_of(TransactionNumber transaction) const {
    const auto found = std::ranges::find(awaited_, transaction, &AwaitedReply::transaction);
    return found == awaited_.end() ? std::nullopt : std::optional(found->question);
}

std::optional<Question> Pipeline::first_asked_of(TransactionNumber transaction) const {
    const auto end = awaited_.begin() + static_cast<std::ptrdiff_t>(asked_);
    const auto found = std::find_if(awaited_.begin(), end, [&](const AwaitedReply& each) {
        return each.transaction == transaction;
    });
    return found == end ? std::nullopt : std::optional(found->question);
}

bool Pipeline::has_asked(TransactionNumber transaction, Question question) const {
    const auto end = awaited_.begin() + static_cast<std::ptrdiff_t>(asked_);
    return std::any_of(awaited_.begin(), end, [&](const AwaitedReply& each) {
        return each.transaction == transaction && each.question == question;
    });
}

std::vector<std::size_t> Pipeline::recipients_awaited(TransactionNumber transaction) const {
    std::vector<std::size_t> recipients;
    for (const auto& each : awaited_)
        if (each.transaction == transaction && each.question == Question::rcpt)
            recipients.push_back(each.recipient);
    return recipients;
}

}  // namespace mta::smtp
