#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/wake_up.h"
#include "mta/outbound/context.h"
#include "mta/outbound/routing/router.h"
#include "queue/queue_walk.h"

namespace mta::outbound {

// Servers that were off ask for their mail (ETRN): what waits for a domain of relay.domains with a
// [[route]] is tried now. A client may ask again and again, so it costs next to nothing:
//
//   - What everything hangs on (the DNS, the destination's probe, its hours) is woken at once, at
//     the cost of a look into a table, and for one domain or tree once in `again_after`.
//   - What waits for a retry is made due by a walk over the queue, in slices between which the loop
//     runs, one walk for all that was asked, and a pause of `pause` after each.
class WakeUps {
public:
    static constexpr Millis again_after{60'000};
    static constexpr Millis pause{10'000};
    static constexpr std::size_t asked_max = 100;  // patterns that are remembered; beyond: busy

    struct Handlers {
        std::function<void(queue::DomainHandle domain)> wake;
        // Makes those due that wait for a retry.
        std::function<void(queue::MessageHandle message, const queue::DomainSet& domains)> make_due;
    };
    WakeUps(Context& context, const queue::MessageTable& table, const Router& router,
            Handlers handlers)
        : context_(context), table_(table), router_(router), handlers_(std::move(handlers)) {}

    // A domain in the form of mta::to_a_labels(); with `is_tree` all below it too.
    [[nodiscard]] WakeUp ask(const std::string& domain, bool is_tree);

    void tick();
    [[nodiscard]] std::optional<Instant> next_wakeup() const;

private:
    // The pattern's domains, by index.
    void add(const std::string& domain, bool is_tree);
    [[nodiscard]] bool is_ours(std::string_view domain) const;
    [[nodiscard]] bool is_any_ours(std::string_view tree) const;
    void forget_old();

    Context& context_;
    const queue::MessageTable& table_;
    const Router& router_;
    Handlers handlers_;
    std::map<std::string, Instant> asked_;  // when; a tree with a dot before it
    std::vector<std::string> for_next_walk_;
    queue::DomainSet domains_;  // of the walk under way
    queue::QueueWalk walk_;
    Instant no_walk_before_;
};

}  // namespace mta::outbound
