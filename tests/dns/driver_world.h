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

// A loop with a driver on it, which runs until a condition is true.
class DriverWorld {
public:
    void start(CaresOptions options) {
        driver = std::make_unique<CaresDriver>(loop, clock, std::move(options));
    }
    // The answer goes to `answers`, at the index of the question; `answered` counts it.
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
    // Must be called after each change on which a condition of run_until() depends.
    void wake() { loop.stop(); }

    void run_until(const std::function<bool()>& is_done) {
        bool is_late = false;
        mta::io::Timer deadline(loop, [&] {
            is_late = true;
            loop.stop();
        });
        deadline.set(mta::Millis{60'000});
        while (!is_done() && !is_late) loop.run();
        EXPECT_FALSE(is_late) << "the condition did not become true";
    }
    void run_until_answered() {
        run_until([this] { return answered == answers.size(); });
    }
    // Long enough for everything to arrive that is on its way within this process.
    void settle() {
        for (int turns = 0; turns < 50; ++turns) loop.run_ready();
    }

    mta::io::Loop loop;
    mta::io::Clock clock{loop};
    std::vector<Answer> answers;
    std::size_t answered = 0;
    std::vector<std::size_t> order;  // the indices of the answers, as they came
    std::unique_ptr<CaresDriver> driver;
};

}  // namespace dns::test
