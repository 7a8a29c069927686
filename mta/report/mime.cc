#include "mta/report/mime.h"

#include <algorithm>
#include <vector>

#include "mta/base/domain.h"

namespace mta::report {
namespace {

constexpr std::size_t fold_columns = 76;
constexpr std::size_t hard_columns = 900;  // less than 998 whatever stands before it
constexpr std::size_t encoded_word_bytes = 45;
constexpr std::string_view hex_digits = "0123456789ABCDEF";

bool is_8bit(char c) { return static_cast<unsigned char>(c) >= 0x80; }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
bool is_continuation_byte(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

void append_hex(std::string& out, char c) {
    const auto byte = static_cast<unsigned char>(c);
    out += hex_digits[byte >> 4];
    out += hex_digits[byte & 15];
}

// Largest cut <= bytes_max that does not split a UTF-8 sequence.
std::size_t utf8_cut(std::string_view text, std::size_t bytes_max) {
    if (text.size() <= bytes_max) return text.size();
    auto cut = bytes_max;
    while (cut > 0 && is_continuation_byte(text[cut])) --cut;
    return cut == 0 ? bytes_max : cut;
}

// Takes the words of `text` one by one; longer ones than `bytes_max` in pieces.
std::string_view take_word(std::string_view& text, std::size_t bytes_max) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    auto end = std::min(text.find(' '), text.size());
    end = utf8_cut(text.substr(0, end), bytes_max);
    const auto word = text.substr(0, end);
    text.remove_prefix(end);
    return word;
}

std::string encoded_word(std::string_view utf8) {
    std::string out = "=?utf-8?q?";
    for (const char c : utf8) {
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '-' || c == '.';
        if (is_plain) {
            out += c;
        } else if (c == ' ') {
            out += '_';
        } else {
            out += '=';
            append_hex(out, c);
        }
    }
    return out + "?=";
}

}  // namespace

std::string to_one_line(std::string_view text, Charset charset) {
    const bool keeps_8bit = charset == Charset::utf8 && is_utf8(text);
    std::string line(text);
    for (char& c : line) {
        if (is_control(c)) c = ' ';
        if (is_8bit(c) && !keeps_8bit) c = '?';
    }
    return line;
}

std::string fold_field(std::string_view name, std::string_view value) {
    std::string out(name);
    out += ':';
    auto column = out.size();
    bool is_line_empty = true;  // a line of blanks only would end the header section
    while (!value.empty()) {
        const auto line_end = std::min(value.find('\n'), value.size());
        auto line = value.substr(0, line_end);
        while (true) {
            const auto word = take_word(line, hard_columns);
            if (word.empty()) break;
            if (!is_line_empty && column + 1 + word.size() > fold_columns) {
                out += "\r\n";
                column = 0;
            }
            out += ' ';
            out += word;
            column += 1 + word.size();
            is_line_empty = false;
        }
        value.remove_prefix(std::min(line_end + 1, value.size()));
        if (!value.empty()) column = fold_columns;  // the next word begins a line
    }
    return out + "\r\n";
}

std::string to_header_text(std::string_view text, std::size_t bytes_max) {
    const bool is_utf8_text = is_utf8(text) && !is_ascii(text);
    const auto line = to_one_line(text, is_utf8_text ? Charset::utf8 : Charset::ascii);
    std::string_view rest = line;
    std::string out;
    bool was_encoded = false;
    while (true) {
        const auto word = take_word(rest, encoded_word_bytes * 4);
        if (word.empty()) return out;
        if (out.size() + word.size() > bytes_max) return out.empty() ? "..." : out + " ...";
        if (is_ascii(word)) {
            if (!out.empty()) out += ' ';
            out += word;
            was_encoded = false;
            continue;
        }
        // Mail programs drop the space between two encoded words: it goes into the second word.
        std::string content = (was_encoded ? " " : "") + std::string(word);
        std::string_view left = content;
        while (!left.empty()) {
            const auto cut = utf8_cut(left, encoded_word_bytes / 3);
            if (!out.empty()) out += ' ';
            out += encoded_word(left.substr(0, cut));
            left.remove_prefix(cut);
        }
        was_encoded = true;
    }
}

std::string wrap(std::string_view text, std::string_view indent, std::size_t columns) {
    std::string out;
    std::size_t column = 0;
    while (true) {
        const auto word = take_word(text, hard_columns);
        if (word.empty()) break;
        if (column > 0 && column + 1 + word.size() > columns) {
            out += "\r\n";
            column = 0;
        }
        const auto& before = column == 0 ? indent : std::string_view(" ");
        out += before;
        out += word;
        column += before.size() + word.size();
    }
    return column == 0 ? out : out + "\r\n";
}

std::string to_quoted_printable(std::string_view text) {
    std::string out;
    std::size_t column = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\r' && text.substr(i).starts_with("\r\n")) {
            out += "\r\n";
            column = 0;
            ++i;
            continue;
        }
        const auto rest = text.substr(i + 1);
        const bool is_line_end = rest.empty() || rest.starts_with("\r\n");
        const bool is_blank = c == ' ' || c == '\t';
        // A space before a line end may get lost, and old programs mistake "From " and a lone dot.
        const bool is_plain = (c > ' ' && c < 0x7f && c != '=') || (is_blank && !is_line_end);
        const bool is_risky = column == 0 && (c == '.' || text.substr(i).starts_with("From "));
        const std::size_t width = is_plain && !is_risky ? 1 : 3;
        if (column + width > 75) {
            out += "=\r\n";
            column = 0;
        }
        if (width == 1) {
            out += c;
        } else {
            out += '=';
            append_hex(out, c);
        }
        column += width;
    }
    return out;
}

