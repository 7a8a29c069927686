#include "dns/hosts_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "mta/base/domain.h"

namespace dns {
namespace {

// Takes the text up to the next blank; empty at the end of the line.
std::string_view take_word(std::string_view& line) {
    constexpr std::string_view blanks = " \t\r";
    line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    const auto word = line.substr(0, line.find_first_of(blanks));
    line.remove_prefix(word.size());
    return word;
}

class OpenFile {
public:
    // O_NONBLOCK: if the path is a FIFO, opening it must not wait for a writer.
    explicit OpenFile(const std::string& path)
        : number_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;
    ~OpenFile() {
        if (number_ >= 0) ::close(number_);
    }
    [[nodiscard]] std::optional<struct stat> status() const {
        struct stat status{};
        if (number_ < 0 || ::fstat(number_, &status) != 0 || !S_ISREG(status.st_mode))
            return std::nullopt;
        return status;
    }
    [[nodiscard]] std::string read(std::size_t bytes_max) const {
        std::string text(bytes_max, '\0');
        std::size_t size = 0;
        while (size < text.size()) {
            const auto count = ::read(number_, text.data() + size, text.size() - size);
            if (count <= 0) break;
            size += static_cast<std::size_t>(count);
        }
        text.resize(size);
        return text;
    }

private:
    int number_;
};

}  // namespace

HostsTable parse_hosts(std::string_view text) {
    HostsTable table;
    while (!text.empty()) {
        auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        line = line.substr(0, line.find('#'));
        const auto address = mta::IpAddress::parse(take_word(line));
        if (!address) continue;
        for (auto word = take_word(line); !word.empty(); word = take_word(line)) {
            const auto name = mta::to_a_labels(word);
            if (!name) continue;
            auto& addresses = table[*name];
            if (std::ranges::find(addresses, *address) == addresses.end())
                addresses.push_back(*address);
        }
    }
    return table;
}

std::vector<mta::IpAddress> HostsFile::find(const std::string& name, mta::Instant now) {
    if (!looked_ || now - *looked_ >= look_interval || now < *looked_) {
        looked_ = now;
        look();
    }
    if (table_.empty()) return {};
    const auto ascii = mta::to_a_labels(name);
    const auto found = ascii ? table_.find(*ascii) : table_.end();
    return found == table_.end() ? std::vector<mta::IpAddress>() : found->second;
}

void HostsFile::look() {
    const OpenFile file(path_);
    const auto status = file.status();
    if (!status) {
        version_.reset();
        table_.clear();
        return;
    }
    const Version version{.device = status->st_dev,
                          .inode = status->st_ino,
                          .size = static_cast<std::uint64_t>(status->st_size),
                          .changed_s = status->st_mtim.tv_sec,
                          .changed_ns = status->st_mtim.tv_nsec};
    if (version_ == version) return;
    version_ = version;
    const auto size = static_cast<std::size_t>(status->st_size);
    auto text = file.read(std::min(size, bytes_max));
    // A line that was cut in half is left out.
    if (size > bytes_max) text.resize(text.rfind('\n') == text.npos ? 0 : text.rfind('\n') + 1);
    table_ = parse_hosts(text);
}

}  // namespace dns
