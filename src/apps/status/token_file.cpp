#include "apps/status/token_file.h"

#include <fmt/format.h>

#include <filesystem>
#include <optional>

#include "base/log.h"
#include "base/text.h"
#include "runtime/whole_file.h"

namespace weir::status {
namespace {

constexpr std::size_t longest_token = 4096;

Result<std::optional<Secret>> token_in(const Path& file) {
    auto text = read_whole_file(file, longest_token);
    if (!text) return text.error();
    if (!*text) return std::optional<Secret>();
    const auto line = stripped(**text);
    if (line.empty()) return Error{Errc::bad_input, fmt::format("{}: there is no token in it", file.string())};
    if (line.find('\n') != std::string_view::npos)
        return Error{Errc::bad_input, fmt::format("{}: a token is one line", file.string())};
    return std::optional(Secret(std::string(line)));
}

struct Kept {
    KeptToken token;
    std::string trouble;
};

Kept read_or_make(const Path& file) {
    Kept kept;
    const Result<std::optional<Secret>> nowhere = Error{Errc::not_found, "there is no place for it"};
    auto found = file.empty() ? nowhere : token_in(file);
    if (found && *found) {
        kept.token.token = std::move(**found);
        return kept;
    }
    kept.token.token = random_token();
    kept.token.made = true;
    if (!found) {
        kept.trouble = found.error().text();
        return kept;
    }
    if (file.has_parent_path()) (void)real_file_system().make_folders(file.parent_path()).has_value();
    const auto written = replace_file(file, kept.token.token.reveal() + "\n");
    if (!written) kept.trouble = written.error().text();
    return kept;
}

}  // namespace

Result<Secret> read_token(const Path& file) {
    auto found = token_in(file);
    if (!found) return found.error();
    if (!*found) return Error{Errc::not_found, fmt::format("{}: there is no such file", file.string())};
    return std::move(**found);
}

Task<KeptToken> kept_token(FileLane& lane, Path file) {
    const auto kept = std::make_shared<Kept>();
    auto strand = lane.strand();
    std::function<Result<>()> job = [kept, file]() -> Result<> {
        *kept = read_or_make(file);
        return {};
    };
    auto done = co_await lane.run(strand, std::move(job));
    (void)done.has_value();
    if (!kept->trouble.empty())
        WEIR_LOG(warn, "the status page's token cannot be kept: it is good for this run alone", {"why", kept->trouble});
    co_return std::move(kept->token);
}

}  // namespace weir::status
