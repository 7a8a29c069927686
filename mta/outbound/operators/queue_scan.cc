#include "mta/outbound/operators/queue_scan.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mta/base/domain.h"
#include "mta/base/mail_address.h"
#include "mta/outbound/operators/message_queries.h"
#include "queue/queue_walk.h"

namespace mta::outbound {
namespace {

// What was found out about something that many recipients share. Good during one turn, in which
// nothing moves; forgets what was asked about longest ago, so it stays small.
class Verdicts {
public:
    template <class Judge>
    bool of(const void* what, const Judge& judge) {
        const auto hash = (reinterpret_cast<std::uintptr_t>(what) >> 3) * 0x9e3779b97f4a7c15u;
        auto& slot = slots_[hash >> (64 - bits)];
        if (slot.what != what) slot = {what, judge()};
        return slot.verdict;
    }

private:
    static constexpr int bits = 12;
    struct Slot {
        const void* what = nullptr;
        bool verdict = false;
    };
    std::array<Slot, 1u << bits> slots_;
};

// A recipient's address, as it can be looked for in memory.
struct AddressKey {
    std::uint32_t hash = 0;
    queue::DomainHandle domain;  // empty: no mail is queued for it

    AddressKey(const queue::MessageTable& table, std::string_view address) {
        const auto name = domain_of_address(address);
        hash = queue::hash_of_address(
            AddressParts{.local_part = split_address(address).local_part, .domain = name});
        domain = table.find_domain(name);
    }
    [[nodiscard]] bool is_of(const queue::RecipientEntry& recipient) const {
        return recipient.address_hash == hash && recipient.domain == domain;
    }
};

}  // namespace

// Compares messages with one filter.
class QueueScan::Matcher {
public:
    Matcher(const queue::Scheduler& scheduler, const Whereabouts& whereabouts,
            const MessageFilter& filter)
        : scheduler_(scheduler),
          whereabouts_(whereabouts),
          table_(scheduler.table()),
          filter_(filter),
          recipient_(table_, filter.recipient),
          mention_(table_, filter.mention),
          message_id_hash_(queue::hash_of_message_id(filter.message_id)),
          mention_hash_(queue::hash_of_message_id(filter.mention)),
          size_kib_larger_(filter.larger_than.value_or(0) / 1024),
          size_kib_smaller_(filter.smaller_than ? (*filter.smaller_than + 1023) / 1024
                                                : UINT64_MAX),
          host_(to_lower(filter.host)),
          reply_(to_lower(filter.reply)) {
        domain_ = table_.find_domain(filter.domain);
    }

    // Whether no message can match.
    [[nodiscard]] bool is_hopeless() const {
        const bool is_one_domain = !filter_.domain.empty() && !filter_.domain.starts_with('.');
        return (is_one_domain && !domain_) || (!filter_.recipient.empty() && !recipient_.domain);
    }

    // Returns false if on_hit() wants no more.
    bool look_at(queue::MessageHandle message, bool with_details, const OnHit& on_hit) {
        const auto& entry = table_.message(message);
        if (entry.id == 0 || !matches(entry)) return true;
        hits_.clear();
        if (reasons_.size() > reasons_max) reasons_.clear();
        const bool is_mentioned = mentions(entry);
        const auto recipients = table_.recipients(message);
        for (std::uint32_t number = 0; number < recipients.size(); ++number) {
            const auto& recipient = recipients[number];
            if (!recipient.is_open() || !matches(entry, recipient)) continue;
            if (!is_mentioned && !mention_.is_of(recipient)) continue;
            hits_.push_back(hit_of(entry, recipient, with_details));
            hits_.back().number = number;
        }
        if (hits_.empty()) return true;
        return on_hit({.id = entry.id,
                       .arrived = entry.arrival,
                       .size_bytes = std::uint64_t{entry.size_kib} * 1024,
                       .sender = table_.sender(entry),
                       .recipients = hits_,
                       .recipients_in_all = recipients.size()});
    }

private:
    [[nodiscard]] bool matches(const queue::MessageEntry& entry) const {
        return (!filter_.id || entry.id == *filter_.id) &&
               (!filter_.arrived_before || entry.arrival < *filter_.arrived_before) &&
               (!filter_.arrived_after || entry.arrival > *filter_.arrived_after) &&
               (!filter_.larger_than || entry.size_kib > size_kib_larger_) &&
               entry.size_kib < size_kib_smaller_ &&
               (filter_.message_id.empty() || entry.has_message_id_hash(message_id_hash_)) &&
               (!filter_.sender || is_sender(table_.sender(entry)));
    }
    [[nodiscard]] bool is_sender(std::string_view sender) const {
        const auto& wanted = *filter_.sender;
        if (!wanted.starts_with('@')) return equals_ignoring_case(sender, wanted);
        return sender.contains('@') && equals_ignoring_case(split_address(sender).domain,
                                                            std::string_view(wanted).substr(1));
    }
    // True also if the filter has no mention: then every recipient is one.
    [[nodiscard]] bool mentions(const queue::MessageEntry& entry) const {
        return filter_.mention.empty() || entry.has_message_id_hash(mention_hash_) ||
               equals_ignoring_case(table_.sender(entry), filter_.mention);
    }

