#include "conf/loader.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mta/base/domain.h"

namespace conf {
namespace {

using testing::HasSubstr;

std::string problems_of(std::string_view text) {
    const auto settings = parse(text, {"posthouse.toml", "mail.office.example"});
    return settings ? "fine" : to_string(settings.error());
}

Settings settings_of(std::string_view text) {
    auto settings = parse(text, {"posthouse.toml", "mail.office.example"});
    EXPECT_TRUE(settings) << to_string(settings.error());
    return settings ? std::move(*settings) : Settings{};
}

TEST(Loader, an_empty_file_is_all_defaults) {
    const auto settings = settings_of("");
    Settings want;
    want.hostname = "mail.office.example";
    want.listeners = {default_listener};
    EXPECT_EQ(settings, want);
    EXPECT_EQ(to_string(settings.listeners.at(0).address), "127.0.0.1:25");
}

TEST(Loader, reads_every_key) {
    const auto settings = settings_of(R"(
hostname = "MAIL.Office.example."
postmaster = "Hilfe@BÜRO.example"
[spool]
path = "/srv/spool"
segment_size = "1MiB"
free_percent = 0
free_space = "0B"
[[listener]]
address = "0.0.0.0:25"
tls = "off"
auth = "off"
[[listener]]
address = "[::]:2525"
[relay]
networks = ["192.168.0.0/16", "2001:db8::/32", "10.1.2.3"]
domains = ["Office.example", ".büro.example"]
etrn_networks = ["192.168.1.0/24"]
[inbound]
message_size = "10MB"
recipients = 7
hops = 8
connections = 9
connections_per_address = 10
command_timeout = "11s"
data_timeout = "12s"
data_rate = "13kB"
priority_networks = ["192.168.7.0/24"]
future_release_max = "14d"
deliver_by_min = "15s"
[[route]]
domain = "Office.example"
hosts = ["Exchange.lan", "exchange2.lan:2525", "192.0.2.1", "2001:db8::1", "[2001:db8::2]", "[2001:db8::3]:26"]
lifetime = "30d"
deliver_between = "22:00-06:00"
tls = "none"
source = "office"
[[route]]
domain = ".sub.tree"
hosts = ["192.0.2.1:27"]
deliver_between = ["06:00-07:00", "22:30-24:00"]
[[route]]
domain = "*"
hosts = ["smtp.isp.example:587"]
[[site]]
match = [".MX.them.example", "büro.example", "192.0.2.1", "*"]
max_connections = 31
max_messages_per_connection = 32
recipients_per_transaction = 33
message_rate = "100/min"
connection_rate = "2/s"
ip = "v4"
without = ["PIPELINING", "8bitmime", "MT-PRIORITY"]
[[site]]
match = ["slow.example"]
message_rate = "30/h"
[[source]]
name = "mail1"
pool = "office"
address = ["192.0.2.10", "2001:db8::10"]
ehlo = "Mail1.Office.example"
weight = 3
senders = ["Büro.example", ".office.example", "*"]
[[source]]
name = "mail2"
address = ["192.0.2.11"]
[dns]
servers = ["127.0.0.1", "127.0.0.1:5353", "::1", "[::1]:54", "[2001:db8::1]"]
timeout = "500ms"
tries = 3
hosts_file = false
[delivery]
port = 2525
allow_networks = ["127.0.0.0/8"]
connections = 21
connections_per_destination = 22
messages_per_connection = 23
recipients_per_transaction = 24
addresses_per_attempt = 25
ip = "v4-first"
idle_timeout = "1s"
connect_timeout = "2s"
greeting_timeout = "3s"
command_timeout = "4s"
data_command_timeout = "5s"
data_block_timeout = "6s"
final_dot_timeout = "7s"
stop_patience = "8s"
memory = "64MB"
[retry]
schedule = ["1s", "2m"]
max_interval = "1h"
jitter_percent = 0
lifetime = "1d"
bounce_lifetime = "12h"
delay_notices = []
[admin]
socket = "/tmp/admin.sock"
socket_mode = "0600"
socket_group = "mailadmins"
metrics = "[::1]:9725"
[log]
level = "debug"
)");
    const auto endpoint = [](const char* text) { return mta::parse_endpoint(text).value(); };
    const auto network = [](const char* text) { return mta::Network::parse(text).value(); };
    const Settings want{
        .hostname = "mail.office.example",
        .postmaster = "Hilfe@xn--bro-hoa.example",
        .spool = {"/srv/spool", 1u << 20, 0, 0},
        .listeners = {{endpoint("0.0.0.0:25")}, {endpoint("[::]:2525")}},
        .relay = {{network("192.168.0.0/16"), network("2001:db8::/32"), network("10.1.2.3")},
                  {"office.example", ".xn--bro-hoa.example"},
                  std::vector{network("192.168.1.0/24")}},
        .inbound = {10'000'000,
                    7,
                    8,
                    9,
                    10,
                    11s,
                    12s,
                    13'000,
                    {{network("192.168.7.0/24")}},
                    14 * 24h,
                    15s},
        .routes = {{"office.example",
                    {{"exchange.lan", 25},
                     {"exchange2.lan", 2525},
                     {"192.0.2.1", 25},
                     {"2001:db8::1", 25},
                     {"2001:db8::2", 25},
                     {"2001:db8::3", 26}},
                    30 * 24h,
                    "office",
                    {{1320, 360}}},
                   {".sub.tree", {{"192.0.2.1", 27}}, std::nullopt, {}, {{360, 420}, {1350, 1440}}},
                   {"*", {{"smtp.isp.example", 587}}, std::nullopt, {}, {}}},
        .sites = {{{".mx.them.example", "xn--bro-hoa.example", "192.0.2.1", "*"},
                   31,
                   32,
                   33,
                   mta::Rate{100, 60s},
                   mta::Rate{2, 1s},
                   IpFamilies::v4,
                   {mta::SmtpKeyword::pipelining, mta::SmtpKeyword::eight_bit_mime,
                    mta::SmtpKeyword::mt_priority}},
                  {{"slow.example"}, {}, {}, {}, mta::Rate{30, 3600s}, {}, {}}},
        .sources = {{"mail1",
                     "office",
                     mta::IpAddress::parse("192.0.2.10"),
                     mta::IpAddress::parse("2001:db8::10"),
                     "mail1.office.example",
                     3,
                     {"xn--bro-hoa.example", ".office.example", "*"}},
                    {"mail2",
                     "mail2",
                     mta::IpAddress::parse("192.0.2.11"),
                     std::nullopt,
                     "mail.office.example",
                     1,
                     {}}},
        .dns = {{endpoint("127.0.0.1:53"), endpoint("127.0.0.1:5353"), endpoint("[::1]:53"),
                 endpoint("[::1]:54"), endpoint("[2001:db8::1]:53")},
                500ms,
                3,
                false},
        .delivery = {2525,
                     {network("127.0.0.0/8")},
                     21,
                     22,
                     23,
                     24,
                     25,
                     IpFamilies::v4_first,
                     1s,
                     2s,
                     3s,
                     4s,
                     5s,
                     6s,
                     7s,
                     8s,
                     64'000'000},
        .retry = {{1s, 2min}, 1h, 0, 24h, 12h, {}},
        .admin = {"/tmp/admin.sock", 0600, "mailadmins", endpoint("[::1]:9725")},
        .log = {mta::Level::debug},
    };
    EXPECT_EQ(settings, want);
}

TEST(Loader, priorities_are_for_the_relays_networks_unless_others_are_named) {
    EXPECT_EQ(settings_of("").inbound.priority_networks, std::nullopt);
    const auto nobody = settings_of("[inbound]\npriority_networks = []\n").inbound;
    ASSERT_TRUE(nobody.priority_networks);
    EXPECT_TRUE(nobody.priority_networks->empty());
}

struct MistakeCase {
    const char* name;
    const char* text;
    const char* want;  // the only line of the problems, or its beginning if this ends in "..."
};

const MistakeCase mistake_cases[] = {
    {"no_toml", "hostname = mail.example\n",
     "posthouse.toml:1:12: Error while parsing value: could not determine value type; texts, ..."},
    {"open_string", "[log]\nlevel = \"info\n",
     "posthouse.toml:2:9: this string has no closing quote"},
    {"key_twice", "[log]\nlevel = \"info\"\nlevel = \"debug\"\n",
     "posthouse.toml:3:9: Error while parsing key-value pair: cannot redefine..."},
    {"text_over_lines", "hostname = \"\"\"\nx\"\"\"\n",
     "posthouse.toml:1:12: a string over several lines is never needed here"},
    {"many_dots", "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a = 1\n",
     "posthouse.toml:1:34: too many dots; strings are written in quotes"},
    {"header_with_a_comment_inside", "\n [[ # route\n",
     "posthouse.toml:2:1: the name of a table is missing, as in [spool] or [[route]]"},
    {"header_that_is_only_a_bracket", "[",
     "posthouse.toml:1:1: the name of a table is missing, as in [spool] or [[route]]"},
    {"letter_outside_of_quotes", "n\xc3\xa4me = 1\n",
     "posthouse.toml:1:2: such a letter may only stand in a text in quotes"},
    {"letter_that_is_no_whitespace", "\xef\xbb\xb7 = 1\n",
     "posthouse.toml:1:1: such a letter may only stand in a text in quotes"},
    {"letter_in_quotes_behind_a_value", "hostname = 0\"b\xc3\xbcro.example\"\n",
     "posthouse.toml:1:13: no text in quotes may begin here"},
    {"letter_in_quotes_behind_a_dot", "[relay]\nnetworks = [1.'\xd1\x8e']\n",
     "posthouse.toml:2:15: no text in quotes may begin here"},
    {"text_behind_a_text", "hostname = \"mail\" \".example\"\n",
     "posthouse.toml:1:19: no text in quotes may begin here"},
    {"brace_for_a_bracket", "[relay]\ndomains = [\"a.example\", }\n",
     "posthouse.toml:2:25: this \"}\" closes nothing"},
    {"bracket_that_closes_nothing", "[relay]]\n", "posthouse.toml:1:8: this \"]\" closes nothing"},
    {"list_that_is_never_closed", "[relay]\ndomains = [\"a.example\",\n[[route]]\ndomain = 1\n",
     "posthouse.toml:2:11: the \"[\" is never closed"},
    {"header_without_name", "[]\n",
     "posthouse.toml:1:1: the name of a table is missing, as in [spool] or [[route]]"},
    {"header_behind_a_byte_order_mark", "\xef\xbb\xbf[[\r\n",
     "posthouse.toml:1:1: the name of a table is missing, as in [spool] or [[route]]"},
    {"unknown_key", "hostnam = \"x.example\"\n",
     "posthouse.toml:1:1: hostnam: unknown key; did you mean \"hostname\"?"},
    {"unknown_key_of_a_table", "[dns]\n  server = []\n",
     "posthouse.toml:2:3: dns.server: unknown key; did you mean \"servers\"?"},
    {"unknown_key_that_is_like_nothing", "[log]\ncolour = \"red\"\n",
     "posthouse.toml:2:1: log.colour: unknown key; known here: level"},
    {"unknown_key_of_a_list_of_tables",
     "[[listener]]\naddress = \"0.0.0.0:25\"\n[[listener]]\naddress = \"0.0.0.0:26\"\nport = 25\n",
     "posthouse.toml:5:1: listener.port: unknown key; \"port\" belongs in [delivery]"},
    {"unknown_key_with_a_line_end", "\"a\\nb.c\" = 1\n",
     "posthouse.toml:1:1: a\\x0ab.c: unknown key; known here: ..."},
    {"key_in_the_wrong_table", "[spool]\nhostname = \"x.example\"\n",
     "posthouse.toml:2:1: spool.hostname: unknown key; \"hostname\" belongs at the top of the "
     "file, "
     "before the first [table]"},
    {"key_that_belongs_in_a_list_of_tables", "hosts = []\n",
     "posthouse.toml:1:1: hosts: unknown key; \"hosts\" belongs in [[route]]"},
    {"unknown_table", "[deliver]\nport = 25\n",
     "posthouse.toml:1:2: deliver: unknown table; did you mean \"delivery\"?"},
    {"table_of_a_table", "[log.file]\npath = \"x\"\n",
     "posthouse.toml:1:6: log.file: unknown table; known here: level"},
    {"no_table", "spool = \"/var/spool\"\n",
     "posthouse.toml:1:9: spool = \"/var/spool\": is a table: write [spool] on a line of its own"},
    {"single_brackets", "[listener]\naddress = \"0.0.0.0:25\"\n",
     "posthouse.toml:1:1: listener: is a list of tables: write [[listener]], in double brackets, "
     "..."},
    {"list_without_tables", "listener = [1]\n",
     "posthouse.toml:1:12: listener: is a list of tables..."},
    {"list_without_anything", "listener = []\n",
     "posthouse.toml:1:12: listener: is a list of tables..."},

    {"text_wanted", "[spool]\npath = 5\n",
     "posthouse.toml:2:8: spool.path = 5: must be a text in quotes"},
    {"text_empty", "[spool]\npath = \"\"\n",
     "posthouse.toml:2:8: spool.path = \"\": must not be empty"},
    {"text_with_control_characters", "[spool]\npath = \"/a\\u0000b\"\n",
     "posthouse.toml:2:8: spool.path = \"/a\\x00b\": must not contain control characters"},
    {"integer_wanted", "[dns]\ntries = \"2\"\n",
     "posthouse.toml:2:9: dns.tries = \"2\": must be a whole number, without quotes"},
    {"integer_and_not_a_float", "[dns]\ntries = 2.0\n",
     "posthouse.toml:2:9: dns.tries: must be a whole number, without quotes"},
    {"integer_and_not_a_boolean", "[dns]\ntries = true\n",
     "posthouse.toml:2:9: dns.tries = true: must be a whole number, without quotes"},
    {"flag_in_quotes", "[dns]\nhosts_file = \"yes\"\n",
     "posthouse.toml:2:14: dns.hosts_file = \"yes\": must be true or false, without quotes"},
    {"flag_as_a_number", "[dns]\nhosts_file = 1\n",
     "posthouse.toml:2:14: dns.hosts_file = 1: must be true or false, without quotes"},
    {"integer_too_small", "[dns]\ntries = 0\n",
     "posthouse.toml:2:9: dns.tries = 0: must be 1 to 10"},
    {"integer_too_large", "[dns]\ntries = 11\n",
     "posthouse.toml:2:9: dns.tries = 11: must be 1 to 10"},
    {"integer_far_too_large", "[dns]\ntries = 4294967297\n",
     "posthouse.toml:2:9: dns.tries = 4294967297: must be 1 to 10"},
    {"port_zero", "[delivery]\nport = 0\n",
     "posthouse.toml:2:8: delivery.port = 0: must be 1 to 65535"},
    {"port_too_large", "[delivery]\nport = 65536\n",
     "posthouse.toml:2:8: delivery.port = 65536: must be 1 to 65535"},
    {"duration_without_unit", "[dns]\ntimeout = 2\n",
     "posthouse.toml:2:11: dns.timeout = 2: a duration needs a unit and quotes: \"2s\", \"5m\", "
     "\"4h\", \"5d\""},
    {"duration_without_unit_in_quotes", "[dns]\ntimeout = \"2\"\n",
     "posthouse.toml:2:11: dns.timeout = \"2\": a duration needs a unit: \"2s\" for seconds; the "
     "units are ms, s, m, h, d"},
    {"duration_with_unknown_unit", "[dns]\ntimeout = \"2 weeks\"\n",
     "posthouse.toml:2:11: dns.timeout = \"2 weeks\": must be a whole number and one unit (ms, "
     "..."},
    {"duration_is_a_list", "[dns]\ntimeout = [\"2s\"]\n",
     "posthouse.toml:2:11: dns.timeout: must be a duration such as ..."},
    {"duration_too_long", "[dns]\ntimeout = \"61s\"\n",
     "posthouse.toml:2:11: dns.timeout = \"61s\": must be \"10ms\" to \"1m\""},
    {"duration_too_short", "[inbound]\ncommand_timeout = \"0s\"\n",
     "posthouse.toml:2:19: inbound.command_timeout = \"0s\": must be \"100ms\" to \"1h\""},
    {"size_without_unit", "[inbound]\nmessage_size = 50000000\n",
     "posthouse.toml:2:16: inbound.message_size = 50000000: a size needs a unit and quotes: "
     "\"50000000B\" for bytes, ..."},
    {"size_with_wrong_unit", "[inbound]\nmessage_size = \"50mb\"\n",
     "posthouse.toml:2:16: inbound.message_size = \"50mb\": must be a whole number and one unit "
     "(B, "
     "..."},
    {"size_too_large", "[inbound]\nmessage_size = \"3GB\"\n",
     "posthouse.toml:2:16: inbound.message_size = \"3GB\": must be \"64kB\" to \"2GB\""},
    {"list_wanted", "[relay]\ndomains = \"office.example\"\n",
     "posthouse.toml:2:11: relay.domains = \"office.example\": must be a list in brackets, such as "
     "[\"one\", \"two\"]"},
    {"list_of_texts_wanted", "[relay]\nnetworks = [\n  \"10.0.0.0/8\",\n  7,\n]\n",
     "posthouse.toml:4:3: relay.networks[1] = 7: must be a text in quotes"},
    {"list_with_a_double", "[relay]\ndomains = [\n\"a.example\",\n\"A.example\"]\n",
     "posthouse.toml:4:1: relay.domains[1] = \"A.example\": stands in this list twice, first in "
     "line 3"},
    {"long_value",
     "[log]\nlevel = \"1234567890123456789012345678901234567890123456789012345678901234567890123456"
     "7890 and more\"\n",
     "posthouse.toml:2:9: log.level = "
     "\"123456789012345678901234567890123456789012345678901234567890"
     "12345678901234567890...\": must be \"debug\", \"info\", \"warning\" or \"error\""},

    {"hostname_is_no_domain", "hostname = \"mail office\"\n",
     "posthouse.toml:1:12: hostname = \"mail office\": is no domain name: ..."},
    {"hostname_is_an_address", "hostname = \"192.0.2.1\"\n",
     "posthouse.toml:1:12: hostname = \"192.0.2.1\": is an address; a domain name is wanted here"},
    {"postmaster_without_domain", "postmaster = \"me\"\n",
     "posthouse.toml:1:14: postmaster = \"me\": must be a plain mail address, such as "
     "\"postmaster@office.example\""},
    {"postmaster_with_a_name", "postmaster = \"Me <me@office.example>\"\n",
     "posthouse.toml:1:14: postmaster = \"Me <me@office.example>\": must be a plain mail "
     "address..."},

    {"listener_without_address", "\n[[listener]]\n",
     "posthouse.toml:2:1: listener[0].address: is missing; write address = \"0.0.0.0:25\", for "
     "example"},
    {"listener_without_port", "[[listener]]\naddress = \"::1\"\n",
     "posthouse.toml:2:11: listener[0].address = \"::1\": the port is missing; write \"[::1]:25\""},
    {"listener_on_a_name", "[[listener]]\naddress = \"localhost:25\"\n",
     "posthouse.toml:2:11: listener[0].address = \"localhost:25\": must be an address and a port, "
     "..."},
    {"listener_on_everything", "[[listener]]\naddress = \"*:2525\"\n",
     "posthouse.toml:2:11: listener[0].address = \"*:2525\": write \"0.0.0.0:2525\" for every IPv4 "
     "address, and \"[::]:2525\" ..."},
    {"listener_on_port_zero", "[[listener]]\naddress = \"127.0.0.1:0\"\n",
     "posthouse.toml:2:11: listener[0].address = \"127.0.0.1:0\": the port must be 1 to 65535"},
    {"listener_twice",
     "[[listener]]\naddress = \"[::1]:25\"\n[[listener]]\naddress = \"[0:0::1]:25\"\n",
     "posthouse.toml:4:11: listener[1].address = \"[0:0::1]:25\": another [[listener]] has this "
     "address already"},

    {"network_with_bits_behind", "[relay]\nnetworks = [\"127.0.0.0/8\", \"10.0.0.1/8\"]\n",
     "posthouse.toml:2:28: relay.networks[1] = \"10.0.0.1/8\": bits are set behind the prefix; "
     "write \"10.0.0.0/8\""},
    {"network_six_with_bits_behind", "[delivery]\nallow_networks = [\"2001:db8::1/33\"]\n",
     "posthouse.toml:2:19: delivery.allow_networks[0] = \"2001:db8::1/33\": bits are set behind "
     "the "
     "prefix; write \"2001:db8::/33\""},
    {"network_with_prefix_too_long", "[relay]\nnetworks = [\"10.0.0.0/33\"]\n",
     "posthouse.toml:2:13: relay.networks[0] = \"10.0.0.0/33\": must be a network or an "
     "address..."},
    {"network_is_a_name", "[relay]\nnetworks = [\"lan\"]\n",
     "posthouse.toml:2:13: relay.networks[0] = \"lan\": must be a network or an address..."},
    {"domain_is_an_address", "[relay]\ndomains = [\"me@office.example\"]\n",
     "posthouse.toml:2:12: relay.domains[0] = \"me@office.example\": is a mail address; only the "
     "part behind the @ is wanted here"},
    {"domain_with_asterisk", "[relay]\ndomains = [\"*.office.example\"]\n",
     "posthouse.toml:2:12: relay.domains[0] = \"*.office.example\": write \".office.example\", "
     "with "
     "a dot in front ..."},
    {"domain_is_everything", "[relay]\ndomains = [\"*\"]\n",
     "posthouse.toml:2:12: relay.domains[0] = \"*\": is no domain name..."},
    {"domain_is_a_dot", "[relay]\ndomains = [\".\"]\n",
     "posthouse.toml:2:12: relay.domains[0] = \".\": is no domain name..."},

    {"route_without_domain", "[[route]]\nhosts = [\"a.example\"]\n",
     "posthouse.toml:1:1: route[0].domain: is missing; ..."},
    {"route_without_hosts", "[[route]]\ndomain = \"*\"\n",
     "posthouse.toml:1:1: route[0].hosts: at least one host is needed, ..."},
    {"route_with_empty_hosts", "[[route]]\ndomain = \"*\"\nhosts = []\n",
     "posthouse.toml:3:9: route[0].hosts: at least one host is needed, ..."},
    {"route_twice",
     "[[route]]\ndomain = \"a.example\"\nhosts = [\"x.example\"]\n[[route]]\ndomain = "
     "\"A.example.\"\nhosts = [\"y.example\"]\n",
     "posthouse.toml:5:10: route[1].domain = \"A.example.\": another [[route]] is for this domain "
     "already; ..."},
    {"hours_that_are_none",
     "[[route]]\ndomain = \"*\"\nhosts = [\"a.example\"]\ndeliver_between = \"22-6\"\n",
     "posthouse.toml:4:19: route[0].deliver_between = \"22-6\": must be two different times of the "
     "day, such as \"22:00-06:00\" (over midnight) or \"18:30-24:00\""},
    {"hours_twice",
     "[[route]]\ndomain = \"*\"\nhosts = [\"a.example\"]\n"
     "deliver_between = [\"01:00-02:00\", \"01:00-02:00\"]\n",
     "posthouse.toml:4:35: route[0].deliver_between[1] = \"01:00-02:00\": stands in this list "
     "twice, ..."},
    {"no_hours", "[[route]]\ndomain = \"*\"\nhosts = [\"a.example\"]\ndeliver_between = []\n",
     "posthouse.toml:4:19: route[0].deliver_between: must have one to 24 times of the day; leave "
     "it "
     "out to deliver at any time"},
    {"host_in_brackets", "[[route]]\ndomain = \"*\"\nhosts = [\"[smtp.isp.example]:587\"]\n",
     "posthouse.toml:3:10: route[0].hosts[0] = \"[smtp.isp.example]:587\": leave out the brackets: "
     "..."},
    {"host_with_port_zero", "[[route]]\ndomain = \"*\"\nhosts = [\"smtp.isp.example:0\"]\n",
     "posthouse.toml:3:10: route[0].hosts[0] = \"smtp.isp.example:0\": the port behind the colon "
     "must be 1 to 65535"},
    {"host_with_no_port_behind_the_colon",
     "[[route]]\ndomain = \"*\"\nhosts = [\"smtp.isp.example:\"]\n",
     "posthouse.toml:3:10: route[0].hosts[0] = \"smtp.isp.example:\": the port behind..."},
    {"host_six_with_port_and_without_brackets",
     "[[route]]\ndomain = \"*\"\nhosts = [\"2001:db8::x:25\"]\n",
     "posthouse.toml:3:10: route[0].hosts[0] = \"2001:db8::x:25\": an IPv6 address with a port is "
     "written in brackets: \"[2001:db8::1]:25\""},
    {"host_is_a_mistyped_address", "[[route]]\ndomain = \"*\"\nhosts = [\"192.0.2.256:25\"]\n",
     "posthouse.toml:3:10: route[0].hosts[0] = \"192.0.2.256:25\": looks like an address but is "
     "none, ..."},
    {"host_twice", "[[route]]\ndomain = \"*\"\nhosts = [\"a.example\", \"a.example:25\"]\n",
     "posthouse.toml:3:23: route[0].hosts[1] = \"a.example:25\": stands in this list twice, ..."},

    {"tls_at_a_listener", "[[listener]]\naddress = \"0.0.0.0:25\"\ntls = \"starttls\"\n",
     "posthouse.toml:3:7: listener[0].tls = \"starttls\": this release has no TLS yet and takes no "
     "mail in clear text where encryption was asked for; only \"off\" is possible so far"},
    {"auth_at_a_listener", "[[listener]]\naddress = \"0.0.0.0:25\"\nauth = \"optional\"\n",
     "posthouse.toml:3:8: listener[0].auth = \"optional\": this release has no AUTH yet; only "
     "\"off\" is possible so far"},
    {"certificate", "[[listener]]\naddress = \"0.0.0.0:25\"\ncert = \"/x.pem\"\n",
     "posthouse.toml:3:8: listener[0].cert = \"/x.pem\": this release has no TLS yet: ..."},
    {"certificate_key", "[[listener]]\naddress = \"0.0.0.0:25\"\nkey = \"/x.key\"\n",
     "posthouse.toml:3:7: listener[0].key = \"/x.key\": this release has no TLS yet: ..."},
    {"tls_at_a_route",
     "[[route]]\ndomain = \"*\"\nhosts = [\"a.example\"]\ntls = \"opportunistic\"\n",
     "posthouse.toml:4:7: route[0].tls = \"opportunistic\": this release has no TLS yet and sends "
     "no "
     "mail in clear text where encryption was asked for; only \"none\" is possible so far"},
    {"username", "[[route]]\ndomain = \"*\"\nhosts = [\"a.example\"]\nusername = \"office\"\n",
     "posthouse.toml:4:12: route[0].username = \"office\": this release cannot log in ..."},
    {"password", "[[route]]\ndomain = \"*\"\nhosts = [\"a.example\"]\npassword_file = \"/x\"\n",
     "posthouse.toml:4:17: route[0].password_file = \"/x\": this release cannot log in ..."},

    {"name_server_is_a_name", "[dns]\nservers = [\"ns.example\"]\n",
     "posthouse.toml:2:12: dns.servers[0] = \"ns.example\": must be an address, with a port or "
     "without: \"127.0.0.1\", \"127.0.0.1:53\", \"[::1]:53\"; names are not looked up"},
    {"schedule_empty", "[retry]\nschedule = []\n",
     "posthouse.toml:2:12: retry.schedule: at least one duration is needed, such as [\"5m\", "
     "\"1h\"]"},
    {"schedule_with_a_wrong_entry", "[retry]\nschedule = [\"1m\", \"soon\"]\n",
     "posthouse.toml:2:19: retry.schedule[1] = \"soon\": must be a whole number and one unit ..."},
    {"delay_notices_out_of_order", "[retry]\ndelay_notices = [\"4h\", \"4h\"]\n",
     "posthouse.toml:2:17: retry.delay_notices: each must be later than the one before it"},
    {"socket_path_too_long",
     "[admin]\nsocket = "
     "\"/1234567/1234567/1234567/1234567/1234567/1234567/1234567/1234567/1234567/1234567/1234567/"
     "1234567/1234567/123\"\n",
     "posthouse.toml:2:10: admin.socket = ..."},
    {"socket_mode_that_is_no_mode", "[admin]\nsocket_mode = \"660\"\n",
     "posthouse.toml:2:15: admin.socket_mode = \"660\": must be a mode in octal that lets the "
     "owner "
     "read and write and nobody execute, such as \"0660\""},
    {"socket_mode_without_the_owner", "[admin]\nsocket_mode = \"0060\"\n",
     "posthouse.toml:2:15: admin.socket_mode = \"0060\": must be..."},
    {"socket_mode_with_execution", "[admin]\nsocket_mode = \"0770\"\n",
     "posthouse.toml:2:15: admin.socket_mode = \"0770\": must be..."},
    {"socket_group_that_is_no_name", "[admin]\nsocket_group = \"mail admins\"\n",
     "posthouse.toml:2:16: admin.socket_group = \"mail admins\": must be the name of a group, ..."},
    {"metrics_for_everybody", "[admin]\nmetrics = \"0.0.0.0:9725\"\n",
     "posthouse.toml:2:11: admin.metrics = \"0.0.0.0:9725\": must be an address of this machine "
     "alone, such as ..."},
    {"metrics_on_the_network", "[admin]\nmetrics = \"[2001:db8::1]:9725\"\n",
     "posthouse.toml:2:11: admin.metrics = \"[2001:db8::1]:9725\": must be an address of this "
     "machine alone, such as ..."},
    {"metrics_without_port", "[admin]\nmetrics = \"127.0.0.1\"\n",
     "posthouse.toml:2:11: admin.metrics = \"127.0.0.1\": ..."},
    {"site_without_match", "[[site]]\nmax_connections = 1\n",
     "posthouse.toml:1:1: site[0].match: at least one server or domain is needed, such as match = "
     "[\".mx.them.example\"]"},
    {"site_with_empty_match", "[[site]]\nmatch = []\n",
     "posthouse.toml:2:9: site[0].match: at least one server..."},
    {"site_with_asterisk", "[[site]]\nmatch = [\"*.them.example\"]\n",
     "posthouse.toml:2:10: site[0].match[0] = \"*.them.example\": write \".them.example\", with a "
     "dot in front ..."},
    {"site_that_is_matched_before",
     "[[site]]\nmatch = [\"them.example\"]\n[[site]]\nmatch = [\"THEM.example\"]\n",
     "posthouse.toml:4:9: site[1].match: another [[site]] before this one has \"them.example\" "
     "already; only the first that matches counts"},
    {"site_with_no_connections", "[[site]]\nmatch = [\"*\"]\nmax_connections = 0\n",
     "posthouse.toml:3:19: site[0].max_connections = 0: must be 1 to 10000"},
    {"source_without_address", "[[source]]\nname = \"a\"\n",
     "posthouse.toml:1:1: source[0].address: an address of this machine is needed, such as ..."},
    {"source_without_name", "[[source]]\naddress = [\"127.0.0.1\"]\n",
     "posthouse.toml:1:1: source[0].name: is missing; ..."},
    {"source_with_a_strange_name", "[[source]]\nname = \"a b\"\naddress = [\"127.0.0.1\"]\n",
     "posthouse.toml:2:8: source[0].name = \"a b\": must have 1 to 63 letters..."},
    {"source_with_any_address", "[[source]]\nname = \"a\"\naddress = [\"0.0.0.0\"]\n",
     "posthouse.toml:3:12: source[0].address[0] = \"0.0.0.0\": must be an address of this "
     "machine..."},
    {"source_with_two_of_a_kind",
     "[[source]]\nname = \"a\"\naddress = [\"127.0.0.1\", \"127.0.0.2\"]\n",
     "posthouse.toml:3:11: source[0].address: has two addresses of the same kind; ..."},
    {"source_that_is_there_twice",
     "[[source]]\nname = \"a\"\naddress = [\"127.0.0.1\"]\n[[source]]\nname = \"a\"\naddress = "
     "[\"127.0.0.2\"]\n",
     "posthouse.toml:5:8: source[1].name = \"a\": another [[source]] has this name already"},
    {"source_whose_senders_are_another_pools",
     "[[source]]\nname = \"a\"\naddress = [\"127.0.0.1\"]\nsenders = "
     "[\"x.example\"]\n[[source]]\nname "
     "= \"b\"\naddress = [\"127.0.0.2\"]\nsenders = [\"X.example\"]\n",
     "posthouse.toml:8:11: source[1].senders: \"x.example\" has another pool already, \"a\"; ..."},
    {"route_with_a_source_that_is_not_there",
     "[[route]]\ndomain = \"*\"\nhosts = [\"a\"]\nsource = \"none\"\n",
     "posthouse.toml:4:10: route[0].source = \"none\": there is no [[source]] with the pool "
     "\"none\""},
    {"rate_without_unit", "[[site]]\nmatch = [\"*\"]\nmessage_rate = \"100\"\n",
     "posthouse.toml:3:16: site[0].message_rate = \"100\": must be a whole number from 1 to "
     "1000000, a slash and s, min or h, such as \"100/min\""},
    {"rate_is_a_number", "[[site]]\nmatch = [\"*\"]\nconnection_rate = 100\n",
     "posthouse.toml:3:19: site[0].connection_rate = 100: must be a text in quotes"},
    {"families_of_addresses", "[delivery]\nip = \"ipv4\"\n",
     "posthouse.toml:2:6: delivery.ip = \"ipv4\": must be \"v6-first\", \"v4-first\", \"v6\" or "
     "\"v4\""},
    {"families_of_a_site", "[[site]]\nmatch = [\"*\"]\nip = 4\n",
     "posthouse.toml:3:6: site[0].ip = 4: must be a text in quotes"},
    {"unknown_keyword", "[[site]]\nmatch = [\"*\"]\nwithout = [\"DSN\", \"PIPELINNG\"]\n",
     "posthouse.toml:3:19: site[0].without[1] = \"PIPELINNG\": must be a keyword of EHLO: "
     "PIPELINING, 8BITMIME, SMTPUTF8, DSN, CHUNKING, BINARYMIME, SIZE, MT-PRIORITY, DELIVERBY, "
     "LIMITS; did you mean \"PIPELINING\"?"},
    {"unknown_key_of_a_site", "[[site]]\nmatch = [\"*\"]\nmax_connection = 1\n",
     "posthouse.toml:3:1: site.max_connection: unknown key; did you mean \"max_connections\"?"},
    {"level", "[log]\nlevel = \"loud\"\n",
     "posthouse.toml:2:9: log.level = \"loud\": must be \"debug\", \"info\", \"warning\" or "
     "\"error\""},
};

class LoaderMistakes : public testing::TestWithParam<MistakeCase> {};

// Each text has exactly one mistake, so there may be no other problem.
TEST_P(LoaderMistakes, are_told_with_their_place) {
    const auto problems = problems_of(GetParam().text);
    const std::string_view want = GetParam().want;
    if (want.ends_with("...")) {
        EXPECT_THAT(problems, testing::StartsWith(std::string(want.substr(0, want.size() - 3))));
        EXPECT_EQ(std::ranges::count(problems, '\n'), 1) << problems;
    } else {
        EXPECT_EQ(problems, std::string(want) + '\n');
    }
}

INSTANTIATE_TEST_SUITE_P(, LoaderMistakes, testing::ValuesIn(mistake_cases),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Loader, reports_all_mistakes_in_one_run_in_the_order_of_the_file) {
    EXPECT_EQ(problems_of("[retry]\nlifetime = 5\nhops = 1\n[log]\nlevel = \"x\"\nlevl = 1\n[dns]\n"
                          "tries = 99\nservers = [\"a\", \"b\"]\n"),
              "posthouse.toml:2:12: retry.lifetime = 5: a duration needs a unit and quotes: "
              "\"5s\", \"5m\", \"4h\", \"5d\"\n"
              "posthouse.toml:3:1: retry.hops: unknown key; \"hops\" belongs in [inbound]\n"
              "posthouse.toml:5:9: log.level = \"x\": must be \"debug\", \"info\", \"warning\" or "
              "\"error\"\n"
              "posthouse.toml:6:1: log.levl: unknown key; did you mean \"level\"?\n"
              "posthouse.toml:8:9: dns.tries = 99: must be 1 to 10\n"
              "posthouse.toml:9:12: dns.servers[0] = \"a\": must be an address, with a port or "
              "without: \"127.0.0.1\", \"127.0.0.1:53\", \"[::1]:53\"; names are not looked up\n"
              "posthouse.toml:9:17: dns.servers[1] = \"b\": must be an address, with a port or "
              "without: \"127.0.0.1\", \"127.0.0.1:53\", \"[::1]:53\"; names are not looked up\n");
}

TEST(Loader, two_listeners_without_a_good_address_are_not_taken_for_the_same) {
    const auto problems = problems_of("[[listener]]\naddress = \"x\"\n[[listener]]\n");
    EXPECT_THAT(problems, testing::Not(HasSubstr("already")));
    EXPECT_EQ(std::ranges::count(problems, '\n'), 2) << problems;
}

TEST(Loader, takes_line_ends_of_windows_and_a_byte_order_mark) {
    EXPECT_EQ(
        settings_of("\xef\xbb\xbfhostname = \"a.example\"\r\n[dns]\r\ntries = 3\r\n").dns.tries,
        3u);
}

TEST(Loader, comments_may_hold_anything) {
    EXPECT_EQ(problems_of("# \"\"\" ''' \" a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a \xc3\xbc\n"),
              "fine");
}

TEST(Loader, shows_a_long_value_without_cutting_a_letter_in_two) {
    for (std::size_t shift = 0; shift < 4; ++shift) {
        std::string value(shift, 'a');
        for (int i = 0; i < 60; ++i) value += "\xf0\x9f\x93\xaf";
        const auto settings = parse("[log]\nlevel = \"" + value + "\"\n", {"f", "mail.example"});
        ASSERT_FALSE(settings);
        EXPECT_TRUE(mta::is_utf8(settings.error().at(0).value)) << shift;
    }
}

TEST(Loader, the_machine_s_name_is_the_default_and_must_be_one) {
    EXPECT_EQ(parse("", {"f", "Mail.Example"})->hostname, "mail.example");
    const auto bad = parse("\n\n[log]\nlevel = \"info\"\n", {"f", "my_machine!"});
    ASSERT_FALSE(bad);
    EXPECT_EQ(to_string(bad.error()),
              "f:1:1: hostname: is not set, and the machine's own name, \"my_machine!\", is no "
              "domain name; set hostname to the name that the world knows this relay by\n");
    char name[256] = {};
    ASSERT_EQ(::gethostname(name, sizeof name - 1), 0);
    const auto asked = parse("", {"f"});
    const auto want = mta::to_a_labels(name);
    EXPECT_EQ(asked.has_value(), want.has_value());
    if (asked) {
        EXPECT_EQ(asked->hostname, want);
    }
}

TEST(Loader, paths_are_seen_from_the_folder_of_the_file) {
    const auto text = "[spool]\npath = \"../spool\"\n[admin]\nsocket = \"run/admin.sock\"\n";
    const auto settings = parse(text, {"/etc/posthouse/posthouse.toml", "mail.example"});
    ASSERT_TRUE(settings);
    EXPECT_EQ(settings->spool.path, "/etc/spool");
    EXPECT_EQ(settings->admin.socket, "/etc/posthouse/run/admin.sock");
    EXPECT_EQ(parse(text, {"conf/quickstart.toml", "mail.example"})->spool.path, "spool");
    EXPECT_EQ(parse(text, {"posthouse.toml", "mail.example"})->spool.path, "../spool");
}

class LoaderFiles : public testing::Test {
protected:
    LoaderFiles() {
        std::string name = testing::TempDir() + "posthouse-conf-XXXXXX";
        folder_ = ::mkdtemp(name.data());
    }
    ~LoaderFiles() override { std::filesystem::remove_all(folder_); }

