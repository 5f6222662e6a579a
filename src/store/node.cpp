#include "store/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/ids.h"
#include "base/log.h"

namespace weir::store {
namespace {

constexpr std::size_t ulid_length = 26;

Result<std::string> read_id(FileSystem& fs, const Path& path) {
    auto file = fs.open(path, false);
    if (!file) return file.error();
    std::array<std::byte, ulid_length> bytes{};
    auto got = (*file)->pread(0, bytes);
    if (!got) return got.error();
    std::string id(reinterpret_cast<const char*>(bytes.data()), *got);
    const bool good = id.size() == ulid_length && std::all_of(id.begin(), id.end(), [](char c) {
                          return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
                      });
    if (!good) return Error{Errc::bad_input, "not an id", path.string()};
    return id;
}

/// Under a name of its own first: another process never reads half of it, and of two only one is renamed.
Result<> write_id(FileSystem& fs, const Path& folder, const std::string& id) {
    const Path draft = folder / fmt::format(".node.{}.part", id);
    auto file = fs.create(draft);
    if (!file) return file.error();
    const Bytes bytes = Bytes::copy_of(id + "\n");
    auto r = (*file)->append(std::span(&bytes, 1));
    if (r) r = (*file)->sync();
    file->reset();
    if (r) r = fs.rename(draft, folder / "node.id");
    if (!r) (void)fs.remove(draft).has_value();
    if (r) r = fs.sync_folder(folder);
    return r;
}

}  // namespace

Path state_folder() {
    const char* state = std::getenv("XDG_STATE_HOME");
    if (state && *state == '/') return Path(state) / "weir";
    const char* home = std::getenv("HOME");
    if (home && *home == '/') return Path(home) / ".local/state/weir";
    return {};
}

std::string node_id(FileSystem& fs, const Path& folder) {
    const auto fresh = new_ulid();
    if (folder.empty()) return fresh;
    const auto path = folder / "node.id";
    if (auto known = read_id(fs, path)) return *known;
    const auto made = write_id(fs, folder, fresh);
    if (made) return fresh;
    if (auto other = read_id(fs, path)) return *other;  // made by another process meanwhile
    WEIR_LOG(debug, "this installation has no id that lasts", {"file", path.string()}, {"error", made.error().text()});
    return fresh;
}

const std::string& this_node() {
    static const std::string id = node_id(real_file_system(), state_folder());
    return id;
}

}  // namespace weir::store
