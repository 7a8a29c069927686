#include "mta/outbound/destination/site_memory.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mta::outbound {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SiteMemoryTest : public testing::Test {
protected:
    static constexpr Millis hour{3'600'000};
    const Instant now_ = from_unix_ms(1'790'000'000'000);
    SiteMemory::Sites sites_;
    SiteMemory memory_{sites_};

    static Site site(const std::string& name) {
        return Site(plan_for_literal(name),
                    {.concurrency = concurrency_policy(false, 10), .probes = queue::mx_probes});
    }
    Hint hint(const std::string& name) const {
        return {Hint::Kind::site, plan_for_literal(name).key};
    }
    static queue::Health::Trouble trouble(Instant since, Instant next_probe) {
        return {.down_since = since, .next_probe = next_probe, .failures = 3, .error = {}};
    }
    std::vector<std::string> hinted(Instant now) const {
        Hints hints;
        memory_.add_hints(hints, now);
        return keys(hints);
    }
    std::vector<std::string> answering(Instant now) const {
        Hints hints;
        memory_.add_answers(hints, now);
        return keys(hints);
    }
    static std::vector<std::string> keys(const Hints& hints) {
        std::vector<std::string> keys;
        for (const auto& each : hints) keys.push_back(each.key);
        return keys;
    }
};

TEST_F(SiteMemoryTest, a_new_site_gets_back_what_a_former_process_knew_of_it) {
    auto known = hint("a");
    known.last_answer = now_ - hour / 2;
    known.trouble = trouble(now_ - hour, now_ + hour);
    memory_.restore({known});
    auto a = site("a");
    auto b = site("b");
    memory_.recall(a, now_);
    memory_.recall(b, now_);
    EXPECT_EQ(a.last_answer, now_ - hour / 2);
    EXPECT_FALSE(a.destination.health().is_up());
    EXPECT_TRUE(b.destination.health().is_up());
    EXPECT_THAT(hinted(now_), IsEmpty()) << "the site's own hint takes its place";
}

TEST_F(SiteMemoryTest, an_answer_of_the_future_counts_as_of_now) {
    auto known = hint("a");
    known.last_answer = now_ + hour;
    memory_.restore({known});
    auto a = site("a");
    memory_.recall(a, now_);
    EXPECT_EQ(a.last_answer, now_);
}

TEST_F(SiteMemoryTest, what_no_mail_has_been_seen_for_is_handed_on_until_it_is_outdated) {
    auto known = hint("a");
    known.trouble = trouble(now_, now_ + hour);
    memory_.restore({known});
    EXPECT_THAT(hinted(now_), ElementsAre(known.key));
    EXPECT_THAT(hinted(now_ + 4 * hour), IsEmpty());
}

TEST_F(SiteMemoryTest, a_forgotten_site_is_remembered_to_answer_for_an_hour) {
    auto a = site("a");
    a.last_answer = now_;
    memory_.keep(a, now_ + hour / 2);
    EXPECT_THAT(answering(now_ + hour / 2), ElementsAre(a.plan.key));
    EXPECT_THAT(answering(now_ + 2 * hour), IsEmpty());
    auto again = site("a");
    memory_.recall(again, now_ + hour / 2);
    EXPECT_EQ(again.last_answer, now_);
}

TEST_F(SiteMemoryTest, a_site_in_the_table_is_named_once) {
    auto a = site("a");
    a.last_answer = now_;
    memory_.keep(a, now_);
    const auto key = a.plan.key;
    EXPECT_TRUE(sites_.add(std::move(a)));
    EXPECT_THAT(answering(now_), ElementsAre(key));
}

}  // namespace
}  // namespace mta::outbound
