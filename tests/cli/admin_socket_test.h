// A relay's admin socket for tests of the commands: a real admin server, whose answers the test
// decides about, and what the command reads and writes.
#pragma once
#include <unistd.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mta/base/mutex.h"
#include "mta/cli/command_io.h"
#include "mta/cli/remote/api_client.h"
#include "mta/http/server.h"

namespace mta::cli {

class AdminSocketTest : public testing::Test {
protected:
    static constexpr Instant now = from_unix_ms(1'795'003'200'000);  // 2026-11-18T12:00:00Z

    AdminSocketTest() {
        std::string name = "/tmp/posthouse_cli_XXXXXX";
        folder_ = ::mkdtemp(name.data());
        path_ = folder_ + "/admin.sock";
    }
    ~AdminSocketTest() override {
        server_.reset();
        std::filesystem::remove_all(folder_);
    }
    // Answers in this order, then, if `repeats_last`, the last for ever; what was asked is in
    // asked(): "GET /v1/queue limit=100 BODY".
    void serve(std::vector<http::Response> answers, bool repeats_last = false) {
        answers_ = std::move(answers);
        auto socket = http::ListeningSocket::open(http::UnixAddress{.path = path_}, "test.socket");
        ASSERT_TRUE(socket) << socket.error();
        auto server = http::Server::start(
            std::move(*socket),
            [this, repeats_last](const http::Request& request) {
                const MutexLock lock(mutex_);
                auto line = request.method + ' ' + request.path;
                for (const auto& [key, value] : request.query) line += ' ' + key + '=' + value;
                asked_.push_back(line + (request.body.empty() ? "" : ' ' + request.body));
                if (asked_.size() <= answers_.size()) return answers_[asked_.size() - 1];
                return repeats_last ? answers_.back() : http::Response{500, "no more answers"};
            },
            {.threads = 2});
        ASSERT_TRUE(server) << server.error();
        server_ = std::move(*server);
    }
    std::vector<std::string> asked() {
        const MutexLock lock(mutex_);
        return asked_;
    }
    void forget_asked() {
        const MutexLock lock(mutex_);
        asked_.clear();
    }

    std::string folder_;
    std::string path_;
    Mutex mutex_;
    std::vector<http::Response> answers_;
    std::vector<std::string> asked_ GUARDED_BY(mutex_);
    std::unique_ptr<http::Server> server_;
    std::ostringstream out_;
    std::ostringstream err_;
    std::istringstream in_;
    CommandIo io_{.out = out_, .err = err_, .in = in_, .now = now, .columns = 0};
};

}  // namespace mta::cli
