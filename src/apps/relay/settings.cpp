#include "apps/relay/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <utility>

#include "apps/relay/credentials.h"
#include "apps/relay/json_text.h"
#include "base/numbers.h"
#include "base/text.h"
#include "io/url.h"

namespace weir::relay {
namespace {

constexpr std::array<std::string_view, 3> prefixes{"relayhost_", "vw_", "weir_relay_"};
constexpr std::size_t longest_secret_file = 64u << 10;

/// The variables that fill words, by name; flags have the same names with dashes.
struct Place {
    std::string_view name;
    std::string RelayWords::*word;
};
constexpr std::array<Place, 26> places{{{"listen", &RelayWords::listen},
                                        {"port", &RelayWords::port},
                                        {"rules", &RelayWords::rules},
                                        {"push_secret", &RelayWords::push_secret},
                                        {"push_secret_file", &RelayWords::push_secret_file},
                                        {"admin_token", &RelayWords::admin_token},
                                        {"admin_token_file", &RelayWords::admin_token_file},
                                        {"viewer_secret", &RelayWords::viewer_secret},
                                        {"viewer_secret_file", &RelayWords::viewer_secret_file},
                                        {"viewer_key", &RelayWords::viewer_key},
                                        {"audience", &RelayWords::audience},
                                        {"auth", &RelayWords::auth},
                                        {"viewers", &RelayWords::viewers},
                                        {"tls_cert", &RelayWords::tls_cert},
                                        {"tls_key", &RelayWords::tls_key},
                                        {"tls_ca", &RelayWords::tls_ca},
                                        {"jsmpeg_secret", &RelayWords::jsmpeg_secret},
                                        {"jsmpeg_secret_file", &RelayWords::jsmpeg_secret_file},
                                        {"jsmpeg_ports", &RelayWords::jsmpeg_ports},
                                        {"record_dir", &RelayWords::record_dir},
                                        {"api", &RelayWords::api},
                                        {"ping", &RelayWords::ping},
                                        {"viewer_budget", &RelayWords::viewer_budget},
                                        {"viewer_budget_time", &RelayWords::viewer_budget_time},
                                        {"ingest_timeout", &RelayWords::ingest_timeout},
                                        {"public_url", &RelayWords::public_url}}};

/// Those that are on or off.
struct Switch {
    std::string_view name;
    bool RelayWords::*word;
};
constexpr std::array<Switch, 3> switches{{{"no_page", &RelayWords::no_page},
                                          {"no_proxy", &RelayWords::no_proxy},
                                          {"allow_no_booking_id", &RelayWords::allow_no_booking_id}}};

/// Numbers that vw read and of which weir needs none (VW-82).
constexpr std::array<std::string_view, 6> unread{"httpwaitms",      "muxbufferlength", "clientbufferlength",
                                                 "clienttimeoutms", "httpflushms",     "httptimeoutms"};

std::string flag_of(std::string_view name) {
    std::string out = "--";
    for (const char c : name) out += c == '_' ? '-' : c;
    return out;
}

Error wrong(std::string_view flag, std::string what) {
    return {Errc::bad_input, std::move(what), std::string(flag)};
}

Result<std::string> file_text(std::string_view flag, const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) return wrong(flag, fmt::format("cannot read {}", path));
    std::string text(std::istreambuf_iterator<char>(in), {});
    if (text.size() > longest_secret_file) return wrong(flag, fmt::format("{} is too large", path));
    return text;
}

/// A secret from its flag or from its file; none: an empty one.
Result<Secret> secret_from(std::string_view flag, const std::string& word, const std::string& file) {
    if (file.empty()) return Secret(word);
    if (!word.empty()) return wrong(flag, fmt::format("either {} or {}-file", flag, flag));
    auto text = file_text(fmt::format("{}-file", flag), file);
    if (!text) return text.error();
    auto secret = secret_of(*text, file);
    if (!secret) return wrong(fmt::format("{}-file", flag), secret.error().what);
    return secret;
}

Result<std::uint16_t> port_from(std::string_view flag, std::string_view word) {
    auto port = parse_int(word, 0, 65535);
    if (!port) return wrong(flag, fmt::format("'{}' is no port (0 to 65535)", word));
    return static_cast<std::uint16_t>(*port);
}

Result<Millis> time_from(std::string_view flag, const std::string& word) {
    auto time = parse_duration(word);
    if (!time) return within(flag, time.error());
    return *time;
}

/// "500000", "4M", "512k".
Result<std::uint64_t> bytes_from(std::string_view flag, std::string_view word) {
    const char unit = word.empty() ? '0' : ascii_lower(word.back());
    const unsigned shift = unit == 'k' ? 10 : unit == 'm' ? 20 : unit == 'g' ? 30 : 0;
    auto number = parse_int(shift ? word.substr(0, word.size() - 1) : word, 1, 1 << 20);
    if (!shift) number = parse_int(word, 1, std::int64_t{1} << 40);
    if (!number) return wrong(flag, fmt::format("'{}' is no size: bytes, or with k, M or G", word));
    return static_cast<std::uint64_t>(*number) << shift;
}

/// FEED=["ffmpeg", …]
Result<> add_command(RelayOptions& options, const std::string& word) {
    constexpr std::string_view flag = "--command";
    const auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0) return wrong(flag, R"(needs FEED=["program","argument",…])");
    const auto list = parse_json_text(std::string_view(word).substr(equals + 1));
    if (!list) return wrong(flag, fmt::format("behind '=': {}", list.error().what));
    std::vector<std::string> arguments;
    for (const auto& item : list->items) {
        if (item.kind != JsonText::Kind::text) return wrong(flag, "every argument is a text in quotes");
        if (item.text.find('\0') != std::string::npos) return wrong(flag, "no argument holds a zero byte");
        arguments.push_back(item.text);
    }
    if (list->kind != JsonText::Kind::array || arguments.empty() || arguments.front().empty())
        return wrong(flag, R"(needs FEED=["program","argument",…])");
    options.commands[word.substr(0, equals)] = std::move(arguments);
    return {};
}

