#pragma once
#include <fmt/core.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace weir::log {

enum class Level { trace, debug, info, warn, error, fatal };

/// One `key=value` of a log line; in JSON a member of its own.
struct Field {
    template <class T>
    Field(std::string_view k, const T& v) : key(k), value(fmt::format("{}", v)) {}
    std::string_view key;
    std::string value;
};

struct Settings {
    Level level = Level::info;
    bool json =
        false;  ///< one object per line: level, time (RFC 3339, seconds), caller, message, error, fields (FC2-138)
    bool colour = false;  ///< set when standard error is a terminal and NO_COLOR is not set
};

/// Text as FC2-138: "7:02AM ERR path/file.cpp:29 > message key=value". Level names TRC DBG INF WRN ERR FTL.
/// threads  any; lines never interleave. Before configure() the defaults stand.
void configure(const Settings& settings);
[[nodiscard]] bool enabled(Level level) noexcept;

/// Puts `text` (a progress line) under the log on a terminal, redrawn after each line; empty removes it.
void set_status_line(std::string text);

struct Where {
    const char* file;
    int line;
};
void write(Level level, Where where, std::string_view message, std::initializer_list<Field> fields = {});

/// The line write() would print at `when`, without its line end. Control characters are escaped: a line is one line.
[[nodiscard]] std::string line_text(const Settings& settings, Level level, WallTime when, Where where,
                                    std::string_view message, std::initializer_list<Field> fields = {});
/// Standard error is a terminal and NO_COLOR is not set: the value for Settings::colour.
[[nodiscard]] bool colour_wanted();
/// Tests: lines go here instead of standard error; null restores it. Called under the lock of the log.
void capture(void (*into)(std::string_view line));

}  // namespace weir::log

// WEIR_LOG(info, "recording started", {"file", path}, {"url", masked_url(url)});  no formatting when the level is off
#define WEIR_LOG(level_, ...)                                                                                 \
    do {                                                                                                      \
        if (::weir::log::enabled(::weir::log::Level::level_))                                                 \
            ::weir::log::write(::weir::log::Level::level_, {__FILE__, __LINE__}, WEIR_LOG_ARGS(__VA_ARGS__)); \
    } while (false)
#define WEIR_LOG_ARGS(message, ...) \
    message, {                      \
        __VA_ARGS__                 \
    }
