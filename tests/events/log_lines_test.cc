#include "mta/events/log_lines.h"

#include <memory>
#include <span>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace mta::events {
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
const RecipientRef bob = {.id = 63,
                          .recipient = 0,
                          .address = "bob@them.example",
                          .domain = "them.example",
                          .destination = "them.example"};
const RecipientRef third = {.id = 63,
                            .recipient = 2,
                            .address = "",
                            .domain = "them.example",
                            .destination = "them.example"};

struct Row {
    Event event;
    Level level;
    std::string_view line;
};

void expect_lines(std::span<const Row> rows) {
    for (const auto& row : rows) {
        EXPECT_EQ(line_of(row.event).text(), row.line);
        EXPECT_EQ(level_of(row.event), row.level) << row.line;
    }
}

TEST(LogLines, says_each_event_on_one_line_under_one_id) {
    const Row rows[] = {
        {AttemptStarted{.id = 63, .destination = "them.example", .recipients = 2}, Level::debug,
         "attempt id=00001z destination=them.example recipients=2"},
        {Delivered{.recipient = bob,
                   .remote = "mx1.them.example [192.0.2.1]:25",
                   .reply_code = 250,
                   .reply = "2.0.0 ok",
                   .attempts = 3,
                   .age = 3h + 4min},
         Level::info,
         "delivered id=00001z to=bob@them.example host=mx1.them.example[192.0.2.1]:25 code=250 "
         "text=\"2.0.0 ok\" attempt=3 delay=3h4m"},
        {Deferred{.recipient = third, .error = greylisted, .attempts = 1, .next_due = noon},
         Level::info,
         "deferred id=00001z recipient=2 domain=them.example host=mx1.them.example[192.0.2.1]:25 "
         "code=450 status=4.7.1 text=\"4.7.1 greylisted / try in 300 s\" attempt=1 "
         "next=2026-11-18T12:00:00.000Z"},
        {Postponed{.id = 63, .destination = "them.example", .error = refused, .next_due = {}},
         Level::info,
         "postponed id=00001z destination=them.example status=4.4.1 text=\"connection refused\""},
        {Failed{.recipient = bob, .error = greylisted}, Level::warning,
         "bounced id=00001z to=bob@them.example host=mx1.them.example[192.0.2.1]:25 code=450 "
         "status=4.7.1 text=\"4.7.1 greylisted / try in 300 s\""},
        {Expired{.recipient = bob, .last_error = refused}, Level::warning,
         "expired id=00001z to=bob@them.example status=4.4.1 text=\"connection refused\""},
        {InDoubt{.recipient = bob, .error = refused, .next_due = noon}, Level::warning,
         "in_doubt id=00001z to=bob@them.example status=4.4.1 text=\"connection refused\" "
         "next=2026-11-18T12:00:00.000Z"},
        {ReportQueued{
             .id = 63, .report = 64, .kind = ReportKind::delay, .to = "ann@office.example"},
         Level::info, "report_queued id=00001z report=000020 kind=delay to=ann@office.example"},
        {ReportDropped{.recipient = bob, .reason = ReportDropped::Reason::null_sender},
         Level::warning, "report_dropped id=00001z to=bob@them.example reason=null_sender"},
        {ReportDropped{.recipient = bob, .reason = ReportDropped::Reason::not_wanted}, Level::info,
         "report_dropped id=00001z to=bob@them.example reason=not_wanted"},
        {Completed{.id = 63, .age = 2s}, Level::info, "completed id=00001z delay=2s"},
        {Cancelled{.id = 63, .recipients = 2}, Level::warning, "cancelled id=00001z recipients=2"},
        {DestinationDown{
             .destination = "them.example", .error = refused, .next_probe = noon, .waiting = 7},
         Level::warning,
         "destination_down destination=them.example status=4.4.1 text=\"connection refused\" "
         "next=2026-11-18T12:00:00.000Z waiting=7"},
        {DestinationUp{.destination = "them.example", .down_for = 90s, .waiting = 7}, Level::info,
         "destination_up destination=them.example down_for=1m30s waiting=7"},
        {Unreadable{.id = 63, .reason = "bad CRC"}, Level::error,
         "unreadable id=00001z text=\"bad CRC\""},
        {SourceSuspended{
             .destination = "them.example", .source = "second", .error = refused, .until = noon},
         Level::warning,
         "source_suspended destination=them.example source=second status=4.4.1 "
         "text=\"connection refused\" until=2026-11-18T12:00:00.000Z"},
        {HostFailed{.id = 63, .destination = "them.example", .error = refused}, Level::debug,
         "host_failed id=00001z destination=them.example status=4.4.1 "
         "text=\"connection refused\""},
    };
    expect_lines(rows);
}

const SessionRef seventh = {7, *IpAddress::parse("192.0.2.7")};

