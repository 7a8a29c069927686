// Takes the place of libFuzzer: hands each file that the command line names, or each file of a
// folder, to the fuzz target, so that a corpus is a regression test in every build. The exit status
// is 1 if there is no file to replay, because such a test could not fail.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_below(const fs::path& path) {
    if (fs::is_regular_file(path)) return {path};
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
        if (entry.is_regular_file()) files.push_back(entry.path());
    }
    std::ranges::sort(files);
    return files;
}

void replay(const fs::path& file) {
    // Printed before the run, so that a crash can be attributed to its file.
    std::fprintf(stderr, "replay %s\n", file.c_str());
    std::ifstream in(file, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

int replay_all(int argc, char** argv) {
    std::size_t replayed = 0;
    for (int i = 1; i < argc; ++i) {
        for (const auto& file : files_below(argv[i])) {
            replay(file);
            ++replayed;
        }
    }
    std::fprintf(stderr, "replayed %zu files\n", replayed);
    return replayed == 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return replay_all(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
