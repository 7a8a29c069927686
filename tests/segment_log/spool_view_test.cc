#include "queue/segment_log/reading/spool_view.h"

#include <algorithm>
#include <functional>

#include <gmock/gmock.h>

#include "queue/segment_log/format/crc32c.h"
#include "queue/segment_log/format/record.h"
#include "queue/segment_log/format/segment_scan.h"
#include "tests/segment_log/log_world.h"

namespace queue::segment_log {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Passes everything on, and lets a test change the disk before a call: as a relay that runs would.
class WatchedDisk final : public Disk {
public:
    explicit WatchedDisk(FakeDisk& disk) : disk_(disk) {}
    std::function<void(const std::string& path)> before_open;
    // May change what a read gives.
    std::function<void(const std::string& path, std::string& bytes)> after_read;

    [[nodiscard]] const std::string& root() const override { return disk_.root(); }
    DiskResult<std::unique_ptr<DiskFile>> open(const std::string& path) override {
        if (before_open) before_open(path);
        auto file = disk_.open(path);
        if (!file) return file;
        return std::make_unique<WatchedFile>(*this, std::move(*file), path);
    }
    DiskResult<std::vector<std::string>> list(const std::string& directory) override {
        return disk_.list(directory);
    }
    DiskResult<std::unique_ptr<DiskFile>> create(const std::string&) override { return touched(); }
    DiskResult<void> rename(const std::string&, const std::string&) override { return touched(); }
    DiskResult<void> remove(const std::string&) override { return touched(); }
    DiskResult<void> make_directory(const std::string&) override { return touched(); }
    DiskResult<void> sync_directory(const std::string&) override { return touched(); }
    DiskResult<std::unique_ptr<Lock>> lock(const std::string&) override { return touched(); }
    DiskResult<DiskSpace> space() override { return touched(); }

private:
    class WatchedFile final : public DiskFile {
    public:
        WatchedFile(WatchedDisk& disk, std::unique_ptr<DiskFile> file, std::string path)
            : disk_(disk), file_(std::move(file)), path_(std::move(path)) {}
        DiskResult<void> write(std::uint64_t, std::string_view) override { return touched(); }
        DiskResult<std::string> read(std::uint64_t offset, std::size_t length) override {
            auto bytes = file_->read(offset, length);
            if (bytes && disk_.after_read) disk_.after_read(path_, *bytes);
            return bytes;
        }
        DiskResult<void> sync() override { return touched(); }
        void start_writing(std::uint64_t, std::uint64_t) override {}
        DiskResult<void> resize(std::uint64_t) override { return touched(); }
        DiskResult<std::uint64_t> size() override { return file_->size(); }

    private:
        WatchedDisk& disk_;
        std::unique_ptr<DiskFile> file_;
        std::string path_;
    };
    static std::unexpected<DiskError> touched() {
        ADD_FAILURE() << "the view has touched the disk";
        return std::unexpected(DiskError{});
    }

