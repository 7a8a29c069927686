// Every limit of the relay that is not a setting: what it counts, and why it has this value. The
// code that enforces a limit says what happens there. Settings and their defaults are in
// conf/settings.h.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "mta/base/time.h"

namespace mta::limits {

// ---- SMTP, as a server (RFC 5321 section 4.5.3.1) ----
// A command line with CRLF. 512 in RFC 5321; MAIL and RCPT grow with DSN (RFC 3461: ENVID 100,
// ORCPT 500, in xtext), SMTPUTF8 and AUTH=; 4096 holds any legal one.
inline constexpr std::size_t command_line_bytes_max = 4096;
// A line of text with CRLF is 1000 by the RFC; real mail exceeds it, so longer lines pass up to
// this, counted over the bytes of the line, and without this limit memory stays flat all the same
// (lines are not gathered).
inline constexpr std::size_t text_line_bytes_max = 1u << 20;
// Header section: bytes and fields. Beyond: 552 5.3.4 / 554 5.6.0.
inline constexpr std::size_t header_bytes_max = 1u << 20;
inline constexpr std::size_t header_fields_max = 5000;
inline constexpr std::size_t local_part_bytes_max = 64;
inline constexpr std::size_t domain_bytes_max = 255;
// local-part@domain: RFC 5321's 256-byte path less "<>" is 254, UTF-8 addresses and lenient peers
// get a little more.
inline constexpr std::size_t address_bytes_max = 320;
inline constexpr std::size_t envid_bytes_max = 100;  // RFC 3461 section 4.4, decoded
inline constexpr std::size_t orcpt_bytes_max = 500;  // RFC 3461 section 4.2, decoded
// Commands of one session since its last accepted message: mistakes (unknown, out of order), and
// harmless ones that bring no mail (NOOP, RSET, VRFY, an empty chunk). Beyond either: 421.
inline constexpr std::uint32_t session_errors_max = 20;
inline constexpr std::uint32_t session_idle_commands_max = 200;
// Commands of one session in one turn of the event loop: about a millisecond of work. The others
// wait for the next turn, so that a client that pipelines thousands does not hold up the others.
inline constexpr std::uint32_t session_commands_of_turn_max = 100;
// Commands that are no errors of the client, and yet may not go on for ever: MAILs that were
// deferred since the last accepted message, and recipients beyond the limit of a transaction. 421.
inline constexpr std::uint32_t session_deferrals_max = 100;
inline constexpr std::uint32_t excess_recipients_max = 10'000;

// ---- SMTP, as a client ----
// Reply lines: 512 by the RFC; real hosts exceed it. Text beyond these three limits is dropped; the
// reply counts.
inline constexpr std::size_t reply_line_bytes_max = 2048;
inline constexpr std::size_t reply_lines_max = 128;
inline constexpr std::size_t reply_bytes_max = 64u << 10;
// At most this much of one reply is read, in bytes. Beyond it the code seen last is the answer, and
// the connection is closed.
inline constexpr std::size_t reply_raw_bytes_max = 8u << 20;
// The part of a reply that is kept on disk for each recipient.
inline constexpr std::size_t kept_reply_bytes_max = 200;

// ---- Destinations ----
// Addresses whose health is remembered, and hosts whose limit is: about 300 bytes each. Beyond this
// the least recently used are forgotten, as if they had never failed.
inline constexpr std::size_t addresses_remembered_max = 20'000;
inline constexpr std::size_t hosts_remembered_max = 20'000;
// Failing destinations and addresses that are remembered over a restart.
inline constexpr std::size_t hints_max = 20'000;

// ---- What the answers to "why" remember (in RAM, for each shard) ----
// Attempts with their hosts and what was said: about a million where servers repeat themselves. A
// message with no more than a few failed attempts costs some hundred bytes.
inline constexpr std::size_t attempt_history_bytes_max = 32u << 20;
// The part of one reply that is kept. Real replies have some hundred bytes; without this limit the
// long replies of one server would displace the history of all others.
inline constexpr std::size_t attempt_words_bytes_max = 4096;
// In an answer: attempts shown of one recipient, and attempts looked at for one message.
inline constexpr std::size_t attempts_shown_max = 200;
inline constexpr std::size_t attempts_looked_at_max = 20'000;
// Recipients that were given up, each with the error and the report about it.
inline constexpr std::size_t endings_max = 10'000;
inline constexpr std::size_t ending_words_bytes_max = 500;

// ---- Tracing (`posthouse trace`), for each shard ----
// Watchers at a time, and what is kept for each until it is fetched.
inline constexpr std::size_t trace_watchers_max = 8;
inline constexpr std::size_t trace_bytes_max = 1u << 20;
// A watcher that has not fetched for this long is dropped.
inline constexpr Millis trace_silence_max{10'000};

// ---- Bodies ----
// Up to this size a body travels inside its ENQ record and stays in RAM while it is delivered. A
// larger one is streamed to disk while it arrives, in BODY records of body_chunk_bytes_max at most.
inline constexpr std::size_t body_inline_bytes_max = 128u << 10;
inline constexpr std::size_t body_chunk_bytes_max = 256u << 10;

// ---- Streams ----
// Bytes written to a stream that the kernel has not taken yet; beyond it the source is paused.
inline constexpr std::size_t stream_backlog_bytes_max = 512u << 10;

// ---- DNS ----
inline constexpr std::uint32_t dns_in_flight_max =
    100;  // more at once lose UDP answers (c-ares 1.18: one socket)
inline constexpr std::size_t dns_waiting_max =
    50'000;  // look-ups queued behind those, and as many of silent names; beyond: overloaded
inline constexpr std::size_t dns_tcp_waiting_max = 1'000;  // questions in each line for TCP
inline constexpr std::uint32_t cname_chain_max = 10;
inline constexpr std::size_t dns_answer_records_max = 256;
inline constexpr std::size_t mx_hosts_max = 100;
inline constexpr std::size_t dns_cache_entries_max = 100'000;

}  // namespace mta::limits
