#pragma once
#include <expected>
#include <string>
#include <string_view>

namespace mta::cli {

// A new file with mode 0600, which is removed again unless it is kept.
class FileWriter {
public:
    // Fails if the name is taken, so that no file is overwritten. An error is a sentence.
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

// Waits until everything that was written to the file system of `folder` is on the medium. Returns
// whether it is.
[[nodiscard]] bool sync_file_system(const std::string& folder);

}  // namespace mta::cli
