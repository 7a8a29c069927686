// What a failure at each stage of a session means for the retry: status and scope. Why it failed is
// diagnosis.h.
//
//                    4xx, 5xx say          421, lost connection,       unintelligible reply
//                                          timeout
//   greeting         host, always 4.x.x    host 4.4.2                  host 4.5.0
//   EHLO, HELO       host, always 4.x.x    host 4.4.2                  host 4.5.0
//   RSET             nothing               nothing                     nothing
//   MAIL             message               message 4.4.2               message 4.5.0
//   RCPT             recipient             recipient 4.4.2             recipient 4.5.0
//   DATA             message               message 4.4.2               message 4.5.0
//   body, final dot  message               message 4.4.2               message 4.5.0
//
// - The reply code's first digit decides, whether the code is known or not: 4 retry, 5 give up.
//   The class of an enhanced code is made to agree with it ("450 5.7.1" becomes 4.7.1): that code
//   is for people (RFC 5321 section 4.2.1).
// - A host that has answered EHLO is up. A session that breaks after that is charged to what was
//   said last: one mailbox, or one message that makes a content filter break off, must not hold
//   up the mail of others. A RCPT is to blame only if it is the only one that was not answered; a
//   break while several were outstanding is the message's. (421 comes with its own status.)
// - A failure at RSET is charged to no recipient: the host has answered EHLO, and nothing was
//   said about the message, which goes over a new connection.
// - A reply that breaks off counts if its code was said, see ClientSession.
// - 552 on RCPT counts as 452 (RFC 5321 section 4.5.3.1.10): retry.
// - A 5xx greeting or EHLO reply says nothing about any message, and it often comes from a block
//   list or a passing overload. The next host is tried; when all have refused, the mail waits (as
//   in Postfix with smtp_skip_5xx_greeting). So its class becomes 4. This is true of 554 (RFC 5321
//   section 3.1) and 521 (RFC 7504) too: a host that never takes mail is an error in the MX
//   records, which its administrator will correct, and the message's lifetime ensures that
//   the sender gets a report. A domain that wants no mail at all says so with a null MX
//   (RFC 7505), or its host with 556 on RCPT, which is permanent.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "mta/base/outcome.h"
#include "mta/smtp/syntax/reply.h"
#include "mta/smtp/syntax/reply_parser.h"

namespace mta::smtp {

enum class Stage : std::uint8_t { greeting, ehlo, rset, mail, rcpt, data, body };
[[nodiscard]] std::string_view to_string(Stage stage);  // "the greeting", "MAIL", "the message"

// Longer texts are cut. Real ones have a few hundred bytes.
inline constexpr std::size_t error_text_bytes_max = 4096;

// All of them leave `remote` empty.

// The error of a 4xx or 5xx reply. Any other reply is one that the stage has no use for: that is a
// protocol error. `text`: all lines joined by '\n', enhanced code included.
[[nodiscard]] DeliveryError error_from_reply(Stage stage, const Reply& reply);

// 4.4.2. `reason`: why, as far as the system knows ("connection reset by peer"), may be empty.
[[nodiscard]] DeliveryError error_from_loss(Stage stage, std::string_view reason);
[[nodiscard]] DeliveryError error_from_timeout(Stage stage);
// 4.5.0. Out of step: unintelligible, oversized, or a reply without a command.
[[nodiscard]] DeliveryError error_from_nonsense(Stage stage, ReplyError error);
[[nodiscard]] DeliveryError error_from_unexpected(Stage stage, const Reply& reply);

}  // namespace mta::smtp
