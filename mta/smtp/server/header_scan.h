#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace mta::smtp {

// Follows the header section of a message while it streams through, and keeps little of it: memory
// use is constant.
//
// The section ends before the first line that is empty or is neither a field ("name:", RFC 5322
// section 2.2, spaces before the colon tolerated) nor the continuation of one.
class HeaderScan {
public:
    static constexpr std::size_t message_id_bytes_max = 255;

    // Takes the next piece of a line. `ends_line`: its last byte is the LF of the line's CRLF.
    // Pieces after the section's end are ignored.
    void feed(std::string_view piece, bool ends_line);

    [[nodiscard]] bool has_ended() const { return state_ == State::ended; }
    // The bytes of complete header lines; bytes_so_far() adds those of the current line.
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
    [[nodiscard]] std::uint64_t bytes_so_far() const { return bytes_ + line_bytes_; }
    [[nodiscard]] std::uint32_t fields() const { return fields_; }
    [[nodiscard]] std::uint32_t received_fields() const { return received_; }
    [[nodiscard]] bool has_8bit() const { return has_8bit_; }
    // The value of the first Message-ID field: unfolded, trimmed, cut to message_id_bytes_max.
    // Empty if there is none or if it contains unprintable characters.
    [[nodiscard]] const std::string& message_id() const { return message_id_; }

private:
    enum class State : std::uint8_t { line_start, name, after_name, value, ended };

    [[nodiscard]] std::size_t read_name(std::string_view piece);
    void begin_field();
    void add_to_message_id(std::string_view piece);
    void end_line();
    void end();

    State state_ = State::line_start;
    bool line_has_8bit_ = false;
    bool has_8bit_ = false;
    bool in_message_id_ = false;
    bool has_message_id_ = false;
    std::uint8_t name_size_ = 0;  // at most name_.size() + 1: longer than the names of interest
    std::array<char, 10> name_{};
    std::uint64_t line_bytes_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint32_t fields_ = 0;
    std::uint32_t received_ = 0;
    std::string message_id_;
};

}  // namespace mta::smtp
