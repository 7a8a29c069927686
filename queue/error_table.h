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

// Texts, each once.
class TextTable {
public:
    // Counts as a use of it, to be given back by release().
    [[nodiscard]] TextHandle intern(std::string_view text);
    void release(TextHandle text);
    [[nodiscard]] const std::string& operator[](TextHandle text) const {
        return entries_[text].text;
    }
    // In memory, about.
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
    struct Entry {
        std::string text;
        std::uint32_t uses = 0;
    };
    [[nodiscard]] static std::size_t bytes_of(const std::string& text);

    Slab<Entry, TextHandle> entries_;
    std::unordered_map<std::string_view, TextHandle> by_text_;  // into the entries
    std::size_t bytes_ = 0;
};

// What remotes said, each different answer once: a server that is out of order tells a hundred
// thousand messages the same. Others put something of its own into each answer (an id, a time, our
// address): then the words that have digits are kept for each, and the text around them once. With
// that an answer takes a fifth of what it has in bytes.
class ErrorTable {
public:
    // Counts as a use of it, to be given back by release().
    [[nodiscard]] ErrorHandle intern(const mta::DeliveryError& error);
    // With the last use it goes.
    void release(ErrorHandle error);
    // Put together anew.
    [[nodiscard]] mta::DeliveryError operator[](ErrorHandle error) const;
    [[nodiscard]] mta::Scope scope(ErrorHandle error) const { return entries_[error].scope; }
    // The same for the same answer, as long as it is used.
    [[nodiscard]] const void* identity(ErrorHandle error) const { return &entries_[error]; }
    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    // In memory, about.
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
