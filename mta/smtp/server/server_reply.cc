#include "mta/smtp/server/server_reply.h"

#include "mta/base/assert.h"

namespace mta::smtp {
namespace {

void append_number(std::string& out, std::uint16_t number) { out += std::to_string(number); }

void append_line(std::string& out, const ServerReply& reply, std::string_view text, bool is_last) {
    append_number(out, reply.code);
    out += is_last ? ' ' : '-';
    if (reply.status.klass != 0) {
        append_number(out, reply.status.klass);
        out += '.';
        append_number(out, reply.status.subject);
        out += '.';
        append_number(out, reply.status.detail);
        out += ' ';
    }
    for (const char c : text) out += c >= ' ' && c <= '~' ? c : '?';
    out += "\r\n";
}

}  // namespace

void append_reply(std::string& out, const ServerReply& reply) {
    MTA_ASSERT(reply.code >= 200 && reply.code <= 599);
    MTA_ASSERT(reply.status.klass == 0 || reply.status.klass == reply.code / 100);
    std::string_view rest = reply.text;
    while (true) {
        const auto newline = rest.find('\n');
        const bool is_last = newline == rest.npos;
        append_line(out, reply, rest.substr(0, newline), is_last);
        if (is_last) return;
        rest.remove_prefix(newline + 1);
    }
}

ServerReply out_of_order(std::string_view text) { return {503, {5, 5, 1}, std::string(text)}; }

ServerReply etrn_not_available() { return {502, {5, 5, 1}, "ETRN is not available here"}; }

std::string to_string(const ServerReply& reply) {
    std::string out;
    append_reply(out, reply);
    return out;
}

}  // namespace mta::smtp
