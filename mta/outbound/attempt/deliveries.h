#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dns/resolver.h"
#include "mta/base/handle_timers.h"
#include "mta/base/pending.h"
#include "mta/outbound/attempt/connection_pool.h"
#include "mta/outbound/context.h"
#include "mta/outbound/desk/attempt_history.h"
#include "mta/outbound/destination/address_health.h"
#include "mta/outbound/destination/host_keywords.h"
#include "mta/outbound/destination/host_limits.h"
#include "mta/outbound/destination/site.h"
#include "mta/outbound/lifecycle/ledger.h"
#include "mta/outbound/lifecycle/lines.h"
#include "mta/outbound/lifecycle/message_copies.h"
#include "mta/outbound/routing/source_table.h"
#include "queue/bundle.h"
#include "queue/scheduler.h"

namespace mta::outbound {

// Carries bundles to their sites: each delivery is one attempt.
//
//   reading -> [on a kept connection] -----------------------------> transaction -> settled
//           -> host after host, address after address: connecting -> transaction -> settled
//
// Which failure goes on to the next host within the attempt, and what is charged when no host is
// left, is decided here and nowhere else (what a reply means: smtp/reply_policy.h):
//
//   5xx for a recipient or the message         final: no other host is asked (RFC 5321 section 5.1)
//   4xx for a recipient (RCPT)                 this attempt's answer, charged: another MX would ask
//                                              the same mailbox, or greylist a second time
//   "too many recipients" (452, 552), when     nothing is charged: they go in the next
//   some have been taken                       transaction, at once
//   4xx for the message (MAIL, DATA, body)     the next host; charged if none takes it
//   host level (connect, greeting, EHLO)       the next address or host; nothing is charged to the
//                                              message: address and destination pay with their
//                                              health
//   the session breaks after EHLO (421, close, the host is up. The next host; charged if none takes
//   timeout, nonsense) at MAIL, RCPT or DATA   it. Recipients whose RCPT had no answer yet go one
//   by
//                                              one from then on: one of them may be the reason
//   the same when one RCPT of several had no   that recipient is charged, the others go at once
//   answer yet
//   the same after the final dot               in doubt, charged: another host now could duplicate
//   "too many connections"                     no failure: it waits for room at the host, or goes
//                                              to the next one
//   "your IPv6 address has no name" (PTR)      an IPv4 address of the destination, if it has any;
//                                              else as the reply says
//   "your address is blocked", and the site's  no failure: the source is suspended for the site,
//   pool of [[source]]s has another            the bundle goes back into the line
//   DNS of a host, for now                     the next host; then as host level
//   DNS, for good (no such host at all)        a failure of the message, by MX; of a static route's
//                                              hosts: the operator's mistake, as host level
//   a kept connection that was gone            nothing happened: a new connection, once
//   PIPELINING or CHUNKING that may not work   nothing is charged unless it is in doubt: a new
//                                              connection without it (HostKeywords)
//   the host lacks a keyword that the message  the next host; then charged. 5.6.x if the message
//   needs (8BITMIME, SMTPUTF8, BINARYMIME)     has met this before and the destination has lacked
//                                              it for an hour (MissingKeywords)
//
// An attempt tries at most delivery.addresses_per_attempt_max addresses and 2 sessions, of those in
// which EHLO was answered. Addresses that are unwell are passed over; if there is no other, the
// least bad one is tried, and the probe of a destination that is down tries them, too. What an
// attempt asked in vain the next one passes over until all have been asked (AskedAddresses). An
// ordered probe asks all hosts and addresses.
//
// What an attempt has heard in the end (Heard) decides what the destination learns from it:
//
//   nothing      no EHLO was answered: a failure (Health), if any host was asked
//   broken       a session broke after EHLO: it is up, and loses pace if that happens with the mail
//                of several senders in a row (queue::Pace)
//   refusal      a host answered about the message, and left it to others or to another time
//   settled      a host took or refused it, or a recipient: it works, and a new round of its
//                addresses begins
//
// When the host that is next has all the connections that it may have, the delivery waits in the
// host's line: one of each site, the others of the site wait for that one. Who has an answer
// already does not wait: it is charged.
class Deliveries {
public:
    struct Parts {
        dns::Resolver& resolver;
        queue::Scheduler& scheduler;
        queue::BundleSlab& bundles;
        const SourceTable& sources;
        SiteTable& sites;
        AddressHealth& addresses;
        Lines& lines;
        Ledger& ledger;
        MessageCopies& copies;
        AttemptHistory& history;
        ConnectionPool::World connections;
    };
    Deliveries(Context& context, Parts parts);

