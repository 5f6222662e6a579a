#include "apps/recorder/file_names.h"

#include <algorithm>
#include <vector>

#include "proto/gotemplate/go_time.h"
#include "store/names.h"

namespace weir::apps {
namespace {

using gotemplate::Kind;
using gotemplate::Value;

constexpr std::size_t max_path_bytes = 4000;  // PATH_MAX is 4096
constexpr std::size_t stem_bytes = store::max_name_bytes - 2 * store::room_for_endings;
constexpr int deepest = 100;
constexpr std::string_view no_value = "<no value>";

Error bad_name(std::string what) {
    return {.code = Errc::bad_input, .what = "file name: " + std::move(what)};
}

/// Each element between slashes on its own: a label may name folders, but climb nowhere.
std::string sanitise_path(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const auto slash = std::min(text.find('/'), text.size());
        if (slash > 0) {
            if (!out.empty()) out += '/';
            out += store::sanitise_name(text.substr(0, slash));
        }
        text.remove_prefix(std::min(slash + 1, text.size()));
    }
    return out;
}

/// Every text in it one path element; empty ones stay empty, so that conditions hold.
Value sanitised(const Value& v, int depth = 0) {
    if (v.is_nil() || depth > deepest) return v;
    switch (v.kind()) {
        case Kind::string:
            return v.as_text().empty() ? v : Value::text(store::sanitise_name(v.as_text()), v.type());
        case Kind::slice:
        case Kind::array: {
            gotemplate::Values items;
            for (std::size_t i = 0; i < v.length(); ++i) items.push_back(sanitised(v.at(i), depth + 1));
            return Value::slice(std::move(items), v.type());
        }
        case Kind::map: {
            auto entries = v.entries();
            for (auto& entry : entries) entry.second = sanitised(entry.second, depth + 1);
            return Value::map(std::move(entries), v.type());
        }
        case Kind::structure: {
            if (v.is_time()) return v;
            gotemplate::Values fields;
            for (std::size_t i = 0; i < v.type()->fields.size(); ++i)
                fields.push_back(sanitised(v.field(i), depth + 1));
            return Value::structure(v.type(), std::move(fields));
        }
        case Kind::pointer:
            return Value::pointer(sanitised(v.held(), depth + 1));
        case Kind::interface:
            return Value::interface(v.type(), sanitised(v.held(), depth + 1));
        default:
            return v;
    }
}

/// A result byte for byte, with where each came from.
struct Marked {
    std::string text;
    std::vector<bool> literal;
    bool from_root = false;  ///< the template's own text begins with '/', and nothing was printed before it

    void add(std::string_view piece, bool is_literal) {
        text += piece;
        literal.insert(literal.end(), piece.size(), is_literal);
    }
    [[nodiscard]] bool all_literal(std::size_t from, std::size_t to) const {
        const auto at = [&](std::size_t i) {
            return literal.begin() + static_cast<std::ptrdiff_t>(std::min(i, literal.size()));
        };
        return std::all_of(at(from), at(to), [](bool b) { return b; });
    }
};

Marked marked(const gotemplate::Execution& made) {
    Marked m;
    std::string_view rest = made.output;
    m.from_root = rest.starts_with('/') && made.pieces.front().literal;
    for (const auto& piece : made.pieces) {
        const auto text = rest.substr(0, piece.size);
        rest.remove_prefix(piece.size);
        m.add(!piece.literal && text == no_value ? store::sanitise_name(no_value) : text, piece.literal);
    }
    return m;
}

std::string cut_last(std::string_view name, std::string_view ending) {
    const auto room = store::max_name_bytes - store::room_for_endings;
    if (!name.ends_with(ending)) return store::shorten_name(name, room);
    const auto most = std::min(stem_bytes, room > ending.size() ? room - ending.size() : 1);
    return store::shorten_name(name.substr(0, name.size() - ending.size()), most) + std::string(ending);
}

/// The elements of a result put together again. `ending`: ".ext", kept whole.
Result<Path> assemble(const Marked& m, std::string_view ending) {
    const std::string& text = m.text;
    if (text.find('\0') != text.npos) return bad_name("it holds a NUL");
    std::string path = m.from_root ? "/" : "";
    bool named = false;  // the last element is a name, and no folder
    for (std::size_t from = 0; from <= text.size();) {
        const auto to = std::min(text.find('/', from), text.size());
        const auto element = std::string_view(text).substr(from, to - from);
        const bool last = to == text.size();
        const bool dots = element == "." || element == "..";
        named = !element.empty() && !(dots && m.all_literal(from, to + 1));
        if (!element.empty()) {
            if (!path.empty() && path != "/") path += '/';
            if (dots)
                path += m.all_literal(from == 0 ? 0 : from - 1, to + 1) ? element : "_";
            else
                path += last ? cut_last(element, ending) : store::shorten_name(element, store::max_name_bytes);
        }
        from = to + 1;
    }
    if (!named) return bad_name("the template names a folder");
    if (path.starts_with('-')) path.insert(path.begin(), '_');
    if (path.size() > max_path_bytes) return bad_name("longer than a path can be");
    return Path(path);
}

std::string local_text(WallTime time, std::string_view layout) {
    gotemplate::Moment m;
    m.seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
    return gotemplate::format_time(gotemplate::in_local_zone(std::move(m)), layout);
}

}  // namespace

