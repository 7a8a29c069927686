// Property: a report about any mail, with any reply of a remote host, is well-formed.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/assert.h"
#include "mta/base/domain.h"
#include "mta/base/limits.h"
#include "mta/report/dsn.h"
#include "mta/report/mime.h"

namespace {

using mta::report::facts_of;

// Separates the parts of the input, which become the untrusted texts one after the other.
constexpr char separator = '\x1e';

class Parts {
public:
    explicit Parts(std::string_view input) : input_(input) {}
    std::string next() {
        const auto end = std::min(input_.find(separator), input_.size());
        std::string part(input_.substr(0, end));
        input_.remove_prefix(std::min(end + 1, input_.size()));
        return part;
    }

private:
    std::string_view input_;
};

std::string cut(std::string text, std::size_t bytes) {
    text.resize(std::min(text.size(), bytes));
    return text;
}

std::size_t count(std::string_view text, std::string_view needle) {
    std::size_t found = 0;
    for (auto at = text.find(needle); at != text.npos; at = text.find(needle, at + 1)) ++found;
    return found;
}

void check(const queue::Message& report) {
    const std::string_view body = report.body;
    MTA_ASSERT(mta::report::is_canonical_text(body));
    MTA_ASSERT(report.facts == facts_of(body));
    MTA_ASSERT(body.size() <= mta::limits::body_inline_bytes_max);
    MTA_ASSERT(report.envelope.smtputf8 == report.facts.header_has_8bit);
    MTA_ASSERT(report.facts.has_8bit ==
               (report.envelope.body_type == queue::BodyType::eight_bit_mime));
    // The report needs SMTPUTF8 only if the local part of its recipient is in UTF-8.
    MTA_ASSERT(mta::is_ascii(body.substr(report.facts.header_bytes)));
    MTA_ASSERT(report.envelope.smtputf8 ==
               !mta::is_ascii(report.envelope.recipients.front().address));
    // The body has three parts and an end.
    const std::string_view name = "boundary=\"";
    const auto begin = body.find(name) + name.size();
    const auto boundary = std::string(body.substr(begin, body.find('"', begin) - begin));
    MTA_ASSERT(count(body, "\r\n--" + boundary) == 4);
    MTA_ASSERT(body.ends_with("\r\n--" + boundary + "--\r\n"));
    // The header has each field of the report once, and no other field.
    std::string_view header = body.substr(0, report.facts.header_bytes);
    std::vector<std::string> fields;
    while (!header.empty()) {
        if (header.front() != ' ') fields.emplace_back(header.substr(0, header.find(':')));
        header.remove_prefix(header.find("\r\n") + 2);
    }
    std::erase_if(
        fields, [](const auto& field) { return field == "In-Reply-To" || field == "References"; });
    const std::vector<std::string> expected = {
        "From",         "To",           "Subject",
        "Date",         "Message-ID",   "Auto-Submitted",
        "MIME-Version", "Content-Type", "Content-Transfer-Encoding"};
    MTA_ASSERT(fields == expected);
    // The second part has one group of fields for the recipient.
    const auto marker = "\r\n--" + boundary;
    const auto second = body.find(marker, body.find(marker) + 1);
    const auto status = body.substr(second, body.find(marker, second + 1) - second);
    MTA_ASSERT(count(status, "\r\nAction: ") == 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const unsigned choice = data[0];
    Parts parts(std::string_view(reinterpret_cast<const char*>(data), size).substr(1));
    queue::Message original;
    original.id = 7;
    original.arrival = mta::from_unix_ms(1'795'000'000'000);
    static const std::string senders[] = {"ann@office.example", "j\u00f6rg@office.example",
                                          "ann@b\u00fcro.example", R"("a>  \"b"@office.example)"};
    original.envelope.reverse_path = senders[(choice & 1) + (data[1] & 1) * 2];
    original.envelope.smtputf8 = (choice & 2) != 0;
    original.envelope.ret = (choice & 4) != 0 ? queue::Ret::headers : queue::Ret::full;
    mta::outbound::RecipientOutcome outcome;
    outcome.has_expired = (choice & 8) != 0;
    outcome.error.reply_code = (choice & 16) != 0 ? 550 : 0;
    outcome.error.text = parts.next();
    outcome.error.remote = parts.next();
    original.envelope.envid = cut(parts.next(), mta::limits::envid_bytes_max * 3);
    queue::Recipient recipient;
    recipient.orcpt = cut(parts.next(), mta::limits::orcpt_bytes_max * 3);
    recipient.address = cut(parts.next(), mta::limits::address_bytes_max);
    original.envelope.recipients = {recipient};
    original.message_id = cut(parts.next(), 255);
    original.body = parts.next();
    original.facts = facts_of(original.body);
    const std::vector outcomes = {outcome};
    const auto made = mta::report::make_dsns(
        {.kind = static_cast<mta::outbound::ReportKind>(choice / 32 % 3),
         .original = original,
         .head = std::string_view(original.body).substr(0, mta::outbound::report_head_bytes),
         .outcomes = outcomes,
         .now = original.arrival + mta::Millis(86'400'000),
         .give_up_at = original.arrival + mta::Millis(5 * 86'400'000)},
        {.hostname = "mail.office.example", .postmaster = ""}, [] { return 100; });
    MTA_ASSERT(made.size() == 1);
    check(*made[0]);
    return 0;
}