/// ADDR, ADDR:PORT, [V6]:PORT
Result<> set_address(RelayOptions& options, const std::string& word, bool port_said) {
    const auto colon = word.rfind(':');
    const bool bracket = word.starts_with('[');
    const bool with_port = colon != std::string::npos && (bracket ? word[colon - 1] == ']' : word.find(':') == colon);
    auto host = with_port ? word.substr(0, colon) : word;
    if (bracket && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    options.address = host == "localhost" ? "127.0.0.1" : host.empty() || host == "*" ? "0.0.0.0" : host;
    if (!is_address(options.address))
        return wrong("--listen", fmt::format("'{}' is no address of a machine: 127.0.0.1, 0.0.0.0, ::1", word));
    if (!with_port || port_said) return {};
    auto port = port_from("--listen", std::string_view(word).substr(colon + 1));
    if (!port) return port.error();
    options.port = *port;
    return {};
}

Result<> set_listeners(RelayOptions& o, const RelayWords& w) {
    if (!w.listen.empty())
        if (auto r = set_address(o, w.listen, !w.port.empty()); !r) return r;
    if (!w.port.empty()) {
        auto port = port_from("--port", w.port);
        if (!port) return port.error();
        o.port = *port;
    }
    if (!w.jsmpeg_ports.empty()) {
        const auto comma = w.jsmpeg_ports.find(',');
        if (comma == std::string::npos) return wrong("--jsmpeg-ports", "needs two, as 8081,8082");
        auto in = port_from("--jsmpeg-ports", std::string_view(w.jsmpeg_ports).substr(0, comma));
        auto out = port_from("--jsmpeg-ports", std::string_view(w.jsmpeg_ports).substr(comma + 1));
        if (!in) return in.error();
        if (!out) return out.error();
        o.jsmpeg_ingest_port = *in;
        o.jsmpeg_view_port = *out;
    }
    o.tls_certificate = w.tls_cert;
    o.tls_key = w.tls_key;
    o.tls_client.ca_file = w.tls_ca;
    if (w.tls_cert.empty() != w.tls_key.empty()) return wrong("--tls-cert", "goes together with --tls-key");
    return {};
}

Result<> set_secrets(RelayOptions& o, const RelayWords& w) {
    auto& a = o.access;
    auto push = secret_from("--push-secret", w.push_secret, w.push_secret_file);
    if (!push) return push.error();
    auto admin = secret_from("--admin-token", w.admin_token, w.admin_token_file);
    if (!admin) return admin.error();
    auto viewer = secret_from("--viewer-secret", w.viewer_secret, w.viewer_secret_file);
    if (!viewer) return viewer.error();
    auto jsmpeg = secret_from("--jsmpeg-secret", w.jsmpeg_secret, w.jsmpeg_secret_file);
    if (!jsmpeg) return jsmpeg.error();
    if (jsmpeg->reveal().find('/') != std::string::npos)
        return wrong("--jsmpeg-secret", "is one element of a path: no '/' in it");
    a.push_secret = std::move(*push);
    a.admin_token = std::move(*admin);
    a.viewer_key.secret = std::move(*viewer);
    a.jsmpeg_secret = *jsmpeg;
    o.jsmpeg_secret = std::move(*jsmpeg);
    if (w.viewer_key.empty()) return {};
    if (!a.viewer_key.secret.empty()) return wrong("--viewer-key", "either a key or a secret for viewers");
    auto pem = file_text("--viewer-key", w.viewer_key);
    if (!pem) return pem.error();
    auto key = jwt::public_key_of(*pem);
    if (!key) return wrong("--viewer-key", fmt::format("{}: {}", w.viewer_key, key.error().what));
    a.viewer_key.public_pem = std::move(*key);
    return {};
}

Result<> set_times_and_sizes(RelayOptions& o, const RelayWords& w) {
    const auto time = [](std::string_view flag, const std::string& word, Millis& into) -> Result<> {
        if (word.empty()) return {};
        auto t = time_from(flag, word);
        if (!t) return t.error();
        into = *t;
        return {};
    };
    if (auto r = time("--ping", w.ping, o.ping); !r) return r;
    if (auto r = time("--viewer-budget-time", w.viewer_budget_time, o.viewer_budget_time); !r) return r;
    if (auto r = time("--ingest-timeout", w.ingest_timeout, o.ingest_timeout); !r) return r;
    if (w.viewer_budget.empty()) return {};
    auto bytes = bytes_from("--viewer-budget", w.viewer_budget);
    if (!bytes) return bytes.error();
    o.viewer_budget_bytes = *bytes;
    return {};
}

/// No default secrets, and no open doors by accident (reliability.md 7.5).
Result<> check_openness(const RelayOptions& o) {
    const auto& a = o.access;
    const bool asks = !a.push_secret.empty() || !a.viewer_key.secret.empty() || !a.viewer_key.public_pem.empty() ||
                      !o.jsmpeg_secret.empty();
    if (a.loopback_only || a.auth_none || asks) return {};
    return wrong("--listen",
                 fmt::format("{} opens the relay to other machines: add --push-secret SECRET (VW_PUSH_SECRET), or a "
                             "--viewer-secret, whose tokens may push, or --auth none (VW_AUTH=none) if everybody may",
                             o.address));
}

}  // namespace

