#include "apps/recorder/download_source.h"

#include <algorithm>
#include <charconv>

#include "base/ids.h"
#include "base/log.h"
#include "base/secret.h"
#include "runtime/deadline.h"
#include "runtime/task_group.h"

namespace weir::apps {
namespace {

using namespace std::chrono_literals;

/// A live that was left for longer is another one.
constexpr auto same_live = 5min;
constexpr auto look_again = 5s;
/// What was kept after the last sync has no time in the journal; media that follows must not run into it.
constexpr Micros unsynced = 1s;
constexpr auto file_patience_at_least = 5min;

constexpr const char* length_key = store::expected_bytes_key.data();
constexpr const char* etag_key = "http.etag";
constexpr const char* modified_key = "http.modified";

std::string value_of(const std::map<std::string, std::string>& data, const char* key) {
    const auto at = data.find(key);
    return at == data.end() ? std::string() : at->second;
}

std::optional<FileIdentity> identity_in(const std::map<std::string, std::string>& data) {
    const auto length = value_of(data, length_key);
    FileIdentity id;
    const auto read = std::from_chars(length.data(), length.data() + length.size(), id.length);
    if (length.empty() || read.ec != std::errc() || read.ptr != length.data() + length.size()) return std::nullopt;
    id.etag = value_of(data, etag_key);
    id.modified = value_of(data, modified_key);
    return id;
}

}  // namespace

class PlaylistTap final : public HttpClient {
public:
    PlaylistTap(Clock& clock, HttpClient& inner, Url url, Detected first)
        : clock_(clock), inner_(inner), url_(std::move(url)), first_(std::move(first)) {}

    Task<Result<HttpResponse>> fetch(HttpRequest request) override {
        auto response = co_await answer(std::move(request));
        if (response) look(response->body);
        co_return response;
    }
    Task<Result<std::unique_ptr<HttpBody>>> open(HttpRequest request) override {
        return inner_.open(std::move(request));
    }

    [[nodiscard]] std::uint64_t newest() const noexcept { return newest_; }

private:
    Task<Result<HttpResponse>> answer(HttpRequest request) {
        if (!first_ || request.url.text() != url_.text()) {
            auto fetched = co_await inner_.fetch(std::move(request));
            co_return fetched;
        }
        auto opened = std::move(*first_);
        first_.reset();
        if (!request.deadline) {
            auto read = co_await drain(opened, request.max_body);
            co_return read;
        }
        auto read = co_await with_deadline(clock_, *request.deadline, drain(opened, request.max_body));
        co_return read;
    }

    static Task<Result<HttpResponse>> drain(Detected& from, std::uint64_t limit) {
        co_await errors_not_throws();
        HttpResponse out{from.head, std::string(from.first.text())};
        while (from.body) {
            auto piece = co_await from.body->next();
            if (!piece) co_return piece.error();
            if (piece->empty()) break;
            out.body += piece->text();
            if (out.body.size() > limit)
                co_return Error{Errc::bad_input, fmt::format("body from {} grew above the limit of {} bytes",
                                                             from.head.url.host, limit)};
        }
        co_return out;
    }

    /// By its newest segment: signatures, and ENDLIST, come and go.
    void look(std::string_view body) {
        if (body.find("#EXT-X-STREAM-INF") != body.npos || body.find("#EXTINF") == body.npos) return;
        std::string_view newest;
        while (!body.empty()) {
            const auto line = body.substr(0, body.find('\n'));
            body.remove_prefix(std::min(body.size(), line.size() + 1));
            if (!line.empty() && line[0] != '#' && line[0] != '\r') newest = line.substr(0, line.find_first_of("?\r"));
        }
        newest_ = content_hash(std::as_bytes(std::span(newest)));
    }

