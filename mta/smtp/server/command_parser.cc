#include "mta/smtp/server/command_parser.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <utility>

#include "mta/base/domain.h"
#include "mta/base/time_format.h"
#include "mta/smtp/syntax/xtext.h"

namespace mta::smtp {
namespace {

// The reply to a mistake; no value if there is none.
using Problem = std::optional<ServerReply>;

ServerReply syntax_error(std::string text) { return {501, {5, 5, 4}, std::move(text)}; }

ServerReply not_offered(std::string_view keyword) {
    return {555, {5, 5, 4}, "parameter not supported: " + std::string(keyword.substr(0, 40))};
}

void skip_spaces(std::string_view& input) {
    input.remove_prefix(std::min(input.find_first_not_of(' '), input.size()));
}

bool is_control(char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }

bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// At most 20 digits and nothing else (RFC 1870, RFC 3030); UINT64_MAX if 64 bits cannot hold it.
std::optional<std::uint64_t> parse_size(std::string_view text) {
    constexpr std::size_t digits_max = 20;
    if (text.empty() || text.size() > digits_max ||
        !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) {
        return std::nullopt;
    }
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    return error == std::errc{} ? size : std::numeric_limits<std::uint64_t>::max();
}

// One esmtp-param of RFC 5321 section 4.1.2. Without '=' it has no value.
struct Parameter {
    std::string_view keyword;
    std::optional<std::string_view> value;

    [[nodiscard]] bool is(std::string_view name) const {
        return equals_ignoring_case(keyword, name);
    }
    [[nodiscard]] bool has(std::string_view wanted) const {
        return value && equals_ignoring_case(*value, wanted);
    }
};

// Iterates over the parameters. A keyword may occur once.
class ParameterReader {
public:
    explicit ParameterReader(std::string_view input) : input_(input) {}

    // Without a value there are no more.
    std::expected<std::optional<Parameter>, ServerReply> next() {
        if (input_.empty()) return std::nullopt;
        if (input_.front() != ' ') {
            return std::unexpected(syntax_error("a space must follow the address"));
        }
        skip_spaces(input_);
        const auto token = input_.substr(0, input_.find(' '));
        input_.remove_prefix(token.size());
        const auto equals = token.find('=');
        Parameter parameter{.keyword = token.substr(0, equals), .value = {}};
        if (equals != token.npos) parameter.value = token.substr(equals + 1);
        if (!is_well_formed(parameter)) {
            return std::unexpected(
                syntax_error("parameters have the form KEYWORD or KEYWORD=value"));
        }
        for (std::size_t i = 0; i < seen_count_; ++i) {
            if (parameter.is(seen_.at(i))) {
                return std::unexpected(
                    syntax_error("parameter given twice: " + std::string(seen_.at(i))));
            }
        }
        // There are more than known keywords: one is unknown, and the caller reports it.
        if (seen_count_ < seen_.size()) seen_.at(seen_count_++) = parameter.keyword;
        return parameter;
    }

private:
    static bool is_well_formed(const Parameter& parameter) {
        if (parameter.keyword.empty() || !is_alnum(parameter.keyword.front())) return false;
        if (!std::ranges::all_of(parameter.keyword,
                                 [](char c) { return is_alnum(c) || c == '-'; })) {
            return false;
        }
        return !parameter.value ||
               (!parameter.value->empty() && parameter.value->find('=') == std::string_view::npos);
    }