RelayVariables relay_environment(std::span<const char* const> environment) {
    RelayVariables found;
    for (const auto prefix : prefixes) {
        for (const char* entry : environment) {
            const std::string_view text(entry);
            const auto equals = text.find('=');
            if (equals == std::string_view::npos) continue;
            const auto name = ascii_lowered(text.substr(0, equals));
            if (!name.starts_with(prefix)) continue;
            const auto key = name.substr(prefix.size());
            const auto value = text.substr(equals + 1);
            if (key == "port" && value.starts_with("tcp://")) continue;
            found[key] = {std::string(text.substr(0, equals)), std::string(value)};
        }
    }
    return found;
}

Result<std::vector<std::string>> add_environment(RelayWords& words, const RelayVariables& variables) {
    std::vector<std::string> notes;
    const auto variable = [&](std::string_view name) {
        const auto found = variables.find(std::string(name));
        return found == variables.end() ? RelayVariable{} : found->second;
    };
    const auto value = [&](std::string_view name) { return variable(name).value; };
    if (const auto port = value("port"); !port.empty())
        if (auto ok = port_from(variable("port").name, port); !ok) return ok.error();
    for (const auto name : unread)
        if (const auto text = value(name); !text.empty())
            if (auto ok = parse_int(text, 0); !ok)
                return wrong(variable(name).name, fmt::format("'{}' is no number", text));
    for (const auto& each : switches) {
        const auto text = value(each.name);
        if (text.empty()) continue;
        auto on = parse_bool(text);
        if (!on) return wrong(variable(each.name).name, fmt::format("'{}' is neither true nor false", text));
        words.*(each.word) = words.*(each.word) || *on;
    }
    if (!value("cpuprofile").empty())
        notes.push_back("VW_CPUPROFILE is accepted and does nothing here; 'perf record -p PID' shows where time goes");
    // A secret and its file are one setting: a flag for either hides both variables.
    const auto hidden = [before = words](std::string_view name) {
        const auto said = [&](std::string_view other) {
            const auto at = std::find_if(places.begin(), places.end(), [&](const Place& p) { return p.name == other; });
            return at != places.end() && !(before.*(at->word)).empty();
        };
        const bool file = name.ends_with("_file");
        return said(name) || said(file ? std::string(name.substr(0, name.size() - 5)) : fmt::format("{}_file", name));
    };
    for (const auto& place : places) {
        if (hidden(place.name)) continue;
        const auto set = variable(place.name);
        words.*(place.word) = set.value;
        if (!set.value.empty()) words.from[flag_of(place.name)] = set.name;
    }
    if (const auto list = value("allow_origin"); words.allow_origins.empty()) {
        std::string_view rest(list);
        while (!rest.empty()) {
            const auto comma = std::min(rest.find(','), rest.size());
            if (const auto one = stripped(rest.substr(0, comma)); !one.empty()) words.allow_origins.emplace_back(one);
            rest.remove_prefix(std::min(comma + 1, rest.size()));
        }
    }
    return notes;
}

