#include "mta/outbound/lifecycle/delay_notices.h"

#include <algorithm>
#include <utility>

#include "mta/base/assert.h"

namespace mta::outbound {
namespace {

// Of a message that is only listed: its subject is wanted.
constexpr std::uint32_t listed_head_bytes = 16u << 10;
// Messages that come due one after the other share a notice, and the queue is not walked more
// often than this.
constexpr Millis gathering_max{60'000};

}  // namespace

// ---- Senders that have had a notice ----

Millis DelayNotices::quiet_time() const {
    const auto& ages = context_.settings().retry.delay_notices;
    return ages.empty() ? Millis{0} : ages.front();
}

Instant DelayNotices::not_before(std::string_view sender) const {
    if (held_.empty()) return Instant::min();
    const auto held = held_.find(sender);
    return held == held_.end() ? Instant::min() : held->second;
}

void DelayNotices::hold(const std::string& sender, Millis duration) {
    const auto until = context_.now() + duration;
    held_[sender] = until;
    held_in_order_.emplace_back(sender, until);
    while (!held_in_order_.empty()) {
        const auto& [name, time] = held_in_order_.front();
        if (time > context_.now() && held_in_order_.size() <= senders_max) return;
        const auto known = held_.find(name);
        if (known != held_.end() && known->second == time) held_.erase(known);
        held_in_order_.pop_front();
    }
}

bool DelayNotices::is_being_told(const std::string& sender) const {
    return asked_.contains(sender) || walking_.contains(sender) ||
           (job_ && job_->sender == sender) ||
           std::ranges::any_of(told_, [&](const auto& told) { return told.first == sender; });
}

void DelayNotices::note_due(queue::MessageHandle message) {
    const auto& entry = scheduler_.table().message(message);
    const std::string sender(scheduler_.table().sender(entry));
    if (not_before(sender) <= context_.now()) {
        // Until it is known whether there is something to report.
        const auto gathering = std::min(gathering_max, quiet_time() / 60);
        hold(sender, 2 * gathering);
        if (!is_being_told(sender)) {
            asked_.try_emplace(sender);
            if (!walk_at_) walk_at_ = context_.now() + gathering;
        }
    }
    scheduler_.rearm(message);
}

std::optional<Instant> DelayNotices::next_wakeup() const {
    // The next walk waits for the end of this one, which asks for its turns itself.
    return walking_.empty() ? walk_at_ : std::nullopt;
}

void DelayNotices::tick() {
    if (walking_.empty() && walk_at_ && context_.now() >= *walk_at_) begin_walk();
    if (!walking_.empty()) walk();
    if (!job_ && !told_.empty()) begin_job();
}

// ---- The walk ----

void DelayNotices::begin_walk() {
    walk_at_.reset();
    walking_ = std::exchange(asked_, {});
    walk_.begin();
}

void DelayNotices::walk() {
    const auto& table = scheduler_.table();
    // The handles of senders are valid as long as nothing else happens.
    std::unordered_map<queue::SenderHandle, Batch*> batches;
    for (auto& [sender, batch] : walking_) {
        if (const auto known = table.senders().find(sender)) batches.emplace(known, &batch);
    }
    const bool is_last = walk_.step(table, [&](queue::MessageHandle message) {
        const auto& entry = table.message(message);
        if (entry.is_null_sender()) return;
        const auto found = batches.find(entry.sender);
        if (found != batches.end()) gather(*found->second, message);
    });
    context_.request_tick();
    if (!is_last) return;
    for (auto& [sender, batch] : walking_)
        if (!batch.listed.empty()) told_.emplace_back(sender, std::move(batch));
    walking_.clear();
}

void DelayNotices::gather(Batch& batch, queue::MessageHandle message) {
    auto& table = scheduler_.table();
    const auto& entry = table.message(message);
    const auto is_meant = [&](const auto& recipient) { return is_to_be_told(entry, recipient); };
    if (std::ranges::none_of(table.recipients(message), is_meant)) return;
    auto& listed = batch.listed;
    const queue::MessageId id = entry.id;
    listed.insert(std::ranges::upper_bound(listed, id), id);
    if (listed.size() <= listed_max) return;
    const auto displaced = table.find(listed.back());
    listed.pop_back();
    ++batch.unlisted;
    if (!displaced) return;
    mark(displaced);
    scheduler_.rearm(displaced);
}

bool DelayNotices::is_to_be_told(const queue::MessageEntry& message,
                                 const queue::RecipientEntry& recipient) const {
    if (!scheduler_.may_get_delay_notice(message, recipient)) return false;
    if (handlers_.is_too_early(message, recipient)) return false;
    // The last attempt comes next; its result is what the report says.
    if (context_.now() >= scheduler_.expiry(message, recipient)) return false;
    const auto& ages = scheduler_.policy().delay_notices;
    const auto age = context_.now() - scheduler_.life_begin(message);
    if (age >= ages[recipient.delay_notices]) return true;
    return recipient.delay_notices == 0 &&
           (2 * age >= ages.front() || handlers_.waits_for_outage(recipient));
}

// Marks the recipients of which the notice informs the sender. Returns false if there was none.
bool DelayNotices::mark(queue::MessageHandle message) {
    auto& table = scheduler_.table();
    const auto& entry = table.message(message);
    bool is_any = false;
    for (auto& recipient : table.recipients(message)) {
        if (!is_to_be_told(entry, recipient)) continue;
        scheduler_.count_delay_notice(entry, recipient, context_.now());
        is_any = true;
    }
    return is_any;
}

// ---- The report ----

void DelayNotices::begin_job() {
    auto [sender, batch] = std::move(told_.front());
    told_.pop_front();
    job_ = std::make_shared<Job>();
    job_->sender = std::move(sender);
    job_->unlisted = batch.unlisted;
    for (const auto id : batch.listed) {
        job_->items.emplace_back();
        job_->items.back().id = id;
    }
    // Held up to the end by one more, so that it ends once.
    job_->unread = job_->items.size() + 1;
    const auto job = job_;
    for (std::size_t i = 0; i < job->items.size(); ++i) read(job, i);
    on_read(job);
}

void DelayNotices::read(const JobPtr& job, std::size_t number) {
    auto& item = job->items[number];
    const auto message = scheduler_.table().find(item.id);
    if (!message) return on_read(job);
    item.message = copies_.get(message);
    if (item.message) return read_head(job, number);
    const auto on_read_one = [this, job, number](queue::StoreResult<queue::StoredMessage> stored) {
        auto& asked = job->items[number];
        if (stored) {
            asked.message = std::move(stored->message);
            return read_head(job, number);
        }
        const auto known = scheduler_.table().find(asked.id);
        if (known) ledger_.note_unreadable(known, stored.error());
        on_read(job);
    };
    store_.read(item.id, reads_.guard(on_read_one));
}

void DelayNotices::read_head(const JobPtr& job, std::size_t number) {
    auto& item = job->items[number];
    if (item.message->is_body_inline()) {
        if (!item.message->added_header.empty()) item.head = item.message->inline_content();
        return on_read(job);
    }
    store_.read_body(item.id, 0, number == 0 ? report_head_bytes : listed_head_bytes,
                     reads_.guard([this, job, number](queue::StoreResult<std::string> head) {
                         if (head) job->items[number].head = std::move(*head);
                         on_read(job);
                     }));
}

void DelayNotices::on_read(const JobPtr& job) {
    if (--job->unread > 0) return;
    finish(*job);
    job_.reset();
    context_.request_tick();
}

// What is true now: recipients that were served meanwhile are left out.
void DelayNotices::fill_in(Item& item) const {
    const auto handle = scheduler_.table().find(item.id);
    if (!handle || !item.message) return;
    item.handle = handle;
    item.give_up_at = Instant::max();
    const auto& entry = scheduler_.table().message(handle);
    const auto recipients = scheduler_.table().recipients(handle);
    for (std::uint32_t number = 0; number < recipients.size(); ++number) {
        const auto& recipient = recipients[number];
        if (!is_to_be_told(entry, recipient)) continue;
        item.give_up_at = std::min(item.give_up_at, scheduler_.expiry(entry, recipient));
        item.outcomes.push_back(
            {.recipient = number,
             .error = handlers_.reason_of(recipient),
             .last_attempt = from_unix_ms(std::int64_t{recipient.last_attempt_s} * 1000),
             .is_in_doubt = recipient.is_in_doubt});
    }
}

void DelayNotices::finish(Job& job) {
    for (auto& item : job.items) fill_in(item);
    std::erase_if(job.items, [&](const Item& item) {
        return item.outcomes.empty() || item.message->envelope.reverse_path != job.sender;
    });
    if (job.items.empty()) return;
    const auto head_of = [](const Item& item) -> std::string_view {
        return item.head.empty() ? item.message->body : item.head;
    };
    const auto& first = job.items.front();
    std::vector<AlsoDelayed> also;
    for (std::size_t i = 1; i < job.items.size(); ++i) {
        auto& item = job.items[i];
        also.push_back({item.message, head_of(item), std::move(item.outcomes), item.give_up_at});
    }
    auto reports = reports_.make({.kind = ReportKind::delay,
                                  .original = *first.message,
                                  .head = head_of(first),
                                  .outcomes = first.outcomes,
                                  .now = context_.now(),
                                  .give_up_at = first.give_up_at,
                                  .also = std::move(also),
                                  .also_unlisted = job.unlisted});
    hold(job.sender, quiet_time());
    for (const auto& item : job.items) {
        mark(item.handle);
        ledger_.commit(item.handle, std::exchange(reports, {}));
    }
}

}  // namespace mta::outbound
