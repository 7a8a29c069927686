#pragma once
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>

#include "mta/base/ip_address.h"

namespace dns::test {

// knotd and unbound on loopback, run by tests/e2e/dns_fixture.py for as long as this object lives.
// If they cannot start, error() says why, and a test that needs them fails with it instead of being
// skipped.
class NameServers {
public:
    // Zone names and the lines of their zone files, as in dns_fixture.py.
    using Zones = std::map<std::string, std::string>;

    explicit NameServers(const Zones& zones) {
        char folder[] = "/tmp/posthouse-zones-XXXXXX";
        if (mkdtemp(folder) == nullptr) {
            error_ = "cannot make a folder in /tmp";
            return;
        }
        for (const auto& [name, text] : zones) {
            std::ofstream(std::string(folder) + '/' + name + ".zone") << text;
        }
        const auto line = spawn(folder);
        std::filesystem::remove_all(folder);
        const auto resolver = field(line, "resolver=");
        const auto authority = field(line, "authority=");
        if (resolver && authority) {
            resolver_ = *resolver;
            authority_ = *authority;
        } else {
            error_ = "the name servers did not start: " + line;
        }
    }
    NameServers(const NameServers&) = delete;
    NameServers& operator=(const NameServers&) = delete;
    ~NameServers() {
        if (child_ <= 0) return;
        close(to_child_);
        int status = 0;
        waitpid(child_, &status, 0);
    }

    // Empty if the servers run.
    [[nodiscard]] const std::string& error() const { return error_; }
    [[nodiscard]] const mta::Endpoint& resolver() const { return resolver_; }
    [[nodiscard]] const mta::Endpoint& authority() const { return authority_; }

private:
    // The first line that the child prints.
    std::string spawn(const char* folder) {
        int in[2];
        int out[2];
        if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) return "no pipe";
        child_ = fork();
        if (child_ == 0) {
            dup2(in[0], 0);
            dup2(out[1], 1);
            execl("/usr/bin/python3", "python3", "tests/e2e/dns_fixture.py", folder, nullptr);
            _exit(127);
        }
        close(in[0]);
        close(out[1]);
        to_child_ = in[1];
        std::string line;
        char byte = 0;
        while (read(out[0], &byte, 1) == 1 && byte != '\n') line += byte;
        close(out[0]);
        return line.empty() ? "python3 tests/e2e/dns_fixture.py said nothing (run the test from "
                              "the top of the source tree)"
                            : line;
    }
    static std::optional<mta::Endpoint> field(const std::string& line, const std::string& name) {
        const auto at = line.find(name);
        if (at == line.npos) return std::nullopt;
        const auto begin = at + name.size();
        return mta::parse_endpoint(line.substr(begin, line.find(' ', begin) - begin));
    }

    pid_t child_ = 0;
    int to_child_ = -1;
    std::string error_;
    mta::Endpoint resolver_;
    mta::Endpoint authority_;
};

}  // namespace dns::test
