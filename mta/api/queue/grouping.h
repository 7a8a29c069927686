#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mta/api/queue/totals.h"
#include "mta/outbound/desk/message_filter.h"

namespace mta::api {

enum class GroupBy : std::uint8_t { destination, domain, sender, reason, state };
// "destination", "domain", ...
[[nodiscard]] std::optional<GroupBy> parse_group(std::string_view name);

// The last error in words, without the parts that differ from one message to the next (addresses,
// numbers, names of queue files), so that the same trouble is one group. Empty if there was no
// trouble so far.
[[nodiscard]] std::string reason_group(const DeliveryError* error);

// Sums over the groups of messages or recipients that have something in common. A message with
// recipients in several groups counts in each of these.
class Grouping {
public:
    // Beyond this number, whatever would begin a new group counts in one that has no name, with
    // the others.
    static constexpr std::size_t groups_max = 100'000;
    // A name costs about a microsecond. After this number of names the scan lets the shard do its
    // other work.
    static constexpr std::size_t names_a_turn_max = 16'384;

    struct Group {
        std::string name;
        Totals totals;
    };

    explicit Grouping(GroupBy by) : by_(by) {}

    // To be called before the first add() of each turn: the views of earlier turns are no longer
    // valid.
    void begin_turn() {
        recent_ = {};
        names_this_turn_ = 0;
    }
    [[nodiscard]] static bool needs_details() { return true; }
    // Returns false when this was enough for the turn; the message is counted in any case.
    bool add(const outbound::MessageHit& hit, std::size_t shard);

    // At most `limit` groups, those with most messages first.
    [[nodiscard]] std::vector<Group> take(std::size_t limit) const;
    // The sum of the groups that take(limit) leaves out. A message in several of them counts in
    // each.
    [[nodiscard]] Group others(std::size_t limit) const;
    [[nodiscard]] std::size_t size() const { return groups_.size(); }
    [[nodiscard]] const Totals& totals() const { return totals_; }

private:
    struct Entry {
        Totals totals;
        queue::MessageId last = 0;  // that was counted
    };
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };
    using Groups = std::unordered_map<std::string, Entry, Hash, std::equal_to<>>;

    // Within one turn, the same `identity` means the same name.
    template <class NameOf>
    Entry& group_of(const void* identity, const NameOf& name_of);
    static void count(Entry& group, const outbound::MessageHit& hit,
                      const outbound::RecipientHit& recipient);
    [[nodiscard]] std::vector<const Groups::value_type*> sorted() const;

    GroupBy by_;
    Groups groups_;
    Entry overflow_;
    Totals totals_;
    struct Recent {
        const void* identity = nullptr;
        Entry* group = nullptr;
    };
    std::array<Recent, 4096> recent_{};
    std::size_t names_this_turn_ = 0;
};

}  // namespace mta::api
