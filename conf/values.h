#pragma once
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "conf/settings.h"

namespace conf {

// Single values of the configuration. The error says what is wrong and what is allowed, in words
// that follow `key = "value": `.
template <class T>
using Parsed = std::expected<T, std::string>;

// "192.0.2.1:25", "[2001:db8::1]:25". With `default_port` not zero the port may be left out, and
// with it the brackets.
[[nodiscard]] Parsed<mta::Endpoint> parse_address(std::string_view text,
                                                  std::uint16_t default_port = 0);
[[nodiscard]] Parsed<mta::Network> parse_network(std::string_view text);
// "exchange.lan:25", "192.0.2.1:25", "[2001:db8::1]:25", or without a port: 25.
[[nodiscard]] Parsed<NextHopHost> parse_next_hop(std::string_view text);
// A host's or mail domain's name, as A-labels in lower case.
[[nodiscard]] Parsed<std::string> parse_domain(std::string_view text);
// A domain, or ".sub.tree" for everything below one.
[[nodiscard]] Parsed<std::string> parse_domain_or_subtree(std::string_view text);
// "0660", "0600", "0666": who may read and write; the owner always may.
[[nodiscard]] Parsed<std::uint32_t> parse_socket_mode(std::string_view text);
// "postmaster@office.example": a plain address, the domain as A-labels.
[[nodiscard]] Parsed<std::string> parse_mail_address(std::string_view text);
// "22:00-06:00": a part of each day.
[[nodiscard]] Parsed<mta::DailyWindow> parse_window(std::string_view text);

}  // namespace conf
