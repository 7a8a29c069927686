#include "mta/cli/command_line.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mta::cli {
namespace {

using Arguments = std::vector<const char*>;

std::expected<Invocation, EarlyExit> parse(Arguments arguments) {
    arguments.insert(arguments.begin(), "/usr/sbin/posthouse");
    return parse_command_line(arguments);
}

struct InvocationCase {
    const char* name;
    Arguments arguments;
    Invocation want;
};

const std::string standard = "/etc/posthouse/posthouse.toml";

const InvocationCase invocation_cases[] = {
    {"serve", {"serve"}, {.command = Command::serve, .config_path = standard}},
    {"serve_with_a_file",
     {"serve", "--config", "x.toml"},
     {.command = Command::serve, .config_path = "x.toml"}},
    {"serve_with_a_file_behind_an_equals_sign",
     {"serve", "--config=x.toml"},
     {.command = Command::serve, .config_path = "x.toml"}},
    {"check", {"check", "--json"}, {.command = Command::check, .json = true, .limit = 0}},
    {"queue", {"queue"}, {.command = Command::queue, .limit = 100}},
    {"queue_in_json_is_whole",
     {"queue", "--json"},
     {.command = Command::queue, .json = true, .limit = 0}},
    {"queue_in_json_with_a_limit",
     {"queue", "--json", "--limit", "7"},
     {.command = Command::queue, .json = true, .limit = 7}},
    {"queue_with_every_filter",
     {"queue", "--id", "00X41R", "--from", "<>", "--to", "Me@Them.example", "--domain",
      "B\xc3\xbcro.Example", "--state", "in_doubt", "--limit", "0"},
     {.command = Command::queue,
      .filter = {"00x41r", "<>", "Me@Them.example", "xn--bro-hoa.example", "in_doubt"},
      .limit = 0}},
    {"queue_with_the_other_filters",
     {"queue", "--message-id", "<1@us>", "--host", "mx1", "--older", "4h", "--younger", "2d",
      "--larger", "1kB", "--smaller", "1MB", "--reply", "4.7.1 Greylisted"},
     {.command = Command::queue,
      .filter = {.message_id = "<1@us>",
                 .host = "mx1",
                 .older = "4h",
                 .younger = "2d",
                 .larger = "1kB",
                 .smaller = "1MB",
                 .reply = "4.7.1 Greylisted"}}},
    {"queue_sorted",
     {"queue", "them.example", "--sort", "size", "--reverse"},
     {.command = Command::queue,
      .filter = {.domain = "them.example"},
      .question = {.sort = "size", .reverse = true}}},
    {"queue_in_groups",
     {"queue", "--by", "reason", "--from", "@Us.Example"},
     {.command = Command::queue,
      .filter = {.sender = "@us.example"},
      .question = {.by = "reason"}}},
    {"queue_counted",
     {"queue", "--count", "--domain", ".Them.example"},
     {.command = Command::queue,
      .filter = {.domain = ".them.example"},
      .question = {.count = true}}},
    {"queue_to_everybody_there",
     {"queue", "--to", "@Them.example"},
     {.command = Command::queue, .filter = {.domain = "them.example"}}},
    {"why_an_id", {"why", "00X41R"}, {.command = Command::why, .subject = "00x41r"}},
    {"why_an_address",
     {"why", "me@them.example"},
     {.command = Command::why, .subject = "me@them.example"}},
    {"why_a_domain",
     {"why", "Them.Example."},
     {.command = Command::why, .subject = "them.example"}},
    {"why_an_address_literal",
     {"why", "[192.0.2.9]"},
     {.command = Command::why, .subject = "[192.0.2.9]"}},
    {"flush_an_address_literal",
     {"flush", "[IPv6:2001:DB8::1]"},
     {.command = Command::flush, .filter = {.domain = "[ipv6:2001:db8::1]"}}},
    {"queue_of_an_address_literal",
     {"queue", "--domain", "[192.0.2.9]", "--from", "@[192.0.2.8]"},
     {.command = Command::queue, .filter = {.sender = "@[192.0.2.8]", .domain = "[192.0.2.9]"}}},
    {"flush", {"flush"}, {.command = Command::flush}},
    {"why_a_message_id",
     {"why", "<1@us.example>"},
     {.command = Command::why, .subject = "<1@us.example>"}},
    {"why_everybody_there",
     {"why", "@Them.example"},
     {.command = Command::why, .subject = "them.example"}},
    {"why_the_null_sender", {"why", "<>"}, {.command = Command::why, .subject = "<>"}},
    {"flush_a_domain",
     {"flush", "them.example"},
     {.command = Command::flush, .filter = {.domain = "them.example"}}},
    {"flush_a_domain_without_a_dot",
     {"flush", "exchange"},
     {.command = Command::flush, .filter = {.domain = "exchange"}}},
    {"flush_a_message",
     {"flush", "00x41r"},
     {.command = Command::flush, .filter = {.id = "00x41r"}}},
    {"flush_a_subtree",
     {"flush", ".them.example"},
     {.command = Command::flush, .filter = {.domain = ".them.example"}}},
    {"flush_an_address",
     {"flush", "me@them.example"},
     {.command = Command::flush, .filter = {.recipient = "me@them.example"}}},
    {"hold_a_message_id",
     {"hold", "<1@us.example>"},
     {.command = Command::hold, .filter = {.message_id = "<1@us.example>"}}},
    {"hold_what_is_old",
     {"hold", "--older", "4d", "--dry-run", "--yes"},
     {.command = Command::hold, .filter = {.older = "4d"}, .yes = true, .dry_run = true}},
    {"release_everything", {"release", "--all"}, {.command = Command::release, .all = true}},
    {"bounce",
     {"bounce", "me@them.example", "--reason", "He has left."},
     {.command = Command::bounce,
      .filter = {.recipient = "me@them.example"},
      .reason = "He has left."}},
    {"bounce_reports", {"bounce", "<>"}, {.command = Command::bounce, .filter = {.sender = "<>"}}},
    {"hold",
     {"hold", "them.example"},
     {.command = Command::hold, .filter = {.domain = "them.example"}}},
    {"release", {"release", "00x41r"}, {.command = Command::release, .filter = {.id = "00x41r"}}},
    {"cancel",
     {"cancel", "00x41r", "--yes"},
     {.command = Command::cancel, .filter = {.id = "00x41r"}, .yes = true}},
    {"cancel_asks", {"cancel", "00x41r"}, {.command = Command::cancel, .filter = {.id = "00x41r"}}},
    {"status", {"status", "--json"}, {.command = Command::status, .json = true, .limit = 0}},
    {"spool_ls",
     {"spool", "ls", "--config", "x.toml", "--all", "--state", "held", "--to", "Me@Them.example"},
     {.command = Command::spool,
      .config_path = "x.toml",
      .filter = {.recipient = "Me@Them.example", .state = "held"},
      .spool = {.action = SpoolAction::ls, .all = true}}},
    {"spool_cat",
     {"spool", "cat", "00X41R", "--raw", "--spool", "/srv/spool"},
     {.command = Command::spool,
      .filter = {.id = "00x41r"},
      .spool = {.action = SpoolAction::cat, .path = "/srv/spool", .raw = true}}},
    {"spool_verify",
     {"spool", "verify", "--json"},
     {.command = Command::spool,
      .json = true,
      .limit = 0,
      .spool = {.action = SpoolAction::verify}}},
    {"spool_export",
     {"spool", "export", "out", "00X41R", "00x41s"},
     {.command = Command::spool,
      .spool = {.action = SpoolAction::export_files,
                .folder = "out",
                .ids = {"00x41r", "00x41s"}}}},
    {"spool_import",
     {"spool", "import", "in", "--keep"},
     {.command = Command::spool,
      .spool = {.action = SpoolAction::import_files, .folder = "in", .keep = true}}},
};

class CommandLineTable : public testing::TestWithParam<InvocationCase> {};

TEST_P(CommandLineTable, is_understood) {
    const auto invocation = parse(GetParam().arguments);
    ASSERT_TRUE(invocation) << invocation.error().text;
    EXPECT_EQ(invocation->command, GetParam().want.command);
    EXPECT_EQ(invocation->config_path, GetParam().want.config_path);
    EXPECT_EQ(invocation->subject, GetParam().want.subject);
    EXPECT_EQ(invocation->filter, GetParam().want.filter);
    EXPECT_EQ(*invocation, GetParam().want);
}

INSTANTIATE_TEST_SUITE_P(, CommandLineTable, testing::ValuesIn(invocation_cases),
                         [](const auto& test) { return std::string(test.param.name); });

struct MistakeCase {
    const char* name;
    Arguments arguments;
    const char* want;  // the first line begins so
};

const MistakeCase mistake_cases[] = {
    {"nothing", {}, "posthouse: what shall it do? A command is missing, such as \"serve\""},
    {"empty_word", {""}, "posthouse: there is no command \"\""},
    {"no_such_command", {"quue"}, "posthouse: there is no command \"quue\""},
    {"spool_without_an_action", {"spool"}, "posthouse: spool: A subcommand is required"},
    {"spool_cat_without_an_id", {"spool", "cat"}, "posthouse: spool: id is required"},
    {"spool_cat_no_id", {"spool", "cat", "!"}, "posthouse: \"!\" is no queue id"},
    {"spool_export_without_a_folder", {"spool", "export"}, "posthouse: spool: folder is required"},
    {"spool_export_no_id", {"spool", "export", "x", "a", "!"}, "posthouse: \"!\" is no queue id"},
    {"spool_export_an_empty_id", {"spool", "export", "x", ""}, "posthouse: \"\" is no queue id"},
    {"spool_import_keeps_what",
     {"spool", "ls", "--keep"},
     "posthouse: The following argument was not"},
    {"later_sendmail", {"sendmail", "-t"}, "posthouse: \"sendmail\" comes in a later release"},
    {"option_before_the_command", {"--config", "x", "serve"}, "posthouse: the command comes first"},
    {"no_such_option", {"serve", "--daemon"}, "posthouse: The following argument was not expected"},
    {"no_such_short_option", {"queue", "-x"}, "posthouse: The following argument was not expected"},
    {"json_of_serve", {"serve", "--json"}, "posthouse: The following argument was not expected"},
    {"yes_of_why", {"why", "x.example", "--yes"}, "posthouse: The following argument was not"},
    {"reason_of_cancel",
     {"cancel", "x.example", "--reason", "x"},
     "posthouse: The following arguments were not expected: x --reason"},
    {"all_and_a_filter",
     {"cancel", "x.example", "--all"},
     "posthouse: --all and a filter do not go together"},
    {"the_same_thing_twice",
     {"hold", "x.example", "--domain", "y.example"},
     "posthouse: \"x.example\" and the option for the same thing"},
    {"an_empty_filter",
     {"cancel", "--from", "", "--older", "1d"},
     "posthouse: --from: \"\" selects"},
    {"queue_no_age", {"queue", "--older", "old"}, "posthouse: \"old\" is no age"},
    {"queue_no_size", {"queue", "--larger", "much"}, "posthouse: \"much\" is no size"},
    {"queue_no_sort", {"queue", "--sort", "colour"}, "posthouse: --sort: colour not in"},
    {"queue_no_group", {"queue", "--by", "colour"}, "posthouse: --by: colour not in"},
    {"queue_no_message_id", {"queue", "--message-id", "<>"}, "posthouse: \"<>\" is no Message-ID"},
    {"option_without_value", {"serve", "--config"}, "posthouse: --config: 1 required FILE missing"},
    {"word_too_many",
     {"check", "x.toml"},
     "posthouse: The following argument was not expected: x.toml"},
    {"two_commands", {"check", "serve"}, "posthouse: "},
    {"why_without_a_word",
     {"why"},
     "posthouse: \"why\" needs a queue id, a mail address or a domain"},
    {"cancel_without_a_word", {"cancel", "--yes"}, "posthouse: which mail? Name a queue id"},
    {"cancel_with_an_empty_word", {"cancel", "", "--yes"}, "posthouse: \"\" selects no mail"},
    {"flush_with_an_empty_word", {"flush", ""}, "posthouse: \"\" selects no mail"},
    {"why_no_domain", {"why", "them..example"}, "posthouse: \"them..example\" is no domain"},
    {"why_no_literal", {"why", "[192.0.2.900]"}, "posthouse: \"[192.0.2.900]\" is no address"},
    {"why_no_v6_literal", {"why", "[2001:db8::1]"}, "posthouse: \"[2001:db8::1]\" is no address"},
    {"why_a_subtree",
     {"why", ".example"},
     "posthouse: \".example\" means every domain below one: name one of them; posthouse queue "
     ".example lists"},
    {"trace_a_subtree", {"trace", ".example"}, "posthouse: \".example\" means every domain"},
    {"why_no_address", {"why", "me@"}, "posthouse: \"me@\" is no mail address"},
    {"why_no_id", {"why", "00x/41r"}, "posthouse: \"00x/41r\" is no queue id"},
    {"queue_no_id", {"queue", "--id", "x y"}, "posthouse: \"x y\" is no queue id"},
    {"queue_no_address", {"queue", "--from", "me"}, "posthouse: \"me\" is no mail address"},
    {"queue_no_domain", {"queue", "--domain", "a b"}, "posthouse: \"a b\" is no domain"},
    {"queue_no_state", {"queue", "--state", "lost"}, "posthouse: --state: lost not in"},
    {"queue_negative_limit", {"queue", "--limit", "-1"}, "posthouse: Could not convert: --limit"},
};

class CommandLineMistakes : public testing::TestWithParam<MistakeCase> {};

TEST_P(CommandLineMistakes, are_told_and_end_with_2) {
    const auto invocation = parse(GetParam().arguments);
    ASSERT_FALSE(invocation);
    EXPECT_EQ(invocation.error().exit_status, 2);
    EXPECT_THAT(invocation.error().text, testing::StartsWith(GetParam().want));
    EXPECT_THAT(invocation.error().text,
                testing::EndsWith("\nposthouse --help lists the commands.\n"));
}

INSTANTIATE_TEST_SUITE_P(, CommandLineMistakes, testing::ValuesIn(mistake_cases),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(CommandLine, tells_its_version) {
    const auto exit = parse({"--version"});
    ASSERT_FALSE(exit);
    EXPECT_EQ(exit.error().exit_status, 0);
    EXPECT_EQ(exit.error().text, "posthouse " POSTHOUSE_VERSION "\n");
}

TEST(CommandLine, helps) {
    const auto exit = parse({"--help"});
    ASSERT_FALSE(exit);
    EXPECT_EQ(exit.error().exit_status, 0);
    for (const auto* command : {"serve", "check", "queue", "why", "flush", "hold", "release",
                                "cancel", "bounce", "status"}) {
        EXPECT_THAT(exit.error().text, testing::HasSubstr(std::string("\n  ") + command + ' '));
    }
    const auto of_queue = parse({"queue", "--help"});
    ASSERT_FALSE(of_queue);
    EXPECT_EQ(of_queue.error().exit_status, 0);
    EXPECT_THAT(of_queue.error().text, testing::HasSubstr("posthouse queue"));
    EXPECT_THAT(of_queue.error().text, testing::HasSubstr("--state"));
}

TEST(CommandLine, called_as_sendmail_says_that_it_cannot_yet) {
    for (const char* name : {"/usr/sbin/sendmail", "mailq", "newaliases"}) {
        const Arguments arguments = {name};
        const auto exit = parse_command_line(arguments);
        ASSERT_FALSE(exit);
        EXPECT_EQ(exit.error().exit_status, 2);
        EXPECT_THAT(exit.error().text, testing::HasSubstr("comes in a later release"));
    }
}

TEST(CommandLine, needs_no_argument_at_all_to_fail) {
    const auto exit = parse_command_line({});
    ASSERT_FALSE(exit);
    EXPECT_EQ(exit.error().exit_status, 2);
}

}  // namespace
}  // namespace mta::cli
