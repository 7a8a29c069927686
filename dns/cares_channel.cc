#include "dns/cares_channel.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "mta/base/assert.h"

namespace dns {
namespace {
using namespace std::chrono_literals;

constexpr auto tick = 100ms;
// A datagram of this size passes every network unfragmented (DNS flag day 2020).
constexpr int edns_udp_bytes = 1232;
constexpr int plain_udp_bytes = 512;  // RFC 1035 section 4.2.1

ares_addr_port_node to_node(const mta::Endpoint& server) {
    ares_addr_port_node node{};
    node.family = server.address.is_v6() ? AF_INET6 : AF_INET;
    const auto& bytes = server.address.bytes();
    std::memcpy(&node.addr, bytes.data(), server.address.is_v6() ? 16 : 4);
    node.udp_port = node.tcp_port = server.port;
    return node;
}

}  // namespace

// The argument of a callback, which c-ares hands back exactly once.
struct CaresChannel::Asked {
    CaresChannel& channel;
    OnReply on_reply;
};

CaresChannel::CaresChannel(mta::io::Loop& loop, const Options& options)
    : loop_(loop),
      edns_(options.edns),
      tick_(loop, [this] { process(ARES_SOCKET_BAD, ARES_SOCKET_BAD); }) {
    char lookups[] = "b";
    char no_file[] = "/dev/null";
    ares_options ares{};
    // With NOCHECKRESP, SERVFAIL and REFUSED arrive as answers. With IGNTC, so does an answer that
    // is cut short. STAYOPEN saves a socket a question, but keeps the source port, which only a
    // resolver on this machine may learn.
    ares.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP | ARES_FLAG_IGNTC;
    if (options.transport == Transport::tcp) ares.flags |= ARES_FLAG_USEVC;
    if (options.edns) ares.flags |= ARES_FLAG_EDNS;
    if (options.server.address.is_loopback_or_unspecified()) ares.flags |= ARES_FLAG_STAYOPEN;
    ares.timeout = static_cast<int>(options.timeout.count());
    ares.tries = 1;
    ares.ednspsz = edns_udp_bytes;
    ares.lookups = lookups;
    ares.resolvconf_path = no_file;
    ares.sock_state_cb = &CaresChannel::on_socket_state;
    ares.sock_state_cb_data = this;
    const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
                     ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS | ARES_OPT_RESOLVCONF |
                     ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE;
    init_status_ = ares_init_options(&channel_, &ares, mask);
    if (init_status_ != ARES_SUCCESS) {
        channel_ = nullptr;
        return;
    }
    auto node = to_node(options.server);
    init_status_ = ares_set_servers_ports(channel_, &node);
}

CaresChannel::~CaresChannel() {
    is_closing_ = true;
    if (channel_ != nullptr) ares_destroy(channel_);
    MTA_ASSERT(open_ == 0 && polls_.empty());
}

void CaresChannel::ask(const Question& question, OnReply on_reply) {
    if (init_status_ != ARES_SUCCESS) {
        add_reply(std::move(on_reply), init_status_, {});
        return;
    }
    ++open_;
    if (!tick_.is_set()) tick_.repeat(tick);
    auto asked = std::make_unique<Asked>(Asked{*this, std::move(on_reply)});
    ares_query(channel_, question.name.c_str(), 1 /* IN */, static_cast<int>(question.type),
               &CaresChannel::on_answer, asked.release());
}

void CaresChannel::on_answer(void* asked_raw, int status, int /*timeouts*/, unsigned char* bytes,
                             int size) {
    const std::unique_ptr<Asked> asked(static_cast<Asked*>(asked_raw));
    auto& self = asked->channel;
    MTA_ASSERT(self.open_ > 0);
    --self.open_;
    if (self.is_closing_) return;
    if (self.open_ == 0) self.tick_.clear();
    std::string_view message;
    if (bytes != nullptr && size > 0) {
        message = {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)};
    }
    self.add_reply(std::move(asked->on_reply), status, message);
}

// c-ares must not be called or destroyed from inside its callbacks.
void CaresChannel::add_reply(OnReply on_reply, int status, std::string_view message) {
    if (replies_.empty()) {
        loop_.at_turn_end(pending_.guard([this] { deliver_replies(); }));
    }
    replies_.push_back({std::move(on_reply), status, std::string(message)});
}

void CaresChannel::deliver_replies() {
    auto replies = std::exchange(replies_, {});
    // No member is used from here on: a reply may destroy this channel.
    for (auto& reply : replies) reply.on_reply(reply.status, reply.message);
}

void CaresChannel::on_socket_state(void* self, ares_socket_t socket, int readable, int writable) {
    static_cast<CaresChannel*>(self)->watch(socket, readable != 0, writable != 0);
}

void CaresChannel::watch(ares_socket_t socket, bool readable, bool writable) {
    if (!readable && !writable) {
        polls_.erase(socket);  // c-ares closes the socket next
        return;
    }
    auto poll = polls_.find(socket);
    if (poll == polls_.end()) {
        const auto on_ready = [this, socket](bool can_read, bool can_write, int /*status*/) {
            process(can_read ? socket : ARES_SOCKET_BAD, can_write ? socket : ARES_SOCKET_BAD);
        };
        poll = polls_.try_emplace(socket, loop_, socket, on_ready).first;
    }
    poll->second.watch(readable, writable);
}

void CaresChannel::process(ares_socket_t readable, ares_socket_t writable) {
    ares_process_fd(channel_, readable, writable);
}

bool CaresChannel::has_lost_edns() const {
    if (!edns_ || channel_ == nullptr) return false;
    ares_options options{};
    int mask = 0;
    const int status = ares_save_options(channel_, &options, &mask);
    const bool is_lost = status == ARES_SUCCESS && (options.flags & ARES_FLAG_EDNS) == 0;
    ares_destroy_options(&options);
    return is_lost;
}

bool CaresChannel::is_cut_short(std::string_view message) const {
    constexpr unsigned truncated = 0x02;
    if (message.size() < 3) return false;
    if ((static_cast<unsigned char>(message[2]) & truncated) != 0) return true;
    // c-ares cuts a longer message to exactly this size.
    const bool has_edns = edns_ && !has_lost_edns();
    return message.size() >= static_cast<std::size_t>(has_edns ? edns_udp_bytes : plain_udp_bytes);
}

}  // namespace dns
