#include "apps/sites/cookie_store.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "proto/seal/reference_jar.h"
#include "proto/seal/seal.h"
#include "runtime/whole_file.h"

namespace weir::sites {
namespace {

constexpr std::size_t largest_cookie_file = 17u << 20;
constexpr int most_bad_files = 100;

using FileTime = std::filesystem::file_time_type;

/// Cookies of one file, as Netscape lines that are known to be good.
struct FoundCookies {
    std::string lines;
    FileTime changed = FileTime::min();
    bool as_saved = false;  ///< in our own form
};
struct FoundFiles {
    std::optional<FoundCookies> imported, kept;
    std::optional<Error> import_error;
};

FileTime change_of(const Path& path) {
    std::error_code ec;
    const auto when = std::filesystem::last_write_time(path, ec);
    return ec ? FileTime::min() : when;
}

bool has_cookie_lines(std::string_view text) {
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        const auto line = stripped(text.substr(0, end));
        if (!line.empty() && (!line.starts_with('#') || line.starts_with("#HttpOnly_"))) return true;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return false;
}

Result<FoundCookies> read_import(const Path& path, WallTime now) {
    FoundCookies found;
    found.changed = change_of(path);
    auto text = read_whole_file(path, largest_cookie_file);
    if (!text) return text.error();
    if (!*text) return Error{Errc::not_found, "no such file", path.string()};
    CookieJar jar;
    if (auto good = jar.import_netscape(**text, now); !good) return within(path.string(), good.error());
    if (!has_cookie_lines(**text)) return Error{Errc::bad_input, "no cookies in it", path.string()};
    found.lines = std::move(**text);
    return found;
}

/// What another program has kept is taken cookie by cookie: one that we refuse does not cost the others.
std::string good_lines(std::string_view lines, WallTime now) {
    CookieJar jar;
    while (!lines.empty()) {
        const auto end = std::min(lines.find('\n'), lines.size());
        if (auto good = jar.import_netscape(lines.substr(0, end), now); !good)
            WEIR_LOG(warn, "a kept cookie of the reference was left out", {"error", good.error().text()});
        lines.remove_prefix(std::min(end + 1, lines.size()));
    }
    return jar.export_netscape();
}

Result<FoundCookies> unsealed_cookies(std::string_view sealed, const Secret& secret, WallTime now) {
    FoundCookies found;
    found.as_saved = seal::is_sealed(sealed);
    auto plain = found.as_saved ? seal::unseal(sealed, secret) : seal::unseal_reference(sealed, secret);
    if (!plain) return plain.error();
    if (!found.as_saved) {
        const auto lines = seal::reference_jar_as_netscape(*plain);
        if (!lines) return lines.error();
        found.lines = good_lines(*lines, now);
        return found;
    }
    CookieJar jar;
    if (auto good = jar.import_netscape(*plain, now); !good) return good.error();
    found.lines = std::move(*plain);
    return found;
}

/// NAME.bad, NAME.bad.2 … so that nothing is lost by a secret that was mistyped.
void put_aside(FileSystem& fs, const Path& path, const Error& why) {
    for (int n = 1; n <= most_bad_files; ++n) {
        auto aside = path;
        aside += n == 1 ? ".bad" : fmt::format(".bad.{}", n);
        const auto moved = fs.rename(path, aside);
        if (!moved && moved.error().code == Errc::busy) continue;
        if (moved)
            WEIR_LOG(warn, "kept cookies cannot be read and were put aside", {"file", path.string()},
                     {"as", aside.string()}, {"error", why.text()});
        else
            WEIR_LOG(error, "kept cookies cannot be read, nor put aside", {"file", path.string()},
                     {"error", why.text()}, {"rename", moved.error().text()});
        return;
    }
    WEIR_LOG(error, "kept cookies cannot be read, and too many were put aside", {"file", path.string()},
             {"error", why.text()});
}

constexpr std::size_t largest_key_file = 4096;

Path key_file_of(const Path& kept) {
    auto key = kept;
    key += ".key";
    return key;
}

/// What the kept file is under: the secret given, or the key beside it; without one it can only be the reference's.
Result<Secret> secret_for_reading(const CookieStore::Settings& settings) {
    if (!settings.secret.empty()) return settings.secret;
    auto key = read_whole_file(key_file_of(settings.kept_file), largest_key_file);
    if (!key) return key.error();
    return *key ? Secret(std::string(stripped(**key))) : settings.reference_secret;
}

Result<Secret> secret_for_saving(FileSystem& fs, const CookieStore::Settings& settings) {
    if (!settings.secret.empty()) return settings.secret;
    const auto path = key_file_of(settings.kept_file);
    auto key = read_whole_file(path, largest_key_file);
    if (!key) return key.error();
    if (*key && !stripped(**key).empty()) return Secret(std::string(stripped(**key)));
    auto made = random_token();
    if (path.has_parent_path())
        if (auto folders = fs.make_folders(path.parent_path()); !folders) return folders.error();
    if (auto written = replace_file(path, made.reveal() + "\n"); !written) return written.error();
    return made;
}

std::optional<FoundCookies> read_kept(FileSystem& fs, const CookieStore::Settings& settings, WallTime now) {
    const auto& path = settings.kept_file;
    const auto changed = change_of(path);
    auto sealed = read_whole_file(path, largest_cookie_file);
    if (sealed && !*sealed) return {};
    auto found = Result<FoundCookies>(Error{});
    if (auto secret = secret_for_reading(settings); !sealed)
        found = sealed.error();
    else if (!secret)
        found = secret.error();
    else
        found = unsealed_cookies(**sealed, *secret, now);
    if (!found) {
        put_aside(fs, path, found.error());
        return {};
    }
    found->changed = changed;
    return std::move(*found);
}

Result<> save_sealed(FileSystem& fs, const CookieStore::Settings& settings, std::string_view lines) {
    const auto& path = settings.kept_file;
    auto secret = secret_for_saving(fs, settings);
    if (!secret) return secret.error();
    auto sealed = seal::seal(lines, *secret);
    if (!sealed) return within(path.string(), sealed.error());
    if (path.has_parent_path())
        if (auto made = fs.make_folders(path.parent_path()); !made) return made;
    return replace_file(path, *sealed);
}

}  // namespace

struct CookieStore::Inner {
    Inner(Shard& s, FileLane& l, Settings given) : shard(s), lane(l), strand(l.strand()), settings(std::move(given)) {}

