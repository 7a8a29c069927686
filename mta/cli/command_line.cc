#include "mta/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "mta/base/domain.h"
#include "mta/base/ip_address.h"
#include "mta/base/time_format.h"
#include "queue/message.h"

namespace mta::cli {
namespace {

constexpr const char* version_text = "posthouse " POSTHOUSE_VERSION;

constexpr std::array<std::string_view, 1> later_commands = {"sendmail"};

EarlyExit usage_error(std::string text) {
    return {exit_usage,
            "posthouse: " + std::move(text) + "\nposthouse --help lists the commands.\n"};
}

// ---- The words that select mail --------------------------------------------------------------

bool is_address(std::string_view text) {
    return text == "<>" ||
           (text.find('@') != text.npos && !text.starts_with('@') && !text.ends_with('@'));
}

bool is_id(std::string_view text) {
    return !text.empty() && text.size() <= 20 && std::ranges::all_of(text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    });
}

using Checked = std::expected<std::string, std::string>;

// A domain or an address literal: "[192.0.2.9]", "[IPv6:2001:db8::1]".
Checked check_domain(std::string_view text) {
    constexpr std::string_view v6_tag = "ipv6:";
    if (text.starts_with('[') && text.ends_with(']')) {
        auto literal = to_lower(text);
        const auto inside = std::string_view(literal).substr(1, literal.size() - 2);
        const bool is_v6 = inside.starts_with(v6_tag);
        const auto address = IpAddress::parse(is_v6 ? inside.substr(v6_tag.size()) : inside);
        if (address && is_v6 == inside.contains(':')) return literal;
        return std::unexpected("\"" + std::string(text) +
                               "\" is no address literal; write [192.0.2.9] or [IPv6:2001:db8::1]");
    }
    const bool is_subtree = text.starts_with('.');
    if (auto domain = to_a_labels(text.substr(is_subtree)))
        return (is_subtree ? "." : "") + *domain;
    return std::unexpected("\"" + std::string(text) + "\" is no domain");
}

Checked check_message_id(std::string_view text) {
    if (!queue::bare_message_id(text).empty()) return std::string(text);
    return std::unexpected("\"" + std::string(text) + "\" is no Message-ID");
}

Checked check_age(std::string_view text) {
    if (parse_duration(text)) return std::string(text);
    return std::unexpected("\"" + std::string(text) +
                           "\" is no age; write it as 90s, 5m, 4h or 2d");
}

Checked check_size(std::string_view text) {
    if (parse_size(text)) return std::string(text);
    return std::unexpected("\"" + std::string(text) +
                           "\" is no size; write it as 512B, 10kB, 5MB or 1GB");
}

Checked check_address(std::string_view text) {
    if (is_address(text)) return std::string(text);
    return std::unexpected("\"" + std::string(text) + "\" is no mail address");
}

// An address, or a domain with an '@' in front, which means all senders of the domain.
Checked check_sender(std::string_view text) {
    if (!text.starts_with('@')) return check_address(text);
    auto domain = check_domain(text.substr(1));
    if (domain) domain->insert(0, 1, '@');
    return domain;
}

Checked check_id(std::string_view text) {
    if (is_id(text)) return to_lower(text);
    return std::unexpected("\"" + std::string(text) +
                           "\" is no queue id: the log and `posthouse queue` show them, such as "
                           "00x41r");
}

// A single domain, not a subtree.
Checked check_single_domain(std::string_view text) {
    if (!text.starts_with('.')) return check_domain(text);
    return std::unexpected("\"" + std::string(text) +
                           "\" means every domain below one: name one of them; posthouse queue " +
                           std::string(text) + " lists what waits for them");
}

Checked check_address_or_domain(std::string_view text) {
    return text.find('@') != text.npos ? check_address(text) : check_single_domain(text);
}

Checked check_subject(std::string_view text) {
    if (text.starts_with('<') && text != "<>") return check_message_id(text);
    if (text == "<>" || text.find('@') != text.npos) return check_address(text);
    const bool is_domain = text.starts_with('[') || text.find('.') != text.npos;
    return is_domain ? check_single_domain(text) : check_id(text);
}

// Replaces a value by its normal form.
std::optional<std::string> normalize(std::string& text, Checked (*check)(std::string_view)) {
    if (text.empty()) return std::nullopt;
    auto checked = check(text);
    if (!checked) return std::move(checked).error();
    text = std::move(*checked);
    return std::nullopt;
}

// ---- The commands ----------------------------------------------------------------------------

// The invocation, and the word that selects mail, as long as its form has not been looked at.
struct Typed {
    Invocation invocation;
    std::optional<std::string> word;
    std::optional<std::string> timeout;
};

CLI::App* with_json(CLI::App* command, Invocation& invocation) {
    command->add_flag("--json", invocation.json, "answer in JSON, for programs");
    return command;
}

CLI::App* add_config_option(CLI::App* command, Invocation& invocation) {
    command->add_option("--config", invocation.config_path, "the configuration")
        ->type_name("FILE")
        ->capture_default_str();
    return command;
}

CLI::App* add_command(CLI::App& app, Typed& typed, Command command, const char* name,
                      const char* what) {
    auto& invocation = typed.invocation;
    auto* const sub = add_config_option(app.add_subcommand(name, what), invocation);
    if (command != Command::serve) with_json(sub, invocation);
    sub->callback([&invocation, command] { invocation.command = command; });
    return sub;
}

CLI::Option* add_word(CLI::App& command, Typed& typed) {
    return command
        .add_option("what", typed.word,
                    "a queue id, a mail address, a domain, or a Message-ID in <>")
        ->type_name("ID|ADDRESS|DOMAIN|MESSAGE-ID");
}

// An empty variable of a script must not select everything.
CLI::Option* add_text(CLI::App& command, const char* name, std::string& value, const char* what) {
    return command.add_option(name, value, what)->check([](const std::string& text) {
        return std::string(text.empty() ? "\"\" selects no mail" : "");
    });
}

void add_envelope_options(CLI::App& command, Filter& filter) {
    add_text(command, "--id", filter.id, "this message")->type_name("ID");
    add_text(command, "--from", filter.sender,
             "from this sender; <> is the sender of bounces, @DOMAIN everybody there")
        ->type_name("ADDRESS");
    add_text(command, "--to", filter.recipient, "to this recipient")->type_name("ADDRESS");
    add_text(command, "--domain", filter.domain, "to this domain; .DOMAIN is what is under it")
        ->type_name("DOMAIN");
    add_text(command, "--state", filter.state, "in this state")
        ->check(CLI::IsMember({"queued", "delivering", "held", "in_doubt"}))
        ->type_name("STATE");
}

// The word and the options that select mail in the queue. Mail must match all of them.
void add_filter(CLI::App& command, Typed& typed) {
    auto& filter = typed.invocation.filter;
    add_word(command, typed);
    add_envelope_options(command, filter);
    add_text(command, "--message-id", filter.message_id, "with this Message-ID")->type_name("ID");
    add_text(command, "--host", filter.host, "to this destination, or tried last at this host")
        ->type_name("TEXT");
    add_text(command, "--reply", filter.reply, "whose last reply contains this")->type_name("TEXT");
    add_text(command, "--older", filter.older, "that came longer ago, such as 4h")
        ->type_name("AGE");
    add_text(command, "--younger", filter.younger, "that came since then")->type_name("AGE");
    add_text(command, "--larger", filter.larger, "larger than this, such as 10MB")
        ->type_name("SIZE");
    add_text(command, "--smaller", filter.smaller, "smaller than this")->type_name("SIZE");
}

void add_queue_options(CLI::App& command, Typed& typed) {
    auto& invocation = typed.invocation;
    auto& question = invocation.question;
    add_filter(command, typed);
    command
        .add_option("--limit", invocation.limit, "show so many messages; 0: all (100; JSON: all)")
        ->type_name("N");
    command.add_option("--sort", question.sort, "what comes first: the oldest, the largest, ...")
        ->check(CLI::IsMember({"age", "size", "next", "attempts", "sender", "destination"}))
        ->type_name("KEY");
    command.add_flag("--reverse", question.reverse, "the other way round");
    auto* const by =
        command.add_option("--by", question.by, "sum up instead")
            ->check(CLI::IsMember({"destination", "domain", "sender", "reason", "state"}))
            ->type_name("destination|domain|sender|reason|state");
    command.add_flag("--count", question.count, "say only how much it is")->excludes(by);
}

CLI::App* add_order(CLI::App& command, Typed& typed) {
    auto& invocation = typed.invocation;
    add_filter(command, typed);
    command.add_flag("--all", invocation.all, "everything in the queue");
    command.add_flag("--yes", invocation.yes, "do not ask");
    command.add_flag("--dry-run", invocation.dry_run, "only say what would be touched");
    return &command;
}

CLI::App* add_spool_action(CLI::App& spool, Typed& typed, SpoolAction action, const char* name,
                           const char* what) {
    auto* const sub = add_config_option(spool.add_subcommand(name, what), typed.invocation);
    sub->add_option("--spool", typed.invocation.spool.path,
                    "the spool's folder, instead of the configuration's")
        ->type_name("PATH");
    sub->callback([&typed, action] {
        typed.invocation.command = Command::spool;
        typed.invocation.spool.action = action;
    });
    return sub;
}

void add_spool_actions(CLI::App& spool, Typed& typed) {
    auto& request = typed.invocation.spool;
    auto& filter = typed.invocation.filter;
    spool.require_subcommand(1);
    auto* const list =
        add_spool_action(spool, typed, SpoolAction::ls, "ls", "list the messages in the spool");
    with_json(list, typed.invocation);
    add_envelope_options(*list, filter);
    list->add_flag("--all", request.all, "also finished ones whose records are still there");
    auto* const cat = add_spool_action(spool, typed, SpoolAction::cat, "cat",
                                       "print a message, its envelope and its history");
    with_json(cat, typed.invocation);
    cat->add_option("id", filter.id, "the message")->type_name("ID")->required();
    cat->add_flag("--raw", request.raw, "the message only");
    with_json(add_spool_action(spool, typed, SpoolAction::verify, "verify", "check every checksum"),
              typed.invocation);
    auto* const out = add_spool_action(spool, typed, SpoolAction::export_files, "export",
                                       "write messages as .eml and .json files");
    out->add_option("folder", request.folder, "where to")->type_name("FOLDER")->required();
    out->add_option("ids", request.ids, "only these messages")->type_name("ID");
    auto* const in = add_spool_action(spool, typed, SpoolAction::import_files, "import",
                                      "queue messages from .eml and .json files");
    in->add_option("folder", request.folder, "where from")->type_name("FOLDER")->required();
    in->add_flag("--keep", request.keep, "do not rename what was imported");
}

void add_watching(CLI::App& app, Typed& typed) {
    auto* const trace = add_command(app, typed, Command::trace, "trace",
                                    "show the dialogue of coming attempts with other servers");
    trace->add_option("what", typed.word, "a sender, a recipient or a domain")
        ->type_name("ADDRESS|DOMAIN")
        ->required();
    trace->add_option("--count", typed.invocation.count, "end after so many attempts")
        ->type_name("N");
    trace->add_option("--timeout", typed.timeout, "end after so long, such as 30s or 5m")
        ->type_name("TIME");
    add_command(app, typed, Command::top, "top", "watch what goes in and out, and what waits")
        ->add_flag("--once", typed.invocation.once, "one picture only");
}

void add_commands(CLI::App& app, Typed& typed) {
    add_command(app, typed, Command::serve, "serve", "run the relay in the foreground");
    add_command(app, typed, Command::check, "check", "tell every mistake in the configuration");
    add_queue_options(*add_command(app, typed, Command::queue, "queue", "list the mail that waits"),
                      typed);
    add_word(*add_command(app, typed, Command::why, "why",
                          "say where mail is, why, and what happens next"),
             typed)
        ->required();
    add_order(*add_command(app, typed, Command::flush, "flush", "try waiting mail now"), typed);
    add_order(
        *add_command(app, typed, Command::hold, "hold", "keep mail and do not try to deliver it"),
        typed);
    add_order(*add_command(app, typed, Command::release, "release", "end a hold, and try at once"),
              typed);
    add_order(*add_command(app, typed, Command::cancel, "cancel",
                           "drop mail; nobody is told, and it is gone"),
              typed);
    add_order(*add_command(app, typed, Command::bounce, "bounce",
                           "give mail up; its senders get reports"),
              typed)
        ->add_option("--reason", typed.invocation.reason, "what the reports say")
        ->type_name("TEXT");
    add_command(app, typed, Command::status, "status", "say whether the relay is all right");
    add_watching(app, typed);
    add_spool_actions(*app.add_subcommand("spool", "work on the spool's files without the relay"),
                      typed);
}

// Assigns the word to a part of the filter, by its form.
std::string& place_of(const std::string& word, Invocation& invocation) {
    const auto command = invocation.command;
    if (command == Command::why || command == Command::trace) return invocation.subject;
    auto& filter = invocation.filter;
    if (word.starts_with('<') && word != "<>") return filter.message_id;
    if (word == "<>") return filter.sender;
    if (word.find('@') != word.npos)
        return word.starts_with('@') ? filter.domain : filter.recipient;
    const bool has_digit = word.find_first_of("0123456789") != word.npos;
    // A name of the local network, such as in "flush exchange".
    const bool is_plain_name = invocation.command == Command::flush && !has_digit;
    const bool is_domain = word.starts_with('[') || word.find('.') != word.npos;
    return is_plain_name || is_domain ? filter.domain : filter.id;
}

bool is_order(Command command) {
    return command == Command::hold || command == Command::release || command == Command::cancel ||
           command == Command::bounce;
}

std::optional<std::string> take_word(Typed& typed) {
    if (!typed.word) return std::nullopt;
    // An empty variable of a script must not select everything.
    if (typed.word->empty()) return "\"\" selects no mail";
    auto& place = place_of(*typed.word, typed.invocation);
    if (!place.empty()) {
        return "\"" + *typed.word + "\" and the option for the same thing do not go together";
    }
    place = typed.word->starts_with('@') ? typed.word->substr(1) : *typed.word;
    return std::nullopt;
}

std::optional<std::string> check_selection(const Invocation& invocation) {
    if (invocation.all && !invocation.filter.is_empty())
        return "--all and a filter do not go together";
    if (!is_order(invocation.command) || invocation.all || !invocation.filter.is_empty())
        return std::nullopt;
    return "which mail? Name a queue id, a mail address, a domain or a filter such as --older 4d; "
           "or --all";
}

std::optional<std::string> normalize(Typed& typed) {
    auto& invocation = typed.invocation;
    auto& filter = invocation.filter;
    if (auto complaint = take_word(typed)) return complaint;
    if (filter.recipient.starts_with('@') && filter.domain.empty()) {
        filter.domain = filter.recipient.substr(1);
        filter.recipient.clear();
    }
    if (typed.timeout) {
        invocation.timeout = parse_duration(*typed.timeout);
        if (!invocation.timeout)
            return "\"" + *typed.timeout + "\" is no time; write 30s or 5m, for example";
    }
    const auto check_word =
        invocation.command == Command::trace ? check_address_or_domain : check_subject;
    const std::array<std::optional<std::string>, 10> complaints = {
        normalize(invocation.subject, check_word), normalize(filter.id, check_id),
        normalize(filter.sender, check_sender),    normalize(filter.recipient, check_address),
        normalize(filter.domain, check_domain),    normalize(filter.message_id, check_message_id),
        normalize(filter.older, check_age),        normalize(filter.younger, check_age),
        normalize(filter.larger, check_size),      normalize(filter.smaller, check_size)};
    for (const auto& complaint : complaints) {
        if (complaint) return complaint;
    }
    for (auto& id : invocation.spool.ids) {
        if (id.empty()) return "\"\" is no queue id";
        if (auto complaint = normalize(id, check_id)) return complaint;
    }
    return check_selection(invocation);
}

bool is_command(const CLI::App& app, const std::string& word) {
    const auto commands = app.get_subcommands(nullptr);
    return std::ranges::any_of(commands,
                               [&](const CLI::App* command) { return command->check_name(word); });
}

// CLI11 makes no suggestion for an unknown word, so the word of the command is checked before CLI11
// reads it.
std::optional<EarlyExit> check_command_word(const CLI::App& app,
                                            std::span<const char* const> arguments) {
    const std::string name = std::filesystem::path(arguments[0]).filename();
    const bool as_sendmail = name == "sendmail" || name == "mailq" || name == "newaliases";
    if (arguments.size() < 2 && !as_sendmail) {
        return usage_error("what shall it do? A command is missing, such as \"serve\"");
    }
    const std::string word = as_sendmail ? name : arguments[1];
    if (as_sendmail || std::ranges::find(later_commands, word) != later_commands.end()) {
        return usage_error("\"" + word + "\" comes in a later release");
    }
    const bool about_itself = word == "--help" || word == "-h" || word == "--version";
    if (about_itself || is_command(app, word)) return std::nullopt;
    if (word.starts_with('-')) {
        return usage_error("the command comes first, such as \"posthouse serve --config FILE\"");
    }
    return usage_error("there is no command \"" + word + "\"");
}

std::string help_of(const CLI::App& command) {
    const auto chosen = command.get_subcommands();
    return chosen.empty() ? command.help("posthouse") : chosen[0]->help("posthouse spool");
}

}  // namespace