    std::string write(const std::string& name, const std::string& text) {
        std::ofstream(folder_ / name) << text;
        return folder_ / name;
    }
    static std::string complaint(const std::string& path) {
        const auto settings = load(path);
        return settings ? "fine" : to_string(settings.error());
    }

    std::filesystem::path folder_;
};

TEST_F(LoaderFiles, are_read_and_named_in_problems) {
    const auto good = write("good.toml", "hostname = \"a.example\"\n");
    ASSERT_TRUE(load(good));
    EXPECT_EQ(load(good)->hostname, "a.example");
    const auto bad = write("bad.toml", "hostname = \"a.example\"\nx = 1\n");
    EXPECT_THAT(complaint(bad), testing::StartsWith(bad + ":2:1: x: unknown key"));
}

TEST_F(LoaderFiles, that_are_missing_have_a_hint) {
    EXPECT_THAT(
        complaint(folder_ / "none.toml"),
        testing::StartsWith((folder_ / "none.toml").string() + ": there is no such file; "));
}

TEST_F(LoaderFiles, that_are_folders_or_devices_are_refused) {
    EXPECT_EQ(complaint(folder_), folder_.string() +
                                      ": is a directory; name the file itself, such as " +
                                      folder_.string() + "/posthouse.toml\n");
    EXPECT_EQ(complaint("/dev/null"), "/dev/null: is not a regular file\n");
    const auto fifo = (folder_ / "fifo").string();
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_EQ(complaint(fifo), fifo + ": is not a regular file\n");
}

TEST_F(LoaderFiles, that_may_not_be_read_are_refused_with_the_reason) {
    const auto path = write("secret.toml", "");
    ASSERT_EQ(::chmod(path.c_str(), 0), 0);
    if (::geteuid() == 0) {
        // Root can read every file, but no user can open a file whose name is too long.
        const auto endless = (folder_ / std::string(300, 'x')).string();
        EXPECT_EQ(complaint(endless), endless + ": cannot be opened: File name too long\n");
    } else {
        EXPECT_EQ(complaint(path), path + ": cannot be opened: Permission denied\n");
    }
}

TEST_F(LoaderFiles, are_read_up_to_their_limit) {
    std::string text = "hostname = \"a.example\"\n";
    text += std::string(file_bytes_max - text.size() - 1, '#') + '\n';
    ASSERT_EQ(text.size(), file_bytes_max);
    EXPECT_EQ(complaint(write("largest.toml", text)), "fine");
    const auto path = write("larger.toml", text + "\n");
    EXPECT_EQ(complaint(path), path + ": is larger than 1 MiB: this cannot be a configuration\n");
}

TEST(Problem, is_one_line) {
    EXPECT_EQ(to_string(Problem{"f\n", 1, 1, "a\x7f", "\"\"", "\r"}),
              "f\\x0a:1:1: a\\x7f = \"\": \\x0d");
    EXPECT_EQ(to_string(Problem{"f", 12, 3, "a.b[1]", "\"x\"", "is wrong"}),
              "f:12:3: a.b[1] = \"x\": is wrong");
    EXPECT_EQ(to_string(Problem{"f", 12, 3, "a.b", "", "is missing"}), "f:12:3: a.b: is missing");
    EXPECT_EQ(to_string(Problem{"f", 12, 3, "", "", "syntax"}), "f:12:3: syntax");
    EXPECT_EQ(to_string(Problem{"f", 0, 0, "", "", "is a directory"}), "f: is a directory");
}

}  // namespace
}  // namespace conf
