#pragma once
#include <cstddef>
#include <string>

#include "queue/bytes.h"
#include "queue/message.h"

namespace queue::segment_log {

// The fields of a recipient's state that have a fixed size. STATE records and digests hold the same
// bytes; each has its own way to keep the text and the remote of the last error behind them.
//
//   u8 phase | u8 flags | u8 delay notices | u8 scope | u16 attempts | u16 reply code |
//   u64 next due | u64 last attempt | u16 class | u16 subject | u16 detail
inline constexpr std::size_t state_fields_bytes = 4 * 1 + 2 * 2 + 2 * 8 + 3 * 2;
inline constexpr std::size_t at_next_due = 8;

void put_state_fields(std::string& out, const RecipientState& state);
// Makes `in` fail if a phase or scope is unknown.
[[nodiscard]] RecipientState take_state_fields(ByteReader& in);

}  // namespace queue::segment_log
