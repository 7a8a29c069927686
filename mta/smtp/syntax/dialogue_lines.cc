#include "mta/smtp/syntax/dialogue_lines.h"

#include <algorithm>
#include <charconv>

#include "mta/base/domain.h"

namespace mta::smtp {
namespace {

constexpr std::string_view end_of_message = "\r\n.\r\n";
constexpr std::string_view secret = "****";

bool is_verb(std::string_view line, std::string_view verb) {
    return to_lower(line.substr(0, verb.size())) == verb &&
           (line.size() == verb.size() || line[verb.size()] == ' ');
}

// "AUTH PLAIN", and stars for what follows.
std::string without_credentials(std::string_view line) {
    const auto mechanism = line.find(' ');
    const auto end = mechanism == line.npos ? line.npos : line.find(' ', mechanism + 1);
    std::string out(line.substr(0, end));
    if (end != line.npos) out.append(" ").append(secret);
    return out;
}

}  // namespace

bool DialogueLines::take_line(std::string_view& bytes, std::string& partial) {
    const auto end = bytes.find('\n');
    const auto piece = bytes.substr(0, end);
    const auto room = line_bytes_max + 1 - std::min(partial.size(), line_bytes_max + 1);
    partial.append(piece.substr(0, room));
    bytes.remove_prefix(end == bytes.npos ? bytes.size() : end + 1);
    if (end == bytes.npos) return false;
    if (partial.ends_with('\r')) partial.pop_back();
    return true;
}

void DialogueLines::sent(std::string_view bytes, const OnLine& on_line) {
    while (!bytes.empty()) {
        switch (body_) {
            case Body::dotted: take_dotted(bytes, on_line); break;
            case Body::chunk: take_chunk(bytes, on_line); break;
            case Body::none:
                if (!take_line(bytes, command_)) return;
                on_command(on_line);
                command_.clear();
                break;
        }
    }
}

void DialogueLines::on_command(const OnLine& on_line) {
    if (is_authenticating_) {
        on_line(From::us, secret);
        return;
    }
    if (is_verb(command_, "auth")) {
        is_authenticating_ = true;
        on_line(From::us, without_credentials(command_));
        return;
    }
    on_line(From::us, command_);
    if (is_verb(command_, "data")) {
        ++data_asked_;
    } else if (is_verb(command_, "bdat")) {
        std::uint64_t size = 0;
        const auto digits =
            std::string_view(command_).substr(std::min<std::size_t>(5, command_.size()));
        std::from_chars(digits.data(), digits.data() + digits.size(), size);
        chunk_left_ = size;
        body_bytes_ = 0;
        body_ = size > 0 ? Body::chunk : Body::none;
    }
}

void DialogueLines::take_chunk(std::string_view& bytes, const OnLine& on_line) {
    const auto taken = std::min<std::uint64_t>(chunk_left_, bytes.size());
    bytes.remove_prefix(static_cast<std::size_t>(taken));
    chunk_left_ -= taken;
    body_bytes_ += taken;
    if (chunk_left_ > 0) return;
    body_ = Body::none;
    tell_body(on_line);
}

void DialogueLines::take_dotted(std::string_view& bytes, const OnLine& on_line) {
    std::size_t taken = 0;
    while (taken < bytes.size() && dot_matched_ < end_of_message.size()) {
        const char byte = bytes[taken++];
        if (byte == end_of_message[dot_matched_]) {
            ++dot_matched_;
        } else {
            dot_matched_ = byte == '\r' ? 1 : 0;
        }
    }
    body_bytes_ += taken;
    bytes.remove_prefix(taken);
    if (dot_matched_ < end_of_message.size()) return;
    body_ = Body::none;
    body_bytes_ -= end_of_message.size() - 2;  // ".", CR, LF
    tell_body(on_line);
    on_line(From::us, ".");
}

void DialogueLines::tell_body(const OnLine& on_line) {
    on_line(From::us, "(" + std::to_string(body_bytes_) + " bytes of message)");
}

void DialogueLines::received(std::string_view bytes, const OnLine& on_line) {
    while (!bytes.empty()) {
        if (!take_line(bytes, reply_)) return;
        on_reply_line(on_line);
        reply_.clear();
    }
}

void DialogueLines::on_reply_line(const OnLine& on_line) {
    const bool is_challenge = reply_.starts_with("334");
    on_line(From::them, is_challenge ? "334 " + std::string(secret) : reply_);
    const bool is_last = reply_.size() < 4 || reply_[3] != '-';
    if (!is_last) return;
    if (is_authenticating_ && !is_challenge) is_authenticating_ = false;
    // Only DATA is answered with 354.
    if (data_asked_ == 0 || !reply_.starts_with("354")) return;
    data_asked_ = 0;
    body_ = Body::dotted;
    body_bytes_ = 0;
    dot_matched_ = 2;  // as if a line had just ended
}

}  // namespace mta::smtp
