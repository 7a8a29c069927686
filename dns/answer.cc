#include "dns/answer.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mta/base/domain.h"
#include "mta/base/limits.h"

namespace dns {
namespace {

constexpr std::size_t header_bytes = 12;
constexpr std::size_t name_bytes_max = 255;  // RFC 1035 section 2.3.4
// As many as a name of that length has labels; more only serve to keep us busy.
constexpr std::size_t pointers_max = 127;
constexpr std::uint16_t class_in = 1;
constexpr std::uint16_t type_ns = 2;
constexpr std::uint16_t type_opt = 41;
enum Rcode : unsigned { no_error = 0, nx_domain = 3, refused = 5 };

struct Header {
    unsigned rcode = 0;
    bool is_reply = false;
    bool is_truncated = false;
    std::uint16_t questions = 0;
    std::uint16_t answers = 0;
    std::uint16_t authorities = 0;
    std::uint16_t additionals = 0;
};

struct Record {
    std::optional<std::string> owner;  // nothing: it is no name
    std::uint16_t type = 0;
    std::uint16_t klass = 0;
    std::uint32_t ttl_s = 0;
    unsigned opt_extended_rcode = 0;  // an OPT record has it in place of a TTL
    std::size_t data_at = 0;
    std::size_t data_end = 0;

