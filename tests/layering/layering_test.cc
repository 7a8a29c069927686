// Keeps the folders' dependencies one-way, and the outside world at the edges (ARCHITECTURE.md).
// What it does not know, it refuses: a new folder, arrow or library is a design decision, and made
// here, in review.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Every folder of the program, and whom it may include.
const std::map<std::string, Names> arrows = {
    {"mta/base", {}},
    {"mta/smtp/syntax", {"mta/base"}},
    {"mta/diagnosis", {"mta/base", "mta/smtp/syntax"}},
    {"mta/smtp/server", {"mta/base", "mta/smtp/syntax"}},
    {"mta/smtp/client", {"mta/base", "mta/smtp/syntax", "mta/diagnosis"}},
    {"mta/io", {"mta/base"}},
    {"conf", {"mta/base"}},
    {"queue", {"mta/base"}},
    {"queue/segment_log/format", {"mta/base", "queue"}},
    {"queue/segment_log/disk", {"mta/base", "queue", "queue/segment_log/format"}},
    {"queue/segment_log/segments",
     {"mta/base", "queue", "queue/segment_log/format", "queue/segment_log/disk"}},
    {"queue/segment_log/reading",
     {"mta/base", "queue", "queue/segment_log/format", "queue/segment_log/disk",
      "queue/segment_log/segments"}},
    {"queue/segment_log/writing",
     {"mta/base", "queue", "queue/segment_log/format", "queue/segment_log/disk",
      "queue/segment_log/segments", "queue/segment_log/reading"}},
    {"queue/segment_log/recovery",
     {"mta/base", "queue", "queue/segment_log/format", "queue/segment_log/disk",
      "queue/segment_log/segments"}},
    {"queue/segment_log",
     {"mta/base", "queue", "queue/segment_log/format", "queue/segment_log/disk",
      "queue/segment_log/segments", "queue/segment_log/reading", "queue/segment_log/writing",
      "queue/segment_log/recovery"}},
    {"dns", {"mta/base", "mta/io"}},
    {"mta/events", {"mta/base", "queue"}},
    {"mta/intake", {"mta/base", "queue"}},
    {"mta/inbound",
     {"mta/base", "mta/smtp/syntax", "mta/smtp/server", "mta/io", "conf", "queue", "mta/intake",
      "mta/events"}},
    {"mta/outbound/desk", {"mta/base", "mta/smtp/syntax", "mta/io", "queue"}},
    {"mta/outbound",
     {"mta/base", "mta/smtp/syntax", "mta/smtp/client", "mta/diagnosis", "mta/io", "conf", "queue",
      "dns", "mta/events", "mta/outbound/desk"}},
    {"mta/report",
     {"mta/base", "mta/smtp/syntax", "mta/diagnosis", "conf", "queue", "mta/events",
      "mta/outbound"}},
    {"mta/http", {"mta/base"}},
    {"mta/api", {"mta/base", "mta/diagnosis", "mta/http", "queue", "mta/outbound/desk"}},
    {"mta/cli",
     {"mta/base", "mta/smtp/syntax", "mta/smtp/server", "conf", "queue", "queue/segment_log",
      "queue/segment_log/disk", "queue/segment_log/segments", "queue/segment_log/reading",
      "mta/intake"}},
    {"mta/daemon",
     {"mta/base", "mta/smtp/syntax", "mta/smtp/server", "mta/smtp/client", "mta/diagnosis",
      "mta/io", "conf", "queue", "queue/segment_log", "dns", "mta/events", "mta/intake",
      "mta/inbound",
      "mta/outbound", "mta/report", "mta/http", "mta/api"}},
    // main.cc alone: the command line, and what the process needs once.
    {"mta", {"mta/base", "mta/cli", "mta/daemon", "conf", "dns"}},
    {"conf/examples", {}},
    {"mta/smtp", {}},  // only folders
};

// Folders that count as the folder above them.
const Names rooms = {
    "mta/outbound/routing",
    "mta/outbound/destination",
    "mta/outbound/lifecycle",
    "mta/outbound/attempt",
    "mta/outbound/operators",
    "mta/cli/remote",
    "mta/cli/spool",
    "mta/cli/terminal",
    "mta/api/queue",
    "mta/api/why",
    "mta/api/orders",
    "mta/api/monitoring",
};

// Libraries, and the only folders that may see them. A name that ends in '/' is a folder of
// headers.
const std::map<std::string, Names> edge_headers = {
    {"uv.h", {"mta/io"}},
    {"openssl/", {"mta/io"}},
    {"ares.h", {"dns"}},
    {"toml++/", {"conf"}},
    {"microhttpd.h", {"mta/http"}},
    {"prometheus/", {"mta/api"}},
    {"curl/", {"mta/cli"}},
    {"CLI/", {"mta/cli"}},
    {"nlohmann/", {"mta/api", "mta/cli"}},
    {"isa-l/", {"queue/segment_log/format"}},
    {"idn2.h", {"mta/base"}},
    {"fmt/", {"mta/base"}},
};

