#include "mta/cli/terminal/progress.h"

#include <algorithm>

namespace mta::cli {

void Progress::show(std::uint64_t done, std::uint64_t total) {
    if (!is_terminal_ || total == 0) return;
    constexpr std::uint64_t width = 40;
    const auto percent = std::min<std::uint64_t>(100, done * 100 / total);
    if (shown_percent_ == percent) return;
    shown_percent_ = percent;
    const auto filled = static_cast<std::size_t>(percent * width / 100);
    const auto number = std::to_string(percent);
    out_ << '\r' << what_ << " [" << std::string(filled, '#') << std::string(width - filled, ' ')
         << "] " << std::string(3 - number.size(), ' ') << number << '%' << std::flush;
}

void Progress::clear() {
    if (!shown_percent_) return;
    shown_percent_.reset();
    out_ << "\r\x1b[K" << std::flush;
}

}  // namespace mta::cli
