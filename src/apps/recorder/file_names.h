#pragma once
#include <map>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "proto/gotemplate/template.h"
#include "runtime/file_system.h"

namespace weir::apps {

inline constexpr std::string_view default_out_format = "{{ .Date }} {{ .Title }} ({{ .ChannelName }}).{{ .Ext }}";

/// What a file's name is made of, as it came: sanitising is done here.
struct NameData {
    std::string channel_id, channel_name, title;
    WallTime time = {};  ///< shown in the local zone
    std::map<std::string, std::string> labels = {};
    gotemplate::Value metadata = {};  ///< .MetaData, under its Go names; missing: nil
};

/// The names of one recording's files, from the user's template.
///
/// fields   .MetaData also as .Metadata; ChannelID, ChannelName, Title are one path element each; a label may hold several ("a/b"), each sanitised; so is
///          every text in MetaData. A label that is not there prints "_no value_".
/// paths    only the template's own text climbs ("../"), begins at the root or names "."; what an action prints cannot.
///          Elements are cut on a character border: the last one so that a number, its extension and our endings fit, and
///          equally for all extensions. A path that begins with '-' gets '_' in front. Folders are the caller's to make
///          (0755).
/// errors   bad_input: the template's own, a name that is a folder or holds NUL
/// threads  frozen: any
/// source   FC2-68 to FC2-79
class FileNames {
public:
    [[nodiscard]] static Result<FileNames> make(std::string_view out_format, const NameData& data);

    /// NAME.ext: written over when it is there (FC2-77).
    [[nodiscard]] Result<Path> plain(std::string_view extension) const;
    /// Candidate `number`: NAME.ext, NAME.1.ext, NAME.2.ext … The one that is free is the caller's to take, with
    /// FileSystem::create, which never takes a name twice (FC2-76).
    [[nodiscard]] Result<Path> numbered(std::string_view extension, unsigned number) const;
    /// NAME.combined.mp4 (FC2-78).
    [[nodiscard]] Result<Path> combined(std::string_view format) const;
    /// What the parts of a combined file begin with; an error when the template does not end in `.{{ .Ext }}`.
    [[nodiscard]] Result<Path> part_prefix(std::string_view format) const;

private:
    struct Fields {
        std::string channel_id, channel_name, title, date, time;
        gotemplate::Value labels, metadata;
    };
    FileNames(gotemplate::Template text, Fields fields) : template_(std::move(text)), fields_(std::move(fields)) {}

    gotemplate::Template template_;
    Fields fields_;
};

inline constexpr unsigned max_name_numbers = 10'000;

/// The first candidate that does not exist, among the first 10000. Errors: those of `files` (a folder that cannot be
/// searched, a name that is too long), bad_input when none is free. Blocks: on a file lane.
[[nodiscard]] Result<Path> first_free(const FileNames& names, std::string_view extension, FileSystem& files);

}  // namespace weir::apps
