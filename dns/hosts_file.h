#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mta/base/ip_address.h"
#include "mta/base/time.h"

namespace dns {

// The content of a file in the form of hosts(5): names in lower case, each with its addresses in
// the order of the file. Lines that cannot be read are ignored.
using HostsTable = std::unordered_map<std::string, std::vector<mta::IpAddress>>;
[[nodiscard]] HostsTable parse_hosts(std::string_view text);

// /etc/hosts, read again when it has changed. A file that cannot be read counts as empty.
class HostsFile {
public:
    // The rest of a larger file is ignored, because it is read on the loop's thread.
    static constexpr std::size_t bytes_max = 1u << 20;
    // The file is checked for changes at most once in this time.
    static constexpr mta::Millis look_interval{1'000};

    explicit HostsFile(std::string path = "/etc/hosts") : path_(std::move(path)) {}

    // The addresses of a name, in any case of letters; empty if it has none.
    [[nodiscard]] std::vector<mta::IpAddress> find(const std::string& name, mta::Instant now);

private:
    // Two versions of the file that compare equal have the same content.
    struct Version {
        std::uint64_t device = 0;
        std::uint64_t inode = 0;
        std::uint64_t size = 0;
        std::int64_t changed_s = 0;
        std::int64_t changed_ns = 0;
        bool operator==(const Version&) const = default;
    };

    void look();

    std::string path_;
    std::optional<mta::Instant> looked_;
    std::optional<Version> version_;  // empty if the file could not be read
    HostsTable table_;
};

}  // namespace dns
