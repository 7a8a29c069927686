// The cost of a message between the read buffer and the store: of its body alone, and of the whole
// dialogue.
#include <benchmark/benchmark.h>

#include "mta/smtp/server/data_stream.h"
#include "mta/smtp/server/server_session.h"

namespace {

using namespace mta;
using namespace mta::smtp;

std::string message(std::size_t bytes) {
    std::string text =
        "From: Somebody <somebody@office.example>\r\nTo: Else <else@them.example>\r\n"
        "Date: Sun, 22 Nov 2026 04:05:06 +0000\r\nMessage-ID: <1234567890@office.example>\r\n"
        "Subject: An ordinary message\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n";
    while (text.size() < bytes) text += std::string(70, 'x') + "\r\n";
    return text;
}

void DataStream_Dotted(benchmark::State& state) {
    const auto text = message(static_cast<std::size_t>(state.range(0))) + ".\r\n";
    std::string body;
    for (auto _ : state) {
        body.clear();
        DataStream stream({}, "Received: from a ([192.0.2.1])\r\n", body);
        std::string_view input = text;
        const bool has_ended = stream.feed_dotted(input, body);
        benchmark::DoNotOptimize(has_ended);
        benchmark::DoNotOptimize(body.data());
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(DataStream_Dotted)->ArgName("bytes")->Arg(1024)->Arg(4096)->Arg(65'536)->Arg(1'000'000);

void DataStream_Chunk(benchmark::State& state) {
    const auto text = message(static_cast<std::size_t>(state.range(0)));
    std::string body;
    for (auto _ : state) {
        body.clear();
        DataStream stream({}, "Received: from a ([192.0.2.1])\r\n", body);
        stream.feed_chunk(text, body);
        stream.finish_chunks(body);
        benchmark::DoNotOptimize(body.data());
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(DataStream_Chunk)->ArgName("bytes")->Arg(4096)->Arg(1'000'000);

// MAIL, RCPT, DATA and the body arrive as four reads, with all calls that a driver makes in
// between.
void ServerSession_Message(benchmark::State& state) {
    const auto text = message(static_cast<std::size_t>(state.range(0))) + ".\r\n";
    const ServerOptions options{.hostname = "relay.us.example", .postmaster = {}};
    ServerSession session(options, {});
    const mta::Instant now{};
    const auto pump = [&] {
        while (auto event = session.poll_event()) {
            if (std::holds_alternative<server_event::MailAsked>(*event) ||
                std::holds_alternative<server_event::RecipientAsked>(*event)) {
                session.decide(now, ClientRights{});
            } else if (std::holds_alternative<server_event::MessageBegins>(*event)) {
                session.begin(now, "00001z");
            } else if (std::holds_alternative<server_event::MessageEnds>(*event)) {
                benchmark::DoNotOptimize(session.take_body(now));
                session.accepted(now);
            }
        }
        benchmark::DoNotOptimize(session.take_output());
        benchmark::DoNotOptimize(session.deadline());
    };
    session.on_connected(now);
    pump();
    session.on_bytes(now, "EHLO client.example\r\n");
    pump();
    for (auto _ : state) {
        for (const std::string_view bytes :
             {std::string_view("MAIL FROM:<somebody@office.example>\r\n"),
              std::string_view("RCPT TO:<else@them.example>\r\n"), std::string_view("DATA\r\n"),
              std::string_view(text)}) {
            session.on_bytes(now, bytes);
            pump();
        }
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(ServerSession_Message)->ArgName("bytes")->Arg(1024)->Arg(4096)->Arg(65'536);

}  // namespace

BENCHMARK_MAIN();
