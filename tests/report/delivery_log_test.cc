#include "mta/report/delivery_log.h"

#include <gtest/gtest.h>

namespace mta::report {
namespace {

using namespace std::chrono_literals;

const Instant noon = from_unix_ms(1'795'003'200'000);
const DeliveryError greylisted = {.status = {4, 7, 1},
                                  .scope = Scope::recipient,
                                  .reply_code = 450,
                                  .text = "4.7.1 greylisted\ntry in 300 s",
                                  .remote = "mx1.them.example [192.0.2.1]:25"};
const DeliveryError refused = {.status = {4, 4, 1},
                               .scope = Scope::host,
                               .reply_code = 0,
                               .text = "connection refused",
                               .remote = ""};
const outbound::RecipientRef bob = {.id = 63,
                                    .recipient = 0,
                                    .address = "bob@them.example",
                                    .domain = "them.example",
                                    .destination = "them.example"};
const outbound::RecipientRef third = {.id = 63,
                                      .recipient = 2,
                                      .address = "",
                                      .domain = "them.example",
                                      .destination = "them.example"};

struct Row {
    outbound::DeliveryEvent event;
    Level level;
    std::string_view line;
};

TEST(DeliveryLog, says_each_event_on_one_line_under_one_id) {
    const queue::StoreError corrupt{.kind = queue::StoreError::Kind::corrupt, .text = "bad CRC"};
    const Row rows[] = {
        {outbound::AttemptStarted{.id = 63, .destination = "them.example", .recipients = 2},
         Level::debug, "attempt id=00001z destination=them.example recipients=2"},
        {outbound::Delivered{.recipient = bob,
                             .remote = "mx1.them.example [192.0.2.1]:25",
                             .reply_code = 250,
                             .reply = "2.0.0 ok",
                             .attempts = 3,
                             .age = 3h + 4min},
         Level::info,
         "delivered id=00001z to=bob@them.example host=mx1.them.example[192.0.2.1]:25 code=250 "
         "text=\"2.0.0 ok\" attempt=3 delay=3h4m"},
        {outbound::Deferred{
             .recipient = third, .error = greylisted, .attempts = 1, .next_due = noon},
         Level::info,
         "deferred id=00001z recipient=2 domain=them.example host=mx1.them.example[192.0.2.1]:25 "
         "code=450 status=4.7.1 text=\"4.7.1 greylisted / try in 300 s\" attempt=1 "
         "next=2026-11-18T12:00:00.000Z"},
        {outbound::Postponed{
             .id = 63, .destination = "them.example", .error = refused, .next_due = {}},
         Level::info,
         "postponed id=00001z destination=them.example status=4.4.1 text=\"connection refused\""},
        {outbound::Failed{.recipient = bob, .error = greylisted}, Level::warning,
         "bounced id=00001z to=bob@them.example host=mx1.them.example[192.0.2.1]:25 code=450 "
         "status=4.7.1 text=\"4.7.1 greylisted / try in 300 s\""},
        {outbound::Expired{.recipient = bob, .last_error = refused}, Level::warning,
         "expired id=00001z to=bob@them.example status=4.4.1 text=\"connection refused\""},
        {outbound::InDoubt{.recipient = bob, .error = refused, .next_due = noon}, Level::warning,
         "in_doubt id=00001z to=bob@them.example status=4.4.1 text=\"connection refused\" "
         "next=2026-11-18T12:00:00.000Z"},
        {outbound::ReportQueued{.id = 63,
                                .report = 64,
                                .kind = outbound::ReportKind::delay,
                                .to = "ann@office.example"},
         Level::info, "report_queued id=00001z report=000020 kind=delay to=ann@office.example"},
        {outbound::ReportDropped{.recipient = bob,
                                 .reason = outbound::ReportDropped::Reason::null_sender},
         Level::warning, "report_dropped id=00001z to=bob@them.example reason=null_sender"},
        {outbound::ReportDropped{.recipient = bob,
                                 .reason = outbound::ReportDropped::Reason::not_wanted},
         Level::info, "report_dropped id=00001z to=bob@them.example reason=not_wanted"},
        {outbound::Completed{.id = 63, .age = 2s}, Level::info, "completed id=00001z delay=2s"},
        {outbound::Cancelled{.id = 63, .recipients = 2}, Level::warning,
         "cancelled id=00001z recipients=2"},
        {outbound::DestinationDown{
             .destination = "them.example", .error = refused, .next_probe = noon, .waiting = 7},
         Level::warning,
         "destination_down destination=them.example status=4.4.1 text=\"connection refused\" "
         "next=2026-11-18T12:00:00.000Z waiting=7"},
        {outbound::DestinationUp{.destination = "them.example", .down_for = 90s, .waiting = 7},
         Level::info, "destination_up destination=them.example down_for=1m30s waiting=7"},
        {outbound::Unreadable{.id = 63, .error = corrupt}, Level::error,
         "unreadable id=00001z text=\"bad CRC\""},
    };
    for (const auto& row : rows) {
        const auto entry = log_entry(row.event);
        EXPECT_EQ(entry.line.text(), row.line);
        EXPECT_EQ(entry.level, row.level) << row.line;
    }
}

TEST(DeliveryLog, a_remote_host_cannot_forge_a_line) {
    auto error = greylisted;
    error.text = "no\r\ndelivered id=00001z\x1b[2J";
    error.remote = "mx\nevil";
    EXPECT_EQ(log_entry(outbound::Failed{.recipient = bob, .error = error}).line.text(),
              "bounced id=00001z to=bob@them.example host=\"mx\\x0aevil\" code=450 status=4.7.1 "
              "text=\"no / delivered id=00001z\\x1b[2J\"");
}

TEST(DeliveryLog, begins_with_who_handed_the_message_in) {
    queue::Message message;
    message.id = 63;
    message.facts.size = 4711;
    message.message_id = "<a@b>";
    message.envelope.recipients.resize(2);
    EXPECT_EQ(received_entry(message, "pc.lan [192.168.0.7]").line.text(),
              "received id=00001z from=<> client=pc.lan[192.168.0.7] size=4711 recipients=2 "
              "message_id=<a@b>");
    message.envelope.reverse_path = "ann@office.example";
    message.envelope.recipients = {
        {.address = "bob@them.example", .domain = "them.example", .notify = 0, .orcpt = {}}};
    message.message_id.clear();
    EXPECT_EQ(
        received_entry(message, "").line.text(),
        "received id=00001z from=ann@office.example to=bob@them.example size=4711 recipients=1");
    message.envelope.requests = {
        .priority = -3,
        .release = from_unix_ms(1'795'003'200'000),
        .deliver_by = {ByMode::give_back, false, from_unix_ms(1'795'003'201'000)}};
    EXPECT_TRUE(received_entry(message, "")
                    .line.text()
                    .ends_with(" recipients=1 priority=-3 release=2026-11-18T12:00:00.000Z "
                               "deliver_by=2026-11-18T12:00:01.000Z or=return"));
}

}  // namespace
}  // namespace mta::report
