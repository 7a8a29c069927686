#include "queue/segment_log/format/record.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "queue/segment_log/format/crc32c.h"
#include "queue/segment_log/format/payload.h"
#include "queue/segment_log/format/segment_header.h"
#include "tests/segment_log/log_world.h"

namespace queue::segment_log {
namespace {

constexpr Generation generation{0x1122334455667788};

std::string make_record(RecordType type, std::uint64_t lsn, const std::string& payload) {
    std::string bytes;
    const auto at = begin_record(bytes);
    bytes += payload;
    end_record(bytes, at, generation, type, lsn);
    return bytes;
}

std::string payload_of(const Message& message, const std::vector<ChunkRef>& chunks = {}) {
    std::string payload;
    put_enqueue(payload, message, 0x01020304, chunks);
    return payload;
}

TEST(Crc32c, is_the_one_of_rfc_3720) {
    EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
    EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
    EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
    EXPECT_EQ(crc32c("6789", crc32c("12345")), 0xe3069283u);
    EXPECT_EQ(crc32c("", 17), 17u);
}

TEST(Record, comes_back_as_it_was_written) {
    for (std::size_t size = 0; size < 40; ++size) {
        const auto bytes = make_record(RecordType::body, 7 + size, std::string(size, 'x'));
        EXPECT_EQ(bytes.size() % record_alignment, 0u);
        const auto record = parse_record(bytes, generation);
        ASSERT_TRUE(record) << size;
        EXPECT_EQ(record->type, RecordType::body);
        EXPECT_EQ(record->lsn, 7 + size);
        EXPECT_EQ(record->payload, std::string(size, 'x'));
        EXPECT_EQ(record->bytes(), bytes.size());
    }
}

TEST(Record, is_none_when_cut_anywhere) {
    const auto bytes = make_record(RecordType::done, 1, "12345678");
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
        EXPECT_FALSE(parse_record(std::string_view(bytes).substr(0, cut), generation)) << cut;
    }
}

TEST(Record, notices_every_flipped_bit) {
    const auto bytes = make_record(RecordType::done, 1, "12345678");
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        auto flipped = bytes;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
        EXPECT_FALSE(parse_record(flipped, generation)) << bit;
    }
}

TEST(Record, of_another_generation_is_none) {
    const auto bytes = make_record(RecordType::done, 1, "12345678");
    EXPECT_FALSE(parse_record(bytes, {generation.value + 1})) << "another seed";
    EXPECT_FALSE(parse_record(bytes, {generation.value + (1ull << 32)})) << "another tag";
    EXPECT_FALSE(parse_record(std::string(64, '\0'), {1ull << 32})) << "zeros are no record";
}

TEST(Record, a_length_beyond_the_limit_is_none) {
    auto bytes = make_record(RecordType::body, 1, "");
    bytes[7] = '\x7f';
    EXPECT_FALSE(parse_record(bytes, generation));
}

TEST(EnqueuePayload, keeps_every_field) {
    auto message = make_message(5, "inline body");
    message.about = 3;
    auto parsed = parse_enqueue(payload_of(message));
    ASSERT_TRUE(parsed);
    expect_equal(parsed->message, message);
    EXPECT_EQ(parsed->body_crc, 0x01020304u);

    // Each flag and enumerator the other way round, so that none is read from another's place.
    message.envelope.smtputf8 = false;
    message.facts.has_8bit = false;
    message.facts.header_has_8bit = true;
    message.facts.has_leading_dots = true;
    message.envelope.body_type = BodyType::binary_mime;
    message.envelope.ret = Ret::full;
    message.envelope.reverse_path.clear();
    parsed = parse_enqueue(payload_of(message));
    ASSERT_TRUE(parsed);
    expect_equal(parsed->message, message);
}

const Requests requests[] = {
    {.priority = 9},
    {.priority = -9},
    {.release = mta::from_unix_ms(1'700'000'600'000)},
    {.deliver_by = {mta::ByMode::notify, false, mta::from_unix_ms(1'600'000'000'000)}},
    {.priority = 1,
     .release = mta::from_unix_ms(1'700'000'600'001),
     .deliver_by = {mta::ByMode::give_back, true, mta::from_unix_ms(1'700'000'700'002)}},
};

