#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dns/cares_driver.h"
#include "mta/base/time.h"
#include "mta/io/clock.h"
#include "mta/io/loop.h"
#include "mta/io/timer.h"

namespace dns::test {

// A loop with a driver on it, and the patience of a test.
class DriverWorld {
public:
    void start(CaresOptions options) {
        driver = std::make_unique<CaresDriver>(loop, clock, std::move(options));
    }
    // The answer goes to answers[index] and to the answers' count.
    void ask(const std::string& name, RecordType type = RecordType::mx,
             Effort effort = Effort::full) {
        const auto index = answers.size();
        answers.emplace_back();
        driver->ask({name, type}, effort, [this, index](Answer answer) {
            answers[index] = std::move(answer);
            order.push_back(index);
            ++answered;
            wake();
        });
    }
    // To be called by whatever changes what run_until() waits for.
    void wake() { loop.stop(); }

    void run_until(const std::function<bool()>& is_done) {
        bool is_late = false;
        mta::io::Timer deadline(loop, [&] {
            is_late = true;
            loop.stop();
        });
        deadline.set(mta::Millis{60'000});
        while (!is_done() && !is_late) loop.run();
        EXPECT_FALSE(is_late) << "what the test waits for has not come";
    }
    void run_until_answered() {
        run_until([this] { return answered == answers.size(); });
    }
    // Long enough for whatever is on its way within this process to arrive.
    void settle() {
        for (int turns = 0; turns < 50; ++turns) loop.run_ready();
    }

    mta::io::Loop loop;
    mta::io::Clock clock{loop};
    std::vector<Answer> answers;
    std::size_t answered = 0;
    std::vector<std::size_t> order;  // of the answers, by index
    std::unique_ptr<CaresDriver> driver;
};

}  // namespace dns::test
