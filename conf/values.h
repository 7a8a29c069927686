#pragma once
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "conf/settings.h"

namespace conf {

// A single value of the configuration. The error says what is wrong and what is allowed, in words
// that follow `key = "value": `.
template <class T>
using Parsed = std::expected<T, std::string>;

// "192.0.2.1:25", "[2001:db8::1]:25". If `default_port` is not zero, the port and the brackets may
// be left out.
[[nodiscard]] Parsed<mta::Endpoint> parse_address(std::string_view text,
                                                  std::uint16_t default_port = 0);
[[nodiscard]] Parsed<mta::Network> parse_network(std::string_view text);
// "exchange.lan:25", "192.0.2.1:25", "[2001:db8::1]:25". Without a port, it is 25.
[[nodiscard]] Parsed<NextHopHost> parse_next_hop(std::string_view text);
// The name of a host or a mail domain, as A-labels in lower case.
[[nodiscard]] Parsed<std::string> parse_domain(std::string_view text);
// A domain, or ".sub.tree" for everything below one.
[[nodiscard]] Parsed<std::string> parse_domain_or_subtree(std::string_view text);
// "0660", "0600", "0666": read and write permissions, which the owner must have.
[[nodiscard]] Parsed<std::uint32_t> parse_socket_mode(std::string_view text);
// "postmaster@office.example": a plain address, with the domain as A-labels.
[[nodiscard]] Parsed<std::string> parse_mail_address(std::string_view text);
// "22:00-06:00": a part of each day.
[[nodiscard]] Parsed<mta::DailyWindow> parse_window(std::string_view text);

}  // namespace conf