TEST(EnqueuePayload, keeps_what_few_senders_ask_for) {
    for (const auto& asked : requests) {
        auto message = make_message(5, "inline body");
        message.envelope.requests = asked;
        auto parsed = parse_enqueue(payload_of(message));
        ASSERT_TRUE(parsed);
        expect_equal(parsed->message, message);
        EXPECT_LE(payload_of(message).size(), enqueue_bytes_max(message, 0));

        auto large = *large_message(5, 150);
        large.envelope.requests = asked;
        const std::vector<ChunkRef> chunks = {{1, 4096, 150, 7}};
        parsed = parse_enqueue(payload_of(large, chunks));
        ASSERT_TRUE(parsed);
        expect_equal(parsed->message, large);
        EXPECT_EQ(parsed->chunks, chunks);
    }
}

TEST(EnqueuePayload, costs_nothing_where_nothing_is_asked_for) {
    auto message = make_message(6, "inline body");
    const auto without = payload_of(message).size();
    message.envelope.requests.priority = 1;
    EXPECT_EQ(payload_of(message).size(), without + 2 + 18);
}

TEST(Requests, are_none_where_they_make_no_sense) {
    for (const auto& asked : requests) {
        const auto bytes = format_requests(asked);
        EXPECT_EQ(parse_requests(bytes), asked);
        EXPECT_EQ(parse_requests(bytes + "of a later version"), asked);
        for (std::size_t cut = 0; cut < bytes.size(); ++cut)
            EXPECT_FALSE(parse_requests(bytes.substr(0, cut))) << cut;
    }
    EXPECT_EQ(format_requests({}), "");
    EXPECT_EQ(parse_requests(format_requests({.release = mta::from_unix_ms(-5), .deliver_by = {}})),
              Requests{})
        << "nothing is written that cannot be read";
    const auto good = format_requests(requests[4]);
    struct Spoilt {
        std::size_t at;
        char byte;
    };
    for (const auto& [at, byte] : {Spoilt{0, 10}, Spoilt{0, '\xf6'}, Spoilt{1, 3}, Spoilt{1, 7},
                                   Spoilt{9, '\x80'}, Spoilt{8, 1}, Spoilt{17, '\x80'}}) {
        auto bad = good;
        bad[at] = byte;
        EXPECT_FALSE(parse_requests(bad)) << at;
    }
}

TEST(EnqueuePayload, keeps_the_list_of_chunks) {
    const std::vector<ChunkRef> chunks = {{1, 4096, 100, 7}, {2, 8192, 50, 8}};
    const auto parsed = parse_enqueue(payload_of(*large_message(5, 150), chunks));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->chunks, chunks);
    EXPECT_FALSE(parsed->message.is_body_inline());
    EXPECT_FALSE(parse_enqueue(payload_of(*large_message(5, 151), chunks)))
        << "the chunks must make up the size";
}

TEST(EnqueuePayload, of_an_empty_body_has_it_inline) {
    const auto payload = payload_of(make_message(5, ""));
    const auto parsed = parse_enqueue(payload);
    ASSERT_TRUE(parsed);
    EXPECT_TRUE(parsed->message.body.empty());
    EXPECT_TRUE(parsed->chunks.empty());
    constexpr std::size_t flags_at = 26;
    constexpr char inline_flag = 16;
    auto in_chunks = payload;
    in_chunks[flags_at] = static_cast<char>(in_chunks[flags_at] ^ inline_flag);
    EXPECT_FALSE(parse_enqueue(in_chunks));
}

TEST(EnqueuePayload, is_none_when_cut_anywhere) {
    const auto inline_payload = payload_of(make_message(5, "inline body"));
    const auto chunked_payload = payload_of(*large_message(5, 9), {{1, 4096, 9, 7}});
    auto urgent = make_message(5, "inline body");
    urgent.envelope.requests = requests[4];
    for (const auto& payload : {inline_payload, chunked_payload, payload_of(urgent)}) {
        for (std::size_t cut = 0; cut < payload.size(); ++cut) {
            EXPECT_FALSE(parse_enqueue(std::string_view(payload).substr(0, cut))) << cut;
        }
        EXPECT_FALSE(parse_enqueue(payload + "x"));
    }
}

TEST(EnqueuePayload, needs_no_more_room_than_it_says) {
    const auto message = make_message(5, "body");
    EXPECT_LE(payload_of(message).size(), enqueue_bytes_max(message, 0));
    const auto large = large_message(5, 150);
    EXPECT_LE(payload_of(*large, {{1, 4096, 100, 7}, {2, 8192, 50, 8}}).size(),
              enqueue_bytes_max(*large, 2));
}

TEST(StatePayload, keeps_every_field) {
    const auto states = make_states(17);
    std::string payload;
    put_state(payload, 5, 9, states);
    const auto parsed = parse_state(payload);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->id, 5u);
    EXPECT_EQ(parsed->home, 9u);
    EXPECT_EQ(parsed->states, states);
    EXPECT_LE(payload.size(), state_bytes_max(states));
    for (std::size_t cut = 0; cut < payload.size(); ++cut) {
        EXPECT_FALSE(parse_state(std::string_view(payload).substr(0, cut))) << cut;
    }
    EXPECT_FALSE(parse_state(payload + "x"));
}

