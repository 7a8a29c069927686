#include "mta/daemon/alarm.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace mta::daemon {
namespace {

TEST(Alarm, is_heard_by_who_listens_already) {
    Alarm alarm;
    std::vector<std::string> heard;
    alarm.connect([&](const std::string& text) { heard.push_back(text); });
    std::thread([&] { alarm.raise("the disk failed"); }).join();
    EXPECT_EQ(heard, std::vector<std::string>{"the disk failed"});
}

TEST(Alarm, waits_for_who_listens_later_and_is_told_once) {
    Alarm alarm;
    std::thread([&] { alarm.raise("the disk failed"); }).join();
    std::vector<std::string> heard;
    const auto listen = [&](const std::string& text) { heard.push_back(text); };
    alarm.connect(listen);
    alarm.connect(listen);
    EXPECT_EQ(heard, std::vector<std::string>{"the disk failed"});
}

TEST(Alarm, is_not_heard_by_who_has_gone) {
    Alarm alarm;
    int heard = 0;
    alarm.connect([&](const std::string&) { ++heard; });
    alarm.connect(nullptr);
    alarm.raise("the disk failed");
    EXPECT_EQ(heard, 0);
}

}  // namespace
}  // namespace mta::daemon
