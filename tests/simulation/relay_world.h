// A whole relay in an invented world. The queue manager, the client sessions, the MX planner and
// the log (on a disk in memory) are real. The DNS, the network and the servers have moods, days are
// virtual, and the process crashes. Everything random comes from one seed.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mta/outbound/queue_manager.h"
#include "queue/segment_log/log_service.h"
#include "tests/outbound/world.h"
#include "tests/simulation/circuit_watch.h"
#include "tests/simulation/wire_dns.h"
#include "tests/support/fake_disk.h"

namespace simulation {

using namespace std::chrono_literals;
using mta::Instant;
using mta::Millis;
using queue::segment_log::FakeDisk;

// The last order about a recipient. A release takes a hold back.
enum class Order : std::uint8_t { none, hold, release, cancel, bounce };

// What has become of one recipient of one message.
struct Fate {
    std::string domain;
    Instant arrival;
    queue::Requests requests;
    bool is_acknowledged = false;  // a 250 was sent for the message
    Millis off_time_before{};      // how long the relay had been off when the message came
    int delivered = 0;
    Instant last_delivered;
    int in_doubt = 0;
    int lost_in_crash = 0;     // deliveries whose outcome was lost in a crash
    bool is_reported = false;  // the sender has the report, or it was rightly dropped
    Order order = Order::none;
    Instant ordered_at;
    bool was_released_early = false;  // an operator ended the delay that the sender had asked for
    [[nodiscard]] bool is_settled() const {
        return delivered > 0 || is_reported || order == Order::cancel;
    }
};

// How much mail there is.
struct Scale {
    int messages_min = 20;
    int messages_max = 79;
    // The number of further domains, without moods, most of which work. Most of the mail is for
    // them, and half of it comes in the first minutes. If there are none, the mail comes bit by
    // bit, each message for several recipients.
    int plain_domains = 0;
    [[nodiscard]] bool is_large() const { return plain_domains > 0; }
};

class RelayWorld {
public:
    explicit RelayWorld(std::uint64_t seed, Scale scale = {});
    ~RelayWorld() { stop(); }

    // Runs the whole simulation: mail comes for a while, and then the world waits for the rest.
    void run();

private:
    using Key = std::pair<int, int>;  // message, recipient

    // ---- The invented world ----
    void make_servers();
    void make_moody(world::Server& server);
    void make_plain_servers();
    void make_backup_hosts();
    [[nodiscard]] std::string pick_domain();
    world::Server& add_server(const std::string& group, const std::string& address);
    std::optional<std::string> mood(const std::string& command);
    std::optional<std::string> greylist(const std::string& command);
    void flap(const std::string& group, Millis period);
    void flap_dns();
    void make_wire_names();
    void begin_outage();
    [[nodiscard]] static bool has_good_records(const std::string& domain);
    void leap();
    void note_tried(const std::string& name);
    [[nodiscard]] bool was_tried(const Fate& fate) const;
    void come_back();
    void check_back(Millis off_time, std::uint64_t life);
    void on_received(const world::Server& server, const world::Received& received);
    [[nodiscard]] bool is_promised(const Key& key) const;
    void check_requests(const world::Server& server, const world::Received& received,
                        const Fate& fate) const;
    queue::Requests invent_requests();
    void on_connect(const std::string& group);
    void on_command(const world::Server& server, std::size_t connection,
                    const std::string& command);
    void add_sources();
    std::optional<std::string> busy(world::Server& server, const std::string& command);
    std::optional<std::string> strict(const world::Server& server, const std::string& command);
    void count_against(const std::string& what, const std::string& group, mta::Rate rate);