std::expected<Invocation, EarlyExit> parse_command_line(std::span<const char* const> arguments) {
    Typed typed;
    CLI::App app("Posthouse takes mail in, keeps it safe, and sends it on.", "posthouse");
    app.set_version_flag("--version", version_text, "print the version");
    app.require_subcommand(1);
    app.footer(
        "Exit status: 0 fine, 1 failed, 2 wrong usage. More in posthouse(8) and "
        "posthouse.toml(5).");
    add_commands(app, typed);
    if (arguments.empty()) return std::unexpected(usage_error("no command"));
    if (auto exit = check_command_word(app, arguments)) return std::unexpected(std::move(*exit));
    try {
        app.parse(static_cast<int>(arguments.size()), arguments.data());
    } catch (const CLI::CallForVersion&) {
        return std::unexpected(EarlyExit{exit_fine, std::string(version_text) + '\n'});
    } catch (const CLI::CallForHelp&) {
        const auto chosen = app.get_subcommands();
        return std::unexpected(
            EarlyExit{exit_fine, chosen.empty() ? app.help() : help_of(*chosen[0])});
    } catch (const CLI::CallForAllHelp&) {
        return std::unexpected(EarlyExit{exit_fine, app.help("", CLI::AppFormatMode::All)});
    } catch (const CLI::RequiredError& error) {
        if (std::string_view(arguments[1]) == "spool") {
            return std::unexpected(usage_error(
                std::string("spool: ") + error.what() +
                "; such as: spool ls, spool cat ID, spool verify, spool export FOLDER, spool "
                "import FOLDER"));
        }
        return std::unexpected(usage_error("\"" + std::string(arguments[1]) +
                                           "\" needs a queue id, a mail address or a domain"));
    } catch (const CLI::ParseError& error) {
        return std::unexpected(usage_error(error.what()));
    }
    if (auto complaint = normalize(typed)) {
        return std::unexpected(usage_error(std::move(*complaint)));
    }
    const auto* const queue = app.get_subcommand("queue");
    auto& invocation = typed.invocation;
    if (invocation.json && queue->count("--limit") == 0) invocation.limit = 0;
    return std::move(invocation);
}

}  // namespace mta::cli
