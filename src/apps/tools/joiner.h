#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/trace.h"
#include "media/tool.h"
#include "runtime/file_lane.h"

namespace weir::apps {

/// Who looks at media, joins and reads back; tests put their own here.
struct JoinTools {
    std::function<Task<Result<media::Probe>>(asio::any_io_executor, std::string)> probe = media::probe;
    std::function<Task<Result<media::Summary>>(asio::any_io_executor, media::JoinPlan)> write = media::join;
    std::function<Task<Result<media::Summary>>(asio::any_io_executor, std::string)> summarise = media::summarise;
    /// For joins whose content is not hashed.
    std::function<Task<Result<media::Summary>>(asio::any_io_executor, std::string)> summarise_index =
        media::summarise_index;
};

/// A file that was looked at and has sound or pictures.
struct InputFile {
    Path path;
    std::uint64_t size = 0;
    media::Probe probe;
};
struct BrokenInput {
    Path path;
    Error why;
};
struct Inputs {
    std::vector<InputFile> good;      ///< in the order asked for
    std::vector<BrokenInput> broken;  ///< not there, no media, not readable; a part that is being recorded
};

struct JoinWish {
    std::vector<InputFile> inputs;  ///< one: a remux
    Path output;                    ///< never overwritten: a taken name gets a number
    media::OutputFormat format = media::OutputFormat::mp4;
    bool also_audio = false;  ///< the sound alone as well, under the same name and number with ".m4a"
    bool content = false;     ///< compare every byte of media as well, not only packets and times: twice the reading
    std::map<std::string, std::string> metadata = {};
};

struct MadeFile {
    Path file;
    media::Summary summary;  ///< read back from it
};
/// Every file in `made` is there, whole, and was compared with the inputs. `failed`: the next one could not be made,
/// nothing is left of it.
struct JoinOutcome {
    std::vector<MadeFile> made;
    std::optional<Error> failed;
    std::vector<std::string> notes;
};

struct JoinProgress {
    enum class Step { looking, writing, checking } step = Step::looking;
    Path file;  ///< the one being looked at, or made
    double done = 0;
};

/// Remux, concat and sound extraction, the one way they are done: into .NAME.part.EXT, read back and compared (packets and
/// times; content when wished), then named without ever replacing a file. Inputs are only read. A cancellation ends the child that
/// works and leaves nothing behind.
/// threads  one shard; file work on the lane
class Joiner {
public:
    Joiner(asio::any_io_executor ex, FileLane& lane, JoinTools tools = {});

    /// Called on the shard, a few times a second.
    void on_progress(std::function<void(const JoinProgress&)> tell) { tell_ = std::move(tell); }

    /// The parent of the spans from now on.
    void trace_under(const trace::Context& parent) { trace_ = parent; }

    /// Nothing is written. `cancelled` comes as a broken input.
    Task<Inputs> look_at(std::vector<Path> paths);
    /// The parts of DIR/PREFIX as FC2-88 to FC2-91 have them, in order; of files that differ in their ending only, the
    /// first that has media. Raw files of a finished recording of weir are no parts: its file is. One that is being
    /// recorded is broken. Errors: the folder cannot be read; not_found: no part.
    Task<Result<Inputs>> find_parts(Path prefix);
    Task<JoinOutcome> make(JoinWish wish);

private:
    Task<Result<InputFile>> look(Path path);
    Task<Result<MadeFile>> make_one(const JoinWish& wish, std::vector<Path> wanted, std::size_t which, unsigned& number,
                                    std::vector<std::string>& notes);
    Task<Result<media::Summary>> write_and_check(const JoinWish& wish, Path part, Path file, bool audio_only,
                                                 std::vector<std::string>& notes);
    Task<void> remove(Path path);
    Task<Result<>> blocking(std::function<Result<>()> job);
    void tell(JoinProgress::Step step, const Path& file, double done) const;

    asio::any_io_executor ex_;
    FileLane& lane_;
    FileLane::Strand strand_;
    JoinTools tools_;
    std::function<void(const JoinProgress&)> tell_;
    trace::Context trace_ = {};
};

}  // namespace weir::apps