    [[nodiscard]] bool is(RecordType wanted) const {
        return klass == class_in && type == static_cast<std::uint16_t>(wanted);
    }
    [[nodiscard]] bool is(RecordType wanted, std::string_view of) const {
        return is(wanted) && owner == of;
    }
};

void append_escaped(std::string& name, std::string_view label) {
    for (const char c : label) {
        const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (is_letter || (c >= '0' && c <= '9') || c == '-' || c == '_') {
            name += is_letter ? static_cast<char>(c | 0x20) : c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        name += '\\';
        name += static_cast<char>('0' + byte / 100);
        name += static_cast<char>('0' + byte / 10 % 10);
        name += static_cast<char>('0' + byte % 10);
    }
}

// Walks through a message. After a failed take the position means nothing.
class Message {
public:
    explicit Message(std::string_view bytes) : bytes_(bytes) {}

    [[nodiscard]] std::size_t at() const { return at_; }
    void go_to(std::size_t at) { at_ = at; }

    std::optional<std::uint16_t> take_u16() {
        if (bytes_.size() - at_ < 2) return std::nullopt;
        at_ += 2;
        return u16_at(at_ - 2);
    }
    std::optional<std::uint32_t> take_u32() {
        const auto high = take_u16();
        const auto low = high ? take_u16() : std::nullopt;
        if (!low) return std::nullopt;
        return std::uint32_t{*high} << 16 | *low;
    }
    // Lower case, without the closing dot; "." is the root. Bytes that no host name has become
    // "\ddd" (RFC 1035 section 5.1), so that different names stay different.
    std::optional<std::string> take_name();
    // To the end of a name, be its pointer or its length what it may. False: the message ends
    // first.
    [[nodiscard]] bool skip_name();
    std::optional<Header> take_header();
    // Nothing if it is not all there.
    std::optional<Record> take_record();
    template <std::size_t size>
    [[nodiscard]] std::array<std::uint8_t, size> octets(std::size_t at) const {
        std::array<std::uint8_t, size> out{};
        for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(byte(at + i));
        return out;
    }

private:
    [[nodiscard]] unsigned byte(std::size_t at) const {
        return static_cast<unsigned char>(bytes_[at]);
    }
    [[nodiscard]] std::uint16_t u16_at(std::size_t at) const {
        return static_cast<std::uint16_t>(byte(at) << 8 | byte(at + 1));
    }

    std::string_view bytes_;
    std::size_t at_ = 0;
};

std::optional<std::string> Message::take_name() {
    std::string name;
    std::size_t wire_bytes = 1;  // the root's label
    std::size_t position = at_;
    std::size_t run_begin = at_;
    std::size_t pointers = 0;
    while (position < bytes_.size()) {
        const unsigned length = byte(position);
        if (length == 0) {
            if (pointers == 0) at_ = position + 1;
            return name.empty() ? "." : name;
        }
        if ((length & 0xc0) == 0xc0) {
            if (bytes_.size() - position < 2) return std::nullopt;
            const std::size_t target = (length & 0x3f) << 8 | byte(position + 1);
            // Always backwards, before what has been read of this name: so it ends.
            if (target >= run_begin || pointers == pointers_max) return std::nullopt;
            if (pointers == 0) at_ = position + 2;
            ++pointers;
            position = run_begin = target;
            continue;
        }
        wire_bytes += length + 1;
        if (length > 63 || wire_bytes > name_bytes_max) return std::nullopt;
        if (bytes_.size() - position - 1 < length) return std::nullopt;
        if (!name.empty()) name += '.';
        append_escaped(name, bytes_.substr(position + 1, length));
        position += length + 1;
    }
    return std::nullopt;
}

bool Message::skip_name() {
    while (at_ < bytes_.size()) {
        const unsigned length = byte(at_);
        const bool is_pointer = (length & 0xc0) == 0xc0;
        const std::size_t size = is_pointer ? 2 : length + 1;
        // What begins with the bits 01 or 10 has no known length.
        if ((!is_pointer && length > 63) || bytes_.size() - at_ < size) return false;
        at_ += size;
        if (is_pointer || length == 0) return true;
    }
    return false;
}

std::optional<Header> Message::take_header() {
    if (bytes_.size() < header_bytes) return std::nullopt;
    Header header;
    header.is_reply = (byte(2) & 0x80) != 0 && (byte(2) & 0x78) == 0;  // QR, opcode QUERY
    header.is_truncated = (byte(2) & 0x02) != 0;
    header.rcode = byte(3) & 0x0f;
    header.questions = u16_at(4);
    header.answers = u16_at(6);
    header.authorities = u16_at(8);
    header.additionals = u16_at(10);
    go_to(header_bytes);
    return header;
}

std::optional<Record> Message::take_record() {
    Record record;
    const auto begin = at_;
    record.owner = take_name();
    if (!record.owner) {
        go_to(begin);
        if (!skip_name()) return std::nullopt;
    }
    const auto type = take_u16();
    const auto klass = type ? take_u16() : std::nullopt;
    const auto ttl = klass ? take_u32() : std::nullopt;
    const auto size = ttl ? take_u16() : std::nullopt;
    if (!size || bytes_.size() - at_ < *size) return std::nullopt;
    record.type = *type;
    record.klass = *klass;
    record.ttl_s = *ttl > INT32_MAX ? 0 : *ttl;  // RFC 2181 section 8
    record.opt_extended_rcode = *ttl >> 24;
    record.data_at = at_;
    record.data_end = at_ + *size;
    go_to(record.data_end);
    return record;
}

mta::Millis seconds(std::uint32_t count) { return mta::Millis{std::int64_t{count} * 1000}; }

// Reads one answer; parse_answer() with its arguments as members.
class AnswerReader {
public:
    AnswerReader(std::string_view bytes, const Question& question, std::string_view server)
        : message_(bytes), question_(question), server_(server) {}

    [[nodiscard]] Answer read();

private:
    using Kind = LookupError::Kind;
    // What is wrong; nothing: all is well.
    using Problem = std::optional<std::string>;

    [[nodiscard]] bool take_question(const Header& header);
    void take_answers(std::uint16_t count);
    [[nodiscard]] Problem follow_cnames();
    // The CNAME of name_ leads on: name_ is its target then.
    [[nodiscard]] bool follow_cname();
    void collect();
    // Nothing wrong, or the words about it.
    [[nodiscard]] Problem collect_address(const Record& record);
    [[nodiscard]] Problem collect_mx(const Record& record);
    void drop(std::string_view what);
    [[nodiscard]] Answer verdict(const Header& header);
    [[nodiscard]] Answer negative(const Header& header);
    // The SOA's word on how long to believe a "no"; nothing if the record is broken.
    [[nodiscard]] std::optional<mta::Millis> negative_ttl(const Record& soa);
    [[nodiscard]] bool is_at_or_above_name(const std::string& zone) const;

    [[nodiscard]] Answer fail(Kind kind, const std::string& what, mta::Millis ttl = {}) const {
        return {std::unexpected(LookupError{
                    kind, what + " from " + std::string(server_) + " for " + to_string(question_)}),
                ttl};
    }
    [[nodiscard]] Answer malformed(const std::string& why) const {
        return fail(Kind::malformed, "unusable answer (" + why + ")");
    }

    Message message_;
    const Question& question_;
    std::string_view server_;
    std::vector<Record> answers_;
    bool has_more_answers_ = false;  // than we look at
    std::size_t answers_end_ = 0;
    std::string name_;  // where the CNAMEs have led
    RecordSet found_;
    std::uint32_t dropped_ = 0;
    std::string dropped_words_;
    mta::Millis ttl_ = mta::Millis::max();
};

std::string rcode_name(unsigned rcode) {
    constexpr std::array<std::string_view, 6> names = {"NOERROR",  "FORMERR", "SERVFAIL",
                                                       "NXDOMAIN", "NOTIMP",  "REFUSED"};
    if (rcode < names.size()) return std::string(names.at(rcode));
    return "RCODE " + std::to_string(rcode);
}

Answer AnswerReader::read() {
    const auto header = message_.take_header();
    if (!header) return malformed("too short");
    if (!header->is_reply) return malformed("not a reply");
    if (!take_question(*header)) return malformed("it answers another question");
    if (header->rcode != no_error && header->rcode != nx_domain) {
        return fail(header->rcode == refused ? Kind::refused : Kind::server_failure,
                    rcode_name(header->rcode));
    }
    // TCP cuts nothing, and what UDP cut was asked again over TCP before it got here.
    if (header->is_truncated) return malformed("truncated");
    take_answers(header->answers);
    auto answer = verdict(*header);
    answer.dropped = dropped_;
    if (dropped_ > 0) {
        answer.dropped_words =
            dropped_words_ + " from " + std::string(server_) + " for " + to_string(question_);
    }
    return answer;
}

Answer AnswerReader::verdict(const Header& header) {
    if (const auto problem = follow_cnames()) return malformed(*problem);
    if (header.rcode == nx_domain) {
        return dropped_ > 0 ? malformed(dropped_words_) : negative(header);
    }
    collect();
    // A null MX left over beside unusable ones is not the domain's only word, so it does not count.
    const bool has_host = std::ranges::any_of(
        found_.mx, [](const MxRecord& record) { return record.exchange != "."; });
    if (!found_.addresses.empty() || has_host || (!found_.mx.empty() && dropped_ == 0)) {
        return {std::move(found_), ttl_};
    }
    if (dropped_ > 0) return malformed(dropped_words_);
    if (has_more_answers_) return malformed("too many records");
    return negative(header);
}

void AnswerReader::drop(std::string_view what) {
    if (dropped_++ == 0) dropped_words_ = what;
}

// An error may come without the question.
bool AnswerReader::take_question(const Header& header) {
    if (header.questions == 0) return header.rcode != no_error && header.rcode != nx_domain;
    if (header.questions != 1) return false;
    const auto name = message_.take_name();
    const auto type = name ? message_.take_u16() : std::nullopt;
    const auto klass = type ? message_.take_u16() : std::nullopt;
    return klass && *name == question_.name && *klass == class_in &&
           *type == static_cast<std::uint16_t>(question_.type);
}

void AnswerReader::take_answers(std::uint16_t count) {
    constexpr std::size_t max = mta::limits::dns_answer_records_max;
    has_more_answers_ = count > max;
    for (std::size_t i = 0; i < std::min<std::size_t>(count, max); ++i) {
        auto record = message_.take_record();
        if (!record) return drop("a broken record");  // and where the next one begins is unknown
        if (record->owner) {
            answers_.push_back(std::move(*record));
        } else {
            drop("a broken record");
        }
    }
    answers_end_ = message_.at();
}

AnswerReader::Problem AnswerReader::follow_cnames() {
    name_ = question_.name;
    for (std::uint32_t steps = 0; steps <= mta::limits::cname_chain_max; ++steps) {
        // A CNAME beside other data is against the rules, but seen; the data is what was asked for.
        const bool has_data = std::ranges::any_of(
            answers_, [this](const Record& record) { return record.is(question_.type, name_); });
        if (has_data || !follow_cname()) return std::nullopt;
    }
    return "CNAMEs without end";
}

bool AnswerReader::follow_cname() {
    for (const auto& record : answers_) {
        if (!record.is(RecordType::cname, name_)) continue;
        message_.go_to(record.data_at);
        auto target = message_.take_name();
        if (!target || message_.at() != record.data_end) {
            drop("a broken CNAME record");
            continue;
        }
        name_ = std::move(*target);
        ttl_ = std::min(ttl_, seconds(record.ttl_s));
        return true;
    }
    return false;
}

void AnswerReader::collect() {
    for (const auto& record : answers_) {
        if (!record.is(question_.type, name_)) continue;
        const auto problem =
            question_.type == RecordType::mx ? collect_mx(record) : collect_address(record);
        if (problem) {
            drop(*problem);
        } else {
            ttl_ = std::min(ttl_, seconds(record.ttl_s));
        }
    }
}

AnswerReader::Problem AnswerReader::collect_address(const Record& record) {
    const auto size = record.data_end - record.data_at;
    const bool is_v4 = question_.type == RecordType::a;
    if (size != (is_v4 ? 4u : 16u)) {
        return "a broken " + std::string(to_string(question_.type)) + " record";
    }
    found_.addresses.push_back(is_v4 ? mta::IpAddress::v4(message_.octets<4>(record.data_at))
                                     : mta::IpAddress::v6(message_.octets<16>(record.data_at)));
    return std::nullopt;
}

AnswerReader::Problem AnswerReader::collect_mx(const Record& record) {
    message_.go_to(record.data_at);
    const auto preference = message_.take_u16();
    auto exchange = preference ? message_.take_name() : std::nullopt;
    if (!exchange || message_.at() != record.data_end) return "a broken MX record";
    if (*exchange != "." && !mta::is_valid_domain(*exchange)) {
        return "an MX record that names no valid host";
    }
    found_.mx.push_back({*preference, std::move(*exchange)});
    return std::nullopt;
}

Answer AnswerReader::negative(const Header& header) {
    std::optional<mta::Millis> soa_ttl;
    bool has_name_servers = false;
    unsigned extended_rcode = 0;  // RFC 6891 section 6.1.3: bits above the header's four
    message_.go_to(answers_end_);
    const std::size_t count =
        has_more_answers_ ? 0 : std::size_t{header.authorities} + header.additionals;
    for (std::size_t i = 0; i < count; ++i) {
        const auto record = message_.take_record();
        if (!record) return malformed("broken record");
        if (record->type == type_opt) extended_rcode = record->opt_extended_rcode;
        if (i >= header.authorities || record->klass != class_in) continue;
        has_name_servers = has_name_servers || record->type == type_ns;
        if (!record->owner) continue;
        if (!record->is(RecordType::soa) || !is_at_or_above_name(*record->owner)) continue;
        soa_ttl = negative_ttl(*record);
        if (!soa_ttl) return malformed("broken SOA record");
        message_.go_to(record->data_end);
    }
    if (extended_rcode != 0) {
        return fail(Kind::server_failure, rcode_name(extended_rcode << 4 | header.rcode));
    }
    const auto ttl = std::min({soa_ttl.value_or(mta::Millis{}), ttl_, negative_ttl_max});
    if (header.rcode == nx_domain) return fail(Kind::no_such_domain, "NXDOMAIN", ttl);
    if (has_name_servers && !soa_ttl) return fail(Kind::server_failure, "only a referral");
    // An authority stops at the border of what it knows, a resolver when it is tired of a chain.
    if (name_ != question_.name && !soa_ttl) {
        auto answer = fail(Kind::server_failure, "CNAMEs that it does not follow to their end");
        answer.alias = Alias{name_, ttl_};
        return answer;
    }
    return fail(Kind::no_data, "no such record", ttl);
}

std::optional<mta::Millis> AnswerReader::negative_ttl(const Record& soa) {
    message_.go_to(soa.data_at);
    if (!message_.take_name() || !message_.take_name()) return std::nullopt;
    std::uint32_t minimum_s = 0;  // the last, after serial, refresh, retry and expire
    for (int field = 0; field < 5; ++field) {
        const auto value = message_.take_u32();
        if (!value) return std::nullopt;
        minimum_s = *value;
    }
    if (message_.at() != soa.data_end) return std::nullopt;
    return seconds(std::min(soa.ttl_s, minimum_s));
}

bool AnswerReader::is_at_or_above_name(const std::string& zone) const {
    return zone == "." || zone == name_ || mta::is_under(name_, zone);
}

}  // namespace

Answer parse_answer(std::string_view message, const Question& question, std::string_view server) {
    return AnswerReader(message, question, server).read();
}

}  // namespace dns
