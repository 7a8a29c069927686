#include "mta/cli/terminal/screen.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <string>

namespace mta::cli {
namespace {

constexpr std::string_view begin_screen = "\x1b[?1049h\x1b[?25l";  // another screen, no cursor
constexpr std::string_view end_screen = "\x1b[?25h\x1b[?1049l";
constexpr std::string_view home = "\x1b[H";
constexpr std::string_view erase_line_rest = "\x1b[K";
constexpr std::string_view erase_screen_rest = "\x1b[J";

void write_all(std::string_view text) {
    while (!text.empty()) {
        const auto written = ::write(STDOUT_FILENO, text.data(), text.size());
        if (written <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace

Screen::Screen() {
    is_raw_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
    if (is_raw_) {
        auto raw = before_;
        raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
        ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    write_all(begin_screen);
}

Screen::~Screen() {
    write_all(end_screen);
    if (is_raw_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

Screen::Size Screen::size() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
        return {};
    return {.rows = size.ws_row, .columns = size.ws_col};
}

void Screen::show(std::string_view text) {
    const auto rows = size().rows;
    std::string out(home);
    for (std::uint32_t row = 0; row < rows && !text.empty(); ++row) {
        const auto end = text.find('\n');
        if (row > 0) out += "\r\n";
        out += text.substr(0, end);
        out += erase_line_rest;
        text.remove_prefix(end == text.npos ? text.size() : end + 1);
    }
    out += erase_screen_rest;
    write_all(out);
}

std::optional<char> Screen::key(Millis patience, int interrupt) {
    std::array<pollfd, 2> inputs = {{{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0},
                                     {.fd = interrupt, .events = POLLIN, .revents = 0}}};
    const auto ready = ::poll(inputs.data(), inputs.size(), static_cast<int>(patience.count()));
    if (ready <= 0 || inputs[0].revents == 0) return std::nullopt;
    char byte = 0;
    if (::read(STDIN_FILENO, &byte, 1) == 1) return byte;
    has_gone_ = true;
    return std::nullopt;
}

}  // namespace mta::cli