    Result<> take(const FoundFiles& found);

    Shard& shard;
    FileLane& lane;
    FileLane::Strand strand;
    const Settings settings;
    CookieJar jar;
    std::uint64_t saved = 0;  ///< the jar's changes() that the kept file has
    bool differs = false;     ///< the kept file is not what the jar was loaded with
};

/// The newer file is imported last, so its cookies win.
Result<> CookieStore::Inner::take(const FoundFiles& found) {
    const auto now = shard.clock().wall();
    const bool import_wins = found.imported && (!found.kept || found.imported->changed >= found.kept->changed);
    const auto take_one = [&](const std::optional<FoundCookies>& one) -> Result<> {
        if (!one) return {};
        return jar.import_netscape(one->lines, now);
    };
    if (auto r = take_one(import_wins ? found.kept : found.imported); !r) return r;
    if (auto r = take_one(import_wins ? found.imported : found.kept); !r) return r;
    saved = jar.changes();
    differs = found.kept ? !found.kept->as_saved || found.kept->lines != jar.export_netscape() : !jar.all().empty();
    return {};
}

CookieStore::CookieStore(Shard& shard, FileLane& lane, Settings settings)
    : inner_(std::make_unique<Inner>(shard, lane, std::move(settings))) {}
CookieStore::~CookieStore() = default;

CookieJar& CookieStore::jar() noexcept {
    return inner_->jar;
}

Task<Result<>> CookieStore::load() {
    auto& in = *inner_;
    const auto found = std::make_shared<FoundFiles>();
    std::function<Result<>()> job = [found, settings = in.settings, &fs = in.lane.fs(), now = in.shard.clock().wall()] {
        if (!settings.kept_file.empty()) found->kept = read_kept(fs, settings, now);
        if (settings.import_file.empty()) return Result<>();
        auto imported = read_import(settings.import_file, now);
        if (imported)
            found->imported = std::move(*imported);
        else
            found->import_error = imported.error();
        return Result<>();
    };
    auto read = co_await in.lane.run(in.strand, std::move(job));
    if (!read) co_return read;
    auto taken = in.take(*found);
    if (!taken) co_return taken;
    if (found->import_error) co_return within("import cookies", *found->import_error);
    co_return Result<>();
}

Task<Result<>> CookieStore::save_if_changed() {
    auto& in = *inner_;
    const auto changes = in.jar.changes();
    if (in.settings.kept_file.empty() || (changes == in.saved && !in.differs)) co_return Result<>();
    std::function<Result<>()> job = [settings = in.settings, &fs = in.lane.fs(), lines = in.jar.export_netscape()] {
        return save_sealed(fs, settings, lines);
    };
    auto written = co_await in.lane.run(in.strand, std::move(job));
    if (!written) co_return within("keep cookies", written.error());
    in.saved = changes;
    in.differs = false;
    co_return Result<>();
}

}  // namespace weir::sites
