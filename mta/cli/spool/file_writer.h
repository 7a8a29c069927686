#pragma once
#include <expected>
#include <string>
#include <string_view>

namespace mta::cli {

// A new file for private things (mode 0600) that goes away again unless it is kept.
class FileWriter {
public:
    // Fails if the name is taken: nothing is ever overwritten. Errors are sentences.
    static std::expected<FileWriter, std::string> create(const std::string& path);
    FileWriter(FileWriter&& other) noexcept;
    FileWriter& operator=(FileWriter&&) = delete;
    FileWriter(const FileWriter&) = delete;
    FileWriter& operator=(const FileWriter&) = delete;
    ~FileWriter();

    [[nodiscard]] std::expected<void, std::string> write(std::string_view bytes);
    void keep() { is_kept_ = true; }

private:
    FileWriter(std::string path, int descriptor) : path_(std::move(path)), fd_(descriptor) {}

    std::string path_;
    int fd_;  // -1: moved from
    bool is_kept_ = false;
};

// Everything written below `folder`'s file system is on the medium.
[[nodiscard]] bool sync_file_system(const std::string& folder);

}  // namespace mta::cli
