#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <ares.h>

#include "dns/question.h"
#include "mta/base/ip_address.h"
#include "mta/base/pending.h"
#include "mta/base/time.h"
#include "mta/io/loop.h"
#include "mta/io/poll.h"
#include "mta/io/timer.h"

namespace dns {

// One c-ares channel to one name server, driven by the loop. It sends a question once. The owner
// decides whether to ask again or to ask another server, because c-ares takes SERVFAIL for an
// answer and never says which server sent it. The owner also decides what follows an answer that is
// cut short over UDP (is_cut_short()): c-ares would send all such questions over one TCP
// connection, and all would fail together when the server closes it after the first answer.
//
// With EDNS (RFC 6891), answers of up to 1232 bytes come in one datagram that no network has to
// fragment. c-ares turns EDNS off for good when a server once answers FORMERR; has_lost_edns() is
// true then, and the owner should make a new channel.
class CaresChannel {
public:
    enum class Transport : std::uint8_t {
        udp,
        tcp,  // one connection, which all questions share: ask one question only
    };
    struct Options {
        mta::Endpoint server;
        mta::Millis timeout{2'000};
        bool edns = true;
        Transport transport = Transport::udp;
    };
    // `status`: ARES_*. `message`: the whole DNS message, whatever its rcode; empty if none came.
    using OnReply = std::move_only_function<void(int status, std::string_view message)>;

    CaresChannel(mta::io::Loop& loop, const Options& options);
    CaresChannel(const CaresChannel&) = delete;
    CaresChannel& operator=(const CaresChannel&) = delete;
    // The open questions get no reply. An OnReply may destroy its channel.
    ~CaresChannel();

    // Each question gets one reply, at the end of a turn of the loop, never inside this call.
    void ask(const Question& question, OnReply on_reply);

    [[nodiscard]] bool has_lost_edns() const;
    // True if `message`, which came over UDP, says that it is truncated, or is longer than the
    // server may send, in which case c-ares hands over only its beginning. The question has to be
    // asked again over TCP.
    [[nodiscard]] bool is_cut_short(std::string_view message) const;

private:
    struct Asked;
    struct Reply {
        OnReply on_reply;
        int status;
        std::string message;
    };

    static void on_socket_state(void* self, ares_socket_t socket, int readable, int writable);
    static void on_answer(void* asked, int status, int timeouts, unsigned char* bytes, int size);

    void watch(ares_socket_t socket, bool readable, bool writable);
    void process(ares_socket_t readable, ares_socket_t writable);
    void add_reply(OnReply on_reply, int status, std::string_view message);
    void deliver_replies();

    mta::io::Loop& loop_;
    bool edns_;
    ares_channel channel_ = nullptr;  // null if c-ares could not make one
    int init_status_ = ARES_SUCCESS;
    bool is_closing_ = false;
    std::size_t open_ = 0;
    std::unordered_map<ares_socket_t, mta::io::Poll> polls_;
    mta::io::Timer tick_;  // c-ares checks its timeouts only when it is called
    std::vector<Reply> replies_;
    mta::Pending pending_;  // guards the delivery of replies_
};

}  // namespace dns
