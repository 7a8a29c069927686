#include "mta/cli/spool/spool_import.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>

#include "mta/base/limits.h"
#include "mta/cli/spool/message_json.h"
#include "mta/cli/spool/spool_reading.h"
#include "mta/cli/terminal/progress.h"
#include "mta/cli/terminal/table.h"
#include "mta/intake/reception.h"
#include "mta/smtp/server/data_stream.h"
#include "queue/segment_log/log_service.h"

namespace mta::cli {
namespace {

namespace fs = std::filesystem;
using Complaint = std::optional<std::string>;  // a sentence; without a value all is well
using intake::Reception;

constexpr std::size_t read_bytes = 64U << 10;
constexpr std::uint64_t json_bytes_max = 64U << 20;
// The messages of one sync. With more of them the import is faster, but a power failure repeats
// more.
constexpr std::size_t group_messages_max = 200;
constexpr std::uint64_t group_bytes_max = 4U << 20;

// The store, used by one thread that waits for each answer.
class SyncedStore {
public:
    explicit SyncedStore(queue::segment_log::LogService& service)
        : service_(service),
          store_(service.make_store([this](auto work) { posted_.push_back(std::move(work)); })) {}

    [[nodiscard]] queue::Store& store() { return *store_; }
    // Runs the store until every request has its answer.
    void settle() {
        do {
            for (auto& work : std::exchange(posted_, {})) work();
        } while (service_.step() || !posted_.empty());
    }

private:
    queue::segment_log::LogService& service_;
    std::vector<std::move_only_function<void()>> posted_;
    std::unique_ptr<queue::Store> store_;
};

class Importer {
public:
    Importer(SyncedStore& spool, const SpoolRequest& request, CommandIo& io)
        : spool_(spool), request_(request), io_(io), services_{.store = spool.store()} {}

    void take(const std::string& stem);
    // Waits until the messages are on disk, and renames their files.
    void finish_group();
    void refuse(const std::string& name, const std::string& why) {
        ++refused_;
        fail(io_, name + " is not imported: " + why);
    }

    [[nodiscard]] bool is_broken() const { return is_broken_; }
    [[nodiscard]] std::size_t imported() const { return imported_; }
    [[nodiscard]] std::size_t refused() const { return refused_; }
    [[nodiscard]] std::size_t finished() const { return finished_; }

private:
    struct Part {
        std::string stem;
        bool is_last = true;  // of its file's parts
        std::unique_ptr<Reception> reception;
    };

    Complaint take_part(const std::string& stem, const ReadMessage& read, std::size_t first,
                        std::size_t count, bool is_last);
    Complaint read_body(const std::string& path, Reception& reception);
    Complaint pass_body(std::ifstream& file, bool adds_cr, Reception& reception);
    Complaint give(Reception& reception, std::string piece);
    void rename(const std::string& stem);

    SyncedStore& spool_;
    const SpoolRequest& request_;
    CommandIo& io_;
    intake::Services services_;
    std::vector<Part> group_;
    std::uint64_t group_bytes_ = 0;
    bool is_broken_ = false;  // no more is taken
    bool has_rename_failed_ = false;
    std::size_t imported_ = 0;
    std::size_t refused_ = 0;
    std::size_t finished_ = 0;
};

std::string leaf(const std::string& path) { return fs::path(path).filename(); }

std::expected<std::string, std::string> read_small(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text;
    std::string piece(read_bytes, '\0');
    while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())) || file.gcount()) {
        text.append(piece, 0, static_cast<std::size_t>(file.gcount()));
        if (text.size() > json_bytes_max) return std::unexpected("it is too large");
    }
    if (!file.eof()) return std::unexpected("cannot read " + path);
    return text;
}

void Importer::take(const std::string& stem) {
    const auto text = read_small(stem + ".json");
    if (!text) return refuse(leaf(stem + ".json"), text.error());
    auto read = read_message(*text, io_.now);
    if (!read) return refuse(leaf(stem + ".json"), read.error());
    if (read->envelope.recipients.empty()) {
        ++finished_;
        if (!request_.keep) rename(stem);
        return;
    }
    // If there are more recipients than a message can have, several messages are made.
    const auto count = read->envelope.recipients.size();
    for (std::size_t first = 0; first < count; first += queue::recipients_max) {
        const auto size = std::min(count - first, queue::recipients_max);
        const bool is_last = first + size == count;
        if (const auto complaint = take_part(stem, *read, first, size, is_last))
            return refuse(leaf(stem + ".eml"), *complaint);
    }
    if (group_.size() >= group_messages_max || group_bytes_ >= group_bytes_max) finish_group();
}

