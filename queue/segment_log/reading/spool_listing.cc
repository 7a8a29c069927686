#include "queue/segment_log/reading/spool_listing.h"

#include <ranges>
#include <utility>

#include "queue/segment_log/format/record.h"

namespace queue::segment_log {
namespace {

// What the segment's first record says of it; empty if it has none yet, or if that is damaged.
std::optional<SegmentOrigin> origin_of(DiskFile& file, Generation generation) {
    const auto bytes = file.read(segment_header_bytes, record_header_bytes + batch_bytes);
    const auto record = bytes ? parse_record(*bytes, generation) : std::nullopt;
    if (!record || record->type != RecordType::batch) return std::nullopt;
    const auto batch = parse_batch(record->payload);
    if (!batch) return std::nullopt;
    return batch->origin;
}

}  // namespace

StoreResult<SpoolListing> SpoolListing::read(Disk& disk,
                                             const std::optional<SpoolVersion>& version) {
    SpoolListing listing;
    const auto names = disk.list("seg");
    if (!names) return std::unexpected(to_store_error(names.error()));
    for (const auto& name : *names) {
        if (const auto number = parse_segment_file_name(name)) {
            if (auto added = listing.add(disk, *number); !added)
                return std::unexpected(std::move(added).error());
        } else if (!name.ends_with(".idx")) {
            listing.notes_.push_back("seg/" + name + " is none of ours");
        }
    }
    listing.set_strangers_aside(version);
    listing.settle_ends();
    return listing;
}

StoreResult<void> SpoolListing::add(Disk& disk, std::uint64_t number) {
    const auto path = segment_path(number);
    auto file = disk.open(path);
    if (!file && file.error().is_not_found()) {
        has_missed_ = true;
        return {};
    }
    if (!file) {
        problems_.push_back({path, 0, 0, file.error().text});
        return {};
    }
    const auto bytes = (*file)->read(0, segment_header_bytes);
    const auto found = bytes ? find_header(*bytes, number) : std::nullopt;
    const auto size = (*file)->size().value_or(0);
    if (found && found->header.version > format_version)
        return std::unexpected(newer_version_error(disk, found->header.version));
    if (!found || found->header.number != number) {
        problems_.push_back(
            {path, 0, size,
             found ? "the segment " + hex16(found->header.number) + " by a wrong name"
                   : "the segment's header is unreadable, so nothing in it can be read"});
        return {};
    }
    if (found->is_mended) problems_.push_back({path, 0, segment_header_bytes, mended_header_words});
    headers_[number] = found->header;
    sizes_[number] = size;
    if (const auto origin = origin_of(**file, found->header.generation)) origins_[number] = *origin;
    return {};
}

void SpoolListing::set_strangers_aside(const std::optional<SpoolVersion>& version) {
    const auto values = std::views::values(headers_);
    const std::vector<SegmentHeader> headers(values.begin(), values.end());
    const auto own = own_spool(version, headers);
    for (const auto& header : headers) {
        if (header.spool == own) continue;
        problems_.push_back({segment_path(header.number), 0, sizes_[header.number],
                             stranger_words(header.spool) + "; this one's uuid is " +
                                 format_uuid(own.value_or(Uuid{})) + ": nothing in it is shown",
                             true});
        headers_.erase(header.number);
        sizes_.erase(header.number);
        origins_.erase(header.number);
    }
}

void SpoolListing::settle_ends() {
    for (const auto& [number, origin] : origins_) {
        const auto previous = origins_.find(origin.previous);
        const bool is_named = previous != origins_.end() ? is_before(previous->second, origin)
                                                         : origin.previous < number;
        if (origin.previous != 0 && is_named) ends_[origin.previous] = origin.previous_end;
    }
}

std::uint64_t SpoolListing::end_of(std::uint64_t number) const {
    const auto end = ends_.find(number);
    return end == ends_.end() ? 0 : end->second;
}

std::uint64_t SpoolListing::later_lsn(std::uint64_t number) const {
    const auto own = origins_.find(number);
    if (own == origins_.end()) return 0;
    std::uint64_t lsn = 0;
    for (const auto& [other, origin] : origins_)
        if (is_before(own->second, origin) && (lsn == 0 || origin.first_lsn < lsn))
            lsn = origin.first_lsn;
    return lsn;
}

}  // namespace queue::segment_log
