#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "mta/base/outcome.h"
#include "queue/handles.h"
#include "queue/id_index.h"
#include "queue/slab.h"

namespace queue {

// Keeps each different text once.
class TextTable {
public:
    // Counts one more use, which release() gives back.
    [[nodiscard]] TextHandle intern(std::string_view text);
    void release(TextHandle text);
    [[nodiscard]] const std::string& operator[](TextHandle text) const {
        return entries_[text].text;
    }
    // About how much memory it takes.
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
    struct Entry {
        std::string text;
        std::uint32_t uses = 0;
    };
    [[nodiscard]] static std::size_t bytes_of(const std::string& text);

    Slab<Entry, TextHandle> entries_;
    std::unordered_map<std::string_view, TextHandle> by_text_;  // views of the entries' texts
    std::size_t bytes_ = 0;
};

// Keeps each different answer of remote servers once, because a broken server gives a hundred
// thousand messages the same answer. Other servers put an id, a time or our address into each
// answer: then the words with digits are kept for each answer, and the text around them once. Such
// an answer takes a fifth of its bytes.
class ErrorTable {
public:
    // Counts one more use, which release() gives back. The answer goes with its last use.
    [[nodiscard]] ErrorHandle intern(const mta::DeliveryError& error);
    void release(ErrorHandle error);
    // Built from its parts.
    [[nodiscard]] mta::DeliveryError operator[](ErrorHandle error) const;
    [[nodiscard]] mta::Scope scope(ErrorHandle error) const { return entries_[error].scope; }
    // Equal for equal answers, as long as the answer is in use.
    [[nodiscard]] const void* identity(ErrorHandle error) const { return &entries_[error]; }
    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    // About how much memory it takes.
    [[nodiscard]] std::size_t bytes() const { return bytes_ + texts_.bytes(); }

private:
    struct Entry {
        std::uint64_t hash = 0;
        std::unique_ptr<char[]> own;  // the words that are not in `shape`, each with a zero behind
        std::uint32_t uses = 0;
        TextHandle shape;
        TextHandle remote;
        mta::EnhancedStatus status;
        std::uint16_t reply_code = 0;
        std::uint16_t own_bytes = 0;
        mta::Scope scope = mta::Scope::recipient;
        bool is_indexed = false;  // not if another answer has the same hash
    };
    static_assert(sizeof(Entry) <= 40);
    [[nodiscard]] static std::size_t bytes_of(const Entry& entry);

    Slab<Entry, ErrorHandle> entries_;
    IdIndex<ErrorHandle> by_hash_;
    TextTable texts_;
    std::size_t bytes_ = 0;
};

}  // namespace queue