std::optional<log::Level> relay_log_level(const RelayVariables& variables) {
    auto found = variables.find("log_level");
    if (found == variables.end()) found = variables.find("loglevel");
    if (found == variables.end() || found->second.value.empty()) return std::nullopt;
    static const std::map<std::string, log::Level> levels{{"panic", log::Level::fatal}, {"fatal", log::Level::fatal},
                                                          {"error", log::Level::error}, {"warning", log::Level::warn},
                                                          {"warn", log::Level::warn},   {"info", log::Level::info},
                                                          {"debug", log::Level::debug}, {"trace", log::Level::trace}};
    const auto level = levels.find(ascii_lowered(found->second.value));
    return level == levels.end() ? log::Level::info : level->second;
}

namespace {

/// VW-50. What can never be dialled is told at once.
Result<> check_console(const std::string& url) {
    if (url.empty()) return {};
    const auto parts = parse_url(url);
    const bool dialled = parts && (parts->scheme == "ws" || parts->scheme == "wss");
    if (!dialled || !parts->user.empty() || !parts->password.empty())
        return wrong("--api", "needs a websocket address: ws://host/topic or wss://host/topic");
    return {};
}

Result<RelayOptions> options_of(const RelayWords& w) {
    RelayOptions o;
    if (auto r = set_listeners(o, w); !r) return r.error();
    if (auto r = set_secrets(o, w); !r) return r.error();
    if (auto r = set_times_and_sizes(o, w); !r) return r.error();
    const auto auth = ascii_lowered(w.auth), viewers = ascii_lowered(w.viewers);
    if (!auth.empty() && auth != "none" && auth != "secret")
        return wrong("--auth", fmt::format("'{}': none, or nothing", w.auth));
    if (!viewers.empty() && viewers != "anyone" && viewers != "token")
        return wrong("--viewers", fmt::format("'{}': anyone or token", w.viewers));
    o.access.loopback_only = is_this_machine(o.address);
    o.access.auth_none = auth == "none";
    o.access.open_view = viewers == "anyone";
    o.access.audience = w.audience;
    o.access.allowed_origins = w.allow_origins;
    o.access.allow_no_booking_id = w.allow_no_booking_id;
    if (auto r = check_console(w.api); !r) return r.error();
    o.admin_destination = w.api;
    o.rules_file = w.rules;
    if (!w.record_dir.empty()) o.recordings_folder = w.record_dir;
    for (const auto& command : w.commands)
        if (auto r = add_command(o, command); !r) return r.error();
    o.page = !w.no_page;
    o.use_proxy = !w.no_proxy;
    o.public_url = w.public_url;
    const auto scheme = w.public_url.find("://");
    o.access.public_host = origin_host(scheme == std::string::npos ? "wss://" + w.public_url : w.public_url);
    if (auto r = check_openness(o); !r) return r.error();
    return o;
}

}  // namespace

Result<RelayOptions> relay_options(const RelayWords& w) {
    auto options = options_of(w);
    if (options) return options;
    auto error = options.error();
    const auto flag = error.trail.substr(0, error.trail.find(':'));
    if (const auto set = w.from.find(flag); set != w.from.end()) error.trail.replace(0, flag.size(), set->second);
    return error;
}

std::string open_rights(const RelayOptions& o) {
    const auto& a = o.access;
    const bool key = !a.viewer_key.secret.empty() || !a.viewer_key.public_pem.empty();
    std::vector<std::string> open;
    if (a.push_secret.empty() && a.auth_none) open.emplace_back(key ? "pushing by plain HTTP" : "pushing");
    if ((!key && a.auth_none) || a.open_view) open.emplace_back("viewing");
    if (a.admin_token.empty() && a.auth_none) open.emplace_back("rules and statistics");
    return fmt::format("{}", fmt::join(open, ", "));
}

Result<Secret> secret_of(std::string_view text, const std::string& file) {
    const auto line = stripped(text);
    if (line.empty()) return Error{Errc::bad_input, fmt::format("{} is empty", file)};
    if (line.find('\n') != std::string_view::npos)
        return Error{Errc::bad_input, fmt::format("{} has more than one line", file)};
    return Secret(std::string(line));
}

bool is_this_machine(std::string_view address) noexcept {
    return address.starts_with("127.") || address == "::1" || address == "localhost" ||
           address.starts_with("::ffff:127.");
}

}  // namespace weir::relay
