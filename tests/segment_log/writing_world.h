#pragma once
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "queue/segment_log/writing/batch_effects.h"
#include "queue/segment_log/writing/streams.h"
#include "tests/segment_log/log_world.h"

namespace queue::segment_log {

// The parts of the log that write, without the log.
struct WritingWorld {
    WritingWorld() {
        EXPECT_TRUE(disk.make_directory("seg"));
        EXPECT_TRUE(disk.make_directory("free"));
        EXPECT_TRUE(streams.start_next(Stream::hot));
        EXPECT_TRUE(streams.start_next(Stream::cold));
    }
    [[nodiscard]] Batch batch(Stream stream = Stream::hot) {
        return {{streams.at(stream), uses, index, uploads}, streams.next_lsn()};
    }
    [[nodiscard]] Batch batch_of(decltype(Operation::what) what) {
        auto made = batch();
        EXPECT_TRUE(made.add({.shard = 0, .ticket = 1, .what = std::move(what)}));
        return made;
    }
    // Writes it, and brings index and uses up to date.
    void write(decltype(Operation::what) what) {
        auto made = batch_of(std::move(what));
        EXPECT_TRUE(streams.write(Stream::hot, made));
        effects.apply(made, streams.hot().number());
    }

    FakeDisk disk;
    LogOptions options = small_options();
    Housekeeping housekeeping{disk, options, Uuid{}};
    SegmentFiles files{disk};
    SegmentUses uses{options, files, housekeeping};
    Index index;
    LogReader reader{disk, index, files};
    Compaction compaction{uses, files, index, reader};
    BatchEffects effects{index, uses, compaction};
    std::atomic<MessageId> next_id = 100;
    Streams streams{options, housekeeping, uses, next_id};
    Uploads uploads;
};

}  // namespace queue::segment_log
