#include "conf/sections.h"

#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <utility>

#include "conf/spelling.h"
#include "conf/values.h"

namespace conf {
namespace {

// Parses each string of a list. Wrong and repeated strings become problems.
template <class T>
void parse_texts(const std::optional<std::vector<Text>>& texts,
                 Parsed<T> (*parse)(std::string_view), std::vector<T>& out) {
    if (!texts) return;
    std::vector<T> values;
    std::vector<std::uint32_t> lines;
    for (const auto& text : *texts) {
        auto value = parse(text.string());
        if (!value) {
            text.refuse(std::move(value).error());
            continue;
        }
        const auto first = std::ranges::find(values, *value);
        if (first != values.end()) {
            const auto line = lines.at(static_cast<std::size_t>(first - values.begin()));
            text.refuse("stands in this list twice, first in line " + std::to_string(line));
            continue;
        }
        values.push_back(std::move(*value));
        lines.push_back(text.line());
    }
    out = std::move(values);
}

template <class T>
void read_list(Reader& reader, std::string_view key, Parsed<T> (*parse)(std::string_view),
               std::vector<T>& out) {
    parse_texts(reader.list(key), parse, out);
}

template <class T>
void read_one(Reader& reader, std::string_view key, Parsed<T> (*parse)(std::string_view), T& out) {
    const auto text = reader.text(key);
    if (!text) return;
    auto value = parse(text->string());
    if (!value) return text->refuse(std::move(value).error());
    out = std::move(*value);
}

// Refuses a key of a later release, because this one would not do what the key asks for.
void refuse_later(Reader& reader, std::string_view key, const char* what) {
    if (const auto text = reader.text(key)) text->refuse(what);
}

// Refuses all values but `none`: clear text must not be used where the configuration asks for more.
struct OnlyNone {
    const char* none = nullptr;
    const char* why = nullptr;  // no other value is possible
};
void read_only_none(Reader& reader, std::string_view key, const OnlyNone& only) {
    const auto text = reader.text(key);
    if (!text || text->string() == only.none) return;
    text->refuse(std::string(only.why) + "; only \"" + only.none + "\" is possible so far");
}

// A relative path starts at the folder of the configuration file.
void read_path(Reader& reader, std::string_view key, const std::string& file, std::string& out) {
    reader.text(key, out);
    const auto folder = std::filesystem::path(file).parent_path();
    if (!out.empty()) out = (folder / out).lexically_normal().string();
}

void read_hostname(Reader& top, const std::string& machine_name, Settings& settings) {
    read_one(top, "hostname", parse_domain, settings.hostname);
    if (top.has("hostname")) return;
    std::string name = machine_name;
    if (name.empty()) {
        std::array<char, 256> buffer{};
        if (::gethostname(buffer.data(), buffer.size() - 1) == 0) name = buffer.data();
    }
    auto domain = parse_domain(name);
    if (!domain) {
        return top.problem("hostname", "is not set, and the machine's own name, " +
                                           in_quotes(name) +
                                           ", is no domain name; set hostname to the name that the "
                                           "world knows this relay by");
    }
    settings.hostname = std::move(*domain);
}

Parsed<std::string> parse_postmaster(std::string_view text) {
    return text.empty() ? std::string() : parse_mail_address(text);
}

void read_spool(Reader reader, const std::string& file, Spool& spool) {
    read_path(reader, "path", file, spool.path);
    reader.size("segment_size", spool.segment_bytes, 1u << 20, 1u << 30);
    reader.integer("free_percent", spool.free_percent_min, 0, 90);
    reader.size("free_space", spool.free_bytes_min, 0, 1'000'000'000'000);
    reader.finish();
}

Parsed<mta::Endpoint> parse_listener_address(std::string_view text) { return parse_address(text); }

void read_listener(Reader reader, std::vector<Listener>& listeners) {
    Listener listener{.address = {}};  // port 0 stands for a missing or wrong address
    read_one(reader, "address", parse_listener_address, listener.address);
    if (!reader.has("address")) {
        reader.problem("address", "is missing; write address = \"0.0.0.0:25\", for example");
    }
    read_only_none(
        reader, "tls",
        {.none = "off",
         .why = "this release has no TLS yet and takes no mail in clear text where encryption "
                "was asked for"});
    read_only_none(reader, "auth", {.none = "off", .why = "this release has no AUTH yet"});
    constexpr const char* no_certificate =
        "this release has no TLS yet: a certificate would not be used; leave this key out";
    refuse_later(reader, "cert", no_certificate);
    refuse_later(reader, "key", no_certificate);
    const bool is_read = listener.address.port != 0;
    if (is_read && std::ranges::find(listeners, listener) != listeners.end()) {
        reader.problem("address", "another [[listener]] has this address already");
    }
    reader.finish();
    listeners.push_back(listener);
}

void read_relay(Reader reader, Relay& relay) {
    read_list(reader, "networks", parse_network, relay.networks);
    read_list(reader, "domains", parse_domain_or_subtree, relay.domains);
    std::vector<mta::Network> etrn_networks;
    read_list(reader, "etrn_networks", parse_network, etrn_networks);
    if (reader.has("etrn_networks")) relay.etrn_networks = std::move(etrn_networks);
    reader.finish();
}

void read_inbound(Reader reader, Inbound& inbound) {
    reader.size("message_size", inbound.message_bytes_max, 64'000, 2'000'000'000);
    reader.integer("recipients", inbound.recipients_max, 1, 50'000);
    reader.integer("hops", inbound.received_hops_max, 1, 1000);
    reader.integer("connections", inbound.connections_max, 1, 100'000);
    reader.integer("connections_per_address", inbound.connections_per_address_max, 1, 100'000);
    reader.duration("command_timeout", inbound.command_timeout, 100ms, 1h);
    reader.duration("data_timeout", inbound.data_timeout, 100ms, 1h);
    std::uint64_t rate = inbound.data_rate_bytes_min;
    reader.size("data_rate", rate, 0, 10'000'000);
    inbound.data_rate_bytes_min = static_cast<std::uint32_t>(rate);
    if (reader.has("priority_networks")) inbound.priority_networks.emplace();
    std::vector<mta::Network> networks;
    read_list(reader, "priority_networks", parse_network, networks);
    if (inbound.priority_networks) inbound.priority_networks = std::move(networks);
    reader.duration("future_release_max", inbound.future_release_max, 0ms, 365 * 24h);
    reader.duration("deliver_by_min", inbound.deliver_by_min, 0ms, 365 * 24h);
    reader.finish();
}

Parsed<std::string> parse_route_domain(std::string_view text) {
    return text == "*" ? std::string("*") : parse_domain_or_subtree(text);
}

constexpr std::size_t windows_max = 24;  // one an hour

void read_route(Reader reader, std::vector<Route>& routes) {
    Route route;
    read_one(reader, "domain", parse_route_domain, route.domain);
    if (!reader.has("domain")) {
        reader.problem("domain",
                       "is missing; it says whose mail goes this way: \"office.example\", "
                       "\".sub.tree\" or \"*\"");
    }
    read_list(reader, "hosts", parse_next_hop, route.hosts);
    if (!reader.has("hosts") || reader.is_empty_list("hosts")) {
        reader.problem("hosts",
                       "at least one host is needed, such as hosts = [\"mail.office.example:25\"]");
    }
    reader.duration("lifetime", route.lifetime, 1s, 365 * 24h);
    parse_texts(reader.one_or_more("deliver_between"), parse_window, route.deliver_between);
    if (reader.is_empty_list("deliver_between") || route.deliver_between.size() > windows_max) {
        reader.problem("deliver_between",
                       "must have one to " + std::to_string(windows_max) +
                           " times of the day; leave it out to deliver at any time");
    }
    reader.text("source", route.source);
    read_only_none(
        reader, "tls",
        {.none = "none",
         .why = "this release has no TLS yet and sends no mail in clear text where encryption "
                "was asked for"});
    constexpr const char* no_auth =
        "this release cannot log in at the next server yet: the mail would be refused there; "
        "leave this key out";
    refuse_later(reader, "username", no_auth);
    refuse_later(reader, "password_file", no_auth);
    const auto same = std::ranges::find(routes, route.domain, &Route::domain);
    if (!route.domain.empty() && same != routes.end()) {
        reader.problem("domain",
                       "another [[route]] is for this domain already; list the hosts of both in "
                       "one, in order of preference");
    }
    reader.finish();
    routes.push_back(std::move(route));
}

Parsed<std::string> parse_site_name(std::string_view text) {
    if (const auto address = mta::IpAddress::parse(text)) return address->to_string();
    return parse_route_domain(text);
}

Parsed<mta::Rate> parse_rate(std::string_view text) {
    if (const auto rate = mta::parse_rate(text)) return *rate;
    return std::unexpected(
        "must be a whole number from 1 to 1000000, a slash and s, min or h, such as \"100/min\"");
}

Parsed<IpFamilies> parse_ip_families(std::string_view text) {
    static const std::map<std::string_view, IpFamilies> families = {
        {"v6-first", IpFamilies::v6_first},
        {"v4-first", IpFamilies::v4_first},
        {"v6", IpFamilies::v6},
        {"v4", IpFamilies::v4}};
    const auto found = families.find(text);
    if (found != families.end()) return found->second;
    return std::unexpected("must be \"v6-first\", \"v4-first\", \"v6\" or \"v4\"");
}

Parsed<std::optional<IpFamilies>> parse_own_families(std::string_view text) {
    return parse_ip_families(text);
}

Parsed<mta::SmtpKeyword> parse_keyword(std::string_view text) {
    if (const auto keyword = mta::parse_smtp_keyword(text)) return *keyword;
    const std::vector<std::string> names(mta::smtp_keyword_names.begin(),
                                         mta::smtp_keyword_names.end());
    std::string upper(text);
    std::ranges::transform(upper, upper.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    std::string what = "must be a keyword of EHLO: ";
    for (const auto& name : names) what += (&name == &names.front() ? "" : ", ") + name;
    if (const auto near = nearest(upper, names); !near.empty())
        what += "; did you mean " + in_quotes(near) + "?";
    return std::unexpected(std::move(what));
}

void read_site(Reader reader, std::vector<Site>& sites) {
    Site site;
    read_list(reader, "match", parse_site_name, site.match);
    if (!reader.has("match") || reader.is_empty_list("match")) {
        reader.problem("match",
                       "at least one server or domain is needed, such as match = "
                       "[\".mx.them.example\"]");
    }
    reader.integer("max_connections", site.connections_max, 1, 10'000);
    reader.integer("max_messages_per_connection", site.messages_per_connection_max, 1, 1'000'000);
    reader.integer("recipients_per_transaction", site.recipients_per_transaction_max, 1, 50'000);
    const auto read_rate = [&reader](const char* key, std::optional<mta::Rate>& out) {
        mta::Rate rate;
        read_one(reader, key, parse_rate, rate);
        if (rate.count != 0) out = rate;
    };
    read_rate("message_rate", site.message_rate);
    read_rate("connection_rate", site.connection_rate);
    read_one(reader, "ip", parse_own_families, site.ip);
    std::vector<mta::SmtpKeyword> without;
    read_list(reader, "without", parse_keyword, without);
    for (const auto keyword : without) site.without.add(keyword);
    for (const auto& name : site.match) {
        const auto has_name = [&name](const Site& other) {
            return std::ranges::find(other.match, name) != other.match.end();
        };
        if (std::ranges::none_of(sites, has_name)) continue;
        reader.problem("match", "another [[site]] before this one has " + in_quotes(name) +
                                    " already; only the first that matches counts");
    }
    reader.finish();
    sites.push_back(std::move(site));
}

Parsed<std::string> parse_source_name(std::string_view text) {
    const auto is_fine = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
    };
    if (!text.empty() && text.size() <= 63 && std::ranges::all_of(text, is_fine))
        return std::string(text);
    return std::unexpected("must have 1 to 63 letters, digits, '-', '_' or '.', such as \"mail1\"");
}

Parsed<mta::IpAddress> parse_source_address(std::string_view text) {
    const auto address = mta::IpAddress::parse(text);
    if (address && *address != mta::IpAddress{} && *address != mta::IpAddress::v6({}))
        return *address;
    return std::unexpected("must be an address of this machine, such as \"192.0.2.10\"");
}

void read_source_addresses(Reader& reader, Source& source) {
    std::vector<mta::IpAddress> addresses;
    read_list(reader, "address", parse_source_address, addresses);
    if (!reader.has("address") || reader.is_empty_list("address")) {
        reader.problem("address",
                       "an address of this machine is needed, such as address = [\"192.0.2.10\", "
                       "\"2001:db8::10\"]");
    }
    for (const auto& address : addresses) {
        auto& place = address.is_v6() ? source.v6 : source.v4;
        if (!place) {
            place = address;
            continue;
        }
        reader.problem("address",
                       "has two addresses of the same kind; make a [[source]] of each, with the "
                       "same pool");
    }
}

void read_source(Reader reader, const std::string& hostname, std::vector<Source>& sources) {
    Source source;
    read_one(reader, "name", parse_source_name, source.name);
    if (!reader.has("name")) {
        reader.problem("name", "is missing; logs and routes speak of it by this name");
    }
    read_source_addresses(reader, source);
    source.pool = source.name;
    read_one(reader, "pool", parse_source_name, source.pool);
    source.ehlo = hostname;
    read_one(reader, "ehlo", parse_domain, source.ehlo);
    reader.integer("weight", source.weight, 1, 1000);
    read_list(reader, "senders", parse_route_domain, source.senders);
    for (const auto& other : sources) {
        if (!source.name.empty() && other.name == source.name)
            reader.problem("name", "another [[source]] has this name already");
        for (const auto& sender : source.senders) {
            if (other.pool == source.pool ||
                std::ranges::find(other.senders, sender) == other.senders.end())
                continue;
            reader.problem("senders", in_quotes(sender) + " has another pool already, " +
                                          in_quotes(other.pool) +
                                          "; sources that share mail need the same pool");
        }
    }
    reader.finish();
    sources.push_back(std::move(source));
}

void check_route_sources(std::vector<Reader> readers, const Settings& settings) {
    for (std::size_t i = 0; i < readers.size(); ++i) {
        const auto& pool = settings.routes[i].source;
        if (pool.empty() ||
            std::ranges::find(settings.sources, pool, &Source::pool) != settings.sources.end())
            continue;
        readers[i].problem("source", "there is no [[source]] with the pool " + in_quotes(pool));
    }
}

Parsed<mta::Endpoint> parse_name_server(std::string_view text) { return parse_address(text, 53); }

void read_dns(Reader reader, Dns& dns) {
    read_list(reader, "servers", parse_name_server, dns.servers);
    reader.duration("timeout", dns.timeout, 10ms, 1min);
    reader.integer("tries", dns.tries, 1, 10);
    reader.flag("hosts_file", dns.hosts_file);
    reader.finish();
}

void read_delivery(Reader reader, Delivery& delivery) {
    reader.port("port", delivery.port);
    read_list(reader, "allow_networks", parse_network, delivery.allow_networks);
    reader.integer("connections", delivery.connections_max, 1, 100'000);
    reader.integer("connections_per_destination", delivery.connections_per_destination_max, 1,
                   10'000);
    reader.integer("messages_per_connection", delivery.messages_per_connection_max, 1, 1'000'000);
    reader.integer("recipients_per_transaction", delivery.recipients_per_transaction_max, 1,
                   50'000);
    reader.integer("addresses_per_attempt", delivery.addresses_per_attempt_max, 1, 100);
    read_one(reader, "ip", parse_ip_families, delivery.ip);
    const std::array<std::pair<const char*, mta::Millis*>, 7> timeouts = {{
        {"idle_timeout", &delivery.idle_timeout},
        {"connect_timeout", &delivery.connect_timeout},
        {"greeting_timeout", &delivery.greeting_timeout},
        {"command_timeout", &delivery.command_timeout},
        {"data_command_timeout", &delivery.data_command_timeout},
        {"data_block_timeout", &delivery.data_block_timeout},
        {"final_dot_timeout", &delivery.final_dot_timeout},
    }};
    for (const auto& [key, timeout] : timeouts) reader.duration(key, *timeout, 100ms, 1h);
    reader.duration("stop_patience", delivery.stop_patience, 0ms, 1h);
    reader.size("memory", delivery.memory_bytes_max, 1'000'000, 1'000'000'000'000);
    reader.finish();
}

void read_retry(Reader reader, Retry& retry) {
    reader.durations("schedule", retry.schedule, 100ms, 7 * 24h);
    if (reader.is_empty_list("schedule")) {
        reader.problem("schedule", "at least one duration is needed, such as [\"5m\", \"1h\"]");
    }
    reader.duration("max_interval", retry.max_interval, 100ms, 7 * 24h);
    reader.integer("jitter_percent", retry.jitter_percent, 0, 50);
    reader.duration("lifetime", retry.lifetime, 1s, 365 * 24h);
    reader.duration("bounce_lifetime", retry.bounce_lifetime, 1s, 365 * 24h);
    reader.durations("delay_notices", retry.delay_notices, 1s, 365 * 24h);
    const auto& notices = retry.delay_notices;
    if (std::ranges::adjacent_find(notices, std::greater_equal<>()) != notices.end()) {
        reader.problem("delay_notices", "each must be later than the one before it");
    }
    reader.finish();
}

Parsed<std::string> parse_group(std::string_view text) {
    const bool is_name = std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-' || c == '.';
    });
    if (!is_name) return std::unexpected("must be the name of a group, such as \"mailadmins\"");
    return std::string(text);
}

// Every program that can connect may read the metrics, which name the destinations of the mail.
Parsed<std::optional<mta::Endpoint>> parse_metrics_address(std::string_view text) {
    auto address = parse_address(text);
    if (!address) return std::unexpected(address.error());
    const auto v4 = mta::Network::parse("127.0.0.0/8");
    const auto v6 = mta::Network::parse("::1");
    if (!(v4 && v4->contains(address->address)) && !(v6 && v6->contains(address->address))) {
        return std::unexpected(
            "must be an address of this machine alone, such as \"127.0.0.1:9725\": there is no "
            "password. To read metrics from elsewhere, put a web server with one before it");
    }
    return *address;
}

void read_admin(Reader reader, const std::string& file, Admin& admin) {
    read_path(reader, "socket", file, admin.socket);
    read_one(reader, "metrics", parse_metrics_address, admin.metrics);
    constexpr std::size_t path_bytes_max = sizeof(sockaddr_un::sun_path) - 1;
    if (admin.socket.size() > path_bytes_max) {
        reader.problem("socket", "the path of a socket has at most " +
                                     std::to_string(path_bytes_max) + " bytes");
    }
    read_one(reader, "socket_mode", parse_socket_mode, admin.socket_mode);
    read_one(reader, "socket_group", parse_group, admin.socket_group);
    reader.finish();
}

Parsed<mta::Level> parse_level(std::string_view text) {
    static const std::map<std::string_view, mta::Level> levels = {{"debug", mta::Level::debug},
                                                                  {"info", mta::Level::info},
                                                                  {"warning", mta::Level::warning},
                                                                  {"error", mta::Level::error}};
    const auto found = levels.find(text);
    if (found != levels.end()) return found->second;
    return std::unexpected("must be \"debug\", \"info\", \"warning\" or \"error\"");
}

void read_log(Reader reader, LogSettings& log) {
    read_one(reader, "level", parse_level, log.level);
    reader.finish();
}

}  // namespace

Settings read_settings(const Value& document, const std::string& machine_name, Reading& reading) {
    Settings settings;
    Reader top(&document, "", reading);
    read_hostname(top, machine_name, settings);
    read_one(top, "postmaster", parse_postmaster, settings.postmaster);
    read_spool(top.table("spool"), reading.file, settings.spool);
    for (auto& reader : top.tables("listener"))
        read_listener(std::move(reader), settings.listeners);
    if (settings.listeners.empty()) settings.listeners = {default_listener};
    read_relay(top.table("relay"), settings.relay);
    read_inbound(top.table("inbound"), settings.inbound);
    const auto routes = top.tables("route");
    for (const auto& reader : routes) read_route(reader, settings.routes);
    for (auto& reader : top.tables("site")) read_site(std::move(reader), settings.sites);
    for (auto& reader : top.tables("source"))
        read_source(std::move(reader), settings.hostname, settings.sources);
    check_route_sources(routes, settings);
    read_dns(top.table("dns"), settings.dns);
    read_delivery(top.table("delivery"), settings.delivery);
    read_retry(top.table("retry"), settings.retry);
    read_admin(top.table("admin"), reading.file, settings.admin);
    read_log(top.table("log"), settings.log);
    top.finish();
    return settings;
}

}  // namespace conf
