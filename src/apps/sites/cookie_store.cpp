#include "apps/sites/cookie_store.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

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
    bool as_saved = false;    ///< in our own form
    std::string digest = {};  ///< of the import file; of kept ones: of what was imported into them
};
struct FoundFiles {
    std::optional<FoundCookies> imported, kept;
    std::optional<Error> import_error;
    FileTime import_time = FileTime::min();
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

/// To see whether it is the same file again; kept sealed, so it tells nobody anything.
std::string digest_of(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return fmt::format("{:016x}-{}", hash, text.size());
}

/// Reasons name lines and never what is in them.
std::string first_few(const std::vector<Error>& all) {
    constexpr std::size_t most_shown = 5;
    std::string out;
    for (std::size_t i = 0; i < std::min(all.size(), most_shown); ++i) out += (i > 0 ? "; " : "") + all[i].text();
    return all.size() > most_shown ? out + " …" : out;
}

Result<FoundCookies> read_import(const Path& path, WallTime now) {
    FoundCookies found;
    found.changed = change_of(path);
    auto text = read_whole_file(path, largest_cookie_file);
    if (!text) return text.error();
    if (!*text) return Error{Errc::not_found, "no such file", path.string()};
    if (!has_cookie_lines(**text)) return Error{Errc::bad_input, "no cookies in it", path.string()};
    CookieJar jar;
    std::vector<Error> left_out;
    if (auto good = jar.import_netscape(**text, now, &left_out); !good) return within(path.string(), good.error());
    if (!left_out.empty() && jar.all().empty()) return within(path.string(), left_out.front());
    if (!left_out.empty())
        WEIR_LOG(warn, "some lines of the cookie file are no cookies and were left out", {"file", path.string()},
                 {"lines", left_out.size()}, {"which", first_few(left_out)});
    found.lines = jar.export_netscape();
    found.digest = digest_of(**text);
    return found;
}

/// What another program has kept is taken cookie by cookie: one that we refuse does not cost the others.
std::string good_lines(std::string_view lines, WallTime now) {
    CookieJar jar;
    std::vector<Error> left_out;
    if (auto good = jar.import_netscape(lines, now, &left_out); !good) left_out.push_back(good.error());
    if (!left_out.empty())
        WEIR_LOG(warn, "some kept cookies of the reference were left out", {"cookies", left_out.size()},
                 {"why", first_few(left_out)});
    return jar.export_netscape();
}

/// The line in front of kept cookies that tells what was imported into them.
constexpr std::string_view imported_mark = "# imported ";

std::string with_mark(const std::string& digest, std::string_view lines) {
    return digest.empty() ? std::string(lines) : fmt::format("{}{}\n{}", imported_mark, digest, lines);
}

void take_mark(FoundCookies& kept) {
    if (!kept.lines.starts_with(imported_mark)) return;
    const auto end = std::min(kept.lines.find('\n'), kept.lines.size());
    kept.digest = kept.lines.substr(imported_mark.size(), end - imported_mark.size());
    kept.lines.erase(0, end + 1);
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
    take_mark(found);
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
    std::string imported;  ///< digest of the import file
    FileTime import_time = FileTime::min();
    std::uint64_t saved = 0;  ///< the jar's changes() that the kept file has
    bool differs = false;     ///< the kept file is not what the jar was loaded with
};

/// The newer file is imported last, so its cookies win. An older one that was imported before adds nothing: what is missing since
/// then was deleted.
Result<> CookieStore::Inner::take(const FoundFiles& found) {
    const auto now = shard.clock().wall();
    const bool import_wins = found.imported && (!found.kept || found.imported->changed >= found.kept->changed);
    const auto before = found.kept ? found.kept->digest : std::string();
    imported = found.imported ? found.imported->digest : before;
    const bool known = found.imported && !import_wins && imported == before;
    const auto take_one = [&](const std::optional<FoundCookies>& one) -> Result<> {
        if (!one) return {};
        return jar.import_netscape(one->lines, now);
    };
    if (auto r = take_one(import_wins ? found.kept : known ? std::nullopt : found.imported); !r) return r;
    if (auto r = take_one(import_wins ? found.imported : found.kept); !r) return r;
    saved = jar.changes();
    differs = !jar.all().empty();
    if (found.kept) differs = !found.kept->as_saved || imported != before || found.kept->lines != jar.export_netscape();
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
        found->import_time = change_of(settings.import_file);
        auto imported = read_import(settings.import_file, now);
        if (imported)
            found->imported = std::move(*imported);
        else
            found->import_error = imported.error();
        return Result<>();
    };
    auto read = co_await in.lane.run(in.strand, std::move(job));
    if (!read) co_return read;
    in.import_time = found->import_time;
    auto taken = in.take(*found);
    if (!taken) co_return taken;
    if (found->import_error) co_return within("import cookies", *found->import_error);
    co_return Result<>();
}

Task<bool> CookieStore::import_changed() {
    auto& in = *inner_;
    if (in.settings.import_file.empty()) co_return false;
    const auto now = std::make_shared<FileTime>(FileTime::min());
    std::function<Result<>()> job = [now, path = in.settings.import_file] {
        *now = change_of(path);
        return Result<>();
    };
    auto looked = co_await in.lane.run(in.strand, std::move(job));
    co_return looked&&* now != FileTime::min() && *now != in.import_time;
}

Task<Result<>> CookieStore::save_if_changed() {
    auto& in = *inner_;
    const auto changes = in.jar.changes();
    if (in.settings.kept_file.empty() || (changes == in.saved && !in.differs)) co_return Result<>();
    std::function<Result<>()> job = [settings = in.settings, &fs = in.lane.fs(),
                                     lines = with_mark(in.imported, in.jar.export_netscape())] {
        return save_sealed(fs, settings, lines);
    };
    auto written = co_await in.lane.run(in.strand, std::move(job));
    if (!written) co_return within("keep cookies", written.error());
    in.saved = changes;
    in.differs = false;
    co_return Result<>();
}

}  // namespace weir::sites
