#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mta/base/outcome.h"
#include "mta/base/time.h"
#include "queue/error_table.h"
#include "queue/handles.h"
#include "queue/id_index.h"
#include "queue/message.h"
#include "queue/packed.h"
#include "queue/sender_table.h"
#include "queue/slab.h"

namespace queue {

// What is kept in RAM of each queued message and recipient: about 150 bytes for a message with one
// recipient, whatever its size. Recipients' addresses, Message-IDs and bodies are on disk;
// addresses and Message-IDs are looked for by their hashes.
struct MessageEntry {
    Uint48 id;  // 0: a free entry
    PackedInstant arrival;
    RecipientRun first_recipient;
    std::uint16_t recipient_count = 0;  // all of the envelope's, in its order
    std::uint16_t open_count = 0;       // of them pending or held
    BundleHandle first_bundle;
    CopyHandle copy;                  // of the message in RAM, while there is one
    SenderHandle sender;              // empty: the null sender
    std::uint32_t size_kib : 21 = 0;  // rounded up, and no more than size_kib_max
    std::uint32_t message_id_low : 11 = 0;
    // Each recipient ends once and is reported late once, so two reports for each are the most.
    std::uint32_t reports_under_way : 17 = 0;
    std::uint32_t has_requests : 1 = 0;  // MessageTable::requests()
    std::uint32_t message_id_high : 14 = 0;

    static constexpr std::uint32_t size_kib_max = (1u << 21) - 1;
    // The lower bits of hash_of_message_id(). The caller must check a hit.
    static constexpr std::uint32_t message_id_hash_bits = 25;
    void set_message_id_hash(std::uint32_t hash) {
        message_id_low = hash & ((1u << 11) - 1);
        message_id_high = (hash >> 11) & ((1u << 14) - 1);
    }
    [[nodiscard]] bool has_message_id_hash(std::uint32_t hash) const {
        const auto known = static_cast<std::uint32_t>(message_id_high) << 11 | message_id_low;
        return known == (hash & ((1u << message_id_hash_bits) - 1));
    }
    [[nodiscard]] bool is_null_sender() const { return !sender; }
};

struct RecipientEntry {
    PackedInstant due;  // waited for only if pending and in no bundle
    std::uint16_t attempts = 0;
    std::uint32_t address_hash = 0;  // hash_of_address()
    DomainHandle domain;
    ErrorHandle error;  // the last one, interned
    BundleHandle bundle;
    std::uint32_t last_attempt_s = 0;  // Unix time; 0: none
    std::uint8_t notify : 4 = 0;
    // An attempt for this recipient, or for what it waited for, has failed in this process's life
    // and since the clock last leapt (Scheduler).
    bool is_tried : 1 = false;
    // Its last attempt broke off, and this recipient or another one was to blame: it has yet to be
    // tried alone.
    bool is_undecided : 1 = false;
    std::uint8_t delay_notices = 0;
    std::uint8_t stalls = 0;  // attempts in a row that came to nothing without being charged
    RecipientPhase phase : 3 = RecipientPhase::pending;
    bool is_in_doubt : 1 = false;
    bool is_delivering : 1 = false;  // its bundle is in a delivery
    bool is_reported : 1 = false;    // given up; the report is being made
    bool is_told_late : 1 = false;   // RecipientState::told_late
    bool goes_alone : 1 = false;     // in a bundle of its own

    [[nodiscard]] bool is_open() const {
        return phase == RecipientPhase::pending || phase == RecipientPhase::held;
    }
    [[nodiscard]] bool is_waiting() const {
        return phase == RecipientPhase::pending && !bundle && !is_reported;
    }
};
static_assert(sizeof(MessageEntry) <= 40 && sizeof(RecipientEntry) <= 32);

struct DomainEntry {
    std::string name;  // empty: a free entry
    std::uint32_t recipients = 0;
    // The lifetime of the route that the domain takes, if the route has one.
    std::optional<mta::Millis> lifetime;
};

// The queue's memory: messages, their recipients, and what many of them share (senders, domains,
// replies), which is kept once. The table knows no time and no policy.
class MessageTable {
public:
    // Adds new mail: all recipients are due at its arrival, or at its release. A domain that is not
    // known yet gets a DomainEntry, whose `lifetime` the caller fills in.
    MessageHandle add(const Message& message);
    // Adds mail that was queued before, with its states.
    MessageHandle add(const QueuedMessage& message);
    // The message must be in no bundle.
    void remove(MessageHandle message);

