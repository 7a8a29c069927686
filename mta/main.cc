#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <iostream>
#include <span>

#include "conf/loader.h"
#include "conf/problem.h"
#include "dns/cares_library.h"
#include "mta/cli/check.h"
#include "mta/cli/command_line.h"
#include "mta/cli/exit_status.h"
#include "mta/cli/operate.h"
#include "mta/daemon/daemon.h"

namespace {

using mta::cli::Command;
using mta::cli::Invocation;

// Each connection costs a descriptor; the soft limit is meant for programs that use select(2).
void raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

// How it ends is decided: a signal that comes while everything is put away must not change that.
// All other threads block them from their start.
void ignore_signals_from_now_on() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const auto signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

int serve(const Invocation& invocation) {
    auto settings = conf::load(invocation.config_path);
    if (!settings) {
        for (const auto& problem : settings.error()) {
            std::cerr << to_string(problem) << '\n';
        }
        return mta::cli::exit_failed;
    }
    raise_descriptor_limit();
    static_cast<void>(std::signal(SIGPIPE, SIG_IGN));  // libuv does not set MSG_NOSIGNAL
    const dns::CaresLibrary cares;
    auto daemon = mta::daemon::Daemon::open(invocation.config_path, std::move(*settings));
    if (!daemon) {
        for (const auto& problem : daemon.error()) {
            std::cerr << "posthouse: " << problem << '\n';
        }
        return mta::cli::exit_failed;
    }
    const int status = (*daemon)->run();
    ignore_signals_from_now_on();
    return status;
}

}  // namespace

int main(int argc, char** argv) {
    const std::span<const char* const> arguments(argv, static_cast<std::size_t>(argc));
    const auto invocation = mta::cli::parse_command_line(arguments);
    if (!invocation) {
        const auto& exit = invocation.error();
        (exit.exit_status == mta::cli::exit_fine ? std::cout : std::cerr) << exit.text;
        return exit.exit_status;
    }
    switch (invocation->command) {
        case Command::serve: return serve(*invocation);
        case Command::check: {
            const auto output = mta::cli::check(*invocation);
            std::cout << output.out;
            std::cerr << output.err;
            return output.exit_status;
        }
        default: return mta::cli::operate(*invocation);
    }
}