// The C++ library has no ".h"; these are the system's.
const Names system_headers = {
    "arpa/inet.h", "errno.h",       "fcntl.h",        "netdb.h",        "netinet/in.h",
    "malloc.h",    "grp.h",         "netinet/tcp.h",  "pwd.h",          "poll.h",
    "pthread.h",   "signal.h",      "sys/file.h",     "sys/ioctl.h",    "sys/mman.h",
    "sys/prctl.h", "sys/random.h",  "sys/resource.h", "sys/signalfd.h", "sys/socket.h",
    "sys/stat.h",  "sys/statvfs.h", "sys/types.h",    "sys/uio.h",      "sys/un.h",
    "sys/wait.h",  "termios.h",     "time.h",         "unistd.h"};

// Files that are no source, by folder.
const std::map<std::string, Names> other_files = {
    {"conf", {".toml", ".service", ".sysusers", ".tmpfiles"}},
    {"conf/examples", {".toml"}},
    {"queue", {".md"}},
};

const std::vector<std::string> roots = {"mta", "queue", "dns", "conf"};

std::string room_of(const std::string& folder) {
    return rooms.contains(folder) ? fs::path(folder).parent_path().string() : folder;
}

std::string edge_of(const std::string& header) {
    for (const auto& [edge, folders] : edge_headers) {
        if (header == edge || (edge.ends_with('/') && header.starts_with(edge))) return edge;
    }
    return {};
}

// "foo/bar.h" of `#include "foo/bar.h"`, with its quote or bracket in front: `"foo/bar.h`.
std::optional<std::string> included_by(std::string line) {
    std::erase_if(line, [](char c) { return c == ' ' || c == '\t'; });
    if (!line.starts_with("#include")) return std::nullopt;
    const auto end = line.find_first_of("\">", 9);
    return line.substr(8, end == line.npos ? end : end - 8);
}

std::optional<std::string> complaint_about(const std::string& folder, const std::string& include) {
    const auto header = include.substr(1);
    if (include[0] == '"') {
        const auto from = room_of(fs::path(header).parent_path().string());
        if (!arrows.contains(from)) return "includes \"" + header + "\" of an unknown folder";
        if (from == folder || arrows.at(folder).contains(from)) return std::nullopt;
        return "may not include " + from + " (" + header + ")";
    }
    if (const auto edge = edge_of(header); !edge.empty()) {
        if (edge_headers.at(edge).contains(folder)) return std::nullopt;
        return "may not include <" + header + ">";
    }
    const bool standard = header.find_first_of("./") == header.npos;
    if (standard || system_headers.contains(header)) return std::nullopt;
    return "includes <" + header + ">, which the layering test does not know";
}

void check_file(const fs::path& path, const std::string& name, const std::string& folder,
                std::vector<std::string>& complaints) {
    const auto extension = path.extension().string();
    if (extension != ".h" && extension != ".cc") {
        const auto others = other_files.find(folder);
        if (others == other_files.end() || !others->second.contains(extension)) {
            complaints.push_back(name + ": a file that the layering test does not know");
        }
        return;
    }
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
        const auto include = included_by(line);
        if (!include) continue;
        if (const auto complaint = complaint_about(folder, *include)) {
            complaints.push_back(name + ": " + folder + ' ' + *complaint);
        }
    }
}

std::vector<std::string> check_tree(const fs::path& tree) {
    std::vector<std::string> complaints;
    for (const auto& root : roots) {
        if (!fs::exists(tree / root)) continue;
        for (const auto& entry : fs::recursive_directory_iterator(tree / root)) {
            const auto relative = entry.path().lexically_relative(tree);
            const auto folder = room_of(relative.parent_path().string());
            if (entry.is_directory()) {
                if (!arrows.contains(room_of(relative))) {
                    complaints.push_back(relative.string() + ": an unknown folder");
                }
            } else if (arrows.contains(folder)) {
                check_file(entry.path(), relative, folder, complaints);
            }
        }
    }
    std::ranges::sort(complaints);
    return complaints;
}

// Takes away, again and again, the folders that need none of those that are left.
Names left_in_circles(std::map<std::string, Names> left) {
    for (auto size = left.size() + 1; size > left.size();) {
        size = left.size();
        std::erase_if(left, [&](const auto& entry) {
            return std::ranges::none_of(entry.second,
                                        [&](const auto& name) { return left.contains(name); });
        });
    }
    Names names;
    for (const auto& [name, others] : left) names.insert(name);
    return names;
}

