#pragma once
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "conf/settings.h"

namespace mta::outbound {

// The pools of [[source]]s: which senders use which pool, and what is in them. A pool's name is all
// that others keep of it; the empty one is the system's choice of address, under the hostname.
//
// Refers into `sources`, which must outlive it.
class SourceTable {
public:
    explicit SourceTable(const std::vector<conf::Source>& sources);

    // The pool that names the sender's domain, else the longest ".subtree" that it is under, else
    // the one of "*" (the null sender has only that). Empty if there is none.
    [[nodiscard]] std::string_view pool_of_sender(std::string_view reverse_path) const;
    // In the order of the file.
    [[nodiscard]] const std::vector<const conf::Source*>& members(std::string_view pool) const;

    // By which families of addresses the pool can connect. For a pool that is empty or gone the
    // system chooses the address, so it has both.
    struct Families {
        bool v4 = true;
        bool v6 = true;
    };
    [[nodiscard]] Families families_of(std::string_view pool) const;

private:
    std::unordered_map<std::string_view, std::string_view> pool_by_sender_;
    std::unordered_map<std::string_view, std::vector<const conf::Source*>> members_;
};

}  // namespace mta::outbound
