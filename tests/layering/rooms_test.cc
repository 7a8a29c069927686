// Keeps the includes between the rooms of a folder one-way, as layering_test.cc does for folders.
// The headers of the folder that its rooms use are nodes of their own.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;
using testing::ElementsAre;
using testing::IsEmpty;

// Each room, and each header that is a node, with the nodes that it may include. The first part of
// a name is the folder that it belongs to.
const std::map<std::string, Names> arrows = {
    {"mta/api/answer.h", {}},
    {"mta/api/json_values.h", {}},
    {"mta/api/parameters.h", {"mta/api/answer.h"}},
    {"mta/api/relay_status.h", {}},
    {"mta/api/selection.h", {}},
    {"mta/api/shard_call.h", {}},
    {"mta/api/loading.h", {"mta/api/json_values.h", "mta/api/relay_status.h"}},
    {"mta/api/call.h", {"mta/api/answer.h", "mta/api/shard_call.h"}},
    {"mta/api/queue",
     {"mta/api/answer.h", "mta/api/call.h", "mta/api/json_values.h", "mta/api/loading.h",
      "mta/api/parameters.h", "mta/api/selection.h"}},
    {"mta/api/why",
     {"mta/api/answer.h", "mta/api/call.h", "mta/api/json_values.h", "mta/api/loading.h",
      "mta/api/relay_status.h", "mta/api/selection.h", "mta/api/queue"}},
    {"mta/api/orders",
     {"mta/api/answer.h", "mta/api/call.h", "mta/api/selection.h", "mta/api/shard_call.h"}},
    {"mta/api/monitoring",
     {"mta/api/answer.h", "mta/api/call.h", "mta/api/json_values.h", "mta/api/parameters.h",
      "mta/api/relay_status.h"}},
    {"mta/api",
     {"mta/api/answer.h", "mta/api/call.h", "mta/api/json_values.h", "mta/api/loading.h",
      "mta/api/relay_status.h", "mta/api/selection.h", "mta/api/shard_call.h", "mta/api/queue",
      "mta/api/why", "mta/api/orders", "mta/api/monitoring"}},

    {"mta/cli/exit_status.h", {}},
    {"mta/cli/json_members.h", {}},
    {"mta/cli/invocation.h", {"mta/cli/exit_status.h"}},
    {"mta/cli/command_io.h", {"mta/cli/invocation.h"}},
    {"mta/cli/terminal", {}},
    {"mta/cli/remote",
     {"mta/cli/command_io.h", "mta/cli/invocation.h", "mta/cli/json_members.h",
      "mta/cli/terminal"}},
    {"mta/cli/spool",
     {"mta/cli/command_io.h", "mta/cli/invocation.h", "mta/cli/json_members.h",
      "mta/cli/terminal"}},
    {"mta/cli",
     {"mta/cli/command_io.h", "mta/cli/exit_status.h", "mta/cli/invocation.h", "mta/cli/remote",
      "mta/cli/spool", "mta/cli/terminal"}},
};

// What the API may see of the queue manager: the port and the types that stand in it.
const Names desk = {
    "mta/outbound/desk/operator_desk.h",  "mta/outbound/desk/queue_view.h",
    "mta/outbound/desk/message_filter.h", "mta/outbound/desk/queue_sweep.h",
    "mta/outbound/desk/endings.h",        "mta/outbound/desk/tracing.h",
};

const Names houses = {"mta/api", "mta/cli"};

std::string house_of(std::string_view path) {
    for (const auto& house : houses) {
        if (path.starts_with(house + '/')) return house;
    }
    return {};
}

// The node of a header or of the source beside it.
std::string node_of(const fs::path& path) {
    auto header = path;
    header.replace_extension(".h");
    return arrows.contains(header.string()) ? header.string() : path.parent_path().string();
}

std::vector<std::string> includes_of(const fs::path& path) {
    std::vector<std::string> found;
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
        constexpr std::string_view begin = "#include \"";
        if (line.starts_with(begin))
            found.push_back(line.substr(begin.size(), line.rfind('"') - begin.size()));
    }
    return found;
}

