#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace mta::smtp {

// Makes lines for people out of the bytes of a client's SMTP dialogue, both ways: what was said,
// line by line, but of a message only how long it was, and no credentials. For tracing; it decides
// nothing. It begins between two commands.
//
// The bytes are those below TLS. Replies are to be given before what is sent because of them.
class DialogueLines {
public:
    // Of a line longer than this the rest is left out.
    static constexpr std::size_t line_bytes_max = 1000;

    enum class From : std::uint8_t { us, them };
    // Without its line end; good only during the call.
    using OnLine = std::function<void(From from, std::string_view line)>;

    void sent(std::string_view bytes, const OnLine& on_line);
    void received(std::string_view bytes, const OnLine& on_line);

private:
    enum class Body : std::uint8_t { none, dotted, chunk };

    // Takes a line off the front; false: it is not whole yet.
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
    bool is_authenticating_ = false;  // what we say is a secret
};

}  // namespace mta::smtp