    [[nodiscard]] bool matches(const queue::MessageEntry& entry,
                               const queue::RecipientEntry& recipient) {
        if (filter_.state && state_of(recipient) != *filter_.state) return false;
        if (!filter_.domain.empty() && !is_in_domain(recipient)) return false;
        if (!filter_.recipient.empty() && !recipient_.is_of(recipient)) return false;
        if (!host_.empty() && !is_at_host(entry, recipient)) return false;
        return reply_.empty() || was_told(recipient);
    }
    [[nodiscard]] bool is_in_domain(const queue::RecipientEntry& recipient) {
        if (!filter_.domain.starts_with('.')) return recipient.domain == domain_;
        const auto& domain = table_.domain(recipient.domain);
        return domains_.of(&domain, [&] {
            return is_under(domain.name, std::string_view(filter_.domain).substr(1));
        });
    }
    [[nodiscard]] bool is_at_host(const queue::MessageEntry& entry,
                                  const queue::RecipientEntry& recipient) {
        const auto* const site = whereabouts_.site_of(entry, recipient);
        if (site != nullptr &&
            hosts_.of(site, [&] { return contains_ignoring_case(site->plan.name, host_); })) {
            return true;
        }
        const auto* const reason = whereabouts_.reason_identity(recipient);
        return reason != nullptr && remotes_.of(reason, [&] {
            return contains_ignoring_case(whereabouts_.reason_of(recipient)->remote, host_);
        });
    }
    [[nodiscard]] bool was_told(const queue::RecipientEntry& recipient) {
        const auto* const reason = whereabouts_.reason_identity(recipient);
        return reason != nullptr && replies_.of(reason, [&] {
            return contains_ignoring_case(reply_of(*whereabouts_.reason_of(recipient)), reply_);
        });
    }

    // What many share is put together once.
    [[nodiscard]] const DeliveryError* reason_of(const queue::RecipientEntry& recipient) {
        const auto* const identity = whereabouts_.reason_identity(recipient);
        if (identity == nullptr) return nullptr;
        const auto [known, is_new] = reasons_.try_emplace(identity);
        if (is_new) known->second = *whereabouts_.reason_of(recipient);
        return &known->second;
    }

    [[nodiscard]] RecipientHit hit_of(const queue::MessageEntry& entry,
                                      const queue::RecipientEntry& recipient, bool with_details) {
        RecipientHit hit{.attempts = recipient.attempts,
                         .state = state_of(recipient),
                         .error = reason_of(recipient),
                         .error_identity = whereabouts_.reason_identity(recipient),
                         .domain = {},
                         .destination = {},
                         .next_attempt = std::nullopt,
                         .is_for_later = scheduler_.waits_for_release(entry, recipient)};
        if (!with_details) return hit;
        hit.domain = table_.domain(recipient.domain).name;
        if (const auto* const site = whereabouts_.site_of(entry, recipient))
            hit.destination = site->plan.name;
        if (recipient.is_waiting()) {
            hit.next_attempt = recipient.due;
        } else if (const auto* const health = whereabouts_.health_of(recipient);
                   health != nullptr && !health->is_up()) {
            hit.next_attempt = health->next_probe();
        }
        return hit;
    }

    const queue::Scheduler& scheduler_;
    const Whereabouts& whereabouts_;
    const queue::MessageTable& table_;
    const MessageFilter& filter_;
    AddressKey recipient_;
    AddressKey mention_;
    std::uint32_t message_id_hash_;
    std::uint32_t mention_hash_;
    std::uint64_t size_kib_larger_;
    std::uint64_t size_kib_smaller_;
    std::string host_;
    std::string reply_;
    queue::DomainHandle domain_;
    Verdicts domains_;
    Verdicts hosts_;
    Verdicts remotes_;
    Verdicts replies_;
    std::vector<RecipientHit> hits_;
    static constexpr std::size_t reasons_max = 1000;
    std::unordered_map<const void*, DeliveryError> reasons_;  // by identity
};

std::optional<ScanCursor> QueueScan::scan(const MessageFilter& filter, const ScanRange& range,
                                          const OnHit& on_hit) const {
    const auto& table = scheduler_.table();
    Matcher matcher(scheduler_, whereabouts_, filter);
    if (matcher.is_hopeless()) return std::nullopt;
    if (filter.id) {
        if (const auto message = table.find(*filter.id))
            matcher.look_at(message, range.with_details, on_hit);
        return std::nullopt;
    }
    bool is_enough = false;
    const auto next = queue::visit_slice(
        table, range.from, range.messages_max, [&](queue::MessageHandle message) {
            is_enough = !matcher.look_at(message, range.with_details, on_hit);
            return !is_enough;
        });
    if (!is_enough && next >= table.message_index_end()) return std::nullopt;
    return next;
}

}  // namespace mta::outbound