    FakeDisk& disk_;
};

// A segment made by hand.
class SegmentMaker {
public:
    SegmentMaker(std::uint64_t number, std::uint64_t first_lsn)
        : lsn_(first_lsn), header_{.number = number, .generation = {0x1122334455660000 + number}} {
        bytes_ = format_header(header_);
        add(RecordType::batch,
            [&](auto& out) { put_batch(out, {.origin = {.first_lsn = first_lsn}}); });
    }
    SegmentMaker& enqueue(const Message& message) {
        return add(RecordType::enqueue,
                   [&](auto& out) { put_enqueue(out, message, crc32c(message.body), {}); });
    }
    // Its body in BODY records, as `chunks` are to say.
    SegmentMaker& enqueue(const Message& message, std::uint32_t body_crc,
                          const std::vector<ChunkRef>& chunks) {
        return add(RecordType::enqueue,
                   [&](auto& out) { put_enqueue(out, message, body_crc, chunks); });
    }
    ChunkRef body(MessageId id, std::uint32_t index, std::string_view bytes) {
        const ChunkRef chunk{header_.number, static_cast<std::uint32_t>(bytes_.size()),
                             static_cast<std::uint32_t>(bytes.size()), crc32c(bytes)};
        add(RecordType::body, [&](auto& out) { put_body(out, id, index, bytes); });
        return chunk;
    }
    SegmentMaker& state(MessageId id, const std::vector<RecipientState>& states) {
        return add(RecordType::state,
                   [&](auto& out) { put_state(out, id, header_.number, states); });
    }
    SegmentMaker& done(MessageId id) {
        return add(RecordType::done, [&](auto& out) { put_done(out, {id, header_.number}); });
    }
    void put_on(FakeDisk& disk) const { disk.put(segment_path(header_.number), bytes_); }

private:
    template <class Put>
    SegmentMaker& add(RecordType type, const Put& put) {
        const auto begin = begin_record(bytes_);
        put(bytes_);
        end_record(bytes_, begin, header_.generation, type, lsn_++);
        return *this;
    }
    std::uint64_t lsn_;
    SegmentHeader header_;
    std::string bytes_;
};

std::unique_ptr<SpoolView> view_of(Disk& disk, MessageId history_of = 0) {
    auto view = SpoolView::open(disk, {.history_of = history_of, .on_progress = nullptr});
    EXPECT_TRUE(view) << view.error().text;
    return view ? std::move(*view) : nullptr;
}
std::unique_ptr<SpoolView> view_of(FakeDisk& disk, MessageId history_of = 0) {
    WatchedDisk watched(disk);  // that it writes nothing
    view_of(static_cast<Disk&>(watched), history_of);
    return view_of(static_cast<Disk&>(disk), history_of);
}

std::string body_of(SpoolView& view, MessageId id) {
    const auto found = view.read(id);
    EXPECT_TRUE(found) << found.error().text;
    if (!found) return {};
    std::string body;
    const auto read = view.read_body(*found, [&](std::string_view bytes) {
        body += bytes;
        return true;
    });
    EXPECT_TRUE(read) << read.error().text;
    return body;
}

// A few messages in every state, one of them large; segments of 64 KiB.
struct FilledSpool {
    FilledSpool() {
        Spool spool(disk);
        for (int i = 0; i < 4; ++i) {
            ids.push_back(spool.store->allocate_id());
            bodies.push_back("body " + std::to_string(i) + "\r\n");
            EXPECT_TRUE(spool.enqueue(shared_message(ids.back(), bodies.back())));
        }
        spool.store->update(ids[1], make_states(2), {});
        spool.run();
        spool.store->update(ids[1], make_states(3), {});
        spool.run();
        EXPECT_TRUE(spool.finish(ids[2]));
        ids.push_back(spool.store->allocate_id());
        bodies.emplace_back(300'000, 'x');
        for (std::size_t at = 0; at < bodies[4].size(); at += 100'000) {
            spool.store->append_body(ids[4], bodies[4].substr(at, 100'000), [](auto) {});
            spool.run();
        }
        EXPECT_TRUE(spool.enqueue(large_message(ids[4], bodies[4].size())));
        EXPECT_TRUE(spool.enqueue(shared_message(spool.store->allocate_id(), "last\r\n")));
    }
    // Segments that were written to, by number.
    [[nodiscard]] std::vector<std::string> segments() const {
        std::vector<std::string> paths;
        for (const auto& path : disk.files())
            if (path.ends_with(".log") && path.starts_with("seg/") && end_of(path) > 0)
                paths.push_back(path);
        return paths;
    }
    // Where the records of a segment end; 0: it has none.
    [[nodiscard]] std::uint64_t end_of(const std::string& path) const {
        const auto bytes = disk.content(path);
        const auto scan = scan_segment(bytes, *parse_header(bytes), 0, [](auto, const auto&) {});
        return scan.records == 0 ? 0 : scan.end;
    }

    FakeDisk disk;
    std::vector<MessageId> ids;
    std::vector<std::string> bodies;
};

TEST(SpoolView, shows_what_was_stored) {
    FilledSpool filled;
    const auto view = view_of(filled.disk);
    EXPECT_THAT(view->problems(), IsEmpty());
    EXPECT_THAT(view->notes(), IsEmpty());
    EXPECT_GT(view->segments(), 1u);
    EXPECT_THAT(view->messages(), ElementsAre(filled.ids[0], filled.ids[1], filled.ids[3],
                                              filled.ids[4], filled.ids[4] + 1));
    EXPECT_EQ(view->messages(true).size(), 6u);
    for (const auto number : {0u, 1u, 3u, 4u}) {
        EXPECT_EQ(body_of(*view, filled.ids[number]), filled.bodies[number]);
    }
    const auto untried = view->read(filled.ids[0]);
    expect_equal(*untried->message, make_message(filled.ids[0], filled.bodies[0]));
    ASSERT_EQ(untried->states.size(), 2u);
    EXPECT_EQ(untried->states[0].next_due,
              first_due(untried->message->arrival, untried->message->envelope.requests));
    EXPECT_EQ(view->read(filled.ids[1])->states, make_states(3));
    EXPECT_TRUE(view->read(filled.ids[2])->is_done);
    EXPECT_EQ(view->read(4711).error().kind, StoreError::Kind::not_found);
}

TEST(SpoolView, tells_a_message_s_history_in_order) {
    FilledSpool filled;
    const auto history = [&](MessageId id) {
        std::vector<RecordType> types;
        const auto view = view_of(filled.disk, id);
        for (const auto& event : view->history()) types.push_back(event.type);
        return types;
    };
    EXPECT_THAT(history(filled.ids[1]),
                ElementsAre(RecordType::enqueue, RecordType::state, RecordType::state));
    EXPECT_THAT(history(filled.ids[2]), ElementsAre(RecordType::enqueue, RecordType::done));
    const auto view = view_of(filled.disk, filled.ids[1]);
    EXPECT_EQ(view->history()[1].states, make_states(2));
    EXPECT_EQ(view->history()[2].states, make_states(3));
}

TEST(SpoolView, a_copy_with_a_higher_lsn_is_the_same_message) {
    FakeDisk disk;
    const auto old_states = make_states(1);
    const auto message = make_message(7, "text\r\n");
    SegmentMaker(1, 1).enqueue(message).state(7, old_states).put_on(disk);
    // The newer copy has the lower segment number: only the lsn counts.
    SegmentMaker(3, 20).enqueue(make_message(8, "other\r\n")).state(8, make_states(2)).put_on(disk);
    SegmentMaker(2, 50).enqueue(message).state(7, make_states(5)).put_on(disk);
    auto view = view_of(disk);
    EXPECT_THAT(view->messages(), ElementsAre(7, 8));
    EXPECT_EQ(view->read(7)->states, make_states(5));
    disk.erase(segment_path(1));
    view = view_of(disk);
    EXPECT_EQ(view->read(7)->states, make_states(5));
    EXPECT_EQ(body_of(*view, 7), "text\r\n");
    SegmentMaker(4, 80).done(7).put_on(disk);
    EXPECT_THAT(view_of(disk)->messages(), ElementsAre(8));
}

// What a relay does at the moment of the n-th opening of a file: message 7 is copied behind message
// 8 (6 is finished), whose segment is read before or after, and its old segment goes; its file may
// come back with another life and number.
TEST(SpoolView, a_message_that_moves_under_the_reader_is_looked_for_again) {
    const auto message = make_message(7, "text\r\n");
    const auto other = make_message(8, "other\r\n");
    for (const std::uint64_t home : {1u, 2u}) {
        const auto target = 3 - home;
        for (int moment = 1; moment < 24; ++moment) {
            const bool is_reborn = moment >= 12;
            FakeDisk disk;
            const auto finished = make_message(6, "finished meanwhile\r\n");
            SegmentMaker(home, 1).enqueue(message).enqueue(finished).put_on(disk);
            SegmentMaker(target, 10).enqueue(other).put_on(disk);
            WatchedDisk watched(disk);
            int opened = 0;
            watched.before_open = [&](const std::string&) {
                if (++opened != (is_reborn ? moment - 11 : moment)) return;
                SegmentMaker(target, 10).enqueue(other).enqueue(message).put_on(disk);
                disk.erase(segment_path(home));
                const auto third = make_message(9, "new\r\n");
                if (is_reborn) SegmentMaker(3, 30).enqueue(third).put_on(disk);
            };
            const auto view = view_of(static_cast<Disk&>(watched));
            SCOPED_TRACE("home " + std::to_string(home) + ", moment " + std::to_string(moment));
            ASSERT_THAT(view->messages(), testing::IsSupersetOf({7u, 8u}));
            const bool is_there = !disk.content(segment_path(home)).empty();
            EXPECT_EQ(std::ranges::count(view->messages(), 6u), is_there ? 1 : 0);
            EXPECT_EQ(body_of(*view, 7), "text\r\n");
            EXPECT_EQ(body_of(*view, 8), "other\r\n");
            EXPECT_THAT(view->problems(), IsEmpty());
        }
    }
}

TEST(SpoolView, a_file_that_is_used_again_while_it_is_read_is_not_damage) {
    FakeDisk disk;
    SegmentMaker(1, 1).enqueue(make_message(7, "text\r\n")).put_on(disk);
    SegmentMaker(2, 10).enqueue(make_message(8, "other\r\n")).put_on(disk);
    WatchedDisk watched(disk);
    int reads = 0;
    watched.after_read = [&](const std::string& path, std::string& bytes) {
        // The header was the old one; then the file became another segment in free/.
        if (path != segment_path(1) || ++reads < 2) return;
        const auto life = format_header({.number = 9, .generation = {0x7777777700000001}});
        if (bytes.size() >= life.size()) bytes.replace(0, life.size(), life);
        bytes.resize(std::max<std::size_t>(bytes.size(), 1), 'z');
        disk.erase(segment_path(1));
    };
    const auto view = view_of(static_cast<Disk&>(watched));
    EXPECT_THAT(view->messages(), ElementsAre(8));
    EXPECT_THAT(view->problems(), IsEmpty());
}

TEST(SpoolView, a_read_beside_a_write_is_done_again) {
    FilledSpool filled;
    const auto first = segment_path(1);
    for (const bool is_for_good : {false, true}) {
        WatchedDisk watched(filled.disk);
        int whole_reads = 0;
        watched.after_read = [&](const std::string& path, std::string& bytes) {
            if (path != first || bytes.size() <= segment_header_bytes) return;
            if (whole_reads++ == 0 || is_for_good) bytes[segment_header_bytes + 40] ^= 1;
        };
        const auto view = view_of(static_cast<Disk&>(watched));
        EXPECT_EQ(view->problems().empty(), !is_for_good);
    }
}

// What is shown of a damaged spool must be what was put there, or be reported as damaged.
void expect_no_invention(SpoolView& view, const FilledSpool& filled) {
    for (const auto id : view.messages()) {
        const auto place = std::ranges::find(filled.ids, id) - filled.ids.begin();
        const auto number = static_cast<std::size_t>(place);
        const auto found = view.read(id);
        ASSERT_TRUE(found);
        if (number >= filled.bodies.size()) continue;
        std::string body;
        const auto read = view.read_body(*found, [&](std::string_view piece) {
            body += piece;
            return true;
        });
        EXPECT_TRUE(!read || body == filled.bodies[number]);
        EXPECT_TRUE(read || !view.problems().empty());
    }
}

TEST(SpoolView, a_flipped_bit_anywhere_is_found_and_nothing_is_invented) {
    FilledSpool filled;
    const auto whole = view_of(static_cast<Disk&>(filled.disk));
    const auto last = filled.segments().back();
    for (const auto& path : filled.segments()) {
        const auto bytes = filled.disk.content(path);
        std::vector<std::uint64_t> records;
        const auto scan = scan_segment(bytes, *parse_header(bytes), 0,
                                       [&](auto at, const auto&) { records.push_back(at); });
        // The very last write was never certain.
        const auto certain_end = path == last ? records.back() : scan.end;
        const std::size_t stride = scan.end > 20'000 ? 1499 : 1;
        for (std::size_t at = 0; at < certain_end; at += at < segment_header_bytes ? 61 : stride) {
            auto damaged = bytes;
            damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
            const auto copy = copy_of(filled.disk);
            copy->put(path, damaged);
            SCOPED_TRACE(path + " at " + std::to_string(at));
            auto opened = SpoolView::open(*copy, {});
            ASSERT_TRUE(opened) << opened.error().text;
            auto& view = **opened;
            const bool is_named = std::ranges::any_of(view.problems(), [&](const auto& problem) {
                return problem.path == path && problem.offset <= at &&
                       at < problem.offset + problem.bytes;
            });
            // The filling behind a record belongs to no checksum, and to no message.
            EXPECT_TRUE(is_named || view.records() == whole->records());
            expect_no_invention(view, filled);
        }
    }
}

TEST(SpoolView, a_cut_at_every_byte_shows_what_is_whole) {
    FilledSpool filled;
    const auto first = segment_path(1);
    const auto bytes = filled.disk.content(first);
    for (std::size_t cut = 0; cut < filled.end_of(first); cut += 7) {
        const auto copy = copy_of(filled.disk);
        copy->put(first, bytes.substr(0, cut));
        const auto view = view_of(static_cast<Disk&>(*copy));
        ASSERT_FALSE(view->problems().empty()) << "cut at " << cut;
        for (const auto id : view->messages()) EXPECT_TRUE(view->read(id));
    }
}

TEST(SpoolView, a_torn_last_write_is_a_note_and_no_damage) {
    FilledSpool filled;
    const auto last = filled.segments().back();
    auto bytes = filled.disk.content(last);
    const auto header = parse_header(bytes);
    bytes.resize(scan_segment(bytes, *header, 0, [](auto, const auto&) {}).end - 8);
    filled.disk.put(last, bytes);
    const auto view = view_of(filled.disk);
    EXPECT_THAT(view->problems(), IsEmpty());
    ASSERT_EQ(view->notes().size(), 1u);
    EXPECT_THAT(view->notes()[0], HasSubstr(last));
}

TEST(SpoolView, a_body_that_was_changed_with_its_record_s_checksum_is_found) {
    FakeDisk disk;
    auto message = make_message(7, "text\r\n");
    SegmentMaker maker(1, 1);
    maker.enqueue(message);
    maker.put_on(disk);
    // As if a bug had stored another body than was counted when it came.
    std::string payload;
    put_enqueue(payload, message, crc32c("what came\r\n"), {});
    auto bytes = format_header({.number = 2, .generation = {0x1122334400000002}});
    const auto lead = begin_record(bytes);
    put_batch(bytes, {.origin = {.first_lsn = 9}});
    end_record(bytes, lead, {0x1122334400000002}, RecordType::batch, 9);
    const auto begin = begin_record(bytes);
    bytes += payload;
    end_record(bytes, begin, {0x1122334400000002}, RecordType::enqueue, 10);
    disk.put(segment_path(2), bytes);
    const auto view = view_of(disk);
    ASSERT_EQ(view->problems().size(), 1u);
    EXPECT_THAT(view->problems()[0].what, HasSubstr("the body of message 000007"));
    EXPECT_EQ(view->problems()[0].path, segment_path(2));
}

// Each record is whole in itself; it is what the message says of its body that is not right.
TEST(SpoolView, each_checksum_of_a_large_body_counts) {
    const std::string whole = "first second";
    using Change = std::function<void(std::vector<ChunkRef>&, std::uint32_t&, Message&)>;
    const std::pair<const char*, Change> rows[] = {
        {"", [](auto&, auto&, auto&) {}},
        {"a piece of the body", [](auto& chunks, auto&, auto&) { chunks[1].crc ^= 1; }},
        {"a piece of the body",
         [](auto& chunks, auto&, auto& message) {
             chunks[0].length -= 1;
             message.facts.size -= 1;
         }},
        {"a piece of the body",
         [](auto& chunks, auto&, auto& message) {
             chunks[1] = chunks[2];
             message.facts.size += 1;
         }},
        {"the body as a whole", [](auto&, auto& crc, auto&) { crc ^= 1; }},
        {"does not match", [](auto& chunks, auto&, auto&) { chunks[1].offset += 8; }},
        {"not there", [](auto& chunks, auto&, auto&) { chunks[1].segment = 9; }},
    };
    for (const auto& [words, change] : rows) {
        FakeDisk disk;
        SegmentMaker maker(1, 1);
        std::vector<ChunkRef> chunks = {maker.body(7, 0, "first "), maker.body(7, 1, "second"),
                                        maker.body(8, 0, "foreign")};
        auto message = make_message(7, "");
        message.facts.size = whole.size();
        auto crc = crc32c(whole);
        change(chunks, crc, message);
        chunks.pop_back();
        maker.enqueue(message, crc, chunks).put_on(disk);
        const auto view = view_of(disk);
        const auto found = view->read(7);
        ASSERT_TRUE(found) << words;
        std::string body;
        const auto read = view->read_body(*found, [&](std::string_view bytes) {
            body += bytes;
            return true;
        });
        EXPECT_EQ(read.has_value(), std::string_view(words).empty()) << words;
        if (read) {
            EXPECT_EQ(body, whole);
        } else {
            EXPECT_THAT(read.error().text, HasSubstr(words));
        }
    }
}

TEST(SpoolView, names_what_it_does_not_know) {
    FilledSpool filled;
    filled.disk.put("seg/0000000000000001.idx", "an index");
    filled.disk.put("seg/notes.txt", "somebody's");
    filled.disk.put("seg/00000000000000ff.log", "no header");
    const auto view = view_of(filled.disk);
    ASSERT_EQ(view->notes().size(), 1u);
    EXPECT_THAT(view->notes()[0], HasSubstr("seg/notes.txt"));
    ASSERT_EQ(view->problems().size(), 1u);
    EXPECT_THAT(view->problems()[0].what, HasSubstr("header"));
    filled.disk.put("VERSION", "posthouse spool 9\n");
    EXPECT_THAT(SpoolView::open(filled.disk, {}).error().text, HasSubstr("newer posthouse"));
}

TEST(SpoolView, can_be_interrupted_and_tells_how_far_it_is) {
    FilledSpool filled;
    std::vector<std::uint64_t> steps;
    const auto whole =
        SpoolView::open(filled.disk, {.on_progress = [&](std::uint64_t done, std::uint64_t total) {
                            EXPECT_LE(done, total);
                            steps.push_back(done * 100 / total);
                            return true;
                        }});
    ASSERT_TRUE(whole);
    EXPECT_TRUE(std::ranges::is_sorted(steps));
    EXPECT_EQ(steps.back(), 100u);
    EXPECT_EQ(steps.size(), (*whole)->segments());
    const auto cut =
        SpoolView::open(filled.disk, {.on_progress = [](auto, auto) { return false; }});
    EXPECT_EQ(cut.error().text, "interrupted");
}

// What it refers to may be gone by then.
TEST(SpoolView, tells_how_far_it_is_only_while_it_is_opened) {
    FakeDisk disk;
    const auto message = make_message(7, "text\r\n");
    SegmentMaker(1, 1).enqueue(message).put_on(disk);
    int calls = 0;
    const auto view = SpoolView::open(disk, {.on_progress = [&](auto, auto) {
                                          ++calls;
                                          return true;
                                      }});
    ASSERT_TRUE(view);
    EXPECT_EQ(std::exchange(calls, 0), 1);
    // It moves: the next reading has to look again.
    SegmentMaker(2, 20).enqueue(message).put_on(disk);
    disk.erase(segment_path(1));
    EXPECT_TRUE((*view)->read(7));
    EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace queue::segment_log