std::string from_xtext(std::string_view xtext) {
    std::string out;
    for (std::size_t i = 0; i < xtext.size(); ++i) {
        const auto high = i + 2 < xtext.size() ? hex_digits.find(xtext[i + 1]) : hex_digits.npos;
        const auto low = i + 2 < xtext.size() ? hex_digits.find(xtext[i + 2]) : hex_digits.npos;
        if (xtext[i] != '+' || high == hex_digits.npos || low == hex_digits.npos) {
            out += xtext[i];
            continue;
        }
        out += static_cast<char>(high << 4 | low);
        i += 2;
    }
    return out;
}

bool is_canonical_text(std::string_view text) {
    while (!text.empty()) {
        const auto end = text.find_first_of(std::string_view("\r\n\0", 3));
        const auto line_bytes = std::min(end, text.size());
        if (line_bytes > 998) return false;
        if (end == text.npos) return true;
        if (!text.substr(end).starts_with("\r\n")) return false;
        text.remove_prefix(end + 2);
    }
    return true;
}

queue::BodyFacts facts_of(std::string_view message) {
    queue::BodyFacts facts;
    facts.size = message.size();
    const auto header_end =
        message.starts_with("\r\n") ? 0 : std::min(message.find("\r\n\r\n"), message.size());
    const bool has_empty_line = header_end < message.size();
    const auto header_bytes = header_end == 0 ? 0 : header_end + (has_empty_line ? 2 : 0);
    facts.header_bytes = static_cast<std::uint32_t>(header_bytes);
    facts.has_8bit = !is_ascii(message);
    facts.header_has_8bit = !is_ascii(message.substr(0, header_bytes));
    while (!message.empty()) {
        const auto end = message.find("\r\n");
        const auto line_bytes = end == message.npos ? message.size() : end + 2;
        facts.has_leading_dots |= message.front() == '.';
        facts.line_bytes_max =
            std::max(facts.line_bytes_max, static_cast<std::uint32_t>(line_bytes));
        message.remove_prefix(line_bytes);
    }
    return facts;
}

}  // namespace mta::report
