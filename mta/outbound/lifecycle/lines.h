#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "mta/outbound/core.h"
#include "mta/outbound/destination/site.h"
#include "mta/outbound/routing/router.h"

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
    Lines(Core& core, SiteTable& sites) : core_(core), sites_(sites) {}
    // The router is made after the lines and calls them back.
    void set_router(Router& router) { router_ = &router; }

    // Every recipient of the message that is waiting and due.
    void line_up_due(std::uint32_t message);
    // The domain's bundles move on to its site's line.
    void on_routed(std::uint32_t domain);
    // One recipient out of its bundle: it is over for him, or he waits again. A bundle that has
    // become empty is gone.
    void leave(std::uint32_t message, queue::RecipientEntry& recipient);

    // Of a recipient in a bundle: since that came to its place, an attempt there has failed (of the
    // DNS for its domain, or of its site).
    [[nodiscard]] bool has_failed(const queue::RecipientEntry& recipient) const;
    // The clock has leapt: what failed before counts no more.
    void follow_leap();

    // The site's next bundle for a delivery, with at most `recipients_max` recipients: the others
    // keep their place in line.
    [[nodiscard]] std::uint32_t take(std::uint32_t site, std::size_t recipients_max);
    // Sets aside the bundles at the head of the site's line that are for a suspect mailbox
    // (Site::suspects): once, so that other mail goes first, and again while a delivery to that
    // mailbox is under way. Other recipients of the same message stay in line. Returns whether a
    // bundle is left that may be taken.
    [[nodiscard]] bool make_way(std::uint32_t site);
    // Puts bundles that stand aside back at the end of the line if no delivery to their mailbox is
    // under way: all of a mailbox that is no longer suspected, one of each suspect mailbox.
    void come_back(std::uint32_t site);
    // Of a bundle, in the envelope's order.
    [[nodiscard]] std::vector<std::uint32_t> recipients_of(std::uint32_t bundle) const;
    // A bundle that was taken goes back into its site's line: to its end, or, if nobody has heard
    // of it, to where it was. (A message that makes hosts hang up must not have every turn.)
    // Recipients whose mail goes to another site by now are waiting and due instead.
    enum class Place : std::uint8_t { last, first };
    void put_back(std::uint32_t bundle, Place place = Place::last);
    // Puts a bundle back whose session was broken by other recipients of its message. It gets the
    // next turn the first time, and the last place after that: otherwise a message with many
    // mailboxes at which the host hangs would take every turn.
    void put_back_unharmed(std::uint32_t bundle);
    // Moves all recipients but these (ascending numbers) from a taken bundle to a new one, which
    // counts as taken, too.
    [[nodiscard]] std::uint32_t split_off_others(std::uint32_t bundle,
                                                 std::span<const std::uint32_t> kept);

    // From their next attempt on each of these goes in a bundle of its own: one of them may be what
    // breaks the sessions.
    void part(std::uint32_t message, std::span<const std::uint32_t> numbers);

    // Out of all lines, for routing anew: the recipients are waiting and due now.
    void dissolve_lined_up(std::uint32_t message);
    // Mail for the domain no longer goes to the site in whose line some of it is.
    void note_moved(std::uint32_t domain);
    // A slice of the walk, if there is one.
    void tick();

private:
    [[nodiscard]] std::uint32_t find(std::uint32_t message, queue::Bundle::State state,
                                     std::uint32_t place) const;
    [[nodiscard]] std::uint32_t add(std::uint32_t message, queue::Bundle::State state,
                                    std::uint32_t place, bool is_of_one = false);
    // Adds an empty bundle for recipients that are to be moved out of `whole`: it has the same
    // message, place and history.
    [[nodiscard]] std::uint32_t add_part(std::uint32_t whole, queue::Bundle::State state,
                                         bool is_of_one = false);
    void set_aside(std::uint32_t bundle, std::uint32_t number);
    // Out of the bundle, if mail for that domain does not go to that site any more. If only its
    // route has aged it stays, and the DNS is asked.
    bool leave_if_moved(std::uint32_t message, queue::RecipientEntry& recipient,
                        std::uint32_t site);
    void reroute(std::uint32_t message);
    void file(std::uint32_t bundle);
    void unfile(std::uint32_t bundle);
    [[nodiscard]] std::uint32_t failures_at(queue::Bundle::State state, std::uint32_t place) const;
    void remove(std::uint32_t bundle);
    void leave_line(std::uint32_t bundle);
    // The first `count` of them.
    void move_recipients(std::uint32_t from, std::uint32_t to, std::size_t count);
    void enter(std::uint32_t bundle, queue::RecipientEntry& recipient, std::uint32_t number);
    // Calls `visit` for each of a bundle's recipients in the envelope's order; nobody else's are
    // looked at but those between them. False: enough.
    template <class Visit>
    void for_each_of(std::uint32_t bundle, const Visit& visit) const;

    // Where a bundle waits.
    struct Spot {
        std::uint32_t message = 0;
        std::uint32_t place = 0;
        queue::Bundle::State state = queue::Bundle::State::routing;
        bool operator==(const Spot&) const = default;
    };
    struct SpotHash {
        std::size_t operator()(const Spot& spot) const {
            const auto whole = std::uint64_t{spot.message} << 32 | spot.place;
            return std::hash<std::uint64_t>{}((whole + static_cast<unsigned>(spot.state)) *
                                              0x9e3779b97f4a7c15);
        }
    };

    Core& core_;
    SiteTable& sites_;
    std::unordered_map<Spot, std::uint32_t, SpotHash> filed_;  // of messages with many recipients
    Router* router_ = nullptr;
    std::vector<std::uint32_t> moved_;     // domains, for the next walk
    std::vector<bool> walked_for_;         // of the walk under way, by domain
    std::optional<std::uint32_t> cursor_;  // the next message of it
};

}  // namespace mta::outbound