    // While others wait for its place a first attempt has so long for its answer (SiteTable): to
    // EHLO, and then to each command,
    static constexpr Millis patience{5'000};
    // and a probe so long.
    static constexpr Millis probe_patience{30'000};
    // One of four probes in a row, and one that was ordered, has so long (SiteTable).
    static constexpr Millis long_probe_patience{120'000};

    [[nodiscard]] ConnectionPool& pool() { return pool_; }
    [[nodiscard]] const ConnectionPool& pool() const { return pool_; }
    // Connections that are open or are going to be.
    [[nodiscard]] std::uint32_t connections() const { return pool_.total() + unconnected_; }
    // From this many open connections on, the rest (the last quarter) is reserved: see
    // connections_max_for().
    [[nodiscard]] std::uint32_t crowded_from() const;
    // The site may open another connection while fewer than this are open. It is
    // delivery.connections for a site that has no connection, or has all that are open, and
    // crowded_from() for every other site.
    [[nodiscard]] std::uint32_t connections_max_for(queue::SiteHandle site) const;
    [[nodiscard]] std::size_t count() const { return all_.size(); }

    // Of a bundle that is being delivered.
    struct Progress {
        std::string remote;               // whom we speak to; empty: on the way to it
        std::optional<Instant> deadline;  // until then the host must say something
        // The name servers have been asked for the addresses of `remote` since then.
        std::optional<Instant> looks_up_since;
    };
    [[nodiscard]] Progress progress_of(queue::BundleHandle bundle) const;
    // The delivery of the site that has asked the name servers longest, while any does.
    [[nodiscard]] std::optional<Instant> looks_up_since(queue::SiteHandle site) const;

    // Begins with the site's next bundle. Only if its destination may_start(), and a connection is
    // idle or may be opened.
    void start(queue::SiteHandle site);
    // The message is no longer ours: a transaction that cannot have been taken yet is broken off,
    // of the others the outcome is ignored. Its recipients are in no bundle afterwards.
    void forget(queue::MessageHandle message);
    // Breaks off, uncharged, what is not in a transaction; the rest goes on to its end.
    void drain();
    // Ends all connections: what is past its final dot is in doubt. Only after drain().
    void cut();
    // An order: if the site waits for a host that is closed, it is asked now; a probe that is under
    // way asks all hosts.
    void probe_now(queue::SiteHandle site);
    // What waits of the message for room at a host is in its site's line again, so that an order
    // can have it.
    void put_back_waiting(queue::MessageHandle message);
    // After the settings were replaced.
    void apply_settings();
    void tick();
    [[nodiscard]] std::optional<Instant> next_wakeup() const;

    // The bundle of the site's delivery that waits for room at a host, and until when that is
    // closed (Instant{}: until a connection ends).
    struct Waiting {
        queue::BundleHandle bundle;
        Instant until;
        std::string host;  // "mx.them.example:25",
        std::uint32_t connections = 0;
        std::uint32_t limit = 0;  // of those that it may have
    };
    [[nodiscard]] std::optional<Waiting> waiting_for_host(queue::SiteHandle site) const;
    // For tests: whoever waits for a host will be called. Empty: yes; else what is wrong.
    [[nodiscard]] std::string check() const;

private:
    using How = queue::Destination::Ended::How;
    static constexpr std::uint32_t sessions_max = 2;  // of an attempt
    static constexpr Millis look_up_check_interval{5'000};
    // A look-up that lasts longer holds no connection: the name servers may be silent.
    static constexpr Millis long_look_up{1'000};
    // What a delivery has taken from the rates counts where it is used: later than this it is taken
    // again.
    static constexpr Millis rates_kept_for{1'000};
    static constexpr Millis room_wait{1'000};  // of a look-up that is one too many

    enum class Purpose : std::uint8_t { mail, probe, ordered_probe };
    // In order: what was heard last of these counts.
    enum class Heard : std::uint8_t { nothing, broken, refusal, settled };
    // Which addresses are next: those that were not asked in vain lately, then the others. In
    // neither one that this attempt has asked.
    enum class Pass : std::uint8_t { others, all };

    struct Delivery {
        queue::MessageId id = 0;
        std::size_t index = 0;       // in all_
        queue::BundleHandle bundle;  // nothing: forgotten
        queue::SiteHandle site;
        queue::MessageHandle message;
        queue::SenderGroup sender;  // its group
        std::uint64_t number = 0;   // unique among the deliveries of this process
        std::shared_ptr<const queue::Message> content;
        std::vector<std::uint32_t> recipients;  // still to be served in this attempt
        // Message-level errors of those, beside them; empty ones: none.
        std::vector<std::optional<DeliveryError>> refusals;
        queue::Destination::Mark at_start;
        std::optional<DeliveryError> host_error;  // the most telling one
        Purpose purpose = Purpose::mail;
        Heard heard = Heard::nothing;
        bool is_retried = false;
        bool holds_connection = true;                    // counts among the site's busy ones
        bool was_offered = false;                        // some host was told of it
        bool is_unreadable = false;                      // the store could not give it
        std::optional<std::uint32_t> broken_at_mailbox;  // queue::BrokenAt
        // The way from host to host.
        bool is_planned = false;
        std::vector<conf::NextHopHost> hosts;
        std::vector<std::uint16_t> ranks;  // of those: equal preference, equal rank
        std::size_t next_host = 0;
        std::vector<Endpoint> addresses;
        std::size_t next_address = 0;
        std::string host;
        HostLimits::HostPtr limit;       // of that host
        HostLimits::HostPtr full;        // the first one that had no room,
        std::size_t full_host = 0;       // and its place in hosts
        HostLimits::HostPtr waiting_at;  // in its line
        HostLimits::HostPtr called_to;   // from the line: a place is kept
        struct PassedOver {
            conf::NextHopHost host;
            Endpoint endpoint;
            Instant next_try;
        };
        std::optional<PassedOver> least_bad;  // of the unwell addresses that were passed over
        std::vector<Endpoint> asked;
        std::size_t asked_before = 0;  // of those: in the round before the site's present one
        bool takes_unwell = false;
        Pass pass = Pass::others;
        bool has_passed_over = false;          // some that were asked in vain lately
        bool only_v4 = false;                  // our IPv6 address was refused for want of a name
        bool has_asked_all = false;            // of its hosts: none is left
        bool is_paused = false;                // until the site's rates allow it
        bool is_looking_up = false;            // the addresses of `host`
        bool has_given_up_connection = false;  // in a long look-up; counted nowhere
        Instant looks_up_since;
        std::uint32_t addresses_tried = 0;
        std::uint32_t sessions = 0;
        std::uint32_t fresh_starts = 0;
        ConnectionHandle connection;
        // What it has taken from the site's rates and not used yet.
        queue::Destination::Taken taken;
        Instant taken_at;
        bool may_send = true;
        bool may_connect = false;
        bool is_unconnected = false;      // counted as such
        std::optional<TrialPlace> trial;  // its connection is one

        [[nodiscard]] bool is_probe() const { return purpose != Purpose::mail; }
    };
    using DeliveryPtr = std::shared_ptr<Delivery>;
    // What a connection is busy with.
    struct Work {
        DeliveryPtr reserved;             // reads its message, and will have the connection then
        DeliveryPtr opening;              // waits for it to be ready
        DeliveryPtr leaving;              // waits for its end, to go on elsewhere
        std::vector<DeliveryPtr> active;  // in the order of their transactions
    };

    [[nodiscard]] DeliveryPtr make(queue::SiteHandle site);
    void hold_suspects(const Delivery& delivery);
    [[nodiscard]] std::uint32_t mailbox_of(const Delivery& delivery, std::uint32_t recipient) const;
    void read(const DeliveryPtr& delivery);
    void on_read(const DeliveryPtr& delivery, const MessageCopies::ReadResult& read);
    void connect(const DeliveryPtr& delivery);
    void set_unconnected(Delivery& delivery, bool is_unconnected);
    void begin_trial(const DeliveryPtr& delivery);
    void begin_trial_afresh(const DeliveryPtr& delivery);
    void send_trial(ConnectionHandle connection);
    void end_trial(Delivery& delivery);
    struct Trial {
        Instant begun;
        std::weak_ptr<Delivery> delivery;
        Millis patience;  // while others wait for its place
    };
    struct BreakOff {
        std::size_t trial = 0;  // its index
        Instant at;
    };
    [[nodiscard]] static bool is_over(const Trial& trial);
    [[nodiscard]] Instant silent_since(const Trial& trial, const Delivery& delivery) const;
    [[nodiscard]] std::optional<BreakOff> next_break_off() const;
    void break_trials_off();
    [[nodiscard]] bool may_break_off(const Delivery& delivery) const;
    void break_off(const DeliveryPtr& delivery, Millis time);

    void walk(const DeliveryPtr& delivery);
    [[nodiscard]] Result<std::vector<conf::NextHopHost>> plan_hosts(const Delivery& delivery);
    void advance(const DeliveryPtr& delivery);
    [[nodiscard]] static dns::Freshness freshness_for(const Delivery& delivery);
    void look_up(const DeliveryPtr& delivery, const conf::NextHopHost& host);
    // Long look-ups.
    [[nodiscard]] bool has_expired(const Delivery& delivery) const;
    void check_look_ups_at(Instant when);
    void check_look_ups();
    void give_connection_up(const DeliveryPtr& delivery);
    void give_rates_back(Delivery& delivery);
    [[nodiscard]] bool is_place_left(queue::SiteHandle site) const;
    [[nodiscard]] bool take_place_again(const DeliveryPtr& delivery);
    void end_long_look_up(Delivery& delivery);
    void note_addresses(Delivery& delivery, std::uint16_t port,
                        const dns::Lookup<dns::AddressAnswer>& answer);
    [[nodiscard]] static queue::Destination::Needs needs_of(const Delivery& delivery);
    [[nodiscard]] bool is_pause_too_long(const Delivery& delivery);
    [[nodiscard]] bool take_from_rates(const DeliveryPtr& delivery);
    void put_in_order(const Delivery& delivery, std::vector<Endpoint>& endpoints) const;
    [[nodiscard]] bool can_reach(Delivery& delivery, const IpAddress& address) const;
    [[nodiscard]] bool is_passed_over(Delivery& delivery, const Endpoint& endpoint) const;
    [[nodiscard]] bool go_to_next_address(Delivery& delivery);
    [[nodiscard]] bool begin_last_pass(Delivery& delivery);
    [[nodiscard]] bool has_next_host(const Delivery& delivery) const;
    static void go_back_to_full_host(Delivery& delivery);
    [[nodiscard]] bool turn_to_least_bad(Delivery& delivery);
    [[nodiscard]] HostLimits::HostPtr limit_of(const Delivery& delivery,
                                               const conf::NextHopHost& host);
    void open(const DeliveryPtr& delivery, const Endpoint& endpoint);

    // The lines of hosts.
    void wait_for_host(const DeliveryPtr& delivery);
    void leave_host_line(Delivery& delivery);
    void give_place_up(Delivery& delivery);
    void serve_line_of(const HostLimits::HostPtr& host);
    [[nodiscard]] DeliveryPtr take_waiting(queue::SiteHandle site);
    [[nodiscard]] bool take_over(const DeliveryPtr& delivery);
    [[nodiscard]] std::vector<queue::SiteHandle> sites_waiting_with(
        queue::MessageHandle message) const;
    void watch_expiry(const Delivery& delivery);
    void put_back_expired();

    // Sources. True: it is suspended, another one takes over.
    [[nodiscard]] bool suspend_source(ConnectionHandle connection, const DeliveryError& error);
    void put_back(const DeliveryPtr& delivery, How how);
    [[nodiscard]] static Lines::Place place_of(const Delivery& delivery);

    void on_connection_event(ConnectionHandle connection, ConnectionPool::Event& event);
    void on_ready(ConnectionHandle connection);
    void on_room(ConnectionHandle connection);
    void on_silent(ConnectionHandle connection);
    void on_transaction_end(ConnectionHandle connection, const TransactionEnd& ended);
    void on_end(ConnectionHandle connection, const ConnectionEnded& ended);
    void fit_to_limits(Delivery& delivery, const smtp::Capabilities& capabilities);
    void on_refused(const DeliveryPtr& delivery, ConnectionHandle connection,
                    const DeliveryError& error, bool is_of_source);
    void transact(const DeliveryPtr& delivery, ConnectionHandle connection);
    void start_afresh(const DeliveryPtr& delivery, ConnectionHandle connection);
    // By some host, in this attempt; one that lacks a keyword does that without a session.
    [[nodiscard]] static bool has_been_answered(const Delivery& delivery) {
        return delivery.sessions > 0 || delivery.heard > Heard::nothing;
    }
    void go_on_after(const DeliveryPtr& delivery, ConnectionHandle connection);
    [[nodiscard]] bool is_to_be_tried_without(const Delivery& delivery,
                                              const smtp::ClientSession::TransactionEnded& outcome,
                                              ConnectionHandle connection);
    [[nodiscard]] bool note_answers(Delivery& delivery,
                                    const smtp::ClientSession::TransactionEnded& outcome,
                                    ConnectionHandle connection);
    [[nodiscard]] static Heard heard_of(const DeliveryError& error, bool is_broken_off);
    void acquit(const Delivery& delivery, const smtp::ClientSession::TransactionEnded& outcome);
    void part(const Delivery& delivery, const smtp::ClientSession::TransactionEnded& outcome);
    // The answers to a transaction: final ones are settled, the rest goes on to the next host, if
    // there is one.
    struct Sorted {
        std::vector<Outcome> settled;
        std::vector<std::uint32_t> left;
        std::vector<std::optional<DeliveryError>> refusals;  // of those that are left
        // To be tried again at once, in another transaction. Recipients that the host had accepted
        // before another one broke the session get a transaction of their own.
        std::vector<std::uint32_t> accepted;
        std::vector<std::uint32_t> again;
    };
    [[nodiscard]] Sorted sort_answers(Delivery& delivery,
                                      const smtp::ClientSession::TransactionEnded& outcome,
                                      const DeliveryError& taken, ConnectionHandle connection);
    // A refusal of our IPv6 address for want of a name. False: it was another one.
    [[nodiscard]] bool turn_to_v4(Delivery& delivery, ConnectionHandle connection);
    void go_again(const DeliveryPtr& delivery, const Sorted& sorted, bool are_unharmed);
    void judge(const DeliveryPtr& delivery, const smtp::ClientSession::TransactionEnded& outcome,
               ConnectionHandle connection);

    void note_host_failure(Delivery& delivery, const DeliveryError& error);
    // Of an attempt that fails only if it `has_failed` to speak to any host.
    [[nodiscard]] static How how_of(const Delivery& delivery, bool has_failed = false);
    void note_asked(const Delivery& delivery, How how);
    [[nodiscard]] bool is_lacking_for_good(const Delivery& delivery, std::size_t i);
    void settle(Delivery& delivery, std::span<const Outcome> outcomes);
    void settle_all(const DeliveryPtr& delivery, std::span<const Outcome> outcomes, How how);
    void give_up(const DeliveryPtr& delivery);
    void end_unreadable(const DeliveryPtr& delivery, const queue::StoreError& error);
    void end(const DeliveryPtr& delivery, How how);
    void remove(Delivery& delivery);
    [[nodiscard]] Work& work_of(ConnectionHandle connection);

    Context& context_;
    Parts parts_;
    ConnectionPool pool_;
    std::vector<DeliveryPtr> all_;
    std::uint64_t last_number_ = 0;
    std::vector<Work> work_;  // by connection
    std::uint32_t unconnected_ = 0;
    std::deque<Trial> trials_;  // as they began; some of them are over
    HostLimits hosts_;
    HostKeywords keywords_;
    std::unordered_map<queue::SiteHandle, std::weak_ptr<Delivery>> waiting_for_host_;  // by site
    HandleTimers<queue::SiteHandle> expiries_;          // of those, by site
    std::vector<HostLimits::HostPtr> hosts_with_room_;  // perhaps; the next tick looks
    // On their way from host to host: until the site's rates allow the next connection, or a host
    // is no longer closed.
    std::multimap<Instant, std::weak_ptr<Delivery>> paused_;
    std::optional<Instant> look_up_check_;  // set while hosts are being looked up
    Pending look_ups_;
};

}  // namespace mta::outbound
