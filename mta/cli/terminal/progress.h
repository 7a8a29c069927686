#pragma once
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

namespace mta::cli {

// "reading the spool [#####     ]  51%" on a line of its own that is drawn over and over, and
// wiped in the end. On no terminal it says nothing.
class Progress {
public:
    // `out` outlives it. `what`: a few words.
    Progress(std::ostream& out, bool is_terminal, std::string_view what)
        : out_(out), is_terminal_(is_terminal), what_(what) {}
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    ~Progress() { clear(); }

    // Cheap: draws only when the percentage has changed.
    void show(std::uint64_t done, std::uint64_t total);
    // Before anything else is written to the terminal.
    void clear();

private:
    std::ostream& out_;
    bool is_terminal_;
    std::string what_;
    std::optional<std::uint64_t> shown_percent_;
};

}  // namespace mta::cli
