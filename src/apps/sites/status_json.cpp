#include "apps/sites/status_json.h"

#include <algorithm>
#include <ctime>

#include "base/text.h"

namespace weir::sites {
namespace {

void add_member(std::string& out, std::string_view name, std::string_view json) {
    if (out.back() != '{') out += ',';
    out += json_quoted(name);
    out += ':';
    out += json;
}

std::string of_labels(const std::map<std::string, std::string>& labels) {
    std::string out = "{";
    for (const auto& [name, value] : labels) add_member(out, name, json_quoted(value));
    return out + "}";
}

constexpr std::size_t page_errors = 3;

/// The page gets the newest, with a time that scripts can read.
std::string of_errors(const std::deque<WatchStatus::Trouble>& errors, Reader reader) {
    const auto most = reader == Reader::page ? page_errors : errors.size();
    std::string out = "[";
    for (std::size_t i = errors.size() - std::min(most, errors.size()); i < errors.size(); ++i) {
        const auto time = reader == Reader::page ? utc_text(errors[i].at) : go_time_text(errors[i].at);
        if (out.size() > 1) out += ',';
        out += fmt::format(R"({{"timestamp":{},"error":{}}})", json_quoted(time), json_quoted(errors[i].text));
    }
    return out + "]";
}

std::string of_recording(const RecordingProgress& r) {
    std::string out = "{";
    add_member(out, "file", json_quoted(r.file.string()));
    add_member(out, "quality", json_quoted(r.quality));
    add_member(out, "as_whom", json_quoted(r.as_whom));
    add_member(out, "bytes", std::to_string(r.bytes));
    add_member(out, "duration_seconds", fmt::format("{:.3f}", std::chrono::duration<double>(r.duration).count()));
    add_member(out, "got", std::to_string(r.got));
    add_member(out, "missing", std::to_string(r.missing));
    add_member(out, "behind", std::to_string(r.behind));
    add_member(out, "gaps", std::to_string(r.gaps));
    add_member(out, "comments", std::to_string(r.comments));
    add_member(out, "reconnects", std::to_string(r.reconnects));
    add_member(out, "waiting_for_space", r.waiting_for_space ? "true" : "false");
    return out + "}";
}

std::string of_channel(const WatchStatus& s, Reader reader) {
    std::string out = "{";
    add_member(out, "state", json_quoted(name_of(s.state)));
    if (reader == Reader::program && !s.metadata_json.empty())
        add_member(out, "extra", R"({"metadata":)" + s.metadata_json + "}");
    if (!s.labels.empty()) add_member(out, "labels", of_labels(s.labels));
    add_member(out, "errors_log", of_errors(s.errors, reader));
    add_member(out, "reason", json_quoted(s.reason));
    if (!s.channel_name.empty()) add_member(out, "name", json_quoted(s.channel_name));
    if (!s.title.empty()) add_member(out, "title", json_quoted(s.title));
    if (s.state == State::blind) add_member(out, "blind", "true");
    add_member(out, "since", json_quoted(utc_text(s.since)));
    if (s.next_look) add_member(out, "next_look", json_quoted(utc_text(*s.next_look)));
    if (s.recording) add_member(out, "recording", of_recording(*s.recording));
    return out + "}";
}

std::string of_channels(const std::vector<WatchStatus>& statuses, Reader reader) {
    std::string out = "{";
    for (const auto& s : statuses) add_member(out, s.channel_id, of_channel(s, reader));
    return out + "}";
}

/// The string at `at` (its opening quote) with both quotes.
std::string_view json_string_at(std::string_view json, std::size_t at) {
    auto end = at + 1;
    while (end < json.size() && json[end] != '"') end += json[end] == '\\' ? 2 : 1;
    return json.substr(at, end + 1 - at);
}

}  // namespace

std::string go_time_text(WallTime t) {
    using namespace std::chrono;
    const auto whole = floor<seconds>(t);
    const auto ns = duration_cast<nanoseconds>(t - whole).count();
    const std::time_t unix_time = system_clock::to_time_t(whole);
    std::tm utc{};
    ::gmtime_r(&unix_time, &utc);
    char date[32];
    std::strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &utc);
    std::string fraction = ns == 0 ? std::string() : fmt::format(".{:09}", ns);
    while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
    return fmt::format("{}{} +0000 UTC", date, fraction);
}

std::string indented_json(std::string_view json) {
    std::string out;
    std::size_t depth = 0;
    const auto new_line = [&] {
        out += '\n';
        out.append(2 * depth, ' ');
    };
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        if (c == '"') {
            const auto text = json_string_at(json, i);
            out += text;
            i += text.size() - 1;
        } else if (c == '{' || c == '[') {
            out += c;
            ++depth;
            const auto next = json.find_first_not_of(" \t\r\n", i + 1);
            if (next == std::string_view::npos || (json[next] != '}' && json[next] != ']')) new_line();
        } else if (c == '}' || c == ']') {
            if (depth > 0) --depth;
            if (out.back() != '{' && out.back() != '[') new_line();
            out += c;
        } else if (c == ',') {
            out += c;
            new_line();
        } else if (c == ':') {
            out += ": ";
        } else if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
            out += c;
        }
    }
    return out;
}

std::string json_of(const std::vector<WatchStatus>& statuses) {
    return indented_json(R"({"channels":)" + of_channels(statuses, Reader::program) + "}");
}

std::string json_of(const std::vector<WatchStatus>& statuses, const About& about, WallTime now, Reader reader) {
    std::string out = "{";
    add_member(out, "channels", of_channels(statuses, reader));
    add_member(out, "program", json_quoted(about.program));
    add_member(out, "version", json_quoted(about.version));
    add_member(out, "started", json_quoted(utc_text(about.started)));
    add_member(out, "now", json_quoted(utc_text(now)));
    out += '}';
    return reader == Reader::page ? out : indented_json(out);
}

}  // namespace weir::sites
