#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "apps/recorder/download.h"
#include "core/source.h"
#include "sources/detect.h"
#include "sources/http_stream/http_stream.h"

namespace weir::apps {

/// An unfinished recording of the same address, as far as the choice of going on with it needs to know.
struct Earlier {
    store::Unfinished unfinished;
    std::map<std::string, std::string> name_data = {};
    bool whole_so_far = false;  ///< its units are there from the first one on, without a loss
};

/// The client of one HLS source: its first request for the playlist is answered by what was opened already, and it remembers the
/// newest segment that passed.
class PlaylistTap;

/// What stands behind the address, whatever its form.
/// threads  one shard
class DownloadSource {
public:
    DownloadSource(Shard& shard, HttpClient& http, CookieJar& cookies, const DownloadOptions& options);
    ~DownloadSource();

    /// Waits for the stream, finds out what it is, and makes it ready. Emits nothing; errors before any file exists.
    Task<Result<>> prepare(Demand& demand, const std::optional<Earlier>& earlier);
    /// Does it go on with `earlier`? If not: drop_earlier(), and it begins anew.
    [[nodiscard]] bool continues() const { return continues_; }
    void drop_earlier();

    [[nodiscard]] Source& source();
    [[nodiscard]] bool ready() const noexcept { return hls_ || stream_; }
    [[nodiscard]] std::string_view kind() const noexcept { return hls_ ? "hls" : "http"; }
    [[nodiscard]] std::optional<FileIdentity> file() const;
    /// Of a file with these bytes; empty: known with the first media.
    [[nodiscard]] std::string_view ending() const noexcept { return sniffed_ending_; }
    [[nodiscard]] std::string rendition() const;
    [[nodiscard]] std::uint64_t behind() const;
    /// For the journal: what tells this file from another one of the same name.
    void describe(std::map<std::string, std::string>& name_data) const;
    /// After the run: what the next recording of a loop has to know.
    void remember(LiveMemory& memory) const;

private:
    Task<Result<>> prepare_hls(Detected found, Demand& demand, const std::optional<Earlier>& earlier);
    void prepare_stream(Detected found, const std::optional<Earlier>& earlier);
    [[nodiscard]] bool is_old_live() const;

    Shard& shard_;
    HttpClient& http_;
    CookieJar& cookies_;
    const DownloadOptions& options_;
    std::unique_ptr<PlaylistTap> tap_;
    std::unique_ptr<HlsSource> hls_;
    std::unique_ptr<HttpStream> stream_;
    std::optional<Earlier> earlier_;
    std::string sniffed_ending_;
    bool continues_ = false;
};

}  // namespace weir::apps
