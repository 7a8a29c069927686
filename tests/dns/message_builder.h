#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "dns/question.h"
#include "mta/base/ip_address.h"

namespace dns::test {

inline void put_u16(std::string& out, unsigned value) {
    out += static_cast<char>(value >> 8 & 0xff);
    out += static_cast<char>(value & 0xff);
}
inline void put_u32(std::string& out, std::uint32_t value) {
    put_u16(out, value >> 16);
    put_u16(out, value & 0xffff);
}

// "them.example" in wire form, uncompressed; "." or "" is the root.
inline std::string wire_name(std::string_view name) {
    std::string out;
    while (!name.empty() && name != ".") {
        const auto label = name.substr(0, name.find('.'));
        out += static_cast<char>(label.size());
        out += label;
        name.remove_prefix(std::min(name.size(), label.size() + 1));
    }
    return out + '\0';
}

enum class Section : std::uint8_t { answer, authority, additional };

// Builds a reply to a question, which is valid unless the test breaks it.
class MessageBuilder {
public:
    explicit MessageBuilder(const Question& question) {
        body_ = wire_name(question.name);
        put_u16(body_, static_cast<unsigned>(question.type));
        put_u16(body_, 1);
    }
    // A compression pointer; by default to the question's name.
    static std::string pointer(unsigned target = 12) {
        std::string out;
        put_u16(out, 0xc000 | target);
        return out;
    }

    MessageBuilder& id(unsigned id) { return id_ = id, *this; }
    MessageBuilder& rcode(unsigned rcode) { return rcode_ = rcode, *this; }
    MessageBuilder& flags(unsigned flags) { return flags_ = flags, *this; }
    MessageBuilder& questions(unsigned count) { return question_count_ = count, *this; }
    MessageBuilder& without_question() { return body_.clear(), questions(0); }
    // Makes the header count more records than there are.
    MessageBuilder& more(Section section, unsigned count) {
        counts_.at(static_cast<std::size_t>(section)) += count;
        return *this;
    }

    // `owner` and `data` are in wire form.
    MessageBuilder& record(Section section, std::string_view owner, unsigned type,
                           std::uint32_t ttl_s, std::string_view data) {
        body_ += owner;
        put_u16(body_, type);
        put_u16(body_, klass_);
        put_u32(body_, ttl_s);
        put_u16(body_, static_cast<unsigned>(data.size()));
        body_ += data;
        return more(section, 1);
    }
    MessageBuilder& klass(unsigned klass) { return klass_ = klass, *this; }

    MessageBuilder& mx(std::string_view owner, unsigned preference, std::string_view exchange,
                       std::uint32_t ttl_s = 300) {
        return mx_wire(owner, preference, wire_name(exchange), ttl_s);
    }
    MessageBuilder& mx_wire(std::string_view owner, unsigned preference, std::string_view exchange,
                            std::uint32_t ttl_s = 300) {
        std::string data;
        put_u16(data, preference);
        return record(Section::answer, wire_name(owner), 15, ttl_s, data.append(exchange));
    }
    MessageBuilder& cname(std::string_view owner, std::string_view target,
                          std::uint32_t ttl_s = 300) {
        return record(Section::answer, wire_name(owner), 5, ttl_s, wire_name(target));
    }
    MessageBuilder& address(std::string_view owner, std::string_view text,
                            std::uint32_t ttl_s = 300) {
        const auto address = *mta::IpAddress::parse(text);
        const std::string bytes(address.bytes().begin(), address.bytes().end());
        return record(Section::answer, wire_name(owner), address.is_v6() ? 28 : 1, ttl_s,
                      std::string_view(bytes).substr(0, address.is_v6() ? 16 : 4));
    }
    MessageBuilder& soa(std::string_view zone, std::uint32_t ttl_s, std::uint32_t minimum_s) {
        std::string data = wire_name("ns." + std::string(zone)) + wire_name("hostmaster.example");
        for (const std::uint32_t field : {1u, 3600u, 600u, 86400u, minimum_s}) put_u32(data, field);
        return record(Section::authority, wire_name(zone), 6, ttl_s, data);
    }
    MessageBuilder& ns(std::string_view zone, std::string_view server) {
        return record(Section::authority, wire_name(zone), 2, 300, wire_name(server));
    }
    MessageBuilder& opt(unsigned extended_rcode = 0) {
        return record(Section::additional, wire_name("."), 41, extended_rcode << 24, "");
    }
    // Bytes that belong to no record.
    MessageBuilder& raw(std::string_view bytes) { return body_ += bytes, *this; }

    [[nodiscard]] std::string build() const {
        std::string out;
        put_u16(out, id_);
        put_u16(out, flags_ | rcode_);
        put_u16(out, question_count_);
        for (const unsigned count : counts_) put_u16(out, count);
        return out + body_;
    }

private:
    unsigned id_ = 0x1234;
    unsigned flags_ = 0x8180;  // QR, RD, RA
    unsigned rcode_ = 0;
    unsigned klass_ = 1;
    unsigned question_count_ = 1;
    std::array<unsigned, 3> counts_{};
    std::string body_;
};

}  // namespace dns::test
