#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apps/sites/params.h"
#include "apps/sites/site.h"
#include "base/time.h"
#include "runtime/file_system.h"

namespace weir::sites {

/// The names of all files of one recording: one moment, one number (FC2-54, FC2-76, FC2-77). A template without `.Ext` at its end
/// gets ".N.ext" behind.
/// threads  take(): blocks, on a file lane; else frozen
class RecordingNames {
public:
    /// The first number for which nothing that this recording may write is there, nor taken by another recording of this process
    /// for as long as the names live. Errors: the template's, a folder that cannot be searched, bad_input when none is free.
    [[nodiscard]] static Result<RecordingNames> take(FileSystem& fs, const Params& params, const Live& live,
                                                     std::string_view chat_extension, WallTime now);
    /// As the journal keeps them, seen from its folder.
    [[nodiscard]] static RecordingNames from_journal(const Path& journal, const Path& target,
                                                     const std::map<std::string, std::string>& name_data);
    void add_to(std::map<std::string, std::string>& name_data) const;

    [[nodiscard]] const Path& target() const noexcept { return target_; }  ///< of the finished recording
    [[nodiscard]] const Path& info() const noexcept { return info_; }
    [[nodiscard]] const Path& chat() const noexcept { return chat_; }
    [[nodiscard]] const Path& combined() const noexcept { return combined_; }  ///< empty: the template allows none
    [[nodiscard]] Path thumbnail(std::string_view extension) const;
    [[nodiscard]] unsigned number() const noexcept { return number_; }

private:
    struct Hold;  ///< of the name, within this process
    Path target_, info_, chat_, picture_, combined_;
    unsigned number_ = 0;
    std::shared_ptr<Hold> hold_;
};

/// In lower case, as an ending of files: "mkv" for "matroska" too.
[[nodiscard]] std::string remux_ending(const Params& params);
/// Of pictures, in the order they are looked for.
[[nodiscard]] const std::vector<std::string>& picture_extensions();

}  // namespace weir::sites
