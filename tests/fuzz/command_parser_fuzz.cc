// Property: an accepted command, written out again in full, reads back as the same command. A
// refused one gets a reply with a 5yz code and a status of that class.
#include <cstdint>
#include <string>
#include <utility>

#include "mta/base/assert.h"
#include "mta/base/time_format.h"
#include "mta/smtp/server/command_parser.h"

namespace {

using namespace mta;
using namespace mta::smtp;

std::string write_mail(const MailArguments& mail) {
    auto line = "MAIL FROM:<" + mail.reverse_path.text() + '>';
    if (mail.size) line += " SIZE=" + std::to_string(*mail.size);
    if (mail.body_type == BodyType::eight_bit_mime) line += " BODY=8BITMIME";
    if (mail.smtputf8) line += " SMTPUTF8";
    if (mail.ret != Ret::unspecified) line += mail.ret == Ret::full ? " RET=FULL" : " RET=HDRS";
    if (!mail.envid.empty()) line += " ENVID=" + mail.envid;
    if (mail.priority) line += " MT-PRIORITY=" + std::to_string(*mail.priority);
    if (mail.hold_for_s) line += " HOLDFOR=" + std::to_string(*mail.hold_for_s);
    if (mail.hold_until) line += " HOLDUNTIL=" + mta::format_rfc3339(*mail.hold_until);
    if (mail.by) {
        line += " BY=" + std::to_string(mail.by->seconds);
        line += mail.by->mode == mta::ByMode::give_back ? ";R" : ";N";
        if (mail.by->trace) line += 'T';
    }
    return line;
}

std::string write_rcpt(const RcptArguments& rcpt) {
    auto line = "RCPT TO:<" + rcpt.forward_path.text() + '>';
    std::string notify;
    const auto add = [&](unsigned bit, std::string_view name) {
        if ((rcpt.notify & bit) == 0) return;
        if (!notify.empty()) notify += ',';
        notify += name;
    };
    add(notify_never, "NEVER");
    add(notify_success, "SUCCESS");
    add(notify_failure, "FAILURE");
    add(notify_delay, "DELAY");
    if (!notify.empty()) line += " NOTIFY=" + notify;
    if (!rcpt.orcpt.empty()) line += " ORCPT=" + rcpt.orcpt;
    return line;
}

std::string write(const Command& command) {
    std::string line(to_string(command.verb));
    if (const auto* hello = std::get_if<HelloArguments>(&command.arguments))
        return line + ' ' + hello->name;
    if (const auto* mail = std::get_if<MailArguments>(&command.arguments)) return write_mail(*mail);
    if (const auto* rcpt = std::get_if<RcptArguments>(&command.arguments)) return write_rcpt(*rcpt);
    if (const auto* bdat = std::get_if<BdatArguments>(&command.arguments)) {
        return line + ' ' + std::to_string(bdat->size) + (bdat->is_last ? " LAST" : "");
    }
    if (const auto* etrn = std::get_if<EtrnArguments>(&command.arguments)) {
        using Kind = EtrnArguments::Kind;
        const auto* const mark = etrn->kind == Kind::tree    ? " @"
                                 : etrn->kind == Kind::queue ? " #"
                                                             : " ";
        return line + mark + etrn->node;
    }
    return command.verb == Verb::vrfy ? line + " x" : line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const Extensions extensions{.smtputf8 = (data[0] & 1) == 0,
                                .dsn = (data[0] & 2) == 0,
                                .chunking = (data[0] & 4) == 0,
                                .starttls = (data[0] & 8) != 0,
                                .auth = (data[0] & 16) != 0,
                                .mt_priority = (data[0] & 64) == 0,
                                .future_release = (data[0] & 64) == 0,
                                .deliver_by = (data[0] & 64) == 0};
    const bool is_utf8 = (data[0] & 32) != 0;
    const std::string_view line(reinterpret_cast<const char*>(data + 1), size - 1);
    const auto command = parse_command(line, extensions, is_utf8);
    if (!command) {
        MTA_ASSERT(command.error().code >= 500 && command.error().status.klass == 5);
        (void)to_string(command.error());
        return 0;
    }
    MTA_ASSERT(parse_command(write(*command), extensions, is_utf8) == command);
    return 0;
}
