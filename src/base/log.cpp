#include "base/log.h"

#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <mutex>

#include "base/text.h"

namespace weir::log {

namespace {

struct Style {
    std::string_view json, text, colour;
};
constexpr std::array<Style, 6> styles{Style{"trace", "TRC", "\x1b[35m"},   Style{"debug", "DBG", "\x1b[33m"},
                                      Style{"info", "INF", "\x1b[32m"},    Style{"warn", "WRN", "\x1b[31m"},
                                      Style{"error", "ERR", "\x1b[1;31m"}, Style{"fatal", "FTL", "\x1b[1;31m"}};
constexpr std::string_view grey = "\x1b[90m", cyan = "\x1b[36m", red = "\x1b[31m", bold = "\x1b[1m", plain = "\x1b[0m";

struct State {
    std::mutex mutex;
    Settings settings;
    std::string status;
    void (*into)(std::string_view) = nullptr;
};

/// Never destroyed: other threads may log while the process ends.
State& state() {
    static State* const only = new State;
    return *only;
}
std::atomic<Level> threshold{Level::info};

std::string_view relative_to_src(std::string_view file) {
    if (const auto at = file.rfind("/src/"); at != std::string_view::npos) return file.substr(at + 5);
    return file.starts_with("src/") ? file.substr(4) : file;
}

std::tm local(WallTime when) {
    const auto seconds = std::chrono::system_clock::to_time_t(when);
    std::tm tm{};
    localtime_r(&seconds, &tm);
    return tm;
}

std::string clock_text(WallTime when) {
    const auto tm = local(when);
    const int hour = tm.tm_hour % 12 == 0 ? 12 : tm.tm_hour % 12;
    return fmt::format("{}:{:02}{}", hour, tm.tm_min, tm.tm_hour < 12 ? "AM" : "PM");
}

std::string rfc3339(WallTime when) {
    const auto tm = local(when);
    auto out = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                           tm.tm_hour, tm.tm_min, tm.tm_sec);
    const long minutes = tm.tm_gmtoff / 60;
    if (minutes == 0) return out + "Z";
    return out + fmt::format("{}{:02}:{:02}", minutes < 0 ? '-' : '+', std::abs(minutes) / 60, std::abs(minutes) % 60);
}

bool needs_quotes(std::string_view value) {
    for (const char c : value)
        if (c <= ' ' || c == '"' || c == '\\' || c == '\x7f') return true;  // chars above 0x7f are negative: quoted
    return false;
}

void append_value(std::string& out, std::string_view value) {
    const bool quoted = needs_quotes(value);
    if (quoted) out += '"';
    append_printable(out, value, quoted);
    if (quoted) out += '"';
}

std::string text_line(const Settings& settings, Level level, WallTime when, Where where, std::string_view message,
                      std::initializer_list<Field> fields) {
    std::string out;
    const auto paint = [&](std::string_view colour, std::string_view what) {
        if (settings.colour) out += colour;
        out += what;
        if (settings.colour) out += plain;
    };
    const auto& style = styles[static_cast<std::size_t>(level)];
    paint(grey, clock_text(when));
    out += ' ';
    paint(style.colour, style.text);
    out += ' ';
    paint(bold, fmt::format("{}:{}", relative_to_src(where.file), where.line));
    out += ' ';
    paint(cyan, ">");
    out += ' ';
    append_printable(out, message);
    for (const auto& field : fields) {
        out += ' ';
        std::string key;
        append_printable(key, field.key);
        paint(cyan, key + "=");
        std::string value;
        append_value(value, field.value);
        if (field.key == "error")
            paint(red, value);
        else
            out += value;
    }
    return out;
}

std::string json_line(Level level, WallTime when, Where where, std::string_view message,
                      std::initializer_list<Field> fields) {
    auto out =
        fmt::format(R"({{"level":"{}","time":"{}","caller":{},"message":{})",
                    styles[static_cast<std::size_t>(level)].json, rfc3339(when),
                    json_quoted(fmt::format("{}:{}", relative_to_src(where.file), where.line)), json_quoted(message));
    for (const auto& field : fields) out += fmt::format(",{}:{}", json_quoted(field.key), json_quoted(field.value));
    return out + '}';
}

void write_all(std::string_view text) {
    while (!text.empty()) {
        const auto wrote = ::write(STDERR_FILENO, text.data(), text.size());
        if (wrote > 0)
            text.remove_prefix(static_cast<std::size_t>(wrote));
        else if (errno != EINTR)
            return;  // nowhere left to complain
    }
}

bool on_terminal() {
    static const bool yes = ::isatty(STDERR_FILENO) == 1;
    return yes;
}

}  // namespace

void configure(const Settings& settings) {
    const std::scoped_lock lock(state().mutex);
    state().settings = settings;
    threshold.store(settings.level, std::memory_order_relaxed);
}

bool enabled(Level level) noexcept {
    return level >= threshold.load(std::memory_order_relaxed);
}

bool colour_wanted() {
    const char* no_colour = std::getenv("NO_COLOR");
    return on_terminal() && (!no_colour || !*no_colour);
}

void capture(void (*into)(std::string_view)) {
    const std::scoped_lock lock(state().mutex);
    state().into = into;
}

void set_status_line(std::string text) {
    if (!on_terminal()) return;
    const std::scoped_lock lock(state().mutex);
    std::string shown;
    append_printable(shown, text);
    if (shown == state().status) return;
    state().status = std::move(shown);
    write_all("\r\x1b[2K" + state().status);
}

std::string line_text(const Settings& settings, Level level, WallTime when, Where where, std::string_view message,
                      std::initializer_list<Field> fields) {
    if (settings.json) return json_line(level, when, where, message, fields);
    return text_line(settings, level, when, where, message, fields);
}

void write(Level level, Where where, std::string_view message, std::initializer_list<Field> fields) {
    auto& s = state();
    const std::scoped_lock lock(s.mutex);
    auto line = line_text(s.settings, level, std::chrono::system_clock::now(), where, message, fields);
    if (s.into) return s.into(line);
    line += '\n';
    if (!s.status.empty()) line = "\r\x1b[2K" + line + s.status;
    write_all(line);
}

}  // namespace weir::log
