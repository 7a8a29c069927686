// A session of up to eight messages against a server that sends anything. The input's first byte
// chooses the options. Segments follow: a byte for what the driver does first, a byte of length,
// and the bytes that the server sends.
//
// Properties:
// - An extension that is switched off is not used, and only one that was used is suspected.
// - Every transaction ends exactly once, in order, and before the session does.
// - The session ends once, and no event follows.
// - Only a 2xx makes a recipient accepted.
// - The output has no bare CR or LF, and contains nothing that the server sent.
// - The same bytes, cut in other places, give the same events.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/assert.h"
#include "mta/base/limits.h"
#include "mta/smtp/client/client_session.h"

namespace {

using namespace mta;
using namespace mta::smtp;
using mta::Millis;

constexpr std::string_view inline_body = ".Subject: x\r\n\r\nbare\rcr\nlf .\r\n.\r\n";

class Run {
public:
    Run(std::uint8_t choices, std::size_t piece_bytes)
        : choices_(choices), piece_bytes_(piece_bytes), session_(options(choices)) {
        session_.on_connected(now_);
    }

    void segment(std::uint8_t action, std::string_view bytes) {
        act(action);
        pump();
        while (!bytes.empty()) {
            session_.on_bytes(now_, bytes.substr(0, piece_bytes_));
            bytes.remove_prefix(std::min(piece_bytes_, bytes.size()));
        }
        pump();
    }
    void finish() {
        session_.on_closed(now_, "");
        pump();
        MTA_ASSERT(sessions_ended_ == 1 && session_.has_ended());
        MTA_ASSERT(transactions_ended_ == transactions_started_);
        check_output();
    }
    [[nodiscard]] const std::string& story() const { return story_; }

private:
    static ClientOptions options(std::uint8_t choices) {
        ClientOptions options{
            .ehlo_name = "mx.us.example", .remote = "mx.them.example", .ehlo = (choices & 1) == 0};
        if ((choices & 2) != 0) options.without.add(mta::SmtpKeyword::pipelining);
        if ((choices & 4) != 0) options.without.add(mta::SmtpKeyword::chunking);
        return options;
    }

    void act(std::uint8_t action) {
        now_ += Millis{1};
        switch (action % 8) {
            case 0:
            case 1:
            case 2: return start(action);
            case 3:
            case 4: return session_.body(now_, session_.wants_body(), "\r\nx\r", action % 16 > 8);
            case 5:
                if ((choices_ & 8) != 0) session_.quit(now_);
                return;
            case 6:
                if ((choices_ & 16) == 0 || !session_.deadline()) return;
                now_ = std::max(now_, *session_.deadline());
                return session_.on_deadline(now_);
            default: return;
        }
    }
    void start(std::uint8_t action) {
        if (!session_.can_start() || transactions_started_ == 8) return;
        Transaction transaction{.envelope = {.reverse_path = "a@us.example"},
                                .facts = {.size = inline_body.size(), .has_8bit = action > 200}};
        const std::size_t count = 1 + action % 5;
        for (std::size_t i = 0; i < count; ++i) {
            const bool is_bad = action % 16 == 8 && i == 1;
            transaction.envelope.recipients.push_back(
                {is_bad ? "x\r\nDATA" : "r" + std::to_string(i) + "@them.example"});
        }
        if (action % 8 != 2) transaction.body = inline_body;
        ++transactions_started_;
        MTA_ASSERT(session_.start(now_, std::move(transaction)) == transactions_started_);
    }

    void pump() {
        const auto output = session_.take_output();
        output_ += output;
        story_ += '[' + output + ']';
        while (auto event = session_.poll_event()) note(*event);
        MTA_ASSERT(!session_.has_ended() || !session_.deadline());
    }
    void note(const ClientSession::Event& event) {
        MTA_ASSERT(sessions_ended_ == 0);
        if (const auto* end = std::get_if<ClientSession::TransactionEnded>(&event)) {
            MTA_ASSERT(end->number == ++transactions_ended_);
            MTA_ASSERT(transactions_ended_ <= transactions_started_);
            note(*end);
        } else if (const auto* over = std::get_if<ClientSession::SessionEnded>(&event)) {
            MTA_ASSERT(transactions_ended_ == transactions_started_);
            ++sessions_ended_;
            story_ += "over " + std::to_string(static_cast<int>(over->reason)) + over->error.text;
        } else {
            MTA_ASSERT(transactions_ended_ == transactions_started_);
            story_ += "ready";
        }
    }
    void note(const ClientSession::TransactionEnded& end) {
        bool has_accepted = false;
        for (const auto& recipient : end.recipients) {
            has_accepted = has_accepted || recipient;
            story_ += recipient ? "ok" : to_string(recipient.error().status);
            MTA_ASSERT(recipient || recipient.error().status.klass >= 4);
        }
        MTA_ASSERT(has_accepted == (end.reply_code / 100 == 2));
        MTA_ASSERT(!(has_accepted && (end.in_doubt || end.never_began)));
        MTA_ASSERT(!(end.in_doubt && end.never_began));
        // Only an extension that was used is suspected, and not by a transaction that began on a
        // lost connection.
        MTA_ASSERT(!end.suspect || (end.used.has(*end.suspect) && !end.never_began));
        MTA_ASSERT(!end.suspect || !has_accepted);
        MTA_ASSERT(!end.used.has(mta::SmtpKeyword::pipelining) || (choices_ & 3) == 0);
        MTA_ASSERT(!end.used.has(mta::SmtpKeyword::chunking) || (choices_ & 5) == 0);
        story_ += std::to_string(end.reply_code) + (end.in_doubt ? "?" : "!");
    }

    void check_output() const {
        for (std::size_t i = 0; i < output_.size(); ++i) {
            if (output_[i] == '\n') MTA_ASSERT(i > 0 && output_[i - 1] == '\r');
            // A body may break off before a CR LF, but never inside it.
            if (output_[i] == '\r') MTA_ASSERT(i + 1 < output_.size() && output_[i + 1] == '\n');
            MTA_ASSERT(static_cast<unsigned char>(output_[i]) < 0x80);
        }
        MTA_ASSERT(output_.find("MARK") == output_.npos);
    }

    std::uint8_t choices_;
    std::size_t piece_bytes_;
    mta::Instant now_ = mta::from_unix_ms(1);
    ClientSession session_;
    TransactionNumber transactions_started_ = 0;
    TransactionNumber transactions_ended_ = 0;
    int sessions_ended_ = 0;
    std::string output_;
    std::string story_;
};

std::string story_of(std::string_view input, std::size_t piece_bytes) {
    const auto take = [&] {
        const auto byte = static_cast<std::uint8_t>(input.front());
        input.remove_prefix(1);
        return byte;
    };
    Run run(take(), piece_bytes);
    while (input.size() >= 2) {
        const auto action = take();
        const auto length = std::min<std::size_t>(take(), input.size());
        run.segment(action, input.substr(0, length));
        input.remove_prefix(length);
    }
    run.finish();
    return run.story();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1 || size > 8192) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto whole = story_of(input, SIZE_MAX);
    MTA_ASSERT(story_of(input, 1) == whole);
    MTA_ASSERT(story_of(input, 5) == whole);
    return 0;
}
