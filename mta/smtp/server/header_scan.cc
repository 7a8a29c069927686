#include "mta/smtp/server/header_scan.h"

#include <algorithm>

#include "mta/base/assert.h"
#include "mta/smtp/syntax/byte_scan.h"

namespace mta::smtp {
namespace {

constexpr std::string_view received_name = "received";
constexpr std::string_view message_id_name = "message-id";

bool is_space(char c) { return c == ' ' || c == '\t'; }

// ftext of RFC 5322 section 2.2 without the colon.
bool is_name_char(char c) { return c > ' ' && c <= '~' && c != ':'; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

void HeaderScan::feed(std::string_view piece, bool ends_line) {
    line_bytes_ += piece.size();
    while (!piece.empty() && state_ != State::ended) {
        switch (state_) {
            case State::line_start:
                name_size_ = 0;
                if (is_space(piece.front())) {
                    state_ = State::value;
                    if (fields_ == 0) end();
                } else {
                    in_message_id_ = false;
                    state_ = State::name;
                }
                break;
            case State::name: piece.remove_prefix(read_name(piece)); break;
            case State::after_name:
                if (piece.front() == ':') {
                    begin_field();
                } else if (!is_space(piece.front())) {
                    end();
                }
                piece.remove_prefix(1);
                break;
            case State::value:
                line_has_8bit_ = line_has_8bit_ || smtp::has_8bit(piece);
                if (in_message_id_) add_to_message_id(piece);
                piece = {};
                break;
            case State::ended: break;
        }
    }
    if (ends_line && state_ != State::ended) end_line();
}

// Stops at the first byte that is not part of a name; the state after_name decides what it is.
std::size_t HeaderScan::read_name(std::string_view piece) {
    const auto* const end = std::ranges::find_if_not(piece, is_name_char);
    const auto size = static_cast<std::size_t>(end - piece.begin());
    for (const char c : piece.substr(0, size)) {
        if (name_size_ < name_.size()) name_.at(name_size_) = lower(c);
        if (name_size_ <= name_.size()) ++name_size_;
    }
    if (size < piece.size()) {
        state_ = State::after_name;
        if (name_size_ == 0) this->end();
    }
    return size;
}

void HeaderScan::begin_field() {
    state_ = State::value;
    ++fields_;
    const std::string_view name(name_.data(), std::min<std::size_t>(name_size_, name_.size()));
    if (name_size_ > name_.size()) return;
    if (name == received_name) ++received_;
    if (name == message_id_name && !has_message_id_) {
        has_message_id_ = true;
        in_message_id_ = true;
    }
}

void HeaderScan::add_to_message_id(std::string_view piece) {
    for (const char c : piece) {
        if (c == '\r' || c == '\n') continue;
        if ((c < ' ' && c != '\t') || c > '~') {
            message_id_.clear();
            in_message_id_ = false;
            return;
        }
        if (message_id_.empty() && is_space(c)) continue;
        if (message_id_.size() < message_id_bytes_max) message_id_ += c == '\t' ? ' ' : c;
    }
}

void HeaderScan::end_line() {
    MTA_ASSERT(state_ == State::value);  // a name cannot continue beyond the CR LF
    if (in_message_id_) message_id_.erase(message_id_.find_last_not_of(' ') + 1);
    bytes_ += line_bytes_;
    has_8bit_ = has_8bit_ || line_has_8bit_;
    line_bytes_ = 0;
    line_has_8bit_ = false;
    state_ = State::line_start;
}

void HeaderScan::end() {
    in_message_id_ = false;
    line_bytes_ = 0;
    state_ = State::ended;
}

}  // namespace mta::smtp
