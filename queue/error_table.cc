#include "queue/error_table.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

namespace queue {
namespace {

// Stands in a shape for a word that only this answer has.
constexpr char gap = '\x01';

std::uint64_t hash_of(const mta::DeliveryError& error) {
    const auto numbers = (std::uint64_t{error.status.klass} << 48) ^
                         (std::uint64_t{error.status.subject} << 32) ^
                         (std::uint64_t{error.status.detail} << 16) ^ error.reply_code;
    const std::hash<std::string_view> hash;
    return hash(error.text) * 31 + hash(error.remote) * 17 + numbers;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool ends_word(char c) { return c == ' ' || c == '\n'; }

struct Parts {
    std::string shape;
    std::string own;  // each word with a zero behind; empty: the shape is the whole text
};

Parts take_apart(std::string_view text) {
    // A text that contains a gap's or an end's byte is kept as it is.
    if (text.find('\0') != text.npos || text.find(gap) != text.npos) return {std::string(text), ""};
    Parts parts;
    while (!text.empty()) {
        const auto* const end = std::ranges::find_if(text, ends_word);
        const auto word = text.substr(0, static_cast<std::size_t>(end - text.begin()));
        if (std::ranges::any_of(word, is_digit)) {
            parts.shape += gap;
            parts.own.append(word).push_back('\0');
        } else {
            parts.shape += word;
        }
        text.remove_prefix(word.size());
        if (text.empty()) break;
        parts.shape += text.front();
        text.remove_prefix(1);
    }
    return parts;
}

std::string put_together(const std::string& shape, std::string_view own) {
    if (own.empty()) return shape;
    std::string text;
    text.reserve(shape.size() + own.size());
    for (const char c : shape) {
        if (c != gap) {
            text += c;
            continue;
        }
        const auto word = own.substr(0, own.find('\0'));
        text += word;
        own.remove_prefix(word.size() + 1);
    }
    return text;
}

// What the allocator takes for so many bytes, its own included.
constexpr std::size_t allocated(std::size_t bytes) {
    return bytes == 0 ? 0 : std::max<std::size_t>((bytes + 8 + 15) / 16 * 16, 32);
}

}  // namespace

// ---- Texts ----

std::size_t TextTable::bytes_of(const std::string& text) {
    constexpr std::size_t index_node_bytes = 56;
    return sizeof(Entry) + index_node_bytes + allocated(text.size());
}

TextHandle TextTable::intern(std::string_view text) {
    const auto known = by_text_.find(text);
    if (known != by_text_.end()) {
        ++entries_[known->second].uses;
        return known->second;
    }
    const auto added = entries_.add({std::string(text), 1});
    by_text_.emplace(entries_[added].text, added);
    bytes_ += bytes_of(entries_[added].text);
    return added;
}

void TextTable::release(TextHandle text) {
    auto& entry = entries_[text];
    if (--entry.uses > 0) return;
    bytes_ -= bytes_of(entry.text);
    by_text_.erase(entry.text);
    entries_.remove(text);
}

// ---- Answers ----

std::size_t ErrorTable::bytes_of(const Entry& entry) {
    constexpr std::size_t index_bytes = 8;
    return sizeof(Entry) + index_bytes + allocated(entry.own_bytes);
}

ErrorHandle ErrorTable::intern(const mta::DeliveryError& error) {
    const auto hash = hash_of(error);
    const auto hash_at = [this](ErrorHandle other) { return entries_[other].hash; };
    const auto known = by_hash_.find(hash, hash_at);
    if (known && (*this)[known] == error) {
        ++entries_[known].uses;
        return known;
    }
    const auto [shape, own] = take_apart(error.text);
    const auto added = entries_.add();
    auto& entry = entries_[added];
    entry.hash = hash;
    entry.uses = 1;
    entry.shape = texts_.intern(shape);
    entry.remote = texts_.intern(error.remote);
    entry.status = error.status;
    entry.reply_code = error.reply_code;
    entry.scope = error.scope;
    if (!own.empty()) {
        entry.own = std::make_unique_for_overwrite<char[]>(own.size());
        std::memcpy(entry.own.get(), own.data(), own.size());
        entry.own_bytes = static_cast<std::uint16_t>(own.size());
    }
    entry.is_indexed = !known;
    if (entry.is_indexed) by_hash_.add(hash, added, hash_at);
    bytes_ += bytes_of(entry);
    return added;
}

void ErrorTable::release(ErrorHandle error) {
    auto& entry = entries_[error];
    if (--entry.uses > 0) return;
    bytes_ -= bytes_of(entry);
    if (entry.is_indexed) {
        by_hash_.remove(entry.hash, [this](ErrorHandle other) { return entries_[other].hash; });
    }
    texts_.release(entry.shape);
    texts_.release(entry.remote);
    entries_.remove(error);
}

mta::DeliveryError ErrorTable::operator[](ErrorHandle error) const {
    const auto& entry = entries_[error];
    return {.status = entry.status,
            .scope = entry.scope,
            .reply_code = entry.reply_code,
            .text = put_together(texts_[entry.shape], {entry.own.get(), entry.own_bytes}),
            .remote = texts_[entry.remote]};
}

}  // namespace queue
