#include "tests/outbound/smtp_host.h"

#include <algorithm>
#include <cstddef>

namespace world {

// The server's end of a connection: reads commands and answers them.
class Connection : public std::enable_shared_from_this<Connection> {
public:
    Connection(Agenda& agenda, Server& server, std::string source)
        : agenda_(agenda), server_(server), source_(std::move(source)), number_(++server.connects) {
        server_.open_most = std::max(server_.open_most, ++server_.open);
    }

    // Of the client's end. Once replaced they stay, since one of them may be running.
    std::vector<std::unique_ptr<mta::io::ByteStream::Handlers>> handlers;
    bool is_client_gone = false;

    void on_bytes(const std::string& bytes) {
        if (is_closed_) return;
        input_ += bytes;
        take_lines();
    }
    void ask(const std::string& command) {
        if (is_closed_ || is_hung_) return;
        if (server_.on_command) server_.on_command(number_, command);
        server_.client = source_;
        auto own = server_.reply ? server_.reply(command) : std::nullopt;
        if (command.starts_with("RCPT") && !has_mail_) own = "503 5.5.1 MAIL first";
        if (!own) own = polite(command);
        is_hung_ = own->ends_with("hang");
        is_reply_kept_ = own->starts_with("later ");
        if (is_reply_kept_) own->erase(0, 6);
        if (*own == "hang") return;
        if (*own == "close") return close("connection reset by peer");
        if (*own == "take and hang") return take_message();
        if (*own == "take and close") {
            take_message();
            return close("connection reset by peer");
        }
        const bool is_end = command == "." || command.ends_with(" LAST");
        if (is_end && own->front() == '2') take_message();
        if (own->starts_with("354")) is_data_ = true;
        if (command.starts_with("MAIL")) has_mail_ = own->front() == '2';
        if (command.starts_with("MAIL") || command == "RSET") message_ = {.sender = command};
        if (command.starts_with("RCPT") && own->front() == '2')
            message_.recipients.push_back(command.substr(9, command.find('>') - 9));
        say(*own + "\r\n");
        if (command == "QUIT" || own->starts_with("421")) close("");
    }
    void close(const std::string& reason) {
        leave();
        agenda_.later(server_.latency, [self = shared_from_this(), reason] {
            if (!self->is_client_gone) self->handlers.back()->on_closed(reason);
        });
    }
    void leave() {
        if (std::exchange(is_closed_, true)) return;
        --server_.open;
    }

private:
    std::string polite(const std::string& command) {
        if (command == "CONNECT") return "220 there";
        if (command.starts_with("EHLO")) {
            std::string reply = "250-there";
            for (const auto& extension : server_.extensions) reply += "\r\n250-" + extension;
            return reply + "\r\n250 ENHANCEDSTATUSCODES";
        }
        if (command == "DATA") return message_.recipients.empty() ? "554 no" : "354 go on";
        if (command == "QUIT") return "221 bye";
        return command == "." ? "250 2.0.0 queued" : "250 2.1.0 ok";
    }
    void take_lines() {
        std::size_t begin = 0;
        for (auto end = input_.find("\r\n"); end != std::string::npos && !is_closed_;
             end = input_.find("\r\n", begin)) {
            const auto line = input_.substr(begin, end - begin);
            std::size_t chunk = 0;
            if (!is_data_ && line.starts_with("BDAT ")) chunk = std::stoul(line.substr(5));
            if (input_.size() - end - 2 < chunk) break;
            message_.body += input_.substr(end + 2, chunk);
            take_line(line);
            begin = end + 2 + chunk;
        }
        input_.erase(0, begin);
    }
    void take_line(const std::string& line) {
        if (!is_data_) {
            server_.commands.push_back(line);
            ask(line);
        } else if (line == ".") {
            is_data_ = false;
            ask(".");
        } else {
            message_.body += (line.starts_with(".") ? line.substr(1) : line) + "\r\n";
        }
    }
    void take_message() {
        has_mail_ = false;
        message_.connection = number_;
        message_.source = source_;
        message_.when = agenda_.now();
        server_.received.push_back(std::exchange(message_, {}));
        if (server_.on_received) server_.on_received(server_.received.back());
    }
    void say(const std::string& reply) {
        kept_replies_ += reply;
        if (is_reply_kept_) return;
        agenda_.later(server_.latency,
                      [self = shared_from_this(), bytes = std::exchange(kept_replies_, {})] {
                          if (!self->is_client_gone) self->handlers.back()->on_read(bytes);
                      });
    }

    Agenda& agenda_;
    Server& server_;
    std::string source_;
    std::size_t number_;
    std::string input_;
    std::string kept_replies_;
    bool is_reply_kept_ = false;
    Received message_;
    bool has_mail_ = false;
    bool is_hung_ = false;
    bool is_data_ = false;
    bool is_closed_ = false;
};

FakeStream::FakeStream(Agenda& agenda, Server& server, mta::Endpoint remote,
                       const std::string& source, std::function<void()> on_closed_by_us)
    : agenda_(agenda),
      server_(server),
      connection_(std::make_shared<Connection>(agenda, server, source)),
      remote_(remote),
      on_closed_by_us_(std::move(on_closed_by_us)) {}
void FakeStream::start(Handlers handlers) {
    const bool is_first = connection_->handlers.empty();
    connection_->handlers.push_back(std::make_unique<Handlers>(std::move(handlers)));
    if (is_first) connection_->ask("CONNECT");
}
void FakeStream::write(std::string bytes) {
    agenda_.later(server_.latency,
                  [to = connection_, bytes = std::move(bytes)] { to->on_bytes(bytes); });
}
// What was written before still arrives.
void FakeStream::close() {
    if (std::exchange(connection_->is_client_gone, true)) return;
    on_closed_by_us_();
    agenda_.later(server_.latency, [to = connection_] { to->leave(); });
}

}  // namespace world
