#pragma once
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

namespace mta::cli {

// A progress bar, "reading the spool [#####     ]  51%", on a line of its own that is drawn again
// and again and is removed in the end. Without a terminal it writes nothing.
class Progress {
public:
    // `out` outlives it. `what` is a few words.
    Progress(std::ostream& out, bool is_terminal, std::string_view what)
        : out_(out), is_terminal_(is_terminal), what_(what) {}
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    ~Progress() { clear(); }

    // Cheap: draws only when the percentage has changed.
    void show(std::uint64_t done, std::uint64_t total);
    // Removes the bar. To be called before anything else is written to the terminal.
    void clear();

private:
    std::ostream& out_;
    bool is_terminal_;
    std::string what_;
    std::optional<std::uint64_t> shown_percent_;
};

}  // namespace mta::cli