    // ---- Orders ----
    struct After {
        const mta::outbound::RecipientView* view = nullptr;  // null if it has left the queue
        bool is_named = false;                               // the order names it
    };
    void plan_orders();
    [[nodiscard]] queue::MessageId pick_message();
    [[nodiscard]] mta::outbound::RecipientNumbers pick_recipients();
    void order();
    void order_wake(const std::string& domain);
    void release_all();
    void order_about(Order order, queue::MessageId id, const mta::outbound::RecipientNumbers& only);
    bool check_order(Order order, queue::MessageId id, const mta::outbound::RecipientView& was,
                     const After& after);
    void set_order(const Key& key, Order order);
    void check_held() const;
    void check_order_kept(const Key& key, const queue::RecipientState& state);
    void reload();
    [[nodiscard]] std::vector<conf::Site> site_rules() const;
    [[nodiscard]] std::vector<mta::DailyWindow> invent_hours();
    [[nodiscard]] bool is_to_branch(const std::string& domain) const;
    // The largest value of a limit among the settings that may still be in use.
    [[nodiscard]] std::size_t most(
        const std::function<std::size_t(const conf::Settings&)>& limit_of) const;
    [[nodiscard]] bool was_reloaded_lately() const;

    // ---- The relay's process ----
    void start();
    void stop();
    void crash();
    void restart_in_order();
    void check_loaded(const queue::QueuedMessage& message);
    void turn();
    void schedule_log_turn();
    void send(int number);
    std::vector<std::shared_ptr<const queue::Message>> report(
        const mta::outbound::ReportRequest& request);
    void note(const mta::events::Event& event);

    std::uint64_t pick(std::uint64_t n) { return rng_() % n; }
    bool chance(std::uint64_t percent) { return pick(100) < percent; }
    Millis pick_time(Millis most) {
        return Millis{
            static_cast<std::int64_t>(pick(static_cast<std::uint64_t>(most.count()) + 1))};
    }
    void check_notice(const mta::outbound::ReportRequest& request);
    void settle_report(queue::MessageId report);
    void note_reported(const Key& key);

    Scale scale_;
    std::mt19937_64 rng_;
    world::Agenda agenda_;
    conf::Settings settings_;
    Instant start_ = agenda_.now();
    // Former settings of this process, with the time of the reload that ended them.
    std::vector<std::pair<Instant, conf::Settings>> former_;
    std::set<Key> held_;
    std::size_t most_waiting_ = 0;   // the most messages in the queue at once
    std::set<Key> waited_for_away_;  // mail that waited when away.example came back
    Instant last_order_;
    Instant named_until_;  // until then, mail that an operator named may go outside its hours

    world::FakeResolver resolver_{agenda_};
    WireNames names_;
    std::uint64_t names_seed_;
    std::unique_ptr<WireDns> dns_;  // of the present process; asks names_, and resolver_ for others
    world::FakeConnector connector_{agenda_};
    CircuitWatch circuits_{connector_};
    std::map<std::string, int> grey_tries_;
    // What a connection has carried so far.
    struct Talk {
        std::size_t messages = 0;
        std::size_t recipients = 0;  // of the last message
    };
    // By server and number of the connection.
    std::map<std::pair<const world::Server*, std::size_t>, Talk> talks_;
    // The times of the last connections or transactions that a rate limits, by rate and group.
    std::map<std::string, std::deque<Instant>> recent_;
    std::set<std::string> down_;  // groups that are down in the relay's view

    std::unique_ptr<FakeDisk> disk_;
    std::unique_ptr<queue::segment_log::LogService> service_;
    std::unique_ptr<queue::Store> store_;
    std::unique_ptr<mta::outbound::QueueManager> manager_;
    bool has_rates_ = false;
    bool has_hours_ = false;  // true if a route had hours at some time
    // When the last process began or the clock last leapt.
    Instant nothing_tried_before_;
    // When each domain was last looked up or connected to.
    std::map<std::string, Instant> tried_;
    mta::outbound::Hints hints_;  // of the last process
    std::uint64_t life_ = 0;      // the number of processes so far
    bool is_tick_requested_ = false;
    bool is_log_turn_planned_ = false;
    bool is_loaded_ = false;
    Millis off_time_{};

    std::map<Key, Fate> fates_;
    std::map<queue::MessageId, int> number_of_;  // the simulation's number of each message
    std::map<queue::MessageId, std::vector<Key>> reported_by_;
    std::set<Key> loaded_;
    std::set<queue::MessageId> loaded_reports_;
    Instant last_probe_;
    struct Notice {
        std::uint64_t life = 0;
        Instant when;
    };
    std::map<std::string, Notice> last_notice_;  // the last delay notice to each sender
    Instant crashed_at_;
};

}  // namespace simulation
