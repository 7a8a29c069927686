// An invented world around a queue manager: time, DNS, network, SMTP servers and a store in memory.
// Everything happens in virtual time, one thing after the other, in a fixed order.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conf/settings.h"
#include "dns/resolver.h"
#include "mta/base/time.h"
#include "mta/outbound/queue_manager.h"
#include "tests/outbound/agenda.h"
#include "tests/outbound/event_recorder.h"
#include "tests/outbound/fake_connector.h"
#include "tests/outbound/fake_resolver.h"
#include "tests/outbound/fake_store.h"
#include "tests/outbound/smtp_host.h"
#include "tests/support/operator_orders.h"

namespace world {

// A message that a test sends.
struct Mail {
    std::string from = "ann@office.example";
    std::vector<std::string> to = {"bob@them.example"};
    std::string body = "Subject: hello\r\n\r\nhello\r\n";
    std::uint8_t notify = queue::notify_unspecified;
    bool is_large = false;  // the body is in the store only
    std::string added_header = {};
    queue::Requests requests = {};
};

// A queue manager in its world. `settings` may be changed before the first use of manager().
class World {
public:
    World();
    ~World();

    conf::Settings settings;
    Agenda agenda;
    FakeStore store{agenda};
    FakeResolver resolver{agenda};
    std::unique_ptr<dns::Resolver> other_resolver;  // instead of it
    FakeConnector connector{agenda};
    EventRecorder events;
    struct Reported {
        mta::outbound::ReportKind kind;
        std::vector<mta::outbound::RecipientOutcome> outcomes;
        std::string head;
        queue::MessageId original;
        Instant when;
        Instant give_up_at;
        std::vector<queue::MessageId> also = {};
        std::size_t also_unlisted = 0;
    };
    std::vector<Reported> reports;
    mta::UtcOffsetAt utc_offset_at;

    mta::outbound::QueueManager& manager();
    mta::outbound::OperatorDesk& desk();
    // As `posthouse flush [DOMAIN]`.
    std::size_t flush(const std::string& domain = {});
    // Those that have mail, connections or trouble; with this name, if one is given.
    std::vector<mta::outbound::DestinationView> destinations(const std::string& name = {});
    void restart();

    // A domain with one MX host at one address, and the server there.
    Server& serve(const std::string& domain, const std::string& address = "192.0.2.1");
    Server& server(const std::string& address, std::uint16_t port = 25);

    std::shared_ptr<const queue::Message> message(const Mail& mail = {});
    // As the daemon does it: to the store and to the queue manager at the same time.
    queue::MessageId send(const Mail& mail = {});

    // Everything up to and at that time.
    void run_until(Instant end);
    void run_for(Millis duration);

    // The events of this type whose subject (SubjectOf) begins so.
    template <class Type>
    [[nodiscard]] std::size_t count(std::string_view subject = {}) const {
        return events.count<Type>(subject);
    }
    template <class Type>
    [[nodiscard]] bool has(std::string_view subject = {}) const {
        return count<Type>(subject) > 0;
    }
    [[nodiscard]] Millis age(Instant when) const;

    const Instant start = agenda.now();

private:
    void settle_turn();

    std::vector<std::shared_ptr<const queue::Message>> report(
        const mta::outbound::ReportRequest& request);

    bool is_tick_requested_ = false;
    std::unique_ptr<mta::outbound::QueueManager> manager_;
};

}  // namespace world
