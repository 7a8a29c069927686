#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace mta::smtp {

// Turns the bytes of a client's SMTP dialogue, in both directions, into lines for people: commands
// and replies line by line, but only the length of messages, and no credentials. It is for tracing
// only, and may begin between any two commands.
//
// The bytes are those inside TLS. Replies must be passed before what is sent because of them.
class DialogueLines {
public:
    // The rest of a longer line is left out.
    static constexpr std::size_t line_bytes_max = 1000;

    enum class From : std::uint8_t { us, them };
    // `line` has no line end, and is valid during the call only.
    using OnLine = std::function<void(From from, std::string_view line)>;

    void sent(std::string_view bytes, const OnLine& on_line);
    void received(std::string_view bytes, const OnLine& on_line);

private:
    enum class Body : std::uint8_t { none, dotted, chunk };

    // Takes a line off the front. False if the line is not complete yet.
    static bool take_line(std::string_view& bytes, std::string& partial);
    void on_command(const OnLine& on_line);
    void on_reply_line(const OnLine& on_line);
    void take_dotted(std::string_view& bytes, const OnLine& on_line);
    void take_chunk(std::string_view& bytes, const OnLine& on_line);
    void tell_body(const OnLine& on_line);

    std::string command_;
    std::string reply_;
    Body body_ = Body::none;
    std::uint64_t body_bytes_ = 0;
    std::uint64_t chunk_left_ = 0;
    std::size_t dot_matched_ = 0;     // of CR LF . CR LF
    std::uint32_t data_asked_ = 0;    // DATA commands without a 354 so far
    bool is_authenticating_ = false;  // what the client sends is secret
};

}  // namespace mta::smtp