std::vector<std::string> check_file(const fs::path& path, const std::string& name) {
    std::vector<std::string> complaints;
    const auto node = node_of(name);
    if (!arrows.contains(node)) return {name + ": an unknown room"};
    for (const auto& include : includes_of(path)) {
        if (house_of(name) == "mta/api" && include.starts_with("mta/outbound/") &&
            !desk.contains(include)) {
            complaints.push_back(name + ": sees more of the queue manager than its desk, " +
                                 include);
        }
        if (house_of(include) != house_of(name)) continue;
        const auto other = node_of(include);
        if (other != node && !arrows.at(node).contains(other))
            complaints.push_back(name + ": " + node + " may not include " + include);
    }
    return complaints;
}

std::vector<std::string> check_tree(const fs::path& tree) {
    std::vector<std::string> complaints;
    for (const auto& house : houses) {
        if (!fs::exists(tree / house)) continue;
        for (const auto& entry : fs::recursive_directory_iterator(tree / house)) {
            if (!entry.is_regular_file()) continue;
            const auto name = entry.path().lexically_relative(tree).string();
            std::ranges::move(check_file(entry.path(), name), std::back_inserter(complaints));
        }
    }
    std::ranges::sort(complaints);
    return complaints;
}

TEST(Rooms, includes_follow_the_arrows) {
    EXPECT_THAT(check_tree("."), IsEmpty());
    // It has really looked: the tests run in the root of the repository.
    for (const auto& [node, names] : arrows) EXPECT_TRUE(fs::exists(node)) << node;
}

TEST(Rooms, arrows_have_no_circle) {
    // Takes away, again and again, the nodes that need none of those that are left.
    auto left = arrows;
    for (auto size = left.size() + 1; size > left.size();) {
        size = left.size();
        std::erase_if(left, [&](const auto& entry) {
            return std::ranges::none_of(entry.second,
                                        [&](const auto& name) { return left.contains(name); });
        });
    }
    EXPECT_TRUE(left.empty()) << left.begin()->first;
}

// A tree with one file, to see that the test itself can fail.
class RoomsOfATree : public testing::Test {
protected:
    RoomsOfATree() {
        std::string name = testing::TempDir() + "posthouse-rooms-XXXXXX";
        tree_ = ::mkdtemp(name.data());
    }
    ~RoomsOfATree() override { fs::remove_all(tree_); }

    std::vector<std::string> with(const std::string& name, const std::string& text) {
        fs::create_directories((tree_ / name).parent_path());
        std::ofstream(tree_ / name) << text;
        return check_tree(tree_);
    }

    fs::path tree_;
};

TEST_F(RoomsOfATree, a_room_takes_its_own_headers_and_what_is_below_it) {
    EXPECT_THAT(with("mta/api/why/x.cc",
                     "#include \"mta/api/why/x.h\"\n#include \"mta/api/call.h\"\n"
                     "#include \"mta/api/queue/y.h\"\n#include \"mta/base/time.h\"\n"),
                IsEmpty());
}

TEST_F(RoomsOfATree, a_room_does_not_include_the_room_above_it) {
    EXPECT_THAT(with("mta/api/queue/x.cc", "#include \"mta/api/why/y.h\"\n"),
                ElementsAre("mta/api/queue/x.cc: mta/api/queue may not include mta/api/why/y.h"));
}

TEST_F(RoomsOfATree, a_room_includes_only_the_nodes_of_its_folder) {
    EXPECT_THAT(with("mta/cli/spool/x.h", "#include \"mta/cli/operate.h\"\n"),
                ElementsAre("mta/cli/spool/x.h: mta/cli/spool may not include mta/cli/operate.h"));
}

TEST_F(RoomsOfATree, the_source_beside_a_header_has_the_arrows_of_the_header) {
    EXPECT_THAT(with("mta/api/call.cc", "#include \"mta/api/queue/x.h\"\n"),
                ElementsAre("mta/api/call.cc: mta/api/call.h may not include mta/api/queue/x.h"));
}

TEST_F(RoomsOfATree, the_api_sees_only_the_desk_of_the_queue_manager) {
    EXPECT_THAT(with("mta/api/x.cc",
                     "#include \"mta/outbound/desk/operator_desk.h\"\n"
                     "#include \"mta/outbound/queue_manager.h\"\n"),
                ElementsAre("mta/api/x.cc: sees more of the queue manager than its desk, "
                            "mta/outbound/queue_manager.h"));
}

}  // namespace
