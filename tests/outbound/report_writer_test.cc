#include "mta/outbound/lifecycle/report_writer.h"

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mta/events/report_events.h"
#include "tests/outbound/bare_loop.h"

namespace mta::outbound {
namespace {

using events::ReportDropped;
using events::ReportQueued;
using testing::SizeIs;

constexpr queue::MessageId first_report = 100;

std::shared_ptr<queue::Message> message(queue::MessageId id, const std::string& from,
                                        const std::vector<std::string>& to) {
    auto made = std::make_shared<queue::Message>();
    made->id = id;
    made->envelope.reverse_path = from;
    for (const auto& address : to)
        made->envelope.recipients.push_back({address, "them.example", 0, {}});
    return made;
}

class ReportWriterTest : public testing::Test {
protected:
    ReportWriterTest() { make(1); }
    // The next reports consist of so many messages.
    void make(queue::MessageId count) {
        loop_.make_reports = [count](const ReportRequest& request) {
            ReportWriter::Reports made;
            for (queue::MessageId i = 0; i < count; ++i) {
                made.push_back(
                    message(first_report + i, {}, {request.original.envelope.reverse_path}));
            }
            return made;
        };
    }
    ReportWriter::Reports write(ReportKind kind, const std::vector<RecipientOutcome>& outcomes,
                                std::vector<AlsoDelayed> also = {}) {
        return writer_.make({.kind = kind,
                             .original = *original_,
                             .head = {},
                             .outcomes = outcomes,
                             .now = loop_.agenda.now(),
                             .give_up_at = loop_.agenda.now(),
                             .also = std::move(also)});
    }
    std::vector<EndingView> endings() const { return endings_.find({}, 10); }

    static RecipientOutcome no_mailbox(std::size_t recipient) {
        return {.recipient = recipient,
                .error = {.status = {5, 1, 1}, .reply_code = 550, .text = "no such mailbox"}};
    }

    world::BareLoop loop_;
    Endings endings_;
    Counters totals_;
    ReportWriter writer_{loop_.context, endings_, totals_};
    std::shared_ptr<const queue::Message> original_ =
        message(7, "ann@office.example", {"bob@them.example", "carl@them.example"});
};

TEST_F(ReportWriterTest, hands_back_the_report_with_an_event_and_counts_it) {
    const auto made = write(ReportKind::failure, {no_mailbox(0)});
    ASSERT_THAT(made, SizeIs(1));
    EXPECT_EQ(made[0]->id, first_report);
    EXPECT_EQ(loop_.events.count_exact<ReportQueued>("100 about 7"), 1u);
    EXPECT_EQ(totals_.reports_total, 1u);
    EXPECT_EQ(loop_.events.count<ReportDropped>(), 0u);
}

TEST_F(ReportWriterTest, keeps_an_ending_of_each_failed_recipient_that_names_the_report) {
    auto expired = no_mailbox(1);
    expired.has_expired = true;
    (void)write(ReportKind::failure, {no_mailbox(0), expired});
    const auto kept = endings();
    ASSERT_THAT(kept, SizeIs(2));
    EXPECT_EQ(kept[0].id, 7u);
    EXPECT_EQ(kept[0].address, "bob@them.example");
    EXPECT_FALSE(kept[0].has_expired);
    EXPECT_EQ(kept[0].error.text, "no such mailbox");
    EXPECT_EQ(kept[0].at, loop_.agenda.now());
    EXPECT_EQ(kept[0].report, first_report);
    EXPECT_EQ(kept[1].address, "carl@them.example");
    EXPECT_EQ(kept[1].recipient, 1u);
    EXPECT_TRUE(kept[1].has_expired);
}

TEST_F(ReportWriterTest, keeps_no_ending_of_what_is_late_or_was_relayed) {
    (void)write(ReportKind::delay, {no_mailbox(0)});
    (void)write(ReportKind::relayed, {no_mailbox(0)});
    EXPECT_THAT(endings(), SizeIs(0));
    EXPECT_EQ(totals_.reports_total, 2u);
}

TEST_F(ReportWriterTest, drops_each_recipient_with_an_event_if_no_report_is_made) {
    make(0);
    EXPECT_THAT(write(ReportKind::failure, {no_mailbox(0), no_mailbox(1)}), SizeIs(0));
    EXPECT_EQ(loop_.events.count_exact<ReportDropped>("bob@them.example not made"), 1u);
    EXPECT_EQ(loop_.events.count_exact<ReportDropped>("carl@them.example not made"), 1u);
    EXPECT_EQ(loop_.events.count<ReportQueued>(), 0u);
    EXPECT_EQ(totals_.reports_total, 0u);
    ASSERT_THAT(endings(), SizeIs(2)) << "they were given up all the same";
    EXPECT_EQ(endings()[0].report, 0u);
}

TEST_F(ReportWriterTest, counts_every_message_of_a_report_that_consists_of_several) {
    make(2);
    EXPECT_THAT(write(ReportKind::failure, {no_mailbox(0)}), SizeIs(2));
    EXPECT_EQ(loop_.events.count<ReportQueued>(), 2u);
    EXPECT_EQ(totals_.reports_total, 2u);
    EXPECT_EQ(endings()[0].report, first_report);
}

TEST_F(ReportWriterTest, names_the_report_in_the_events_of_every_message_that_it_lists) {
    (void)write(ReportKind::delay, {no_mailbox(0)},
                {{message(8, "ann@office.example", {"x@them.example"}), {}, {}, {}},
                 {message(9, "ann@office.example", {"y@them.example"}), {}, {}, {}}});
    EXPECT_EQ(loop_.events.count_exact<ReportQueued>("100 about 7"), 1u);
    EXPECT_EQ(loop_.events.count_exact<ReportQueued>("100 about 8"), 1u);
    EXPECT_EQ(loop_.events.count_exact<ReportQueued>("100 about 9"), 1u);
    EXPECT_EQ(totals_.reports_total, 1u) << "it is one report";
}

TEST_F(ReportWriterTest, refuses_a_report_that_could_be_reported_itself) {
    loop_.make_reports = [](const auto&) {
        return ReportWriter::Reports{
            message(first_report, "us@office.example", {"ann@office.example"})};
    };
    EXPECT_DEATH((void)write(ReportKind::failure, {no_mailbox(0)}), "reverse_path");
}

TEST(ReportWriter, drops_every_report_of_a_relay_that_makes_none) {
    world::EventRecorder recorded;
    Context context(std::make_shared<const conf::Settings>(),
                    {.now = [] { return Instant{}; },
                     .request_tick = [] {},
                     .make_reports = {},
                     .on_event = [&](const auto& event) { recorded.add(event); },
                     .utc_offset_at = {}});
    Endings endings;
    Counters totals;
    ReportWriter writer(context, endings, totals);
    const auto original = message(7, "ann@office.example", {"bob@them.example"});
    const std::vector<RecipientOutcome> outcomes(1);
    EXPECT_THAT(writer.make({.kind = ReportKind::failure,
                             .original = *original,
                             .head = {},
                             .outcomes = outcomes,
                             .now = {},
                             .give_up_at = {},
                             .also = {}}),
                SizeIs(0));
    EXPECT_EQ(recorded.count<ReportDropped>("bob@them.example"), 1u);
}

}  // namespace
}  // namespace mta::outbound