TEST(LogLines, what_a_client_does_is_under_its_session_and_address) {
    const Row rows[] = {
        {SessionBegan{seventh}, Level::debug, "connected session=7 client=192.0.2.7"},
        {NotAccepted{seventh, "ann@office.example", "disk full"}, Level::warning,
         "not_accepted session=7 client=192.0.2.7 from=ann@office.example reason=\"disk full\""},
        {NotStored{seventh, 63, "EIO"}, Level::error,
         "not_stored session=7 client=192.0.2.7 id=00001z reason=EIO"},
        {Aborted{seventh, 63, "", "connection lost"}, Level::info,
         "aborted session=7 client=192.0.2.7 id=00001z from=\"\" reason=\"connection lost\""},
        {MailCalledFor{seventh, "branch.example", "250 ok"}, Level::info,
         "etrn session=7 client=192.0.2.7 node=branch.example reply=\"250 ok\""},
        {CommandRefused{seventh, "VRFY bob", "502 no", ""}, Level::info,
         "refused session=7 client=192.0.2.7 command=\"VRFY bob\" reply=\"502 no\""},
        {CommandRefused{seventh, "DATA", "452 no", "full"}, Level::info,
         "refused session=7 client=192.0.2.7 command=DATA reply=\"452 no\" cause=full"},
        {SessionEnded{seventh, "quit", "", true}, Level::debug,
         "disconnected session=7 client=192.0.2.7 reason=quit"},
        {SessionEnded{seventh, "timed_out", "in DATA", false}, Level::info,
         "disconnected session=7 client=192.0.2.7 reason=timed_out text=\"in DATA\""},
        {ConnectionsRefused{.too_many = 2, .from_network = 1, .last_client = seventh.client},
         Level::info,
         "connections_refused count=3 too_many=2 from_network=1 last_client=192.0.2.7"},
        {ConnectionsScarce{true, 80, 100}, Level::info, "connections_scarce used=80 max=100"},
        {ConnectionsScarce{false, 50, 100}, Level::info, "connections_plenty used=50 max=100"},
        {AcceptingPaused{"too many open files"}, Level::warning,
         "accepting_paused reason=\"too many open files\" "
         "text=\"new clients wait; raise LimitNOFILE= or ulimit -n\""},
    };
    expect_lines(rows);
}

TEST(LogLines, what_the_spool_and_the_relay_itself_do) {
    const Row rows[] = {
        {SpoolOpened{"/spool", 3, true}, Level::info,
         "spool_open path=/spool segments=3 torn_tail=yes"},
        {SpoolLoaded{5}, Level::info, "spool_loaded queued=5"},
        {SpoolDamaged{1, 2, 3, "unreadable record", "quarantine/1"}, Level::error,
         "spool_damage segment=1 offset=2 bytes=3 what=\"unreadable record\" kept_in=quarantine/1"},
        {SpoolNote{"a note"}, Level::warning, "spool_note text=\"a note\""},
        {SpoolFailed{"/spool", "EIO"}, Level::error,
         "spool_failed path=/spool reason=EIO text=\"stopping; look at the disk, then start "
         "again\""},
        {HintsNotKept{"EIO"}, Level::warning,
         "hints_not_kept reason=EIO "
         "text=\"after a restart destinations that are down are tried afresh\""},
        {Ready{"0.1", "relay.example", {"127.0.0.1:25", "[::1]:25"}}, Level::info,
         "ready version=0.1 hostname=relay.example listening=127.0.0.1:25 listening=[::1]:25"},
        {Advice{"a sentence"}, Level::warning, "advice text=\"a sentence\""},
        {Reloaded{"/etc/x"}, Level::info, "reloaded config=/etc/x"},
        {ReloadProblem{"line 3"}, Level::error, "reload_problem problem=\"line 3\""},
        {ReloadRefused{"/etc/x"}, Level::error,
         "reload_refused config=/etc/x "
         "text=\"nothing was changed; mend the file and reload again\""},
        {Ordered{"hold", 2, 3}, Level::info, "ordered what=hold messages=2 recipients=3"},
        {ClockLeapt{90s}, Level::warning, "clock_leapt by=90s"},
        {BrokenRecords{1, "bad name", 4}, Level::info,
         "dns_broken_records dropped=1 text=\"bad name\" answers=4"},
        {Draining{"SIGTERM", 30s}, Level::info, "draining signal=SIGTERM patience=30s"},
        {Stopped{0}, Level::info, "stopped exit_status=0"},
    };
    expect_lines(rows);
}

TEST(LogLines, a_remote_host_cannot_forge_a_line) {
    auto error = greylisted;
    error.text = "no\r\ndelivered id=00001z\x1b[2J";
    error.remote = "mx\nevil";
    EXPECT_EQ(line_of(Failed{.recipient = bob, .error = error}).text(),
              "bounced id=00001z to=bob@them.example host=\"mx\\x0aevil\" code=450 status=4.7.1 "
              "text=\"no / delivered id=00001z\\x1b[2J\"");
}

std::string received_line(const queue::Message& message, std::string client) {
    return line_of(Received{std::make_shared<const queue::Message>(message), std::move(client)})
        .text();
}

TEST(LogLines, a_message_begins_with_the_client_that_sent_it) {
    queue::Message message;
    message.id = 63;
    message.facts.size = 4711;
    message.message_id = "<a@b>";
    message.envelope.recipients.resize(2);
    EXPECT_EQ(received_line(message, "pc.lan [192.168.0.7]"),
              "received id=00001z from=<> client=pc.lan[192.168.0.7] size=4711 recipients=2 "
              "message_id=<a@b>");
    message.envelope.reverse_path = "ann@office.example";
    message.envelope.recipients = {
        {.address = "bob@them.example", .domain = "them.example", .notify = 0, .orcpt = {}}};
    message.message_id.clear();
    EXPECT_EQ(
        received_line(message, ""),
        "received id=00001z from=ann@office.example to=bob@them.example size=4711 recipients=1");
    message.envelope.requests = {
        .priority = -3,
        .release = from_unix_ms(1'795'003'200'000),
        .deliver_by = {ByMode::give_back, false, from_unix_ms(1'795'003'201'000)}};
    EXPECT_TRUE(received_line(message, "")
                    .ends_with(" recipients=1 priority=-3 release=2026-11-18T12:00:00.000Z "
                               "deliver_by=2026-11-18T12:00:01.000Z or=return"));
}

}  // namespace
}  // namespace mta::events
