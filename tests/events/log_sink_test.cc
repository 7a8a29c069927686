#include "mta/events/log_sink.h"

#include <string>

#include <gtest/gtest.h>

#include "mta/events/dispatcher.h"

namespace mta::events {
namespace {

const Instant noon = from_unix_ms(1'795'003'200'000);
const AttemptStarted started = {.id = 63, .destination = "them.example", .recipients = 2};
const Completed completed = {.id = 63, .age = Millis{2000}};

std::string log_of(Level least, const auto&... events) {
    std::string written;
    Log log([&](std::string_view lines) { written += lines; }, false, least);
    LogSink sink(log);
    (sink.write(noon, events), ...);
    log.flush();
    return written;
}

TEST(LogSink, writes_an_event_with_its_time_and_level) {
    EXPECT_EQ(log_of(Level::debug, started, completed),
              "2026-11-18T12:00:00.000Z debug attempt id=00001z destination=them.example "
              "recipients=2\n"
              "2026-11-18T12:00:00.000Z info completed id=00001z delay=2s\n");
}

TEST(LogSink, leaves_out_what_is_below_the_least_level) {
    EXPECT_EQ(log_of(Level::warning, started, completed), "");
}

TEST(Dispatcher, hands_each_event_to_every_sink_in_order) {
    std::string seen;
    Dispatcher dispatcher;
    dispatcher.add([&](Instant at, const Event& event) {
        EXPECT_EQ(at, noon);
        seen += std::holds_alternative<Completed>(event) ? "a" : "?";
    });
    dispatcher.add([&](Instant, const Event&) { seen += "b"; });
    dispatcher.send(noon, completed);
    dispatcher.send(noon, completed);
    EXPECT_EQ(seen, "abab");
}

TEST(Dispatcher, a_sink_may_keep_an_event_after_what_it_was_made_of_is_gone) {
    Event kept;
    Dispatcher dispatcher;
    dispatcher.add([&](Instant, const Event& event) { kept = event; });
    {
        const std::string host(100, 'h');
        dispatcher.send(
            noon, HostFailed{
                      .id = 63, .destination = host, .error = {.status = {4, 4, 1}, .text = host}});
    }
    EXPECT_EQ(std::get<HostFailed>(kept).error.text, std::string(100, 'h'));
}

}  // namespace
}  // namespace mta::events