TEST(StatePayload, keeps_each_flag_for_itself) {
    std::vector<RecipientState> states(2);
    states[0].in_doubt = true;
    states[1].told_late = true;
    std::string payload;
    put_state(payload, 5, 9, states);
    const auto parsed = parse_state(payload);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->states, states);
}

TEST(StatePayload, cuts_a_long_reply) {
    auto states = make_states(1);
    states[0].last_error.text.assign(1000, 'x');
    states[0].last_error.remote.assign(1000, 'y');
    std::string payload;
    put_state(payload, 5, 9, states);
    const auto parsed = parse_state(payload);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->states.changes[0].state.last_error.text,
              std::string(mta::limits::kept_reply_bytes_max, 'x'));
    EXPECT_LE(payload.size(), state_bytes_max(states));
}

TEST(StatePayload, an_unknown_phase_is_none) {
    std::string payload;
    put_state(payload, 5, 9, make_states(1));
    payload[28] = 17;
    EXPECT_FALSE(parse_state(payload));
}

TEST(StatePayload, has_some_recipients_or_all) {
    StateChanges some;
    some.recipients = 1000;
    some.changes = {{3, make_states(1)[0]}, {999, make_states(1)[1]}};
    std::string payload;
    put_state(payload, 5, 9, some);
    EXPECT_LE(payload.size(), state_bytes_max(some));
    EXPECT_LT(payload.size(), 250u) << "whatever the number of those who have not changed";
    const auto parsed = parse_state(payload);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->states, some);
    EXPECT_FALSE(parsed->states.are_whole());
}

TEST(StatePayload, a_recipient_that_is_none_or_comes_twice_makes_it_none) {
    for (const auto& [first, second] : {std::pair{3u, 3u}, {3u, 2u}, {3u, 10u}}) {
        StateChanges states;
        states.recipients = 10;
        states.changes = {{first, {}}, {second, {}}};
        std::string payload;
        put_state(payload, 5, 9, states);
        EXPECT_FALSE(parse_state(payload)) << first << ' ' << second;
    }
}

TEST(StatePayload, a_count_that_the_bytes_cannot_hold_allocates_nothing) {
    std::string payload;
    put_state(payload, 5, 9, {});
    payload.replace(16, 8, "\xff\xff\xff\xff\xff\xff\xff\xff");
    EXPECT_FALSE(parse_state(payload));
}

TEST(SegmentHeader, comes_back_as_it_was_written_and_notices_every_flipped_bit) {
    const SegmentHeader header{.spool = {1, 2, 3}, .number = 17, .generation = generation};
    const auto bytes = format_header(header);
    ASSERT_EQ(bytes.size(), segment_header_bytes);
    EXPECT_EQ(parse_header(bytes), header);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        auto flipped = bytes;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
        ASSERT_FALSE(parse_header(flipped)) << bit;
    }
    EXPECT_FALSE(parse_header(std::string_view(bytes).substr(0, 4095)));
}

TEST(SegmentHeader, of_a_known_number_is_mended_after_any_flipped_bit) {
    const SegmentHeader header{.spool = {1, 2, 3}, .number = 17, .generation = generation};
    const auto bytes = format_header(header);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        auto flipped = bytes;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
        const auto found = find_header(flipped, 17);
        ASSERT_TRUE(found && found->is_mended) << bit;
        ASSERT_EQ(found->header, header) << bit;
        ASSERT_FALSE(find_header(flipped, 0)) << bit;
    }
    EXPECT_FALSE(find_header(bytes, 18)->is_mended) << "a whole one is taken at its word";
    EXPECT_EQ(find_header(bytes, 18)->header.number, 17u);
}

TEST(SegmentHeader, is_mended_only_if_there_is_no_doubt_what_it_was) {
    const SegmentHeader header{.spool = {1, 2, 3}, .number = 17, .generation = generation};
    const auto bytes = format_header(header);
    auto many = bytes;  // where its bytes are known, any number may be wrong
    many.replace(48, 4000, 4000, 'x');
    many.replace(0, 8, 8, 'x');
    EXPECT_EQ(find_header(many, 17)->header, header);
    for (const auto& [at, other] : {std::pair{16, 41}, {17, 4093}, {40, 8}, {4092, 4093}}) {
        auto two = bytes;
        for (const auto place : {at, other})
            two[static_cast<std::size_t>(place)] =
                static_cast<char>(two[static_cast<std::size_t>(place)] ^ 4);
        EXPECT_FALSE(find_header(two, 17)) << at << " " << other;
    }
    EXPECT_FALSE(find_header(std::string(segment_header_bytes, '\0'), 17));
    EXPECT_FALSE(find_header(std::string_view(bytes).substr(0, 4095), 17));
}

