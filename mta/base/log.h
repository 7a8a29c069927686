#pragma once
#include <concepts>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "mta/base/time.h"

namespace mta {

enum class Level : std::uint8_t { debug, info, warning, error };

// One event on one line: `delivered id=17 host=mx1.them.example code=250 text="2.0.0 ok"`.
// The event and the names are literals of ours. Other values are quoted and escaped, so that nobody
// can forge a line.
class LogLine {
public:
    explicit LogLine(std::string_view event) : line_(event) {}

    LogLine& with(std::string_view name, std::string_view value);
    LogLine& with(std::string_view name, const char* value) {
        return with(name, std::string_view(value));
    }
    LogLine& with(std::string_view name, bool value) { return with(name, value ? "yes" : "no"); }
    LogLine& with(std::string_view name, std::integral auto value) {
        return with_number(name, static_cast<std::int64_t>(value));
    }
    // Adds the pair unless the value is empty.
    LogLine& with_if(std::string_view name, std::string_view value) {
        return value.empty() ? *this : with(name, value);
    }
    [[nodiscard]] const std::string& text() const { return line_; }

private:
    LogLine& with_number(std::string_view name, std::int64_t value);
    void begin(std::string_view name);
    void append_quoted(std::string_view value);

    std::string line_;
};

// Gathers the lines of a loop and writes them out once a turn. One Log a thread; it outlives all
// that write to it.
class Log {
public:
    using Output = std::move_only_function<void(std::string_view lines)>;
    // With the journal behind stderr (`for_journal`), a line starts with its priority "<6>"
    // (sd-daemon(3)) and the journal adds the time; otherwise it starts with the time and the
    // level.
    Log(Output output, bool for_journal, Level least = Level::info);
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;
    ~Log();

    void write(Instant now, Level level, const LogLine& line);
    void flush();
    void set_least(Level least) { least_ = least; }
    [[nodiscard]] bool shows(Level level) const { return level >= least_; }

private:
    Output output_;
    bool for_journal_;
    Level least_;
    std::string pending_;
};

}  // namespace mta