Complaint Importer::take_part(const std::string& stem, const ReadMessage& read, std::size_t first,
                              std::size_t count, bool is_last) {
    const auto part_of = [&](const auto& all) {
        const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
        return std::vector(begin, begin + static_cast<std::ptrdiff_t>(count));
    };
    auto reception = std::make_unique<Reception>(services_, [] {});
    auto envelope = read.envelope;
    envelope.recipients = part_of(read.envelope.recipients);
    reception->begin({.arrival = read.arrival,
                      .envelope = std::move(envelope),
                      .about = read.about,
                      .needs_room = false});
    const auto id = std::get<Reception::Begun>(*reception->poll_event()).id;
    if (const auto complaint = read_body(stem + ".eml", *reception)) {
        reception->abort();
        return complaint;
    }
    group_.push_back({stem, is_last, std::move(reception)});
    if (read.has_states) spool_.store().update(id, part_of(read.states), {});
    return std::nullopt;
}

void Importer::finish_group() {
    spool_.settle();
    std::string failed;  // the last file of which a part failed; parts of a file are neighbours
    for (const auto& part : group_) {
        const auto event = part.reception->poll_event();
        if (event && std::holds_alternative<Reception::Stored>(*event)) {
            ++imported_;
            const bool is_whole = part.is_last && part.stem != failed;
            if (!request_.keep && is_whole && !has_rename_failed_) rename(part.stem);
            continue;
        }
        is_broken_ = true;
        failed = part.stem;
        const auto* lost = event ? std::get_if<Reception::Lost>(&*event) : nullptr;
        refuse(leaf(part.stem + ".eml"),
               lost != nullptr ? lost->error.text : "the spool gave no answer");
    }
    group_.clear();
    group_bytes_ = 0;
}

// Renames the .json file first: without it, the .eml file is no message to import.
void Importer::rename(const std::string& stem) {
    for (const auto* ending : {".json", ".eml"}) {
        std::error_code error;
        fs::rename(stem + ending, stem + ending + ".imported", error);
        if (!error) continue;
        is_broken_ = has_rename_failed_ = true;
        fail(io_, leaf(stem) +
                      " is imported, but cannot be renamed, so another import would queue "
                      "it again: " +
                      error.message());
        return;
    }
}

Complaint Importer::read_body(const std::string& path, Reception& reception) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return "it cannot be read";
    // A file without any CR comes from a system on which lines end with LF alone.
    bool has_cr = false;
    std::string piece(read_bytes, '\0');
    while (!has_cr &&
           (file.read(piece.data(), static_cast<std::streamsize>(piece.size())) || file.gcount())) {
        has_cr = std::string_view(piece)
                     .substr(0, static_cast<std::size_t>(file.gcount()))
                     .contains('\r');
    }
    file.clear();
    file.seekg(0);
    return pass_body(file, !has_cr, reception);
}

