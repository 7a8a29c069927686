#include "dns/answer.h"

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mta/base/limits.h"
#include "tests/dns/message_builder.h"

namespace dns {
namespace {
using test::MessageBuilder;
using test::Section;
using test::wire_name;
using namespace std::chrono_literals;
using Kind = LookupError::Kind;

const Question mx_question{"them.example", RecordType::mx};
const Question a_question{"mx1.them.example", RecordType::a};
const Question aaaa_question{"mx1.them.example", RecordType::aaaa};

MessageBuilder mx_reply() { return MessageBuilder(mx_question); }
MessageBuilder a_reply() { return MessageBuilder(a_question); }
MessageBuilder aaaa_reply() { return MessageBuilder(aaaa_question); }

// The expected answer: records as text ("10 mx1.them.example", "192.0.2.1"), or a kind of error.
struct Want {
    std::vector<std::string> records;
    std::optional<Kind> error;
    std::int64_t ttl_s = 300;
    std::string words;  // a part of the error's text
};
Want fails(Kind kind, std::string words, std::int64_t ttl_s = 0) {
    return {{}, kind, ttl_s, std::move(words)};
}

struct AnswerCase {
    std::string name;
    Question question;
    std::string message;
    Want want;
};
std::ostream& operator<<(std::ostream& out, const AnswerCase& row) { return out << row.name; }

std::vector<std::string> as_text(const RecordSet& records) {
    std::vector<std::string> lines;
    if (const auto* mx = std::get_if<MxRecords>(&records)) {
        for (const auto& record : *mx)
            lines.push_back(std::to_string(record.preference) + ' ' + record.exchange);
    } else {
        for (const auto& address : std::get<Addresses>(records))
            lines.push_back(address.to_string());
    }
    return lines;
}

std::string cname_chain(std::uint32_t links) {
    auto reply = mx_reply();
    std::string owner = mx_question.name;
    for (std::uint32_t i = 0; i < links; ++i) {
        const auto target = 'c' + std::to_string(i) + ".example";
        reply.cname(owner, target);
        owner = target;
    }
    return reply.mx(owner, 10, "mx.example").build();
}

std::string many_records(std::size_t before, const char* last_owner) {
    auto reply = mx_reply();
    for (std::size_t i = 0; i < before; ++i) reply.mx("other.example", 1, "x.example");
    return reply.mx(last_owner, 10, "mx.example").build();
}

std::string cut(std::string message, std::size_t bytes) {
    message.resize(message.size() - bytes);
    return message;
}

std::string long_name(std::size_t labels) {
    std::string name;
    for (std::size_t i = 0; i < labels; ++i) name += '\x3f' + std::string(63, 'a');
    return name + '\0';
}

// ---- Positive answers ----
std::vector<AnswerCase> positive_cases() {
    return {
        {"one_mx",
         mx_question,
         mx_reply().mx("them.example", 10, "mx1.them.example").build(),
         {{"10 mx1.them.example"}, {}, 300, ""}},
        {"mx_set_keeps_its_order_and_has_the_least_ttl",
         mx_question,
         mx_reply()
             .mx("them.example", 20, "b.example", 500)
             .mx("them.example", 10, "a.example", 60)
             .build(),
         {{"20 b.example", "10 a.example"}, {}, 60, ""}},
        {"names_become_lower_case",
         mx_question,
         mx_reply().mx("Them.EXAMPLE", 10, "MX1.Them.Example").build(),
         {{"10 mx1.them.example"}, {}, 300, ""}},
        {"a_null_mx",
         mx_question,
         mx_reply().mx("them.example", 0, ".").build(),
         {{"0 ."}, {}, 300, ""}},
        {"a_null_mx_among_others_is_kept",
         mx_question,
         mx_reply().mx("them.example", 0, ".").mx("them.example", 5, "mx.example").build(),
         {{"0 .", "5 mx.example"}, {}, 300, ""}},
        {"compressed_names",
         mx_question,
         mx_reply()
             .record(Section::answer, MessageBuilder::pointer(), 15, 300,
                     std::string("\0\x0a\3mx1", 6) + MessageBuilder::pointer())
             .build(),
         {{"10 mx1.them.example"}, {}, 300, ""}},
        {"a_ttl_with_the_highest_bit_is_zero",
         mx_question,
         mx_reply().mx("them.example", 10, "mx.example", 0x80000000u).build(),
         {{"10 mx.example"}, {}, 0, ""}},
        {"addresses_v4",
         a_question,
         a_reply()
             .address("mx1.them.example", "192.0.2.1", 30)
             .address("mx1.them.example", "192.0.2.2", 40)
             .build(),
         {{"192.0.2.1", "192.0.2.2"}, {}, 30, ""}},
        {"addresses_v6",
         aaaa_question,
         aaaa_reply().address("mx1.them.example", "2001:db8::1").build(),
         {{"2001:db8::1"}, {}, 300, ""}},
        {"an_opt_record_does_not_disturb",
         mx_question,
         mx_reply().mx("them.example", 10, "mx.example").opt().build(),
         {{"10 mx.example"}, {}, 300, ""}},
        {"records_of_other_types_do_not_disturb",
         a_question,
         a_reply()
             .record(Section::answer, wire_name("mx1.them.example"), 46, 5, "an RRSIG")
             .address("mx1.them.example", "192.0.2.1")
             .build(),
         {{"192.0.2.1"}, {}, 300, ""}},
    };
}

// ---- CNAMEs ----
std::vector<AnswerCase> cname_cases() {
    return {
        {"a_cname_is_followed_and_shortens_the_ttl",
         a_question,
         a_reply()
             .cname("mx1.them.example", "host.example", 20)
             .address("host.example", "192.0.2.1", 300)
             .build(),
         {{"192.0.2.1"}, {}, 20, ""}},
        {"a_chain_in_any_order",
         a_question,
         a_reply()
             .address("c.example", "192.0.2.1")
             .cname("b.example", "c.example", 200)
             .cname("mx1.them.example", "b.example", 250)
             .build(),
         {{"192.0.2.1"}, {}, 200, ""}},
        {"the_longest_chain",
         mx_question,
         cname_chain(mta::limits::cname_chain_max),
         {{"10 mx.example"}, {}, 300, ""}},
        {"one_link_too_many", mx_question, cname_chain(mta::limits::cname_chain_max + 1),
         fails(Kind::malformed, "CNAMEs without end")},
        {"a_cname_circle", mx_question,
         mx_reply().cname("them.example", "b.example").cname("b.example", "them.example").build(),
         fails(Kind::malformed, "CNAMEs without end")},
        {"a_cname_to_itself", mx_question, mx_reply().cname("them.example", "them.example").build(),
         fails(Kind::malformed, "CNAMEs without end")},
        {"data_beside_a_cname_wins",
         mx_question,
         mx_reply()
             .cname("them.example", "b.example")
             .mx("them.example", 10, "mx.example")
             .mx("b.example", 10, "b-mx.example")
             .build(),
         {{"10 mx.example"}, {}, 300, ""}},
        {"a_cname_with_an_odd_target_leads_to_what_has_that_name",
         a_question,
         a_reply()
             .cname("mx1.them.example", "1/24.example")
             .address("1/24.example", "192.0.2.1")
             .build(),
         {{"192.0.2.1"}, {}, 300, ""}},
        {"a_cname_to_nowhere", mx_question,
         mx_reply()
             .cname("them.example", "gone.example", 7)
             .soa("example", 60, 60)
             .rcode(3)
             .build(),
         fails(Kind::no_such_domain, "NXDOMAIN", 7)},
        {"a_cname_to_a_name_without_such_a_record", mx_question,
         mx_reply().cname("them.example", "b.example").soa("example", 60, 90).build(),
         fails(Kind::no_data, "no such record", 60)},
        {"a_cname_that_an_authority_does_not_follow_is_no_no", mx_question,
         mx_reply().flags(0x8500).cname("them.example", "b.example").build(),
         fails(Kind::server_failure, "CNAMEs that it does not follow to their end")},
        {"a_cname_that_an_authority_follows_to_nothing", mx_question,
         mx_reply().flags(0x8500).cname("them.example", "b.example").soa("example", 60, 90).build(),
         fails(Kind::no_data, "no such record", 60)},
        {"a_cname_that_a_resolver_does_not_follow_is_no_no", mx_question,
         mx_reply().cname("them.example", "b.example").build(),
         fails(Kind::server_failure, "CNAMEs that it does not follow to their end")},
        {"a_broken_cname_beside_a_good_one",
         a_question,
         a_reply()
             .record(Section::answer, wire_name("mx1.them.example"), 5, 300, "\xc0")
             .cname("mx1.them.example", "host.example")
             .address("host.example", "192.0.2.1")
             .build(),
         {{"192.0.2.1"}, {}, 300, ""}},
        {"a_broken_cname_beside_data",
         a_question,
         a_reply()
             .record(Section::answer, wire_name("mx1.them.example"), 5, 300, "\xc0")
             .address("mx1.them.example", "192.0.2.1")
             .build(),
         {{"192.0.2.1"}, {}, 300, ""}},
        {"a_cname_with_bytes_left_over", mx_question,
         mx_reply()
             .record(Section::answer, wire_name("them.example"), 5, 300,
                     wire_name("b.example") + "x")
             .build(),
         fails(Kind::malformed, "broken CNAME")},
    };
}

// ---- Records that belong to another name ----
std::vector<AnswerCase> owner_cases() {
    return {
        {"a_foreign_owner_is_ignored",
         mx_question,
         mx_reply()
             .mx("evil.example", 1, "evil.example")
             .mx("them.example", 10, "mx.example")
             .build(),
         {{"10 mx.example"}, {}, 300, ""}},
        {"only_foreign_owners_are_no_data", a_question,
         a_reply().address("evil.example", "192.0.2.66").soa("them.example", 60, 60).build(),
         fails(Kind::no_data, "no such record", 60)},
        {"a_foreign_cname_leads_nowhere", a_question,
         a_reply()
             .cname("evil.example", "host.example")
             .address("host.example", "192.0.2.1")
             .build(),
         fails(Kind::no_data, "no such record")},
        {"a_dot_inside_a_label_is_no_separator", mx_question,
         mx_reply()
             .record(Section::answer, std::string("\x0cthem.example\0", 14), 15, 300,
                     std::string("\0\1", 2) + wire_name("evil.example"))
             .build(),
         fails(Kind::no_data, "no such record")},
        {"another_class_is_ignored", mx_question,
         mx_reply().klass(3).mx("them.example", 1, "chaos.example").build(),
         fails(Kind::no_data, "no such record")},
        {"records_in_the_additional_section_are_not_the_answer", a_question,
         a_reply()
             .record(Section::additional, wire_name("mx1.them.example"), 1, 300, "\xc0\x01\x02\x03")
             .build(),
         fails(Kind::no_data, "no such record")},
    };
}

// ---- "No" ----
std::vector<AnswerCase> negative_cases() {
    return {
        {"nxdomain_is_kept_as_long_as_the_soa_record", mx_question,
         mx_reply().rcode(3).soa("example", 30, 120).build(),
         fails(Kind::no_such_domain, "NXDOMAIN from 192.0.2.53:53 for them.example MX", 30)},
        {"nxdomain_is_kept_as_long_as_the_soa_minimum", mx_question,
         mx_reply().rcode(3).soa("example", 120, 30).build(),
         fails(Kind::no_such_domain, "NXDOMAIN", 30)},
        {"nxdomain_is_kept_five_minutes_at_most", mx_question,
         mx_reply().rcode(3).soa("example", 86400, 86400).build(),
         fails(Kind::no_such_domain, "NXDOMAIN", 300)},
        {"nxdomain_without_soa_is_not_kept", mx_question, mx_reply().rcode(3).build(),
         fails(Kind::no_such_domain, "NXDOMAIN", 0)},
        {"the_root_may_say_so", mx_question, mx_reply().rcode(3).soa(".", 60, 60).build(),
         fails(Kind::no_such_domain, "NXDOMAIN", 60)},
        {"a_foreign_soa_says_nothing", mx_question,
         mx_reply().rcode(3).soa("other.example", 60, 60).build(),
         fails(Kind::no_such_domain, "NXDOMAIN", 0)},
        {"a_soa_whose_name_only_ends_alike_says_nothing", mx_question,
         mx_reply().rcode(3).soa("hem.example", 60, 60).build(),
         fails(Kind::no_such_domain, "NXDOMAIN", 0)},
        {"no_data", mx_question, mx_reply().soa("them.example", 60, 60).build(),
         fails(Kind::no_data, "no such record from 192.0.2.53:53 for them.example MX", 60)},
        {"no_data_without_soa", mx_question, mx_reply().build(),
         fails(Kind::no_data, "no such record", 0)},
        {"a_referral_is_no_answer", mx_question, mx_reply().ns("example", "ns.example").build(),
         fails(Kind::server_failure, "only a referral")},
        {"an_error_in_the_extended_rcode_is_no_no", mx_question, mx_reply().opt(1).build(),
         fails(Kind::server_failure, "RCODE 16")},
        {"a_broken_record_beside_the_soa", mx_question,
         mx_reply()
             .rcode(3)
             .record(Section::authority, MessageBuilder::pointer(0x3ff), 6, 60, "")
             .soa("example", 60, 60)
             .build(),
         fails(Kind::no_such_domain, "NXDOMAIN", 60)},
        {"nxdomain_beside_a_broken_record_is_no_certain_no", mx_question,
         mx_reply()
             .rcode(3)
             .record(Section::answer, wire_name("them.example"), 5, 300, "\xc0")
             .soa("example", 60, 60)
             .build(),
         fails(Kind::malformed, "a broken CNAME record")},
        {"a_broken_soa", mx_question,
         mx_reply().rcode(3).record(Section::authority, wire_name("example"), 6, 60, "abc").build(),
         fails(Kind::malformed, "broken SOA")},
    };
}

// ---- Errors of the server ----
std::vector<AnswerCase> rcode_cases() {
    std::vector<AnswerCase> cases = {
        {"servfail", mx_question, mx_reply().rcode(2).build(),
         fails(Kind::server_failure, "SERVFAIL from 192.0.2.53:53 for them.example MX")},
        {"refused", mx_question, mx_reply().rcode(5).build(), fails(Kind::refused, "REFUSED")},
        {"formerr", mx_question, mx_reply().rcode(1).build(),
         fails(Kind::server_failure, "FORMERR")},
        {"notimp", mx_question, mx_reply().rcode(4).build(), fails(Kind::server_failure, "NOTIMP")},
        {"servfail_without_the_question", mx_question,
         mx_reply().without_question().rcode(2).build(), fails(Kind::server_failure, "SERVFAIL")},
        {"servfail_with_records_is_still_servfail", mx_question,
         mx_reply().rcode(2).mx("them.example", 10, "mx.example").build(),
         fails(Kind::server_failure, "SERVFAIL")},
        {"rcode_6", mx_question, mx_reply().rcode(6).build(),
         fails(Kind::server_failure, "RCODE 6")},
        {"rcode_15", mx_question, mx_reply().rcode(15).build(),
         fails(Kind::server_failure, "RCODE 15")},
    };
    return cases;
}

// ---- Garbage ----
std::vector<AnswerCase> malformed_cases() {
    const auto good = mx_reply().mx("them.example", 10, "mx.example").build();
    const auto with_owner = [](const std::string& owner) {
        return mx_reply().record(Section::answer, owner, 15, 300, std::string("\0\1\0", 3)).build();
    };
    std::vector<AnswerCase> cases = {
        {"nothing", mx_question, "", fails(Kind::malformed, "too short")},
        {"half_a_header", mx_question, good.substr(0, 11), fails(Kind::malformed, "too short")},
        {"a_header_alone", mx_question, good.substr(0, 12),
         fails(Kind::malformed, "another question")},
        {"a_query_is_no_reply", mx_question, mx_reply().flags(0x0100).build(),
         fails(Kind::malformed, "not a reply")},
        {"another_opcode", mx_question, mx_reply().flags(0xa100).build(),
         fails(Kind::malformed, "not a reply")},
        {"truncated", mx_question,
         mx_reply().flags(0x8380).mx("them.example", 10, "mx.example").build(),
         fails(Kind::malformed, "truncated")},
        {"another_name_in_the_question", Question{"us.example", RecordType::mx}, good,
         fails(Kind::malformed, "another question")},
        {"another_type_in_the_question", Question{"them.example", RecordType::a}, good,
         fails(Kind::malformed, "another question")},
        {"nxdomain_without_the_question", mx_question,
         mx_reply().without_question().rcode(3).build(),
         fails(Kind::malformed, "another question")},
        {"two_questions", mx_question, mx_reply().questions(2).build(),
         fails(Kind::malformed, "another question")},
        {"fewer_records_than_promised", mx_question, mx_reply().more(Section::answer, 1).build(),
         fails(Kind::malformed, "broken record")},
        {"fewer_authorities_than_promised", mx_question,
         mx_reply().more(Section::authority, 1).build(), fails(Kind::malformed, "broken record")},
        {"a_pointer_to_itself", mx_question, with_owner(MessageBuilder::pointer(30)),
         fails(Kind::malformed, "broken record")},
        {"a_pointer_forward", mx_question, with_owner(MessageBuilder::pointer(40)),
         fails(Kind::malformed, "broken record")},
        {"a_pointer_into_its_own_labels", mx_question,
         with_owner("\3abc" + MessageBuilder::pointer(30)),
         fails(Kind::malformed, "broken record")},
        {"half_a_pointer", mx_question, mx_reply().more(Section::answer, 1).raw("\xc0").build(),
         fails(Kind::malformed, "broken record")},
        {"a_label_type_that_does_not_exist", mx_question, with_owner("\x45nope"),
         fails(Kind::malformed, "broken record")},
        {"a_name_of_256_bytes", mx_question, with_owner(long_name(4)),
         fails(Kind::malformed, "broken record")},
        {"an_address_of_five_bytes", a_question,
         a_reply().record(Section::answer, MessageBuilder::pointer(), 1, 300, "12345").build(),
         fails(Kind::malformed, "broken A record")},
        {"an_address_of_four_bytes_as_v6", aaaa_question,
         aaaa_reply().record(Section::answer, MessageBuilder::pointer(), 28, 300, "1234").build(),
         fails(Kind::malformed, "broken AAAA record")},
        {"an_mx_without_exchange", mx_question,
         mx_reply().record(Section::answer, MessageBuilder::pointer(), 15, 300, "12").build(),
         fails(Kind::malformed, "broken MX record")},
        {"an_mx_with_bytes_left_over", mx_question,
         mx_reply().mx_wire("them.example", 10, wire_name("mx.example") + "x").build(),
         fails(Kind::malformed, "broken MX record")},
    };
    for (std::size_t bytes = 1; bytes < 20; ++bytes) {
        cases.push_back({"cut_by_" + std::to_string(bytes), mx_question, cut(good, bytes),
                         fails(Kind::malformed, "broken record")});
    }
    return cases;
}

// ---- MX records that cannot be used ----
std::vector<AnswerCase> unusable_mx_cases() {
    return {
        {"a_space_in_the_exchange_spoils_its_record_only",
         mx_question,
         mx_reply()
             .mx("them.example", 5, "bad host.example")
             .mx("them.example", 10, "mx.example")
             .build(),
         {{"10 mx.example"}, {}, 300, ""}},
        {"a_newline_in_the_exchange_spoils_its_record_only",
         mx_question,
         mx_reply()
             .mx("them.example", 5, "bad\r\n.example")
             .mx("them.example", 10, "mx.example")
             .build(),
         {{"10 mx.example"}, {}, 300, ""}},
        {"a_dot_in_a_label_of_the_exchange_spoils_it", mx_question,
         mx_reply().mx_wire("them.example", 5, std::string("\x0amx.example\0", 12)).build(),
         fails(Kind::malformed, "an MX record that names no valid host")},
        {"only_unusable_records_are_not_no_mx", mx_question,
         mx_reply().mx("them.example", 5, "bad host").build(),
         fails(Kind::malformed, "an MX record that names no valid host")},
        {"a_null_mx_beside_an_unusable_one_is_not_the_only_word", mx_question,
         mx_reply().mx("them.example", 0, ".").mx("them.example", 5, "bad host").build(),
         fails(Kind::malformed, "an MX record that names no valid host")},
    };
}

// ---- One broken record among good ones ----

struct BrokenRecord {
    std::string name;
    std::string owner;  // in wire form
    std::string data;
};

// A record of the type that is asked for. For addresses only the data's length matters.
std::vector<BrokenRecord> broken_records() {
    const auto owner = MessageBuilder::pointer();
    const auto preference = std::string("\0\5", 2);
    std::vector<BrokenRecord> broken = {
        {"bytes_behind_the_name", owner, preference + wire_name("mx.example") + "x"},
        {"a_pointer_forward", owner, preference + MessageBuilder::pointer(0x3ff)},
        {"half_a_pointer", owner, preference + '\xc0'},
        {"a_name_too_long", owner, preference + long_name(4)},
        {"a_name_without_end", owner, preference + "\x0amx"},
        {"a_label_type_that_does_not_exist", owner, preference + "\x45nope"},
        {"an_owner_with_a_pointer_forward", MessageBuilder::pointer(0x3ff), "\xc0"},
        {"an_owner_that_is_too_long", long_name(4), "\xc0"},
    };
    for (std::size_t bytes = 0; bytes < 4; ++bytes) {
        // Three bytes are a valid record if the name in them is the root.
        broken.push_back({"data_of_" + std::to_string(bytes) + "_bytes", owner,
                          std::string("\0\5\4\0", 4).substr(0, bytes)});
    }
    return broken;
}

TEST(Answer, a_broken_record_never_spoils_the_good_ones_beside_it) {
    for (const auto& question : {mx_question, a_question, aaaa_question}) {
        const auto type = static_cast<unsigned>(question.type);
        const auto add_good = [&](MessageBuilder& reply) {
            if (question.type == RecordType::mx) {
                reply.mx(question.name, 10, "mx.example");
            } else {
                reply.address(question.name,
                              question.type == RecordType::a ? "192.0.2.1" : "2001:db8::1");
            }
        };
        for (const auto& broken : broken_records()) {
            SCOPED_TRACE(broken.name + " for " + to_string(question));
            const auto add_broken = [&](MessageBuilder& reply) {
                // No address has this length.
                const auto tail = question.type == RecordType::mx ? "" : "12345";
                reply.record(Section::answer, broken.owner, type, 300, broken.data + tail);
            };
            for (const bool is_first : {true, false}) {
                MessageBuilder reply(question);
                if (is_first) add_broken(reply);
                add_good(reply);
                if (!is_first) add_broken(reply);
                const auto answer = parse_answer(reply.build(), question, "192.0.2.53:53");
                ASSERT_TRUE(answer.records) << answer.records.error().text;
                EXPECT_EQ(as_text(*answer.records).size(), 1u);
                EXPECT_EQ(answer.dropped, 1u);
                EXPECT_THAT(answer.dropped_words,
                            testing::AllOf(testing::HasSubstr("broken"),
                                           testing::HasSubstr(" from 192.0.2.53:53 for " +
                                                              to_string(question))));
            }
            MessageBuilder alone(question);
            add_broken(alone);
            const auto answer = parse_answer(alone.build(), question, "s");
            ASSERT_FALSE(answer.records);
            EXPECT_EQ(answer.records.error().kind, Kind::malformed);
        }
    }
}

TEST(Answer, what_stands_before_the_end_of_a_cut_message_is_used) {
    const auto whole = mx_reply()
                           .mx("them.example", 10, "mx1.example")
                           .mx("them.example", 20, "mx2.example")
                           .build();
    for (std::size_t bytes = 1; bytes < 20; ++bytes) {
        const auto answer = parse_answer(cut(whole, bytes), mx_question, "s");
        ASSERT_TRUE(answer.records) << bytes;
        EXPECT_EQ(as_text(*answer.records), std::vector<std::string>{"10 mx1.example"});
        EXPECT_EQ(answer.dropped, 1u);
    }
}

TEST(Answer, names_where_an_unfinished_chain_of_cnames_goes_on) {
    const auto answer = parse_answer(
        mx_reply().cname("them.example", "b.example", 40).cname("b.example", "c.example").build(),
        mx_question, "s");
    ASSERT_TRUE(answer.alias);
    EXPECT_EQ(answer.alias->target, "c.example");
    EXPECT_EQ(answer.alias->ttl, 40s);
    EXPECT_FALSE(parse_answer(mx_reply().build(), mx_question, "s").alias);
}

// ---- More records than we look at ----
std::vector<AnswerCase> limit_cases() {
    constexpr auto max = mta::limits::dns_answer_records_max;
    return {
        {"the_last_record_we_look_at",
         mx_question,
         many_records(max - 1, "them.example"),
         {{"10 mx.example"}, {}, 300, ""}},
        {"the_first_that_we_do_not_must_not_look_like_no_data", mx_question,
         many_records(max, "them.example"), fails(Kind::malformed, "too many records")},
        {"what_was_found_before_is_enough",
         mx_question,
         mx_reply().mx("them.example", 10, "mx.example").more(Section::answer, 60'000).build(),
         {{"10 mx.example"}, {}, 300, ""}},
    };
}

class AnswerTable : public testing::TestWithParam<AnswerCase> {};

TEST_P(AnswerTable, reads) {
    const auto& row = GetParam();
    const auto answer = parse_answer(row.message, row.question, "192.0.2.53:53");
    EXPECT_EQ(answer.ttl, mta::Millis{row.want.ttl_s * 1000});
    if (row.want.error) {
        ASSERT_FALSE(answer.records) << testing::PrintToString(as_text(*answer.records));
        EXPECT_EQ(answer.records.error().kind, *row.want.error) << answer.records.error().text;
        EXPECT_THAT(answer.records.error().text, testing::HasSubstr(row.want.words));
    } else {
        ASSERT_TRUE(answer.records) << answer.records.error().text;
        EXPECT_EQ(as_text(*answer.records), row.want.records);
    }
}

const auto row_name = [](const auto& test) { return test.param.name; };
INSTANTIATE_TEST_SUITE_P(Positive, AnswerTable, testing::ValuesIn(positive_cases()), row_name);
INSTANTIATE_TEST_SUITE_P(Cname, AnswerTable, testing::ValuesIn(cname_cases()), row_name);
INSTANTIATE_TEST_SUITE_P(Owner, AnswerTable, testing::ValuesIn(owner_cases()), row_name);
INSTANTIATE_TEST_SUITE_P(Negative, AnswerTable, testing::ValuesIn(negative_cases()), row_name);
INSTANTIATE_TEST_SUITE_P(Rcode, AnswerTable, testing::ValuesIn(rcode_cases()), row_name);
INSTANTIATE_TEST_SUITE_P(Malformed, AnswerTable, testing::ValuesIn(malformed_cases()), row_name);
INSTANTIATE_TEST_SUITE_P(UnusableMx, AnswerTable, testing::ValuesIn(unusable_mx_cases()), row_name);
INSTANTIATE_TEST_SUITE_P(Limit, AnswerTable, testing::ValuesIn(limit_cases()), row_name);

// Each pointer leads to the one before it, which costs the parser the most time.
MessageBuilder ladder_of(unsigned pointers) {
    auto reply = MessageBuilder(mx_question);
    const auto begin = static_cast<unsigned>(reply.build().size()) + 11;  // of the record's data
    std::string ladder = wire_name("x");
    for (unsigned i = 0; i < pointers; ++i) {
        const auto last =
            ladder.size() == 3 ? begin : begin + static_cast<unsigned>(ladder.size()) - 2;
        ladder += MessageBuilder::pointer(last);
    }
    reply.record(Section::answer, std::string(1, '\0'), 99, 300, ladder);
    const auto last = begin + static_cast<unsigned>(ladder.size()) - 2;
    return reply.record(Section::answer, MessageBuilder::pointer(last), 99, 300, "");
}

TEST(Answer, follows_no_more_pointers_than_a_name_has_labels) {
    const auto bearable = parse_answer(ladder_of(126).build(), mx_question, "s");
    EXPECT_EQ(bearable.records.error().kind, Kind::no_data) << bearable.records.error().text;
    const auto endless = parse_answer(ladder_of(127).build(), mx_question, "s");
    EXPECT_EQ(endless.records.error().kind, Kind::malformed) << endless.records.error().text;
}

}  // namespace
}  // namespace dns
