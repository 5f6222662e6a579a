#include "apps/sites/recording_names.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "apps/tools/names.h"
#include "store/book.h"

namespace weir::sites {
namespace {

constexpr const char *info_key = "names.info", *chat_key = "names.chat", *picture_key = "names.picture",
                     *combined_key = "names.combined";

std::mutex held_names_lock;
std::set<std::string> held_names;

/// A template that does not say where the extension goes has it at its end.
Result<Path> name_with(const apps::FileNames& names, const std::string& extension, unsigned number) {
    auto path = names.numbered(extension, number);
    if (!path || path->string().ends_with("." + extension)) return path;
    const auto text = number == 0 ? fmt::format("{}.{}", path->string(), extension)
                                  : fmt::format("{}.{}.{}", path->string(), number, extension);
    return Path(text);
}

/// All that a recording of that number might write.
Result<std::vector<Path>> all_names(const apps::FileNames& names, const std::vector<std::string>& extensions,
                                    unsigned number) {
    std::vector<Path> all;
    for (const auto& extension : extensions) {
        auto path = name_with(names, extension, number);
        if (!path) return path.error();
        all.push_back(std::move(*path));
    }
    auto journal = store::folder_of(all.front()) / all.front().stem();
    journal += std::string(store::journal_ending);
    all.push_back(std::move(journal));
    return all;
}

Result<bool> any_taken(FileSystem& fs, const std::vector<Path>& all) {
    for (const auto& path : all) {
        const auto there = fs.exists(path);
        if (!there) return within("file name", there.error());
        if (*there) return true;
    }
    return false;
}

/// Seen from the journal's folder, so that the folder may be moved.
std::string seen_from(const Path& folder, const Path& path) {
    const auto relative = path.lexically_relative(folder);
    return relative.empty() ? path.string() : relative.string();
}

}  // namespace

struct RecordingNames::Hold {
    explicit Hold(std::string n) : name(std::move(n)) {}
    ~Hold() {
        const std::lock_guard guard(held_names_lock);
        held_names.erase(name);
    }
    Hold(const Hold&) = delete;

    static std::shared_ptr<Hold> take(const Path& target) {
        std::error_code failed;  // the working directory may be gone
        auto stem = std::filesystem::absolute(target, failed).lexically_normal();
        if (failed) stem = target.lexically_normal();
        stem.replace_extension();
        const std::lock_guard guard(held_names_lock);
        if (!held_names.insert(stem.string()).second) return nullptr;
        return std::make_shared<Hold>(stem.string());
    }
    std::string name;
};

std::string remux_ending(const Params& params) {
    if (media::format_for("x." + params.remux_format)) return params.remux_format;
    const auto format = apps::format_named(params.remux_format);
    return format ? std::string(media::ending_of(*format).substr(1)) : std::string("mp4");
}

const std::vector<std::string>& picture_extensions() {
    static const std::vector<std::string> all{"jpg", "png", "webp", "gif", "avif"};
    return all;
}

Result<RecordingNames> RecordingNames::take(FileSystem& fs, const Params& params, const Live& live,
                                            std::string_view chat_extension, WallTime now) {
    apps::NameData data;
    data.channel_id = live.channel_id;
    data.channel_name = live.channel_name;
    data.title = live.title;
    data.time = now;
    data.labels = params.labels;
    data.metadata = live.metadata;
    auto names = apps::FileNames::make(params.out_format, data);
    if (!names) return names.error();

    const auto ending = params.remux ? remux_ending(params) : std::string("ts");
    std::vector<std::string> extensions{ending, "ts", "info.json", std::string(chat_extension), "m4a", "mp4"};
    extensions.insert(extensions.end(), picture_extensions().begin(), picture_extensions().end());
    for (unsigned number = 0; number < apps::max_name_numbers; ++number) {
        auto all = all_names(*names, extensions, number);
        if (!all) return all.error();
        const auto taken = any_taken(fs, *all);
        if (!taken) return taken.error();
        if (*taken) continue;
        RecordingNames found;
        found.hold_ = Hold::take((*all)[0]);
        if (!found.hold_) continue;
        found.target_ = (*all)[0];
        found.info_ = (*all)[2];
        found.chat_ = (*all)[3];
        found.picture_ = (*all)[6];
        found.number_ = number;
        if (auto combined = names->combined(remux_ending(params)); combined && names->part_prefix(remux_ending(params)))
            found.combined_ = std::move(*combined);
        return found;
    }
    return Error{Errc::bad_input, "file name: all numbers of it are taken"};
}

RecordingNames RecordingNames::from_journal(const Path& journal, const Path& target,
                                            const std::map<std::string, std::string>& name_data) {
    const auto folder = store::folder_of(journal);
    const auto get = [&](const char* key) {
        const auto at = name_data.find(key);
        return at == name_data.end() || at->second.empty() ? Path() : (folder / at->second).lexically_normal();
    };
    RecordingNames names;
    names.target_ = target;
    names.info_ = get(info_key);
    names.chat_ = get(chat_key);
    names.picture_ = get(picture_key);
    names.combined_ = get(combined_key);
    names.hold_ = Hold::take(target);  // none: an earlier try of the same recording has it still
    return names;
}

void RecordingNames::add_to(std::map<std::string, std::string>& name_data) const {
    const auto folder = store::folder_of(target_);
    name_data[info_key] = seen_from(folder, info_);
    name_data[chat_key] = seen_from(folder, chat_);
    name_data[picture_key] = seen_from(folder, picture_);
    if (!combined_.empty()) name_data[combined_key] = seen_from(folder, combined_);
}

Path RecordingNames::thumbnail(std::string_view extension) const {
    auto path = picture_;
    if (!path.empty()) path.replace_extension(std::string(extension));
    return path;
}

}  // namespace weir::sites
