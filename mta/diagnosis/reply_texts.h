// What mail servers say in words because SMTP has no code for it.
#pragma once
#include <cstdint>
#include <string_view>

namespace mta::diagnosis {

enum class Topic : std::uint8_t {
    greylisting,
    too_many_connections,
    too_many_recipients,
    our_address,
    reverse_name,
    mailbox_full,
    no_mailbox,
    mailbox_disabled,
    too_big,
    our_reputation,
    spam,
};

// The topics that a text touches.
class Topics {
public:
    void add(Topic topic) { bits_ |= bit_of(topic); }
    [[nodiscard]] bool has(Topic topic) const { return (bits_ & bit_of(topic)) != 0; }

private:
    static std::uint32_t bit_of(Topic topic) { return 1u << static_cast<unsigned>(topic); }
    std::uint32_t bits_ = 0;
};

// By the table in reply_texts.cc, ignoring case. The words are those of real servers; a text that
// the table does not know is an ordinary failure. So a missing row does little harm, and a wrong
// row may do much.
[[nodiscard]] Topics topics_of(std::string_view text);

}  // namespace mta::diagnosis
