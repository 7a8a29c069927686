#pragma once
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "mta/base/assert.h"

namespace queue {

// Numbers and strings as bytes, for what is kept. Integers are little endian, whatever the machine
// is; a string follows its length.

template <std::unsigned_integral T>
void put(std::string& out, T value) {
    char bytes[sizeof(T)];
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        bytes[i] = static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
    }
    out.append(bytes, sizeof bytes);
}

// Overwrites the bytes from `at` on.
template <std::unsigned_integral T>
void put_at(std::string& out, std::size_t at, T value) {
    MTA_ASSERT(at + sizeof(T) <= out.size());
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        out[at + i] = static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
    }
}

template <std::unsigned_integral T>
[[nodiscard]] T get_at(std::string_view in, std::size_t at) {
    MTA_ASSERT(at + sizeof(T) <= in.size());
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        value |= std::uint64_t{static_cast<unsigned char>(in[at + i])} << (8 * i);
    }
    return static_cast<T>(value);
}

// Cuts the string after 65,535 bytes, so that no input can stop the writer. (No string is longer:
// an SMTP command line has at most 4096 bytes.)
inline void put_string(std::string& out, std::string_view text) {
    text = text.substr(0, UINT16_MAX);
    put(out, static_cast<std::uint16_t>(text.size()));
    out += text;
}

// Takes values off the front. A read beyond the end returns zero or an empty string and makes ok()
// false for good, so one check at the end is enough.
class ByteReader {
public:
    explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

    template <std::unsigned_integral T>
    T take() {
        if (rest_.size() < sizeof(T)) {
            fail();
            return 0;
        }
        const auto value = get_at<T>(rest_, 0);
        rest_.remove_prefix(sizeof(T));
        return value;
    }
    std::string_view take_bytes(std::uint64_t length) {
        if (rest_.size() < length) {
            fail();
            return {};
        }
        const auto bytes = rest_.substr(0, static_cast<std::size_t>(length));
        rest_.remove_prefix(static_cast<std::size_t>(length));
        return bytes;
    }
    std::string_view take_string() { return take_bytes(take<std::uint16_t>()); }
    [[nodiscard]] bool ok() const { return ok_; }
    [[nodiscard]] std::size_t left() const { return rest_.size(); }
    void fail() {
        ok_ = false;
        rest_ = {};
    }

private:
    std::string_view rest_;
    bool ok_ = true;
};

// An enumerator from its number. Fails if the number is above that of `last`.
template <class Enum>
[[nodiscard]] Enum take_enum(ByteReader& in, Enum last) {
    const auto value = in.take<std::underlying_type_t<Enum>>();
    if (value > std::to_underlying(last)) in.fail();
    return static_cast<Enum>(value);
}

}  // namespace queue
