#pragma once
#include "store/book.h"
#include "store/recording.h"

namespace weir::store {

/// recover(), blocking, on a journal that is open for writing and locked. The book is as the repaired journal says.
/// Errors: bad_input (damaged journal), unsupported (newer version), io.
Result<Book> recover_open(FileSystem& fs, File& journal, const Path& path);
/// Opens, locks (busy) and recovers.
struct Recovered {
    std::unique_ptr<File> journal;
    Book book;
};
Result<Recovered> recover_blocking(FileSystem& fs, const Path& path);
[[nodiscard]] Unfinished unfinished_of(const Book& book, const Path& journal);
Result<std::vector<Unfinished>> find_unfinished_blocking(FileSystem& fs, const Path& folder,
                                                         std::vector<std::string>* complaints);
/// The hash of `n` bytes at `off`; io when the file is shorter.
Result<std::uint64_t> hash_of(File& file, std::uint64_t off, std::uint64_t n);

}  // namespace weir::store