TEST(Layering, includes_follow_the_arrows) {
    EXPECT_THAT(check_tree("."), IsEmpty());
    // It has really looked: the tests run in the root of the repository.
    for (const auto& [folder, names] : arrows) EXPECT_TRUE(fs::is_directory(folder)) << folder;
}

// The rooms of the queue manager, and which others each may include.
const std::map<std::string, Names> outbound_arrows = {
    {"destination", {}},
    {"desk", {}},
    {"routing", {"destination"}},
    {"lifecycle", {"destination", "desk", "routing"}},
    {"attempt", {"destination", "desk", "routing", "lifecycle"}},
    {"operators", {"destination", "desk", "routing", "lifecycle", "attempt"}},
};

// Headers of mta/outbound itself that every room may include. The others are the queue manager's.
const Names outbound_shared = {"context.h", "ports.h", "report_request.h", "connection_handle.h"};

TEST(Layering, rooms_of_the_queue_manager_include_neither_it_nor_each_other_in_a_circle) {
    const fs::path outbound = "mta/outbound";
    std::vector<std::string> complaints;
    std::size_t arrows_seen = 0;
    for (const auto& entry : fs::recursive_directory_iterator(outbound)) {
        if (!entry.is_regular_file()) continue;
        const auto name = entry.path().lexically_relative(outbound);
        const auto room = name.parent_path().string();
        if (room.empty() && !outbound_shared.contains(name)) continue;
        std::ifstream in(entry.path());
        for (std::string line; std::getline(in, line);) {
            const auto include = included_by(line);
            if (!include || !include->starts_with("\"mta/outbound/")) continue;
            const auto header = fs::path(include->substr(1)).lexically_relative(outbound);
            const auto other = header.parent_path().string();
            const bool is_allowed =
                other.empty()
                    ? outbound_shared.contains(header)
                    : other == room || (!room.empty() && outbound_arrows.at(room).contains(other));
            if (!is_allowed) complaints.push_back(name.string() + " includes " + header.string());
            if (!other.empty() && other != room) ++arrows_seen;
        }
    }
    EXPECT_THAT(complaints, IsEmpty());
    EXPECT_GT(arrows_seen, 10u) << "it has really looked";
    EXPECT_THAT(left_in_circles(outbound_arrows), IsEmpty());
}

TEST(Layering, the_toml_parser_is_seen_by_one_file) {
    std::vector<std::string> seeing;
    for (const auto& entry : fs::directory_iterator("conf")) {
        if (!entry.is_regular_file()) continue;
        std::ifstream in(entry.path());
        const std::string text{std::istreambuf_iterator<char>(in), {}};
        if (text.find("<toml++/") != text.npos) seeing.push_back(entry.path().filename());
    }
    EXPECT_THAT(seeing, ElementsAre("document.cc"));
}

TEST(Layering, one_file_of_the_daemon_knows_which_kind_of_spool_it_is) {
    std::vector<std::string> seeing;
    for (const auto& entry : fs::directory_iterator("mta/daemon")) {
        std::ifstream in(entry.path());
        const std::string text{std::istreambuf_iterator<char>(in), {}};
        if (text.find("\"queue/segment_log/") != text.npos) {
            seeing.push_back(entry.path().filename());
        }
    }
    EXPECT_THAT(seeing, ElementsAre("spool_factory.cc"));
}

TEST(Layering, arrows_have_no_circle) { EXPECT_THAT(left_in_circles(arrows), IsEmpty()); }

std::string folder_of_library(const std::string& library) {
    if (library == "segment_log") return "queue/segment_log";
    if (library == "desk") return "mta/outbound/desk";
    for (const auto* folder : {"conf", "queue", "dns"}) {
        if (library == folder) return folder;
    }
    if (library.starts_with("smtp_")) return "mta/smtp/" + library.substr(5);
    return "mta/" + library;
}

// The libraries' main folders to which arrows lead from any of these: "queue/segment_log/disk" is in
// the library of "queue/segment_log".
Names arrows_of(const std::string& folders) {
    constexpr std::string_view log = "queue/segment_log";
    Names names;
    std::istringstream list(folders);
    std::string first;
    for (std::string folder; std::getline(list, folder, ';');) {
        if (first.empty()) first = folder;
        for (const auto& name : arrows.at(room_of(folder))) {
            names.insert(name.starts_with(log) ? std::string(log) : name);
        }
    }
    names.erase(first);
    return names;
}

