#include <benchmark/benchmark.h>

#include "mta/smtp/server/command_parser.h"

namespace {

void parse(benchmark::State& state, std::string_view line) {
    const mta::smtp::Extensions extensions;
    for (auto _ : state) {
        benchmark::DoNotOptimize(mta::smtp::parse_command(line, extensions, false));
    }
    state.SetItemsProcessed(state.iterations());
}

void CommandParser_Mail(benchmark::State& state) {
    parse(state, "MAIL FROM:<somebody@office.example> SIZE=4096 BODY=8BITMIME");
}
BENCHMARK(CommandParser_Mail);

void CommandParser_Rcpt(benchmark::State& state) {
    parse(state, "RCPT TO:<somebody@them.example>");
}
BENCHMARK(CommandParser_Rcpt);

void CommandParser_RcptDsn(benchmark::State& state) {
    parse(state,
          "RCPT TO:<somebody@them.example> NOTIFY=SUCCESS,FAILURE "
          "ORCPT=rfc822;some+2Bbody@them.example");
}
BENCHMARK(CommandParser_RcptDsn);

void CommandParser_Data(benchmark::State& state) { parse(state, "DATA"); }
BENCHMARK(CommandParser_Data);

}  // namespace

BENCHMARK_MAIN();