    Clock& clock_;
    HttpClient& inner_;
    Url url_;
    std::optional<Detected> first_;
    std::uint64_t newest_ = 0;
};

DownloadSource::DownloadSource(Shard& shard, HttpClient& http, CookieJar& cookies, const DownloadOptions& options)
    : shard_(shard), http_(http), cookies_(cookies), options_(options) {}
DownloadSource::~DownloadSource() = default;

Task<Result<>> DownloadSource::prepare(Demand& demand, const std::optional<Earlier>& earlier) {
    co_await errors_not_throws();
    DetectSettings look;
    look.url = options_.source.url;
    look.headers = options_.source.headers;
    look.wait_for_start = options_.source.wait_for_start;
    look.seed = options_.source.seed;
    bool said = false;
    while (true) {
        auto found = co_await detect(shard_.clock(), http_, &cookies_, look, demand);
        if (!found) co_return found.error();
        if (found->sniffed.form == Form::hls) {
            auto prepared = co_await prepare_hls(std::move(*found), demand, earlier);
            if (!prepared) co_return prepared.error();
        } else {
            prepare_stream(std::move(*found), earlier);
        }
        if (!is_old_live()) co_return Result<>();
        hls_.reset();
        tap_.reset();
        if (!std::exchange(said, true))
            WEIR_LOG(info, "waiting for the next live", {"url", masked_url(options_.source.url.text())});
        const bool slept = co_await shard_.clock().sleep_for(look_again);
        if (!slept || demand.stop.asked()) co_return Error{Errc::cancelled, demand.stop.reason()};
    }
}

/// In a loop, a playlist that stands as it stood at the end of the last recording is the old live's.
bool DownloadSource::is_old_live() const {
    const auto& memory = options_.memory;
    return memory && memory->any && tap_ && tap_->newest() == memory->newest;
}

Task<Result<>> DownloadSource::prepare_hls(Detected found, Demand& demand, const std::optional<Earlier>& earlier) {
    auto settings = options_.source;
    const auto* mine = earlier && earlier->unfinished.source_kind == "hls" ? &earlier->unfinished : nullptr;
    if (mine && mine->at.any) {
        settings.resume = HlsSettings::Resume{mine->at.unit,         mine->at.gen, mine->at.stream_time,
                                              mine->at.last_written, {},           mine->at.offset};
        for (const auto& [lane, at] : mine->at.lanes)
            settings.resume->beside.push_back({lane, at.unit, at.gen, at.stream_time});
    } else if (mine)
        settings.from_start = true;  // killed before a whole segment was kept: what the window has belongs to it
    tap_ = std::make_unique<PlaylistTap>(shard_.clock(), http_, options_.source.url, std::move(found));
    hls_ = HlsSource::create(shard_.executor(), shard_.clock(), *tap_, &cookies_, std::move(settings));
    auto prepared = co_await hls_->prepare(demand);
    if (!prepared) co_return prepared.error();
    continues_ = mine && (!mine->at.any || hls_->continues());
    co_return Result<>();
}

void DownloadSource::prepare_stream(Detected found, const std::optional<Earlier>& earlier) {
    HttpStreamSettings settings;
    settings.url = options_.source.url;
    settings.headers = options_.source.headers;
    settings.duration = options_.source.duration;
    settings.idle_timeout = options_.source.idle_timeout;
    settings.file_patience = std::max<Millis>(options_.source.idle_timeout, file_patience_at_least);
    settings.stall = std::min(settings.stall, settings.idle_timeout);
    settings.seed = options_.source.seed;
    sniffed_ending_ = found.sniffed.ending;
    WEIR_LOG(debug, "found", {"form", std::string(found.sniffed.what)},
             {"length", found.length ? std::to_string(*found.length) : "live"});
    stream_ =
        HttpStream::create(shard_.executor(), shard_.clock(), http_, &cookies_, std::move(settings), std::move(found));
    if (file() && options_.source.duration)
        WEIR_LOG(warn, "--duration is for lives: a file is fetched whole", {"bytes", file()->length});
    if (!earlier || earlier->unfinished.source_kind != "http") return;
    const auto& at = earlier->unfinished.at;
    const auto before = identity_in(earlier->name_data);
    if (const auto now = file()) {
        const bool fits = before && before->has_validator() && before->fits(*now) && earlier->whole_so_far;
        continues_ = fits;
        if (fits) stream_->resume_file(at.any ? at.unit + 1 : 0);
    } else {
        const auto away = std::chrono::duration_cast<Micros>(shard_.clock().wall() - at.last_written);
        continues_ = !before && away <= same_live;
        if (continues_) stream_->resume_live(at.stream_time, away + unsynced);
    }
}

void DownloadSource::drop_earlier() {
    continues_ = false;
    if (hls_) hls_->drop_resume();
}

Source& DownloadSource::source() {
    return hls_ ? static_cast<Source&>(*hls_) : *stream_;
}

std::optional<FileIdentity> DownloadSource::file() const {
    return stream_ ? stream_->file() : std::nullopt;
}

std::string DownloadSource::rendition() const {
    return hls_ ? hls_->stats().rendition : std::string();
}

std::uint64_t DownloadSource::behind() const {
    return hls_ ? hls_->stats().behind_units : 0;
}

void DownloadSource::describe(std::map<std::string, std::string>& name_data) const {
    const auto id = file();
    if (!id) return;
    name_data[length_key] = std::to_string(id->length);
    if (!id->etag.empty()) name_data[etag_key] = id->etag;
    if (!id->modified.empty()) name_data[modified_key] = id->modified;
}

void DownloadSource::remember(LiveMemory& memory) const {
    memory.any = true;
    memory.newest = tap_ ? tap_->newest() : 0;
    memory.nothing_more = file().has_value() || (stream_ && stream_->stats().repeats);
}

}  // namespace weir::apps
