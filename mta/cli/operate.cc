#include "mta/cli/operate.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <iostream>

#include "conf/loader.h"
#include "conf/problem.h"
#include "mta/base/assert.h"
#include "mta/cli/exit_status.h"
#include "mta/cli/remote/order_command.h"
#include "mta/cli/remote/queue_command.h"
#include "mta/cli/remote/status_command.h"
#include "mta/cli/remote/top_command.h"
#include "mta/cli/remote/trace_command.h"
#include "mta/cli/remote/why_command.h"
#include "mta/cli/spool/spool_command.h"
#include "mta/cli/terminal/interrupt.h"

namespace mta::cli {
namespace {

// 0 if stdout is no terminal.
std::uint32_t terminal_columns() {
    winsize size{};
    if (isatty(STDOUT_FILENO) == 0) return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

CommandIo process_io() {
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    return {.out = std::cout,
            .err = std::cerr,
            .in = std::cin,
            .now = Instant{std::chrono::duration_cast<Millis>(since_epoch)},
            .is_terminal = isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0,
            .shows_progress = isatty(STDERR_FILENO) != 0,
            .columns = terminal_columns()};
}

int act(QueueAction action, const Invocation& invocation, const ApiClient& api, CommandIo& io) {
    return run_order(api,
                     {.action = action,
                      .filter = invocation.filter,
                      .reason = invocation.reason,
                      .yes = invocation.yes,
                      .dry_run = invocation.dry_run,
                      .json = invocation.json},
                     io);
}

int trace(const Invocation& invocation, const ApiClient& api, CommandIo& io) {
    Interrupt interrupt;
    const auto since_epoch = io.now.time_since_epoch().count();
    return run_trace(api,
                     {.what = invocation.subject,
                      .watch = std::to_string(::getpid()) + '-' + std::to_string(since_epoch),
                      .attempts = invocation.count,
                      .timeout = invocation.timeout,
                      .json = invocation.json,
                      .wait = [&interrupt](Millis patience) { return interrupt.wait(patience); }},
                     io);
}

int top(const Invocation& invocation, const ApiClient& api, CommandIo& io) {
    Interrupt interrupt;
    return run_top(api,
                   {.once = invocation.once,
                    .json = invocation.json,
                    .wait = [&interrupt](Millis patience) { return interrupt.wait(patience); },
                    .interrupt = interrupt.descriptor()},
                   io);
}

}  // namespace

int operate(const Invocation& invocation) {
    const bool is_spool = invocation.command == Command::spool;
    if (is_spool && !invocation.spool.path.empty()) {
        auto io = process_io();
        return run_spool(invocation.spool.path, {}, invocation, io);
    }
    const auto settings = conf::load(invocation.config_path);
    if (!settings) {
        for (const auto& problem : settings.error()) std::cerr << to_string(problem) << '\n';
        return exit_failed;
    }
    auto io = process_io();
    if (is_spool) return run_spool(settings->spool.path, *settings, invocation, io);
    const ApiClient api(settings->admin.socket);
    switch (invocation.command) {
        case Command::queue:
            return run_queue(api,
                             {.filter = invocation.filter,
                              .question = invocation.question,
                              .limit = invocation.limit,
                              .json = invocation.json},
                             io);
        case Command::why:
            return run_why(api, {.what = invocation.subject, .json = invocation.json}, io);
        case Command::flush: return act(QueueAction::flush, invocation, api, io);
        case Command::status: return run_status(api, invocation.json, io);
        case Command::trace: return trace(invocation, api, io);
        case Command::top: return top(invocation, api, io);
        case Command::cancel: return act(QueueAction::cancel, invocation, api, io);
        case Command::hold: return act(QueueAction::hold, invocation, api, io);
        case Command::release: return act(QueueAction::release, invocation, api, io);
        case Command::bounce: return act(QueueAction::bounce, invocation, api, io);
        case Command::serve:
        case Command::check:
        case Command::spool: break;
    }
    MTA_ASSERT(false && "not a command for a running relay");
}

}  // namespace mta::cli
