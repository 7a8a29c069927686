#include "dns/answer.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dns/wire_reader.h"
#include "mta/base/domain.h"
#include "mta/base/limits.h"

namespace dns {
namespace {

constexpr std::uint16_t type_ns = 2;
constexpr std::uint16_t type_cname = 5;
constexpr std::uint16_t type_soa = 6;
constexpr std::uint16_t type_opt = 41;
enum Rcode : unsigned { no_error = 0, nx_domain = 3, refused = 5 };

std::uint16_t number_of(RecordType type) { return static_cast<std::uint16_t>(type); }

mta::Millis seconds(std::uint32_t count) { return mta::Millis{std::int64_t{count} * 1000}; }

// parse_answer() with its arguments as members. Used once.
class AnswerReader {
public:
    AnswerReader(std::string_view bytes, const Question& question, std::string_view server)
        : message_(bytes), question_(question), server_(server) {}

    [[nodiscard]] Answer read();

private:
    using Kind = LookupError::Kind;
    // What is wrong; empty if all is well.
    using Problem = std::optional<std::string>;

    // False if the message answers another question. An error may come without the question.
    [[nodiscard]] bool take_question(const WireHeader& header);
    void take_answers(std::uint16_t count);
    [[nodiscard]] Problem follow_cnames();
    // Makes name_ the target of its CNAME. False if it has none.
    [[nodiscard]] bool follow_cname();
    void collect();
    void drop(std::string_view what);
    [[nodiscard]] Answer verdict(const WireHeader& header);
    [[nodiscard]] Answer negative(const WireHeader& header);
    // How long the zone allows a negative answer to be kept; empty if the record is broken.
    [[nodiscard]] std::optional<mta::Millis> negative_ttl(const WireRecord& soa);
    [[nodiscard]] bool is_at_or_above_name(const std::string& zone) const;

    [[nodiscard]] Answer fail(Kind kind, const std::string& what, mta::Millis ttl = {}) const {
        return {std::unexpected(LookupError{
                    kind, what + " from " + std::string(server_) + " for " + to_string(question_)}),
                ttl};
    }
    [[nodiscard]] Answer malformed(const std::string& why) const {
        return fail(Kind::malformed, "unusable answer (" + why + ")");
    }

    WireReader message_;
    const Question& question_;
    std::string_view server_;
    std::vector<WireRecord> answers_;
    bool has_more_answers_ = false;  // than limits::dns_answer_records_max
    std::size_t answers_end_ = 0;
    std::string name_;  // the question's, or the one that its CNAMEs lead to
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
    // TCP truncates nothing, and what UDP truncated was asked for again over TCP.
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

Answer AnswerReader::verdict(const WireHeader& header) {
    if (const auto problem = follow_cnames()) return malformed(*problem);
    if (header.rcode == nx_domain) {
        return dropped_ > 0 ? malformed(dropped_words_) : negative(header);
    }
    collect();
    if (is_usable(found_, dropped_ > 0)) return {std::move(found_), ttl_};
    if (dropped_ > 0) return malformed(dropped_words_);
    if (has_more_answers_) return malformed("too many records");
    return negative(header);
}

void AnswerReader::drop(std::string_view what) {
    if (dropped_++ == 0) dropped_words_ = what;
}

bool AnswerReader::take_question(const WireHeader& header) {
    if (header.questions == 0) return header.rcode != no_error && header.rcode != nx_domain;
    if (header.questions != 1) return false;
    const auto name = message_.take_name();
    const auto type = name ? message_.take_u16() : std::nullopt;
    const auto klass = type ? message_.take_u16() : std::nullopt;
    return klass && *name == question_.name && *klass == WireRecord::class_in &&
           *type == number_of(question_.type);
}

void AnswerReader::take_answers(std::uint16_t count) {
    constexpr std::size_t max = mta::limits::dns_answer_records_max;
    has_more_answers_ = count > max;
    for (std::size_t i = 0; i < std::min<std::size_t>(count, max); ++i) {
        auto record = message_.take_record();
        if (!record) return drop("a broken record");  // where the next one begins is unknown
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
        // No name should have a CNAME beside other data, but some do. The data is the answer then.
        const bool has_data = std::ranges::any_of(answers_, [this](const WireRecord& record) {
            return record.is(number_of(question_.type), name_);
        });
        if (has_data || !follow_cname()) return std::nullopt;
    }
    return "CNAMEs without end";
}

bool AnswerReader::follow_cname() {
    for (const auto& record : answers_) {
        if (!record.is(type_cname, name_)) continue;
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
        if (!record.is(number_of(question_.type), name_)) continue;
        const auto problem = read_record(question_.type, message_, record, found_);
        if (problem) {
            drop(*problem);
        } else {
            ttl_ = std::min(ttl_, seconds(record.ttl_s));
        }
    }
}

Answer AnswerReader::negative(const WireHeader& header) {
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
        if (i >= header.authorities || record->klass != WireRecord::class_in) continue;
        has_name_servers = has_name_servers || record->type == type_ns;
        if (!record->owner) continue;
        if (!record->is(type_soa) || !is_at_or_above_name(*record->owner)) continue;
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
    // An authoritative server stops at the end of its zone, a resolver at the end of its patience.
    if (name_ != question_.name && !soa_ttl) {
        auto answer = fail(Kind::server_failure, "CNAMEs that it does not follow to their end");
        answer.alias = Alias{name_, ttl_};
        return answer;
    }
    return fail(Kind::no_data, "no such record", ttl);
}

std::optional<mta::Millis> AnswerReader::negative_ttl(const WireRecord& soa) {
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
