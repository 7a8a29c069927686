#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dns {

// The header of a DNS message (RFC 1035 section 4.1.1), as far as a resolver needs it.
struct WireHeader {
    unsigned rcode = 0;
    bool is_reply = false;
    bool is_truncated = false;
    std::uint16_t questions = 0;
    std::uint16_t answers = 0;
    std::uint16_t authorities = 0;
    std::uint16_t additionals = 0;
};

// One resource record (RFC 1035 section 4.1.3). Its data is left in the message, in the range
// [data_at, data_end).
struct WireRecord {
    static constexpr std::uint16_t class_in = 1;

    std::optional<std::string> owner;  // empty if the owner's name is broken
    std::uint16_t type = 0;
    std::uint16_t klass = 0;
    std::uint32_t ttl_s = 0;
    unsigned opt_extended_rcode = 0;  // an OPT record has it in place of a TTL
    std::size_t data_at = 0;
    std::size_t data_end = 0;

    [[nodiscard]] std::size_t data_size() const { return data_end - data_at; }
    [[nodiscard]] bool is(std::uint16_t wanted) const {
        return klass == class_in && type == wanted;
    }
    [[nodiscard]] bool is(std::uint16_t wanted, std::string_view of) const {
        return is(wanted) && owner == of;
    }
};

// Reads a DNS message from front to back, validating every length and pointer. Each take_...()
// returns nothing if the message ends first or is broken there; the position is undefined then,
// until go_to() sets it. The bytes must outlive the reader.
class WireReader {
public:
    explicit WireReader(std::string_view bytes) : bytes_(bytes) {}

    [[nodiscard]] std::size_t at() const { return at_; }
    // `at` must be a position that at() or a WireRecord gave.
    void go_to(std::size_t at) { at_ = at; }

    std::optional<std::uint16_t> take_u16();
    std::optional<std::uint32_t> take_u32();
    // In lower case, without the closing dot; "." is the root. A byte that no host name contains
    // becomes "\ddd" (RFC 1035 section 5.1), so that different names stay different. A pointer may
    // only lead backwards, so every name ends.
    std::optional<std::string> take_name();
    // Goes on from the message's start.
    std::optional<WireHeader> take_header();
    // The record and its data. If only the owner's name is broken, the record has no owner.
    std::optional<WireRecord> take_record();
    // The `size` bytes from `at`, which must lie inside a record's data.
    template <std::size_t size>
    [[nodiscard]] std::array<std::uint8_t, size> octets(std::size_t at) const {
        std::array<std::uint8_t, size> out{};
        for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(byte(at + i));
        return out;
    }

private:
    // Goes to the end of a name, even of one with a bad pointer or a bad length. False if the
    // message ends first.
    [[nodiscard]] bool skip_name();
    [[nodiscard]] unsigned byte(std::size_t at) const {
        return static_cast<unsigned char>(bytes_[at]);
    }
    [[nodiscard]] std::uint16_t u16_at(std::size_t at) const {
        return static_cast<std::uint16_t>(byte(at) << 8 | byte(at + 1));
    }

    std::string_view bytes_;
    std::size_t at_ = 0;
};

}  // namespace dns