    // Empty if the message is not in the queue.
    [[nodiscard]] MessageHandle find(MessageId id) const;
    [[nodiscard]] MessageEntry& message(MessageHandle handle) { return messages_[handle]; }
    [[nodiscard]] const MessageEntry& message(MessageHandle handle) const {
        return messages_[handle];
    }
    // `number` as in the envelope.
    [[nodiscard]] RecipientEntry& recipient(const MessageEntry& message, std::uint32_t number) {
        return recipients_.at(message.first_recipient, number);
    }
    [[nodiscard]] const RecipientEntry& recipient(const MessageEntry& message,
                                                  std::uint32_t number) const {
        return recipients_.at(message.first_recipient, number);
    }
    [[nodiscard]] std::span<RecipientEntry> recipients(MessageHandle message);
    [[nodiscard]] std::span<const RecipientEntry> recipients(MessageHandle message) const;
    // Entries with id 0 are free.
    [[nodiscard]] HandleRange<MessageHandle> messages() const { return messages_.handles(); }
    // The indices of messages are below this: for walks in slices.
    [[nodiscard]] std::uint32_t message_index_end() const { return messages_.index_end(); }
    [[nodiscard]] std::size_t message_count() const { return messages_.size(); }
    [[nodiscard]] std::size_t open_count() const { return open_count_; }
    [[nodiscard]] std::size_t held_count() const { return held_count_; }

    // Every change of a phase goes through here, so that open_count() and held_count() are true.
    void set_phase(MessageEntry& message, RecipientEntry& recipient, RecipientPhase phase);
    void set_error(RecipientEntry& recipient, const mta::DeliveryError& error);
    // Empty if there was none.
    [[nodiscard]] mta::DeliveryError error(const RecipientEntry& recipient) const;
    // Only for a recipient that has an error.
    [[nodiscard]] mta::Scope error_scope(const RecipientEntry& recipient) const {
        return errors_.scope(recipient.error);
    }
    [[nodiscard]] const void* error_identity(const RecipientEntry& recipient) const {
        return errors_.identity(recipient.error);
    }
    // The states as the store keeps them.
    [[nodiscard]] std::vector<RecipientState> states(MessageHandle message) const;
    // The states of these recipients (in any order), for Store::update(). If the message has few
    // recipients, or if most have changed, the states of all: then one record says everything.
    [[nodiscard]] StateChanges changes(MessageHandle message,
                                       std::vector<std::uint32_t> numbers) const;

    // What the sender asked for; as a rule it is empty.
    [[nodiscard]] const Requests& requests(const MessageEntry& message) const;
    // The reverse-path of a message, and the group with which it shares turns at a destination.
    [[nodiscard]] std::string_view sender(const MessageEntry& message) const {
        return senders_.name(message.sender);
    }
    [[nodiscard]] SenderGroup sender_group(const MessageEntry& message) const {
        return senders_.group(message.sender);
    }
    [[nodiscard]] const SenderTable& senders() const { return senders_; }

    [[nodiscard]] DomainEntry& domain(DomainHandle handle) { return domains_[handle]; }
    [[nodiscard]] const DomainEntry& domain(DomainHandle handle) const { return domains_[handle]; }
    // Empty if no mail is queued for the domain.
    [[nodiscard]] DomainHandle find_domain(std::string_view name) const;
    // The indices of domains are below this: for tables beside this one.
    [[nodiscard]] std::uint32_t domain_index_end() const { return domains_.index_end(); }
    // Entries without a name are free.
    [[nodiscard]] HandleRange<DomainHandle> domains() const { return domains_.handles(); }
    // A domain stays when its last recipient goes, until remove_domain(): more mail may come, and
    // other parts keep what they know about it.
    [[nodiscard]] std::vector<DomainHandle> take_new_domains() { return std::move(new_domains_); }
    [[nodiscard]] std::vector<DomainHandle> take_unused_domains() {
        return std::move(unused_domains_);
    }
    void remove_domain(DomainHandle handle);

private:
    struct StringHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };

    void intern_error(RecipientEntry& recipient, const mta::DeliveryError& error);
    [[nodiscard]] DomainHandle domain_for(const std::string& name);
    struct NewEntry {
        MessageId id = 0;
        std::uint64_t size = 0;  // of the message, in bytes
        std::size_t recipients = 0;
    };
    MessageHandle add_entry(const NewEntry& of);
    RecipientEntry& start_recipient(const MessageEntry& entry, std::size_t number,
                                    const std::string& domain);
    void count_recipient(MessageEntry& entry, const RecipientEntry& recipient);
    [[nodiscard]] RecipientState state_of(const RecipientEntry& recipient) const;
    void set_requests(MessageEntry& entry, const Requests& requests);
    void release_error(RecipientEntry& recipient);

    Slab<MessageEntry> messages_;
    RunSlab<RecipientEntry> recipients_;
    IdIndex<MessageHandle> by_id_;
    std::size_t open_count_ = 0;
    std::size_t held_count_ = 0;
    SenderTable senders_;
    std::unordered_map<MessageId, Requests> requests_;  // of those few that have any
    Slab<DomainEntry> domains_;
    std::unordered_map<std::string, DomainHandle, StringHash, std::equal_to<>> domain_by_name_;
    std::vector<DomainHandle> new_domains_;
    std::vector<DomainHandle> unused_domains_;
    ErrorTable errors_;
};

}  // namespace queue