TEST(Layering, the_link_lines_are_the_arrows) {
    std::ifstream in("CMakeLists.txt");
    int libraries = 0;
    for (std::string line; std::getline(in, line);) {
        if (!line.starts_with("posthouse_library(")) continue;
        for (std::string more; line.find(')') == line.npos && std::getline(in, more);) line += more;
        std::istringstream words(line.substr(18, line.find(')') - 18));
        std::string library;
        std::string folders;
        words >> library >> std::quoted(folders);
        Names links;
        for (std::string word; words >> word;) {
            if (word.find("::") == word.npos) links.insert(folder_of_library(word));
        }
        EXPECT_EQ(links, arrows_of(folders)) << library;
        ++libraries;
    }
    EXPECT_EQ(libraries, 20);
}

// A tree with one file, to see that the test itself can fail.
class LayeringOfATree : public testing::Test {
protected:
    LayeringOfATree() {
        std::string name = testing::TempDir() + "posthouse-layering-XXXXXX";
        tree_ = ::mkdtemp(name.data());
    }
    ~LayeringOfATree() override { fs::remove_all(tree_); }

    std::vector<std::string> with(const std::string& name, const std::string& text) {
        fs::create_directories((tree_ / name).parent_path());
        std::ofstream(tree_ / name) << text;
        return check_tree(tree_);
    }

    fs::path tree_;
};

TEST_F(LayeringOfATree, takes_what_is_allowed) {
    EXPECT_THAT(with("mta/inbound/x.cc",
                     "#include \"mta/inbound/x.h\"\n#include <vector>\n#include <sys/stat.h>\n"
                     "#include \"queue/store.h\"\n// #include \"mta/daemon/x.h\"\n"),
                IsEmpty());
    EXPECT_THAT(with("mta/io/x.cc", "#include <uv.h>\n#include <openssl/ssl.h>\n"), IsEmpty());
    EXPECT_THAT(with("conf/examples/x.toml", ""), IsEmpty());
    EXPECT_THAT(with("queue/FORMAT.md", ""), IsEmpty());
}

TEST_F(LayeringOfATree, refuses_an_arrow_that_is_not_there) {
    EXPECT_THAT(
        with("queue/x.h", "#pragma once\n  #  include \"mta/smtp/syntax/address.h\"\n"),
        ElementsAre(
            "queue/x.h: queue may not include mta/smtp/syntax (mta/smtp/syntax/address.h)"));
}

TEST_F(LayeringOfATree, refuses_an_arrow_back) {
    EXPECT_THAT(with("queue/x.h", "#include \"queue/segment_log/format/record.h\"\n"),
                ElementsAre(HasSubstr("may not include queue/segment_log")));
}

TEST_F(LayeringOfATree, refuses_a_library_beyond_its_edge) {
    EXPECT_THAT(
        with("mta/outbound/x.cc", "#include <uv.h>\n#include <ares.h>\n#include <openssl/x.h>"),
        ElementsAre("mta/outbound/x.cc: mta/outbound may not include <ares.h>",
                    "mta/outbound/x.cc: mta/outbound may not include <openssl/x.h>",
                    "mta/outbound/x.cc: mta/outbound may not include <uv.h>"));
    EXPECT_EQ(with("mta/daemon/x.cc",
                   "#include <toml++/toml.h>\n#include <microhttpd.h>\n#include <curl/curl.h>\n"
                   "#include <CLI/CLI.hpp>\n")
                  .size(),
              7u);
}

TEST_F(LayeringOfATree, refuses_a_library_that_it_does_not_know) {
    EXPECT_THAT(with("mta/base/x.cc", "#include <boost/asio.hpp>\n#include <zlib.h>\n"),
                ElementsAre(HasSubstr("<boost/asio.hpp>, which"), HasSubstr("<zlib.h>, which")));
}

TEST_F(LayeringOfATree, refuses_an_include_from_nowhere) {
    EXPECT_THAT(with("mta/base/x.cc", "#include \"x.h\"\n#include \"tests/x.h\"\n"),
                ElementsAre(HasSubstr("\"tests/x.h\" of an unknown folder"),
                            HasSubstr("\"x.h\" of an unknown folder")));
}

TEST_F(LayeringOfATree, refuses_a_folder_that_it_does_not_know) {
    EXPECT_THAT(with("mta/utils/x.h", "#include <uv.h>\n"),
                ElementsAre("mta/utils: an unknown folder"));
    EXPECT_THAT(with("dns/cache/x.h", ""), testing::Contains("dns/cache: an unknown folder"));
}

TEST_F(LayeringOfATree, refuses_a_file_that_it_does_not_know) {
    EXPECT_THAT(with("mta/base/x.hpp", ""),
                ElementsAre("mta/base/x.hpp: a file that the layering test does not know"));
    EXPECT_EQ(with("dns/README.md", "").size(), 2u);
}

}  // namespace