Complaint Importer::pass_body(std::ifstream& file, bool adds_cr, Reception& reception) {
    std::string body;
    smtp::DataStream stream({.message_bytes_max = UINT64_MAX, .received_hops_max = UINT32_MAX}, {},
                            body);
    std::string piece(read_bytes, '\0');
    std::string with_cr;
    while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())) || file.gcount()) {
        std::string_view bytes(piece.data(), static_cast<std::size_t>(file.gcount()));
        if (adds_cr) {
            with_cr.clear();
            for (const char c : bytes) {
                if (c == '\n') with_cr += '\r';
                with_cr += c;
            }
            bytes = with_cr;
        }
        stream.feed_chunk(bytes, body);
        if (stream.problem()) break;
        while (body.size() > limits::body_chunk_bytes_max) {
            auto chunk = body.substr(0, limits::body_chunk_bytes_max);
            body.erase(0, chunk.size());
            if (auto complaint = give(reception, std::move(chunk))) return complaint;
        }
    }
    if (!file.eof() && !stream.problem()) return "it cannot be read to its end";
    if (!stream.problem()) stream.finish_chunks(body);
    if (stream.problem()) return "it has: " + std::string(smtp::describe(*stream.problem()));
    const auto facts = stream.facts();
    if (facts.size == 0) return "it is empty";
    const bool is_inline = facts.size <= limits::body_inline_bytes_max;
    if (is_inline) group_bytes_ += body.size();
    if (is_inline) {
        reception.add(std::move(body));
    } else if (auto complaint = give(reception, std::move(body))) {
        return complaint;
    }
    reception.end(
        io_.now,
        {.facts = facts, .message_id = stream.message_id(), .added_header = {}, .source = {}});
    return std::nullopt;
}

// A piece of a body that is too large to wait in memory.
Complaint Importer::give(Reception& reception, std::string piece) {
    if (piece.empty()) return std::nullopt;
    reception.add(std::move(piece));
    spool_.settle();
    const auto event = reception.poll_event();
    if (event && std::holds_alternative<Reception::PieceWritten>(*event)) return std::nullopt;
    is_broken_ = true;
    const auto* refused = event ? std::get_if<Reception::Refused>(&*event) : nullptr;
    return refused != nullptr ? refused->error.text : "the spool gave no answer";
}

// The names of complete pairs without their endings, sorted. Files without a partner are refused.
std::vector<std::string> find_pairs(const std::string& folder, Importer& importer,
                                    std::error_code& error) {
    std::set<std::string> eml;
    std::set<std::string> json;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
        const auto& path = entry->path();
        const auto stem = (path.parent_path() / path.stem()).string();
        if (path.extension() == ".eml") eml.insert(stem);
        if (path.extension() == ".json") json.insert(stem);
    }
    std::vector<std::string> pairs;
    std::ranges::set_intersection(eml, json, std::back_inserter(pairs));
    for (const auto& stem : eml) {
        if (json.contains(stem)) continue;
        importer.refuse(leaf(stem + ".eml"),
                        leaf(stem + ".json") +
                            " is missing, which says from whom and to whom it goes, such as "
                            "{\"sender\": \"ann@us.example\", \"recipients\": "
                            "[\"bob@them.example\"]}");
    }
    for (const auto& stem : json) {
        if (!eml.contains(stem)) {
            importer.refuse(leaf(stem + ".json"),
                            leaf(stem + ".eml") + ", the message itself, is missing");
        }
    }
    return pairs;
}

}  // namespace

int run_spool_import(queue::segment_log::Disk& disk, const queue::segment_log::LogOptions& options,
                     const SpoolRequest& request, const IsInterrupted& is_interrupted,
                     CommandIo& io) {
    auto service = queue::segment_log::LogService::open(
        disk, options, queue::segment_log::LogService::Mode::steps);
    if (!service) return fail(io, service.error().text);
    SyncedStore spool(**service);
    if (const auto refusal = spool.store().refusal()) return fail(io, refusal->text);
    Importer importer(spool, request, io);
    std::error_code error;
    const auto pairs = find_pairs(request.folder, importer, error);
    if (error) return fail(io, "cannot read the folder " + request.folder + ": " + error.message());
    Progress progress(io.err, io.shows_progress, "importing");
    for (std::size_t i = 0; i < pairs.size() && !is_interrupted() && !importer.is_broken(); ++i) {
        progress.show(i, pairs.size());
        importer.take(pairs[i]);
    }
    importer.finish_group();
    progress.clear();
    io.out << plural(importer.imported(), "message") << " imported";
    if (importer.finished() > 0) {
        io.out << ", " << importer.finished() << " without an open recipient passed over";
    }
    if (importer.refused() > 0) io.out << ", " << importer.refused() << " refused";
    io.out << ".\n";
    if (is_interrupted()) fail(io, "interrupted: the rest is untouched");
    const bool is_fine = importer.refused() == 0 && !importer.is_broken() && !is_interrupted();
    return is_fine ? exit_fine : exit_failed;
}

}  // namespace mta::cli