Result<FileNames> FileNames::make(std::string_view out_format, const NameData& data) {
    gotemplate::Options options;
    options.keep_pieces = true;
    auto text = gotemplate::Template::parse("gotpl", out_format, options);
    if (!text) return text.error();
    auto labels = data.labels;
    for (auto& label : labels) label.second = sanitise_path(label.second);
    Fields fields{.channel_id = store::sanitise_name(data.channel_id),
                  .channel_name = store::sanitise_name(data.channel_name),
                  .title = store::sanitise_name(data.title),
                  .date = local_text(data.time, "2006-01-02"),
                  .time = local_text(data.time, "150405"),
                  .labels = Value::labels(labels),
                  .metadata = sanitised(data.metadata)};
    FileNames names(std::move(*text), std::move(fields));
    // What cannot be executed is found now and not when the live begins.
    if (auto trial = names.plain("ts"); !trial) return trial.error();
    return names;
}

Result<Path> FileNames::plain(std::string_view extension) const {
    const auto& f = fields_;
    const auto data = Value::structure("", {{"ChannelID", Value::text(f.channel_id)},
                                            {"ChannelName", Value::text(f.channel_name)},
                                            {"Date", Value::text(f.date)},
                                            {"Time", Value::text(f.time)},
                                            {"Title", Value::text(f.title)},
                                            {"Ext", Value::text(std::string(extension))},
                                            {"MetaData", f.metadata},
                                            {"Metadata", f.metadata},  // as the reference's manual spells it
                                            {"Labels", f.labels}});
    const auto made = template_.run(data);
    if (made.error) return *made.error;
    return assemble(marked(made), "." + std::string(extension));
}

Result<Path> FileNames::numbered(std::string_view extension, unsigned number) const {
    return plain(number == 0 ? std::string(extension) : fmt::format("{}.{}", number, extension));
}

Result<Path> FileNames::combined(std::string_view format) const {
    return plain(fmt::format("combined.{}", format));
}

Result<Path> FileNames::part_prefix(std::string_view format) const {
    auto whole = combined(format);
    if (!whole) return whole;
    const std::string text = whole->string(), ending = fmt::format(".combined.{}", format);
    if (!text.ends_with(ending)) return bad_name("parts are found only when \".{{ .Ext }}\" ends the template");
    return Path(text.substr(0, text.size() - ending.size()));
}

Result<Path> first_free(const FileNames& names, std::string_view extension, FileSystem& files) {
    Path last;
    for (unsigned number = 0; number < max_name_numbers; ++number) {
        auto path = names.numbered(extension, number);
        if (!path) return path;
        // Without .Ext in it, every candidate is the same.
        if (number > 0 && *path == last) break;
        const auto taken = files.exists(*path);
        if (!taken) return within("file name", taken.error());
        if (!*taken) return path;
        last = std::move(*path);
    }
    return bad_name(fmt::format("\"{}\" and the numbers after it are taken", last.string()));
}

}  // namespace weir::apps
