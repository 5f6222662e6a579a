#include "apps/sites/side_files.h"

#include <array>
#include <utility>

#include "base/log.h"
#include "base/secret.h"
#include "runtime/clock.h"

namespace weir::sites {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;

constexpr int picture_tries = 3;
constexpr Millis picture_deadline{10'000};
constexpr std::uint64_t largest_picture = 20u << 20;

/// Blocks; on the lane.
Result<> write_whole(FileSystem& fs, const Path& path, const std::string& content) {
    auto taken = fs.exists(path);
    if (!taken) return taken.error();
    if (*taken) return Error{Errc::busy, fmt::format("'{}' already exists", path.string())};
    const auto part = path.parent_path() / fmt::format(".{}.part", path.filename().string());
    (void)fs.remove(part).has_value();  // of a run that was killed
    auto file = fs.create(part);
    if (!file) return file.error();
    const Bytes bytes = Bytes::copy_of(content);
    auto done = content.empty() ? Result<>() : (*file)->append(std::span(&bytes, 1));
    if (done) done = (*file)->sync();
    file->reset();
    if (done) done = fs.rename(part, path);
    if (!done) {
        (void)fs.remove(part).has_value();
        return done;
    }
    return fs.sync_folder(path.parent_path());
}

/// By its first bytes; empty: no picture that we know.
std::string_view extension_of_picture(std::string_view bytes) {
    struct Mark {
        std::size_t at;
        std::string_view bytes, extension;
    };
    static constexpr std::array marks{
        Mark{0, "\xFF\xD8\xFF"sv, "jpg"}, Mark{0, "\x89PNG\r\n\x1A\n"sv, "png"}, Mark{0, "GIF87a"sv, "gif"},
        Mark{0, "GIF89a"sv, "gif"},       Mark{4, "ftypavif"sv, "avif"},         Mark{4, "ftypavis"sv, "avif"},
    };
    for (const auto& m : marks)
        if (bytes.size() > m.at && bytes.substr(m.at).starts_with(m.bytes)) return m.extension;
    if (bytes.starts_with("RIFF") && bytes.size() > 12 && bytes.substr(8, 4) == "WEBP") return "webp";
    return {};
}

Task<Result<Picture>> fetch_once(HttpClient& http, HttpRequest request) {
    auto answer = co_await http.fetch(std::move(request));
    if (!answer) co_return answer.error();
    if (answer->head.status < 200 || answer->head.status > 299) co_return status_error(answer->head);
    const auto extension = extension_of_picture(answer->body);
    if (extension.empty())
        co_return Error{Errc::bad_input, fmt::format("what came is no picture ({} bytes)", answer->body.size())};
    co_return Picture{std::move(answer->body), std::string(extension)};
}

}  // namespace

Task<Result<>> write_new_file(FileLane& lane, Path path, std::string content) {
    auto strand = lane.strand();
    std::function<Result<>()> job = [&fs = lane.fs(), to = std::move(path), text = std::move(content)] {
        return write_whole(fs, to, text);
    };
    co_return co_await lane.run(strand, std::move(job));
}

Task<Result<Picture>> fetch_picture(HttpClient& http, CookieJar* cookies, Clock& clock, Url url,
                                    std::vector<std::pair<std::string, std::string>> headers) {
    HttpRequest request;
    request.url = std::move(url);
    request.headers = std::move(headers);
    request.cookies = cookies;
    request.max_body = largest_picture;
    for (int tries = 1;; ++tries) {
        request.deadline = clock.now() + picture_deadline;
        HttpRequest again = request;
        auto picture = co_await fetch_once(http, std::move(again));
        if (picture) co_return picture;
        const auto code = picture.error().code;
        if (tries == picture_tries || code == Errc::cancelled) co_return picture.error();
        const bool slept = co_await clock.sleep_for(1s * tries);
        if (!slept) co_return Error{Errc::cancelled, "a thumbnail was no longer wanted"};
    }
}

}  // namespace weir::sites