    std::string_view input_;
    std::array<std::string_view, 12> seen_;
    std::size_t seen_count_ = 0;
};

Problem read_body(MailArguments& mail, const Parameter& parameter) {
    if (parameter.has("7BIT")) {
        mail.body_type = BodyType::seven_bit;
    } else if (parameter.has("8BITMIME")) {
        mail.body_type = BodyType::eight_bit_mime;
    } else {
        return syntax_error("BODY must be 7BIT or 8BITMIME");
    }
    return {};
}

Problem read_ret(MailArguments& mail, const Parameter& parameter) {
    if (parameter.has("FULL")) {
        mail.ret = Ret::full;
    } else if (parameter.has("HDRS")) {
        mail.ret = Ret::headers;
    } else {
        return syntax_error("RET must be FULL or HDRS");
    }
    return {};
}

// RFC 6710 section 3: -9 to 9, in exactly that notation.
Problem read_priority(MailArguments& mail, const Parameter& parameter) {
    const auto text = parameter.value.value_or("");
    const bool is_negative = text.starts_with('-');
    const auto digit = text.substr(is_negative ? 1 : 0);
    if (digit.size() != 1 || digit.front() < (is_negative ? '1' : '0') || digit.front() > '9') {
        return syntax_error("MT-PRIORITY must be a number from -9 to 9");
    }
    const int value = digit.front() - '0';
    mail.priority = static_cast<std::int8_t>(is_negative ? -value : value);
    return {};
}

// Up to nine digits.
std::optional<std::int32_t> parse_seconds(std::string_view text) {
    if (text.empty() || text.size() > 9 ||
        !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) {
        return std::nullopt;
    }
    std::int32_t seconds = 0;
    std::from_chars(text.data(), text.data() + text.size(), seconds);
    return seconds;
}

// RFC 4865 section 4: either HOLDFOR or HOLDUNTIL.
Problem read_hold(MailArguments& mail, const Parameter& parameter) {
    if (mail.hold_for_s || mail.hold_until) {
        return syntax_error("use HOLDFOR or HOLDUNTIL, not both");
    }
    const auto text = parameter.value.value_or("");
    if (parameter.is("HOLDUNTIL")) {
        mail.hold_until = parse_rfc3339(text);
        return mail.hold_until ? Problem{}
                               : syntax_error(
                                     "HOLDUNTIL must be a time such as "
                                     "2026-11-22T18:00:00Z");
    }
    const auto seconds = text.starts_with('0') ? std::nullopt : parse_seconds(text);
    if (!seconds) return syntax_error("HOLDFOR must be a number of seconds, from 1 to 999999999");
    mail.hold_for_s = static_cast<std::uint32_t>(*seconds);
    return {};
}

// RFC 2852 section 4: "BY=600;R", "BY=-30;NT".
Problem read_by(MailArguments& mail, const Parameter& parameter) {
    auto text = parameter.value.value_or("");
    const bool is_negative = text.starts_with('-');
    if (is_negative || text.starts_with('+')) text.remove_prefix(1);
    const auto semicolon = text.find(';');
    const auto seconds = parse_seconds(text.substr(0, semicolon));
    const auto mode = semicolon == text.npos ? "" : text.substr(semicolon + 1);
    const bool has_trace = mode.size() == 2 && equals_ignoring_case(mode.substr(1), "T");
    const bool gives_back = equals_ignoring_case(mode.substr(0, 1), "R");
    const bool notifies = equals_ignoring_case(mode.substr(0, 1), "N");
    if (!seconds || (!gives_back && !notifies) || (mode.size() != 1 && !has_trace)) {
        return syntax_error("BY must be seconds and N or R, with T or without, such as 600;R");
    }
    mail.by = ByArgument{.seconds = is_negative ? -*seconds : *seconds,
                         .mode = gives_back ? ByMode::give_back : ByMode::notify,
                         .trace = has_trace};
    if (gives_back && mail.by->seconds <= 0) return syntax_error("BY with R needs time to come");
    return {};
}

Problem read_mail_parameter(MailArguments& mail, const Parameter& parameter,
                            const Extensions& extensions) {
    if (parameter.is("SIZE")) {
        mail.size = parameter.value ? parse_size(*parameter.value) : std::nullopt;
        return mail.size ? Problem{} : syntax_error("SIZE must be a number of bytes");
    }
    if (parameter.is("BODY")) return read_body(mail, parameter);
    if (parameter.is("SMTPUTF8") && extensions.smtputf8) {
        mail.smtputf8 = true;
        return parameter.value ? syntax_error("SMTPUTF8 has no value") : Problem{};
    }
    if (parameter.is("RET") && extensions.dsn) return read_ret(mail, parameter);
    if (parameter.is("ENVID") && extensions.dsn) {
        if (!parameter.value || !is_valid_envid(*parameter.value)) {
            return syntax_error("ENVID must be xtext of at most 100 printable characters");
        }
        mail.envid = *parameter.value;
        return {};
    }
    if (parameter.is("AUTH") && extensions.auth) {
        // No client is trusted to name another identity (RFC 4954 section 5): checked, not used.
        const bool is_valid =
            parameter.has("<>") || (parameter.value && decode_xtext(*parameter.value));
        return is_valid ? Problem{} : syntax_error("AUTH must be <> or xtext");
    }
    if (parameter.is("MT-PRIORITY") && extensions.mt_priority) {
        return read_priority(mail, parameter);
    }
    const bool is_hold = parameter.is("HOLDFOR") || parameter.is("HOLDUNTIL");
    if (is_hold && extensions.future_release) return read_hold(mail, parameter);
    if (parameter.is("BY") && extensions.deliver_by) return read_by(mail, parameter);
    return not_offered(parameter.keyword);
}

// RFC 3461 section 4.1: NEVER alone, or a list of the others, each once.
std::optional<std::uint8_t> parse_notify(std::string_view value) {
    if (equals_ignoring_case(value, "NEVER")) return notify_never;
    constexpr std::array<std::pair<std::string_view, Notify>, 3> names = {
        {{"SUCCESS", notify_success}, {"FAILURE", notify_failure}, {"DELAY", notify_delay}}};
    unsigned notify = 0;
    while (true) {
        const auto comma = value.find(',');
        const auto item = value.substr(0, comma);
        const auto* const name = std::ranges::find_if(names, [&](const auto& candidate) {
            return equals_ignoring_case(item, candidate.first);
        });
        if (name == names.end() || (notify & name->second) != 0) return std::nullopt;
        notify |= name->second;
        if (comma == value.npos) return static_cast<std::uint8_t>(notify);
        value.remove_prefix(comma + 1);
    }
}

Problem read_rcpt_parameter(RcptArguments& rcpt, const Parameter& parameter,
                            const Extensions& extensions, bool transaction_utf8) {
    if (parameter.is("NOTIFY") && extensions.dsn) {
        const auto notify = parameter.value ? parse_notify(*parameter.value) : std::nullopt;
        if (!notify) return syntax_error("NOTIFY must be NEVER or of SUCCESS,FAILURE,DELAY");
        rcpt.notify = *notify;
        return {};
    }
    if (parameter.is("ORCPT") && extensions.dsn) {
        if (!parameter.value || !is_valid_orcpt(*parameter.value, transaction_utf8)) {
            return syntax_error("ORCPT must be type;address in xtext");
        }
        rcpt.orcpt = *parameter.value;
        return {};
    }
    return not_offered(parameter.keyword);
}

// "FROM:" or "TO:" and the path behind it.
std::expected<Address, ServerReply> take_address(std::string_view& input, std::string_view keyword,
                                                 PathKind kind) {
    const bool is_mail = kind == PathKind::reverse;
    if (!equals_ignoring_case(input.substr(0, keyword.size()), keyword)) {
        return std::unexpected(
            syntax_error(is_mail ? "use MAIL FROM:<address>" : "use RCPT TO:<address>"));
    }
    input.remove_prefix(keyword.size());
    skip_spaces(input);
    auto address = take_path(input, kind);
    if (address) return *std::move(address);
    const EnhancedStatus status = is_mail ? EnhancedStatus{5, 1, 7} : EnhancedStatus{5, 1, 3};
    return std::unexpected(ServerReply{501, status, std::string(describe(address.error()))});
}

ServerReply needs_smtputf8() {
    return {553, {5, 6, 7}, "a non-ASCII address needs MAIL with SMTPUTF8"};
}

std::expected<MailArguments, ServerReply> parse_mail(std::string_view input,
                                                     const Extensions& extensions) {
    auto address = take_address(input, "FROM:", PathKind::reverse);
    if (!address) return std::unexpected(address.error());
    MailArguments mail{.reverse_path = *std::move(address)};
    ParameterReader reader(input);
    while (true) {
        const auto parameter = reader.next();
        if (!parameter) return std::unexpected(parameter.error());
        const std::optional<Parameter>& found = *parameter;
        if (!found) break;
        if (auto problem = read_mail_parameter(mail, *found, extensions)) {
            return std::unexpected(*std::move(problem));
        }
    }
    if (mail.reverse_path.needs_smtputf8() && !mail.smtputf8) {
        return std::unexpected(needs_smtputf8());
    }
    return mail;
}

std::expected<RcptArguments, ServerReply> parse_rcpt(std::string_view input,
                                                     const Extensions& extensions,
                                                     bool transaction_utf8) {
    auto address = take_address(input, "TO:", PathKind::forward);
    if (!address) return std::unexpected(address.error());
    if (address->needs_smtputf8() && !transaction_utf8) return std::unexpected(needs_smtputf8());
    RcptArguments rcpt{.forward_path = *std::move(address)};
    ParameterReader reader(input);
    while (true) {
        const auto parameter = reader.next();
        if (!parameter) return std::unexpected(parameter.error());
        const std::optional<Parameter>& found = *parameter;
        if (!found) return rcpt;
        if (auto problem = read_rcpt_parameter(rcpt, *found, extensions, transaction_utf8)) {
            return std::unexpected(*std::move(problem));
        }
    }
}

// RFC 3030 section 2: "BDAT 1000", "BDAT 86 LAST".
std::expected<BdatArguments, ServerReply> parse_bdat(std::string_view input) {
    const auto digits = input.substr(0, input.find(' '));
    const auto size = parse_size(digits);
    input.remove_prefix(digits.size());
    skip_spaces(input);
    const bool is_last = equals_ignoring_case(input, "LAST");
    if (!size || *size == std::numeric_limits<std::uint64_t>::max() ||
        (!is_last && !input.empty())) {
        return std::unexpected(syntax_error("use BDAT size or BDAT size LAST"));
    }
    return BdatArguments{*size, is_last};
}

// RFC 1985 section 5.
std::expected<EtrnArguments, ServerReply> parse_etrn(std::string_view input) {
    using Kind = EtrnArguments::Kind;
    EtrnArguments etrn;
    if (input.starts_with('@')) etrn.kind = Kind::tree;
    if (input.starts_with('#')) etrn.kind = Kind::queue;
    if (etrn.kind != Kind::domain) input.remove_prefix(1);
    etrn.node = input;
    const auto domain = to_a_labels(input);
    const bool is_name = !input.empty() && !input.contains(' ');
    if (etrn.kind == Kind::queue ? !is_name : !domain)
        return std::unexpected(syntax_error("use ETRN domain or ETRN @domain"));
    if (etrn.kind != Kind::queue) etrn.domain = *domain;
    return etrn;
}

ServerReply not_implemented(Verb verb) {
    return {502, {5, 5, 1}, std::string(to_string(verb)) + " is not available here"};
}

template <class Arguments>
std::expected<Command, ServerReply> command_with(Verb verb,
                                                 std::expected<Arguments, ServerReply> arguments) {
    if (!arguments) return std::unexpected(std::move(arguments).error());
    return Command{verb, *std::move(arguments)};
}

std::expected<Command, ServerReply> parse_arguments(Verb verb, std::string_view input,
                                                    const Extensions& extensions,
                                                    bool transaction_utf8) {
    switch (verb) {
        case Verb::mail: return command_with(verb, parse_mail(input, extensions));
        case Verb::rcpt: return command_with(verb, parse_rcpt(input, extensions, transaction_utf8));
        case Verb::bdat:
            if (!extensions.chunking) return std::unexpected(not_implemented(verb));
            return command_with(verb, parse_bdat(input));
        case Verb::ehlo:
        case Verb::helo:
            if (input.empty())
                return std::unexpected(syntax_error("say your name: EHLO host.domain"));
            return Command{verb, HelloArguments{std::string(input)}};
        case Verb::data:
        case Verb::rset:
        case Verb::quit:
            if (input.empty()) return Command{verb, {}};
            return std::unexpected(
                syntax_error(std::string(to_string(verb)) + " has no arguments"));
        case Verb::vrfy:
            if (!input.empty()) return Command{verb, {}};
            return std::unexpected(syntax_error("VRFY needs an address"));
        case Verb::noop:
        case Verb::help: return Command{verb, {}};
        case Verb::etrn: return command_with(verb, parse_etrn(input));
        case Verb::expn:
        case Verb::starttls:
        case Verb::auth: return std::unexpected(not_implemented(verb));
        case Verb::unknown: break;
    }
    return std::unexpected(ServerReply{500, {5, 5, 1}, "command not recognised"});
}

}  // namespace

Verb verb_of(std::string_view line) {
    const auto is_gap = [](char c) { return c == ' ' || is_control(c); };
    const auto begin = std::ranges::find_if_not(line, is_gap);
    const std::string_view word(begin, std::find_if(begin, line.end(), is_gap));
    for (unsigned i = 0; i < std::to_underlying(Verb::unknown); ++i) {
        const auto verb = static_cast<Verb>(i);
        if (equals_ignoring_case(word, to_string(verb))) return verb;
    }
    return Verb::unknown;
}

std::expected<Command, ServerReply> parse_command(std::string_view line,
                                                  const Extensions& extensions,
                                                  bool transaction_utf8) {
    if (std::ranges::any_of(line, is_control)) {
        return std::unexpected(
            ServerReply{500, {5, 5, 2}, "control character in the command; lines end with CR LF"});
    }
    if (!is_ascii(line) && !is_utf8(line)) {
        return std::unexpected(ServerReply{500, {5, 5, 2}, "the command is not UTF-8"});
    }
    const auto end = line.find_last_not_of(' ');
    line = line.substr(0, end == line.npos ? 0 : end + 1);
    const Verb verb = line.starts_with(' ') ? Verb::unknown : verb_of(line);
    line.remove_prefix(std::min(line.find(' '), line.size()));
    skip_spaces(line);
    return parse_arguments(verb, line, extensions, transaction_utf8);
}

}  // namespace mta::smtp
