#include <cstdint>
#include <string>

#include <benchmark/benchmark.h>

#include "mta/smtp/client/client_session.h"
#include "mta/smtp/syntax/capabilities.h"
#include "mta/smtp/syntax/dot_stuffing.h"
#include "mta/smtp/syntax/reply_parser.h"

namespace {

using namespace mta;
using namespace mta::smtp;

void ReplyParser_Ehlo(benchmark::State& state) {
    std::string text;
    for (int i = 0; i < state.range(0); ++i) text += "250-EXTENSION\r\n";
    text += "250 OK\r\n";
    for (auto _ : state) {
        ReplyParser parser;
        std::string_view input = text;
        benchmark::DoNotOptimize(parser.feed(input));
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}
BENCHMARK(ReplyParser_Ehlo)->ArgName("lines")->Arg(1)->Arg(8)->Arg(64);

void Capabilities_Ehlo(benchmark::State& state) {
    const Reply reply{
        250,
        {"mx.them.example", "PIPELINING", "SIZE 35882577", "ETRN", "STARTTLS", "AUTH PLAIN LOGIN",
         "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"}};
    for (auto _ : state) benchmark::DoNotOptimize(parse_capabilities(reply));
}
BENCHMARK(Capabilities_Ehlo);

std::string text_body(std::size_t bytes, std::size_t line_bytes, bool with_dots) {
    std::string body;
    for (std::size_t line = 0; body.size() < bytes; ++line) {
        body += std::string(line_bytes - 2, with_dots && line % 8 == 0 ? '.' : 'x') + "\r\n";
    }
    return body;
}

void BodyEncoder_Text(benchmark::State& state) {
    const auto body = text_body(64u << 10, 76, state.range(0) != 0);
    for (auto _ : state) {
        std::string out;
        BodyEncoder encoder(BodyEncoding::dot_stuffed);
        encoder.append(body, out);
        encoder.finish(out);
        benchmark::DoNotOptimize(out);
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * body.size()));
}
BENCHMARK(BodyEncoder_Text)->ArgName("dots")->Arg(0)->Arg(1);

// The whole work of a session for one message of 4 KB on a connection that is kept.
void ClientSession_Message(benchmark::State& state) {
    const bool with_bdat = state.range(0) != 0;
    const auto body = text_body(4096, 76, false);
    const mta::Instant now{};
    ClientSession session({.ehlo_name = "mx.us.example", .remote = "mx.them.example:25"});
    session.on_connected(now);
    session.on_bytes(now, "220 mx\r\n");
    (void)session.take_output();
    session.on_bytes(now, with_bdat ? "250-mx\r\n250-PIPELINING\r\n250-SIZE 0\r\n250 CHUNKING\r\n"
                                    : "250-mx\r\n250-PIPELINING\r\n250 SIZE 0\r\n");
    const auto drain = [&] {
        benchmark::DoNotOptimize(session.take_output());
        while (auto event = session.poll_event()) benchmark::DoNotOptimize(event);
    };
    drain();
    for (auto _ : state) {
        session.start(now, {.envelope = {.reverse_path = "a@us.example",
                                         .recipients = {{"b@them.example", "them.example"}}},
                            .facts = {.size = body.size()},
                            .body = body});
        drain();
        session.on_bytes(now, "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n");
        if (!with_bdat) {
            session.on_bytes(now, "354 End data with <CR><LF>.<CR><LF>\r\n");
            drain();
        }
        session.on_bytes(now, "250 2.0.0 Ok: queued as 12345\r\n");
        drain();
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(ClientSession_Message)->ArgName("bdat")->Arg(0)->Arg(1);

}  // namespace

BENCHMARK_MAIN();