TEST(SegmentHeader, names_of_files) {
    EXPECT_EQ(segment_path(0xff), "seg/00000000000000ff.log");
    EXPECT_EQ(parse_segment_file_name("00000000000000ff.log"), 0xffu);
    for (const auto* name : {"", "ff.log", "00000000000000ff.idx", "00000000000000fg.log",
                             "000000000000000ff.log", "00000000000000FF.log"}) {
        EXPECT_FALSE(parse_segment_file_name(name)) << name;
    }
}

// The bytes in the ```hex blocks of queue/FORMAT.md: lines of "offset  bytes  | remark".
std::string documented_bytes(const std::string& path) {
    std::ifstream file(path);
    EXPECT_TRUE(file) << path;
    std::string bytes;
    bool inside = false;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("```")) {
            inside = line == "```hex";
            continue;
        }
        if (!inside) continue;
        std::istringstream words(line.substr(0, line.find('|')));
        std::size_t offset = 0;
        words >> std::hex >> offset;
        // What is left out between two lines is zeros.
        bytes.resize(offset, '\0');
        for (unsigned value = 0; words >> value;) bytes += static_cast<char>(value);
    }
    return bytes;
}

// The first difference, for the author of the change.
std::string difference(const std::string& documented, const std::string& written) {
    const auto [a, b] = std::ranges::mismatch(documented, written);
    std::ostringstream out;
    out << "they differ from byte " << std::hex << "0x" << (b - written.begin()) << ", where the "
        << "code writes";
    for (auto byte = b; byte != written.end() && byte - b < 16; ++byte) {
        out << ' ' << static_cast<unsigned>(static_cast<unsigned char>(*byte));
    }
    return out.str();
}

// The spool that FORMAT.md shows, made by the code that writes spools.
std::string example_segment() {
    Uuid spool{};
    for (std::size_t i = 0; i < spool.size(); ++i) spool[i] = static_cast<std::uint8_t>(i + 1);
    auto bytes = format_header({.spool = spool, .number = 1, .generation = generation});
    const SegmentOrigin origin{.first_lsn = 1};
    Message message;
    message.id = 1;
    message.arrival = mta::from_unix_ms(1'700'000'000'000);
    message.envelope.reverse_path = "ann@us.example";
    message.envelope.recipients = {{"bob@them.example", "them.example", notify_failure, ""}};
    message.body = "Subject: hi\r\n\r\nHi!\r\n";
    message.message_id = "<1@us.example>";
    message.facts.size = message.body.size();
    message.facts.header_bytes = 13;
    message.facts.line_bytes_max = 13;
    RecipientState state;
    state.attempts = 1;
    state.next_due = mta::from_unix_ms(1'700'000'300'000);
    state.last_attempt = mta::from_unix_ms(1'700'000'000'500);
    state.last_error = {.status = {4, 7, 1},
                        .scope = mta::Scope::recipient,
                        .reply_code = 451,
                        .text = "later",
                        .remote = "mx.them.example [192.0.2.1]:25"};
    const auto add = [&](RecordType type, std::uint64_t lsn, const auto& put_payload) {
        const auto at = begin_record(bytes);
        put_payload(bytes);
        end_record(bytes, at, generation, type, lsn);
    };
    add(RecordType::batch, 1, [&](auto& out) {
        put_batch(out, {.count = 1, .durable_lsn = 0, .id_ceiling = 65'538, .origin = origin});
    });
    add(RecordType::enqueue, 2,
        [&](auto& out) { put_enqueue(out, message, crc32c(message.body), {}); });
    add(RecordType::batch, 3, [&](auto& out) {
        put_batch(out, {.count = 2, .durable_lsn = 2, .id_ceiling = 65'538, .origin = origin});
    });
    add(RecordType::state, 4, [&](auto& out) { put_state(out, 1, 1, std::vector{state}); });
    add(RecordType::done, 5, [](auto& out) { put_done(out, {.id = 1, .home = 1}); });
    return bytes;
}

TEST(Format, is_what_the_document_shows) {
    const auto expected = example_segment();
    const auto documented = documented_bytes("queue/FORMAT.md");
    EXPECT_TRUE(documented == expected) << difference(documented, expected);
}

}  // namespace
}  // namespace queue::segment_log
