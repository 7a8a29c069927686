#include "mta/smtp/server/trace.h"

#include <algorithm>
#include <array>

#include "mta/base/limits.h"
#include "mta/base/time_format.h"

namespace mta::smtp {
namespace {

bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._:[]").find(c) != std::string_view::npos;
}

}  // namespace

std::string_view with_protocol(const Trace& trace) {
    if (!trace.is_extended) return "SMTP";
    constexpr std::array<std::string_view, 8> names = {
        "ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA", "UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA"};
    const unsigned index = (trace.is_smtputf8 ? 4U : 0U) + (trace.is_tls ? 2U : 0U) +
                           (trace.is_authenticated ? 1U : 0U);
    return names.at(index);
}

std::string sanitise_helo_name(std::string_view name) {
    if (name.empty()) return "unknown";
    std::string out(name.substr(0, limits::domain_bytes_max));
    std::ranges::replace_if(out, [](char c) { return !is_name_char(c); }, '?');
    return out;
}

std::string format_received(const Trace& trace) {
    std::string out;
    out.reserve(300);
    out += "Received: from ";
    out += sanitise_helo_name(trace.helo_name);
    out += " (";
    out += trace.remote.to_literal();
    out += ")\r\n\tby ";
    out += trace.hostname;
    out += " (Posthouse) with ";
    out += with_protocol(trace);
    out += " id ";
    out += trace.queue_id;
    if (!trace.only_recipient.empty()) {
        out += "\r\n\tfor <";
        out += trace.only_recipient;
        out += '>';
    }
    if (trace.priority != 0) out += "\r\n\tpriority " + std::to_string(trace.priority);
    out += ";\r\n\t";
    out += format_rfc5322(trace.now);
    out += "\r\n";
    return out;
}

}  // namespace mta::smtp
