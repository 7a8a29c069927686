#include "queue/segment_log/disk/spool_folder.h"

#include <charconv>
#include <map>

namespace queue::segment_log {
namespace {

constexpr std::string_view version_lead = "posthouse spool ";
constexpr std::string_view uuid_lead = "uuid ";
constexpr std::size_t version_file_bytes_max = 4096;

StoreError broken(std::string text) { return {StoreError::Kind::broken, std::move(text)}; }

// The rest of the line that starts with `lead`.
std::optional<std::string_view> line_after(std::string_view text, std::string_view lead) {
    auto at = text.find(lead);
    if (at == text.npos || (at != 0 && text[at - 1] != '\n')) return std::nullopt;
    at += lead.size();
    return text.substr(at, text.find('\n', at) - at);
}

}  // namespace

StoreError to_store_error(const DiskError& error) {
    if (error.is_no_space()) return {StoreError::Kind::no_space, error.text};
    if (error.is_temporary()) return {StoreError::Kind::no_resources, error.text};
    return broken(error.text);
}

StoreResult<std::unique_ptr<Disk::Lock>> enter_spool(Disk& disk) {
    for (const auto* folder : {"", "seg", "free", "quarantine"}) {
        if (auto made = disk.make_directory(folder); !made) {
            return std::unexpected(to_store_error(made.error()));
        }
    }
    auto lock = disk.lock("LOCK");
    if (lock) return std::move(*lock);
    if (!lock.error().is_busy()) return std::unexpected(to_store_error(lock.error()));
    std::string owner;
    if (auto file = disk.open("LOCK")) {
        if (auto text = (*file)->read(0, 32)) owner = text->substr(0, text->find('\n'));
    }
    return std::unexpected(broken("the spool " + disk.root() + " is served by another posthouse" +
                                  (owner.empty() ? "" : " (process " + owner + ")") +
                                  ": stop that one first, or give this one a [spool] path of its "
                                  "own"));
}

StoreError newer_version_error(const Disk& disk, unsigned version) {
    return broken("the spool " + disk.root() + " has format " + std::to_string(version) +
                  ", written by a newer posthouse; this one knows formats up to " +
                  std::to_string(format_version) +
                  ": start the newer posthouse, or let it deliver "
                  "what is queued before going back");
}

StoreResult<std::optional<SpoolVersion>> read_version(Disk& disk) {
    auto file = disk.open("VERSION");
    if (!file && file.error().is_not_found()) return std::nullopt;
    if (!file) return std::unexpected(to_store_error(file.error()));
    const auto text = (*file)->read(0, version_file_bytes_max);
    if (!text) return std::unexpected(to_store_error(text.error()));
    const auto number = line_after(*text, version_lead);
    const auto uuid_text = line_after(*text, uuid_lead);
    if (!number) return std::nullopt;
    unsigned version = 0;
    const auto parsed = std::from_chars(number->data(), number->data() + number->size(), version);
    if (parsed.ec != std::errc() || parsed.ptr != number->data() + number->size()) {
        return std::nullopt;
    }
    if (version > format_version) return std::unexpected(newer_version_error(disk, version));
    const auto uuid = uuid_text ? parse_uuid(*uuid_text) : std::nullopt;
    if (!uuid) return std::nullopt;
    return SpoolVersion{static_cast<std::uint16_t>(version), *uuid};
}

std::optional<Uuid> own_spool(const std::optional<SpoolVersion>& version,
                              const std::vector<SegmentHeader>& segments) {
    std::map<Uuid, std::size_t> counts;
    for (const auto& segment : segments) ++counts[segment.spool];
    if (version && (segments.empty() || counts.contains(version->spool))) return version->spool;
    std::optional<Uuid> own;
    for (const auto& segment : segments)
        if (!own || counts[segment.spool] > counts[*own]) own = segment.spool;
    return own;
}

std::string stranger_words(const Uuid& uuid) {
    return "a segment of another spool (uuid " + format_uuid(uuid) + ")";
}

StoreResult<void> write_version(Disk& disk, const SpoolVersion& version) {
    const auto text = std::string(version_lead) + std::to_string(version.version) + "\n" +
                      std::string(uuid_lead) + format_uuid(version.spool) + "\n";
    // A start that was cut short may have left it.
    [[maybe_unused]] const auto removed = disk.remove("VERSION.new");
    const auto write = [&]() -> DiskResult<void> {
        auto file = disk.create("VERSION.new");
        if (!file) return std::unexpected(std::move(file).error());
        if (auto done = (*file)->write(0, text); !done) return done;
        if (auto done = (*file)->sync(); !done) return done;
        if (auto done = disk.rename("VERSION.new", "VERSION"); !done) return done;
        return disk.sync_directory("");
    };
    if (auto written = write(); !written) return std::unexpected(to_store_error(written.error()));
    return {};
}

std::string quarantine_name(std::uint64_t segment, std::uint64_t offset) {
    return hex16(segment) + "-" + hex16(offset) + ".bytes";
}

DiskResult<std::string> quarantine(Disk& disk, const std::string& name, std::string_view bytes) {
    auto path = "quarantine/" + name;
    auto file = disk.create(path);
    if (!file) {
        // An earlier start has left it, perhaps not whole.
        if (auto removed = disk.remove(path); !removed) return std::unexpected(file.error());
        file = disk.create(path);
        if (!file) return std::unexpected(std::move(file).error());
    }
    if (auto done = (*file)->write(0, bytes); !done) return std::unexpected(done.error());
    if (auto done = (*file)->sync(); !done) return std::unexpected(done.error());
    if (auto done = disk.sync_directory("quarantine"); !done) return std::unexpected(done.error());
    return path;
}

}  // namespace queue::segment_log
