#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "mta/outbound/context.h"
#include "mta/outbound/destination/site_table.h"
#include "mta/outbound/routing/router.h"
#include "queue/bundle.h"
#include "queue/queue_walk.h"
#include "queue/scheduler.h"

namespace mta::outbound {

// Puts recipients that are due into bundles, and bundles into the lines in which they wait: of
// their domain while it is not known where the mail goes, then of their site. Keeps the three views
// of a bundle (recipients, message, line) in step.
//
// What waits for a site follows its domain when that goes elsewhere: each failed attempt asks the
// router anew, and when the answer has changed, a walk over the queue, in slices, brings the
// others.
class Lines {
public:
    Lines(Context& context, queue::Scheduler& scheduler, queue::BundleSlab& bundles,
          SiteTable& sites)
        : context_(context), scheduler_(scheduler), bundles_(bundles), sites_(sites) {}
    // The router is made after the lines and calls them back.
    void set_router(Router& router) { router_ = &router; }

    // Every recipient of the message that is waiting and due.
    void line_up_due(queue::MessageHandle message);
    // The domain's bundles move on to its site's line.
    void on_routed(queue::DomainHandle domain);
    // Takes one recipient out of its bundle: its delivery is over, or it waits again. A bundle that
    // has become empty is removed.
    void leave(queue::MessageHandle message, queue::RecipientEntry& recipient);

    // Of a recipient in a bundle: since that came to its place, an attempt there has failed (of the
    // DNS for its domain, or of its site).
    [[nodiscard]] bool has_failed(const queue::RecipientEntry& recipient) const;
    // The clock has leapt: what failed before counts no more.
    void follow_leap();

    // The site's next bundle for a delivery, with at most `recipients_max` recipients: the others
    // keep their place in line.
    [[nodiscard]] queue::BundleHandle take(queue::SiteHandle site, std::size_t recipients_max);
    // Sets aside the bundles at the head of the site's line that are for a suspect mailbox
    // (Site::suspects): once, so that other mail goes first, and again while a delivery to that
    // mailbox is under way. Other recipients of the same message stay in line. Returns whether a
    // bundle is left that may be taken.
    [[nodiscard]] bool make_way(queue::SiteHandle site);
    // Puts bundles that stand aside back at the end of the line if no delivery to their mailbox is
    // under way: all of a mailbox that is no longer suspected, one of each suspect mailbox.
    void come_back(queue::SiteHandle site);
    // Of a bundle, in the envelope's order.
    [[nodiscard]] std::vector<std::uint32_t> recipients_of(queue::BundleHandle bundle) const;
    // A bundle that was taken goes back into its site's line: to its end, or, if no host has heard
    // of it, to where it was. (A message that makes hosts hang up must not have every turn.)
    // Recipients whose mail goes to another site by now are waiting and due instead.
    enum class Place : std::uint8_t { last, first };
    void put_back(queue::BundleHandle bundle, Place place = Place::last);
    // Puts a bundle back whose session was broken by other recipients of its message. It gets the
    // next turn the first time, and the last place after that: otherwise a message with many
    // mailboxes at which the host hangs would take every turn.
    void put_back_unharmed(queue::BundleHandle bundle);
    // Moves all recipients but these (ascending numbers) from a taken bundle to a new one, which
    // counts as taken, too.
    [[nodiscard]] queue::BundleHandle split_off_others(queue::BundleHandle bundle,
                                                       std::span<const std::uint32_t> kept);

    // From their next attempt on each of these goes in a bundle of its own: one of them may be what
    // breaks the sessions.
    void part(queue::MessageHandle message, std::span<const std::uint32_t> numbers);

    // Out of all lines, for routing anew: the recipients are waiting and due now.
    void dissolve_lined_up(queue::MessageHandle message);
    // Mail for the domain no longer goes to the site in whose line some of it is.
    void note_moved(queue::DomainHandle domain);
    // A slice of the walk, if there is one.
    void tick();

private:
    // Where a bundle waits: in the line of its domain, or of its site.
    struct Spot {
        queue::DomainHandle domain;
        queue::SiteHandle site;
        bool operator==(const Spot&) const = default;
    };
    [[nodiscard]] static Spot spot_of(const queue::Bundle& bundle) {
        return {bundle.domain, bundle.site};
    }
    [[nodiscard]] queue::BundleHandle find(queue::MessageHandle message, const Spot& spot) const;
    [[nodiscard]] queue::BundleHandle add(queue::MessageHandle message, queue::Bundle::State state,
                                          const Spot& spot, bool is_of_one = false);
    // Adds an empty bundle for recipients that are to be moved out of `whole`: it has the same
    // message, place and history.
    [[nodiscard]] queue::BundleHandle add_part(queue::BundleHandle whole,
                                               queue::Bundle::State state, bool is_of_one = false);
    void set_aside(queue::BundleHandle bundle, std::uint32_t number);
    // Out of the bundle, if mail for that domain does not go to that site any more. If only its
    // route has aged it stays, and the DNS is asked.
    bool leave_if_moved(queue::MessageHandle message, queue::RecipientEntry& recipient,
                        queue::SiteHandle site);
    void reroute(queue::MessageHandle message);
    void file(queue::BundleHandle bundle);
    void unfile(queue::BundleHandle bundle);
    [[nodiscard]] std::uint32_t failures_at(const Spot& spot) const;
    void remove(queue::BundleHandle bundle);
    void leave_line(queue::BundleHandle bundle);
    // The first `count` of them.
    void move_recipients(queue::BundleHandle from, queue::BundleHandle to, std::size_t count);
    void enter(queue::BundleHandle bundle, queue::RecipientEntry& recipient, std::uint32_t number);
    // Calls `visit` for each of a bundle's recipients in the envelope's order, and looks at no
    // others but those between them. `visit` returns false when it has enough.
    template <class Visit>
    void for_each_of(queue::BundleHandle bundle, const Visit& visit) const;

    // A bundle that can be found by an index.
    struct Filed {
        queue::MessageHandle message;
        Spot spot;
        bool operator==(const Filed&) const = default;
    };
    struct FiledHash {
        std::size_t operator()(const Filed& filed) const {
            const auto place = filed.spot.site ? std::uint64_t{filed.spot.site.index()} << 1 | 1
                                               : std::uint64_t{filed.spot.domain.index()} << 1;
            const auto whole = std::uint64_t{filed.message.index()} << 32 ^ place;
            return std::hash<std::uint64_t>{}(whole * 0x9e3779b97f4a7c15);
        }
    };

    Context& context_;
    queue::Scheduler& scheduler_;
    queue::BundleSlab& bundles_;
    SiteTable& sites_;
    std::unordered_map<Filed, queue::BundleHandle, FiledHash>
        filed_;  // of messages with many recipients
    Router* router_ = nullptr;
    queue::DomainSet moved_;       // for the next walk
    queue::DomainSet walked_for_;  // of the walk under way
    queue::QueueWalk walk_;        // over the queue, for those
};

}  // namespace mta::outbound
